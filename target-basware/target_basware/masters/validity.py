"""Whether a record of F&O may be used, at all and in one legal entity.

The day counts nowhere else. So what a record becomes stays the same until the day passes one of the
dates that it was held against, and `Span` tells from when to when that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from target_basware.masters.row import Row


def today() -> date:
    """Return the day by UTC: F&O's dates have no time zone."""
    return datetime.now(UTC).date()


@dataclass
class Span:
    """The days, both included, on which each answer of `valid_on` would be the same; None: open."""

    first: date | None = None
    last: date | None = None

    def turn(self, day: date, change: date) -> None:
        """Take note that from the day `change` on an answer is another one than before it."""
        if change <= day:
            self.first = max(self.first or change, change)
        else:
            before = change - ONE_DAY
            self.last = min(self.last or before, before)


ONE_DAY = timedelta(days=1)
_SPAN: ContextVar[Span | None] = ContextVar("span", default=None)


@contextmanager
def spanning() -> Iterator[Span]:
    """Find out on which days that which is mapped inside would come out the same."""
    span = Span()
    token = _SPAN.set(span)
    try:
        yield span
    finally:
        _SPAN.reset(token)


def valid_on(day: date, start: date | None, end: date | None) -> bool:
    """Tell whether a day lies between two, both included; None is open."""
    span = _SPAN.get()
    if span is not None:
        if start is not None:
            span.turn(day, start)
        if end is not None:
            span.turn(day, end + ONE_DAY)
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
