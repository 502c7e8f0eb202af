"""What a plugin tells the program that started its run: which run it is, and why it failed.

Where SINGER_DELIVERY_NOTES names a file, each plugin of the run appends JSON lines to it. An
orchestrator learns from them what an exit code cannot say.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from singer_delivery.redaction import REDACTOR

logger = logging.getLogger(__name__)

VARIABLE = "SINGER_DELIVERY_NOTES"


@dataclass(frozen=True)
class Note:
    """A line of the file: a run in the ledger (`run_id`), or a failure: its class and its words."""

    plugin: str
    run_id: str = ""
    kind: str = ""
    words: str = ""


def note_run(plugin: str, run_id: str) -> None:
    """Tell which run of the ledger has begun."""
    _append(Note(plugin, run_id=run_id))


def note_failure(plugin: str, error: Exception) -> None:
    """Tell why the plugin ends with exit code 1; never with a secret."""
    _append(Note(plugin, kind=type(error).__name__, words=REDACTOR.text(str(error))))


def read_notes(file: Path) -> list[Note]:
    """Return what was told; nothing where the file is missing. A line cut short is left out."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [note for note in map(_note, lines) if note is not None]


def _note(line: str) -> Note | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return Note(**found) if isinstance(found, Mapping) and _fits(found) else None


def _fits(found: Mapping[str, object]) -> bool:
    known = Note.__dataclass_fields__
    return "plugin" in found and all(n in known and isinstance(v, str) for n, v in found.items())


def _append(note: Note) -> None:
    file = os.environ.get(VARIABLE)
    if not file:
        return
    line = json.dumps(asdict(note)) + "\n"
    try:
        # One write: lines of two plugins do not mix.
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)
    except OSError as error:
        logger.warning("%s cannot be written: %s", VARIABLE, error.strerror)
