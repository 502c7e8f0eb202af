"""What the ledger says of runs: counts by outcome, sums by currency, rejects with their reasons."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from singer_delivery.document import OPEN, Status
from singer_delivery.operator.access import Desk
from singer_delivery.operator.filters import ENTITY_NAMES, NUMBER_NAMES, VENDOR_NAMES, fact
from singer_delivery.redaction import mask_ibans
from singer_delivery.schema import documents
from sqlalchemy import ColumnElement, Connection, Row, func, select

#: Rejected documents that are told one by one; the others are counted.
NAMED = 50
#: What has no outcome yet.
UNDONE = (*sorted(OPEN), Status.NOT_SENT)


@dataclass(frozen=True)
class Named:
    """A document in words; `reason` without bank accounts."""

    stream: str
    entity: str
    vendor: str
    number: str
    status: str
    reason: str


@dataclass(frozen=True)
class Sum:
    """Documents of one legal entity, currency and outcome. `total` is gross, None if unknown."""

    entity: str
    currency: str
    status: str
    count: int
    total: Decimal | None


@dataclass(frozen=True)
class Figures:
    """What runs came to. `rejected` has NAMED at most; `counts` has them all."""

    counts: dict[str, int]
    sums: tuple[Sum, ...] = ()
    rejected: tuple[Named, ...] = ()
    undone: tuple[Named, ...] = ()


@contextmanager
def ledger_at(url: str) -> Iterator[Connection]:
    """Read a ledger in one transaction. Raises LedgerError, also where there is none."""
    desk = Desk(url)
    try:
        with desk.reading() as connection:
            yield connection
    finally:
        desk.close()


def figures(connection: Connection, run_ids: Collection[str], source: str = "") -> Figures:
    """Return the figures of runs; `source` names the stream that the records came from."""
    of_runs: list[ColumnElement[bool]] = [documents.c.run_id.in_(sorted(run_ids))]
    if source:
        of_runs.append(documents.c.source == source)
    by_status = select(documents.c.status, func.count()).where(*of_runs)
    rows = connection.execute(by_status.group_by(documents.c.status))
    counts = {str(status): int(count) for status, count in rows}

    def some(*statuses: Status) -> tuple[Named, ...]:
        query = select(documents).where(*of_runs, documents.c.status.in_(statuses))
        found = connection.execute(query.order_by(documents.c.key).limit(NAMED))
        return tuple(named(row) for row in found)

    priced = select(documents.c.status, documents.c.detail).where(
        *of_runs, documents.c.detail.contains('"gross"')
    )
    return Figures(
        counts=dict(sorted(counts.items())),
        sums=_sums(connection.execute(priced)),
        rejected=some(Status.REJECTED),
        undone=some(*UNDONE, Status.STUCK),
    )


def open_documents(connection: Connection, run_ids: Collection[str]) -> int:
    """Return how many documents these runs left without an outcome."""
    query = select(func.count()).where(
        documents.c.run_id.in_(sorted(run_ids)), documents.c.status.in_(UNDONE)
    )
    return int(connection.execute(query).scalar_one())


def attention(connection: Connection) -> list[Named]:
    """Return what has no outcome, or is stuck, of whatever run."""
    wanted = (*UNDONE, Status.STUCK)
    query = select(documents).where(documents.c.status.in_(wanted))
    return [named(row) for row in connection.execute(query.order_by(documents.c.key))]


def named(row: Row[Any]) -> Named:
    """Return a row of the ledger's documents in words."""
    detail = json.loads(row.detail)
    return Named(
        stream=row.stream,
        entity=fact(detail, ENTITY_NAMES) or row.scope,
        vendor=fact(detail, VENDOR_NAMES),
        number=fact(detail, NUMBER_NAMES) or row.key,
        status=row.status,
        reason=mask_ibans(row.reason),
    )


def _sums(rows: Any) -> tuple[Sum, ...]:
    counts: Counter[tuple[str, str, str]] = Counter()
    totals: dict[tuple[str, str, str], Decimal | None] = defaultdict(Decimal)
    for row in rows:
        detail = json.loads(row.detail)
        group = (fact(detail, ENTITY_NAMES), str(detail.get("currency") or ""), str(row.status))
        counts[group] += 1
        total, amount = totals[group], _decimal(detail.get("gross"))
        totals[group] = None if total is None or amount is None else total + amount
    return tuple(Sum(*group, counts[group], totals[group]) for group in sorted(counts))


def _decimal(text: object) -> Decimal | None:
    try:
        return Decimal(str(text))
    except InvalidOperation:
        return None


def in_words(undone: Sequence[Named]) -> str:
    """Return documents in one line each."""
    return "\n".join(
        f"{one.stream} {one.entity or '(no legal entity)'} {one.number}: "
        f"{one.status.replace('_', ' ')}" + (f", {one.reason}" if one.reason else "")
        for one in undone
    )
