from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from singer_delivery.errors import SetupError
from tap_basware.webhook.cli import main
from tap_basware.webhook.settings import kinds, settings

from tests.readme_settings import assert_current


def test_the_guide_shows_all_settings() -> None:
    assert_current("docs/webhooks.md")


def test_what_is_set_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"region": "US", "port": 1, "host": "file", "path": "/file"}))
    monkeypatch.setenv("TAP_BASWARE_REGION", "EU")
    monkeypatch.setenv("TAP_BASWARE_CLIENT_ID", "the tap's")
    monkeypatch.setenv("TAP_BASWARE_PAGE_SIZE", "7")
    monkeypatch.setenv("BASWARE_WEBHOOK_HOST", "own")
    monkeypatch.setenv("BASWARE_WEBHOOK_PORT", "2")
    found = settings(file, {"port": 3, "host": None})
    assert (found["region"], found["client_id"]) == ("US", "the tap's")
    assert (found["path"], found["host"], found["port"]) == ("/file", "own", 3)
    assert found["inbox_url"] == "sqlite:///basware-inbox.db"
    assert "page_size" not in found


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), ("{", "not a JSON object"), ("[]", "JSON")]
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: str | None, words: str) -> None:
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SetupError, match=words):
        settings(file, {})


def test_kinds() -> None:
    assert kinds(["AccountingDocuments", "RequestStatus/Error"], "run_on") == [
        ("AccountingDocuments", "All"),
        ("RequestStatus", "Error"),
    ]


@pytest.mark.parametrize("text", ["", "/", "a/", "a/b/c", "a b"])
def test_what_is_no_kind(text: str) -> None:
    with pytest.raises(SetupError, match="run_on"):
        kinds([text], "run_on")


def test_about_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASWARE_WEBHOOK_SECRET", "CANARY-1234567")
    shown = CliRunner().invoke(main, ["about"]).output
    assert "signature_format" in shown
    assert "CANARY" not in shown
