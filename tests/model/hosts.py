"""Machines that plugins run on: a ledger in a real SQLite file, whose commits are events."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import patch

from singer_delivery import runs
from singer_delivery.ledger import Ledger
from target_basware import invoice_response

from tests.model.process import Process

DYNAMICS, BASWARE = "https://dynamics.example", "https://basware.example"


#: Runs whose process is alive: to the operating system, all of them are this one's.
LIVING: set[str] = set()


class Inline:
    """A pool of threads that does at once what it is given: the order of events is then certain."""

    def __init__(self, _: int = 1) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, act: Callable[..., Any], *given: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(act(*given))
        except BaseException as error:  # noqa: BLE001 - as a pool does
            done.set_exception(error)
        return done

    def map(self, act: Callable[..., Any], *given: Iterable[Any]) -> Iterator[Any]:
        return map(act, *given)


def one_process() -> ExitStack:
    """Play all runs in this process: alive is what goes on here, and nothing runs beside it."""
    stack = ExitStack()
    clock = SimpleNamespace(Process=lambda _: SimpleNamespace(create_time=lambda: 0.0))
    for owner, name, value in (
        (runs, "_lives", lambda row, _: row.run_id in LIVING),
        (runs, "psutil", clock),
        (runs.Lease, "start", lambda _: None),
        (runs.Lease, "stop", lambda _: None),
        (invoice_response, "ThreadPoolExecutor", Inline),
    ):
        stack.enter_context(patch.object(owner, name, value))
    return stack


@contextmanager
def living(run_id: str) -> Iterator[None]:
    """Let a run live; one that crashes is dead."""
    LIVING.add(run_id)
    try:
        yield
    finally:
        LIVING.discard(run_id)


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
            dialect: Any = opened._engine.dialect
            dialect.do_commit = self._watched(dialect.do_commit)
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
            self.process.transaction()
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
