"""The ledger: which document was intended, sent and settled, durably and before the wire.

An intent is committed before anything is sent; an outcome is committed as soon as it is known.
What is intended without an outcome after a crash is in doubt, and is settled by reading the
target back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    Row,
    String,
    TextClause,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
)

from singer_delivery.database import READING, open_database, reason
from singer_delivery.document import FINAL, OPEN, TAKEN, Document, Entry, Outcome, Status
from singer_delivery.errors import LedgerError
from singer_delivery.schema import documents

#: SQLite takes 32,766 variables a statement, PostgreSQL's protocol 65,535.
CHUNK = 500

#: The target holds the document, or perhaps.
MAY_HOLD = TAKEN | {Status.IN_DOUBT}

#: Made once: json.dumps would make one for every row.
DETAIL = json.JSONEncoder(sort_keys=True, default=str)

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
}


def _upsert() -> TextClause:
    # Text, the same for both databases: SQLAlchemy compiles its own ON CONFLICT anew each time,
    # which takes several times as long as the rest.
    names = [column.name for column in documents.columns]
    changes = [f"{name} = {MERGED.get(name, f'excluded.{name}')}" for name in names]
    return text(
        f"INSERT INTO documents ({', '.join(names)}) "  # noqa: S608
        f"VALUES ({', '.join(f':{name}' for name in names)}) "
        f"ON CONFLICT (system, stream, key) DO UPDATE SET {', '.join(changes)}"
    )


UPSERT = _upsert()

#: Draws the next numbers; the row stays locked until commit, so that numbers appear in order.
NEXT_SEQUENCES = text(
    "INSERT INTO sequences (system, last) VALUES (:system, :first) "
    "ON CONFLICT (system) DO UPDATE SET last = sequences.last + :count RETURNING last"
)

#: The outcome of a document that an earlier run left open. Another runner may have settled it, or
#: sent it in another request, since it was read.
SETTLE_ENTRY = text(
    "UPDATE documents SET status = :status, reason = :reason, request_id = :request_id, "
    "detail = :detail, settled_at = :settled_at, run_id = :run_id, "
    "remote_key = CASE :remote_key WHEN '' THEN remote_key ELSE :remote_key END, "
    "sequence = CASE :sequence WHEN 0 THEN sequence ELSE :sequence END, "
    "held = CASE WHEN :held > held THEN :held ELSE held END "
    "WHERE system = :system AND stream = :stream AND key = :key "
    "AND status IN ('intended', 'in_doubt', 'accepted') AND request_id = :was_request_id"
).bindparams(
    *(bindparam(name, type_=String) for name in ("remote_key", "settled_at")),
    *(bindparam(name, type_=BigInteger) for name in ("sequence", "held")),
)

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


def utc_now() -> datetime:
    """Return the current instant, aware."""
    return datetime.now(UTC)


class Ledger:
    """The documents delivered to one remote system. Safe to share between threads."""

    def __init__(
        self, engine: Engine, system: str, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """`system` is the remote system's origin: a sandbox and production never mix."""
        self._engine = engine
        self._system = system
        self._clock = clock

    @classmethod
    def open(cls, url: str, system: str) -> Ledger:
        """Open, create or migrate the ledger at an SQLAlchemy URL. Raises LedgerError."""
        return cls(open_database(url), system)

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    def lookup(self, stream: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return what is known of these records, by key."""
        return {entry.key: entry for entry in self._among(stream, documents.c.key, keys)}

    def lookup_natural(self, stream: str, natural_keys: Iterable[str]) -> dict[str, Entry]:
        """Return, by natural key, the document that the target holds or may hold under it."""
        found = self._among(stream, documents.c.natural_key, (key for key in natural_keys if key))
        held = [entry for entry in found if entry.status in TAKEN | OPEN]
        return {entry.natural_key: entry for entry in sorted(held, key=lambda e: e.sequence)}

    def open_entries(self, stream: str) -> list[Entry]:
        """Return the documents in doubt, this run's own intents included."""
        query = self._select(stream).where(documents.c.status.in_(sorted(OPEN)))
        with self._transaction(reading=True) as connection:
            return [_entry(row) for row in connection.execute(query)]

    def accepted_entries(self, stream: str, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Return a page, in key order, of documents that were taken and not confirmed yet."""
        accepted = documents.c.status == Status.ACCEPTED.value
        return self._page(self._select(stream).where(accepted), after, limit)

    def accepted_requests(self, stream: str) -> Iterator[tuple[str, str]]:
        """Yield request id and key of documents that were taken and not confirmed, by request."""
        query = (
            select(documents.c.request_id, documents.c.key)
            .where(
                documents.c.system == self._system,
                documents.c.stream == stream,
                documents.c.status == Status.ACCEPTED.value,
            )
            .order_by(documents.c.request_id, documents.c.key)
        )
        with self._transaction(reading=True) as connection:
            for row in connection.execution_options(yield_per=CHUNK).execute(query):
                yield row.request_id, row.key

    def held(self, stream: str, source: str, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Return a page, in key order, of what the target holds of a source and may withdraw."""
        query = self._select(stream).where(documents.c.source == source, STILL_HELD)
        return self._page(query, after, limit)

    def held_keys(
        self, stream: str, source: str, *, after: str = "", limit: int = 1000
    ) -> list[tuple[str, str]]:
        """Return key and scope only of what `held` returns."""
        query = (
            select(documents.c.key, documents.c.scope)
            .where(
                documents.c.system == self._system,
                documents.c.stream == stream,
                documents.c.source == source,
                STILL_HELD,
                documents.c.key > after,
            )
            .order_by(documents.c.key)
            .limit(limit)
        )
        with self._transaction(reading=True) as connection:
            return [(row.key, row.scope) for row in connection.execute(query)]

    def count_held(self, stream: str, source: str) -> int:
        """Return how many documents `held` goes through."""
        query = select(func.count()).where(
            documents.c.system == self._system,
            documents.c.stream == stream,
            documents.c.source == source,
            STILL_HELD,
        )
        with self._transaction(reading=True) as connection:
            return int(connection.execute(query).scalar_one())

    def held_sources(self) -> list[tuple[str, str]]:
        """Return (source, stream) of all that the target holds and may have to withdraw."""
        query = (
            select(documents.c.source, documents.c.stream)
            .where(documents.c.system == self._system, documents.c.source != "", STILL_HELD)
            .distinct()
        )
        with self._transaction(reading=True) as connection:
            return sorted((row.source, row.stream) for row in connection.execute(query))

    def unsettled_streams(self) -> list[str]:
        """Return the streams with documents that are intended, in doubt or only accepted."""
        query = (
            select(documents.c.stream)
            .where(
                documents.c.system == self._system,
                documents.c.status.in_(sorted(OPEN | {Status.ACCEPTED})),
            )
            .distinct()
        )
        with self._transaction(reading=True) as connection:
            return sorted(connection.execute(query).scalars())

    def outcomes(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return settled documents in the order of their latest outcome, from `after` on."""
        query = (
            self._select(stream)
            .where(documents.c.sequence > after, documents.c.status.in_(sorted(FINAL)))
            .order_by(documents.c.sequence)
            .limit(limit)
        )
        with self._transaction(reading=True) as connection:
            return [_entry(row) for row in connection.execute(query)]

    def intend(self, stream: str, intents: Sequence[Document], run_id: str) -> None:
        """Commit that these documents are about to be sent; returns when it is durable."""
        with self._transaction() as connection:
            # In one order, so that two runners with the same documents do not lock each other out.
            ordered = sorted(intents, key=lambda document: document.key)
            rows = [
                self._row(stream, document, run_id, self._intent_values()) for document in ordered
            ]
            if rows:
                connection.execute(UPSERT, rows)

    def settle(self, stream: str, document: Document, outcome: Outcome, run_id: str) -> None:
        """Commit the outcome of a document, whether it was intended before or not."""
        self.settle_many(stream, [(document, outcome)], run_id)

    def settle_many(
        self, stream: str, outcomes: Sequence[tuple[Document, Outcome]], run_id: str
    ) -> None:
        """Commit the outcomes of documents of different keys, all or none."""
        if not outcomes:
            return
        ordered = sorted(outcomes, key=lambda pair: pair[0].key)
        with self._transaction() as connection:
            numbers = self._sequences(connection, [outcome for _, outcome in ordered])
            rows = []
            for (document, outcome), number in zip(ordered, numbers, strict=True):
                values = self._outcome_values(outcome, document.detail, number)
                if outcome.remote_key:
                    values["remote_key"] = outcome.remote_key
                rows.append(self._row(stream, document, run_id, values))
            connection.execute(UPSERT, rows)

    def settle_entry(self, entry: Entry, outcome: Outcome, run_id: str) -> None:
        """Commit the outcome of a document that an earlier run left in doubt or accepted."""
        self.settle_entries([(entry, outcome)], run_id)

    def settle_entries(self, outcomes: Sequence[tuple[Entry, Outcome]], run_id: str) -> None:
        """Commit the outcomes of documents that were left in doubt or accepted, all or none.

        One that was settled, or sent again, since its entry was read stays as it is.
        """
        if not outcomes:
            return
        ordered = sorted(outcomes, key=lambda pair: (pair[0].stream, pair[0].key))
        with self._transaction() as connection:
            numbers = self._sequences(connection, [outcome for _, outcome in ordered])
            rows = [
                {
                    "sequence": 0,
                    "held": 0,
                    **self._outcome_values(outcome, entry.detail, number),
                    "system": self._system,
                    "stream": entry.stream,
                    "key": entry.key,
                    "run_id": run_id,
                    "remote_key": outcome.remote_key,
                    "was_request_id": entry.request_id,
                }
                for (entry, outcome), number in zip(ordered, numbers, strict=True)
            ]
            connection.execute(SETTLE_ENTRY, rows)

    def abandon(self, stream: str, reason: str, run_id: str) -> int:
        """Make what an earlier run left open NOT_SENT; return how many documents that were.

        Only for documents that may be sent twice: the target may hold them.
        """
        with self._transaction() as connection:
            changed = connection.execute(
                documents.update()
                .where(
                    documents.c.system == self._system,
                    documents.c.stream == stream,
                    documents.c.status.in_(sorted(OPEN)),
                )
                .values(status=Status.NOT_SENT.value, reason=_text(reason), run_id=run_id, held=1)
            )
            return int(changed.rowcount)

    def _intent_values(self) -> dict[str, Any]:
        return {
            "status": Status.INTENDED.value,
            "reason": "",
            "request_id": "",
            "intended_at": self._clock().isoformat(),
            "settled_at": None,
        }

    def _outcome_values(
        self, outcome: Outcome, detail: Mapping[str, Any], number: int
    ) -> dict[str, Any]:
        values: dict[str, Any] = {
            "status": outcome.status.value,
            "reason": _text(outcome.reason),
            "request_id": _text(outcome.request_id),
            "detail": _dump({**detail, **outcome.detail}),
            "settled_at": self._clock().isoformat() if number else None,
            "held": int(outcome.status in MAY_HOLD),
        }
        if number:
            values["sequence"] = number
        return values

    def _sequences(self, connection: Connection, outcomes: Sequence[Outcome]) -> list[int]:
        """Return the number of each final outcome, and 0 for the others."""
        count = sum(outcome.status in FINAL for outcome in outcomes)
        if not count:
            return [0] * len(outcomes)
        # A ledger that replaces a lost one goes on above it (nobody settles a document every
        # millisecond for long): a reader's bookmark from before would hide its outcomes otherwise.
        first = int(self._clock().timestamp() * 1000) + count - 1
        values = {"system": self._system, "first": first, "count": count}
        last = int(connection.execute(NEXT_SEQUENCES, values).scalar_one())
        numbers = iter(range(last - count + 1, last + 1))
        return [next(numbers) if outcome.status in FINAL else 0 for outcome in outcomes]

    def _row(
        self, stream: str, document: Document, run_id: str, values: Mapping[str, Any]
    ) -> dict[str, Any]:
        return {
            "system": self._system,
            "stream": stream,
            "key": document.key,
            "natural_key": document.natural_key,
            "version": document.version,
            "fingerprint": document.fingerprint,
            "remote_key": document.remote_key,
            "detail": _dump(document.detail),
            "attempts": 1 if values["status"] == Status.INTENDED else 0,
            "sequence": 0,
            "run_id": run_id,
            "intended_at": None,
            "source": document.source,
            "scope": document.scope,
            "held": 0,
            **values,
        }

    def _among(
        self, stream: str, column: sqlalchemy.Column[Any], values: Iterable[str]
    ) -> list[Entry]:
        wanted = sorted(set(values))
        found: list[Entry] = []
        with self._transaction(reading=True) as connection:
            for start in range(0, len(wanted), CHUNK):
                chunk = wanted[start : start + CHUNK]
                query = self._select(stream).where(column.in_(chunk))
                found += map(_entry, connection.execute(query))
        return found

    def _page(self, query: sqlalchemy.Select[Any], after: str, limit: int) -> list[Entry]:
        page = query.where(documents.c.key > after).order_by(documents.c.key).limit(limit)
        with self._transaction(reading=True) as connection:
            return [_entry(row) for row in connection.execute(page)]

    def _select(self, stream: str) -> sqlalchemy.Select[Any]:
        return select(documents).where(
            documents.c.system == self._system, documents.c.stream == stream
        )

    @contextmanager
    def _transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        try:
            with (
                self._engine.connect() as connection,
                connection.execution_options(**{READING: reading}).begin(),
            ):
                yield connection
        except sqlalchemy.exc.SQLAlchemyError as error:
            msg = f"the ledger cannot be read or written: {reason(error)}; nothing more is sent"
            raise LedgerError(msg) from None


def _text(words: str) -> str:
    """Return words from outside as both databases take them: no NUL, no half surrogate pairs."""
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _dump(detail: Mapping[str, Any]) -> str:
    return DETAIL.encode(dict(detail))


def _entry(row: Row[Any]) -> Entry:
    settled_at = row.settled_at
    return Entry(
        stream=row.stream,
        key=row.key,
        natural_key=row.natural_key,
        version=row.version,
        fingerprint=row.fingerprint,
        status=Status(row.status),
        reason=row.reason,
        remote_key=row.remote_key,
        request_id=row.request_id,
        detail=json.loads(row.detail),
        attempts=row.attempts,
        sequence=row.sequence,
        run_id=row.run_id,
        settled_at=datetime.fromisoformat(settled_at) if settled_at else None,
        source=row.source,
        scope=row.scope,
    )
