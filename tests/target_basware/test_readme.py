from __future__ import annotations

from target_basware.sinks import SINKS

from tests.readme_settings import ROOT, assert_current


def test_the_settings_table_is_current() -> None:
    assert_current("target-basware")


def test_every_stream_is_described() -> None:
    text = (ROOT / "target-basware" / "README.md").read_text(encoding="utf-8")
    for stream in SINKS:
        assert f"`{stream}`" in text
