"""What a report says, before it is laid out. Amounts are gross, in their currency, to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from singer_delivery.differences import Difference, Kind
from singer_delivery.reconcile import Reconciliation
from singer_delivery.report.ages import Age
from singer_delivery.report.causes import Cause
from singer_delivery.report.period import Period

#: Differences that say that a document has no outcome yet.
WITHOUT_OUTCOME = frozenset({Kind.IN_DOUBT, Kind.STUCK, Kind.OPEN})


class Standing(StrEnum):
    """Where an invoice stands, in words; in the order in which they are told."""

    PAID = "paid"
    PART_PAID = "paid in part"
    POSTED = "posted"
    PENDING = "pending"
    DELIVERED = "delivered"
    WAITING = "waiting in Basware"
    NOT_SENT = "not sent yet"
    REJECTED = "rejected"
    IN_DOUBT = "in doubt"
    STUCK = "stuck"
    ELSEWHERE = "elsewhere"


MEANING: Mapping[Standing, str] = {
    Standing.PAID: "posted in Dynamics and paid",
    Standing.PART_PAID: "posted in Dynamics, and paid in part, or with cash discount",
    Standing.POSTED: "posted in Dynamics, not paid",
    Standing.PENDING: "in Dynamics as a pending vendor invoice, not posted",
    Standing.DELIVERED: "delivered to Dynamics; what became of it there was not looked up",
    Standing.WAITING: "approved in Basware, and nothing has become of it yet",
    Standing.NOT_SENT: "certainly not in Dynamics; sent when it is offered again",
    Standing.REJECTED: "refused, with a reason, and not in Dynamics",
    Standing.IN_DOUBT: "sent perhaps; the next run looks in Dynamics before it does anything",
    Standing.STUCK: "its answer was lost too often: a person has to look",
    Standing.ELSEWHERE: "at a stage that this connection has no part in",
}
IN_DYNAMICS = frozenset(
    {
        Standing.PAID,
        Standing.PART_PAID,
        Standing.POSTED,
        Standing.PENDING,
        Standing.DELIVERED,
    }
)


class Moments(NamedTuple):
    """When what happened to an invoice, as far as ledger and Dynamics tell. Instants are UTC."""

    received: datetime | None = None
    delivered: datetime | None = None
    told: datetime | None = None
    posted: date | None = None
    paid: date | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """One invoice as the report tells it. `needs` is what somebody has to look at."""

    key: str
    number: str
    vendor: str
    entity: str
    currency: str
    gross: Decimal | None
    day: date | None
    settled: date | None
    standing: Standing
    reference: str
    reason: str
    needs: tuple[str, ...]
    moments: Moments


class Event(NamedTuple):
    """One line of a document's story; `at` is UTC."""

    at: str
    words: str


@dataclass(frozen=True)
class Volume:
    """Invoices whose outcome was in one day, week or month."""

    start: date
    delivered: int = 0
    rejected: int = 0
    open: int = 0


@dataclass(frozen=True)
class Records:
    """Records of one kind that are not invoices or answers: masters, for the most part.

    `counts`: how many there are in the ledger, by status; `changed` of them in the period.
    """

    system: str
    stream: str
    counts: Counter[str]
    changed: int


@dataclass(frozen=True)
class RunLine:
    """A run of a plugin. `seconds` is None while it is at work, or where it died."""

    run_id: str
    plugin: str
    actor: str
    host: str
    started: str
    ended: str
    seconds: float | None
    how: str
    outcomes: str


@dataclass(frozen=True)
class PluginRuns:
    """The runs of one plugin towards one system in the period; `seconds` in all, `last` started."""

    plugin: str
    system: str
    count: int
    endings: Counter[str]
    seconds: float
    longest: float
    last: str


class InvoiceBook:
    """The invoices of a report, made one by one when they are asked for."""

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> Iterator[Invoice]:
        """Yield all of them, those that need somebody first, the latest first."""
        return iter(())

    def first(self, count: int) -> list[Invoice]:  # noqa: ARG002
        """Return the first so many of them."""
        return []

    def stories(self, invoices: Sequence[Invoice]) -> Mapping[str, list[Event]]:  # noqa: ARG002
        """Return what happened to some of them, by key."""
        return {}


@dataclass
class Report:
    """All of it. `systems` are the addresses of both sides, by title.

    `blind` says why the live systems could not be compared, "" where they were, or were not asked
    for (`live`). `without_outcome` is of whatever day, `differences` are of the period. `earlier`
    counts invoices that were rejected before the period and still are.
    """

    period: Period
    made_at: datetime
    ledger: str
    systems: Mapping[str, str]
    live: bool
    blind: str = ""
    notes: list[str] = field(default_factory=list)
    reconciliation: Reconciliation = field(default_factory=Reconciliation)
    without_outcome: list[Difference] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    outcomes: Counter[Standing] = field(default_factory=Counter)
    volumes: list[Volume] = field(default_factory=list)
    ages: list[Age] = field(default_factory=list)
    rejected: list[Cause] = field(default_factory=list)
    earlier: int = 0
    records: list[Records] = field(default_factory=list)
    rejected_records: list[Cause] = field(default_factory=list)
    runs: list[RunLine] = field(default_factory=list)
    plugins: list[PluginRuns] = field(default_factory=list)
    invoices: InvoiceBook = field(default_factory=InvoiceBook)

    @property
    def needs_somebody(self) -> bool:
        """Whether something differs, or has no outcome."""
        return bool(self.differences or self.without_outcome)

    @property
    def rejections(self) -> int:
        """How many invoices were rejected in the period and still are."""
        return sum(len(cause.refusals) for cause in self.rejected)
