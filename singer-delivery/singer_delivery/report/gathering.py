"""Reads everything that a report says: the ledger, and both live systems where they can be read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from singer_delivery.differences import Case, Difference, Judge, Kind
from singer_delivery.document import HELD, TAKEN, Status
from singer_delivery.errors import DeliveryError, LedgerError
from singer_delivery.ledger_books import LedgerBooks
from singer_delivery.live import LiveSystem
from singer_delivery.operator.rendering import plain
from singer_delivery.reconcile import Inquiry, Reconciliation, Window
from singer_delivery.redaction import mask_ibans
from singer_delivery.report.ages import BY_DAY, BY_THE_CLOCK, Age, age
from singer_delivery.report.causes import Refusal, grouped
from singer_delivery.report.chronicle import Chronicle
from singer_delivery.report.invoice_book import KnownInvoices
from singer_delivery.report.ledgers import Ledgers
from singer_delivery.report.model import (
    IN_DYNAMICS,
    WITHOUT_OUTCOME,
    Invoice,
    Report,
    Standing,
    Volume,
)
from singer_delivery.report.period import Period
from singer_delivery.report.record_counts import RecordCounts
from singer_delivery.report.run_history import run_history

#: What people call the systems where nobody asks these themselves.
SOURCE, RECEIVER = "Basware", "Dynamics"
INVOICE_REMEDY = (
    "correct it where the reason says, then transfer the invoice again in Basware, or replay it"
)
RECORD_REMEDY = (
    "correct it where the reason says; the next run offers it again, or singer-delivery release"
)


@dataclass
class Gathering:
    """One report being made. `patience`: how long what is on its way counts as being well."""

    ledgers: Ledgers
    period: Period
    source: LiveSystem | None = None
    receiver: LiveSystem | None = None
    patience: timedelta = timedelta(hours=24)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    blind: str = ""

    def report(self) -> Report:
        """Return the report. Raises LedgerError; a live system that fails is said in it."""
        books = self.ledgers.books()
        result, cases = self._compared(books)
        judge = Judge(SOURCE, RECEIVER, self.patience, self.now)
        report = Report(
            period=self.period,
            made_at=self.now,
            ledger=self.ledgers.name,
            systems={SOURCE: self.ledgers.source, RECEIVER: self.ledgers.receiver},
            live=self._is_live,
            blind=self.blind,
            notes=[*result.notes],
            reconciliation=result,
            without_outcome=[
                _named(judge.unsettled(row), cases) for row in books.unsettled.values()
            ],
            differences=[d for d in result.differences if d.kind not in WITHOUT_OUTCOME],
        )
        concerned = [case for case in cases.values() if self._concerns(case)]
        if not self._is_live:
            report.differences += self._untold(concerned)
        self._records(report)
        history = run_history(self.ledgers.engines, self.period, self.now)
        report.runs, report.plugins = history.lines, history.plugins
        self._invoices(report, concerned, cases)
        return report

    @property
    def _is_live(self) -> bool:
        return self.source is not None and self.receiver is not None and not self.blind

    def _compared(self, books: LedgerBooks) -> tuple[Reconciliation, Mapping[str, Case]]:
        """Return the sums and the documents: of all three, else of the ledger alone."""
        window = Window(self.period.since, self.period.until)
        if self.source is not None and self.receiver is not None and not self.blind:
            inquiry = Inquiry(books, self.source, self.receiver, window, self.patience, self.now)
            try:
                return inquiry.run(), inquiry.cases
            except LedgerError:
                raise
            except DeliveryError as error:
                self.blind = mask_ibans(plain(error))
        books.read()
        result = Reconciliation()
        cases = {
            key: Case(key, ledger=row, told=books.told.get(key))
            for key, row in books.invoices.items()
        }
        for case in cases.values():
            if window.holds(case.day):
                result.add(case)
        return result, cases

    def _concerns(self, case: Case) -> bool:
        """Tell whether a document belongs to the report: by its date, or that of its outcome."""
        if not case.is_ours:
            return False
        settled = case.ledger.settled if case.ledger else None
        return case.is_open or self.period.holds(case.day) or self.period.holds(settled)

    def _untold(self, cases: Iterable[Case]) -> Iterator[Difference]:
        """Yield what the ledger alone shows: outcomes that Basware should long have been told."""
        for case in cases:
            row, told = case.ledger, case.told
            if row is None or row.status not in {*HELD, Status.REJECTED} or row.settled is None:
                continue
            if told is not None and told.status in TAKEN and told.sequence >= row.sequence:
                continue
            if told is not None and told.success and row.is_held:
                continue
            age_of = self.now - datetime.combine(row.settled, time.max, UTC)
            if age_of >= self.patience:
                what = "delivered" if row.is_held else f"rejected ({row.reason})"
                yield Difference(
                    Kind.UNCONFIRMED if row.is_held else Kind.UNEXPLAINED,
                    case.document_id,
                    case.legal_entity,
                    case.number,
                    f"{what} on {row.settled}, and {SOURCE} was not told; the next run of the "
                    "invoices does",
                )

    def _records(self, report: Report) -> None:
        systems = (self.ledgers.receiver, self.ledgers.source)
        refusals: list[Refusal] = []
        for engine in self.ledgers.engines:
            counts = RecordCounts(engine, systems)
            report.records += counts.counts(self.period)
            report.without_outcome += counts.stuck()
            refusals += counts.refusals()
        report.rejected_records = grouped(refusals, RECORD_REMEDY)

    def _invoices(
        self, report: Report, concerned: Sequence[Case], cases: Mapping[str, Case]
    ) -> None:
        chronicle = Chronicle(
            self.ledgers.engine,
            self.ledgers.source_engine,
            self.ledgers.receiver,
            self.ledgers.source,
        )
        moments = chronicle.moments([case.document_id for case in concerned])
        needs: dict[str, list[str]] = defaultdict(list)
        for each in (*report.differences, *report.without_outcome):
            needs[each.document_id].append(each.kind.value.replace("_", " "))
        book = KnownInvoices(concerned, moments, needs, chronicle, chronicle.payments())
        report.invoices = book
        tally = _Tally(self.period)
        for invoice in book.unordered():
            tally.take(invoice)
        report.outcomes = tally.outcomes
        report.volumes = tally.volumes
        report.ages = _ages(book, live=self._is_live)
        report.rejected = grouped(tally.refusals, INVOICE_REMEDY)
        report.earlier = sum(
            case.ledger is not None and case.ledger.status is Status.REJECTED
            for case in cases.values()
            if not self._concerns(case)
        )


def _named(difference: Difference, cases: Mapping[str, Case]) -> Difference:
    """Return a difference with its invoice's number, where that is known."""
    case = cases.get(difference.document_id)
    return replace(difference, number=case.number) if case else difference


def _ages(book: KnownInvoices, *, live: bool) -> list[Age]:
    steps = [
        age(
            "From Basware to Dynamics",
            "from when a run first read the approved invoice to when Dynamics first held it",
            BY_THE_CLOCK,
            (_passed(m.received, m.delivered) for m in book.known()),
        ),
        age(
            "From Dynamics back to Basware",
            "from when Dynamics first held it to when Basware was told",
            BY_THE_CLOCK,
            (_passed(m.delivered, m.told) for m in book.known()),
        ),
    ]
    if live:
        steps.append(
            age(
                "From delivery to posting",
                "whole days from the delivery to the posting date; an earlier one counts as 0",
                BY_DAY,
                (_days(m.delivered, m.posted) for m in book.known()),
            )
        )
    start = "posting date in Dynamics" if live else "delivery"
    steps.append(
        age(
            f"From {'posting' if live else 'delivery'} to first payment",
            f"whole days from the {start} to the first payment that Basware was told of",
            BY_DAY,
            (_days(m.posted if live else m.delivered, m.paid) for m in book.known()),
        )
    )
    return steps


def _passed(start: datetime | None, end: datetime | None) -> timedelta | None:
    return end - start if start and end else None


def _days(start: date | None, end: date | None) -> timedelta | None:
    first = start.date() if isinstance(start, datetime) else start
    return end - first if first and end else None


@dataclass
class _Tally:
    """Counts invoices as they come by."""

    period: Period
    outcomes: Counter[Standing] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    _counts: Counter[tuple[date, str]] = field(default_factory=Counter)

    def take(self, invoice: Invoice) -> None:
        self.outcomes[invoice.standing] += 1
        if invoice.standing is Standing.REJECTED:
            self.refusals.append(_refusal(invoice))
        if invoice.settled is not None and self.period.holds(invoice.settled):
            start = self.period.start_of(invoice.settled)
            self._counts[start, _kind(invoice.standing)] += 1

    @property
    def volumes(self) -> list[Volume]:
        return [
            Volume(start, *(self._counts[start, kind] for kind in ("in", "rejected", "open")))
            for start in self.period.starts()
        ]


def _kind(standing: Standing) -> str:
    if standing in IN_DYNAMICS:
        return "in"
    return "rejected" if standing is Standing.REJECTED else "open"


def _refusal(invoice: Invoice) -> Refusal:
    return Refusal(
        key=invoice.key,
        label=invoice.number or invoice.key,
        reason=invoice.reason,
        entity=invoice.entity,
        vendor=invoice.vendor,
        number=invoice.number,
        currency=invoice.currency,
        gross=invoice.gross,
    )
