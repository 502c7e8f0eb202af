"""`Retry-After`, obeyed to the second by every worker of a process at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from weakref import WeakSet

from singer_delivery.stopping import PROCESS, Stop

if TYPE_CHECKING:
    import requests


def retry_after(response: requests.Response) -> float | None:
    """Return the seconds that an answer asks to wait, or None (RFC 9110 §10.2.3).

    An HTTP date is measured against the server's own `Date`, so that a wrong local clock
    neither shortens the wait nor stretches it.
    """
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    until = _http_date(value)
    if until is None:
        return None
    now = _http_date(response.headers.get("Date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def backoff(failures: int, *, cap: float) -> float:
    """Return an exponential wait in seconds with jitter after the given number of failures."""
    return random.uniform(0.5, 1.0) * min(cap, 2.0 ** (failures - 1))  # noqa: S311


class Gate:
    """Closed while a server wants quiet; every worker passes it before each request."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = PROCESS.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._open_at = 0.0
        _gates.add(self)

    @property
    def remaining(self) -> float:
        """Seconds until it opens; 0 where it is open."""
        with self._lock:
            return max(0.0, self._open_at - self._clock())

    def close_for(self, seconds: float) -> None:
        """Keep everybody out for so many seconds from now; a longer earlier wait stands."""
        with self._lock:
            now = self._clock()
            if now >= self._open_at:
                _closed.append(now)
            self._open_at = max(self._open_at, now + seconds)

    def pass_through(self, stop: Stop = PROCESS) -> bool:
        """Return True as soon as the gate is open; False where a stop cuts the wait short."""
        while True:
            with self._lock:
                remaining = self._open_at - self._clock()
            if remaining <= 0:
                return True
            if stop.requested:
                return False
            self._sleep(remaining)


#: All gates of this process, and the moments at which one that was open was closed.
_gates: WeakSet[Gate] = WeakSet()
_closed: list[float] = []


def closings() -> int:
    """Return how often, in this process, an open gate was closed."""
    return len(_closed)


def closed_for() -> float:
    """Return the seconds until all gates of this process are open; 0 where they are."""
    return max((gate.remaining for gate in list(_gates)), default=0.0)
