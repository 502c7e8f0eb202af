"""Delivering master data: many idempotent upserts a request, only what changed, in an order.

take -> drop what the ledger knows as unchanged -> keep the rest on disk
flush -> by rank: pack, commit the intents, send, commit the outcomes -> confirm beside it
      -> withdraw what vanished from a source that was crawled whole
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from singer_delivery.bulk.book import Book
from singer_delivery.bulk.confirming import Confirming
from singer_delivery.bulk.courier import BulkCourier
from singer_delivery.bulk.crew import Crew
from singer_delivery.bulk.intake import NAMED, Intake, Outline, Whole
from singer_delivery.bulk.loading import Loading
from singer_delivery.bulk.options import BulkOptions
from singer_delivery.bulk.sending import STOPPED, Sending, Shipment
from singer_delivery.bulk.spool import Spool
from singer_delivery.bulk.summary import summary
from singer_delivery.bulk.vanished import Limits, Vanishing, withdrawals
from singer_delivery.delivery import CLAIM_GLANCE
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import Busy, SetupError
from singer_delivery.ledger import Ledger
from singer_delivery.recollections import Made
from singer_delivery.runs import words

logger = logging.getLogger(__name__)


class BulkDelivery:
    """All bulk deliveries of a run; `tally` counts outcomes by resource and status."""

    def __init__(
        self,
        courier_for: Callable[[str], BulkCourier],
        ledger: Ledger,
        run_id: str,
        options: BulkOptions | None = None,
        *,
        stopping: Callable[[], bool] = lambda: False,
        unreadable: Callable[[], int] = lambda: 0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`courier_for` raises SetupError for a resource that it does not know.

        `unreadable` returns how many lines of the input could not be read: while there are any,
        nothing counts as vanished.
        """
        self.ledger = ledger
        self.options = options = options or BulkOptions()
        self._courier_for = courier_for
        self._stopping = stopping
        self._sleep = sleep
        self._unreadable = unreadable
        self._couriers: dict[str, BulkCourier] = {}
        self._complete: set[str] = set()
        self._withdrawn: Counter[str] = Counter()
        self._refusals: list[str] = []
        self._closed = False
        self._spool = Spool()
        # One more than sends, to ask what became of the earlier ones meanwhile.
        self._crew = Crew(options.connections + 1)
        self._book = Book(ledger, run_id)
        self._intake = Intake(self._book, self._spool, options.max_tries)
        self._confirming = Confirming(
            *(self._crew, self._book, self._spool),
            *(options.confirm_wait, options.connections),
            stopping=stopping,
            sleep=sleep,
            clock=clock,
        )
        self._sending = Sending(
            *(self._crew, self._book, self._confirming),
            *(options.connections, options.max_sends, options.confirm),
            stopping=stopping,
            sleep=sleep,
            clock=clock,
        )
        self._loading = Loading(self._book, self._spool)

    # What comes in

    def take(self, stream: str, document: Document) -> None:
        """Take a document of a resource; one that the target has already is only counted.

        A later document of the same key takes the place of an earlier one. Raises BadInput for a
        key that cannot be stored.
        """
        self.begin(stream)
        self.met(document.source)
        self._intake.take(stream, document)

    def take_outline(self, made: Made, whole: Whole) -> None:
        """Take a document that a record became before, as `take` does.

        `whole` returns it, if the target has to have it.
        """
        if made.stream not in self._couriers:
            self.begin(made.stream)
        self._complete.discard(made.source)
        self._intake.keep(made.stream, made.key, Outline(made, whole))

    def reject(self, stream: str, document: Document, reason: str) -> None:
        """Settle a record that cannot be used; it has not vanished from its source, though."""
        self.begin(stream)
        self.met(document.source)
        self._intake.take(stream, document, reason)

    def met(self, source: str) -> None:
        """Note that a record of a source came, so that an earlier `complete` is none."""
        self._complete.discard(source)

    def complete(self, source: str) -> None:
        """Note that a source was crawled whole: what it did not show has vanished from it."""
        self._complete.add(source)

    def begin(self, stream: str, *, patient: bool = True) -> BulkCourier:
        """Take up a resource: settle what an earlier run left open.

        Raises SetupError, and Busy where another run delivers it: `patient`, after a while.
        """
        if stream in self._couriers:
            return self._couriers[stream]
        courier = self._courier_for(stream)
        self._claim(stream, self.options.claim_wait if patient else 0)
        self._couriers[stream] = courier
        reason = "an interrupted run did not get to its outcome; it is sent when offered again"
        if left := self.ledger.abandon(stream, reason, self._book.run_id):
            logger.info("%s: %d left by an interrupted run: %s", stream, left, reason)
        if self.options.confirm:
            accepted = self.ledger.accepted_requests(stream)
            if asked := self._confirming.take_up(courier, accepted):
                logger.info("%s: asked about %d accepted by an earlier run", stream, asked)
        else:
            self._settle_unasked(stream)
        return courier

    def _claim(self, stream: str, patience: float) -> None:
        """Wait until no other run delivers the resource: the later of two requests would win.

        Raises Busy.
        """
        waited = 0.0
        while other := self.ledger.claim(stream, self._book.run_id):
            if self._stopping() or waited >= patience:
                msg = (
                    f"{stream} is delivered by {words(other)} at this moment; nothing of this run "
                    "was lost: start it again when that one is done"
                )
                raise Busy(msg)
            if not waited:
                logger.info("%s: waiting for %s", stream, words(other))
            self._sleep(CLAIM_GLANCE)
            waited += CLAIM_GLANCE

    @property
    def pending(self) -> bool:
        """Something waits for `flush`: no STATE that covers it may go out."""
        if self._closed:
            return False
        if not self._intake.waiting:
            self._intake.look_up()
        return bool(self._intake.waiting) or (self.options.withdraw and bool(self._complete))

    # What goes out

    def flush(self) -> None:
        """Send everything that waits, in the order of ranks, and withdraw what vanished.

        Raises what makes going on pointless: AccessDenied, Unavailable, SetupError, LedgerError.
        """
        try:
            self._intake.look_up()
            self._take_up_others()
            self._send()
            if not self._sending.halted:
                self._withdraw()
            if not self._sending.halted:
                self._confirming.finish()
            self._count_left_behind()
            if self._sending.fatal:
                raise self._sending.fatal
        finally:
            self.close()

    def close(self) -> None:
        """Let what is in flight finish, and remove what waited."""
        if self._closed:
            return
        self._closed = True
        self._crew.close()
        self._spool.close()

    # What became of it

    @property
    def tally(self) -> Counter[tuple[str, Status]]:
        """Outcomes by resource and status."""
        return self._book.tally

    @property
    def requests(self) -> Counter[str]:
        """Requests that carried documents, by resource; withdrawals not included."""
        return self._sending.requests

    @property
    def still_rejected(self) -> Counter[str]:
        """Documents by resource that were rejected too often and were not sent."""
        return self._intake.still_rejected

    @property
    def rejected(self) -> int:
        """How many documents the run leaves rejected."""
        now = sum(n for (_, status), n in self.tally.items() if status is Status.REJECTED)
        return now + self._intake.still_rejected.total()

    @property
    def problems(self) -> list[str]:
        """What has no outcome, in words; empty when the STATE may go out."""
        open_ones = [f"{n} of {stream}" for stream, n in self._book.unfinished().items()]
        return open_ones + self._refusals

    def sum_up(self) -> None:
        """Say what became of everything, a line a resource, and warn of what is stuck."""
        streams = {stream for stream, _ in self.tally} | self._intake.still_rejected.keys()
        for stream in sorted(streams, key=self._order):
            logger.info("%s: %s (run %s)", stream, self._words(stream), self._book.run_id)
            if number := self._intake.still_rejected[stream]:
                logger.warning(
                    "%s: %d record(s) are STILL REJECTED, unchanged after %d tries, and are not "
                    "sent any more: correct them, or raise max_tries once the target system is "
                    "corrected; the ledger has the reasons (%s)",
                    *(stream, number, self.options.max_tries),
                    ", ".join(self._intake.stuck[stream]) + (", …" if number > NAMED else ""),
                )

    def _words(self, stream: str) -> str:
        requests = self._sending.requests[stream]
        return summary(
            {status: self.tally[stream, status] for status in Status},
            still_rejected=self._intake.still_rejected[stream],
            inactivations=self._withdrawn[stream],
            requests=requests,
            fewest=self._loading.fewest(self._couriers[stream]) if requests else 0,
        )

    # Sending

    def _order(self, stream: str) -> tuple[int, str]:
        courier = self._couriers.get(stream)
        return (courier.rank if courier else 0, stream)

    def _take_up_others(self) -> None:
        """Settle what earlier runs left of resources that nothing came for in this one."""
        for stream in self.ledger.unsettled_streams():
            if not self._stopping():
                self._known_courier(stream)

    def _known_courier(self, stream: str) -> BulkCourier | None:
        try:
            return self.begin(stream, patient=False)
        except (SetupError, Busy):
            return None  # delivered in another way, not any more, or by another run

    def _settle_unasked(self, stream: str) -> None:
        delivered = Outcome(Status.DELIVERED)
        while page := self.ledger.accepted_entries(stream):
            outcomes = [(entry, replace(delivered, request_id=entry.request_id)) for entry in page]
            self._book.settle_accepted(outcomes, own=False)

    def _send(self) -> None:
        ranks: dict[int, list[BulkCourier]] = {}
        for stream in sorted(self._intake.waiting, key=self._order):
            courier = self._couriers[stream]
            ranks.setdefault(courier.rank, []).append(courier)
        for number, rank in enumerate(sorted(ranks), start=1):
            if self._sending.halted:
                return
            self._sending.run(self._loading.shipments(ranks[rank]))
            if number < len(ranks) and not self._sending.halted:
                self._confirming.wait_for_rank()

    def _count_left_behind(self) -> None:
        reason = str(self._sending.fatal) if self._sending.fatal else STOPPED
        for stream in self._intake.waiting:
            why = self._sending.given_up.get(stream, reason)
            gone = self._loading.rejected[stream] + self._sending.launched[stream]
            self._book.count_not_sent(stream, self._spool.count(stream) - gone, why)

    # Withdrawing

    def _withdraw(self) -> None:
        """Withdraw what vanished, the highest rank first: orders before their vendors."""
        if not (self.options.withdraw and self._complete):
            return
        if number := self._unreadable():
            logger.warning(
                "%d line(s) of the input could not be read and may hold what seems to be missing: "
                "nothing is inactivated in this run",
                number,
            )
            return
        found = []
        for source, stream in self.ledger.held_sources():
            courier = self._known_courier(stream) if source in self._complete else None
            if courier and self._may_vanish(source, stream):
                found.append((courier, source))
        found.sort(key=lambda pair: (-pair[0].rank, pair[0].stream, pair[1]))
        for courier, source in found:
            if not self._sending.halted:
                self._sending.run(self._withdrawals(courier, source))

    def _may_vanish(self, source: str, stream: str) -> bool:
        limits = Limits(self.options.vanish_limit_percent, self.options.vanish_floor)
        if self.ledger.count_held(stream, source) == self._intake.came_again[source, stream]:
            return True  # all of it came, so that nothing can be missing
        vanishing = Vanishing(self.ledger, self._spool, limits, self.options.max_tries)
        refusal = vanishing.find(source, stream)
        if refusal:
            logger.error("%s", refusal)
            self._refusals.append(f"what vanished of {stream}")
        return not refusal

    def _withdrawals(self, courier: BulkCourier, source: str) -> Iterator[Shipment]:
        def skip(document: Document, outcome: Outcome) -> None:
            self._book.settle(courier.stream, [(document, outcome)])

        for document in withdrawals(self.ledger, self._spool, courier, source, skip):
            self._withdrawn[courier.stream] += 1
            yield Shipment(courier, [document], 0, withdraws=True)
