"""What identifies a vendor invoice whatever its document: legal entity, vendor and number."""

from __future__ import annotations

import json

from tap_d365fo.odata import comparable

NaturalKey = tuple[str, ...]


def natural_key(legal_entity: object, vendor: object, number: object) -> NaturalKey:
    """Return the natural key of a vendor invoice; equal for what F&O holds for equal."""
    return folded(legal_entity, vendor, number)


def natural_key_text(key: NaturalKey) -> str:
    """Return a natural key as the ledger keeps it."""
    return json.dumps(key, ensure_ascii=False)


def read_natural_key(text: str) -> NaturalKey | None:
    """Return a natural key that the ledger keeps; None for "", where it knows of none."""
    return tuple(map(str, json.loads(text))) if text else None


def folded(*parts: object) -> tuple[str, ...]:
    """Return parts of a key in the form in which F&O's database compares them."""
    return tuple(str(comparable(str(part))) for part in parts)
