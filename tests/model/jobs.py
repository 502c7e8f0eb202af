"""The three jobs, composed of the product's own parts; each run is a process that may die."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any

from ap_mapping import Mapping as ApMapping
from ap_mapping import parse_mapping
from singer_delivery.courier import Courier
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.document import Status
from singer_delivery.errors import ApiError
from singer_delivery.ledger import Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.runs import Run as LedgerRun
from tap_d365fo.dimensions import DimensionFormats
from tap_d365fo.outcomes import STREAM as INVOICES
from tap_d365fo.outcomes import transfer_outcome
from tap_d365fo.payment_reading import PaymentReader
from tap_d365fo.payment_spool import SettlementSpool
from target_basware.courier import TransferResponseCourier
from target_basware.payment_courier import PaymentResponseCourier
from target_basware.request_status import RequestDesk
from target_d365fo.courier import InvoiceCourier, InvoiceRules
from target_d365fo.lookup import InvoiceLookup
from target_d365fo.sources import basware_source

from tests.model.basware import Basware, BaswareClient
from tests.model.content import CORRECTED, MAPPING, Clock, stamp
from tests.model.dynamics import Dynamics, DynamicsClient
from tests.model.hosts import BASWARE, DYNAMICS, Host, living
from tests.model.process import CALM, Crash, Mishaps, Process

Record = Mapping[str, Any]
#: Payments are read again from so long before the bookmark.
OVERLAP = timedelta(minutes=5)
SINGER = SingerStream("vendor_payments", {}, ())
OPTIONS = DeliveryOptions(connections=1, max_sends=2, read_back_wait=0)
FORMATS = DimensionFormats.of("CostCenter", "MainAccount-CostCenter")


class Job(enum.Enum):
    INVOICES = "invoices"
    OUTCOMES = "outcomes"
    PAYMENTS = "payments"


class Order(enum.Enum):
    """How the records of a run reach the target."""

    AS_READ = "as read"
    REVERSED = "the other way round"
    TWICE = "all of them twice"


@dataclass(frozen=True)
class Way:
    """How one run goes: the order of its records, so many of them a batch, and what goes wrong.

    `together` invoices go into one request, where each is a changeset.
    """

    order: Order = Order.AS_READ
    batch: int = 100
    together: int = 1
    mishaps: Mishaps = CALM


CALMLY = Way()


@cache
def mapping(corrected: bool) -> ApMapping:
    return parse_mapping(CORRECTED if corrected else MAPPING)


@dataclass
class Shop:
    """Both systems and what the jobs are set to."""

    clock: Clock
    basware: Basware
    dynamics: Dynamics
    derived: bool = True
    acknowledge_first: bool = False
    confirms: bool = False
    corrected: bool = False
    state: dict[Job, Any] = field(default_factory=dict)
    states: dict[Job, list[Any]] = field(default_factory=lambda: {job: [] for job in Job})
    runs: int = 0

    def process(self, mishaps: Mishaps) -> Process:
        self.runs += 1
        return Process(f"{self.runs:032x}", mishaps)


@dataclass
class Run:
    """One run of a job on a host, by its tap's bookmark; `completed` once all has an outcome."""

    shop: Shop
    host: Host
    job: Job
    way: Way
    process: Process
    completed: bool = False
    crashed: bool = False

    def __call__(self) -> None:
        """Run the job as Meltano does: its STATE counts only when everything has an outcome."""
        self.host.process = self.process
        read = {
            Job.INVOICES: self._invoices,
            Job.OUTCOMES: self._outcomes,
            Job.PAYMENTS: self._payments,
        }[self.job]
        try:
            records, state = read()
            self.offer(records)
        except Crash:
            self._crash()
        except ApiError:
            return
        else:
            if self.completed and state is not None:
                self.shop.state[self.job] = state
                self.shop.states[self.job].append(state)

    def replay(self, record: Record) -> None:
        """Offer one stored record again, as the operator does."""
        self.host.process = self.process
        try:
            self.offer([record])
        except Crash:
            self._crash()
        except ApiError:
            return

    def _crash(self) -> None:
        self.crashed = True
        self.host.crash()

    def offer(self, records: Sequence[Record]) -> None:
        """Give records to the target of the job, batch by batch."""
        courier, system = self._courier()
        ledger, run_id = self.host.ledger(system), self.process.run_id
        with living(run_id):
            ledger.begin_run(LedgerRun(run_id, system))
            try:
                self._deliver(
                    Delivery(
                        courier,
                        ledger,
                        run_id,
                        self._options(),
                        # Only payments are ever delivered from the ledger's own record of them.
                        SINGER if self.job is Job.PAYMENTS else None,
                        sleep=self.process.nap,
                    ),
                    records,
                )
            except ApiError:
                ledger.end_run(run_id, {})
                raise
            ledger.end_run(run_id, {})

    def _options(self) -> DeliveryOptions:
        several = self.job is Job.INVOICES and self.shop.derived
        together = self.way.together if several else 1
        return replace(OPTIONS, together=(together, together))

    def _deliver(self, delivery: Delivery, records: Sequence[Record]) -> None:
        delivery.settle_leftovers()
        ordered = list(_ordered(records, self.way.order))
        for start in range(0, len(ordered), self.way.batch):
            self.deliver(delivery, ordered[start : start + self.way.batch])
        self.completed = not unfinished(delivery)

    def deliver(self, delivery: Delivery, batch: Sequence[Record]) -> None:
        delivery.run(batch)

    def _courier(self) -> tuple[Courier, str]:
        shop = self.shop
        ours = mapping(shop.corrected)
        if self.job is Job.INVOICES:
            rules = InvoiceRules(derived_reference=shop.derived)
            client: Any = self._dynamics()
            source = basware_source(ours)
            lookup, nap = InvoiceLookup(client), self.process.nap
            courier = InvoiceCourier(client, source, lambda: FORMATS, lookup, rules, sleep=nap)
            return courier, DYNAMICS
        client = BaswareClient(shop.basware, self.process)
        desk = RequestDesk(client, longest_wait=0) if shop.confirms else None
        if self.job is Job.OUTCOMES:
            return TransferResponseCourier(client, desk, shop.acknowledge_first), BASWARE
        history = partial(self.host.ledger(BASWARE).lookup_natural, PaymentResponseCourier.stream)
        return PaymentResponseCourier(client, desk, mapping=ours, history=history), BASWARE

    def _dynamics(self) -> DynamicsClient:
        return DynamicsClient(self.shop.dynamics, self.process)

    # The taps

    def _invoices(self) -> tuple[list[Record], Any]:
        since = self.shop.state.get(Job.INVOICES) or ""
        found = BaswareClient(self.shop.basware, self.process).offered(since)
        return list(found), max((row["lastUpdated"] for row in found), default=None)

    def _outcomes(self) -> tuple[list[Record], Any]:
        after = self.shop.state.get(Job.OUTCOMES) or 0
        entries = self.host.ledger(DYNAMICS).outcomes(INVOICES, after=after)
        found = [transfer_outcome(entry, source_system="D365FO") for entry in entries]
        return list(found), entries[-1].sequence if entries else None

    def _payments(self) -> tuple[list[Record], Any]:
        mark: datetime | None = self.shop.state.get(Job.PAYMENTS)
        client: Any = self._dynamics()
        rows = client.settled_since(stamp(mark - OVERLAP) if mark else "")
        records: list[Record] = []
        with SettlementSpool() as spool:
            spool.add(rows)
            for batch in spool.batches(100):
                documents = partial(_documents, self.host.ledger(DYNAMICS))
                records += PaymentReader(client, documents).records(batch)
                mark = batch[-1].created
        return records, mark


def _documents(ledger: Ledger, keys: Iterable[str]) -> dict[str, str]:
    return {key: entry.key for key, entry in ledger.lookup_natural(INVOICES, keys).items()}


def _ordered(records: Sequence[Record], order: Order) -> Iterator[Record]:
    match order:
        case Order.AS_READ:
            yield from records
        case Order.REVERSED:
            yield from reversed(records)
        case Order.TWICE:
            yield from records
            yield from records


def unfinished(delivery: Delivery) -> bool:
    """Tell whether a run ends with exit code 1, and its STATE is held back."""
    settled = {Status.ACCEPTED, Status.DELIVERED, Status.UNCHANGED, Status.REJECTED, Status.SKIPPED}
    return bool(delivery.bad_records) or any(
        count for status, count in delivery.tally.items() if status not in settled
    )
