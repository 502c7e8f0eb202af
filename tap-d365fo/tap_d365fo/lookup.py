"""Many keys looked up with few reads: short filters out, exact comparison of what comes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tap_d365fo.odata import comparable


class WantedKeys:
    """Keys to look for, without those that F&O holds for equal.

    Values compare as F&O's database does, without letter case and trailing blanks; a `*`, which
    `eq` takes as a wildcard, is only itself here.
    """

    def __init__(self, keys: Iterable[Mapping[str, Any]]) -> None:
        distinct = {_pairs(key): key for key in keys}
        self.keys = list(distinct.values())
        self.fields = tuple(dict.fromkeys(field for key in self.keys for field in key))
        self._by_fields: dict[tuple[str, ...], set[tuple[Any, ...]]] = {}
        for key in self.keys:
            self._by_fields.setdefault(tuple(key), set()).add(_values(key, tuple(key)))

    def include(self, row: Mapping[str, Any]) -> bool:
        """Tell whether a row really has the values of one of the keys."""
        return any(_values(row, names) in known for names, known in self._by_fields.items())

    def found(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Any]:
        """Yield those rows that have the values of one of the keys, each once, by its ETag."""
        seen: set[str] = set()
        for row in filter(self.include, rows):
            etag = row.get("@odata.etag")
            if etag is None or etag not in seen:
                yield row
            if etag is not None:
                seen.add(etag)


def _pairs(key: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple((name, comparable(value)) for name, value in key.items())


def _values(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(comparable(row.get(name)) for name in names)
