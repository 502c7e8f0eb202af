"""The one clock that both systems stamp their records and tokens with."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

TICK = timedelta(milliseconds=1)


class Clock:
    """Wall time that tests can move; every `now()` is at least 1 ms later than the one before.

    Strictly increasing stamps make "updated after" filters testable: no two records share one.
    """

    def __init__(self, start: datetime | None = None) -> None:
        self._lock = threading.Lock()
        self._offset = timedelta(0)
        self._last = datetime.min.replace(tzinfo=UTC)
        if start is not None:
            self.set(start)

    def now(self) -> datetime:
        """The present, aware, UTC, whole milliseconds, later than every answer before it."""
        with self._lock:
            moment = _whole_milliseconds(datetime.now(UTC) + self._offset)
            self._last = max(moment, self._last + TICK)
            return self._last

    def peek(self) -> datetime:
        """The present without using up a tick: for comparing (expiry), not for stamping."""
        with self._lock:
            return max(_whole_milliseconds(datetime.now(UTC) + self._offset), self._last)

    def set(self, moment: datetime) -> None:
        """Make `moment` (aware) the present; it may lie in the past."""
        with self._lock:
            self._offset = moment.astimezone(UTC) - datetime.now(UTC)
            self._last = _whole_milliseconds(moment.astimezone(UTC)) - TICK

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass at once, counted from the latest moment that was handed out."""
        with self._lock:
            wall = datetime.now(UTC)
            self._offset = max(wall + self._offset, self._last) - wall
            self._offset += timedelta(seconds=float(seconds))

    def reset(self) -> None:
        """Back to wall time."""
        with self._lock:
            self._offset = timedelta(0)
            self._last = datetime.min.replace(tzinfo=UTC)


def _whole_milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
