"""One document, as ledger, source and receiver have it: what does not agree, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from singer_delivery.document import Status
from singer_delivery.ledger_books import UNSETTLED, LedgerRow, Told, Unsettled
from singer_delivery.live import Booking, State

ZERO = Decimal(0)
CONFIRMED = frozenset({State.TRANSFERRED, State.PAID})

#: The clock of the other system may be a little ahead of ours.
NO_TIME = timedelta(0)


class Kind(StrEnum):
    """What does not agree. The receiver is where documents go, the source where they come from.

    DUPLICATE: the receiver holds it more than once. MISSING: delivered says the ledger, the
    receiver does not hold it. NOT_IN_LEDGER: the other way round. AMOUNTS: sums, currencies or
    legal entities differ. HALF: the receiver holds it by half. UNCONFIRMED: delivered, and the
    source does not know. UNFOUNDED: confirmed at the source, and nowhere else. CONTRADICTED:
    rejected at the source, and the receiver holds it. UNEXPLAINED: rejected, and the source has no
    reason. WAITING: nothing became of it for too long. PAID: what was paid differs. IN_DOUBT, STUCK
    and OPEN: it has no outcome yet.
    """

    DUPLICATE = "duplicate"
    MISSING = "missing"
    NOT_IN_LEDGER = "not_in_ledger"
    AMOUNTS = "amounts"
    HALF = "half"
    UNCONFIRMED = "unconfirmed"
    UNFOUNDED = "unfounded"
    CONTRADICTED = "contradicted"
    UNEXPLAINED = "unexplained"
    WAITING = "waiting"
    PAID = "paid"
    IN_DOUBT = "in_doubt"
    STUCK = "stuck"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree; `words` say what, and what to do."""

    kind: Kind
    document_id: str
    legal_entity: str
    number: str
    words: str

    def __str__(self) -> str:
        name = f"invoice {self.number}" if self.number else f"document {self.document_id}"
        place = f"{self.legal_entity} " if self.legal_entity else ""
        shown = f" ({self.document_id})" if self.number and self.document_id else ""
        return f"{place}{name}{shown}: {self.words}"


@dataclass(slots=True)
class Case:
    """All that is said of one document."""

    document_id: str
    ledger: LedgerRow | None = None
    told: Told | None = None
    source: Booking | None = None
    receiver: list[Booking] = field(default_factory=list)

    @property
    def best(self) -> Booking | None:
        """The receiver's invoice: the posted one, where there are several."""
        posted = [booking for booking in self.receiver if booking.state is State.POSTED]
        return next(iter(posted or self.receiver), None)

    @property
    def legal_entity(self) -> str:
        """Where it belongs, by whoever knows."""
        said = (self.best, self.source, self.ledger)
        return next((s.legal_entity for s in said if s and s.legal_entity), "")

    @property
    def number(self) -> str:
        """The vendor's number, by whoever knows."""
        said = (self.source, self.ledger, self.best)
        return next((s.number for s in said if s and s.number), "")

    @property
    def currency(self) -> str:
        """Its currency, by whoever knows."""
        said = (self.source, self.best, self.ledger)
        return next((s.currency for s in said if s and s.currency), "")

    @property
    def day(self) -> date | None:
        """The date of the vendor's document, else the day of its outcome."""
        said = (self.source, self.best, self.ledger)
        own = next((s.day for s in said if s and s.day), None)
        return own or (self.ledger.settled if self.ledger else None)

    @property
    def is_delivered(self) -> bool:
        """Whether the ledger has it as delivered."""
        return self.ledger is not None and self.ledger.is_held

    @property
    def is_ours(self) -> bool:
        """Whether we had to do with it: the ledger knows it, or a system says so, or it waits.

        What was transferred or refused in another way, as before we came, is none of ours.
        """
        if self.ledger or self.told or self.receiver:
            return True
        source = self.source
        if source is None or source.state is State.OTHER:
            return False
        return source.state is State.WAITING or bool(source.detail.get("ours"))

    @property
    def is_open(self) -> bool:
        """Whether it has no outcome in the ledger yet."""
        return self.ledger is not None and self.ledger.status.value in UNSETTLED


@dataclass(frozen=True)
class Judge:
    """Compares; `source` and `receiver` are the names that people have for the systems.

    `patience`: how long a document may wait for its first outcome.
    """

    source: str
    receiver: str
    patience: timedelta
    now: datetime

    def differences(self, case: Case) -> Iterator[Difference]:
        """Yield what does not agree about a document; nothing about one that is none of ours."""
        if not case.is_ours:
            return
        for kind, words in self._of(case):
            yield Difference(kind, case.document_id, case.legal_entity, case.number, words)

    def unsettled(self, row: Unsettled) -> Difference:
        """Return the difference that a row without an outcome is."""
        because = f": {row.reason}" if row.reason else ""
        if row.status.value == "stuck":
            kind = Kind.STUCK
            words = f"its answer was lost too often, it is not sent any more{because}; replay it"
        elif row.status is Status.ACCEPTED:
            kind = Kind.OPEN
            words = f"taken, and not confirmed yet{because}; the next run asks again"
        else:
            kind = Kind.IN_DOUBT
            words = f"sent, perhaps{because}; the next run reads it back"
        label = f"{row.stream} {row.label}: {words}"
        return Difference(kind, row.document_id or row.key, row.legal_entity, "", label)

    def _of(self, case: Case) -> Iterator[tuple[Kind, str]]:
        if case.receiver:
            yield from self._held(case)
        else:
            yield from self._not_held(case)
        if case.source is not None:
            if case.source.state is State.FAILED and not case.source.reason.strip():
                yield Kind.UNEXPLAINED, f"{self.source} shows it as failed and no reason"
            yield from self._paid(case)

    def _held(self, case: Case) -> Iterator[tuple[Kind, str]]:
        held = " and ".join(_place(booking) for booking in case.receiver)
        if len(case.receiver) > 1:
            yield (
                Kind.DUPLICATE,
                f"{self.receiver} holds it {len(case.receiver)} times: {held}; keep one of them",
            )
        for booking in case.receiver:
            if not booking.whole:
                said = booking.detail.get("half") or "its lines do not come to its total"
                yield Kind.HALF, f"{_place(booking)} is not whole in {self.receiver}: {said}"
        if case.is_open:
            return  # which is said of it already
        if not case.is_delivered:
            yield from self._unrecorded(case, held)
        yield from self._amounts(case)
        yield from self._confirmation(case, held)

    def _unrecorded(self, case: Case, held: str) -> Iterator[tuple[Kind, str]]:
        row = case.ledger
        if row is None:
            words = "the ledger does not know it; singer-delivery rebuild enters it"
        elif row.status is Status.REJECTED and not (
            case.source and case.source.state is State.FAILED
        ):
            words = f"the ledger has it as rejected ({row.reason})"
        elif row.status is Status.NOT_SENT:
            words = "the ledger has it as not sent; the next run finds it there"
        else:
            return
        yield Kind.NOT_IN_LEDGER, f"{self.receiver} holds it as {held}, and {words}"

    def _amounts(self, case: Case) -> Iterator[tuple[Kind, str]]:
        source = case.source
        if source is not None and source.state is State.WAITING:
            source = None  # it may have been changed since, and the next run delivers that
        row = case.ledger if case.is_delivered else None
        for booking in case.receiver:
            for what, said in _compared(booking, source, row):
                names = {self.receiver: said[0], self.source: said[1], "the ledger": said[2]}
                shown = ", ".join(
                    f"{value} in {name}" for name, value in names.items() if value is not None
                )
                yield Kind.AMOUNTS, f"its {what} is {shown}"

    def _confirmation(self, case: Case, held: str) -> Iterator[tuple[Kind, str]]:
        source = case.source
        if source is None:
            if case.told is None or not case.told.success:
                yield (
                    Kind.UNCONFIRMED,
                    f"delivered as {held}, and {self.source} does not list it, nor was it told",
                )
            return
        if source.state is State.FAILED:
            yield (
                Kind.CONTRADICTED,
                f"{self.source} shows it as failed ({source.reason or 'without a reason'}), and "
                f"{self.receiver} holds it as {held}",
            )
        elif source.state not in CONFIRMED:
            status = source.detail.get("status") or source.state.value
            again = " again" if case.told and case.told.success else ""
            yield (
                Kind.UNCONFIRMED,
                f"delivered as {held}, and {status}{again} in {self.source}; the next run of the "
                "invoices tells it",
            )

    def _not_held(self, case: Case) -> Iterator[tuple[Kind, str]]:
        source, row = case.source, case.ledger
        if case.is_delivered and row is not None:
            place = row.references[0] if row.references else "(no reference)"
            shown = f" and {source.state.value} in {self.source}" if source else ""
            yield (
                Kind.MISSING,
                f"delivered as {place} says the ledger{shown}, and {self.receiver} does not hold "
                f"it: deleted there? Transfer it again from {self.source}",
            )
        elif source is None:
            return
        elif source.state in CONFIRMED:
            place = f" as {source.reference}" if source.reference else ""
            yield (
                Kind.UNFOUNDED,
                f"{self.source} has it as transferred{place}, and {self.receiver} does not hold it",
            )
        elif source.state is State.WAITING:
            yield from self._waiting(case, source)

    def _waiting(self, case: Case, source: Booking) -> Iterator[tuple[Kind, str]]:
        row, told = case.ledger, case.told
        rejected = row is not None and row.status is Status.REJECTED
        if row and rejected and (told is None or told.sequence < row.sequence):
            yield (
                Kind.UNEXPLAINED,
                f"rejected ({row.reason}), and {self.source} was not told; the next run of the "
                "invoices does",
            )
            return
        updated = source.detail.get("updated")
        if isinstance(updated, datetime) and max(self.now - updated, NO_TIME) >= self.patience:
            status = source.detail.get("status") or source.state.value
            yield (
                Kind.WAITING,
                f"{status} in {self.source} since {updated:%Y-%m-%d %H:%M} UTC, and not delivered",
            )

    def _paid(self, case: Case) -> Iterator[tuple[Kind, str]]:
        source, held = case.source, case.best
        if source is None or held is None or held.paid_total is None:
            return
        shown = source.paid_total or ZERO
        if shown == held.paid_total:
            return
        told = f"shows {plain(shown)}" if source.paid_total is not None else "shows no payment"
        yield (
            Kind.PAID,
            f"{plain(held.paid_total)} {held.currency} were paid in {self.receiver}, and "
            f"{self.source} {told}; the next run of the payments tells it",
        )


def _compared(
    booking: Booking, source: Booking | None, row: LedgerRow | None
) -> Iterator[tuple[str, tuple[str | None, str | None, str | None]]]:
    """Yield what differs, with what receiver, source and ledger say; None where nothing is said."""
    sides = (booking, source, row)
    amounts = [side.gross if side else None for side in sides]
    if len({value for value in amounts if value is not None}) > 1:
        shown = [None if value is None else plain(value) for value in amounts]
        yield "gross amount", (shown[0], shown[1], shown[2])
    for what, values in (
        ("currency", [side.currency if side else None for side in sides]),
        ("legal entity", [side.legal_entity if side else None for side in sides]),
    ):
        if len({value.casefold() for value in values if value}) > 1:
            yield what, (values[0] or None, values[1] or None, values[2] or None)


def _place(booking: Booking) -> str:
    named = "voucher" if booking.state is State.POSTED else "pending"
    foreign = "" if booking.document_id else " (entered in another way)"
    return f"{named} {booking.reference or booking.number}{foreign}"


def plain(value: Decimal) -> str:
    """Return an amount in digits, with at least two of them after the point where it has any."""
    if value == value.to_integral_value():
        return f"{value:.0f}"
    digits = -int(value.normalize().as_tuple().exponent)
    return f"{value:.{max(2, digits)}f}"
