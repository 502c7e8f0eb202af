"""From when on something is worth an alert."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from singer_delivery.errors import SetupError

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY = frozenset(range(7))
#: All legal entities together.
ALL = "*"
DAY = timedelta(days=1)
_QUIET = re.compile(r"([^=,\s]+)\s*=\s*(\d{1,3})(?:\s+([a-z]{3})-([a-z]{3}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Quiet:
    """How many days a legal entity (or `ALL`) may be without a document, of these weekdays."""

    entity: str
    days: int
    weekdays: frozenset[int] = EVERY_DAY

    def is_over(self, since: datetime, now: datetime) -> bool:
        """Tell whether so many of its days have passed; both aware, days are those of UTC."""
        return passed(since, now, self.weekdays) >= self.days * DAY

    def __str__(self) -> str:
        kind = "day" if self.weekdays == EVERY_DAY else "working day"
        return f"{self.days} {kind}{'' if self.days == 1 else 's'}"


@dataclass(frozen=True)
class Limits:
    """Thresholds; a number of 0 switches its look off.

    `silence` is about documents of `silence_streams`. `muted` holds alerts that nobody wants, as
    kind or kind:subject.
    """

    in_doubt_minutes: int = 60
    rejected_percent: int = 50
    rejected_least: int = 10
    rejected_hours: int = 24
    silence: Sequence[Quiet] = field(default_factory=lambda: parse_silence("*=3 mon-fri"))
    silence_streams: Sequence[str] = ("vendor_invoices",)
    success_hours: int = 24
    longest_run_hours: int = 12
    expiry_days: int = 30
    muted: frozenset[str] = frozenset()


def parse_silence(text: str) -> list[Quiet]:
    """Return what a text like `*=3 mon-fri, demf=5, gulf=2 sun-thu` says. Raises SetupError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [_quiet(part) for part in parts]


def _quiet(part: str) -> Quiet:
    found = _QUIET.fullmatch(part)
    names = [name.lower() for name in (found[3], found[4]) if name] if found else []
    if not found or not set(names) <= set(WEEKDAYS):
        msg = (
            f"silence: {part!r} is not like *=3 mon-fri or demf=5: a legal entity (* for all "
            "together), days, and the weekdays that count"
        )
        raise SetupError(msg)
    return Quiet(found[1].lower(), int(found[2]), _weekdays(*names) if names else EVERY_DAY)


def _weekdays(first: str, last: str) -> frozenset[int]:
    start, end = WEEKDAYS.index(first), WEEKDAYS.index(last)
    return frozenset((start + step) % 7 for step in range((end - start) % 7 + 1))


def passed(since: datetime, now: datetime, weekdays: frozenset[int]) -> timedelta:
    """Return the time between two aware instants that lies in these weekdays (UTC)."""
    since, now = since.astimezone(UTC), now.astimezone(UTC)
    # Whole weeks at once: the last document may be years old.
    weeks = max(0, (now - since) // timedelta(weeks=1))
    total, at = weeks * len(weekdays) * DAY, since + timedelta(weeks=weeks)
    while at < now:
        midnight = datetime.combine(at.date() + DAY, time(), UTC)
        end = min(midnight, now)
        if at.weekday() in weekdays:
            total += end - at
        at = end
    return total
