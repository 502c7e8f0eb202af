"""Delivers transfer responses: each statement once, whatever gets lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import quote

from singer_delivery.courier import Courier
from singer_delivery.document import HELD, Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import BadInput, InDoubt, Refused, Rejected, Unavailable
from tap_basware.client import BaswareClient

from target_basware.request_status import RequestDesk
from target_basware.response import invoice_id, transfer_response

#: Basware's ways to say "there is one already" (reference 3.1, 10): refused by the state of the
#: invoice, or by an externalCode that it has seen. Only a look at the invoice can tell which.
PERHAPS_THERE = frozenset({400, 405, 409})
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
        path = _path(document.key)
        if self.acknowledge_first:
            self._acknowledge(document.key)
        try:
            receipt = self.client.post(f"{path}/transferResponses", document.payload)
        except Refused as error:
            if error.status == 404:
                _unknown(document.key)
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
            if invoice and _response(invoice, entry.remote_key):
                held[entry.key] = Outcome(Status.DELIVERED, remote_key=entry.remote_key)
        return held

    def _acknowledge(self, key: str) -> None:
        """Acknowledge an invoice; 405 means that it was done before, as after a lost answer."""
        path = f"{_path(key)}/acknowledge"
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
                    _unknown(key)
                raise
            else:
                return

    def _look(self, document: Document, error: Refused) -> Outcome:
        """Judge a refusal by what the invoice holds. Raises Rejected."""
        invoice = self.client.document(document.key)
        if invoice is None:
            _unknown(document.key)
        status = str(invoice.get("processingStatus"))
        if _response(invoice, document.remote_key):
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
    if entry.status in HELD:
        return Outcome(Status.UNCHANGED, "told already", remote_key=entry.remote_key)
    if entry.status is Status.REJECTED and entry.detail.get("request_status"):
        # Basware took it and P2P did not: it would not forward the same response again.
        return Outcome(
            Status.REJECTED,
            entry.reason,
            request_id=entry.request_id,
            detail={"request_status": entry.detail["request_status"]},
        )
    return None


def _offered_again(document: Document, entry: Entry) -> bool:
    """Tell whether Basware offered the invoice once more since this was told.

    Then it does not know our answer, whatever the ledger says. The same outcome coming by once
    more, as after a loss of Singer's state, has the sequence that it had.
    """
    now, told = document.detail.get("sequence"), entry.detail.get("sequence")
    return isinstance(now, int) and isinstance(told, int) and now > told


def _response(invoice: Mapping[str, Any], external_code: str) -> Mapping[str, Any] | None:
    for response in invoice.get("transferResponses") or ():
        if response.get("externalCode") == external_code:
            return dict(response)
    return None


def _says_the_same(invoice: Mapping[str, Any], response: Mapping[str, Any]) -> bool:
    """Tell whether the invoice is where the response would take it, by somebody else's word."""
    status = invoice.get("processingStatus")
    if not response["success"]:
        messages = [r.get("responseMessage") for r in invoice.get("transferResponses") or ()]
        return status in FAILED and messages[-1:] == [response["responseMessage"]]
    voucher = response.get("voucherNumber1")
    return status in TRANSFERRED and (not voucher or voucher == invoice.get("voucherNumber1"))


def _detail(record: Mapping[str, Any]) -> dict[str, Any]:
    names = ("legal_entity", "success", "voucher_number", "run_id", "sequence")
    return {name: record[name] for name in names if record.get(name) is not None}


def _path(key: str) -> str:
    return f"v1/accountingDocuments/{quote(key, safe='')}"


def _unknown(key: str) -> NoReturn:
    msg = f"Basware has no invoice {key}: it was removed there, or it came from another environment"
    raise Rejected(msg)
