"""The project's own files say the same thing everywhere."""

from __future__ import annotations

import pytest

from tests.meltano_settings import PLUGINS, ROOT, definition


@pytest.mark.parametrize("name", PLUGINS)
def test_meltano_definition_is_current(name: str) -> None:
    committed = (ROOT / name / "plugin.meltano.yml").read_text()
    assert committed == definition(name), "run `make docs`"
