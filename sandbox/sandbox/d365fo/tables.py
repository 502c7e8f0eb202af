"""Rows in memory with keys, secondary indexes and transactions.

A `Record` never changes; an update puts another in its place. So a reader holds a consistent row,
and a transaction is undone by putting the old records back.
"""

from __future__ import annotations

import random
import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.d365fo.values import NULL_MOMENT, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from sandbox.d365fo.model import EntitySet
    from sandbox.d365fo.values import Value

FIRST_REC_ID = 5637144576
Key = tuple[object, ...]


@dataclass(frozen=True)
class Record:
    """One stored row: `values` by field name, and what the ETag is made of."""

    values: Mapping[str, Value]
    rec_id: int
    rec_version: int = 1
    created_on: str = NULL_MOMENT
    modified_on: str = NULL_MOMENT

    @property
    def etag(self) -> str:
        """`W/"…"` around the base64 of `'RecVersion,RecId'`, its single quotes included."""
        plain = f"'{self.rec_version},{self.rec_id}'"
        return f'W/"{b64encode(plain.encode()).decode()}"'


class Table:
    """The rows of one entity set by folded key, in the order of their RecIds."""

    def __init__(self, entity: EntitySet, *, unique: bool = True) -> None:
        self.entity = entity
        self._unique = unique
        self._records: dict[Key, Record] = {}
        self.listeners: list[Callable[[tuple[Record | None, Record | None]], None]] = []
        self._indexes: dict[tuple[str, ...], dict[Key, dict[Key, None]]] = {}

    def key_of(self, record: Record) -> Key:
        """Where `record` lies. Rows of a set whose key does not tell them apart add the RecId."""
        key = tuple(fold(record.values[name]) for name in self.entity.keys)
        return key if self._unique else (*key, record.rec_id)

    def get(self, **key: Value) -> Record | None:
        """The row with these key fields (all of them)."""
        if not self._unique:
            return next(iter(self.find(**key)), None)
        return self._records.get(tuple(fold(key[name]) for name in self.entity.keys))

    def find(self, **values: Value) -> list[Record]:
        """The rows in which all of these fields have these values, through an index."""
        names = tuple(sorted(values))
        index = self._indexes.get(names)
        if index is None:
            index = self._indexes[names] = {}
            for key, record in self._records.items():
                index.setdefault(_entry(names, record), {})[key] = None
        entry = index.get(tuple(fold(values[name]) for name in names), {})
        return [self._records[key] for key in entry]

    def records(self) -> list[Record]:
        """All rows, oldest first."""
        return list(self._records.values())

    def at(self, key: Key) -> Record | None:
        """The row at a folded key."""
        return self._records.get(key)

    def put(self, key: Key, record: Record | None) -> None:
        """Store `record` at `key`, or remove what is there. Only `Store` calls this."""
        old = self._records.get(key)
        for names, index in self._indexes.items():
            if old is not None:
                index[_entry(names, old)].pop(key)
            if record is not None:
                index.setdefault(_entry(names, record), {})[key] = None
        if record is None:
            self._records.pop(key, None)
        else:
            self._store(key, record)
        for listener in self.listeners:
            listener((old, record))

    def _store(self, key: Key, record: Record) -> None:
        last = next(reversed(self._records.values()), record)
        returns = key not in self._records and record.rec_id < last.rec_id
        self._records[key] = record
        if returns:  # a deletion was rolled back
            self._records = dict(sorted(self._records.items(), key=lambda item: item[1].rec_id))

    def __len__(self) -> int:
        return len(self._records)


class Store:
    """All tables. Writes happen inside `transaction()`; `lock` guards reads from other threads."""

    def __init__(self, entities: Iterable[EntitySet], not_unique: frozenset[str]) -> None:
        self.lock = threading.RLock()
        self._tables = {
            entity.name: Table(entity, unique=entity.name not in not_unique) for entity in entities
        }
        self._undo: list[tuple[Table, Key, Record | None]] | None = None
        self._next_rec_id = FIRST_REC_ID
        # RecVersion becomes some large int32 on update; the same one in every run.
        self._random = random.Random(FIRST_REC_ID)  # noqa: S311

    def __getitem__(self, name: str) -> Table:
        return self._tables[name]

    def next_rec_id(self) -> int:
        """A RecId; like in AX, one that a rollback does not give back."""
        rec_id = self._next_rec_id
        self._next_rec_id += 1
        return rec_id

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All writes of the block or, when it raises, none. Inside another one: part of it."""
        with self.lock:
            if self._undo is not None:
                yield
                return
            self._undo = []
            try:
                yield
            except BaseException:
                for table, key, record in reversed(self._undo):
                    table.put(key, record)
                raise
            finally:
                self._undo = None

    def insert(self, table: Table, record: Record) -> None:
        """Store a new row. Raises KeyError when its key is taken."""
        key = table.key_of(record)
        if table.at(key) is not None:
            raise KeyError(key)
        self._put(table, key, record)

    def update(
        self, table: Table, old: Record, values: Mapping[str, Value], modified_on: str
    ) -> Record:
        """Replace fields of `old`, not its key; the RecVersion moves on."""
        version = self._random.randrange(1 << 20, 1 << 31)
        merged = {**old.values, **values}
        record = replace(old, values=merged, rec_version=version, modified_on=modified_on)
        self._put(table, table.key_of(old), record)
        return record

    def delete(self, table: Table, record: Record) -> None:
        """Remove a row."""
        self._put(table, table.key_of(record), None)

    def _put(self, table: Table, key: Key, record: Record | None) -> None:
        if self._undo is None:
            msg = "a write outside a transaction"
            raise RuntimeError(msg)
        self._undo.append((table, key, table.at(key)))
        table.put(key, record)


def _entry(names: tuple[str, ...], record: Record) -> Key:
    return tuple(fold(record.values[name]) for name in names)
