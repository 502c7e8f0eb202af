"""How far a run is: a line now and then, with counts, pace, and what is waited for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

from singer_sdk import typing as th

from singer_delivery.document import Status
from singer_delivery.throttle import closed_for

logger = logging.getLogger(__name__)

PROGRESS_SETTING: th.Property[int] = th.Property(
    "progress_seconds",
    th.IntegerType(minimum=0),
    default=30,
    title="Progress",
    description="Seconds between two lines of the log that say how far a run is; 0 for none.",
)


#: What a target does with records; what comes of them is another matter.
READ = "read"


@dataclass(frozen=True)
class Standing:
    """Where a run is: records that came or went, documents by stream and status, and in flight.

    `verb` is what happened to the records. Where there are documents, the pace is theirs: records
    come in batches.
    """

    records: Mapping[str, int]
    verb: str
    outcomes: Mapping[str, Mapping[str, int]]
    in_flight: int = 0

    @property
    def done(self) -> int:
        """What the pace is measured by."""
        counts = self.outcomes.values() if self.verb == READ else (self.records,)
        return sum(sum(each.values()) for each in counts)


class Progress:
    """Says in a thread of its own where a run stands, for as long as the block lasts."""

    def __init__(
        self,
        standing: Callable[[], Standing],
        seconds: float,
        *,
        run_id: str = "",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`seconds` lie between two lines; 0 or less for none."""
        self._standing = standing
        self._seconds = seconds
        self._run_id = run_id
        self._clock = clock
        self._now = now
        self._before = 0, clock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if self._seconds > 0:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join(timeout=1)

    def _keep(self) -> None:
        while not self._over.wait(self._seconds):
            self.say()

    def say(self) -> None:
        """Say it now."""
        standing = self._standing()
        done, at = standing.done, self._clock()
        before, before_at = self._before
        self._before = done, at
        pace = max(0, done - before) / max(at - before_at, 0.001)
        wait = closed_for()
        until = self._now() + timedelta(seconds=wait) if wait else None
        logger.info(
            "progress: %s",
            words(standing, pace, until),
            extra={
                "run_id": self._run_id,
                "progress": {
                    "records": dict(standing.records),
                    "outcomes": {name: dict(each) for name, each in standing.outcomes.items()},
                    "in_flight": standing.in_flight,
                    "per_second": round(pace, 2),
                    "throttled_until": until.isoformat(timespec="seconds") if until else None,
                },
            },
        )


def words(standing: Standing, pace: float, until: datetime | None) -> str:
    """Return where a run stands as one line for people; `until` is aware, when it may go on."""
    parts = [f"{sum(standing.records.values()):,} records {standing.verb}"]
    if len(standing.records) > 1:
        by_stream = (f"{name} {number:,}" for name, number in standing.records.items())
        parts[0] += f" ({', '.join(by_stream)})"
    for stream, counts in standing.outcomes.items():
        known = [(status.value, counts.get(status.value, 0)) for status in Status]
        told = ", ".join(f"{number:,} {word.replace('_', ' ')}" for word, number in known if number)
        if told:
            parts.append(f"{stream}: {told}")
    if standing.in_flight:
        parts.append(f"{standing.in_flight} in flight")
    parts.append(_pace(pace))
    if until:
        parts.append(f"told to wait until {until.astimezone(UTC):%H:%M:%S} UTC")
    return "; ".join(parts)


def _pace(pace: float) -> str:
    return f"{pace:,.0f}/s" if pace >= 10 or not pace else f"{pace:.1f}/s"
