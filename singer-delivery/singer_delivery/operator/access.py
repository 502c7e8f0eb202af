"""The ledger as the operator's commands get it: one that exists, and who they are to it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import sqlalchemy
from sqlalchemy import Connection, Engine

from singer_delivery.database import open_database, reading, writing
from singer_delivery.engines import printable
from singer_delivery.errors import LedgerError
from singer_delivery.identity import Identity, current
from singer_delivery.ledger import Ledger
from singer_delivery.operator.ledger_address import URL_VARIABLES
from singer_delivery.secrets.references import reveal
from singer_delivery.trail import Pen


@dataclass
class Desk:
    """One command's access to the ledger. `run_id` marks all that it writes into the trail."""

    url: str
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.url = reveal(self.url, "ledger_url")

    @cached_property
    def engine(self) -> Engine:
        """The ledger's database; LedgerError where there is none: it is not created."""
        path = _sqlite_file(self.url)
        if path is not None and not path.is_file():
            msg = (
                f"there is no ledger at {path}: give --ledger-url, or set {URL_VARIABLES[0]}, to "
                "the same as the ledger_url of the plugins"
            )
            raise LedgerError(msg)
        return open_database(self.url)

    @cached_property
    def identity(self) -> Identity:
        """Who gives the command."""
        with self.reading() as connection:
            return current(connection)

    @property
    def actor(self) -> str:
        """Who gives the command, for the trail."""
        return str(self.identity)

    @property
    def name(self) -> str:
        """The ledger's address without its password."""
        return printable(self.url)

    def ledger(self, system: str) -> Ledger:
        """Return the ledger of one remote system."""
        return Ledger(self.engine, system, actor=self.actor)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read in one transaction, waiting for nobody. Raises LedgerError."""
        with reading(self.engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Pen]:
        """Write in one transaction, alone: whoever writes meanwhile waits. Raises LedgerError."""
        actor = self.actor
        with writing(self.engine) as connection:
            yield Pen(connection, now=datetime.now(UTC), run_id=self.run_id, actor=actor)

    def close(self) -> None:
        """Release the database."""
        if "engine" in self.__dict__:
            self.engine.dispose()


def _sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite URL; None for anything else, which opening judges."""
    try:
        parsed = sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        return None
    if parsed.get_backend_name() != "sqlite":
        return None
    name = parsed.database or ""
    return None if name.startswith((":memory:", "file:")) else Path(name or ".").absolute()
