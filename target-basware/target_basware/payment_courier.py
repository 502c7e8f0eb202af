"""Delivers payment responses: each settlement once and in order, whatever gets lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from ap_mapping import Mapping as ApMapping
from singer_delivery.courier import Courier
from singer_delivery.document import (
    HINDRANCE,
    TAKEN,
    Document,
    Entry,
    Outcome,
    Status,
    fingerprint,
)
from singer_delivery.errors import BadInput, Refused, Rejected
from tap_basware.client import BaswareClient
from tap_basware.crawl import moment

from target_basware.invoice_finder import Ambiguous, InvoiceFinder, NoInvoice, Sought
from target_basware.invoice_response import (
    AWAITED,
    PERHAPS_THERE,
    confirmed,
    invoice_path,
    responses,
    retold,
    text,
    unknown,
    with_code,
)
from target_basware.payment_record import Payment, derived_code, payment
from target_basware.payment_response import given_response, payment_response, says_the_same
from target_basware.request_status import RequestDesk

LIST = "paymentResponses"
#: Basware keeps so many responses of an invoice (reference 3.1).
KEPT = 100
#: What hinders a payment, besides the processing status of its invoice.
AMBIGUOUS = "ambiguous"
OVERTAKEN = "Basware has a later payment of the invoice already"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Known:
    """What the ledger knows of an invoice: Basware's id of it, and what Basware was told last."""

    document_id: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class PaymentResponseCourier(Courier):
    """Tells Basware what was paid on an invoice; `desk` None leaves the request status alone.

    Records are those of vendor_payments, or Basware-shaped ones with invoiceId. `history` returns,
    by natural key, the ledger's latest entry of an invoice that Basware holds a response from.
    """

    client: BaswareClient
    desk: RequestDesk | None = None
    mapping: ApMapping | None = None
    source_system: str = ""
    find_invoices: bool = True
    history: Callable[[Iterable[str]], Mapping[str, Entry]] = lambda _: {}

    stream = "payment_responses"

    def __post_init__(self) -> None:
        self._finder = InvoiceFinder(self.client, self.mapping, enabled=self.find_invoices)
        # externalCodes of this run: what comes after one of them in order has to be told after it.
        self._posted: set[str] = set()

    def prepare(self, record: Record) -> Document:
        """Turn a settled payment, or a response, into what is to be told. Raises Rejected."""
        if "invoiceId" in record:
            return self._given(record)
        paid = payment(record)
        return replace(
            self.identify(record),
            payload=paid,
            fingerprint=fingerprint(paid.external_code),
            natural_key=paid.invoice_key,
            version=paid.settled_at,
            remote_key=paid.external_code,
            label=str(paid),
            detail=_detail(paid),
        )

    def _given(self, record: Record) -> Document:
        invoice_id, response = given_response(record, source_system=self.source_system)
        document = self.identify(record)
        code = response["externalCode"]
        return replace(
            document,
            key=f"{invoice_id}/{code}",
            payload=response,
            fingerprint=fingerprint(response),
            natural_key=invoice_id,
            remote_key=code,
            detail={"document_id": invoice_id},
        )

    def identify(self, record: Record) -> Document:
        """Return what can be said of a record that is no payment. Raises BadInput."""
        if "invoiceId" in record:
            parts = [text(record, "invoiceId"), text(record, "externalCode")]
            required, label = parts[:1], f"payment response to invoice {parts[0][:36]}"
        else:
            parts = [text(record, "data_area_id").lower(), text(record, "settlement_id")]
            required, label = parts, f"payment {'/'.join(parts)[:60]}"
        if not all(required):
            msg = "has a payment without invoiceId, or without data_area_id and settlement_id"
            raise BadInput(msg)
        return Document(key="/".join(parts), payload=None, fingerprint="", label=label)

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        """Leave out what the ledger has as told already, or as said by a later payment."""
        latest = self.history([document.natural_key for document in batch])
        return {d.key: _decided(d, known.get(d.key), latest.get(d.natural_key)) for d in batch}

    def send(self, document: Document, plan: Known) -> Outcome:
        """Look at the invoice, post one response and find out what Basware made of it."""
        try:
            invoice = self._invoice(document.detail, plan.document_id)
        except NoInvoice as absence:
            return Outcome(Status.SKIPPED, str(absence), detail={"never_there": absence.for_good})
        except Ambiguous as doubt:
            return Outcome(Status.REJECTED, str(doubt), detail={HINDRANCE: AMBIGUOUS})
        outcome = self._tell(document.payload, invoice, plan)
        # An earlier statement than the latest that Basware holds was not told.
        last = outcome.status in TAKEN and outcome.reason != OVERTAKEN
        told = _mark(document.detail, outcome.remote_key) if last else {}
        detail = {**outcome.detail, "document_id": str(invoice["invoiceId"]), **told}
        return replace(outcome, detail=detail)

    def _invoice(self, detail: Record, known_id: str = "") -> Record:
        found = detail.get("document_id") or known_id
        return self._finder.by_id(str(found)) if found else self._finder.find(_sought(detail))

    def _tell(self, payload: Payment | dict[str, Any], invoice: Record, known: Known) -> Outcome:
        """Post the response, where the invoice does not hold it. Raises Rejected and ApiError."""
        if invoice.get("processingStatus") in AWAITED:
            return _awaited(invoice)
        response = self._response(payload, invoice)
        told = responses(invoice, LIST)
        held = with_code(told, response["externalCode"])
        ours = told[-1:] and told[-1].get("externalCode") in {*self._posted, known.told.get("code")}
        if held is not None:
            if held is told[-1] or not (ours or _earlier(told[-1], response)):
                return _already(held, response, payload)
            # An earlier payment was told after this one, as after a loss of the ledger.
            latest = told[-1]["externalCode"]
            response["externalCode"] = derived_code([response["externalCode"], latest])
        elif isinstance(payload, Payment) and told and not ours and _earlier(response, told[-1]):
            # Told by another run, or before the ledger was lost: the ledger knows no order of them.
            return Outcome(Status.UNCHANGED, OVERTAKEN, remote_key=response["externalCode"])
        invoice_id = str(invoice["invoiceId"])
        try:
            return self._post(invoice_id, response)
        except Refused as error:
            if error.status == 404:
                raise Rejected(unknown(invoice_id)) from error
            if error.status in PERHAPS_THERE:
                return self._look(invoice_id, response, payload, error)
            raise

    def _response(self, payload: Payment | dict[str, Any], invoice: Record) -> dict[str, Any]:
        if not isinstance(payload, Payment):
            return dict(payload)
        # Methods of payment belong to the company that pays.
        company = payload.payment_company or payload.legal_entity
        entity = self.mapping.for_legal_entity(company) if self.mapping else None
        return payment_response(payload, invoice, entity, source_system=self.source_system)

    def _post(self, invoice_id: str, response: dict[str, Any]) -> Outcome:
        code = response["externalCode"]
        receipt = self.client.post(f"{invoice_path(invoice_id)}/{LIST}", response)
        self._posted.add(code)
        if self.desk is None or not receipt.request_id:
            return Outcome(Status.DELIVERED, remote_key=code, request_id=receipt.request_id)
        return replace(self.desk.outcome(receipt.request_id, code), remote_key=code)

    def _look(self, invoice_id: str, response: Record, payload: Any, error: Refused) -> Outcome:
        """Judge a refusal by what the invoice holds by now. Raises Rejected."""
        invoice = self._finder.by_id(invoice_id)
        told = responses(invoice, LIST)
        held = with_code(told, response["externalCode"])
        if held is not None:
            return _already(held, response, payload)
        status = invoice.get("processingStatus")
        if status in AWAITED:
            return _awaited(invoice)
        if error.status == 409 and len(told) >= KEPT:
            reason = f"Basware had this response before the latest {KEPT}, which are all it lists"
            return Outcome(Status.UNCHANGED, reason, remote_key=response["externalCode"])
        reason = f"invoice {invoice_id} is {status} in Basware, which does not take its payment: "
        return Outcome(Status.REJECTED, f"{reason}{error}", detail={HINDRANCE: status})

    def unhindered(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return those whose invoice is known by now, or has another status and takes payments."""
        free = []
        for entry in entries:
            try:
                status = self._invoice(entry.detail).get("processingStatus")
            except (Rejected, NoInvoice):
                continue
            if status != entry.detail[HINDRANCE] and status not in AWAITED:
                free.append(entry)
        return free

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return those responses that their invoices hold."""
        held = {}
        for entry in entries:
            try:
                invoice = self._invoice(entry.detail)
            except (Rejected, NoInvoice):
                continue  # offered again, it is looked for again before anything is sent
            if with_code(responses(invoice, LIST), entry.remote_key):
                detail = {
                    "document_id": str(invoice["invoiceId"]),
                    **_mark(entry.detail, entry.remote_key),
                }
                held[entry.key] = Outcome(
                    Status.DELIVERED, remote_key=entry.remote_key, detail=detail
                )
        return held

    def confirm(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return what P2P made by now of responses that it was still processing."""
        return confirmed(self.desk, entries)


def _decided(document: Document, own: Entry | None, latest: Entry | None) -> Outcome | Known:
    """Return what the ledger makes of a document, or what it knows of the invoice."""
    if own is not None and own.key != document.key:
        own, latest = None, latest or own
    entries = [entry for entry in (own, latest) if entry is not None]
    marks = [entry.detail["told"] for entry in entries if entry.detail.get("told")]
    told = max(marks, key=_order, default=None)
    mark = {"told": told} if told else {}
    if own is not None and own.fingerprint == document.fingerprint:
        outcome = retold(own)
        if outcome is not None:
            return replace(outcome, detail={**outcome.detail, **mark})
        if _never_there(document, own):
            return Outcome(Status.SKIPPED, own.reason, detail={"never_there": True})
    if told and _superseded(document.detail, told):
        reason = "a later payment of the invoice was told already"
        return Outcome(Status.UNCHANGED, reason, detail=mark)
    known = (str(entry.detail.get("document_id") or "") for entry in entries)
    return Known(next(filter(None, known), ""), told or {})


def _earlier(response: Record, other: Record) -> bool:
    """Tell whether one response states less of an invoice than another, and no later.

    Only where both say so: a reversal makes the total smaller, and what is settled late may have
    an early date. What cannot be told is told to Basware; the later statement follows it then.
    """
    if response.get("paymentReversalDocument"):
        return False
    day, other_day = (str(each.get("paymentDate") or "")[:10] for each in (response, other))
    if not (day and other_day):
        return False
    total, other_total = (abs(each.get("paidTotal") or 0) for each in (response, other))
    if day == other_day:
        return bool(total < other_total)
    return day < other_day and bool(total <= other_total)


def _never_there(document: Document, own: Entry) -> bool:
    """Tell whether the invoice was looked for in vain, and its id is still not known."""
    looked_for = own.status is Status.SKIPPED and own.detail.get("never_there")
    return bool(looked_for) and not document.detail.get("document_id")


def _superseded(detail: Record, told: Record) -> bool:
    """Tell whether a later statement was made: Basware would go back to this one's totals."""
    settled, latest = moment(detail.get("settled_at")), moment(told.get("settled_at"))
    newer = settled is not None and latest is not None and settled > latest
    return detail.get("position", 0) < told["position"] and not newer


def _order(told: Record) -> tuple[float, int]:
    settled = moment(told.get("settled_at"))
    return (settled.timestamp() if settled else 0.0, told["position"])


def _mark(detail: Record, code: str) -> dict[str, Any]:
    """Return the detail of an outcome by which Basware has this statement as its latest."""
    if "position" not in detail:
        return {}
    return {"told": {"code": code, **{name: detail[name] for name in ("position", "settled_at")}}}


def _detail(paid: Payment) -> dict[str, Any]:
    known = {"document_id": paid.document_id} if paid.document_id else {}
    return {
        "legal_entity": paid.legal_entity,
        "vendor_account": paid.vendor_account,
        "invoice_number": paid.invoice_number,
        "invoice_date": paid.invoice_date,
        "invoice_amount": str(paid.invoice_amount),
        "position": paid.position,
        "settled_at": paid.settled_at,
        **known,
    }


def _sought(detail: Record) -> Sought:
    return Sought(
        detail["legal_entity"],
        detail["vendor_account"],
        detail["invoice_number"],
        detail["invoice_date"],
        Decimal(detail["invoice_amount"]),
    )


def _awaited(invoice: Record) -> Outcome:
    reason = (
        f"invoice {invoice['invoiceId']} is {invoice['processingStatus']} in Basware: its payment "
        "is held back until its transfer response has been told; run invoices, then payments again"
    )
    return Outcome(Status.NOT_SENT, reason)


def _already(held: Record, response: Record, payload: Any) -> Outcome:
    """Return that Basware has a response. Raises Rejected where it has another under its code."""
    code = response["externalCode"]
    if not isinstance(payload, Payment) and not says_the_same(held, response):
        msg = f"Basware has a response {code} with other content; a change needs a new externalCode"
        raise Rejected(msg)
    return Outcome(Status.UNCHANGED, "Basware has this response already", remote_key=code)
