"""The invoices of a report, out of what ledger and systems say of each; made when asked for."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from singer_delivery.differences import Case
from singer_delivery.document import Status
from singer_delivery.live import Booking, State
from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import mask_ibans
from singer_delivery.report.chronicle import Chronicle, Paid
from singer_delivery.report.model import (
    IN_DYNAMICS,
    Event,
    Invoice,
    InvoiceBook,
    Moments,
    Standing,
)

STANDINGS: Mapping[Status, Standing] = {
    Status.INTENDED: Standing.IN_DOUBT,
    Status.IN_DOUBT: Standing.IN_DOUBT,
    Status.ACCEPTED: Standing.IN_DOUBT,
    Status.STUCK: Standing.STUCK,
    Status.REJECTED: Standing.REJECTED,
    Status.NOT_SENT: Standing.NOT_SENT,
    Status.SKIPPED: Standing.ELSEWHERE,
    Status.DELIVERED: Standing.DELIVERED,
    Status.UNCHANGED: Standing.DELIVERED,
}
OPEN = frozenset({Standing.IN_DOUBT, Standing.STUCK, Standing.NOT_SENT})


@dataclass
class KnownInvoices(InvoiceBook):
    """The invoices of a report, out of what was read of them."""

    cases: Sequence[Case]
    moments: Mapping[str, Moments]
    needs: Mapping[str, Sequence[str]]
    chronicle: Chronicle
    payments: Mapping[str, Paid]

    def __len__(self) -> int:
        return len(self.cases)

    def __iter__(self) -> Iterator[Invoice]:
        return map(self._invoice, sorted(self.cases, key=self._urgency))

    def unordered(self) -> Iterator[Invoice]:
        """Yield all of them, as they come."""
        return map(self._invoice, self.cases)

    def known(self) -> Iterator[Moments]:
        """Yield when what happened to each that got into Dynamics."""
        for case in self.cases:
            if standing_of(case) in IN_DYNAMICS:
                yield self._moments(case)

    def first(self, count: int) -> list[Invoice]:
        """Return the first so many."""
        return list(map(self._invoice, heapq.nsmallest(count, self.cases, key=self._urgency)))

    def stories(self, invoices: Sequence[Invoice]) -> Mapping[str, list[Event]]:
        """Return what happened to some of them, by key. Raises LedgerError."""
        return self.chronicle.stories(
            {each.key: self.payments.get(each.key, Paid()).keys for each in invoices}
        )

    def _urgency(self, case: Case) -> tuple[int, int, str]:
        standing = standing_of(case)
        rank = 0 if case.document_id in self.needs else 2
        if rank and standing in {Standing.REJECTED, *OPEN}:
            rank = 1
        settled = case.ledger.settled if case.ledger else None
        day = settled or case.day
        return rank, -(day.toordinal() if day else 0), case.document_id

    def _moments(self, case: Case) -> Moments:
        known = self.moments.get(case.document_id, Moments())
        posted = case.best.detail.get("posted_on") if case.best else None
        first = self.payments.get(case.document_id, Paid()).first
        return known._replace(posted=posted if isinstance(posted, date) else None, paid=first)

    def _invoice(self, case: Case) -> Invoice:
        row, source, best = case.ledger, case.source, case.best
        sides = [side for side in (best, source, row) if side is not None]
        reason = row.reason if row and row.reason else source.reason if source else ""
        return Invoice(
            key=case.document_id,
            number=case.number,
            vendor=next((side.vendor for side in sides if side.vendor), ""),
            entity=case.legal_entity,
            currency=case.currency,
            gross=next((side.gross for side in sides if side.gross is not None), None),
            day=next((side.day for side in sides if side.day), None),
            settled=row.settled if row else None,
            standing=standing_of(case),
            reference=_reference(case),
            reason=mask_ibans(plain(reason)),
            needs=tuple(dict.fromkeys(self.needs.get(case.document_id, ()))),
            moments=self._moments(case),
        )


def _reference(case: Case) -> str:
    if case.best is not None:
        return case.best.reference
    references = case.ledger.references if case.ledger else ()
    return references[0] if references and case.is_delivered else ""


def standing_of(case: Case) -> Standing:
    """Return where a document stands, by whoever knows best."""
    row = case.ledger
    ledger = STANDINGS[row.status] if row else None
    if ledger in {Standing.IN_DOUBT, Standing.STUCK}:
        return ledger
    if case.best is not None:
        return _in_dynamics(case.best, case.source)
    if ledger is not None:
        return ledger
    state = case.source.state if case.source else State.OTHER
    return {State.WAITING: Standing.WAITING, State.FAILED: Standing.REJECTED}.get(
        state, Standing.ELSEWHERE
    )


def _in_dynamics(held: Booking, source: Booking | None) -> Standing:
    if held.state is not State.POSTED:
        return Standing.PENDING
    if not held.paid_total:
        paid = source is not None and source.state is State.PAID
        return Standing.PAID if paid and held.paid_total is None else Standing.POSTED
    return Standing.PAID if abs(held.paid_total) >= abs(held.gross) else Standing.PART_PAID
