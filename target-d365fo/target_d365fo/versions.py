"""The order of the versions of a document."""

from __future__ import annotations

from datetime import UTC, datetime


def is_earlier(version: str, other: str) -> bool:
    """Tell whether one version is older than another; False where they cannot be compared."""
    one, two = _moment(version), _moment(other)
    return one is not None and two is not None and one < two


def _moment(version: str) -> datetime | None:
    """Return a date-time as aware UTC (without a zone it is taken as such), None for any other."""
    if version[10:11] not in ("T", " "):
        return None
    try:
        found = datetime.fromisoformat(version)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
