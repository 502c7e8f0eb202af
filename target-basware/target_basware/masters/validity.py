"""Whether a record of F&O may be used, at all and in one legal entity."""

from __future__ import annotations

from datetime import UTC, date, datetime

from target_basware.masters.row import Row


def today() -> date:
    """Return the day by UTC: F&O's dates have no time zone."""
    return datetime.now(UTC).date()


def valid_on(day: date, start: date | None, end: date | None) -> bool:
    """Tell whether a day lies between two, both included; None is open."""
    return (start is None or start <= day) and (end is None or day <= end)


def usable(row: Row, legal_entity: str, day: date) -> bool:
    """Tell whether an account or dimension value is neither suspended nor out of its dates.

    What holds for all legal entities holds for each; an override can only take away more.
    """
    own = [
        override
        for override in row.rows("LegalEntityOverrides")
        if override.text("LegalEntityId").lower() == legal_entity
    ]
    return all(_usable(part, day) for part in (row, *own))


def _usable(row: Row, day: date) -> bool:
    return not row.yes("IsSuspended") and valid_on(day, row.day("ActiveFrom"), row.day("ActiveTo"))
