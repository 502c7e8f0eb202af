"""What others may want to measure: requests, batches and runs, noted where they happen.

Without OpenTelemetry, or without an address to export to, it costs a function call and imports
nothing; see `otel` for the other case.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

logger = logging.getLogger(__name__)

#: Any of these says where to export to (OpenTelemetry specification, OTLP exporter).
ENDPOINTS = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
)
DISABLED = "OTEL_SDK_DISABLED"

#: Takes the status of an answer.
Answered = Callable[[int], None]


class Telemetry(Protocol):
    """Where it is noted. Nothing that is handed over is a body, a token, or a query."""

    def span(self, name: str, /, **attributes: str) -> AbstractContextManager[object]:
        """Enclose a part of a run; an exception that leaves it marks it as failed."""
        ...

    def request(self, method: str, url: str, /) -> AbstractContextManager[Answered]:
        """Enclose one attempt at a request, in any thread."""
        ...

    def outcomes(self, stream: str, counts: Mapping[str, int], /) -> None:
        """Count documents of a stream by status."""
        ...

    def shutdown(self) -> None:
        """Export what is left."""
        ...


def _unanswered(_status: int) -> None:
    """Take no note."""


class Nowhere:
    """Takes no note of anything."""

    _span = nullcontext()
    _request = nullcontext(_unanswered)

    def span(self, _name: str, /, **_attributes: str) -> AbstractContextManager[object]:
        """Take no note."""
        return self._span

    def request(self, _method: str, _url: str, /) -> AbstractContextManager[Answered]:
        """Take no note."""
        return self._request

    def outcomes(self, _stream: str, _counts: Mapping[str, int], /) -> None:
        """Take no note."""

    def shutdown(self) -> None:
        """Have nothing left."""


@dataclass
class Requests:
    """How many requests this process has made, and how often it was asked to wait."""

    made: int = 0
    throttled: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, throttled: bool) -> None:
        """Count an attempt."""
        with self._lock:
            self.made += 1
            self.throttled += throttled

    def clear(self) -> None:
        """Begin anew: for another run in one process."""
        with self._lock:
            self.made = self.throttled = 0


REQUESTS = Requests()
_current: Telemetry = Nowhere()


def current() -> Telemetry:
    """Return where this process notes what happens."""
    return _current


@contextmanager
def measured(plugin: str) -> Iterator[None]:
    """Note a run of a plugin, from here to the end of the block, if anybody wants to know."""
    telemetry = _wanted(plugin)
    with using(telemetry):
        try:
            with telemetry.span(f"run {plugin}", plugin=plugin):
                yield
        finally:
            telemetry.shutdown()


@contextmanager
def using(telemetry: Telemetry) -> Iterator[None]:
    """Let this process note there what happens in the block."""
    global _current  # noqa: PLW0603 - one a process, as its log is
    before, _current = _current, telemetry
    try:
        yield
    finally:
        _current = before


def _wanted(plugin: str) -> Telemetry:
    asked = any(os.environ.get(name) for name in ENDPOINTS)
    if not asked or os.environ.get(DISABLED, "").lower() == "true":
        return Nowhere()
    try:
        from singer_delivery.otel import exporting  # noqa: PLC0415 - only where it is wanted
    except ImportError as error:
        logger.warning(
            "%s is set, but %s is not installed: install singer-delivery[otel]",
            *(" or ".join(name for name in ENDPOINTS if os.environ.get(name)), error.name),
        )
        return Nowhere()
    return exporting(plugin)
