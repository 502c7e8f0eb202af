"""The ledger that a report is made of, and the systems that are meant in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, select

from singer_delivery.database import reading
from singer_delivery.errors import SetupError
from singer_delivery.ledger_books import INVOICES, PAYMENTS, TRANSFERS, LedgerBooks
from singer_delivery.schema import documents


@dataclass
class Ledgers:
    """The ledger of both sides, or one of each; `receiver` and `source` name the systems in it."""

    name: str
    engine: Engine
    source_engine: Engine
    receiver: str
    source: str

    @property
    def engines(self) -> list[Engine]:
        """Each of them once."""
        if self.source_engine is self.engine:
            return [self.engine]
        return [self.engine, self.source_engine]

    def books(self) -> LedgerBooks:
        """Return a reader of invoices and answers."""
        return LedgerBooks(self.engine, self.receiver, self.source, self.source_engine)


def ledgers_of(name: str, engine: Engine, systems: Sequence[str] = ()) -> Ledgers:
    """Return a ledger with the systems that its invoices and answers went to.

    `systems` are parts of the addresses meant, where it knows several. Raises SetupError.
    """
    with reading(engine) as connection:
        query = select(documents.c.system, documents.c.stream).distinct()
        known = [(row.system, row.stream) for row in connection.execute(query)]
    receivers = {system for system, stream in known if stream == INVOICES}
    sources = {system for system, stream in known if stream in {TRANSFERS, PAYMENTS}}
    others = {system for system, _ in known} - receivers - sources
    return Ledgers(
        name,
        engine,
        engine,
        _only(receivers, systems, "invoices went"),
        # A ledger may know Basware by its masters alone.
        _only(sources or others, systems, "answers and masters went"),
    )


def _only(known: Iterable[str], wanted: Sequence[str], what: str) -> str:
    found = sorted(known)
    if len(found) > 1 and wanted:
        found = [name for name in found if any(part.lower() in name.lower() for part in wanted)]
        if not found:
            msg = f"--system {' '.join(wanted)} fits none of: {', '.join(sorted(known))}"
            raise SetupError(msg)
    if len(found) > 1:
        msg = f"{what} to several systems ({', '.join(found)}): choose one with --system"
        raise SetupError(msg)
    return next(iter(found), "")
