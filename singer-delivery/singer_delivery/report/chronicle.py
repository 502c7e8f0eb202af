"""What the trail says of many invoices: when each step was first taken, and their stories."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, func, select

from singer_delivery.database import reading
from singer_delivery.document import HELD
from singer_delivery.ledger_books import CHUNK, INVOICES, PAYMENTS, TRANSFERS
from singer_delivery.ledger_books import day as day_of
from singer_delivery.operator.queries import Place, chunks, history
from singer_delivery.operator.rendering import moment
from singer_delivery.operator.story import told
from singer_delivery.report.model import Event, Moments
from singer_delivery.schema import documents, events
from singer_delivery.trail import Kind

#: By which of them a document is first where it should be.
ARRIVED = (Kind.DELIVERED, Kind.UNCHANGED, Kind.CONFIRMED)
#: What a story leaves out: requests and answers, and what every document goes through.
TECHNICAL = frozenset({Kind.SENT, Kind.ANSWERED, Kind.MAPPED})
BEFORE = {INVOICES: "", TRANSFERS: "answer to Basware: ", PAYMENTS: "payment: "}


class Paid(NamedTuple):
    """What the ledger knows of an invoice's payments: their keys, and the day of the first."""

    keys: tuple[str, ...] = ()
    first: date | None = None


@dataclass
class Chronicle:
    """Reads the trails of both sides: of one ledger, or of two."""

    engine: Engine
    source_engine: Engine
    receiver: str
    source: str

    def moments(self, keys: Sequence[str]) -> dict[str, Moments]:
        """Return when what happened to invoices first; what is not known is None."""
        received = self._first(self.engine, self.receiver, INVOICES, keys, (Kind.RECEIVED,))
        delivered = self._first(self.engine, self.receiver, INVOICES, keys, ARRIVED)
        answered = self._first(self.source_engine, self.source, TRANSFERS, keys, ARRIVED)
        return {
            key: Moments(received.get(key), delivered.get(key), answered.get(key)) for key in keys
        }

    def payments(self) -> dict[str, Paid]:
        """Return what is known of payments, by the invoice's id."""
        found: dict[str, Paid] = {}
        query = select(documents.c.key, documents.c.status, documents.c.detail).where(
            documents.c.system == self.source, documents.c.stream == PAYMENTS
        )
        with reading(self.source_engine) as connection:
            for row in connection.execution_options(yield_per=CHUNK).execute(query):
                detail = json.loads(row.detail)
                document_id = str(detail.get("document_id") or "")
                if not document_id:
                    continue
                known = found.get(document_id, Paid())
                paid_on = day_of(detail.get("settled_at")) if row.status in HELD else None
                days = [day for day in (known.first, paid_on) if day]
                found[document_id] = Paid((*known.keys, row.key), min(days, default=None))
        return found

    def stories(self, invoices: Mapping[str, Iterable[str]]) -> dict[str, list[Event]]:
        """Return what happened to invoices, by id; given are the keys of their payments."""
        told_of: dict[str, list[tuple[str, int, Event]]] = defaultdict(list)
        for chunk in chunks(sorted(invoices)):
            owners: dict[Place, str] = {}
            for key in chunk:
                owners[self.receiver, INVOICES, key] = key
                owners[self.source, TRANSFERS, key] = key
                owners |= {(self.source, PAYMENTS, each): key for each in invoices[key]}
            for row in self._history(owners):
                if row.kind not in TECHNICAL:
                    owner = owners[row.system, row.stream, row.key]
                    told_of[owner].append((row.at, row.number, _event(row)))
        return {key: [event for _, _, event in sorted(lines)] for key, lines in told_of.items()}

    def _history(self, places: Mapping[Place, str]) -> list[Row[Any]]:
        rows: list[Row[Any]] = []
        engines = [self.engine]
        if self.source_engine is not self.engine:
            engines.append(self.source_engine)
        for engine in engines:
            with reading(engine) as connection:
                rows += history(connection, places)
        return rows

    def _first(
        self, engine: Engine, system: str, stream: str, keys: Sequence[str], kinds: Sequence[Kind]
    ) -> dict[str, datetime]:
        found: dict[str, datetime] = {}
        with reading(engine) as connection:
            for chunk in chunks(keys):
                query = (
                    select(events.c.key, func.min(events.c.at))
                    .where(
                        events.c.key.in_(chunk),
                        events.c.system == system,
                        events.c.stream == stream,
                        events.c.kind.in_(kinds),
                    )
                    .group_by(events.c.key)
                )
                rows = connection.execute(query)
                found |= {key: datetime.fromisoformat(at) for key, at in rows}
        return found


def _event(row: Row[Any]) -> Event:
    words = told(
        row.kind, json.loads(row.detail), system=row.system, payload=row.payload, actor=row.actor
    )
    return Event(moment(row.at), BEFORE.get(row.stream, "") + words)
