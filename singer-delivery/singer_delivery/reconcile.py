"""Do the ledger and both live systems agree? Counts, sums, and a list of what does not.

The ledger is read first, the source next, the receiver last, so that what moves on meanwhile has
been seen before; whatever seems to differ is looked at a second time before it is said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from singer_delivery.differences import CONFIRMED, ZERO, Case, Difference, Judge, Kind
from singer_delivery.document import Status
from singer_delivery.ledger_books import LedgerBooks
from singer_delivery.live import Booking, LiveSystem, Sought, State

#: Documents that are looked at a second time: the receiver is asked for many at once, the source
#: for each by itself.
RECEIVER_LOOKS = 2000
SOURCE_LOOKS = 300
WORD = re.compile(r"[\w-]+")
#: Parts of the key that sums are told by; those of different currencies are never added up.
GRAINS = ("entity", "currency", "day")

Natural = tuple[str, str, str]
Place = tuple[str, str]


@dataclass(slots=True)
class Cell:
    """A count, and the sum of the amounts."""

    count: int = 0
    total: Decimal = ZERO

    def add(self, amount: Decimal, count: int = 1) -> None:
        """Count one more."""
        self.count += count
        self.total += amount


#: Of each group: what the source offered, and what became of it, by each witness. Sums are gross,
#: those of payments what was paid without cash discount.
COLUMNS = (
    "offered",
    "waiting",
    "confirmed",
    "rejected",
    "ledger_delivered",
    "ledger_rejected",
    "pending",
    "posted",
    "paid",
    "shown_paid",
)

Group = tuple[str, str, str]
Sums = dict[str, Cell]


def _sums() -> Sums:
    return {name: Cell() for name in COLUMNS}


@dataclass
class Reconciliation:
    """Sums by (legal entity, currency, day), the differences, and what could not be seen.

    `foreign`: how many invoices of the receiver are none of ours; `others`: how many documents of
    the source had their way without us, and are in no sum.
    """

    sums: dict[Group, Sums] = field(default_factory=lambda: defaultdict(_sums))
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    documents: int = 0
    foreign: int = 0
    others: int = 0

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not self.differences

    def add(self, case: Case) -> None:
        """Add a document to the sums of its group."""
        day = case.day.isoformat() if case.day else ""
        sums = self.sums[case.legal_entity, case.currency, day]
        self.documents += 1
        source, row = case.source, case.ledger
        if source is not None and source.state is not State.OTHER:
            sums["offered"].add(source.gross)
            sums[_COLUMN_OF[source.state]].add(source.gross)
            if source.paid_total:
                sums["shown_paid"].add(source.paid_total)
        if row is not None:
            gross = row.gross if row.gross is not None else ZERO
            if row.is_held:
                sums["ledger_delivered"].add(gross)
            elif row.status is Status.REJECTED:
                sums["ledger_rejected"].add(gross)
        for booking in case.receiver:
            sums[booking.state.value].add(booking.gross)
            if booking.paid_total:
                sums["paid"].add(booking.paid_total)

    def by(self, grains: Iterable[str]) -> dict[Group, Sums]:
        """Return the sums by some of GRAINS, the others ""; currencies are never added up."""
        wanted = {*grains, "currency"}
        rolled: dict[Group, Sums] = defaultdict(_sums)
        for group, cells in self.sums.items():
            key = tuple(p if name in wanted else "" for name, p in zip(GRAINS, group, strict=True))
            target = rolled[key[0], key[1], key[2]]
            for name, cell in cells.items():
                target[name].add(cell.total, cell.count)
        return dict(sorted(rolled.items()))


@dataclass(frozen=True)
class Window:
    """Days of the vendor's documents, both included; None is open."""

    since: date | None = None
    until: date | None = None

    def holds(self, day: date | None) -> bool:
        """Tell whether a day is within; an unknown one is."""
        if day is None:
            return True
        return (self.since is None or day >= self.since) and (
            self.until is None or day <= self.until
        )


@dataclass
class Matcher:
    """Finds out which document an invoice of the receiver is, with small tables for all of them."""

    receiver: LiveSystem
    cases: dict[str, Case]
    _references: dict[Place, str] = field(default_factory=dict)
    _naturals: dict[Natural, str] = field(default_factory=dict)
    _folded: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for case in self.cases.values():
            self._folded[case.document_id.casefold()] = case.document_id
            entity = case.legal_entity.casefold()
            known = case.ledger.references if case.ledger else ()
            for reference in (*known, *self.receiver.references(case.document_id)):
                self._references[entity, reference.casefold()] = case.document_id
            self._number(case)

    def _number(self, case: Case) -> None:
        said = case.ledger if case.is_delivered else case.source
        confirmed = case.is_ours and case.source is not None and case.source.state in CONFIRMED
        if said is None or not said.number or not (case.is_delivered or confirmed):
            return
        natural = natural_of(said.legal_entity, said.vendor, said.number)
        if case.is_delivered or natural not in self._naturals:
            self._naturals[natural] = case.document_id

    def document(self, booking: Booking) -> str:
        """Return the id of the document that an invoice says it is, or "" for none."""
        if found := self._folded.get(booking.document_id.casefold()):
            return found
        entity = booking.legal_entity.casefold()
        for reference in (booking.reference, str(booking.detail.get("header_reference") or "")):
            if reference and (found := self._references.get((entity, reference.casefold()))):
                return found
        for word in WORD.findall(str(booking.detail.get("description") or "")):
            if found := self._folded.get(word.casefold()):
                return found
        return booking.document_id

    def same_number(self, booking: Booking) -> str:
        """Return the id of the delivered document with the same number of the same vendor."""
        natural = natural_of(booking.legal_entity, booking.vendor, booking.number)
        return self._naturals.get(natural, "") if booking.number else ""


def natural_of(legal_entity: str, vendor: str, number: str) -> Natural:
    """Return what identifies an invoice whatever its document, as databases compare it."""
    return _fold(legal_entity), _fold(vendor), _fold(number)


def _fold(text: str) -> str:
    return text.rstrip(" ").casefold()


@dataclass
class Inquiry:
    """One reconciliation: reads all three, compares, and looks twice."""

    books: LedgerBooks
    source: LiveSystem
    receiver: LiveSystem
    window: Window = field(default_factory=Window)
    patience: timedelta = timedelta(hours=24)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _cases: dict[str, Case] = field(default_factory=dict)

    def run(self) -> Reconciliation:
        """Return what was found. Raises DeliveryError when something cannot be read."""
        result = Reconciliation()
        judge = Judge(self.source.title, self.receiver.title, self.patience, self.now)
        self.books.read()
        self._take_ledger(self.books.invoices)
        for booking in self.source.books(self.window.since, self.window.until):
            self._take_source(booking)
        result.foreign = self._take_receiver(
            self.receiver.books(self.window.since, self.window.until)
        )
        self._look_again(self._doubtful(judge), result)
        for case in self._cases.values():
            if not self.window.holds(case.day):
                continue
            if case.is_ours:
                result.add(case)
                result.differences += judge.differences(case)
            elif case.source is not None:
                result.others += case.source.state is not State.OTHER
        result.differences += [
            judge.unsettled(row)
            for row in self.books.unsettled.values()
            if self._in_window(row.document_id)
        ]
        result.differences.sort(key=lambda d: (list(Kind).index(d.kind), d.legal_entity, d.number))
        result.notes += [*self.source.notes, *self.receiver.notes]
        return result

    @property
    def cases(self) -> Mapping[str, Case]:
        """All that `run` heard of, by id: also what is none of ours, and of other days."""
        return self._cases

    def _doubtful(self, judge: Judge) -> list[Case]:
        """Return the documents of the window that something is wrong with, at first sight."""
        open_ids = {row.document_id for row in self.books.unsettled.values()}
        return [
            case
            for case in self._cases.values()
            if self.window.holds(case.day)
            and (case.document_id in open_ids or next(judge.differences(case), None) is not None)
        ]

    def _in_window(self, document_id: str) -> bool:
        case = self._cases.get(document_id)
        return case is None or self.window.holds(case.day)

    def _case(self, document_id: str) -> Case:
        return self._cases.setdefault(document_id, Case(document_id))

    def _take_ledger(self, keys: Iterable[str]) -> None:
        for key in keys:
            case = self._case(key)
            case.ledger = self.books.invoices.get(key)
            case.told = self.books.told.get(key)

    def _take_source(self, booking: Booking) -> None:
        if booking.state is not State.OTHER or booking.document_id in self._cases:
            self._case(booking.document_id).source = booking

    def _take_receiver(self, bookings: Iterable[Booking]) -> int:
        """Assign the receiver's invoices; return how many are none of ours."""
        matcher = Matcher(self.receiver, self._cases)
        nameless: list[tuple[str, Booking]] = []
        foreign = 0
        for booking in bookings:
            if document_id := matcher.document(booking):
                _add(self._case(document_id), booking)
            elif same := matcher.same_number(booking):
                nameless.append((same, booking))
            else:
                foreign += 1
        for document_id, booking in nameless:
            # The only one under its number is its own, with the traces wiped off; else a second.
            _add(self._cases[document_id], booking)
        return foreign

    def _look_again(self, doubtful: list[Case], result: Reconciliation) -> None:
        """Read once more what seems to differ: it may have moved while the rest was read."""
        if not doubtful:
            return
        again, rest = doubtful[:RECEIVER_LOOKS], doubtful[RECEIVER_LOOKS:]
        if rest:
            result.notes.append(f"only the first {len(again)} differences were looked at twice")
        self._leave_out_undated(rest, result)
        self.books.read(*(case.document_id for case in again))
        self._take_ledger(case.document_id for case in again)
        wanted = [_sought(case) for case in again]
        for case in again[:SOURCE_LOOKS]:
            case.source = None
        for booking in self.source.look(wanted[:SOURCE_LOOKS]):
            self._take_source(booking)
        for case in again:
            case.receiver = []
        asked = {case.document_id for case in again}
        kept = self._cases
        self._cases = {case.document_id: case for case in again}
        self._take_receiver(self.receiver.look(wanted))
        self._cases = {**kept, **{k: c for k, c in self._cases.items() if k in asked}}

    def _leave_out_undated(self, cases: Iterable[Case], result: Reconciliation) -> None:
        """Forget what the ledger alone knows, without a date: it may be of other days."""
        if self.window == Window():
            return
        undated = [
            case.document_id
            for case in cases
            if not (case.receiver or case.source) and case.ledger and case.ledger.day is None
        ]
        for document_id in undated:
            del self._cases[document_id]
        if undated:
            result.notes.append(
                f"{len(undated)} documents of the ledger are without a date there, and were left "
                "out; reconcile without --since and --until to see them"
            )


def _add(case: Case, booking: Booking) -> None:
    """Take an invoice of the receiver, once: a page may show it twice."""
    place = (booking.legal_entity, booking.state, booking.reference)
    for index, known in enumerate(case.receiver):
        if (known.legal_entity, known.state, known.reference) == place:
            case.receiver[index] = booking
            return
    case.receiver.append(booking)


def _sought(case: Case) -> Sought:
    said = [side for side in (case.ledger, case.source, case.best) if side is not None]
    descriptions = [case.ledger.description] if case.ledger else []
    descriptions += [str(b.detail.get("description") or "") for b in case.receiver]
    references = list(case.ledger.references) if case.ledger else []
    for booking in case.receiver:
        references += [booking.reference, str(booking.detail.get("header_reference") or "")]

    def first(name: str) -> str:
        return next((str(getattr(side, name)) for side in said if getattr(side, name)), "")

    return Sought(
        case.document_id,
        first("legal_entity"),
        first("vendor"),
        first("number"),
        next(filter(None, descriptions), ""),
        tuple(dict.fromkeys(filter(None, references))),
    )


_COLUMN_OF: Mapping[State, str] = {
    State.WAITING: "waiting",
    State.TRANSFERRED: "confirmed",
    State.PAID: "confirmed",
    State.FAILED: "rejected",
}


def totals(groups: Iterable[Sums]) -> Sums:
    """Return the sums of several groups, of one currency for the amounts to mean anything."""
    total = _sums()
    for cells in groups:
        for name, cell in cells.items():
            total[name].add(cell.total, cell.count)
    return total


def by_currency(groups: Mapping[Group, Sums]) -> Iterator[tuple[str, Sums]]:
    """Yield each currency with its total."""
    for currency in sorted({group[1] for group in groups}):
        yield currency, totals(cells for group, cells in groups.items() if group[1] == currency)
