"""A run that goes all the way to the wire and stops there: what would be sent, and nothing written.

Reading, judging and the order of things are those of `Delivery` itself. Only its two ends are
others: a ledger that takes no notes, and a courier that keeps what it would send.

Plugins offer theirs under the entry points `singer_delivery.rehearsal`, each a function
`open_rehearsal(config) -> Rehearsing`; what waits at a source comes from those of
`singer_delivery.waiting`, each a function `open_waiting(config, scopes) -> Iterator[str]` that
yields Singer messages.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.pool import StaticPool

from singer_delivery import delivery as delivering
from singer_delivery.courier import Courier
from singer_delivery.database import open_readonly
from singer_delivery.delivery import Delivery
from singer_delivery.dispatch import Dispatch
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import InDoubt, LedgerError
from singer_delivery.exchanges import Exchange
from singer_delivery.ledger import Intended, Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.plugin import ledger_url
from singer_delivery.schema import metadata
from singer_delivery.secrets.references import reveal
from singer_delivery.sink import DeliverySink
from singer_delivery.target import DeliveryTarget
from singer_delivery.trail import Pen

GROUP = "singer_delivery.rehearsal"
WAITING = "singer_delivery.waiting"


@dataclass(frozen=True)
class Rehearsed:
    """What would become of one document.

    `outcome` DELIVERED: it would be sent as `dispatch`. NOT_SENT: another run, or what an earlier
    one left behind, has to be settled first, which only a real run does. `objection`: what the
    target would probably refuse it for, as far as that can be seen.
    """

    document: Document
    outcome: Outcome
    dispatch: Dispatch | None = None
    objection: str = ""


class PaperLedger(Ledger):
    """What a ledger knows, or nothing where there is none yet; it notes down nothing."""

    def __init__(self, engine: Engine | None, system: str) -> None:
        self.exists = engine is not None
        super().__init__(engine or _blank(), system, actor="dry run")
        self.received: dict[str, Document] = {}
        self.settled: dict[str, Outcome] = {}

    def receive(
        self,
        stream: str,  # noqa: ARG002
        received: Sequence[Document],
        singer: SingerStream,  # noqa: ARG002
        run_id: str,  # noqa: ARG002
    ) -> None:
        """Hold the documents of a batch until `batch_over`."""
        self.received |= {document.key: document for document in received}

    def take_over(
        self,
        stream: str,  # noqa: ARG002
        run_id: str,  # noqa: ARG002
        keys: Sequence[str] | None = None,  # noqa: ARG002
    ) -> list[Entry]:
        """Leave to the next run what dead ones left."""
        return []

    def intend(
        self,
        stream: str,  # noqa: ARG002
        intents: Sequence[Document],  # noqa: ARG002
        run_id: str,  # noqa: ARG002
        *,
        seen: Mapping[str, int] | None = None,  # noqa: ARG002
    ) -> Intended:
        """Intend nothing."""
        return Intended()

    def settle_many(
        self,
        stream: str,  # noqa: ARG002
        outcomes: Sequence[tuple[Document, Outcome]],
        run_id: str,  # noqa: ARG002
        *,
        fences: Mapping[str, int] | None = None,  # noqa: ARG002
        exchanges: Sequence[Exchange] = (),  # noqa: ARG002
    ) -> set[str]:
        """Hold the outcomes of a batch until `batch_over`."""
        self.settled |= {document.key: outcome for document, outcome in outcomes}
        return set()

    def batch_over(self, stream: str) -> list[tuple[Document, Outcome]]:
        """Return the documents of a batch with their outcomes, in the order in which they came."""
        received, outcomes = list(self.received.values()), self.settled
        self.received, self.settled = {}, {}
        left = [document for document in received if document.key not in outcomes]
        outcomes |= self._left_out(stream, left) if left else {}
        return [(document, outcomes[document.key]) for document in received]

    def _left_out(self, stream: str, left: Sequence[Document]) -> dict[str, Outcome]:
        """Say why a delivery passes over a document, which is noted nowhere."""
        busy = self.in_flight_elsewhere(stream, left, run_id="")
        known = self.lookup(stream, [document.key for document in left])
        found = {}
        for document in left:
            if words := busy.get(document.key):
                found[document.key] = Outcome(Status.NOT_SENT, f"{words} has it in flight")
            else:
                reason = known[document.key].reason if document.key in known else ""
                found[document.key] = Outcome(Status.STUCK, reason)
        return found

    @contextmanager
    def _writing(self, run_id: str) -> Iterator[Pen]:  # noqa: ARG002
        msg = "a dry run writes nothing into the ledger"
        raise LedgerError(msg)
        yield


def _blank() -> Engine:
    """Return an empty ledger in memory."""
    engine = sqlalchemy.create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return engine


class PaperCourier(Courier):
    """Judges as the real one does, and keeps what that one would send."""

    def __init__(self, courier: Courier, sent: Callable[[Document, Any], None]) -> None:
        """`sent` is told of each document that counts as sent from then on, and by what plan."""
        self.stream = courier.stream
        self._courier = courier
        self._sent = sent
        self.dispatches: dict[str, Dispatch] = {}

    def prepare(self, record: Mapping[str, Any]) -> Document:
        """Turn a record into a document; raises Rejected."""
        return self._courier.prepare(record)

    def identify(self, record: Mapping[str, Any]) -> Document:
        """Return what can be told of a record that was rejected; raises BadInput."""
        return self._courier.identify(record)

    def is_older(self, one: Document, other: Document | Entry) -> bool:
        """Tell whether one is an earlier version of the other."""
        return self._courier.is_older(one, other)

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        """Look at the target, and decide what each document needs."""
        return self._courier.survey(batch, known)

    def send(self, document: Document, plan: Any) -> Outcome:
        """Keep what would be sent."""
        try:
            dispatch = self._courier.dispatch(document, plan)
        except InDoubt as doubt:
            reason = f"{doubt}; a run settles that first, and then sends it if need be"
            return Outcome(Status.NOT_SENT, reason)
        self.dispatches[document.key] = dispatch
        self._sent(document, plan)
        return Outcome(Status.DELIVERED, remote_key=document.remote_key)

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:  # noqa: ARG002
        """Find nothing: reading back may put right what it finds, which is writing."""
        return {}


class Rehearsing(DeliveryTarget):
    """A target whose runs are rehearsals; a plugin's own comes before the plugin in its bases.

    `rehearsed` is told of each document, batch by batch. `take`, where it is given, gets the
    records of each batch instead, with the delivery that they were for. `ledger_at` is the URL of
    another ledger than that of the settings.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rehearsed: Callable[[Rehearsed], None] = lambda _: None
        self.take: Callable[[Delivery, Iterable[Mapping[str, Any]]], None] | None = None
        self.ledger_at = ""

    @cached_property
    def ledger(self) -> Ledger:
        """What the ledger knows; LedgerError where it cannot be read."""
        return PaperLedger(open_readonly(self.ledger_url), self.system)

    @property
    def ledger_url(self) -> str:
        """The database URL of the ledger. Raises SetupError."""
        return reveal(self.ledger_at, "ledger_url") if self.ledger_at else ledger_url(self.config)

    @property
    def paper(self) -> PaperLedger:
        """The same, as what it is here."""
        return cast("PaperLedger", self.ledger)

    @property
    def problems(self) -> list[str]:
        """Lines of the input that are no messages, and records without a key."""
        nameless = [words for delivery in self._deliveries for words in delivery.bad_records]
        return [*self._bad_lines, *nameless]

    @property
    def blind(self) -> list[str]:
        """What could not be seen with these rights, in words."""
        return []

    def objections(self, documents: Sequence[Document]) -> Mapping[str, str]:  # noqa: ARG002
        """Return, by key, what the target would probably refuse documents for."""
        return {}

    def counts_as_sent(self, document: Document, plan: Any) -> None:
        """Take note that, from here on, a real run would find this document in the target."""

    def courier_for_stream(self, singer: SingerStream) -> Courier:
        """Return the way of records that say what they are; raises SetupError."""
        kind = self.sink_for(singer.stream)
        sink = kind(self, singer.stream, dict(singer.schema), list(singer.key_properties))
        return cast("DeliverySink", sink).courier

    def close(self) -> None:
        """Release the ledger: what SQLite keeps beside an open file goes with it."""
        if "ledger" in self.__dict__:
            self.ledger.close()

    def begin(self, delivery: Delivery) -> None:
        """Take up a stream; what an earlier run left in doubt stays as it is."""
        self._deliveries.append(delivery)
        if self.take is None:
            delivery.courier = PaperCourier(delivery.courier, self.counts_as_sent)
            # One after the other: each is judged by what the ones before it would leave.
            alone = replace(delivery.options, claim_wait=0, connections=1, together=(1, 1))
            delivery.adopt(alone)

    def deliver(self, delivery: Delivery, records: Iterable[Mapping[str, Any]]) -> None:
        """Rehearse a batch."""
        if self.take is not None:
            self.take(delivery, records)
            return
        courier = cast("PaperCourier", delivery.courier)
        with _untold():
            delivery.run(records)
        over = self.paper.batch_over(courier.stream)
        objections = self.objections([one for one, _ in over if one.key in courier.dispatches])
        for document, outcome in over:
            dispatch = courier.dispatches.pop(document.key, None)
            objection = objections.get(document.key, "")
            self.rehearsed(Rehearsed(document, outcome, dispatch, objection))

    def process_endofpipe(self) -> None:
        """Rehearse what is left."""
        self.drain_all(is_endofpipe=True)

    def _end_run(self, error: BaseException | None) -> None:
        """Note nothing: there was no run."""

    def _bad_line(self, problem: str) -> None:
        self._bad_lines.append(problem)

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Write none: nothing was delivered."""


@contextmanager
def _untold() -> Iterator[None]:
    """Keep a delivery from logging outcomes that are none."""
    logger = logging.getLogger(delivering.__name__)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
