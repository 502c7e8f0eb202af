"""Which fields an environment has, and the JSON schema of what is added from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tap_d365fo.reader import Reader


def present(reader: Reader, entity_set: str, fields: Iterable[str]) -> tuple[str, ...]:
    """Return those of `fields` that the set has in this environment, in their order."""
    return tuple(field for field in fields if reader.has(entity_set, field))


def spelled(reader: Reader, entity_set: str, names: Iterable[str]) -> str:
    """Return the first of several possible names that the set has a field of, else ""."""
    return next(iter(present(reader, entity_set, names)), "")


def offered(reader: Reader, entity_sets: Iterable[str]) -> str:
    """Return the first of these sets that the environment has, else ""."""
    return next((name for name in entity_sets if reader.has(name)), "")


def rows_schema(description: str) -> dict[str, Any]:
    """Return the schema of rows of another set; null says that they could not be read."""
    return {
        "type": ["array", "null"],
        "items": {"type": "object", "additionalProperties": True},
        "description": description,
    }


def object_schema(description: str) -> dict[str, Any]:
    """Return the schema of one row of another set, or null; its description names the fields.

    The fields are not declared, so that a catalog selects the object as a whole: of declared ones
    Meltano deselects those that no pattern names, and `select: [stream.Object]` gives an empty one.
    """
    return {
        "type": ["object", "null"],
        "additionalProperties": True,
        "description": description,
    }


def names_schema(description: str) -> dict[str, Any]:
    """Return the schema of a list of texts."""
    return {"type": "array", "items": {"type": "string"}, "description": description}
