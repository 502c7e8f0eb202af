"""A lost ledger, made anew from what both systems hold.

What is written is what deliveries would have left: invoices that the receiver holds, what the
source was told of them, and of their payments. So nothing that is offered again is sent twice,
what was told is not told again, and what was not told yet still is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import islice
from typing import Any

from singer_delivery.differences import CONFIRMED, Case
from singer_delivery.document import HELD, Document, Entry, Outcome
from singer_delivery.ledger import Ledger
from singer_delivery.ledger_books import INVOICES, PAYMENTS, TRANSFERS
from singer_delivery.live import Booking, LiveSystem, State
from singer_delivery.reconcile import Matcher
from singer_delivery.trail import Event, Kind

CHUNK = 200

Row = tuple[Document, Outcome]


@dataclass(frozen=True)
class Told:
    """What the source holds of what it was told of one document.

    `reference` is what it was told that the receiver knows it by; `payments` are the codes of the
    payment responses that it holds.
    """

    external_code: str = ""
    success: bool | None = None
    message: str = ""
    reference: str = ""
    source_system: str = ""
    payments: frozenset[str] = frozenset()


class InvoiceKeeper(ABC):
    """The receiver, as the maker of the ledger's rows of invoices."""

    @abstractmethod
    def delivered(self, booking: Booking, told_reference: str = "") -> Row:
        """Return the row of an invoice that it holds whole."""

    @abstractmethod
    def outcome_record(self, entry: Entry, source_system: str) -> dict[str, Any]:
        """Return the record that carries an entry's outcome to the source."""

    @abstractmethod
    def payments(
        self, bookings: Sequence[Booking], *, includes_discount: bool = True
    ) -> Iterator[dict[str, Any]]:
        """Yield the records of what was paid of posted invoices, oldest first."""


class ResponseKeeper(ABC):
    """The source, as the maker of the ledger's rows of what it was told."""

    @abstractmethod
    def offered(self, since: date | None, until: date | None) -> Iterator[tuple[Booking, Told]]:
        """Yield what it holds of documents of these days, and what it was told of them."""

    @abstractmethod
    def rejected(self, booking: Booking) -> Row:
        """Return the row of an invoice that was rejected, with the reason that it shows."""

    @abstractmethod
    def response(self, record: dict[str, Any], told: Told) -> Row:
        """Return the row of a response that it holds, by the record that led to it."""

    @abstractmethod
    def payment(self, record: dict[str, Any], told: Told) -> Row | None:
        """Return the row of a payment that it was told of; None for one that it was not."""


class Receiver(LiveSystem, InvoiceKeeper):
    """A live system that invoices go to."""


class Source(LiveSystem, ResponseKeeper):
    """A live system that invoices come from."""


@dataclass
class Rebuilt:
    """How many rows each stream got, and what was left out, in words."""

    written: dict[str, int] = field(default_factory=dict)
    known: int = 0
    left_out: list[str] = field(default_factory=list)


@dataclass
class Shelf:
    """Where rows of one system go: only missing ones, unless `overwrite`."""

    ledger: Ledger
    system: str
    run_id: str
    actor: str
    overwrite: bool
    dry_run: bool
    result: Rebuilt
    say: Callable[[str], None]

    def put(self, stream: str, rows: Sequence[Row], origin: str) -> None:
        """Write rows with the trail's word of where they come from. Raises LedgerError."""
        known = self.ledger.lookup(stream, (document.key for document, _ in rows))
        missing = [row for row in rows if self.overwrite or row[0].key not in known]
        self.result.known += len(rows) - len(missing)
        if not missing:
            return
        for document, outcome in missing:
            self.say(_line(stream, document, outcome))
        written = self.result.written
        written[stream] = written.get(stream, 0) + len(missing)
        if self.dry_run:
            return
        self.ledger.settle_many(stream, missing, self.run_id)
        events = [
            Event(
                Kind.REBUILT,
                stream,
                document.key,
                {"from": origin, "status": outcome.status.value, "remote_key": document.remote_key},
                system=self.system,
            )
            for document, outcome in missing
        ]
        self.ledger.trail.record(events, run_id=self.run_id, actor=self.actor)


def _line(stream: str, document: Document, outcome: Outcome) -> str:
    place = f" as {document.remote_key}" if document.remote_key else ""
    why = f": {outcome.reason}" if outcome.reason else ""
    return f"{stream} {document}: {outcome.status.value}{place}{why}"


@dataclass
class Rebuild:
    """One rebuilding; `invoices` and `responses` are where rows of receiver and source go."""

    receiver: Receiver
    source: Source
    invoices: Shelf
    responses: Shelf
    _told: dict[str, Told] = field(default_factory=dict)
    _cases: dict[str, Case] = field(default_factory=dict)

    @property
    def _result(self) -> Rebuilt:
        return self.invoices.result

    def run(self, since: date | None = None, until: date | None = None) -> Rebuilt:
        """Write the rows of documents of these days. Raises DeliveryError."""
        for booking, told in self.source.offered(since, until):
            self._cases[booking.document_id] = Case(booking.document_id, source=booking)
            self._told[booking.document_id] = told
        self._assign(self.receiver.books(since, until))
        held = [case for case in self._cases.values() if self._usable(case)]
        for chunk in _chunks(held):
            self._write_held(chunk)
        failed = [case for case in self._cases.values() if _is_rejected(case)]
        for chunk in _chunks(failed):
            self._write_rejected(chunk)
        for chunk in _chunks([case for case in held if self._told_of(case).payments]):
            self._write_payments(chunk)
        return self._result

    def _told_of(self, case: Case) -> Told:
        return self._told.get(case.document_id, Told())

    def _assign(self, bookings: Iterable[Booking]) -> None:
        matcher = Matcher(self.receiver, self._cases)
        for booking in bookings:
            document_id = matcher.document(booking) or matcher.same_number(booking)
            if document_id:
                named = replace(booking, document_id=document_id)
                case = self._cases.setdefault(document_id, Case(document_id))
                case.receiver.append(named)

    def _usable(self, case: Case) -> bool:
        """Tell whether the receiver holds a document whole, once; say so where it does not."""
        if not case.receiver:
            return False
        posted = [booking for booking in case.receiver if booking.state is State.POSTED]
        whole = posted or [booking for booking in case.receiver if booking.whole]
        places = ", ".join(booking.reference for booking in case.receiver)
        name = f"invoice {case.number} in {case.legal_entity} ({case.document_id})"
        if not whole:
            self._result.left_out.append(
                f"{name}: {places} is half an invoice; the next run that is offered it replaces it"
            )
            return False
        if len(whole) > 1:
            self._result.left_out.append(
                f"{name}: {self.receiver.title} holds it {len(whole)} times ({places}); delete "
                "all but one there, then rebuild again"
            )
            return False
        case.receiver = whole
        return True

    def _write_held(self, cases: Sequence[Case]) -> None:
        rows = [self._held_row(case) for case in cases]
        self.invoices.put(INVOICES, rows, self.receiver.system)
        self._write_responses(cases, success=True)

    def _held_row(self, case: Case) -> Row:
        told = self._told_of(case)
        reference = told.reference if told.success else ""
        document, outcome = self.receiver.delivered(case.receiver[0], reference)
        version = str(case.source.detail.get("version") or "") if case.source else ""
        return replace(document, version=version), outcome

    def _write_rejected(self, cases: Sequence[Case]) -> None:
        rows = [self.source.rejected(case.source) for case in cases if case.source]
        self.invoices.put(INVOICES, rows, self.source.system)
        self._write_responses(cases, success=False)

    def _write_responses(self, cases: Sequence[Case], *, success: bool) -> None:
        """Write what the source was told of documents, unless it waits for another answer."""
        told = {
            case.document_id: self._told_of(case)
            for case in cases
            if case.source and (case.source.state in CONFIRMED or case.source.state is State.FAILED)
        }
        ids = [i for i, t in told.items() if t.external_code and t.success is success]
        if self.invoices.dry_run:
            records = {i: {"document_id": i, "success": success} for i in ids}
        else:
            entries = self.invoices.ledger.lookup(INVOICES, ids)
            records = {
                entry.key: self.receiver.outcome_record(entry, told[entry.key].source_system)
                for entry in entries.values()
                if (entry.status in HELD) is success
            }
        rows = [self.source.response(record, told[key]) for key, record in records.items()]
        self.responses.put(TRANSFERS, rows, self.source.system)

    def _write_payments(self, cases: Sequence[Case]) -> None:
        bookings = [case.receiver[0] for case in cases]
        codes = {case.document_id: self._told_of(case) for case in cases}
        rows: dict[str, Row] = {}
        # Which way an environment counts the discount is told by the codes that Basware holds.
        for includes in (True, False):
            missing = [
                b for b in bookings if len(_of(rows, b)) < len(codes[b.document_id].payments)
            ]
            for record in self.receiver.payments(missing, includes_discount=includes):
                told = codes[str(record["document_id"])]
                row = self.source.payment(record, told)
                if row is not None:
                    rows.setdefault(row[0].key, row)
        self.responses.put(PAYMENTS, list(rows.values()), self.source.system)


def _of(rows: dict[str, Row], booking: Booking) -> list[Row]:
    wanted = booking.document_id
    return [row for row in rows.values() if row[1].detail.get("document_id") == wanted]


def _is_rejected(case: Case) -> bool:
    failed = case.source is not None and case.source.state is State.FAILED
    return failed and case.is_ours and not case.receiver


def _chunks(cases: Iterable[Case]) -> Iterator[list[Case]]:
    iterator = iter(cases)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
