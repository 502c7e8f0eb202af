"""How long invoices took from step to step: typical, slow, and how they spread."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Scale:
    """Ranges that durations are counted in: upper bounds, included, and one open end."""

    bounds: tuple[timedelta, ...]
    names: tuple[str, ...]


BY_THE_CLOCK = Scale(
    (HOUR / 4, HOUR, 4 * HOUR, DAY, 3 * DAY),
    ("up to 15 minutes", "up to 1 hour", "up to 4 hours", "up to 1 day", "up to 3 days", "longer"),
)
BY_DAY = Scale(
    (0 * DAY, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY),
    ("same day", "1 day", "2 to 3 days", "4 to 7 days", "8 to 14 days", "15 to 30 days", "longer"),
)


@dataclass(frozen=True)
class Age:
    """The durations of one step. `missing`: invoices of which they are not, or not yet, known."""

    step: str
    measured: str
    scale: Scale
    durations: Sequence[timedelta]
    missing: int

    @property
    def counts(self) -> list[int]:
        """How many invoices are in each range of the scale."""
        counts = [0] * len(self.scale.names)
        for duration in self.durations:
            counts[bisect.bisect_left(self.scale.bounds, duration)] += 1
        return counts

    def at(self, percent: int) -> timedelta | None:
        """Return what so many percent of the invoices did not exceed; None without any."""
        if not self.durations:
            return None
        rank = -(-len(self.durations) * percent // 100)
        return self.durations[max(rank, 1) - 1]

    def spoken(self, percent: int) -> str:
        """Return the same in words."""
        found = self.at(percent)
        return "" if found is None else spoken(found, whole_days=self.scale is BY_DAY)


def age(step: str, measured: str, scale: Scale, found: Iterable[timedelta | None]) -> Age:
    """Return the durations of a step; None for each that is not known. Clocks that differ: 0."""
    durations, missing = [], 0
    for each in found:
        if each is None:
            missing += 1
        else:
            durations.append(max(each, timedelta(0)))
    return Age(step, measured, scale, sorted(durations), missing)


def spoken(duration: timedelta, *, whole_days: bool = False) -> str:
    """Return a duration as 40 s, 12 min, 3 h 5 min or 2 days 4 h."""
    if whole_days:
        return "same day" if not duration.days else _many(duration.days, "day")
    seconds = int(duration.total_seconds())
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{_many(days, 'day')} {hours} h" if hours else _many(days, "day")


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
