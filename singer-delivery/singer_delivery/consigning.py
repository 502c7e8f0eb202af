"""Delivering many documents in one consignment, which the target system takes up by itself later.

    survey -> into the hold -> pack and upload -> commit the intents, with the consignment's id
                                                      |
      outcomes <- read back <- wait for its end <- have the target begin

Nothing takes effect before the target is told to begin, and that is right after the intents are
durable: whoever finds one asks the target about the consignment by its id, and sends nothing again
before that is over. One consignment at a time is under way, of all runs on a ledger. What does not
go into one is sent as in any other delivery.
"""

from __future__ import annotations

import logging
import time
import uuid
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

from singer_delivery import runs
from singer_delivery.courier import Courier
from singer_delivery.delivery import CLAIM_GLANCE, OVERDUE, Delivery, Surveyed
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import ApiError, DeliveryError, InDoubt, LedgerError, Unavailable
from singer_delivery.exchanges import Exchange, recorded

logger = logging.getLogger(__name__)

#: Detail of a document: the consignment that it went with last.
CONSIGNMENT = "consignment"
#: Seconds for which documents wait for others at most, before their consignment leaves.
FILLING = 900.0
#: Documents of a consignment that are read back, and settled, together.
SETTLED = 500
STOPPED = Outcome(Status.NOT_SENT, "the run stopped before it was sent")


@dataclass(frozen=True)
class Consignment:
    """Documents that go together into one part of the target (a legal entity, say)."""

    id: str
    part: str
    documents: tuple[Document, ...]

    def __str__(self) -> str:
        return f"consignment {self.id} of {len(self.documents)} document(s)"


class ConsigningCourier(Courier):
    """A courier that can hand over many documents at once, to be carried out later.

    `read_back` waits for the end of the consignments that documents went with (`CONSIGNMENT` in
    their detail), and returns IN_DOUBT for those whose consignment is not over by then.
    """

    #: What the consignments of all runs are called in a claim.
    claim: str

    @abstractmethod
    def part_of(self, document: Document, plan: Any) -> str | None:
        """Return where a document goes with others; None where it has to go by itself."""

    @abstractmethod
    def is_full(self, documents: int, weight: int) -> bool:
        """Tell whether so many documents, which weigh so much together, are to leave."""

    @abstractmethod
    def packed(self, consignment: Consignment) -> AbstractContextManager[Any]:
        """Give the consignment packed and uploaded, so that the target can begin with it.

        Nothing takes effect. Raises Unavailable, AccessDenied, Refused or SetupError.
        """

    @abstractmethod
    def begin(self, consignment: Consignment, packed: Any) -> None:
        """Tell the target to begin, and do not wait for the end.

        Raises InDoubt where it may have begun, and any other DeliveryError where it has not.
        """


@dataclass
class Hold:
    """What waits to leave: documents of one part, and the revisions that their survey saw."""

    documents: list[Document] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    weight: int = 0
    since: float = field(default_factory=time.monotonic)

    @property
    def has_waited(self) -> bool:
        """Its first document has waited for others for long enough."""
        return time.monotonic() - self.since >= FILLING


@dataclass
class ConsigningDelivery(Delivery):
    """Delivers in consignments what its courier, a ConsigningCourier, says may go in one."""

    _holds: dict[str, Hold] = field(default_factory=dict)
    _under_way: Consignment | None = None

    @property
    def _consigning(self) -> ConsigningCourier:
        return cast("ConsigningCourier", self.courier)

    @property
    def in_flight(self) -> list[str]:
        """What is being sent at this moment, in words."""
        consigned = [str(self._under_way)] if self._under_way else []
        return [*super().in_flight, *consigned]

    def _set_aside(
        self, pending: Sequence[tuple[Document, Any]], surveyed: Surveyed
    ) -> list[tuple[Document, Any]]:
        """Put into the hold what may go with others; return the rest.

        All of it where the courier has no consignments, as the one of a dry run.
        """
        if not isinstance(self.courier, ConsigningCourier):
            return list(pending)
        rest = []
        for document, plan in pending:
            part = self._consigning.part_of(document, plan)
            if part is None:
                rest.append((document, plan))
                continue
            hold = self._holds.setdefault(part, Hold())
            hold.documents.append(document)
            hold.seen |= surveyed.seen
            hold.weight += self.courier.weight(document, plan)
            if self._consigning.is_full(len(hold.documents), hold.weight):
                self._leave(part)
        for part in [part for part, hold in self._holds.items() if hold.has_waited]:
            self._leave(part)
        return rest

    def tend(self, seconds: float) -> bool:
        """Go on with what was offered, and have others join what is in the hold, for a while."""
        waits = self._holds and not any(hold.has_waited for hold in self._holds.values())
        if not waits or self._senders.busy or self._surveyed or self._senders.halted:
            return super().tend(seconds)
        self.sleep(seconds)
        return True

    def _arrived(self) -> tuple[list[Document], list[Document]]:
        """Let leave what is in the hold, and wait until nothing is under way."""
        for part in list(self._holds):
            self._leave(part)
        return super()._arrived()

    def _withdraw(self) -> None:
        """Settle what waited, and does not leave any more; also where an error ends it all."""
        holds, self._holds = self._holds, {}
        for hold in holds.values():
            self._settle_all([(document, STOPPED) for document in hold.documents])
        super()._withdraw()

    def _leave(self, part: str) -> None:
        """Send one consignment, wait for its end, and settle what came of it."""
        hold = self._holds.pop(part)
        if self._senders.halted:
            self._settle_all([(document, STOPPED) for document in hold.documents])
            return
        if words := self._wait_for_turn():
            outcome = Outcome(Status.NOT_SENT, f"{words} sends a consignment at this moment")
            self._settle_all([(document, outcome) for document in hold.documents])
            return
        try:
            self._under_way = self._send_off(part, hold)
            if self._under_way:
                self._settle_consigned(self._under_way)
        finally:
            self._under_way = None

    def _wait_for_turn(self) -> str:
        """Wait while another run is at consignments; return which one, where that lasts."""
        waited = 0.0
        while other := self.ledger.claim(self._consigning.claim, self.run_id):
            if self.stopping() or waited >= self.options.claim_wait:
                return runs.words(other)
            self.sleep(CLAIM_GLANCE)
            waited += CLAIM_GLANCE
        return ""

    def _send_off(self, part: str, hold: Hold) -> Consignment | None:
        """Pack, intend and begin; None where the target has not begun. What failed is settled."""
        consigned = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex}"
        marked = [
            replace(document, detail={**document.detail, CONSIGNMENT: consigned})
            for document in hold.documents
        ]
        consignment, seen = Consignment(consigned, part, tuple(marked)), hold.seen
        exchanges: list[Exchange] = []
        try:
            with recorded() as exchanges:
                while consignment.documents:
                    left = self._attempt(consignment, seen)
                    if left is None:
                        return consignment
                    # Others have some of them by now: the rest is packed anew.
                    consignment = replace(consignment, documents=left)
                    seen = {**seen, **{one.key: self._fences[one.key] for one in left}}
        except DeliveryError as error:
            self._stayed(consignment, error)
        finally:
            about = {"consignment": consigned, "documents": len(consignment.documents)}
            self.ledger.note_exchanges(self.courier.stream, exchanges, about, self.run_id)
        return None

    def _attempt(
        self, consignment: Consignment, seen: Mapping[str, int]
    ) -> tuple[Document, ...] | None:
        """Pack, intend and begin; return what is left where others have some of the documents."""
        with self._consigning.packed(consignment) as packed:
            intended = self.ledger.intend(
                self.courier.stream, consignment.documents, self.run_id, seen=seen
            )
            self._fences |= intended.fences
            if intended.contested:
                gone = intended.contested
                self._contested += [one for one in consignment.documents if one.key in gone]
                return tuple(one for one in consignment.documents if one.key not in gone)
            if not self.ledger.in_charge:
                raise LedgerError(OVERDUE)
            logger.info("%s: %s leaves for %s", self.courier.stream, consignment, consignment.part)
            try:
                self._consigning.begin(consignment, packed)
            except InDoubt as error:
                logger.info("%s: asking what became of it (%s)", consignment, error)
        return None

    def _stayed(self, consignment: Consignment, error: DeliveryError) -> None:
        """Settle what the target has not begun with, and begin nothing more."""
        outcome = Outcome(Status.NOT_SENT, str(error))
        self._settle_all([(document, outcome) for document in consignment.documents])
        self._senders.outage.fatal = self._senders.outage.fatal or error

    def _settle_consigned(self, consignment: Consignment) -> None:
        """Wait for the end of a consignment, and settle its documents by what the target holds."""
        tally: Counter[Status] = Counter()
        reason = ""
        for start in range(0, len(consignment.documents), SETTLED):
            some = consignment.documents[start : start + SETTLED]
            for outcome in self._settle_some(consignment, some):
                tally[outcome.status] += 1
                reason = outcome.reason
        if tally[Status.NOT_SENT] == len(consignment.documents):
            # Of the next one no more would come.
            self._senders.outage.fatal = self._senders.outage.fatal or Unavailable(reason)

    def _settle_some(self, consignment: Consignment, some: Sequence[Document]) -> list[Outcome]:
        """Settle some of its documents; return the outcomes of those that have one."""
        documents = {document.key: document for document in some}
        entries = self.ledger.lookup(self.courier.stream, documents)
        mine = [entry for entry in entries.values() if entry.revision == self._fences[entry.key]]
        ours = {entry.key for entry in mine}
        self._contested += [one for key, one in documents.items() if key not in ours]
        try:
            held, unreadable = self._look(mine)
        except ApiError as error:
            held, unreadable = {}, {entry.key: error for entry in mine}
        outcomes = {key: _unread(error) for key, error in unreadable.items()} | dict(held)
        self._settle_all([(documents[key], outcome) for key, outcome in outcomes.items()])
        self._go_on(consignment, [entry for entry in mine if entry.key not in outcomes], documents)
        return list(outcomes.values())

    def _go_on(
        self, consignment: Consignment, absent: Sequence[Entry], documents: Mapping[str, Document]
    ) -> None:
        """Have what the target does not hold, for no reason that it gave, looked at again."""
        reason = f"{consignment.id} is over, and the target does not hold it"
        pairs = [
            (documents[entry.key], Outcome(Status.IN_DOUBT, f"consignment {reason}"))
            for entry in absent
        ]
        if pairs:
            self._enter_doubt(pairs)
            self._doubtful += [
                replace(one, detail={n: v for n, v in one.detail.items() if n != CONSIGNMENT})
                for one, _ in pairs
            ]


def _unread(error: ApiError) -> Outcome:
    return Outcome(Status.IN_DOUBT, f"reading back failed: {error}")
