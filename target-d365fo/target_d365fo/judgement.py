"""What one invoice needs, given what Dynamics and the ledger know of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from singer_delivery.document import HELD, Entry, Holding, Outcome, Status
from tap_d365fo.natural_key import natural_key_text

from target_d365fo.lookup import DRAFT, Found, InvoiceKey, Pending, Posted, names, names_another
from target_d365fo.payload import is_derived


@dataclass(frozen=True)
class Plan:
    """Create the invoice, and first delete these earlier versions of it.

    A half is none of them: where there is one, it is settled by reading back, then judged again.
    """

    replaces: tuple[Pending, ...] = ()


@dataclass(frozen=True)
class Case:
    """One document on the table. `entry` is the ledger's own entry of it, if there is one.

    `ledger_twin` is another document that the ledger holds under the same invoice number;
    `equal` tells whether a pending invoice has the content that we would send.
    """

    key: InvoiceKey
    fingerprint: str
    gross: Decimal
    currency: str
    found: Found
    entry: Entry | None = None
    ledger_twin: Entry | None = None
    equal: frozenset[tuple[str, ...]] = frozenset()

    @property
    def delivered_before(self) -> bool:
        """Whether the ledger knows that the document arrived."""
        return self.entry is not None and self.entry.status in HELD

    @property
    def may_have_arrived(self) -> bool:
        """Whether any version of it did, or may have, whatever became of later ones."""
        return self.entry is not None and self.entry.held > Holding.NEVER

    @property
    def same_as_delivered(self) -> bool:
        """Whether exactly this content arrived, and no other one after it."""
        return bool(
            self.entry and self.delivered_before and self.entry.fingerprint == self.fingerprint
        )

    @property
    def own_pending(self) -> tuple[Pending, ...]:
        """Pending invoices made of this document."""
        return tuple(p for p in self.found.pending if is_own(p, self.key))

    @property
    def own_whole(self) -> tuple[Pending, ...]:
        """Those of them that are no halves."""
        return tuple(p for p in self.own_pending if not p.is_unfinished(self.key.document_id))

    @property
    def halves(self) -> tuple[Pending, ...]:
        """The halves among them that no workflow has got hold of."""
        halves = (p for p in self.own_pending if p.is_unfinished(self.key.document_id))
        return tuple(p for p in halves if p.status == DRAFT)

    @property
    def own_posted(self) -> tuple[Posted, ...]:
        """Posted invoices made of this document."""
        return tuple(p for p in self.found.posted if self._is_own_posted(p))

    @property
    def dubious(self) -> tuple[Pending, ...]:
        """Pending invoices of which nothing tells whether they were made of this document.

        They are under a reference that Dynamics gave to it, with another invoice number and a
        description that names no document: edited, or other invoices under a freed number.
        """
        return tuple(
            p
            for p in self.found.pending
            if self.key.has_reference(p)
            and p.natural[0] == self.key.natural[0]
            and not is_own(p, self.key)
            and not names_another(p.description, self.key)
        )

    def agrees(self, posted: Posted) -> bool:
        """Tell whether a posted invoice is this one but for its number, which may be corrected."""
        same = posted.natural[:2] == self.key.natural[:2]
        return same and posted.amounts_to(self.gross, self.currency)

    def _is_own_posted(self, posted: Posted) -> bool:
        """Descriptions can be edited in Dynamics; then the ledger's word counts."""
        if names(posted.description, self.key.document_id):
            return True
        if names_another(posted.description, self.key):
            return False
        known = self.entry and self.entry.detail.get("voucher") == posted.voucher
        return bool(known or self.delivered_before) and posted.natural in self.key.naturals


def is_own(pending: Pending, key: InvoiceKey) -> bool:
    """Tell whether a pending invoice was made of this document.

    A reference that Dynamics gave is evidence only together with the invoice's number: other legal
    entities count by themselves, and a freed number may be given to another invoice.
    """
    if names(pending.description, key.document_id) or pending.is_unfinished(key.document_id):
        return True
    if not key.has_reference(pending):
        return False
    if is_derived(pending.reference, key.document_id):
        return True
    return pending.natural in key.naturals and not names_another(pending.description, key)


def judge(case: Case, *, replace_pending: bool, reads_posted: bool) -> Outcome | Plan:
    """Return what the document needs: nothing, a rejection, or a plan to send it.

    A rejection leaves an earlier version as it is, and so is known by that one's natural key.
    """
    judged = _judged(case, replace_pending=replace_pending, reads_posted=reads_posted)
    if isinstance(judged, Outcome) and judged.status is Status.REJECTED and case.own_pending:
        return replace(judged, natural_key=natural_key_text(case.own_pending[0].natural))
    return judged


def _judged(case: Case, *, replace_pending: bool, reads_posted: bool) -> Outcome | Plan:
    if case.halves:
        return Plan(case.halves)
    held = _held(case)
    if held:
        return held
    twin = _twin(case)
    if twin:
        return _rejected(twin)
    if case.own_pending:
        return _replace(case, replace_pending)
    if case.dubious:
        return _rejected(_dubious(case.dubious[0], case.key))
    return Plan() if reads_posted else _by_ledger_alone(case)


def _held(case: Case) -> Outcome | None:
    """Judge a document that Dynamics holds as it is, or has posted."""
    if case.own_posted:
        return _posted_before(case, case.own_posted[0])
    current = [p for p in case.own_whole if case.same_as_delivered or p.identity in case.equal]
    return _unchanged(current[0]) if current else None


def _posted_before(case: Case, posted: Posted) -> Outcome:
    # Its number may have been corrected on either side: payments come under Dynamics' one.
    found = Outcome(
        Status.UNCHANGED,
        remote_key=posted.voucher,
        detail={"voucher": posted.voucher},
        natural_key=natural_key_text(posted.natural),
    )
    if case.same_as_delivered or case.agrees(posted):
        return found
    reason = (
        f"already posted as voucher {posted.voucher} with other contents; correct it in Dynamics, "
        "or credit it there and transfer a new invoice"
    )
    return replace(found, status=Status.REJECTED, reason=reason, remote_key="")


def _unchanged(pending: Pending) -> Outcome:
    detail = {"header_reference": pending.reference}
    return Outcome(Status.UNCHANGED, remote_key=pending.reference, detail=detail)


def _twin(case: Case) -> str:
    """Return the words for another invoice with the same number of the same vendor."""
    key = case.key
    invoice = f"invoice {key.number} of vendor {key.vendor}"
    own_posted, own_pending = case.own_posted, case.own_pending
    for posted in case.found.posted:
        if posted not in own_posted and posted.natural == key.natural:
            return f"{invoice} is already posted as {posted}: it is a duplicate; reject one of them"
    for pending in case.found.pending:
        if pending not in own_pending and pending.natural == key.natural:
            return f"{invoice} is already there as {pending}: it is a duplicate; reject one of them"
    return ""


def _dubious(pending: Pending, key: InvoiceKey) -> str:
    vendor, number = pending.row["InvoiceAccount"], pending.row["InvoiceNumber"]
    return (
        f"{pending} has the reference under which this invoice was delivered, but is invoice "
        f"{number} of vendor {vendor}; if it is this one, put {key.document_id} into its "
        "description or delete it, else post it or delete it, then transfer the invoice again"
    )


def _replace(case: Case, replace_pending: bool) -> Outcome | Plan:
    started = [p for p in case.own_pending if p.status != DRAFT]
    if started:
        return _rejected(
            f"an earlier version is pending as {started[0].reference} with workflow status "
            f"{started[0].status}; recall it in Dynamics, or delete it there, then transfer the "
            "invoice again"
        )
    if not replace_pending:
        return _rejected(
            f"an earlier version is pending as {case.own_pending[0].reference} and replacing is "
            "switched off; delete it in Dynamics, then transfer the invoice again"
        )
    return Plan(case.own_pending)


def _by_ledger_alone(case: Case) -> Outcome | Plan:
    """Judge a document that is not pending, where posted invoices cannot be read."""
    if case.same_as_delivered and case.entry:
        return Outcome(Status.UNCHANGED, remote_key=case.entry.remote_key)
    if case.delivered_before:
        return _rejected(
            "delivered before with other contents and no longer pending, so probably posted; "
            "correct it in Dynamics, or credit it there"
        )
    if case.ledger_twin:
        return _rejected(
            f"invoice {case.key.number} of vendor {case.key.vendor} was already delivered as "
            f"document {case.ledger_twin.key}: it is a duplicate; reject one of them"
        )
    return Plan()


def _rejected(reason: str, detail: Mapping[str, Any] | None = None) -> Outcome:
    return Outcome(Status.REJECTED, reason, detail=detail or {})
