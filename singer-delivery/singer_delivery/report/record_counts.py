"""Records that are neither invoices nor answers: how many, where they stand, which were refused."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import ColumnElement, Engine, case, func, select

from singer_delivery.database import reading
from singer_delivery.differences import Difference, Kind
from singer_delivery.document import Status
from singer_delivery.ledger_books import CHUNK, INVOICES, PAYMENTS, TRANSFERS
from singer_delivery.operator.filters import ENTITY_NAMES, fact
from singer_delivery.operator.queries import CHANGED, sortable
from singer_delivery.report.causes import Refusal
from singer_delivery.report.model import Records
from singer_delivery.report.period import Period
from singer_delivery.schema import documents

ONE_BY_ONE = (INVOICES, TRANSFERS, PAYMENTS)


class RecordCounts:
    """Reads those records of some systems in one ledger. Each method raises LedgerError."""

    def __init__(self, engine: Engine, systems: Sequence[str]) -> None:
        self._engine = engine
        self._ours: tuple[ColumnElement[bool], ...] = (
            documents.c.system.in_(sorted(set(systems))),
            documents.c.stream.not_in(ONE_BY_ONE),
        )

    def counts(self, period: Period) -> list[Records]:
        """Return how many there are of each kind, and how many changed in the period."""
        start = datetime.combine(period.since, time(), UTC)
        end = datetime.combine(period.until + timedelta(days=1), time(), UTC)
        inside = (sortable(start) <= CHANGED) & (sortable(end) > CHANGED)
        place = documents.c.system, documents.c.stream
        query = (
            select(
                *place,
                documents.c.status,
                func.count().label("number"),
                func.sum(case((inside, 1), else_=0)).label("changed"),
            )
            .where(*self._ours)
            .group_by(*place, documents.c.status)
        )
        counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        changed: Counter[tuple[str, str]] = Counter()
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                counts[row.system, row.stream][row.status] += row.number
                changed[row.system, row.stream] += int(row.changed)
        return [Records(*key, counts[key], changed[key]) for key in sorted(counts)]

    def refusals(self) -> Iterator[Refusal]:
        """Yield those that are rejected now."""
        names = ("stream", "key", "reason", "detail", "scope")
        query = select(*(documents.c[name] for name in names)).where(
            *self._ours, documents.c.status == Status.REJECTED
        )
        with reading(self._engine) as connection:
            for row in connection.execution_options(yield_per=CHUNK).execute(query):
                detail = json.loads(row.detail)
                yield Refusal(
                    key=row.key,
                    label=str(detail.get("label") or row.key),
                    reason=row.reason,
                    entity=fact(detail, ENTITY_NAMES) or row.scope,
                    stream=row.stream,
                )

    def stuck(self) -> Iterator[Difference]:
        """Yield those whose answers were lost too often."""
        names = ("stream", "key", "reason", "detail", "scope")
        query = select(*(documents.c[name] for name in names)).where(
            *self._ours, documents.c.status == Status.STUCK
        )
        with reading(self._engine) as connection:
            for row in connection.execute(query):
                detail = json.loads(row.detail)
                words = (
                    f"{row.stream} {detail.get('label') or row.key}: its answer was lost too "
                    f"often, it is not sent any more{f': {row.reason}' if row.reason else ''}; "
                    "replay it"
                )
                entity = fact(detail, ENTITY_NAMES) or row.scope
                yield Difference(Kind.STUCK, row.key, entity, "", words)
