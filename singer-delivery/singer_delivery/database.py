"""Opening the ledger's database, at the schema of this version."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy
from sqlalchemy import Connection, Engine, text

from singer_delivery.engines import (
    Purpose,
    engine_at,
    readonly_engine_at,
    transaction,
    unusable,
)
from singer_delivery.errors import LedgerError

logger = logging.getLogger(__name__)

#: The newest migration; opening the ledger brings older ones up to it, and refuses newer ones.
HEAD = "0006"
#: Its own, so that the ledger can live in the database of something else that uses Alembic.
VERSION_TABLE = "ledger_version"
LEDGER = Purpose("ledger", "ledger_url", "nothing more is sent", LedgerError)


def open_database(url: str) -> Engine:
    """Return an engine on an up-to-date ledger database, creating it where it is missing.

    Raises LedgerError in words when it cannot be opened, written or understood.
    """
    engine = engine_at(url, LEDGER)
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except LedgerError:
        engine.dispose()
        raise
    except (sqlalchemy.exc.SQLAlchemyError, OSError) as error:
        engine.dispose()
        raise unusable(url, error, LEDGER) from None
    return engine


def open_readonly(url: str) -> Engine | None:
    """Return an engine that cannot write, None where there is no ledger yet.

    Nothing is created or brought up to date: a ledger of another schema is a LedgerError.
    """
    engine = readonly_engine_at(url, LEDGER)
    if engine is None:
        return None
    try:
        with reading(engine) as connection:
            current = _revision(connection)
    except LedgerError:
        engine.dispose()
        raise
    if current == HEAD:
        return engine
    engine.dispose()
    if current is None:
        return None
    msg = (
        f"the ledger has the schema {current}, and this version reads {HEAD}: run this version of "
        "the plugins on it first, or upgrade what is older"
    )
    raise LedgerError(msg)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that writes. Raises LedgerError in words."""
    with transaction(engine, LEDGER, reads=False) as connection:
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Run one transaction that only reads, and waits for nobody. Raises LedgerError in words."""
    with transaction(engine, LEDGER, reads=True) as connection:
        yield connection


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
