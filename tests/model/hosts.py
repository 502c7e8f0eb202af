"""Machines that plugins run on: a ledger in a real SQLite file, with crash points at its commits."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from singer_delivery.ledger import Ledger

from tests.model.process import Process

DYNAMICS, BASWARE = "https://dynamics.example", "https://basware.example"


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder, in memory where the machine has one: power cuts are no matter here."""
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


@cache
def _empty() -> tuple[tempfile.TemporaryDirectory[str], Path]:
    kept = folder()
    file = Path(kept.name) / "empty.db"
    Ledger.open(f"sqlite:///{file}", DYNAMICS).close()
    return kept, file


def new_ledger(file: Path) -> None:
    """Put an empty ledger in the place of what is there: migrating one takes too long."""
    for old in file.parent.glob(f"{file.name}*"):
        old.unlink()
    shutil.copy(_empty()[1], file)


@dataclass
class Host:
    """One machine; its ledgers stay open over the processes that run on it one after the other."""

    file: Path
    clock: Callable[[], datetime]
    process: Process = field(default_factory=lambda: Process(""))
    _open: dict[str, Ledger] = field(default_factory=dict)

    def ledger(self, system: str) -> Ledger:
        """Return the ledger of a system; its commits are events of the process."""
        if system not in self._open:
            opened = Ledger.open(f"sqlite:///{self.file}", system)
            opened._clock = self.clock
            dialect = opened._engine.dialect
            dialect.do_commit = self._watched(dialect.do_commit)  # type: ignore[method-assign]
            self._open[system] = opened
        return self._open[system]

    def crash(self) -> None:
        """Drop everything that was in memory."""
        for ledger in self._open.values():
            ledger.close()
        self._open.clear()

    def _watched(self, commit: Callable[[Any], None]) -> Callable[[Any], None]:
        written: dict[int, int] = {}

        def watched(connection: Any) -> None:
            driver = connection.driver_connection
            changes = driver.total_changes
            if written.get(id(driver), 0) == changes:
                commit(connection)
                return
            written[id(driver)] = changes
            self.process.event(holds_lock=True)
            commit(connection)
            self.process.event()

        return watched
