"""Basware as a witness: the invoices that it offered, and what it was told of them.

Its list has no filter for days: what was not touched since long before a day is left out by
`lastUpdated`, and the rest here (reference 2.2).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from ap_mapping import EntityMapping, MappingHole
from ap_mapping import Mapping as ApMapping
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import Rejected
from singer_delivery.live import Booking, Sought, State, configured
from singer_delivery.rebuild import Row, Source, Told
from tap_basware.client import BaswareClient, Page
from tap_basware.crawl import Crawl, Query, moment, stamp

from target_basware.courier import TransferResponseCourier
from target_basware.invoice_response import responses
from target_basware.payment_courier import PaymentResponseCourier
from target_basware.payment_record import Payment, derived_code
from target_basware.target import TargetBasware

DOCUMENTS = "v1/accountingDocuments"
ENVELOPE = "accountingDocuments"
READING = "accountingDocuments.read"
PAGE = "100"
#: An invoice is last touched at most so long before its own date.
POSTDATED = timedelta(days=90)
#: Documents that are asked for at the same time.
LOOKS = 8
STATES: Mapping[str, State] = {
    "WaitingForTransfer": State.WAITING,
    "TransferInProgress": State.WAITING,
    "Transferred": State.TRANSFERRED,
    "TransferFailed": State.FAILED,
    "Paid": State.PAID,
}

Record = Mapping[str, Any]


def open_live(config: Mapping[str, Any]) -> BaswareLive:
    """Return Basware with the settings of target-basware; empty: those of the environment.

    Raises SetupError.
    """
    target = configured(TargetBasware, config)
    return BaswareLive(
        target.client_for(READING),
        target.mapping,
        source_system=target.config.get("source_system") or "",
        connections=target.config["max_connections"],
    )


class BaswareLive(Source):
    """Invoices of the companies that the mapping names."""

    name = "basware"
    title = "Basware"

    def __init__(
        self,
        client: BaswareClient,
        mapping: ApMapping,
        *,
        source_system: str = "",
        connections: int = LOOKS,
    ) -> None:
        super().__init__()
        self._looks = min(LOOKS, connections)
        self._client = client
        self._mapping = mapping
        self._transfers = TransferResponseCourier(client, source_system=source_system)
        self._payments = PaymentResponseCourier(client, source_system=source_system)

    @property
    def system(self) -> str:
        """The API's origin."""
        return str(self._client.session.origin)

    def books(self, since: date | None = None, until: date | None = None) -> Iterator[Booking]:
        """Yield the invoices of these days. Raises DeliveryError."""
        for document in self._documents(since):
            booking = self._booking(document)
            if _within(booking.day, since, until):
                yield booking

    def look(self, wanted: Sequence[Sought]) -> Iterator[Booking]:
        """Yield these invoices as they are now, those of them that it has."""
        ids = [sought.document_id for sought in wanted]
        with ThreadPoolExecutor(self._looks) as pool:
            for document in pool.map(self._client.document, ids):
                if document is not None:
                    yield self._booking(document)

    def _documents(self, since: date | None) -> Iterator[Record]:
        params = {"pageSize": PAGE}
        if since is not None:
            params["lastUpdated"] = stamp(datetime.combine(since, time(), UTC) - POSTDATED)
        queries = [
            Query(DOCUMENTS, {"companyCode": code, **params}) for code in self._mapping.companies
        ]

        def pages(query: Query, token: str | None) -> Iterator[Page]:
            return self._client.pages(query.path, query.params, ENVELOPE, token)

        for records, _ in Crawl(pages, queries).run():
            yield from records

    def _booking(self, document: Record) -> Booking:
        entity = self._entity(document)
        status = str(document.get("processingStatus"))
        told = _latest(responses(document, "transferResponses"))
        paid = _latest([r for r in responses(document, "paymentResponses") if r.get("success")])
        sign = _sign(document, entity)
        state = STATES.get(status, State.OTHER)
        detail: dict[str, Any] = {
            "status": status,
            "updated": moment(document.get("lastUpdated")),
            "version": str(document.get("lastUpdated") or ""),
        }
        if _is_ours(told):
            detail["ours"] = True
        if document.get("paymentBlock") is True:
            detail["on_hold"] = True
        return Booking(
            side=self.name,
            document_id=str(document["invoiceId"]),
            legal_entity=entity.legal_entity if entity else "",
            vendor=_or_raw(entity and entity.vendor_account, document, "supplierCode"),
            number=str(document.get("invoiceNumber") or "").strip(),
            currency=_currency(document, entity),
            gross=sign * _amount(document, "grossSum"),
            day=_day(document),
            state=state,
            reference=str(document.get("voucherNumber1") or ""),
            reason=str(told.get("responseMessage") or "") if state is State.FAILED else "",
            paid_total=sign * _amount(paid, "paidTotal") if paid else None,
            detail=detail,
        )

    def _entity(self, document: Record) -> EntityMapping | None:
        try:
            name = self._mapping.legal_entity(str(document.get("companyCode") or ""))
        except MappingHole:
            return None
        return self._mapping.for_legal_entity(name)

    # What a lost ledger is made of

    def offered(self, since: date | None, until: date | None) -> Iterator[tuple[Booking, Told]]:
        """Yield the invoices of these days, and what was told of each."""
        for document in self._documents(since):
            booking = self._booking(document)
            if _within(booking.day, since, until):
                yield booking, _told(document)

    def rejected(self, booking: Booking) -> Row:
        """Return the row of an invoice that was rejected, with the reason that Basware shows."""
        entity = booking.legal_entity
        label = (
            f"invoice {booking.number or '(no number)'} in {entity or '(no legal entity)'} "
            f"({booking.document_id})"
        )
        document = Document(
            key=booking.document_id,
            payload=None,
            fingerprint="",
            version=str(booking.detail.get("version") or ""),
            label=label,
            detail={
                "legal_entity": entity,
                "vendor": booking.vendor,
                "invoice_number": booking.number,
                "invoice_date": booking.day.isoformat() if booking.day else "",
                "currency": booking.currency,
                "gross": str(booking.gross),
                "payment_block": bool(booking.detail.get("on_hold")),
                "label": label,
            },
        )
        reason = booking.reason.removeprefix(f"Legal entity {entity}: ")
        return document, Outcome(Status.REJECTED, reason)

    def response(self, record: dict[str, Any], told: Told) -> Row:
        """Return the row of a transfer response, under the code that Basware has it under."""
        try:
            document = self._transfers.prepare(record)
        except Rejected:
            document = self._transfers.identify(record)
        document = replace(
            document,
            remote_key=told.external_code,
            detail={**document.detail, "label": document.label},
        )
        return document, Outcome(Status.DELIVERED, remote_key=told.external_code)

    def payment(self, record: dict[str, Any], told: Told) -> Row | None:
        """Return the row of a payment that Basware was told of; None for one that it was not."""
        try:
            document = self._payments.prepare(record)
        except Rejected:
            return None
        code = _held_code(document.payload, told.payments)
        if not code:
            return None
        detail = {
            "document_id": str(record["document_id"]),
            "told": {name: document.detail[name] for name in ("position", "settled_at")},
        }
        document = replace(document, detail={**document.detail, "label": document.label})
        return document, Outcome(Status.DELIVERED, remote_key=code, detail=detail)


def _told(document: Record) -> Told:
    latest = _latest(responses(document, "transferResponses"))
    success = latest.get("success")
    return Told(
        external_code=str(latest.get("externalCode") or ""),
        success=success if isinstance(success, bool) else None,
        message=str(latest.get("responseMessage") or ""),
        reference=str(document.get("voucherNumber1") or ""),
        source_system=str(latest.get("sourceSystem") or ""),
        payments=frozenset(
            str(each.get("externalCode")) for each in responses(document, "paymentResponses")
        ),
    )


def _held_code(payment: Payment, held: frozenset[str]) -> str:
    """Return the code under which a payment was told, "" where it was not.

    One that was told once more after a later one has a code that follows from both.
    """
    code = payment.external_code
    if code in held:
        return code
    again = (derived_code([code, other]) for other in held)
    return next((each for each in again if each in held), "")


def _is_ours(response: Record) -> bool:
    """Tell whether a response is one of ours, even where no ledger has it.

    Its code is a UUID of version 5, by what it says; whoever makes codes up takes another.
    """
    try:
        return uuid.UUID(str(response.get("externalCode"))).version == 5
    except ValueError:
        return False


def _latest(found: Sequence[Record]) -> Record:
    return found[-1] if found else {}


def _within(day: date | None, since: date | None, until: date | None) -> bool:
    return day is None or ((since is None or day >= since) and (until is None or day <= until))


def _sign(document: Record, entity: EntityMapping | None) -> Decimal:
    """Return -1 for a credit note that the tenant keeps with a positive sum (mapping.yml)."""
    try:
        kind = entity.invoice_type(document.get("invoiceTypeCode")) if entity else None
    except MappingHole:
        kind = None
    positive = _amount(document, "grossSum") > 0
    return Decimal(-1) if kind is not None and kind.credit_note and positive else Decimal(1)


def _currency(document: Record, entity: EntityMapping | None) -> str:
    code = str(document.get("currencyCode") or "").strip()
    try:
        return (entity.currency(code) if entity else code).upper()
    except MappingHole:
        return code.upper()


def _or_raw(lookup: Any, document: Record, name: str) -> str:
    """Return what the mapping makes of a document, or its own code where that has a hole."""
    try:
        found = lookup(document) if lookup else ""
    except MappingHole:
        found = ""
    return str(found or document.get(name) or "").strip()


def _amount(record: Record, name: str) -> Decimal:
    value = record.get(name)
    return Decimal(value) if isinstance(value, int | Decimal) else Decimal(0)


def _day(document: Record) -> date | None:
    """Return the invoice's date, the day as it is written."""
    try:
        return date.fromisoformat(str(document.get("invoiceDate") or "")[:10])
    except ValueError:
        return None
