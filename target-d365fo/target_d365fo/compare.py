"""Values as F&O holds them, so that what was sent can be compared with what is stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]


def yes_no(value: bool) -> str:
    """Return the member of enum NoYes."""
    return "Yes" if value else "No"


def comparable(value: Any) -> str:
    """Return one text for values that F&O holds for equal.

    Letter case and surrounding blanks do not count, null and the empty text are the same, a
    number is its value, and a date-time is its day: F&O keeps most dates without a time.
    """
    if isinstance(value, str):  # most are, and a match takes its time
        day = len(value) >= 20 and value[10] == "T" and value[-1] == "Z"
        return value[:10] if day else value.strip().casefold()
    match value:
        case None:
            return ""
        case bool():
            return yes_no(value).casefold()
        case int() | Decimal():
            return format(Decimal(value).normalize() + Decimal(0), "f")
        case _:
            return str(value).strip().casefold()


def holds(stored: Row, sent: Row) -> bool:
    """Tell whether a stored row has every value that was sent."""
    return not changes(stored, sent)


def changes(stored: Row, sent: Row) -> dict[str, Any]:
    """Return what was sent and differs from the stored row."""
    return {n: v for n, v in sent.items() if comparable(v) != comparable(stored.get(n))}


def digest(rows: Iterable[tuple[Iterable[str], Row]]) -> str:
    """Return the SHA-256 of the named fields of some rows, in their order, as hex digits."""
    found = hashlib.sha256()
    for names, row in rows:
        for name in names:
            found.update(f"{name}={comparable(row.get(name))}\n".encode())
        found.update(b"\n")
    return found.hexdigest()
