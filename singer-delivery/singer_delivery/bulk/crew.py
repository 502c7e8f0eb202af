"""Threads that do the asking, and one that draws the conclusions: results land in the caller's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any


class Crew:
    """Runs jobs in threads; what follows from each runs in the thread that calls `land`."""

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(size)
        self._flying: dict[Future[Any], Callable[[Future[Any]], None]] = {}

    def submit(
        self, land: Callable[[Future[Any]], None], job: Callable[..., Any], *arguments: Any
    ) -> None:
        """Start a job; `land` gets its future once it is done."""
        self._flying[self._pool.submit(job, *arguments)] = land

    @property
    def idle(self) -> bool:
        """Nothing is in flight."""
        return not self._flying

    def land(self, timeout: float | None = None) -> None:
        """Wait for one job at least, at most `timeout` seconds, and draw its conclusions."""
        done, _ = wait(self._flying, timeout, return_when=FIRST_COMPLETED)
        for future in done:
            self._flying.pop(future)(future)

    def close(self) -> None:
        """Let what is in flight finish, and start nothing more."""
        self._pool.shutdown(cancel_futures=True)
