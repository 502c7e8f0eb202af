"""Asking what the target made of what it accepted: now and then, beside the sending."""

from __future__ import annotations

import heapq
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from typing import Any

from singer_delivery.bulk.book import Book
from singer_delivery.bulk.courier import BulkCourier
from singer_delivery.bulk.crew import Crew
from singer_delivery.bulk.spool import Spool
from singer_delivery.document import FINAL, Outcome, Status, revised
from singer_delivery.errors import AccessDenied, ApiError

logger = logging.getLogger(__name__)

#: Seconds from the answer to the first look, and at most between two looks.
FIRST_LOOK = 1.0
LONGEST_PAUSE = 15.0
#: So many failed looks in a row at one resource, and it is left to the next run.
FAILURES = 3
#: Seconds between two glances at whether the run is to stop.
GLANCE = 0.2


@dataclass(order=True)
class Question:
    """A request to ask about: `due` is when next, `deadline` until when the run waits for it."""

    due: float
    number: int
    request_id: str = field(compare=False)
    courier: BulkCourier = field(compare=False)
    deadline: float = field(compare=False)
    own: bool = field(compare=False)
    pause: float = field(compare=False, default=FIRST_LOOK)


@dataclass
class Confirming:
    """Settles accepted documents. `wait` seconds is how long the run waits for one request."""

    crew: Crew
    book: Book
    spool: Spool
    wait: float
    connections: int
    stopping: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _open: list[Question] = field(default_factory=list)
    _asking: dict[int, Question] = field(default_factory=dict)
    _failures: Counter[str] = field(default_factory=Counter)
    _patient: bool = True

    def add(self, courier: BulkCourier, request_id: str, keys: Iterable[str]) -> None:
        """Take up a request of this run, whose documents were just accepted."""
        self._add(courier, request_id, list(keys), FIRST_LOOK, self.wait, own=True)

    def take_up(self, courier: BulkCourier, accepted: Iterable[tuple[str, str]]) -> int:
        """Look once at what an earlier run left as (request id, key), by request.

        What is in progress still is looked at in the background, and not waited for. Returns how
        many documents there were.
        """
        number = 0
        for request_id, pairs in groupby(accepted, itemgetter(0)):
            keys = [key for _, key in pairs]
            number += len(keys)
            self._add(courier, request_id, keys, 0, 0, own=False)
        while self._due() or self._asking:
            self.launch(self.connections)
            self.crew.land()
        return number

    def launch(self, most: int) -> None:
        """Ask about what is due, at most so many at a time."""
        while len(self._asking) < most and self._due():
            question = heapq.heappop(self._open)
            keys = self.spool.request_keys(question.number)
            if self._failures[question.courier.stream] >= FAILURES:
                continue
            self._asking[question.number] = question

            def land(future: Future[Any], question: Question = question) -> None:
                self._land(question, future)

            self.crew.submit(land, question.courier.confirm, question.request_id, keys)

    def wait_for_rank(self) -> None:
        """Wait for what was sent so far, before what builds upon it is sent.

        A target that did not finish in time once is not waited for between ranks again.
        """
        if self._patient:
            self._patient = self.finish()
            if not self._patient:
                logger.info("what was sent is still in progress; the others go on meanwhile")

    def finish(self) -> bool:
        """Wait until everything is settled or has had its time; return whether this run's are.

        What is due is looked at in any case, but not for longer than one request is waited for.
        """
        end = self.clock() + self.wait
        while self._worth_waiting() and self.clock() < end and not self.stopping():
            self.launch(self.connections)
            if self._asking:
                self.crew.land(GLANCE)
            else:
                self.sleep(self._pause())
        while self._asking:
            self.crew.land()
        return not any(question.own for question in self._open)

    def _worth_waiting(self) -> bool:
        now = self.clock()
        return bool(self._due() or self._asking) or any(
            question.deadline > now and self._failures[question.courier.stream] < FAILURES
            for question in self._open
        )

    def _pause(self) -> float:
        return min(GLANCE, max(0.0, self._open[0].due - self.clock()))

    def _due(self) -> bool:
        return bool(self._open) and self._open[0].due <= self.clock()

    def _add(
        self,
        courier: BulkCourier,
        request_id: str,
        keys: list[str],
        first: float,
        wait: float,
        *,
        own: bool,
    ) -> None:
        now = self.clock()
        number = self.spool.keep_request(courier.stream, request_id, keys)
        question = Question(now + first, number, request_id, courier, now + wait, own)
        heapq.heappush(self._open, question)

    def _land(self, question: Question, future: Future[Any]) -> None:
        del self._asking[question.number]
        stream = question.courier.stream
        try:
            found = future.result()
        except ApiError as error:
            self._failed(stream, error)
            found = {}
        else:
            self._failures[stream] = 0
        keys = self.spool.request_keys(question.number)
        final = {key: found[key] for key in keys if key in found and found[key].status in FINAL}
        self._settle(question, final)
        left = [key for key in keys if key not in final]
        self.spool.shrink_request(question.number, left)
        if left:
            pause = min(2 * question.pause, LONGEST_PAUSE)
            due = self.clock() + question.pause
            heapq.heappush(self._open, replace(question, due=due, pause=pause))

    def _settle(self, question: Question, final: dict[str, Outcome]) -> None:
        # One that was sent again since belongs to another request now.
        entries = self.book.ledger.lookup(question.courier.stream, final)
        settled = [
            (entry, revised(final[key], request_id=question.request_id))
            for key, entry in entries.items()
            if entry.status is Status.ACCEPTED and entry.request_id == question.request_id
        ]
        self.book.settle_accepted(settled, own=question.own)

    def _failed(self, stream: str, error: ApiError) -> None:
        before = self._failures[stream]
        self._failures[stream] += FAILURES if isinstance(error, AccessDenied) else 1
        if before < FAILURES <= self._failures[stream]:
            logger.warning("%s: is confirmed by the next run: %s", stream, error)
        elif not before:
            logger.warning("%s: cannot be confirmed now: %s", stream, error)
