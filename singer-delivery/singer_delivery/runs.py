"""Who is at work on a ledger: runs, whether they are alive, and what only one of them may do.

What a run has intended is its own as long as it lives. On one machine that is told by its process;
across machines by a lease, which the run renews while it works.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, Engine, Row, select, text

from singer_delivery.database import writing
from singer_delivery.errors import LedgerError
from singer_delivery.schema import runs

logger = logging.getLogger(__name__)

DEFAULT_LEASE = 120.0
#: A lease is renewed so many times before it would be over.
RENEWALS = 4
#: Seconds by which the start of one process may be told differently.
SAME_START = 2.0

REGISTER = text(
    "INSERT INTO runs (run_id, system, plugin, actor, host, pid, process_started, started_at, "
    "lease_until, detail) VALUES (:run_id, :system, :plugin, :actor, :host, :pid, "
    ":process_started, :started_at, :lease_until, :detail)"
)
RENEW = text("UPDATE runs SET lease_until = :lease_until WHERE run_id = :run_id")
END = text("UPDATE runs SET ended_at = :ended_at WHERE run_id = :run_id AND ended_at IS NULL")


@dataclass(frozen=True)
class Run:
    """One process of a plugin; `versions` are those of code, settings and mapping."""

    run_id: str
    system: str
    plugin: str = ""
    versions: Mapping[str, Any] = field(default_factory=dict)
    lease_seconds: float = DEFAULT_LEASE


@cache
def machine() -> str:
    """Return what tells this machine, or container, from all others: process ids are its own."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        pass  # not a Linux; the name has to do
    return " ".join(parts)[:255]


def register(connection: Connection, run: Run, actor: str, now: datetime) -> None:
    """Note that a run begins, and who started it; what it intends from now on is its own."""
    pid = os.getpid()
    connection.execute(
        REGISTER,
        {
            "run_id": run.run_id,
            "system": run.system,
            "plugin": run.plugin,
            "actor": actor[:255],
            "host": machine(),
            "pid": pid,
            "process_started": f"{psutil.Process(pid).create_time():.2f}",
            "started_at": now.isoformat(),
            "lease_until": (_clock_of(connection, now) + _lease(run)).isoformat(),
            "detail": json.dumps(dict(run.versions), sort_keys=True, default=str),
        },
    )


def end(connection: Connection, run_id: str, now: datetime) -> None:
    """Note that a run ends; what it left open is anybody's."""
    connection.execute(END, {"run_id": run_id, "ended_at": now.isoformat()})


def alive(connection: Connection, run_ids: Iterable[str], now: datetime) -> dict[str, Row[Any]]:
    """Return the rows of those runs that still hold what they took up, by run id."""
    wanted = sorted(set(run_ids))
    if not wanted:
        return {}
    query = select(runs).where(runs.c.run_id.in_(wanted), runs.c.ended_at.is_(None))
    clock = _clock_of(connection, now)
    return {row.run_id: row for row in connection.execute(query) if _lives(row, clock)}


def words(row: Row[Any]) -> str:
    """Say which run that is."""
    host = row.host.partition(" ")[0]
    return (
        f"run {row.run_id[:8]} of {row.plugin or 'a plugin'} (process {row.pid} on {host}, since "
        f"{row.started_at[:19]} UTC)"
    )


def _lives(row: Row[Any], clock: datetime) -> bool:
    if row.host == machine():
        return _is_running(row.pid, float(row.process_started))
    return datetime.fromisoformat(row.lease_until) > clock


def _is_running(pid: int, started: float) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        return bool(abs(process.create_time() - started) < SAME_START)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _lease(run: Run) -> timedelta:
    return timedelta(seconds=run.lease_seconds)


def _clock_of(connection: Connection, now: datetime) -> datetime:
    """Return the clock that leases go by: the database's, where several machines share one."""
    if connection.dialect.name != "postgresql":
        return now
    moment: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return moment.astimezone(UTC)


class Lease:
    """Keeps a run's claims alive in a thread of its own, and tells whether they still are."""

    def __init__(
        self,
        engine: Engine,
        run: Run,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._run = run
        self._now = now
        self._clock = clock
        self._until = clock() + run.lease_seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="lease", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    @property
    def valid(self) -> bool:
        """No other run can have taken over what is this one's."""
        return self._clock() < self._until

    def renew(self) -> None:
        """Renew now. Raises LedgerError, and for a lease that was over already."""
        if not self.valid:
            msg = "this run was held up for longer than its claims last (claim_lease_seconds)"
            raise LedgerError(msg)
        begun = self._clock()
        with writing(self._engine) as connection:
            until = _clock_of(connection, self._now()) + _lease(self._run)
            values = {"run_id": self._run.run_id, "lease_until": until.isoformat()}
            connection.execute(RENEW, values)
        self._until = begun + self._run.lease_seconds

    def _keep(self) -> None:
        while not self._over.wait(self._run.lease_seconds / RENEWALS):
            try:
                self.renew()
            except LedgerError as error:
                logger.warning("the claims of this run were not renewed: %s", error)
