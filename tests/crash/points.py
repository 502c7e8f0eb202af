"""Events inside a plugin process, numbered, and the sudden death at one of them.

Numbered are the durable writes (every commit of the ledger: before, after), every HTTP exchange
(before the request leaves, after the server has done it and before its answer leaves, after the
answer; of a request that changes something also while it is on its way, so that it is done a
moment after its sender's death) and every message on standard output (STATE: before, after;
others: before).
"""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from singer_delivery import writer
from sqlalchemy.engine.default import DefaultDialect

#: Asks the server of the harness to kill the sender of a request: `ON_ITS_WAY` or `UNANSWERED`,
#: and the number of the process.
CRASH = "X-Crash"
ON_ITS_WAY = "on-its-way"
UNANSWERED = "unanswered"
#: How points of the first kind are called.
LATE = "on its way"

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP)\b", re.IGNORECASE)
_MESSAGE = re.compile(rb'"type": ?"([A-Z_]+)"')


@dataclass(frozen=True, order=True)
class Point:
    """One event of one process of one stage; `what` says it in words."""

    stage: str
    process: str
    number: int
    what: str = ""

    def __str__(self) -> str:
        """Return it as the command line takes it, and in words."""
        return f"{self.stage}/{self.process}/{self.number}{self.what and f' ({self.what})'}"

    @classmethod
    def parse(cls, text: str) -> Point:
        """Read `stage/process/number`; raises ValueError."""
        stage, process, number = text.split("/")
        return cls(stage, process, int(number))


class Counter:
    """Numbers events from 1 and kills this process at one of them; safe between threads."""

    def __init__(self, log: Path, deadly: int = 0) -> None:
        """`log` gets a line an event, which survives the process; 0 kills at none."""
        self._deadly = deadly
        self._number = 0
        self._lock = threading.Lock()
        self._log = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_APPEND)

    def pass_by(self, what: str) -> None:
        """Note an event, or die at it."""
        if self.reached(what):
            os.kill(os.getpid(), signal.SIGKILL)

    def reached(self, what: str) -> bool:
        """Note an event; tell whether it is the deadly one."""
        with self._lock:
            self._number += 1
            os.write(self._log, f"{what}\n".encode())
            return self._number == self._deadly


def read_events(log: Path) -> list[str]:
    """Return what a counter wrote: the events in order, the first one has number 1."""
    return log.read_text().splitlines() if log.exists() else []


def install(counter: Counter) -> None:
    """Let all events of this process pass by the counter.

    A tap writes each record by itself, so that each is an event: to die while some wait to be
    written together is to die before the first of them.
    """
    writer.LINGER = 0.0
    _watch_commits(counter)
    _watch_exchanges(counter)
    sys.stdout = _watched_stdout(counter)


def _watch_commits(counter: Counter) -> None:
    # What a connection has written since its last commit; reading is no event.
    written: dict[int, str] = {}

    def noting(real: Callable[..., None]) -> Callable[..., None]:
        def execute(self: Any, cursor: Any, statement: str, *rest: Any) -> None:
            if _WRITES.match(statement):
                written.setdefault(id(cursor.connection), " ".join(statement.split()[:3]))
            real(self, cursor, statement, *rest)

        return execute

    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        setattr(DefaultDialect, name, noting(getattr(DefaultDialect, name)))
    dialect: Any = DefaultDialect
    real_commit, real_rollback = dialect.do_commit, dialect.do_rollback

    def commit(self: DefaultDialect, connection: Any) -> None:
        what = written.pop(id(connection.driver_connection), "")
        if what:
            counter.pass_by(f"before commit of {what}")
        real_commit(self, connection)
        if what:
            counter.pass_by(f"after commit of {what}")

    def rollback(self: DefaultDialect, connection: Any) -> None:
        written.pop(id(connection.driver_connection), None)
        real_rollback(self, connection)

    dialect.do_commit, dialect.do_rollback = commit, rollback


def _watch_exchanges(counter: Counter) -> None:
    real_send = requests.Session.send

    def send(
        session: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        path = urlsplit(request.url or "").path
        what = f"{request.method} {path}"
        counter.pass_by(f"before {what}")
        if _changes(request.method or "", path) and counter.reached(f"{LATE} {what}"):
            request.headers[CRASH] = f"{ON_ITS_WAY} {os.getpid()}"
        if counter.reached(f"unanswered {what}"):
            request.headers[CRASH] = f"{UNANSWERED} {os.getpid()}"
        response = real_send(session, request, **options)
        counter.pass_by(f"after {what}: {response.status_code}")
        return response

    requests.Session.send = send  # type: ignore[method-assign,assignment]


def _changes(method: str, path: str) -> bool:
    return method != "GET" and "token" not in path


def _watched_stdout(counter: Counter) -> io.TextIOWrapper:
    pipe = io.BufferedWriter(_Pipe(counter))
    return io.TextIOWrapper(pipe, encoding="utf-8", newline="\n")


class _Pipe(io.RawIOBase):
    """Standard output, each write of it an event."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 1

    def write(self, data: Any) -> int:
        content = bytes(data)
        kind = _MESSAGE.search(content[:100])
        # A target writes nothing but the values of STATE messages.
        what = kind[1].decode() if kind else "STATE"
        self._counter.pass_by(f"before {what}")
        written = os.write(1, content)
        if what == "STATE":
            self._counter.pass_by("after STATE")
        return written
