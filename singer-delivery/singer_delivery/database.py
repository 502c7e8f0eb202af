"""Opening the ledger's database: durable SQLite or PostgreSQL, at the schema of this version."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, text

from singer_delivery.errors import LedgerError

logger = logging.getLogger(__name__)

#: The newest migration; opening the ledger brings older ones up to it, and refuses newer ones.
HEAD = "0003"
SQLITE_BUSY_SECONDS = 30
#: Execution option of a connection that will only read.
READING = "ledger_reading"
#: SQLAlchemy's name of PostgreSQL, and the other one that hosting services print.
POSTGRESQL = ("postgresql", "postgres")
BACKENDS = ("sqlite", *POSTGRESQL)
#: Its own, so that the ledger can live in the database of something else that uses Alembic.
VERSION_TABLE = "ledger_version"


def open_database(url: str) -> Engine:
    """Return an engine on an up-to-date ledger database, creating it where it is missing.

    Raises LedgerError in words when it cannot be opened, written or understood.
    """
    try:
        engine = _engine(_parsed(url))
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        raise _unusable(url, error) from None
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except LedgerError:
        engine.dispose()
        raise
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise _unusable(url, error) from None
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that writes. Raises LedgerError in words."""
    with _transaction(engine, reads=False) as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that only reads, and waits for nobody. Raises LedgerError in words."""
    with _transaction(engine, reads=True) as connection:
        yield connection


@contextmanager
def _transaction(engine: Engine, *, reads: bool) -> Iterator[Connection]:
    try:
        with (
            engine.connect() as connection,
            connection.execution_options(**{READING: reads}).begin(),
        ):
            yield connection
    except sqlalchemy.exc.SQLAlchemyError as error:
        words = reason(error)
        msg = f"the ledger cannot be read or written: {words}; nothing more is sent{_remedy(words)}"
        raise LedgerError(msg) from None


def _unusable(url: str, error: Exception) -> LedgerError:
    words = reason(error)
    return LedgerError(
        f"the ledger at {printable(url)} cannot be used: {words}. Nothing is sent "
        f"without it; check ledger_url, the folder's rights and the disk{_remedy(words)}"
    )


#: Part of SQLite's words, and what to do about it.
REMEDIES = {
    "is locked": f"another program has kept it locked for {SQLITE_BUSY_SECONDS} s: find and end it",
    "disk is full": "free some space, then run again",
    "readonly": "give this user the right to write the file and its folder",
    "disk I/O error": "check the disk and its file system, and restore the ledger if need be",
}


def _remedy(words: str) -> str:
    found = [remedy for part, remedy in REMEDIES.items() if part in words]
    return f" ({found[0]})" if found else ""


def _parsed(url: str) -> sqlalchemy.URL:
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        parsed = sqlalchemy.URL.create("unreadable")
    if parsed.get_backend_name() not in BACKENDS:
        msg = (
            "ledger_url is not the address of a SQLite or PostgreSQL database; give "
            "sqlite:///path/to/ledger.db or postgresql://user:password@host/database"
        )
        raise LedgerError(msg)
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


def _engine(url: sqlalchemy.URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        if url.drivername in POSTGRESQL:
            url = url.set(drivername="postgresql+psycopg")
        return _loaded(url, pool_pre_ping=True)
    if url.database and not url.database.startswith((":memory:", "file:")):
        file = Path(url.database).absolute()
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            # It will hold invoices; SQLite gives its other files the same mode.
            file.touch(mode=0o600)
    engine = _loaded(url, connect_args={"timeout": SQLITE_BUSY_SECONDS})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _loaded(url: sqlalchemy.URL, **options: Any) -> Engine:
    try:
        return sqlalchemy.create_engine(url, **options)
    except ImportError as error:
        msg = (
            f"the driver for {url.get_backend_name()} is not installed ({error.name}); "
            "install singer-delivery[postgres]"
        )
        raise LedgerError(msg) from None


def _set_pragmas(connection: Any, _record: Any) -> None:
    # autocommit at the driver: SQLAlchemy's own BEGIN below decides (see SQLAlchemy's notes on
    # SQLite transactions). FULL: a commit survives a power cut, not only a crash.
    connection.isolation_level = None
    cursor = connection.cursor()
    _switch_to_wal(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


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


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Two runners starting on an empty database: the second waits for the first.
        connection.execute(text("SELECT pg_advisory_xact_lock(4203187)"))
    current = _revision(connection)
    if current == HEAD:
        return
    # Alembic tells of each of its own parts, from its import on, at the level of our messages for
    # people.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # It is loaded only when there is something to do.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "singer_delivery:migrations")
    config.attributes["connection"] = connection
    config.attributes["version_table"] = VERSION_TABLE
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current and current not in known:
        msg = (
            f"the ledger was written by a newer version (schema {current}, this one knows {HEAD}); "
            "upgrade the plugins before running them on it"
        )
        raise LedgerError(msg)
    command.upgrade(config, HEAD)
    logger.info("ledger: schema %s -> %s", current or "(new)", HEAD)


def _revision(connection: Connection) -> str | None:
    if not sqlalchemy.inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(
        text(f"SELECT version_num FROM {VERSION_TABLE}")  # noqa: S608
    ).scalar()
    return revision
