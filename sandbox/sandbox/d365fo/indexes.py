"""The rows of an entity set in the orders, and by the values, that reads ask for.

An index is built when it is first asked for and follows every write from then on. Its keys are
made of pairs (not null, value as SQL compares it), so that `(True, value)` stands before all rows
with that value and `(True, value, inf)` behind them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.d365fo.values import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sandbox.d365fo.model import EntitySet, Model
    from sandbox.d365fo.tables import Record, Table
    from sandbox.d365fo.values import Value

Show: TypeAlias = "Callable[[Record], Record]"
SortKey: TypeAlias = "tuple[Any, ...]"
Span: TypeAlias = "tuple[SortKey, SortKey]"  # from, and up to but not including
Equalities: TypeAlias = "Mapping[tuple[str, ...], Iterable[SortKey]]"  # fields -> their values
EVERYTHING: Span = ((), (inf,))
_SHIFT = 64  # above every RecId


class SetRows:
    """What an entity set shows: the rows of its parts one after the other, oldest first.

    A part is a table and how its records are shown. `Store.lock` guards it like the tables.
    """

    def __init__(
        self,
        entity: EntitySet,
        model: Model,
        parts: Sequence[tuple[Table, Show]],
    ) -> None:
        self._members = {
            name: model.enums.get(field.type, {}) for name, field in entity.fields.items()
        }
        self._rows: dict[int, Record] = {}  # by position
        # Fields and direction -> sort keys, each ending with the position (negative if descending)
        self._orders: dict[tuple[tuple[str, ...], bool], list[SortKey]] = {}
        self._values: dict[tuple[str, ...], dict[SortKey, dict[int, None]]] = {}
        for number, (table, show) in enumerate(parts):
            first = number << _SHIFT
            self._rows |= {first + item.rec_id: show(item) for item in table.records()}
            table.listeners.append(partial(self._changed, first, show))

    def sort_key(self, record: Record, fields: Iterable[str]) -> SortKey:
        """How `record` sorts by these fields: null first, enums by number, text without case."""
        key: list[Any] = []
        values = record.values
        for name in fields:
            key += self._pair(name, values[name])
        return tuple(key)

    def find(self, **values: Value) -> list[Record]:
        """The rows in which all of these fields have these values, oldest first."""
        key = tuple(part for name in values for part in self._pair(name, values[name]))
        return self.equal({tuple(values): (key,)})

    def width(
        self, fields: tuple[str, ...], spans: Iterable[Span], *, descending: bool = False
    ) -> int:
        """How many rows `within` would yield."""
        return sum(map(len, _ranges(self._order(fields, descending=descending), spans)))

    def within(
        self, fields: tuple[str, ...], spans: Iterable[Span], *, descending: bool = False
    ) -> Iterator[Record]:
        """The rows whose sort keys lie in one of the spans, in the order of these fields.

        Rows that sort alike are oldest first in both directions.
        """
        order = self._order(fields, descending=descending)
        ranges = _ranges(order, spans)
        for part in reversed(ranges) if descending else ranges:
            for place in reversed(part) if descending else part:
                yield self._rows[abs(order[place][-1])]

    def count(self, wanted: Equalities) -> int:
        """How many rows `equal` would return, those counted twice that are found twice."""
        return sum(
            len(index.get(key, ()))
            for index, keys in ((self._index(fields), keys) for fields, keys in wanted.items())
            for key in keys
        )

    def equal(self, wanted: Equalities) -> list[Record]:
        """The rows with one of these values in the fields named, oldest first, each once."""
        found: set[int] = set()
        for fields, keys in wanted.items():
            index = self._index(fields)
            found.update(*(index.get(key, ()) for key in keys))
        return [self._rows[position] for position in sorted(found)]

    def _pair(self, name: str, value: Value) -> tuple[bool, Any]:
        members = self._members[name]
        return value is not None, members.get(str(value), value) if members else fold(value)

    def _order(self, fields: tuple[str, ...], *, descending: bool) -> list[SortKey]:
        order = self._orders.get((fields, descending))
        if order is None:
            sign = -1 if descending else 1
            order = self._orders[fields, descending] = sorted(
                (*self.sort_key(record, fields), sign * position)
                for position, record in self._rows.items()
            )
        return order

    def _index(self, fields: tuple[str, ...]) -> dict[SortKey, dict[int, None]]:
        index = self._values.get(fields)
        if index is None:
            index = self._values[fields] = {}
            for position, record in self._rows.items():
                index.setdefault(self.sort_key(record, fields), {})[position] = None
        return index

    def _changed(
        self,
        first: int,
        show: Show,
        stored: tuple[Record | None, Record | None],
    ) -> None:
        """Follow a write (what was stored, what is now) to the part with positions from `first`."""
        old, new = stored
        before = self._rows.pop(first + old.rec_id) if old is not None else None
        after = show(new) if new is not None else None
        if after is not None:
            self._rows[first + after.rec_id] = after
        for (fields, descending), order in self._orders.items():
            place = partial(self._placed, fields, first, -1 if descending else 1)
            gone = None if before is None else place(before)
            come = None if after is None else place(after)
            if gone != come:
                if gone is not None:
                    del order[bisect_left(order, gone)]
                if come is not None:
                    insort(order, come)
        for fields, index in self._values.items():
            if before is not None:
                del index[self.sort_key(before, fields)][first + before.rec_id]
            if after is not None:
                index.setdefault(self.sort_key(after, fields), {})[first + after.rec_id] = None

    def _placed(self, fields: tuple[str, ...], first: int, sign: int, record: Record) -> SortKey:
        return (*self.sort_key(record, fields), sign * (first + record.rec_id))


def _ranges(order: list[SortKey], spans: Iterable[Span]) -> list[range]:
    """The places of `order` that the spans cover, ascending and disjoint."""
    ranges: list[range] = []
    for low, high in sorted(spans):
        start, stop = bisect_left(order, low), bisect_left(order, high)
        if ranges:
            start = max(start, ranges[-1].stop)
        if start < stop:
            ranges.append(range(start, stop))
    return ranges
