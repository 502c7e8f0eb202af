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
from sqlalchemy import Connection, Engine, Row, TextClause, select, text

from singer_delivery.database import READING, open_database, reason
from singer_delivery.document import FINAL, HELD, OPEN, Document, Entry, Outcome, Status
from singer_delivery.errors import LedgerError
from singer_delivery.schema import documents

#: SQLite takes 32,766 variables a statement, PostgreSQL's protocol 65,535.
CHUNK = 500

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

#: Draws the next number; the row stays locked until commit, so that numbers appear in order.
NEXT_SEQUENCE = text(
    "INSERT INTO sequences (system, last) VALUES (:system, :first) "
    "ON CONFLICT (system) DO UPDATE SET last = sequences.last + 1 RETURNING last"
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
        held = [entry for entry in found if entry.status in HELD | OPEN]
        return {entry.natural_key: entry for entry in sorted(held, key=lambda e: e.sequence)}

    def open_entries(self, stream: str) -> list[Entry]:
        """Return the documents in doubt, this run's own intents included."""
        query = self._select(stream).where(documents.c.status.in_(sorted(OPEN)))
        with self._transaction(reading=True) as connection:
            return [_entry(row) for row in connection.execute(query)]

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
        with self._transaction() as connection:
            values = self._outcome_values(connection, outcome, document.detail)
            if outcome.remote_key:
                values["remote_key"] = outcome.remote_key
            connection.execute(UPSERT, self._row(stream, document, run_id, values))

    def settle_entry(self, entry: Entry, outcome: Outcome, run_id: str) -> None:
        """Commit the outcome of a document that an earlier run left in doubt."""
        with self._transaction() as connection:
            values = self._outcome_values(connection, outcome, entry.detail)
            if outcome.remote_key:
                values["remote_key"] = outcome.remote_key
            connection.execute(
                documents.update()
                .where(
                    documents.c.system == self._system,
                    documents.c.stream == entry.stream,
                    documents.c.key == entry.key,
                    # Another runner may have settled it since it was read.
                    documents.c.status.in_(sorted(OPEN)),
                )
                .values(run_id=run_id, **values)
            )

    def _intent_values(self) -> dict[str, Any]:
        return {
            "status": Status.INTENDED.value,
            "reason": "",
            "request_id": "",
            "intended_at": self._clock().isoformat(),
            "settled_at": None,
        }

    def _outcome_values(
        self, connection: Connection, outcome: Outcome, detail: Mapping[str, Any]
    ) -> dict[str, Any]:
        final = outcome.status in FINAL
        values: dict[str, Any] = {
            "status": outcome.status.value,
            "reason": _text(outcome.reason),
            "request_id": _text(outcome.request_id),
            "detail": _dump({**detail, **outcome.detail}),
            "settled_at": self._clock().isoformat() if final else None,
        }
        if final:
            values["sequence"] = self._next_sequence(connection)
        return values

    def _next_sequence(self, connection: Connection) -> int:
        # A ledger that replaces a lost one goes on above it (nobody settles a document every
        # millisecond): a reader's bookmark from before would hide its outcomes otherwise.
        first = int(self._clock().timestamp() * 1000)
        values = {"system": self._system, "first": first}
        return int(connection.execute(NEXT_SEQUENCE, values).scalar_one())

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
    return json.dumps(dict(detail), sort_keys=True, default=str)


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
    )
