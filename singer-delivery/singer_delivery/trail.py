"""The audit trail: what happened to every document, appended and never changed, link upon link."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Select, select, text

from singer_delivery.chain import FORM, link_hash
from singer_delivery.database import reading, writing
from singer_delivery.document import Status
from singer_delivery.errors import LedgerError
from singer_delivery.schema import events, storable_text
from singer_delivery.statements import Statement

#: How far this machine's clock may stand before the latest entry: two hosts differ a little.
CLOCK_TOLERANCE = timedelta(minutes=5)
#: Made once: json.dumps would make one for every row.
DETAIL = json.JSONEncoder(sort_keys=True, default=str)


class Kind(enum.StrEnum):
    """What an entry of the trail says; the outcomes have the names of their statuses.

    CONFIRMED: delivered, as the target said when it was asked later. TAKEN_OVER: a run that died
    left it. LATE: an older version than the one known, which changed nothing. POLICY: what
    operators may do alone was changed.
    """

    STARTED = "started"
    ENDED = "ended"
    RECEIVED = "received"
    MAPPED = "mapped"
    INTENDED = "intended"
    SENT = "sent"
    ANSWERED = "answered"
    READ_BACK = "read_back"
    TAKEN_OVER = "taken_over"
    IN_DOUBT = "in_doubt"
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    STUCK = "stuck"
    LATE = "late"
    RELEASED = "released"
    REQUESTED = "requested"
    APPROVED = "approved"
    REPLAYED = "replayed"
    ERASED = "erased"
    REBUILT = "rebuilt"
    POLICY = "policy"


#: After which of them a document stands where.
STANDING: Mapping[str, Status] = {
    Kind.CONFIRMED: Status.DELIVERED,
    Kind.RELEASED: Status.NOT_SENT,
    **{Kind(status.value): status for status in Status},
}


@dataclass(frozen=True)
class Event:
    """Something that happened; `at` is aware, None for now. `payload` is a payload's digest."""

    kind: Kind
    stream: str = ""
    key: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    payload: str = ""
    at: datetime | None = None
    system: str = ""


@dataclass(frozen=True)
class Link:
    """An entry of the trail as it stands there; `detail_text` is what was hashed."""

    number: int
    form: int
    at: datetime
    system: str
    stream: str
    key: str
    kind: str
    run_id: str
    actor: str
    detail_text: str
    payload: str
    previous: str
    hash: str

    @property
    def detail(self) -> dict[str, Any]:
        """The entry's facts."""
        found = json.loads(self.detail_text)
        return found if isinstance(found, dict) else {}


class Head(NamedTuple):
    """The end of the chain: the last number and hash, and the latest moment recorded."""

    number: int
    hash: str
    at: str


HEAD = text("SELECT number, hash, at FROM chain WHERE id = 1")
LOCKED_HEAD = text("SELECT number, hash, at FROM chain WHERE id = 1 FOR UPDATE")
NEW_HEAD = text("UPDATE chain SET number = :number, hash = :hash, at = :at WHERE id = 1")
COLUMNS = tuple(column.name for column in events.columns)
INSERT = Statement(
    f"INSERT INTO events ({', '.join(COLUMNS)}) "  # noqa: S608
    f"VALUES ({', '.join(f':{name}' for name in COLUMNS)})",
    COLUMNS,
)


class Pen:
    """Writes the trail inside one transaction, in which nobody else can.

    Taking it is the first thing that a writing transaction does: it waits there for its turn.
    """

    def __init__(
        self, connection: Connection, *, now: datetime, run_id: str = "", actor: str = ""
    ) -> None:
        """`now` is aware UTC. Raises LedgerError for a ledger without a head."""
        self.connection = connection
        self.now = now
        self.run_id = run_id
        self.actor = storable_text(actor)[:255]
        postgresql = connection.dialect.name == "postgresql"
        row = connection.execute(LOCKED_HEAD if postgresql else HEAD).one_or_none()
        if row is None:
            msg = "the head of the audit trail is gone: the ledger was tampered with"
            raise LedgerError(msg)
        self._head = Head(row.number, row.hash, row.at)

    def check_clock(self) -> None:
        """Raise LedgerError where the clock stands well before what was recorded already."""
        if not self._head.at:
            return
        latest = datetime.fromisoformat(self._head.at)
        if self.now < latest - CLOCK_TOLERANCE:
            msg = (
                f"the clock of this machine says {_words(self.now)}, but the ledger has an entry "
                f"of {_words(latest)}; nothing is sent before the clock is right"
            )
            raise LedgerError(msg)

    def write(self, happened: Sequence[Event], system: str = "") -> None:
        """Append entries in this order; `system` holds for those that name none."""
        if not happened:
            return
        number, previous, latest = self._head.number, self._head.hash, self._head.at
        now = self.now.astimezone(UTC).isoformat()
        rows = []
        for event in happened:
            number += 1
            at = event.at.astimezone(UTC).isoformat() if event.at else now
            latest = max(latest, at)
            fields = (
                str(number),
                at,
                event.system or system,
                event.stream,
                event.key,
                str(event.kind),
                self.run_id,
                self.actor,
                DETAIL.encode(dict(event.detail)),
                event.payload,
            )
            digest = link_hash(FORM, fields, previous)
            # In the order of COLUMNS.
            rows.append((number, FORM, *fields[1:], previous, digest))
            previous = digest
        INSERT.run(self.connection, rows)
        self._head = Head(number, previous, latest)
        self.connection.execute(NEW_HEAD, {"number": number, "hash": previous, "at": latest})


def _words(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


class Trail:
    """Reads the trail of a ledger, and writes what belongs to no delivery."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def head(self) -> Head:
        """Return the end of the chain."""
        with reading(self._engine) as connection:
            row = connection.execute(HEAD).one()
        return Head(row.number, row.hash, row.at)

    def links(self, *, after: int = 0, limit: int = 1000) -> list[Link]:
        """Return a page of entries in their order, from number `after` on."""
        query = select(events).where(events.c.number > after).order_by(events.c.number).limit(limit)
        return self._read(query)

    def of(self, key: str, *, stream: str = "") -> list[Link]:
        """Return what happened to documents with this key, in one stream or in all."""
        query = select(events).where(events.c.key == key).order_by(events.c.number)
        return self._read(query.where(events.c.stream == stream) if stream else query)

    def record(self, happened: Sequence[Event], *, run_id: str = "", actor: str = "") -> None:
        """Append entries in a transaction of their own."""
        with writing(self._engine) as connection:
            Pen(connection, now=datetime.now(UTC), run_id=run_id, actor=actor).write(happened)

    def _read(self, query: Select[Any]) -> list[Link]:
        with reading(self._engine) as connection:
            return [link(row) for row in connection.execute(query)]


def link(row: Row[Any]) -> Link:
    """Return a row of `events` as an entry."""
    return Link(
        number=row.number,
        form=row.form,
        at=datetime.fromisoformat(row.at),
        system=row.system,
        stream=row.stream,
        key=row.key,
        kind=row.kind,
        run_id=row.run_id,
        actor=row.actor,
        detail_text=row.detail,
        payload=row.payload,
        previous=row.previous,
        hash=row.hash,
    )
