"""Delivers transfer responses: each statement once, whatever gets lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.document import Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import BadInput, InDoubt, Refused, Rejected, Unavailable
from tap_basware.client import BaswareClient

from target_basware.invoice_response import (
    PERHAPS_THERE,
    confirmed,
    invoice_path,
    responses,
    retold,
    unknown,
    with_code,
)
from target_basware.request_status import RequestDesk
from target_basware.response import invoice_id, transfer_response

LIST = "transferResponses"
TRANSFERRED = frozenset({"Transferred", "Paid"})
FAILED = frozenset({"TransferFailed"})


@dataclass
class TransferResponseCourier(Courier):
    """Tells Basware what became of an invoice; `desk` None leaves the request status alone."""

    client: BaswareClient
    desk: RequestDesk | None = None
    acknowledge_first: bool = False
    source_system: str = ""

    stream = "transfer_responses"

    def prepare(self, record: Mapping[str, Any]) -> Document:
        """Turn an outcome into the response to post. Raises Rejected."""
        response = transfer_response(record, source_system=self.source_system)
        key = invoice_id(record)
        return Document(
            key=key,
            payload=response,
            fingerprint=fingerprint([key, response]),
            version=str(record.get("version") or ""),
            remote_key=response["externalCode"],
            label=f"response to invoice {key}",
            detail=_detail(record),
        )

    def identify(self, record: Mapping[str, Any]) -> Document:
        """Return what can be said of a record that is no response. Raises BadInput."""
        key = str(record.get("document_id") or "").strip()
        if not key:
            msg = "has a transfer outcome without document_id: it belongs to no invoice"
            raise BadInput(msg)
        return Document(
            key=key,
            payload=None,
            fingerprint="",
            version=str(record.get("version") or ""),
            label=f"response to invoice {key[:36]}",
            detail=_detail(record),
        )

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        """Leave out what the ledger has as told already, or as told and refused by P2P."""
        return {d.key: _told(d, known[d.key]) if d.key in known else None for d in batch}

    def send(self, document: Document, plan: Any) -> Outcome:  # noqa: ARG002
        """Post one response and find out what Basware made of it."""
        path = invoice_path(document.key)
        if self.acknowledge_first:
            self._acknowledge(document.key)
        try:
            receipt = self.client.post(f"{path}/{LIST}", document.payload)
        except Refused as error:
            if error.status == 404:
                raise Rejected(unknown(document.key)) from error
            if error.status in PERHAPS_THERE:
                return self._look(document, error)
            raise
        if self.desk is None or not receipt.request_id:
            return Outcome(Status.DELIVERED, request_id=receipt.request_id)
        return self.desk.outcome(receipt.request_id, document.remote_key)

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return those responses that their invoices hold."""
        held = {}
        for entry in entries:
            invoice = self.client.document(entry.key)
            if invoice and with_code(responses(invoice, LIST), entry.remote_key):
                held[entry.key] = Outcome(Status.DELIVERED, remote_key=entry.remote_key)
        return held

    def confirm(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return what P2P made by now of responses that it was still processing."""
        return confirmed(self.desk, entries)

    def _acknowledge(self, key: str) -> None:
        """Acknowledge an invoice; 405 means that it was done before, as after a lost answer."""
        path = f"{invoice_path(key)}/acknowledge"
        for last in (False, True):
            try:
                self.client.post(path, accept={405})
            except InDoubt as error:
                if last:
                    # The response itself has not been sent.
                    msg = f"acknowledging invoice {key} stays without an answer: {error}"
                    raise Unavailable(msg) from error
            except Refused as error:
                if error.status == 404:
                    raise Rejected(unknown(key)) from error
                raise
            else:
                return

    def _look(self, document: Document, error: Refused) -> Outcome:
        """Judge a refusal by what the invoice holds. Raises Rejected."""
        invoice = self.client.document(document.key)
        if invoice is None:
            raise Rejected(unknown(document.key))
        status = str(invoice.get("processingStatus"))
        if with_code(responses(invoice, LIST), document.remote_key):
            return Outcome(Status.UNCHANGED, "Basware has this response already")
        if _says_the_same(invoice, document.payload):
            return Outcome(Status.UNCHANGED, f"the invoice is {status} already")
        voucher = invoice.get("voucherNumber1")
        msg = (
            f"invoice {document.key} is {status}{f' as {voucher}' if voucher else ''} in Basware, "
            f"which takes no other response before someone transfers it again: {error}"
        )
        raise Rejected(msg)


def _told(document: Document, entry: Entry) -> Outcome | None:
    if entry.fingerprint != document.fingerprint or _offered_again(document, entry):
        return None
    return retold(entry)


def _offered_again(document: Document, entry: Entry) -> bool:
    """Tell whether Basware offered the invoice once more since this was told.

    Then it does not know our answer, whatever the ledger says. The same outcome coming by once
    more, as after a loss of Singer's state, has the sequence that it had.
    """
    now, told = document.detail.get("sequence"), entry.detail.get("sequence")
    return isinstance(now, int) and isinstance(told, int) and now > told


def _says_the_same(invoice: Mapping[str, Any], response: Mapping[str, Any]) -> bool:
    """Tell whether the invoice is where the response would take it, by somebody else's word."""
    status = invoice.get("processingStatus")
    if not response["success"]:
        messages = [r.get("responseMessage") for r in responses(invoice, LIST)]
        return status in FAILED and messages[-1:] == [response["responseMessage"]]
    voucher = response.get("voucherNumber1")
    return status in TRANSFERRED and (not voucher or voucher == invoice.get("voucherNumber1"))


def _detail(record: Mapping[str, Any]) -> dict[str, Any]:
    names = ("legal_entity", "success", "voucher_number", "run_id", "sequence")
    return {name: record[name] for name in names if record.get(name) is not None}
