from __future__ import annotations

from pathlib import Path

import pytest
from singer_delivery.errors import Unavailable
from singer_delivery.notes import Note, note_failure, note_run, read_notes
from singer_delivery.redaction import REDACTOR


def test_what_is_noted_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "notes.jsonl"
    assert read_notes(file) == []
    monkeypatch.setenv("SINGER_DELIVERY_NOTES", str(file))
    REDACTOR.add("secret-of-a-test")
    note_run("target-x", "run-1")
    note_failure("target-x", Unavailable("away: secret-of-a-test"))
    run, failure = read_notes(file)
    assert run == Note("target-x", run_id="run-1")
    assert failure.kind == "Unavailable"
    assert "secret-of-a-test" not in failure.words
    with file.open("a") as broken:
        broken.write('[]\n{"plugin": 1}\n{"plugin": "cut sh')
    assert len(read_notes(file)) == 2


def test_nobody_asked_for_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SINGER_DELIVERY_NOTES", raising=False)
    monkeypatch.chdir(tmp_path)
    note_run("target-x", "run-1")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SINGER_DELIVERY_NOTES", str(tmp_path))
    note_run("target-x", "run-1")
    assert "SINGER_DELIVERY_NOTES cannot be written" in caplog.text
