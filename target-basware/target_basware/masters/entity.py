"""What a mapper makes of a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ap_mapping import Mapping as ApMapping

Record: TypeAlias = Mapping[str, Any]
Content: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Entity:
    """One entity for one of Basware's import APIs.

    `resource`: "vendors", "lists/ACC_LIST_1", ... `content`: Basware-shaped, with Decimal numbers.
    `scope`: the part of its source (legal entity, chart, dimension) that a crawl covers or not.
    """

    resource: str
    content: Content
    scope: str


Mapper: TypeAlias = Callable[[ApMapping, Record], Iterable[Entity]]


def filled(**fields: Any) -> Content:
    """Return the fields that have a value: no None, no empty text, no empty list or object."""
    return {name: value for name, value in fields.items() if value or not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value in (None, "", [], {})
