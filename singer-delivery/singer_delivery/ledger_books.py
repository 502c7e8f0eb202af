"""What the ledger says of invoices and of what was told of them, small enough to hold it all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from sys import intern
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row, select

from singer_delivery.database import reading
from singer_delivery.document import HELD, Status
from singer_delivery.schema import documents

INVOICES = "vendor_invoices"
TRANSFERS = "transfer_responses"
PAYMENTS = "payment_responses"
#: Rows of one answer of the database.
CHUNK = 500
#: Keys of one question to it.
MOST_KEYS = 400


class LedgerRow(NamedTuple):
    """An invoice in the ledger. `day` is the invoice's date where it is known, `settled` the day
    of its outcome; `references` are what the receiver knows, or knew, it by.
    """

    status: Status
    reason: str
    legal_entity: str
    vendor: str
    number: str
    currency: str
    gross: Decimal | None
    day: date | None
    settled: date | None
    sequence: int
    description: str
    references: tuple[str, ...]

    @property
    def is_held(self) -> bool:
        """Whether it was delivered."""
        return self.status in HELD


class Told(NamedTuple):
    """What the source was told of an invoice: the outcome's sequence, and whether it took it."""

    status: Status
    success: bool
    sequence: int


class Unsettled(NamedTuple):
    """A row without an outcome; `label` names it to people."""

    stream: str
    key: str
    document_id: str
    status: Status
    reason: str
    label: str
    legal_entity: str


@dataclass
class LedgerBooks:
    """Both sides' rows. `unsettled` are those of every stream without an outcome, by place."""

    engine: Engine
    receiver: str
    source: str
    source_engine: Engine | None = None
    invoices: dict[str, LedgerRow] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    unsettled: dict[tuple[str, str], Unsettled] = field(default_factory=dict)

    def read(self, *keys: str) -> None:
        """Read everything, or what is said of these invoices. Raises LedgerError."""
        for stream in (INVOICES, TRANSFERS, PAYMENTS):
            # A payment has a key of its own: one that is not settled is looked up by that.
            wanted = keys
            if stream == PAYMENTS and keys:
                own = [u for u in self.unsettled.values() if u.stream == stream]
                wanted = tuple(u.key for u in own if u.document_id in keys)
                if not wanted:
                    continue
            for key in wanted:
                self._forget(stream, key)
            for row in self._rows(stream, wanted):
                self._take(stream, row)

    def _forget(self, stream: str, key: str) -> None:
        self.unsettled.pop((stream, key), None)
        if stream == INVOICES:
            self.invoices.pop(key, None)
        elif stream == TRANSFERS:
            self.told.pop(key, None)

    def _take(self, stream: str, row: Row[Any]) -> None:
        status, detail = Status(row.status), json.loads(row.detail)
        if status.value in UNSETTLED:
            self.unsettled[stream, row.key] = _unsettled(stream, row, status, detail)
        if stream == INVOICES:
            self.invoices[row.key] = _ledger_row(row, status, detail)
        elif stream == TRANSFERS:
            sequence = detail.get("sequence")
            self.told[row.key] = Told(
                status,
                detail.get("success") is True,
                sequence if isinstance(sequence, int) else 0,
            )

    def _rows(self, stream: str, keys: tuple[str, ...]) -> Iterator[Row[Any]]:
        receiving = stream == INVOICES
        engine = self.engine if receiving else self.source_engine or self.engine
        names = ("key", "status", "reason", "remote_key", "detail", "sequence", "settled_at")
        query = select(*(documents.c[name] for name in names)).where(
            documents.c.system == (self.receiver if receiving else self.source),
            documents.c.stream == stream,
        )
        if stream == PAYMENTS:
            query = query.where(documents.c.status.in_(sorted(UNSETTLED)))
        chunks = [keys[n : n + MOST_KEYS] for n in range(0, len(keys), MOST_KEYS)]
        queries = [query.where(documents.c.key.in_(chunk)) for chunk in chunks] or [query]
        with reading(engine) as connection:
            for each in queries:
                yield from connection.execution_options(yield_per=CHUNK).execute(each)


#: Nothing is known of what became of them, or nothing will be until somebody does something.
UNSETTLED = frozenset({"intended", "in_doubt", "stuck", "accepted"})


def _ledger_row(row: Row[Any], status: Status, detail: Mapping[str, Any]) -> LedgerRow:
    named = (row.remote_key, detail.get("header_reference"), detail.get("voucher"))
    references = tuple(dict.fromkeys(str(name) for name in named if name))
    return LedgerRow(
        status,
        row.reason if status not in HELD else "",
        intern(str(detail.get("legal_entity") or "")),
        intern(str(detail.get("vendor") or "")),
        str(detail.get("invoice_number") or ""),
        intern(str(detail.get("currency") or "")),
        amount(detail.get("gross")),
        day(detail.get("invoice_date")),
        day(row.settled_at),
        row.sequence,
        str(detail.get("description") or ""),
        references,
    )


def _unsettled(stream: str, row: Row[Any], status: Status, detail: Mapping[str, Any]) -> Unsettled:
    own_id = str(detail.get("document_id") or "") if stream == PAYMENTS else row.key
    label = str(detail.get("label") or row.key)
    entity = str(detail.get("legal_entity") or "")
    return Unsettled(stream, row.key, own_id, status, row.reason, label, entity)


def amount(value: Any) -> Decimal | None:
    """Return an amount that was kept as text, None where there is none."""
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def day(value: Any) -> date | None:
    """Return the day of a date or an instant in ISO 8601, None where there is none."""
    try:
        return datetime.fromisoformat(str(value)).date() if value else None
    except ValueError:
        return None
