"""What waits for the end of the input, on disk: a run's memory does not grow with its records.

A temporary SQLite file that only its owner may read, and that has no name any more from the moment
it is open, so that not even a killed process leaves it behind.
"""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from singer_delivery.document import Document
from singer_delivery.errors import DeliveryError

#: Documents that are read back at a time.
PAGE = 200

SCHEMA = """
CREATE TABLE waiting (
    position INTEGER PRIMARY KEY, stream TEXT NOT NULL, key TEXT NOT NULL, document BLOB NOT NULL
);
CREATE UNIQUE INDEX waiting_key ON waiting (stream, key);
CREATE INDEX waiting_order ON waiting (stream, position);
CREATE TABLE seen (stream TEXT, key TEXT, PRIMARY KEY (stream, key)) WITHOUT ROWID;
CREATE TABLE scopes (source TEXT, scope TEXT, PRIMARY KEY (source, scope)) WITHOUT ROWID;
CREATE TABLE unmapped (source TEXT, record TEXT, PRIMARY KEY (source, record)) WITHOUT ROWID;
CREATE TABLE vanished (
    position INTEGER PRIMARY KEY, stream TEXT NOT NULL, source TEXT NOT NULL, key TEXT NOT NULL
);
CREATE INDEX vanished_from ON vanished (stream, source, position);
CREATE TABLE requests (
    number INTEGER PRIMARY KEY, stream TEXT NOT NULL, request_id TEXT NOT NULL, keys TEXT NOT NULL
);
"""


class Spool:
    """Documents that wait, keys that were seen, requests to ask about. For one thread."""

    def __init__(self, folder: str | None = None) -> None:
        """`folder` holds the file; None for the system's own for temporary files."""
        try:
            descriptor, name = tempfile.mkstemp(prefix="delivery-", suffix=".spool", dir=folder)
            os.close(descriptor)  # mkstemp made it readable by its owner only
        except OSError as error:
            raise _unusable(error) from None
        # isolation_level None: we begin and commit; nothing is ever rolled back, so no journal.
        self._connection = sqlite3.connect(name, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE"):
            self._connection.execute(f"PRAGMA {pragma}").fetchall()
        self._connection.execute("PRAGMA cache_size=-16000")  # KiB
        self._connection.executescript(SCHEMA)
        with suppress(PermissionError):
            # Windows keeps the name of an open file; it goes when the spool is closed.
            Path(name).unlink()
        self._close = weakref.finalize(self, _remove, self._connection, name)

    def close(self) -> None:
        """Remove the file."""
        self._close()

    # Documents

    def add(self, stream: str, documents: Iterable[Document]) -> None:
        """Keep documents; a later one of the same key takes the place of the earlier one."""
        self._many(
            "INSERT INTO waiting (stream, key, document) VALUES (?, ?, ?) "
            "ON CONFLICT (stream, key) DO UPDATE SET document = excluded.document",
            ((stream, document.key, _dump(document)) for document in documents),
        )

    def drop(self, stream: str, keys: Iterable[str]) -> None:
        """Forget documents that need not be sent after all; their keys stay seen."""
        self._many(
            "DELETE FROM waiting WHERE stream = ? AND key = ?", ((stream, key) for key in keys)
        )

    def count(self, stream: str) -> int:
        """Return how many documents of a stream wait."""
        return self._number("SELECT count(*) FROM waiting WHERE stream = ?", stream)

    def empty(self) -> bool:
        """Tell whether no document waits."""
        return not self._number("SELECT EXISTS (SELECT 1 FROM waiting)")

    def pages(self, stream: str) -> Iterator[list[Document]]:
        """Yield the documents of a stream in the order of their first appearance."""
        last = 0
        while True:
            rows = self._rows(
                "SELECT position, document FROM waiting INDEXED BY waiting_order "
                "WHERE stream = ? AND position > ? ORDER BY position LIMIT ?",
                *(stream, last, PAGE),
            )
            if not rows:
                return
            last = rows[-1][0]
            yield [_load(row[1]) for row in rows]

    # What a crawl showed

    def see(self, stream: str, keys: Iterable[str]) -> int:
        """Note that these keys came, whatever becomes of them; return how many are new."""
        before = self._connection.total_changes
        self._many(
            "INSERT INTO seen VALUES (?, ?) ON CONFLICT DO NOTHING", ((stream, k) for k in keys)
        )
        return self._connection.total_changes - before

    def show(self, source: str, scopes: Iterable[str]) -> None:
        """Note that a source showed a record of these scopes."""
        self._many(
            "INSERT INTO scopes VALUES (?, ?) ON CONFLICT DO NOTHING", ((source, s) for s in scopes)
        )

    def scopes(self, source: str) -> frozenset[str]:
        """Return the scopes that a source showed a record of."""
        return frozenset(
            row[0] for row in self._rows("SELECT scope FROM scopes WHERE source = ?", source)
        )

    def refuse(self, source: str, record: str) -> None:
        """Note a record of a source that no document could be made of."""
        self._many("INSERT INTO unmapped VALUES (?, ?) ON CONFLICT DO NOTHING", [(source, record)])

    def unseen(self, stream: str, keys: Sequence[str]) -> set[str]:
        """Return those of these keys that did not come."""
        found = self._rows(
            "SELECT key FROM seen WHERE stream = ? AND key IN (SELECT value FROM json_each(?))",
            *(stream, json.dumps(list(keys))),
        )
        return set(keys) - {row[0] for row in found}

    def refused(self, source: str, records: Sequence[str]) -> set[str]:
        """Return those of these records that no document could be made of."""
        found = self._rows(
            "SELECT record FROM unmapped "
            "WHERE source = ? AND record IN (SELECT value FROM json_each(?))",
            *(source, json.dumps(list(records))),
        )
        return {row[0] for row in found}

    def vanish(self, stream: str, source: str, keys: Iterable[str]) -> None:
        """Keep the keys of what is to be withdrawn."""
        self._many(
            "INSERT INTO vanished (stream, source, key) VALUES (?, ?, ?)",
            ((stream, source, key) for key in keys),
        )

    def vanished(self, stream: str, source: str) -> Iterator[list[str]]:
        """Yield the keys of what is to be withdrawn, a page at a time."""
        last = 0
        while True:
            rows = self._rows(
                "SELECT position, key FROM vanished "
                "WHERE stream = ? AND source = ? AND position > ? ORDER BY position LIMIT ?",
                *(stream, source, last, PAGE),
            )
            if not rows:
                return
            last = rows[-1][0]
            yield [row[1] for row in rows]

    # Requests

    def keep_request(self, stream: str, request_id: str, keys: Sequence[str]) -> int:
        """Keep what a request holds; return its number here."""
        return self._number(
            "INSERT INTO requests (stream, request_id, keys) VALUES (?, ?, ?) RETURNING number",
            *(stream, request_id, json.dumps(list(keys))),
        )

    def request_keys(self, number: int) -> list[str]:
        """Return the keys that a request still waits for."""
        (row,) = self._rows("SELECT keys FROM requests WHERE number = ?", number)
        keys: list[str] = json.loads(row[0])
        return keys

    def shrink_request(self, number: int, keys: Sequence[str]) -> None:
        """Keep only these keys of a request; forget it when there are none."""
        if keys:
            left = json.dumps(list(keys))
            self._rows("UPDATE requests SET keys = ? WHERE number = ?", left, number)
        else:
            self._rows("DELETE FROM requests WHERE number = ?", number)

    # SQLite

    def _many(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        prepared = list(rows)
        with _in_words():
            self._connection.execute("BEGIN")
            self._connection.executemany(statement, prepared)
            self._connection.execute("COMMIT")

    def _rows(self, query: str, *values: Any) -> list[Any]:
        with _in_words():
            return self._connection.execute(query, values).fetchall()

    def _number(self, query: str, *values: Any) -> int:
        return int(self._rows(query, *values)[0][0])


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _unusable(error) from None


def _unusable(error: Exception) -> DeliveryError:
    return DeliveryError(
        f"records cannot be kept for the end of the input: {error}; give the folder for temporary "
        "files (TMPDIR) room and the right to write"
    )


def _remove(connection: sqlite3.Connection, name: str) -> None:
    connection.close()
    Path(name).unlink(missing_ok=True)


def _dump(document: Document) -> bytes:
    return pickle.dumps(vars(document), pickle.HIGHEST_PROTOCOL)


def _load(row: bytes) -> Document:
    # Nobody else could write to the file: it is ours alone, and has no name.
    return Document(**pickle.loads(row))  # noqa: S301
