"""Sending packs in parallel; what a refused or lost request held is found out and sent again."""

from __future__ import annotations

import heapq
import itertools
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from singer_delivery.bulk.book import Book
from singer_delivery.bulk.confirming import GLANCE, Confirming
from singer_delivery.bulk.courier import BulkCourier, Receipt, RecordRefusal
from singer_delivery.bulk.crew import Crew
from singer_delivery.delivery import OVERDUE
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import (
    ApiError,
    DeliveryError,
    InDoubt,
    LedgerError,
    Refused,
    Rejected,
    Unavailable,
)
from singer_delivery.exchanges import Exchange, recorded

logger = logging.getLogger(__name__)

#: So many requests in a row that did not get through mean that the system is down.
OUTAGE = 3
#: So many single documents refused without one that was taken: the resource is refused as such,
#: and halving on would ask about every document.
BLIND_REFUSALS = 50
#: Documents in flight have at most so many bytes together, besides the first request's.
BYTES_IN_FLIGHT = 4_000_000
#: Seconds before a request whose answer was lost is repeated; doubled each time.
REPEAT_AFTER = 1.0

STOPPED = "the run stopped before they were sent"
LOST = "the answer was lost each time"


@dataclass(frozen=True)
class Shipment:
    """What one request holds. `sends` counts how often it went out without an answer."""

    courier: BulkCourier
    documents: list[Document]
    size: int
    intended: bool = False
    sends: int = 0
    withdraws: bool = False

    @property
    def stream(self) -> str:
        """The resource."""
        return self.courier.stream

    def part(self, documents: list[Document]) -> Shipment:
        """Return a shipment of some of its documents."""
        return replace(self, documents=documents, sends=0)

    def go(self) -> Landed:
        """Make the request and take note of its exchanges; runs in a thread."""
        with recorded() as exchanges:
            try:
                if self.withdraws:
                    receipt = self.courier.withdraw(self.documents[0])
                else:
                    receipt = self.courier.send(self.documents)
            except DeliveryError as error:
                return Landed(error, exchanges)
            return Landed(receipt, exchanges)


@dataclass(frozen=True)
class Landed:
    """What came of a request, and the attempts that it took."""

    result: Receipt | DeliveryError
    exchanges: Sequence[Exchange]


@dataclass
class Sending:
    """Sends shipments until none is left, or going on makes no sense.

    `requests` and `withdrawals` count requests by stream; `launched` the documents of each stream
    that were not left behind.
    """

    crew: Crew
    book: Book
    confirming: Confirming
    connections: int
    max_sends: int
    confirm: bool
    stopping: Callable[[], bool]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    fatal: DeliveryError | None = None
    requests: Counter[str] = field(default_factory=Counter)
    withdrawals: Counter[str] = field(default_factory=Counter)
    launched: Counter[str] = field(default_factory=Counter)
    given_up: dict[str, str] = field(default_factory=dict)
    _again: deque[Shipment] = field(default_factory=deque)
    _later: list[tuple[float, int, Shipment]] = field(default_factory=list)
    _ticket: Iterator[int] = field(default_factory=itertools.count)
    _flying: int = 0
    _bytes: int = 0
    _outage: int = 0
    _blind: Counter[str] = field(default_factory=Counter)
    _taken: set[str] = field(default_factory=set)

    @property
    def halted(self) -> bool:
        """Nothing new is to be started."""
        return self.fatal is not None or self.stopping() or not self._in_charge()

    def _in_charge(self) -> bool:
        """Tell whether this run's claims hold; without them, going on makes no sense."""
        if not self.book.ledger.in_charge:
            self.fatal = self.fatal or LedgerError(OVERDUE)
        return self.fatal is None

    def run(self, shipments: Iterator[Shipment]) -> None:
        """Send these; every document that was launched ends with an outcome.

        Sets `fatal` where going on makes no sense; the caller raises it after the counting.
        """
        waiting = _Peekable(shipments)
        while True:
            while (shipment := self._next(waiting)) is not None:
                self._launch(shipment)
            if self._flying:
                self.confirming.launch(1)
                self.crew.land(GLANCE)
            elif self._later and not self.halted:
                self.sleep(min(GLANCE, max(0.0, self._later[0][0] - self.clock())))
            else:
                break
        for shipment in (*self._again, *(later for _, _, later in self._later)):
            self.book.not_sent(shipment.stream, shipment.documents, self._why_not())
        self._again.clear()
        self._later.clear()

    def _why_not(self) -> str:
        return str(self.fatal) if self.fatal else STOPPED

    def _next(self, waiting: _Peekable) -> Shipment | None:
        """Return what is to be launched now: parts of refused requests first."""
        if self.halted or self._flying >= self.connections:
            return None
        if self._later and self._later[0][0] <= self.clock():
            return heapq.heappop(self._later)[2]
        if self._again:
            return self._again.popleft()
        if len(self._later) >= self.connections:
            return None  # answers are being lost: no more, until it is known what became of these
        following = waiting.peek()
        if following is None or (self._flying and self._bytes + following.size > BYTES_IN_FLIGHT):
            return None
        return waiting.take()

    def _launch(self, shipment: Shipment) -> None:
        if shipment.stream in self.given_up:
            if shipment.intended:
                reason = self.given_up[shipment.stream]
                self.book.not_sent(shipment.stream, shipment.documents, reason)
            return
        if not shipment.intended:
            if not shipment.withdraws:
                self.launched[shipment.stream] += len(shipment.documents)
            self.book.ledger.intend(shipment.stream, shipment.documents, self.book.run_id)
            shipment = replace(shipment, intended=True)
        (self.withdrawals if shipment.withdraws else self.requests)[shipment.stream] += 1
        self._flying += 1
        self._bytes += shipment.size

        def land(future: Future[Any]) -> None:
            self._land(shipment, future)

        self.crew.submit(land, shipment.go)

    def _land(self, shipment: Shipment, future: Future[Landed]) -> None:
        self._flying -= 1
        self._bytes -= shipment.size
        landed = future.result()
        result = landed.result
        if isinstance(result, Receipt):
            self._outage = 0
            self._accepted(shipment, result, landed.exchanges)
            return
        self.book.exchanged(shipment.stream, landed.exchanges, len(shipment.documents))
        if isinstance(result, Refused | Rejected):
            self._outage = 0
            named = result.culprits if isinstance(result, RecordRefusal) else {}
            self._refused(shipment, result, named)
        elif isinstance(result, InDoubt):
            self._lost(shipment, result)
        elif isinstance(result, Unavailable):
            self.book.not_sent(shipment.stream, shipment.documents, str(result))
            self._count_outage(result)
        else:
            # Credentials, settings, a foreign address: the same for every other request.
            self.book.not_sent(shipment.stream, shipment.documents, str(result))
            self.fatal = self.fatal or result

    def _accepted(
        self, shipment: Shipment, receipt: Receipt, exchanges: Sequence[Exchange]
    ) -> None:
        self._taken.add(shipment.stream)
        plain = self._plain_outcome(receipt)
        outcomes = [(one, self._outcome(one, receipt, plain)) for one in shipment.documents]
        self.book.settle(shipment.stream, outcomes, exchanges)
        accepted = [one.key for one, outcome in outcomes if outcome.status is Status.ACCEPTED]
        if accepted:
            self.confirming.add(shipment.courier, receipt.request_id, accepted)

    def _plain_outcome(self, receipt: Receipt) -> Outcome:
        """Return the outcome of what a receipt says nothing else of."""
        # Only what can be asked about stays open.
        asked = self.confirm and bool(receipt.request_id)
        status = Status.ACCEPTED if asked else Status.DELIVERED
        return Outcome(status, request_id=receipt.request_id)

    def _outcome(self, document: Document, receipt: Receipt, plain: Outcome) -> Outcome:
        outcome = receipt.outcomes.get(document.key)
        if outcome is None:
            return plain
        if outcome.status is Status.ACCEPTED:
            return replace(outcome, status=plain.status, request_id=receipt.request_id)
        return replace(outcome, request_id=outcome.request_id or receipt.request_id)

    def _refused(self, shipment: Shipment, error: DeliveryError, named: Mapping[str, str]) -> None:
        """Reject the culprits; send the others again, or halves where nobody knows the culprit."""
        documents = shipment.documents
        if culprits := [document for document in documents if document.key in named]:
            self._reject(shipment, {one.key: named[one.key] for one in culprits}, error)
            if innocent := [document for document in documents if document.key not in named]:
                self._again.appendleft(shipment.part(innocent))
        elif len(documents) == 1:
            self._reject(shipment, {documents[0].key: str(error)}, error)
            self._blind[shipment.stream] += 1
            self._judge(shipment.stream, error)
        else:
            middle = len(documents) // 2
            self._again.appendleft(shipment.part(documents[middle:]))
            self._again.appendleft(shipment.part(documents[:middle]))

    def _reject(self, shipment: Shipment, reasons: Mapping[str, str], error: DeliveryError) -> None:
        request_id = (error.request_id or "") if isinstance(error, ApiError) else ""
        self.book.settle(
            shipment.stream,
            [
                (one, Outcome(Status.REJECTED, reasons[one.key], request_id=request_id))
                for one in shipment.documents
                if one.key in reasons
            ],
        )

    def _judge(self, stream: str, error: DeliveryError) -> None:
        if self._blind[stream] >= BLIND_REFUSALS and stream not in self._taken:
            self.given_up[stream] = f"the target refuses whatever it is sent: {error}"
            logger.error(
                "%s: %d records were refused one by one and none was taken; the others are not "
                "sent (%s)",
                *(stream, self._blind[stream], error),
            )

    def _lost(self, shipment: Shipment, error: InDoubt) -> None:
        doubt = Outcome(Status.IN_DOUBT, str(error), request_id=error.request_id or "")
        self.book.settle(shipment.stream, [(one, doubt) for one in shipment.documents])
        sends = shipment.sends + 1
        if sends >= self.max_sends:
            self.book.not_sent(shipment.stream, shipment.documents, f"{LOST}: {error}")
            self._count_outage(error)
            return
        logger.warning("%s: the answer to a request was lost, repeating it", shipment.stream)
        due = self.clock() + REPEAT_AFTER * 2**shipment.sends
        repeated = replace(shipment, sends=sends)
        heapq.heappush(self._later, (due, next(self._ticket), repeated))

    def _count_outage(self, error: ApiError) -> None:
        self._outage += 1
        if self._outage >= OUTAGE:
            self.fatal = self.fatal or error


class _Peekable:
    """An iterator that can be looked into."""

    def __init__(self, items: Iterator[Shipment]) -> None:
        self._items = items
        self._held: Shipment | None = None

    def peek(self) -> Shipment | None:
        if self._held is None:
            self._held = next(self._items, None)
        return self._held

    def take(self) -> Shipment | None:
        held, self._held = self.peek(), None
        return held
