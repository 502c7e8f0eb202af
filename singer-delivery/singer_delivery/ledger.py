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
from sqlalchemy import Connection, Engine, Row, select
from sqlalchemy.dialects import postgresql, sqlite

from singer_delivery.database import open_database, reason
from singer_delivery.document import FINAL, HELD, OPEN, Document, Entry, Outcome, Status
from singer_delivery.errors import LedgerError
from singer_delivery.schema import documents, sequences

#: SQLite takes 32,766 variables a statement, PostgreSQL's protocol 65,535.
CHUNK = 500


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
        with self._transaction() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def outcomes(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return settled documents in the order of their latest outcome, from `after` on."""
        query = (
            self._select(stream)
            .where(documents.c.sequence > after, documents.c.status.in_(sorted(FINAL)))
            .order_by(documents.c.sequence)
            .limit(limit)
        )
        with self._transaction() as connection:
            return [_entry(row) for row in connection.execute(query)]

    def intend(self, stream: str, intents: Sequence[Document], run_id: str) -> None:
        """Commit that these documents are about to be sent; returns when it is durable."""
        with self._transaction() as connection:
            # In one order, so that two runners with the same documents do not lock each other out.
            for document in sorted(intents, key=lambda document: document.key):
                self._upsert(connection, stream, document, run_id, self._intent_values())

    def settle(self, stream: str, document: Document, outcome: Outcome, run_id: str) -> None:
        """Commit the outcome of a document, whether it was intended before or not."""
        with self._transaction() as connection:
            values = self._outcome_values(connection, outcome, document.detail)
            if outcome.remote_key:
                values["remote_key"] = outcome.remote_key
            self._upsert(connection, stream, document, run_id, values)

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
        """Draw the next number; the row stays locked until commit, so numbers appear in order."""
        insert = _insert(connection)(sequences).values(system=self._system, last=1)
        statement = insert.on_conflict_do_update(
            index_elements=[sequences.c.system], set_={"last": sequences.c.last + 1}
        ).returning(sequences.c.last)
        return int(connection.execute(statement).scalar_one())

    def _upsert(
        self,
        connection: Connection,
        stream: str,
        document: Document,
        run_id: str,
        values: Mapping[str, Any],
    ) -> None:
        attempt = 1 if values["status"] == Status.INTENDED else 0
        content = {
            "natural_key": document.natural_key,
            "version": document.version,
            "fingerprint": document.fingerprint,
            "remote_key": document.remote_key,
            "detail": _dump(document.detail),
            "run_id": run_id,
            **values,
        }
        insert = _insert(connection)(documents).values(
            {
                "system": self._system,
                "stream": stream,
                "key": document.key,
                "sequence": 0,
                "attempts": attempt,
                **content,
            }
        )
        # What an earlier version is known by in the target stays known until there is something
        # newer: a rejected or lost change does not make the target forget it.
        kept = {name for name in ("natural_key", "remote_key") if not content[name]}
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=["system", "stream", "key"],
                set_={
                    **{name: value for name, value in content.items() if name not in kept},
                    "attempts": documents.c.attempts + attempt,
                },
            )
        )

    def _among(
        self, stream: str, column: sqlalchemy.Column[Any], values: Iterable[str]
    ) -> Iterator[Entry]:
        wanted = sorted(set(values))
        with self._transaction() as connection:
            for start in range(0, len(wanted), CHUNK):
                chunk = wanted[start : start + CHUNK]
                query = self._select(stream).where(column.in_(chunk))
                yield from map(_entry, connection.execute(query).all())

    def _select(self, stream: str) -> sqlalchemy.Select[Any]:
        return select(documents).where(
            documents.c.system == self._system, documents.c.stream == stream
        )

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sqlalchemy.exc.SQLAlchemyError as error:
            msg = f"the ledger cannot be read or written: {reason(error)}; nothing more is sent"
            raise LedgerError(msg) from None


def _insert(connection: Connection) -> Callable[..., Any]:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


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
