"""A graceful stop: waits are cut short, what is in flight is finished, and patience has an end.

A stop forbids no request. A document that is half on its way still has its lines sent and is read
back; what ends are the waits, for Retry-After and between two attempts. A request that would have
to wait is given up instead; it was not carried out, or else repeating it would change nothing.
Where that was a later part of a document that is written in several requests, its removal may have
to be given up for the same reason: the document is then in doubt, and the next run reads it back
and finishes or removes it.
"""

from __future__ import annotations

import _thread
import time
from collections.abc import Callable

#: Seconds between two glances at whether a stop was requested.
GLANCE = 0.1
#: Seconds in which a second signal is the echo of the first: on Ctrl-C a terminal signals the whole
#: pipeline, and Meltano then terminates its plugins as well.
ECHO = 2.0


class Stopped(SystemExit):
    """A signal ended the run, with exit code 1."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(1)
        self.signal_name = signal_name


class Stop:
    """Whether to stop, for every thread to see; may be requested from a signal handler.

    That is why there is no lock in it, and so no threading.Event or Timer: the handler runs in the
    main thread, on top of whatever that was doing, and would wait for ever for a lock held below.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        nap: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock = clock
        self._nap = nap
        self._requested_at: float | None = None
        self._run = object()

    @property
    def requested(self) -> bool:
        """Nothing new is to be started, and nothing is to be waited for."""
        return self._requested_at is not None

    def request(self) -> bool:
        """Ask to stop; return True where somebody insists, having asked some time before."""
        now = self._clock()
        if self._requested_at is None:
            self._requested_at = now
        return now - self._requested_at > ECHO

    def sleep(self, seconds: float) -> None:
        """Sleep, but not on after a stop was requested; every sleeping thread wakes."""
        end = self._clock() + seconds
        while not self.requested and (left := end - self._clock()) > 0:
            self._nap(min(left, GLANCE))

    def grace(self, seconds: float, on_over: Callable[[], None]) -> None:
        """Call `on_over` in a thread of its own in so many seconds, if the process still runs."""
        _thread.start_new_thread(self._wait_out, (seconds, on_over, self._run))

    def _wait_out(self, seconds: float, on_over: Callable[[], None], run: object) -> None:
        self._nap(seconds)
        if self._run is run:
            on_over()

    def clear(self) -> None:
        """Begin anew: no stop is requested, and no grace runs. For another run in one process."""
        self._run = object()
        self._requested_at = None


#: The stop of this process: a signal ends all that a plugin does, in whichever session it waits.
PROCESS = Stop()
