"""Threads that send what waits, and bring what came of it to the thread that draws conclusions."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from singer_delivery.courier import Sent
from singer_delivery.document import Document, Outcome
from singer_delivery.errors import DeliveryError, InDoubt, Refused, Rejected, Unavailable
from singer_delivery.pace import Pace
from singer_delivery.throttle import closings

Answer = TypeVar("Answer")
Pair = tuple[Document, Any]

#: So many requests in a row that could not be sent at all mean that the system is down.
OUTAGE = 3
#: What the documents of one request may weigh together; one alone may weigh more.
MOST_WEIGHT = 200
#: Documents whose outcomes are worth a commit of their own, and seconds to wait for so many.
ENOUGH, LINGER = 50, 0.02
#: What may befall one document, and says nothing about the others.
ITS_OWN = (Rejected, Refused, InDoubt, Unavailable)


@dataclass(frozen=True)
class Parcel:
    """A document that waits with its plan; `alone`: it goes into a request of its own."""

    document: Document
    plan: Any
    weight: int = 1
    alone: bool = False


@dataclass
class Outage:
    """Whether going on makes sense while sends fail."""

    fatal: DeliveryError | None = None
    in_a_row: int = 0

    def note(self, request: Sequence[Sent]) -> None:
        """Take note of what came of one request: of each of its documents."""
        results = [sent.result for sent in request]
        for result in results:
            if isinstance(result, DeliveryError) and not isinstance(result, ITS_OWN):
                # Credentials, settings, a foreign address: the same for every other document.
                self.fatal = self.fatal or result
        if any(isinstance(result, Outcome | Rejected | Refused) for result in results):
            self.in_a_row = 0
        elif unsent := [result for result in results if isinstance(result, Unavailable)]:
            self.in_a_row += 1
            if self.in_a_row >= OUTAGE:
                self.fatal = self.fatal or unsent[0]


@dataclass
class Senders:
    """Sends parcels, as many at a time and in a request as the pace allows.

    `send` gets the parcels of one request and returns what came of each. It runs in threads, but
    with one connection in the thread that collects, so that an outcome can be taken up before
    the next request leaves. To be closed by whoever opened it.
    """

    send: Callable[[Sequence[Parcel]], list[Sent]]
    pace: Pace
    stopping: Callable[[], bool]
    outage: Outage = field(default_factory=Outage)
    _waiting: deque[Parcel] = field(default_factory=deque)
    _landed: deque[tuple[Parcel, Sent]] = field(default_factory=deque)
    _flying: dict[int, Sequence[Parcel]] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _errands: list[threading.Thread] = field(default_factory=list)
    _looking: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _failure: BaseException | None = None
    _halted: bool = False
    _closed: bool = False
    _closings: int = field(default_factory=closings)

    def __post_init__(self) -> None:
        # Whoever waits for something to send is not woken by each thing that lands.
        self._offered, self._arrived = (threading.Condition(self._lock) for _ in range(2))

    @property
    def in_flight(self) -> list[Document]:
        """What is being sent at this moment; may be asked for by any thread, and takes no lock."""
        return [parcel.document for some in list(self._flying.values()) for parcel in some]

    @property
    def alone(self) -> bool:
        """There is one connection, and no thread beside the caller's."""
        return self.pace.most_connections == 1

    @property
    def waiting(self) -> int:
        """How many parcels nobody has begun to send."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Something waits, is under way or has not been collected."""
        return bool(self._waiting or self._flying or self._landed)

    @property
    def _in_use(self) -> int:
        """How many connections are."""
        return len(self._flying) + self._looking

    @property
    def halted(self) -> bool:
        """Nothing more is begun."""
        return self._halted or self.outage.fatal is not None or self.stopping()

    @property
    def closed(self) -> bool:
        """It has been closed, and sends nothing any more."""
        return self._closed

    def put(self, parcels: Sequence[Parcel]) -> None:
        """Have these sent, in this order."""
        with self._offered:
            self._waiting.extend(parcels)
            self._offered.notify_all()
        missing = 0 if self.alone else min(len(parcels), self.pace.most_connections)
        while len(self._threads) < missing:
            # Daemons: what is forgotten to be closed must not keep a process from ending.
            name = f"send-{len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def withdraw(self) -> list[Parcel]:
        """Take back what nobody has begun to send."""
        with self._lock:
            left = list(self._waiting)
            self._waiting.clear()
            return left

    def collect(
        self, *, until: Future[Any] | None = None, within: float | None = None
    ) -> list[tuple[Parcel, Sent]]:
        """Return what has landed since, waiting for something unless nothing can come.

        With `until`, the end of that errand ends the waiting as well, and so do the seconds of
        `within`. What lands within `LINGER` of the first comes along, so that it is committed
        together. Raises what a sender died of.
        """
        if self.alone and not self._landed and (group := self._next_group()):
            self._fly(group)
        with self._arrived:
            while not (self._landed or self._failure or (until and until.done())):
                # What waits while everything is halted is never begun.
                if not until and not self._flying and (not self._waiting or self.halted):
                    break
                if not self._arrived.wait(within):
                    break
            self._linger()
            return self._taken()

    def _linger(self) -> None:
        """Wait a moment for more to land, where more is to come and nobody has to wait for it."""
        until = time.monotonic() + LINGER
        while (
            self._landed
            and len(self._landed) < ENOUGH
            and self._flying
            and len(self._waiting) >= ENOUGH
            and not (self._failure or self.halted)
            and (left := until - time.monotonic()) > 0
        ):
            self._arrived.wait(left)

    def ready(self) -> list[tuple[Parcel, Sent]]:
        """Return what has landed since if it is enough, without waiting.

        Raises what a sender died of.
        """
        if not (len(self._landed) >= ENOUGH or self._failure):
            return []
        with self._lock:
            return self._taken()

    def _taken(self) -> list[tuple[Parcel, Sent]]:
        if self._failure:
            raise self._failure
        landed = list(self._landed)
        self._landed.clear()
        return landed

    def errand(self, work: Callable[[], Answer]) -> Future[Answer]:
        """Do something beside the sending, on a connection; `collect` can wait for it."""
        done: Future[Answer] = Future()
        context = copy_context()

        def run() -> None:
            try:
                done.set_result(context.run(work))
            except BaseException as error:  # noqa: BLE001 - raised again where the result is asked
                done.set_exception(error)
            with self._lock:
                self._looking -= 1
                self._arrived.notify()
                self._offered.notify()

        with self._lock:
            self._looking += 1
        thread = threading.Thread(target=run, name="errand", daemon=True)
        self._errands = [*filter(threading.Thread.is_alive, self._errands), thread]
        thread.start()
        return done

    def halt(self) -> None:
        """Begin nothing more."""
        with self._offered:
            self._halted = True
            self._offered.notify_all()

    def close(self) -> None:
        """Let what is in flight finish, and begin nothing more."""
        self.halt()
        self._closed = True
        for thread in (*self._threads, *self._errands):
            thread.join()

    def _work(self) -> None:
        while group := self._wait_for_group():
            self._fly(group)

    def _fly(self, group: Sequence[Parcel]) -> None:
        """Send one request, and leave what came of it to be collected."""
        begun, closed_before = time.monotonic(), self._closings
        failure, sent = None, []
        try:
            sent = self.send(group)
        except BaseException as error:  # noqa: BLE001 - raised again by the thread that collects
            failure = error
        seconds = time.monotonic() - begun
        with self._lock:
            del self._flying[id(group)]
            self._landed.extend(zip(group, sent, strict=False))
            if failure:
                self._failure, self._halted = self._failure or failure, True
            else:
                self.outage.note(sent)
                self._adapt(sent, seconds, closed_before)
            self._arrived.notify()
            if self._waiting and self._in_use + 1 < self.pace.connections:
                self._offered.notify()  # this thread takes the next; there is room for one more

    def _adapt(self, sent: Sequence[Sent], seconds: float, closed_before: int) -> None:
        closed = closings()
        if closed > self._closings:
            # Once for all that were under way when the server asked to wait.
            self._closings = closed
            self.pace.throttled()
        elif closed == closed_before:
            if len(sent) > 1 and any(isinstance(one.result, InDoubt) for one in sent):
                self.pace.lost()
            else:
                self.pace.answered(len(sent), seconds)

    def _wait_for_group(self) -> Sequence[Parcel]:
        with self._offered:
            while not self._halted:
                if self._in_use < self.pace.connections and (group := self._next_group()):
                    return group
                self._offered.wait()
            return ()

    def _next_group(self) -> Sequence[Parcel]:
        """Return the parcels of the next request; none where nothing waits or all is halted."""
        if not self._waiting or self.halted:
            return ()
        group = [self._waiting.popleft()]
        weight = group[0].weight
        while self._waiting and len(group) < self.pace.together:
            following = self._waiting[0]
            weight += following.weight
            if weight > MOST_WEIGHT or following.alone or group[0].alone:
                break
            group.append(self._waiting.popleft())
        self._flying[id(group)] = group
        return group
