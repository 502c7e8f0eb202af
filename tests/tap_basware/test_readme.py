from __future__ import annotations

from pathlib import Path

import pytest
from tap_basware.resources import BY_STATUS, OTHERS, accounting_documents
from tap_basware.tap import TapBasware

from tests.readme_settings import BEGIN, END, ROOT, assert_current, settings_table, with_table

README = ROOT / "tap-basware" / "README.md"


def test_the_settings_table_is_current() -> None:
    assert_current("tap-basware")


def test_every_stream_is_described() -> None:
    text = Path(README).read_text(encoding="utf-8")
    for resource in (accounting_documents(BY_STATUS), *OTHERS):
        keys = ", ".join(resource.keys)
        change = f"`{resource.replication_key}`" if resource.replication_key else ""
        assert f"| `{resource.name}` | `{resource.path}` | {keys} | {change}" in text
        assert f"`{resource.scope}`" in text


def test_the_table_marks_secrets_and_choices() -> None:
    lines = settings_table(TapBasware).splitlines()
    assert any(line.startswith("| `client_secret` (secret) | string |") for line in lines)
    assert any(
        line.startswith("| `accounting_documents_mode` | `status`, `last_") for line in lines
    )
    assert any('| array of string | `["WaitingForTransfer"]` |' in line for line in lines)


def test_the_table_has_no_settings_of_capabilities_that_we_do_not_have() -> None:
    assert "flattening" not in settings_table(TapBasware)
    assert "`stream_maps`" in settings_table(TapBasware)


def test_a_stale_table_is_replaced_and_the_rest_kept() -> None:
    stale = f"# Before\n{BEGIN}\nold\n{END}\nafter\n"
    fresh = with_table(stale, TapBasware)
    assert fresh.startswith("# Before\n")
    assert fresh.endswith(f"{END}\nafter\n")
    assert "old\n" not in fresh
    assert with_table(fresh, TapBasware) == fresh


def test_a_readme_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        with_table("# Nothing", TapBasware)
