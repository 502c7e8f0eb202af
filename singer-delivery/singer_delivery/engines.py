"""Databases that we keep state in: durable SQLite or PostgreSQL, with failures in words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event

from singer_delivery.errors import DeliveryError

SQLITE_BUSY_SECONDS = 30
#: Execution option of a connection that will only read.
READING = "only_reads"
#: SQLAlchemy's name of PostgreSQL, and the other one that hosting services print.
POSTGRESQL = ("postgresql", "postgres")
#: Has PostgreSQL refuse whatever writes.
READ_ONLY = {"postgresql_readonly": True}
BACKENDS = ("sqlite", *POSTGRESQL)


@dataclass(frozen=True)
class Purpose:
    """What a database is for, as messages call it: `name`, its `setting`, what stops without it."""

    name: str
    setting: str
    consequence: str
    error: type[DeliveryError]


def engine_at(url: str, purpose: Purpose) -> Engine:
    """Return an engine on the database at this URL; a SQLite file is made where it is missing.

    Raises the purpose's error.
    """
    try:
        return _engine(_parsed(url, purpose), purpose)
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise unusable(url, error, purpose) from None


def readonly_engine_at(url: str, purpose: Purpose) -> Engine | None:
    """Return an engine whose connections cannot write; None where there is no such SQLite file.

    Raises the purpose's error.
    """
    parsed = _parsed(url, purpose)
    try:
        if parsed.get_backend_name() != "sqlite":
            return _loaded(_with_driver(parsed), purpose, execution_options=READ_ONLY)
        file = Path(parsed.database or "").absolute()
        if not file.is_file():
            return None
        # Opened for writing where that is allowed, so that SQLite takes its own side files away
        # again; `query_only` is what holds every statement back.
        mode = "rw" if os.access(file, os.W_OK) else "ro"
        engine = _loaded(
            sqlalchemy.make_url(f"sqlite:///{file.as_uri()}?mode={mode}&uri=true"),
            purpose,
            connect_args={"timeout": SQLITE_BUSY_SECONDS},
        )
        event.listen(engine, "connect", _hold_back)
        event.listen(engine, "begin", _begin)
        return engine
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise unusable(url, error, purpose) from None


@contextmanager
def transaction(engine: Engine, purpose: Purpose, *, reads: bool) -> Iterator[Connection]:
    """Run one transaction; one that only reads waits for nobody. Raises the purpose's error."""
    try:
        with (
            engine.connect() as connection,
            connection.execution_options(**{READING: reads}).begin(),
        ):
            yield connection
    except sqlalchemy.exc.SQLAlchemyError as error:
        words = reason(error)
        msg = f"the {purpose.name} cannot be read or written: {words}; {purpose.consequence}"
        raise purpose.error(f"{msg}{_remedy(words)}") from None


def unusable(url: str, error: Exception, purpose: Purpose) -> DeliveryError:
    """Return the error that says why a database cannot be used, and what to check."""
    words = reason(error)
    return purpose.error(
        f"the {purpose.name} at {printable(url)} cannot be used: {words}; {purpose.consequence}. "
        f"Check {purpose.setting}, the folder's rights and the disk{_remedy(words)}"
    )


#: Part of SQLite's words, and what to do about it.
REMEDIES = {
    "is locked": f"another program has kept it locked for {SQLITE_BUSY_SECONDS} s: find and end it",
    "disk is full": "free some space, then run again",
    "readonly": "give this user the right to write the file and its folder",
    "disk I/O error": "check the disk and its file system, and restore a backup if need be",
}


def _remedy(words: str) -> str:
    found = [remedy for part, remedy in REMEDIES.items() if part in words]
    return f" ({found[0]})" if found else ""


def _parsed(url: str, purpose: Purpose) -> sqlalchemy.URL:
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        parsed = sqlalchemy.URL.create("unreadable")
    if parsed.get_backend_name() not in BACKENDS:
        msg = (
            f"{purpose.setting} is not the address of a SQLite or PostgreSQL database; give "
            f"sqlite:///path/to/{purpose.name}.db or postgresql://user:password@host/database"
        )
        raise purpose.error(msg)
    return parsed


def printable(url: str) -> str:
    """Return a database URL without its password, which may stand in the query as well."""
    try:
        return sqlalchemy.make_url(url).set(query={}).render_as_string(hide_password=True)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return "(not a database URL)"


def reason(error: BaseException) -> str:
    """Return the database's own words, without the statement and its values."""
    origin = getattr(error, "orig", None) or error
    return str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__


def _engine(url: sqlalchemy.URL, purpose: Purpose) -> Engine:
    if url.get_backend_name() != "sqlite":
        return _loaded(_with_driver(url), purpose, pool_pre_ping=True)
    if url.database and not url.database.startswith((":memory:", "file:")):
        file = Path(url.database).absolute()
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            # It will hold invoices; SQLite gives its other files the same mode.
            file.touch(mode=0o600)
    engine = _loaded(url, purpose, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _with_driver(url: sqlalchemy.URL) -> sqlalchemy.URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername in POSTGRESQL else url


def _loaded(url: sqlalchemy.URL, purpose: Purpose, **options: Any) -> Engine:
    try:
        return sqlalchemy.create_engine(url, **options)
    except ImportError as error:
        msg = (
            f"the driver for {url.get_backend_name()} is not installed ({error.name}); "
            "install singer-delivery[postgres]"
        )
        raise purpose.error(msg) from None


def _set_pragmas(connection: Any, _record: Any) -> None:
    # autocommit at the driver: SQLAlchemy's own BEGIN below decides (see SQLAlchemy's notes on
    # SQLite transactions). FULL: a commit survives a power cut, not only a crash.
    connection.isolation_level = None
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _hold_back(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    connection.execute("PRAGMA query_only=ON")


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    # The switch does not wait for a lock, whatever the timeout is: of two runners that open a new
    # file together, one is told at once that it is locked.
    deadline = time.monotonic() + SQLITE_BUSY_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
            if not locked or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin(connection: Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another one wrote in
    # between; an immediate one waits its turn. One that only reads waits for nobody.
    reads = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")
