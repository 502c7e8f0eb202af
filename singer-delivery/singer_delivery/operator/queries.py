"""What the operator's commands read: documents, their families, and their events."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    cast,
    func,
    literal,
    or_,
    select,
    tuple_,
    type_coerce,
)

from singer_delivery.document import Status
from singer_delivery.operator.filters import ENTITY_NAMES, NUMBER_NAMES, VENDOR_NAMES, Filter, fact
from singer_delivery.schema import documents, events

CHUNK = 200
#: When a document was written last: an outcome's time is taken away by the next intent.
CHANGED = func.coalesce(documents.c.settled_at, documents.c.intended_at, "")

T = TypeVar("T")
Place = tuple[str, str, str]


@dataclass(frozen=True)
class Listed:
    """A document as the ledger has it now. `at` is the text of its last change's time, or ""."""

    system: str
    stream: str
    key: str
    natural_key: str
    version: str
    fingerprint: str
    status: str
    reason: str
    remote_key: str
    request_id: str
    detail: dict[str, Any]
    attempts: int
    run_id: str
    source: str
    scope: str
    at: str

    @property
    def place(self) -> Place:
        """What identifies it in the ledger."""
        return self.system, self.stream, self.key

    @property
    def entity(self) -> str:
        """The legal entity."""
        return fact(self.detail, ENTITY_NAMES) or self.scope

    @property
    def vendor(self) -> str:
        """The vendor account."""
        return fact(self.detail, VENDOR_NAMES)

    @property
    def number(self) -> str:
        """The invoice number."""
        return fact(self.detail, NUMBER_NAMES)

    @property
    def amount(self) -> str:
        """Gross amount and currency, or ""."""
        gross = self.detail.get("gross")
        return f"{gross} {self.detail.get('currency', '')}".strip() if gross else ""

    def __str__(self) -> str:
        return f"{self.stream} {self.detail.get('label') or self.key}"


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    """Cut a list so that a statement takes each part."""
    return (items[start : start + size] for start in range(0, len(items), size))


def find(
    connection: Connection, chosen: Filter, *, limit: int = 0
) -> Generator[Listed, None, None]:
    """Yield the documents that a filter takes, the newest first, as they are read.

    `limit` (0 for none) spares the database work where it can tell alone; more may come otherwise.
    """
    query = _select().where(*_conditions(chosen)).order_by(CHANGED.desc(), documents.c.key)
    if limit and not chosen.reads_detail:
        query = query.limit(limit)
    # Closed also where nobody wants the rest: PostgreSQL keeps it at hand until then.
    with closing(connection.execution_options(yield_per=CHUNK).execute(query)) as rows:
        for row in rows:
            document = _listed(row)
            if chosen.takes(document.detail, document.scope):
                yield document


def count(connection: Connection, chosen: Filter) -> int:
    """Return how many documents a filter takes; one that reads no detail."""
    query = select(func.count()).select_from(documents).where(*_conditions(chosen))
    return int(connection.execute(query).scalar_one())


def covers(chosen: Filter, document: Listed) -> bool:
    """Tell whether a filter takes a document that was found in another way; dates aside."""
    return (
        (not chosen.statuses or document.status in chosen.statuses)
        and (not chosen.stream or document.stream == chosen.stream)
        and chosen.system.lower() in document.system.lower()
        and chosen.takes(document.detail, document.scope)
    )


def all_in_order(
    connection: Connection, chosen: Filter, *, after: Place = ("", "", ""), limit: int = 1000
) -> list[Listed]:
    """Return a page of documents by their identity, those that only the detail rules out too."""
    place = tuple_(documents.c.system, documents.c.stream, documents.c.key)
    query = _select().where(*_conditions(chosen), place > tuple_(*map(literal, after)))
    rows = connection.execute(query.order_by(*place.clauses).limit(limit))
    return [_listed(row) for row in rows]


def at_places(connection: Connection, places: Iterable[Place]) -> dict[Place, Listed]:
    """Return what the ledger has of these documents."""
    found: dict[Place, Listed] = {}
    for chunk in chunks(sorted(set(places))):
        place = tuple_(documents.c.system, documents.c.stream, documents.c.key)
        rows = connection.execute(_select().where(place.in_(chunk)))
        found |= {document.place: document for document in map(_listed, rows)}
    return found


def named(connection: Connection, name: str) -> list[Listed]:
    """Return the documents with this key, or else those with this invoice number."""
    found = _everywhere(connection, documents.c.key == name)
    if found:
        return found
    chosen = Filter(number=name)
    return list(find(connection, chosen))


def family(connection: Connection, members: Sequence[Listed]) -> list[Listed]:
    """Return these documents and all that belong to the same invoices, in any system.

    A transfer response has the key of its invoice. A payment names it as its detail.document_id;
    before that is known, by legal entity, vendor and number, and it has its natural key in common
    with other payments of the invoice.
    """
    known: dict[Place, Listed] = {}
    fresh = list(members)
    while fresh:
        known |= {member.place: member for member in fresh}
        relatives = _relatives(connection, fresh)
        fresh = list({r.place: r for r in relatives if r.place not in known}.values())
    return list(known.values())


def _relatives(connection: Connection, members: Sequence[Listed]) -> list[Listed]:
    ids = sorted({i for member in members for i in (member.key, _invoice_id(member)) if i})
    found = _everywhere(connection, documents.c.key.in_(ids))
    if naturals := sorted({member.natural_key for member in members if member.natural_key}):
        found += _everywhere(connection, documents.c.natural_key.in_(naturals))
    mentioning = _select().where(or_(*map(_mentions, ids)))
    found += [
        one for one in map(_listed, connection.execute(mentioning)) if _invoice_id(one) in ids
    ]
    for entity, vendor, number in sorted({(m.entity, m.vendor, m.number) for m in members}):
        if entity and vendor and number:
            found += find(connection, Filter(entity=entity, vendor=vendor, number=number))
    return found


def _invoice_id(member: Listed) -> str:
    return str(member.detail.get("document_id") or "")


def _mentions(value: str) -> ColumnElement[bool]:
    # The detail is JSON text, with everything outside ASCII escaped.
    return documents.c.detail.contains(json.dumps(value)[1:-1], autoescape=True)


def _everywhere(connection: Connection, condition: ColumnElement[bool]) -> list[Listed]:
    # System and stream lead every index: asking pair by pair uses them.
    pairs = connection.execute(select(documents.c.system, documents.c.stream).distinct()).all()
    return [
        _listed(row)
        for system, stream in sorted((pair.system, pair.stream) for pair in pairs)
        for row in connection.execute(
            _select().where(documents.c.system == system, documents.c.stream == stream, condition)
        )
    ]


def history(connection: Connection, places: Iterable[Place]) -> list[Row[Any]]:
    """Return the events of these documents in the order of the chain."""
    wanted = set(places)
    rows: list[Row[Any]] = []
    for chunk in chunks(sorted({key for _, _, key in wanted})):
        rows += connection.execute(select(events).where(events.c.key.in_(chunk)))
    own = (row for row in rows if (row.system, row.stream, row.key) in wanted)
    return sorted(own, key=lambda row: int(row.number))


def last_numbers(connection: Connection, places: Iterable[Place]) -> dict[Place, int]:
    """Return the number of each document's last event; 0 where it has none."""
    numbers = dict.fromkeys(places, 0)
    for chunk in chunks(sorted({key for _, _, key in numbers})):
        query = (
            select(events.c.system, events.c.stream, events.c.key, func.max(events.c.number))
            .where(events.c.key.in_(chunk))
            .group_by(events.c.system, events.c.stream, events.c.key)
        )
        for system, stream, key, number in connection.execute(query):
            if (system, stream, key) in numbers:
                numbers[system, stream, key] = int(number)
    return numbers


def _select() -> Select[Any]:
    return select(documents, CHANGED.label("changed_at"))


def _conditions(chosen: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if chosen.statuses:
        conditions.append(documents.c.status.in_([Status(s).value for s in chosen.statuses]))
    if chosen.stream:
        conditions.append(documents.c.stream == chosen.stream)
    if chosen.system:
        conditions.append(
            func.lower(documents.c.system).contains(chosen.system.lower(), autoescape=True)
        )
    if chosen.since or chosen.until:
        conditions.append(_between(CHANGED, chosen.since, chosen.until))
    # Only to read less: what the detail holds is judged after it was read.
    for value in (chosen.vendor, chosen.number):
        if value.isascii() and value:
            text = json.dumps(value.strip())[1:-1].lower()
            conditions.append(func.lower(documents.c.detail).contains(text, autoescape=True))
    if chosen.entity.isascii() and chosen.entity:
        text = json.dumps(chosen.entity.strip())[1:-1].lower()
        within = func.lower(documents.c.detail).contains(text, autoescape=True)
        conditions.append(or_(within, documents.c.scope != ""))
    return conditions


def _between(
    column: ColumnElement[Any], since: datetime | None, until: datetime | None
) -> ColumnElement[bool]:
    return and_(
        *([column >= sortable(since)] if since else []),
        *([column < sortable(until)] if until else []),
        column != "",
    )


def entity_of(connection: Connection) -> ColumnElement[str]:
    """Return the expression for a document's legal entity in lower case, "" for none."""
    # CAST to JSON would make a number of it in SQLite, which has no such type.
    is_sqlite = connection.dialect.name == "sqlite"
    detail = (type_coerce if is_sqlite else cast)(documents.c.detail, JSON)
    named = [detail[name].as_string() for name in ENTITY_NAMES]
    return func.lower(func.coalesce(*named, documents.c.scope)).label("entity")


def sortable(instant: datetime) -> str:
    """Return a text that sorts among the ledger's times, which are ISO 8601 in UTC."""
    # Without a fraction: "2026-11-23T10:00:00" sorts before all instants of that second.
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _listed(row: Row[Any]) -> Listed:
    return Listed(
        system=row.system,
        stream=row.stream,
        key=row.key,
        natural_key=row.natural_key,
        version=row.version,
        fingerprint=row.fingerprint,
        status=row.status,
        reason=row.reason,
        remote_key=row.remote_key,
        request_id=row.request_id,
        detail=json.loads(row.detail),
        attempts=row.attempts,
        run_id=row.run_id,
        source=row.source,
        scope=row.scope,
        at=row.changed_at,
    )
