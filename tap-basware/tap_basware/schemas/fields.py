"""Words to write an entity down with: groups of field names by type.

Only types are stated. Lengths and enumerations are Basware's to enforce, and grow between its
releases; a tap that refused a longer text would stop a pipeline for nothing. Basware omits nulls
(reference 0.7), so everything but the keys may be missing or null.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
Fields = dict[str, Schema]


def text(*names: str) -> Fields:
    """Text fields; every argument may hold several names, separated by blanks."""
    return _group({"type": ["string", "null"]}, names)


def texts(*names: str) -> Fields:
    """Lists of texts."""
    return _group({"type": ["array", "null"], "items": {"type": ["string", "null"]}}, names)


def integer(*names: str) -> Fields:
    """Whole numbers."""
    return _group({"type": ["integer", "null"]}, names)


def number(*names: str) -> Fields:
    """Money, quantities and rates: decimal numbers with the digits that Basware sent."""
    return _group({"type": ["number", "null"]}, names)


def flag(*names: str) -> Fields:
    """Yes or no."""
    return _group({"type": ["boolean", "null"]}, names)


def moment(*names: str) -> Fields:
    """Dates and times as Basware sends them, with or without a time zone (reference 1.5)."""
    return _group({"type": ["string", "null"], "format": "date-time"}, names)


def numbered(stem: str, last: int) -> list[str]:
    """Return the names of a numbered family: stem1 … stem<last>."""
    return [f"{stem}{number}" for number in range(1, last + 1)]


def entity(*groups: Fields, keys: tuple[str, ...] = ()) -> Schema:
    """Return the schema of an entity; `keys` are required, never null, and texts."""
    properties: Fields = {}
    for group in groups:
        properties.update(group)
    properties.update({key: {"type": "string"} for key in keys})
    schema: Schema = {"type": "object", "properties": properties}
    return schema | ({"required": list(keys)} if keys else {})


def one(schema: Schema) -> Schema:
    """Return the schema of an entity inside another one."""
    return schema | {"type": ["object", "null"]}


def many(schema: Schema) -> Schema:
    """Return the schema of a list of entities."""
    return {"type": ["array", "null"], "items": schema}


def _group(schema: Schema, names: tuple[str, ...]) -> Fields:
    return {name: dict(schema) for words in names for name in words.split()}
