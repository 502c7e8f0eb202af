"""The days that a report is about, by UTC."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

MONTH = re.compile(r"(\d{4})-(\d{2})")
#: Longer periods are told by week, and still longer ones by month.
MOST_DAYS, MOST_WEEKS = 45, 60


@dataclass(frozen=True)
class Period:
    """Days, both included."""

    since: date
    until: date

    def holds(self, day: date | None) -> bool:
        """Tell whether a day is within; an unknown one is not."""
        return day is not None and self.since <= day <= self.until

    @property
    def slug(self) -> str:
        """What a file is named by: 2026-11 for a whole month, else both days."""
        if self._is_month:
            return f"{self.since:%Y-%m}"
        return f"{self.since}-to-{self.until}"

    @property
    def _is_month(self) -> bool:
        return self == month_of(self.since)

    def __str__(self) -> str:
        if self._is_month:
            return f"{self.since:%B %Y}"
        if self.since == self.until:
            return spoken(self.since)
        same_year = self.since.year == self.until.year
        same_month = same_year and self.since.month == self.until.month
        start = str(self.since.day) if same_month else f"{self.since.day} {self.since:%B}"
        return f"{start}{'' if same_year else f' {self.since.year}'} to {spoken(self.until)}"

    @property
    def grain(self) -> str:
        """What volumes are told by: day, week or month."""
        days = (self.until - self.since).days + 1
        if days <= MOST_DAYS:
            return "day"
        return "week" if days <= MOST_WEEKS * 7 else "month"

    def start_of(self, day: date) -> date:
        """Return the first day of the day, week (from Monday) or month that a day is in."""
        return _STARTS[self.grain](day)

    def starts(self) -> list[date]:
        """Return the first days of all days, weeks or months that the period touches."""
        found, day = [], self.start_of(self.since)
        while day <= self.until:
            found.append(day)
            day = self.start_of(day + timedelta(days=_LONGEST[self.grain]))
        return found


_STARTS: dict[str, Callable[[date], date]] = {
    "day": lambda day: day,
    "week": lambda day: day - timedelta(days=day.weekday()),
    "month": lambda day: day.replace(day=1),
}
#: From any first day, so many days later is within the next one.
_LONGEST = {"day": 1, "week": 7, "month": 31}


def month_of(day: date) -> Period:
    """Return the month that a day is in."""
    last = calendar.monthrange(day.year, day.month)[1]
    return Period(day.replace(day=1), day.replace(day=last))


def named_month(text: str, today: date) -> Period:
    """Return the month that `this`, `last` or 2026-11 is. Raises ValueError in words."""
    words = text.strip().lower()
    if words == "this":
        return month_of(today)
    if words == "last":
        return month_of(today.replace(day=1) - timedelta(days=1))
    found = MONTH.fullmatch(words)
    if not found or not 1 <= int(found[2]) <= 12 or found[1] == "0000":
        msg = f"{text!r} is no month: write this, last or 2026-11"
        raise ValueError(msg)
    return month_of(date(int(found[1]), int(found[2]), 1))


def between(since: date | None, until: date | None, today: date) -> Period:
    """Return the period of two days; the current month by default. Raises ValueError in words."""
    end = until or (today if since else month_of(today).until)
    start = since or end.replace(day=1)
    if start > end:
        msg = f"the period ends ({end}) before it begins ({start})"
        raise ValueError(msg)
    return Period(start, end)


def spoken(day: date) -> str:
    """Return a day as 23 November 2026."""
    return f"{day.day} {day:%B %Y}"
