"""Where a crawl goes on: filters on the last key instead of offsets, which slide when rows move.

All comparison is the server's: nothing here knows how it sorts text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from singer_delivery.errors import Refused

from tap_d365fo import odata
from tap_d365fo.metadata import EntitySet
from tap_d365fo.odata import and_, compare, enum, or_

COMPANY = "dataAreaId"
_UNORDERED = frozenset({"Edm.Boolean", "Edm.Binary"})


def typed(value: Any, edm_type: str) -> Any:
    """Return a value of an answer (or of a bookmark) so that `odata.literal` writes its type."""
    if not edm_type.startswith("Edm."):
        return value if value is None else enum(edm_type.rpartition(".")[2], str(value))
    try:
        match edm_type:
            case "Edm.DateTimeOffset":
                return datetime.fromisoformat(str(value))
            case "Edm.Guid":
                return UUID(str(value))
            case "Edm.Decimal":
                return Decimal(str(value))
    except (ValueError, ArithmeticError):
        msg = f"the environment gave {value!r} for a field of type {edm_type}"
        raise Refused(msg) from None
    return value


@dataclass(frozen=True)
class KeyOrder:
    """The key of an entity set in an order that can be continued.

    `ordered` compare with gt and ge. `unordered` (enums, booleans) know eq and ne only: they come
    last, so that few rows share all that stands before them.
    """

    ordered: tuple[str, ...]
    unordered: tuple[str, ...]
    types: Mapping[str, str]

    @classmethod
    def of(cls, entity: EntitySet) -> KeyOrder:
        """Return the order for a set; Refused where $metadata gives it no key."""
        if not entity.keys:
            msg = f"{entity.name} has no key in $metadata: it cannot be read page by page"
            raise Refused(msg)
        company_first = sorted(entity.keys, key=lambda name: name != COMPANY)
        loose = tuple(name for name in company_first if not _has_order(entity.properties[name]))
        tight = tuple(name for name in company_first if name not in loose)
        return cls(tight, loose, entity.properties)

    @property
    def fields(self) -> tuple[str, ...]:
        """The key fields in the order of `$orderby`."""
        return (*self.ordered, *self.unordered)

    def values(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the key of a row, in this order."""
        return tuple(row[name] for name in self.fields)

    def position(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the part of a row's key that the server can compare."""
        return tuple(row[name] for name in self.ordered)

    def from_on(self, rows: Sequence[Mapping[str, Any]], *, within: Sequence[str] = ()) -> str:
        """Return the filter for the last row read and all that follow it.

        `rows` are those at the end of what was read that share the last position. With enums in
        the key, they are left out by name; without, the last row itself is included: keys that
        are none, or lose digits on their way, then cost a row read twice and not one lost.
        `within` are leading fields that another filter holds fixed.
        """
        last = rows[-1]
        text = self._not_yet(rows) if self.unordered else ""
        for name in reversed([name for name in self.ordered if name not in within]):
            value = typed(last[name], self.types[name])
            start = compare(name, "ge", value)
            text = and_(start, or_(compare(name, "gt", value), text)) if text else start
        return text

    def _not_yet(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Return the filter that leaves out the enum values of these rows."""
        return and_(
            *(
                or_(*(compare(n, "ne", typed(row[n], self.types[n])) for n in self.unordered))
                for row in rows
            )
        )


def _has_order(edm_type: str) -> bool:
    return edm_type.startswith("Edm.") and edm_type not in _UNORDERED


def between(
    first: Mapping[str, Any],
    last: Mapping[str, Any],
    fields: Mapping[str, str],
    types: Mapping[str, str],
) -> str:
    """Return the filter for rows whose fields lie between those of two rows, both included.

    `fields`: name in the two rows -> name to filter on, most significant first; `types` by the
    latter.
    """
    fixed: list[str] = []
    names = list(fields.items())
    while names and first[names[0][0]] == last[names[0][0]]:
        theirs, ours = names.pop(0)
        fixed.append(equal(ours, first[theirs], types[ours]))
    return and_(*fixed, *(_bound(names, types, *side) for side in ((first, "g"), (last, "l"))))


def _bound(
    names: Sequence[tuple[str, str]], types: Mapping[str, str], row: Mapping[str, Any], side: str
) -> str:
    text = ""
    for theirs, ours in reversed(names):
        value = typed(row[theirs], types[ours])
        end = compare(ours, f"{side}e", value)
        text = and_(end, or_(compare(ours, f"{side}t", value), text)) if text else end
    return text


def equal(name: str, value: Any, edm_type: str) -> str:
    """Return the filter for one value; a `*` in it is no wildcard."""
    exact = typed(value, edm_type)
    if isinstance(exact, str) and "*" in exact:
        return and_(compare(name, "ge", exact), compare(name, "le", exact))
    return odata.eq(name, exact)
