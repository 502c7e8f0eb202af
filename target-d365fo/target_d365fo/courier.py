"""Delivering vendor invoices to Dynamics: whole or not at all, and none of them twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from singer_delivery.consigning import ConsigningCourier, Consignment
from singer_delivery.courier import Sent
from singer_delivery.dispatch import Dispatch
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import BadInput, Rejected, SetupError
from tap_d365fo.client import D365Client
from tap_d365fo.dimensions import DimensionFormats
from tap_d365fo.natural_key import natural_key_text

from target_d365fo.compare import yes_no
from target_d365fo.content_mark import ContentMark
from target_d365fo.executions import Executions
from target_d365fo.halves import whole_header
from target_d365fo.held import CONTENT, Held, as_sent, pending_whole
from target_d365fo.imported import ImportedInvoices
from target_d365fo.invoice import VendorInvoice
from target_d365fo.judgement import Case, Plan, is_own, judge
from target_d365fo.lookup import Found, InvoiceKey, InvoiceLookup
from target_d365fo.packaging import Package, Packager
from target_d365fo.payload import (
    InvoiceRows,
    header_reference,
    invoice_rows,
    same_content,
)
from target_d365fo.sending import LOOKS, PAUSE, Sender, finish_half, remove_half
from target_d365fo.versions import is_earlier

Record = Mapping[str, Any]


@dataclass(frozen=True)
class InvoiceSource:
    """How the records of one stream become invoices.

    `read` raises Rejected; `key_field` holds the document's id; `facts` returns what is known of
    a record even when it cannot be read (for the answer to its source), and never raises.
    """

    key_field: str
    read: Callable[[Record], VendorInvoice]
    facts: Callable[[Record], dict[str, Any]]
    version_field: str = "version"


@dataclass(frozen=True)
class InvoiceRules:
    """Settings of the delivery. With `derived_reference` the target numbers the headers itself."""

    derived_reference: bool = True
    reference_prefix: str = "BW"
    replace_pending: bool = True
    credit_correction: bool = False
    posted_description_lookup: bool = True


class InvoiceCourier(ConsigningCourier):
    """Pending vendor invoices; the ledger's stream is the same whatever stream they come from.

    With `packager`, many of them can go together in a data package. Without `executions`, none
    ever did.
    """

    stream = "vendor_invoices"
    claim = "data packages of vendor invoices"

    def __init__(
        self,
        client: D365Client,
        source: InvoiceSource,
        formats: Callable[[], DimensionFormats],
        lookup: InvoiceLookup,
        rules: InvoiceRules,
        *,
        sleep: Callable[[float], None] = time.sleep,
        packager: Packager | None = None,
        executions: Executions | None = None,
    ) -> None:
        """`formats` may ask Dynamics: it is called when the first invoice is prepared."""
        self._client = client
        self._source = source
        self._load_formats = formats
        self._lookup = lookup
        self._rules = rules
        self._sleep = sleep
        self._sender = Sender(
            client, lookup, derived_reference=rules.derived_reference, sleep=sleep
        )
        self._packager = packager
        self._executions = executions
        marked = packager is None or packager.rules.on_hold
        self._imported = ImportedInvoices(client, self._held, marked=marked)
        # A derived reference finds all that was made of a document, without reading descriptions.
        self._described = not rules.derived_reference

    @cached_property
    def _formats(self) -> DimensionFormats:
        return self._load_formats()

    def prepare(self, record: Record) -> Document:
        """Turn a record into an invoice; raises Rejected."""
        if not self._id(record):
            msg = "it has no id"
            raise Rejected(msg)
        # First: what it says of the settings counts before what is wrong with an invoice.
        formats = self._formats
        invoice = self._source.read(record)
        rows = invoice_rows(invoice, formats, credit_correction=self._rules.credit_correction)
        reference = ""
        if self._rules.derived_reference:
            reference = header_reference(invoice.document_id, self._rules.reference_prefix)
        key = _key(invoice, rows)
        return Document(
            key=invoice.document_id,
            payload=rows,
            fingerprint=fingerprint([rows.header, rows.lines]),
            natural_key=natural_key_text(key.natural),
            version=invoice.version,
            remote_key=reference,
            label=f"{invoice} in {invoice.legal_entity} ({invoice.document_id})",
            detail={
                "legal_entity": invoice.legal_entity,
                "vendor": invoice.vendor_account,
                "invoice_number": invoice.invoice_number,
                "currency": invoice.currency,
                "gross": str(invoice.gross_amount),
                "invoice_date": invoice.invoice_date.isoformat(),
                "payment_block": rows.header["IsOnHold"] == yes_no(True),
                "header_reference": reference,
                "description": key.description,
                CONTENT: ContentMark.of(rows).dump(),
            },
        )

    def identify(self, record: Record) -> Document:
        """Return what can be told of a record that is no invoice; raises BadInput without id."""
        key = self._id(record)
        if not key:
            msg = (
                f"a record without {self._source.key_field} cannot be delivered or answered: "
                "the source must give it one"
            )
            raise BadInput(msg)
        facts = self._source.facts(record)
        number, entity = facts.get("invoice_number"), facts.get("legal_entity")
        label = f"invoice {number or '(no number)'} in {entity or '(no legal entity)'} ({key})"
        return Document(
            key=key,
            payload=None,
            fingerprint=fingerprint(record),
            version=str(record.get(self._source.version_field) or ""),
            label=label,
            detail=facts,
        )

    def _id(self, record: Record) -> str:
        value = record.get(self._source.key_field)
        return str(value).strip() if isinstance(value, str | int) else ""

    def is_older(self, one: Document, other: Document | Entry) -> bool:
        """Tell whether one is an earlier version of the other."""
        return is_earlier(one.version, other.version)

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Plan]:
        """Read what Dynamics holds of the batch, and judge each document by it."""
        keys = {d.key: InvoiceKey.of(d, _own_entry(d, known.get(d.key))) for d in batch}
        found = self._lookup.find(list(keys.values()), described=self._described)
        cases = [_case(d, keys[d.key], found[d.key], known.get(d.key)) for d in batch]
        cases = self._with_renumbered(cases)
        cases = self._with_comparison(cases, {d.key: d.payload for d in batch})
        return {
            case.key.document_id: judge(
                case,
                replace_pending=self._rules.replace_pending,
                reads_posted=self._lookup.reads_posted,
            )
            for case in cases
        }

    def _with_renumbered(self, cases: Sequence[Case]) -> list[Case]:
        """Look again, by description, for documents that are found nowhere else.

        In Dynamics, a clerk may correct the invoice number before posting, and the ledger, which
        knows what arrived once, may be lost.
        """
        everything = self._rules.posted_description_lookup
        gone = [
            case.key
            for case in cases
            if (everything or case.may_have_arrived) and not (case.own_pending or case.own_posted)
        ]
        posted = self._lookup.posted_by_description(gone)
        return [
            replace(case, found=Found(case.found.pending, (*case.found.posted, *more)))
            if (more := posted.get(case.key.document_id))
            else case
            for case in cases
        ]

    def _with_comparison(
        self, cases: Sequence[Case], payloads: Mapping[str, InvoiceRows]
    ) -> list[Case]:
        """Read the lines of those pending invoices whose content is not known from the ledger."""
        unsure = [
            (case, pending)
            for case in cases
            if not case.same_as_delivered
            for pending in case.own_pending
        ]
        lines = self._lookup.lines([pending for _, pending in unsure])
        equal = {
            pending.identity
            for case, pending in unsure
            if same_content(payloads[case.key.document_id], pending.row, lines[pending.identity])
        }
        return [replace(case, equal=frozenset(equal)) for case in cases]

    def send(self, document: Document, plan: Plan) -> Outcome:
        """Create the invoice as planned; see `Sender`."""
        return self._sender.send(document, plan)

    def send_together(self, pairs: Sequence[tuple[Document, Plan]]) -> list[Sent]:
        """Create several invoices with one request, a changeset each; see `Sender`."""
        return self._sender.send_together(pairs)

    def weight(self, document: Document, plan: Plan) -> int:
        """Return how many operations the invoice takes."""
        rows: InvoiceRows = document.payload
        return len(plan.replaces) + 1 + len(rows.lines)

    def dispatch(self, document: Document, plan: Plan | None = None) -> Dispatch:
        """Return what `send` would put on the wire, or a package would have of it."""
        planned = plan or Plan()
        packed = self._packager.dispatch(document, planned) if self._packager else None
        return packed or self._sender.dispatch(document, planned)

    def part_of(self, document: Document, plan: Plan) -> str | None:
        """Return the legal entity that it goes into with others; None where it goes by itself."""
        return self._packager.part_of(document, plan) if self._packager else None

    def is_full(self, documents: int, weight: int) -> bool:
        """Tell whether so many invoices, of so many rows, are to leave."""
        return self._packager is not None and self._packager.is_full(documents, weight)

    def packed(self, consignment: Consignment) -> AbstractContextManager[Package]:
        """Give the consignment as a data package that Dynamics can read."""
        return self._packing.packed(consignment)

    def begin(self, consignment: Consignment, packed: Package) -> None:
        """Have Dynamics begin to import it; see `Packager`."""
        self._packing.begin(consignment, packed)

    @property
    def _packing(self) -> Packager:
        if self._packager is None:
            msg = "invoices go into data packages only with load_method: package"
            raise SetupError(msg)
        return self._packager

    def under_way(self, entry: Entry) -> Outcome | None:
        """Return that Dynamics may still be importing a document."""
        return self._executions.under_way(entry) if self._executions else None

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return the invoices that Dynamics holds whole; finish or remove halves.

        Those that went with an import are looked at when that is over: it is waited for.
        """
        if self._executions is None:
            return self._read_back(entries)
        waiting = self._executions.wait_for(entries)
        over = [entry for entry in entries if entry.key not in waiting]
        consigned = [entry for entry in over if self._executions.is_over(entry)]
        keys = {entry.key for entry in consigned}
        outcomes = {**waiting, **self._read_back([e for e in over if e.key not in keys])}
        outcomes |= self._imported.settled(consigned, self._executions)
        if self._packager:
            # Of these nobody knows what is wrong with them: sent by itself, each is told.
            self._packager.singly |= keys - outcomes.keys()
        return outcomes

    def _read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return those that Dynamics holds whole; finish or remove halves.

        A pending invoice counts when it has exactly the content that was sent: an earlier version
        that was to be replaced does not. Halves, which only the sequential mode leaves behind, are
        watched first: another run may be writing one, and may go on with it. All is read before
        anything is changed. Raises ApiError; asked again, it goes on where it was.
        """
        held = self._held([entry for entry in entries if CONTENT in entry.detail])
        for _ in range(LOOKS):
            writing = [found for found in held.values() if found.halves]
            if not writing:
                break
            self._sleep(PAUSE)
            seen = self._held([found.entry for found in writing])
            moving = any(seen[found.entry.key].state != found.state for found in writing)
            held |= seen
            if not moving:
                break
        outcomes = {key: self._settled(found) for key, found in held.items()}
        return {key: outcome for key, outcome in outcomes.items() if outcome}

    def _held(self, entries: Sequence[Entry]) -> dict[str, Held]:
        """Read what Dynamics holds of these documents, by key."""
        keys = {entry.key: InvoiceKey.of(entry) for entry in entries}
        found = self._lookup.find(list(keys.values()), described=self._described)
        own = {
            entry.key: [p for p in found[entry.key].pending if is_own(p, keys[entry.key])]
            for entry in entries
        }
        lines = self._lookup.lines([pending for group in own.values() for pending in group])
        held = {}
        for entry in entries:
            outcome = _posted_whole(_case(entry, keys[entry.key], found[entry.key]))
            halves, others = [], []
            for pending in own[entry.key]:
                if pending.is_unfinished(entry.key):
                    halves.append((pending, lines[pending.identity]))
                elif as_sent(entry, pending, lines[pending.identity]):
                    outcome = outcome or pending_whole(pending)
                else:
                    others.append((pending, lines[pending.identity]))
            held[entry.key] = Held(entry, outcome, tuple(others), tuple(halves))
        return held

    def _settled(self, found: Held) -> Outcome | None:
        """Finish one half that lacks nothing, where there is no whole invoice; remove others."""
        outcome = found.outcome
        for pending, lines in found.halves:
            if outcome is None and not found.others and as_sent(found.entry, pending, lines):
                finish_half(self._client, pending, whole_header(found.entry.detail))
                outcome = pending_whole(pending)
            else:
                remove_half(self._client, pending, found.entry.key)
        return outcome


def _key(invoice: VendorInvoice, rows: InvoiceRows) -> InvoiceKey:
    return InvoiceKey(
        document_id=invoice.document_id,
        legal_entity=invoice.legal_entity,
        vendor=invoice.vendor_account,
        number=invoice.invoice_number,
        description=str(rows.header.get("InvoiceDescription", "")),
    )


def _own_entry(subject: Document | Entry, known: Entry | None) -> Entry | None:
    """Return the ledger's entry of a document, unless it is another's with the same number."""
    return known if known and known.key == subject.key else None


def _case(
    subject: Document | Entry, key: InvoiceKey, found: Found, known: Entry | None = None
) -> Case:
    """Lay a document on the table, or what the ledger has of one; `known` as `survey` gets it."""
    own = _own_entry(subject, known)
    return Case(
        key=key,
        fingerprint=subject.fingerprint,
        gross=Decimal(subject.detail["gross"]),
        currency=str(subject.detail["currency"]),
        found=found,
        entry=own,
        ledger_twin=known if known and not own else None,
    )


def _posted_whole(case: Case) -> Outcome | None:
    for posted in case.own_posted:
        if case.agrees(posted):
            detail = {"voucher": posted.voucher}
            natural = natural_key_text(posted.natural)
            return Outcome(
                Status.DELIVERED, remote_key=posted.voucher, detail=detail, natural_key=natural
            )
    return None
