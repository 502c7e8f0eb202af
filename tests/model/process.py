"""A process of a plugin: what it does to the outside counts as events, and any of them can fail.

An event is a commit of the ledger, before and after, or a call of a remote system, before and
after. A process that dies at one does nothing more: every later event of it dies too.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from singer_delivery.errors import InDoubt, Refused, Unavailable

Answer = TypeVar("Answer")


class Crash(BaseException):
    """The process dies here."""


class Endless(AssertionError):
    """A run does not come to an end."""


class Fault(enum.Enum):
    """What happens to one call of a remote system."""

    REQUEST_LOST = "the request is lost"
    ANSWER_LOST = "the answer is lost"
    HALF_DONE = "of several changesets in one request the first half is done, and the answer lost"
    UNAVAILABLE = "429 or no connection until the attempts are used up"


@dataclass(frozen=True)
class Mishaps:
    """What goes wrong in one process: `crash_at` by event, `faults` by call, both from 1.

    `meanwhile` is called at that event, for somebody else who acts at the same time.
    """

    crash_at: int = 0
    faults: Mapping[int, Fault] = field(default_factory=dict)
    meanwhile_at: int = 0


CALM = Mishaps()
#: A run over all invoices of an example takes some hundred at most.
MOST_TRANSACTIONS = 3000


@dataclass
class Process:
    """Events and calls of one run. `pause` lets another process go on; see `take_turns`."""

    run_id: str
    mishaps: Mishaps = CALM
    events: int = 0
    calls: int = 0
    transactions: int = 0
    dead: bool = False
    pause: Callable[[], None] = lambda: None
    yields: Callable[[], None] = lambda: None
    meanwhile: Callable[[], None] = lambda: None

    @property
    def next_fault(self) -> Fault | None:
        """What will happen to the next call."""
        return self.mishaps.faults.get(self.calls + 1)

    def event(self, *, holds_lock: bool = False) -> None:
        """Note an event; raises Crash where the process dies."""
        if self.dead:
            raise Crash
        self.events += 1
        if self.events == self.mishaps.crash_at:
            self.dead = True
            raise Crash
        if not holds_lock:
            if self.events >= self.mishaps.meanwhile_at > 0:
                act, self.meanwhile = self.meanwhile, lambda: None
                act()
            self.pause()

    def transaction(self) -> None:
        """Note a transaction of the ledger, be it only to read. Raises Endless."""
        self.transactions += 1
        if self.transactions > MOST_TRANSACTIONS:
            msg = f"{self.transactions} transactions of the ledger in one run"
            raise Endless(msg)

    def nap(self, seconds: float) -> None:
        """Wait: the other process goes on."""
        if self.dead:
            raise Crash
        self.yields()

    def read(self, act: Callable[[], Answer]) -> Answer:
        """Call a remote system without changing it: asked again, a failed read is no doubt."""
        self.calls += 1
        self.event()
        if self.calls in self.mishaps.faults:
            msg = "429, and the time to wait for it is used up"
            raise Unavailable(msg, status=429)
        answer = act()
        self.event()
        return answer

    def write(self, act: Callable[[], Answer]) -> Answer:
        """Call a remote system to change it. Raises what `act` raises, InDoubt or Unavailable."""
        self.calls += 1
        fault = self.mishaps.faults.get(self.calls)
        self.event()
        if fault is Fault.UNAVAILABLE:
            msg = "no connection"
            raise Unavailable(msg)
        if fault is Fault.REQUEST_LOST:
            msg = "the connection was reset"
            raise InDoubt(msg)
        refusal: Refused | None = None
        try:
            answer = act()
        except Refused as error:
            refusal = error
        self.event()
        if fault in {Fault.ANSWER_LOST, Fault.HALF_DONE}:
            msg = "no answer within the time limit"
            raise InDoubt(msg)
        if refusal is not None:
            raise refusal
        return answer


def take_turns(
    runs: Sequence[tuple[Process, Callable[[], None]]], schedule: Sequence[bool]
) -> None:
    """Run processes at the same time, one of them at any moment, changing over as scheduled.

    `schedule` says event by event whether the next one gets its turn; after it they go one after
    the other. What a run raises is raised here once all have ended.
    """
    turns = _Turns([process for process, _ in runs], iter(schedule))
    threads = [
        threading.Thread(target=turns.follow, args=(number, run), daemon=True)
        for number, (_, run) in enumerate(runs)
    ]
    for thread in threads:
        thread.start()
    turns.gates[0].release()
    for thread in threads:
        thread.join()
    for error in turns.errors:
        raise error


class _Turns:
    def __init__(self, processes: Sequence[Process], schedule: Sequence[bool] | object) -> None:
        self.gates = [threading.Semaphore(0) for _ in processes]
        self.errors: list[BaseException] = []
        self._schedule = schedule
        self._going = set(range(len(processes)))
        self._ended: set[int] = set()
        for number, process in enumerate(processes):
            process.pause = self._pausing(number)
            process.yields = self._yielding(number)

    def follow(self, number: int, run: Callable[[], None]) -> None:
        self.gates[number].acquire()
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that waits
            self.errors.append(error)
        self._going.discard(number)
        if self._going:
            self.gates[min(self._going)].release()

    def _pausing(self, number: int) -> Callable[[], None]:
        def pause() -> None:
            if next(self._schedule, False):  # type: ignore[call-overload]
                self._hand_over(number)

        return pause

    def _yielding(self, number: int) -> Callable[[], None]:
        return lambda: self._hand_over(number)

    def _hand_over(self, number: int) -> None:
        others = sorted(self._going - {number})
        if others:
            self.gates[others[0]].release()
            self.gates[number].acquire()
