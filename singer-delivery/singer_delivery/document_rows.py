"""Rows of the table `documents`: how they are written over one another, found and read.

The statements run for each of many documents; what runs once in a while is in `ledger`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, or_, text

from singer_delivery.document import TAKEN, Document, Entry, Holding, Outcome, Status
from singer_delivery.schema import documents, storable_text
from singer_delivery.statements import Question, Statement
from singer_delivery.trail import DETAIL

#: What a new row of a document does to the one that is there, where it does not just replace it.
#: A rejected or lost change does not make the target forget what it holds: the keys that it is
#: known by there stay until there are newer ones, as does the sequence of its last outcome.
MERGED = {
    "natural_key": "CASE excluded.natural_key WHEN '' THEN documents.natural_key "
    "ELSE excluded.natural_key END",
    "remote_key": "CASE excluded.remote_key WHEN '' THEN documents.remote_key "
    "ELSE excluded.remote_key END",
    "attempts": "documents.attempts + excluded.attempts",
    "sequence": "CASE excluded.sequence WHEN 0 THEN documents.sequence ELSE excluded.sequence END",
    "intended_at": "COALESCE(excluded.intended_at, documents.intended_at)",
    "source": "CASE excluded.source WHEN '' THEN documents.source ELSE excluded.source END",
    "scope": "CASE excluded.source WHEN '' THEN documents.scope ELSE excluded.scope END",
    "held": "CASE WHEN excluded.held > documents.held THEN excluded.held ELSE documents.held END",
    "revision": "documents.revision + 1",
    # Lost answers in a row for one content; an outcome that is none of the transport's ends it.
    "doubts": "CASE WHEN excluded.status IN ('intended', 'in_doubt', 'not_sent', 'stuck') THEN "
    "excluded.doubts + CASE WHEN documents.fingerprint = excluded.fingerprint "
    "THEN documents.doubts ELSE 0 END ELSE 0 END",
}


NAMES = tuple(column.name for column in documents.columns)
KEY = ("system", "stream", "key")
NATURAL_KEY, SEQUENCE = NAMES.index("natural_key"), NAMES.index("sequence")


def _upsert(*unchanged: str) -> Statement:
    """Return what writes rows in the order of NAMES; some fields of one that is there may stay.

    What is not written need not be written into an index either, which takes most of the time.
    """
    changes = [
        f"{name} = {MERGED.get(name, f'excluded.{name}')}"
        for name in NAMES
        if name not in (*KEY, *unchanged)
    ]
    return Statement(
        f"INSERT INTO documents ({', '.join(NAMES)}) "  # noqa: S608
        f"VALUES ({', '.join(f':{name}' for name in NAMES)}) "
        f"ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {', '.join(changes)}",
        NAMES,
    )


UPSERT = _upsert()
#: For rows without a natural key, and without a sequence.
UPSERT_NAMELESS = _upsert("natural_key")
UPSERT_UNNUMBERED = _upsert("natural_key", "sequence")

#: Draws the next numbers; the row stays locked until commit, so that numbers appear in order.
NEXT_SEQUENCES = text(
    "INSERT INTO sequences (system, last) VALUES (:system, :first) "
    "ON CONFLICT (system) DO UPDATE SET last = CASE WHEN sequences.last + :count > :behind "
    "THEN sequences.last + :count ELSE :first END RETURNING last"
)

SETTLED_NAMES = (
    *("status", "reason", "request_id", "detail", "settled_at", "run_id", "doubts"),
    *("remote_key", "natural_key", "sequence", "held", *KEY),
)


def _settle_entry(*unchanged: str) -> Statement:
    """Return what settles a document that is known by its entry; nobody has written it since."""
    changes = {
        **{name: f":{name}" for name in SETTLED_NAMES[:6]},
        "revision": "revision + 1",
        "doubts": "CASE WHEN :status IN ('intended', 'in_doubt', 'not_sent', 'stuck') "
        "THEN doubts + :doubts ELSE 0 END",
        "remote_key": "CASE :remote_key WHEN '' THEN remote_key ELSE :remote_key END",
        "natural_key": "CASE :natural_key WHEN '' THEN natural_key ELSE :natural_key END",
        "sequence": "CASE :sequence WHEN 0 THEN sequence ELSE :sequence END",
        "held": "CASE WHEN :held > held THEN :held ELSE held END",
    }
    told = ", ".join(f"{name} = {how}" for name, how in changes.items() if name not in unchanged)
    names = tuple(name for name in SETTLED_NAMES if name not in unchanged)
    where = " AND ".join(f"{name} = :{name}" for name in KEY)
    sql = f"UPDATE documents SET {told} WHERE {where}"  # noqa: S608
    # PostgreSQL cannot tell of which type a value is that stands in a CASE.
    for name, kind in SETTLED_TYPES.items():
        sql = sql.replace(f":{name}", f"CAST(:{name} AS {kind})")
    return Statement(sql, names)


SETTLED_TYPES = {
    **dict.fromkeys(("status", "remote_key", "natural_key", "settled_at"), "VARCHAR"),
    **dict.fromkeys(("sequence", "held", "doubts"), "BIGINT"),
}
SETTLE_ENTRY = _settle_entry()
SETTLE_NAMELESS_ENTRY = _settle_entry("natural_key")
#: Who wrote some documents last.
WRITERS = Question(
    "SELECT key, revision, status, run_id FROM documents "
    "WHERE system = :system AND stream = :stream AND key IN :among"
)
ENTRIES = f"SELECT {', '.join(NAMES)} FROM documents "  # noqa: S608
ENTRIES_OF_KEYS = Question(
    f"{ENTRIES}WHERE system = :system AND stream = :stream AND key IN :among"
)
ENTRIES_OF_NATURAL_KEYS = Question(
    f"{ENTRIES}WHERE system = :system AND stream = :stream AND natural_key IN :among"
)
#: Who wrote them, and what else may stand in the way of an intent.
HOLDERS = (
    "SELECT key, natural_key, status, run_id, revision FROM documents "
    "WHERE system = :system AND stream = :stream AND "
)
HOLDERS_OF_KEYS = Question(f"{HOLDERS}key IN :among")
HOLDERS_OF_NATURAL_KEYS = Question(f"{HOLDERS}natural_key IN :among")
#: The version of a document that was withdrawn because it vanished from its source.
WITHDRAWN = "withdrawn"

#: Which documents the target holds and may have to withdraw. A withdrawal that was not taken
#: leaves its document held.
STILL_HELD = and_(
    documents.c.held > 0,
    or_(
        documents.c.version != WITHDRAWN,
        documents.c.status.not_in(sorted(TAKEN | {Status.SKIPPED})),
    ),
)
#: The same for a SELECT.
STILL_HELD_TEXT = (
    f"CASE WHEN held > 0 AND (version <> '{WITHDRAWN}' OR status NOT IN ("
    + ", ".join(f"'{status.value}'" for status in sorted(TAKEN | {Status.SKIPPED}))
    + ")) THEN 1 ELSE 0 END"
)
#: Where some documents stand, in the order of `Standing`.
STANDINGS = Question(
    f"SELECT key, status, fingerprint, source, scope, {STILL_HELD_TEXT} FROM documents "  # noqa: S608
    "WHERE system = :system AND stream = :stream AND key IN :among"
)
STATUSES = {status.value: status for status in Status}
HOLDINGS = {int(holding): holding for holding in Holding}
TAKE_OVER = text(
    "UPDATE documents SET run_id = :run_id, revision = revision + 1 "
    "WHERE system = :system AND stream = :stream AND key = :key"
)
RELEASE = text(
    "UPDATE documents SET status = 'not_sent', doubts = 0, reason = :reason, run_id = :run_id, "
    "revision = revision + 1 WHERE system = :system AND stream = :stream AND key = :key"
)


class Holder(NamedTuple):
    """Who wrote a document last, and where it stood then."""

    key: str
    natural_key: str
    status: Status
    run_id: str
    revision: int


class Written(NamedTuple):
    """What an intent or an outcome puts into a row; None for the document's own detail."""

    status: str
    reason: str = ""
    request_id: str = ""
    remote_key: str = ""
    natural_key: str = ""
    detail: str | None = None
    sequence: int = 0
    intended_at: str | None = None
    settled_at: str | None = None
    held: Holding = Holding.NEVER
    doubts: int = 0
    attempts: int = 0

    @classmethod
    def of_intent(cls, now: datetime) -> Written:
        """Return what an intent puts into a row."""
        return cls(Status.INTENDED.value, intended_at=now.isoformat(), attempts=1)

    @classmethod
    def of_outcome(
        cls, outcome: Outcome, detail: Mapping[str, Any], number: int, now: datetime
    ) -> Written:
        """Return what an outcome puts there; `number` is its sequence, 0 where it is not final."""
        return cls(
            outcome.status.value,
            reason=storable_text(outcome.reason),
            request_id=storable_text(outcome.request_id),
            remote_key=storable_text(outcome.remote_key),
            natural_key=outcome.natural_key,
            detail=dump({**detail, **outcome.detail}),
            sequence=number,
            settled_at=now.isoformat() if number else None,
            held=_holding(outcome),
            doubts=int(outcome.status is Status.IN_DOUBT),
        )

    def row(self, system: str, stream: str, document: Document, run_id: str) -> tuple[Any, ...]:
        """Return a document's row in the order of NAMES."""
        return (
            system,
            stream,
            document.key,
            self.natural_key or document.natural_key,
            document.version,
            document.fingerprint,
            self.status,
            self.reason,
            self.remote_key or storable_text(document.remote_key),
            self.request_id,
            dump(document.detail) if self.detail is None else self.detail,
            self.attempts,
            self.sequence,
            run_id,
            self.intended_at,
            self.settled_at,
            storable_text(document.source),
            storable_text(document.scope),
            int(self.held),
            1,  # revision
            self.doubts,
        )


class Standing(NamedTuple):
    """Where a document stands, of which content, and where that came from.

    `held`: it is one of those that `held` returns.
    """

    status: Status
    fingerprint: str
    source: str
    scope: str
    held: bool


def write(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write rows in the order of NAMES over those that are there."""
    if any(row[NATURAL_KEY] for row in rows):
        UPSERT.run(connection, rows)
    elif any(row[SEQUENCE] for row in rows):
        UPSERT_NAMELESS.run(connection, rows)
    else:
        UPSERT_UNNUMBERED.run(connection, rows)


def dump(detail: Mapping[str, Any]) -> str:
    """Return a document's detail as it is stored."""
    return DETAIL.encode(dict(detail))


def entry_of(row: Row[Any] | tuple[Any, ...]) -> Entry:
    """Return a row in the order of NAMES."""
    _, stream, key, natural_key, version, fingerprint, status, reason, *others = row
    remote_key, request_id, detail, attempts, sequence, run_id, *others = others
    intended_at, settled_at, source, scope, held, revision, doubts = others
    return Entry(
        *(stream, key, natural_key, version, fingerprint, STATUSES[status], reason, remote_key),
        *(request_id, json.loads(detail), attempts, sequence, run_id),
        datetime.fromisoformat(settled_at) if settled_at else None,
        *(source, scope, revision, doubts, HOLDINGS[held]),
        datetime.fromisoformat(intended_at) if intended_at else None,
    )


def _holding(outcome: Outcome) -> Holding:
    if outcome.status in TAKEN or outcome.natural_key:
        return Holding.ONCE
    return Holding.PERHAPS if outcome.status is Status.IN_DOUBT else Holding.NEVER
