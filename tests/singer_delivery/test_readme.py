"""The example in the README runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from singer_delivery.document import Status
from singer_delivery.schema import documents

README = Path(__file__).parents[2] / "singer-delivery" / "README.md"


EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["one by one", "in bulk"])
def test_the_examples_deliver(
    example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(compile(example, str(README), "exec"), names)
    assert names["shelf"] == {"1": {"isbn": "1", "title": "Moby Dick"}}
    names["ledger"].close()


def test_every_status_and_every_column_is_explained() -> None:
    text = README.read_text()
    assert {status for status in Status if f"| `{status}` |" not in text} == set()
    assert {column.name for column in documents.columns if f"`{column.name}`" not in text} == set()
