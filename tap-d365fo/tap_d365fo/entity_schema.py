"""JSON schemas of entity sets, from the Edm types of $metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from tap_d365fo.metadata import EntitySet

Enums: TypeAlias = Mapping[str, Mapping[str, int]]

#: Members of an enum that its description names.
MEMBERS = 30
_TYPES: Mapping[str, Mapping[str, Any]] = {
    "Edm.String": {"type": "string"},
    "Edm.Boolean": {"type": "boolean"},
    "Edm.DateTimeOffset": {"type": "string", "format": "date-time"},
    "Edm.Date": {"type": "string", "format": "date"},
    "Edm.Binary": {"type": "string", "contentEncoding": "base64"},
    **{f"Edm.{name}": {"type": "integer"} for name in ("Byte", "SByte", "Int16", "Int32", "Int64")},
    **{f"Edm.{name}": {"type": "number"} for name in ("Decimal", "Double", "Single")},
}


def entity_properties(entity: EntitySet, enums: Enums) -> dict[str, Any]:
    """Return the JSON schema of each property; all but the keys may be null."""
    return {
        name: _property(edm_type, enums, nullable=name not in entity.keys)
        for name, edm_type in entity.properties.items()
    }


def _property(edm_type: str, enums: Enums, *, nullable: bool) -> dict[str, Any]:
    schema = dict(_TYPES.get(edm_type, {"type": "string"}))
    if edm_type in enums:
        members = list(enums[edm_type])
        more = ", …" if len(members) > MEMBERS else ""
        schema["description"] = f"One of {', '.join(members[:MEMBERS])}{more}"
    if nullable:
        schema["type"] = [schema["type"], "null"]
    return schema
