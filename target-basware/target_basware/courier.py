"""Delivers transfer responses: each statement once, whatever gets lost on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.document import HELD, Document, Entry, Outcome, Status, fingerprint
from singer_delivery.errors import BadInput, InDoubt, Refused, Rejected, Unavailable
from tap_basware.client import BaswareClient
from tap_basware.crawl import moment

from target_basware.invoice_response import (
    AWAITED,
    PERHAPS_THERE,
    confirmed,
    invoice_path,
    responses,
    retold,
    unknown,
    with_code,
)
from target_basware.request_status import RequestDesk
from target_basware.response import external_code, invoice_id, transfer_response

LIST = "transferResponses"
#: Offered, and not answered by anybody.
WAITING = "WaitingForTransfer"
TRANSFERRED = frozenset({"Transferred", "Paid"})
FAILED = frozenset({"TransferFailed"})
#: What is kept of an outcome in the ledger.
DETAIL = ("legal_entity", "success", "voucher_number", "run_id", "sequence", "status")
#: Detail: version, fingerprint and externalCode of the latest outcome, where an older one came by
#: after it.
NEWEST = "newest"


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
        """Leave out what was told already, told and refused by P2P, or overtaken by a later one.

        Nothing is told without a look at the invoice, see `send`.
        """
        return {d.key: _decided(d, known.get(d.key)) for d in batch}

    def send(self, document: Document, plan: Any) -> Outcome:  # noqa: ARG002
        """Look at the invoice, post one response and find out what Basware made of it.

        Basware takes a response as the answer to the latest transfer, whichever was meant. Raises
        Rejected and ApiError.
        """
        if answer := self._answered(document):
            return answer
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

    def _answered(self, document: Document) -> Outcome | None:
        """Return why the transfer of this version needs no answer, None where it does.

        It has one, or was made again since with contents that nobody has judged yet. Raises
        Rejected.
        """
        invoice = self.client.document(document.key)
        if invoice is None:
            raise Rejected(unknown(document.key))
        told = responses(invoice, LIST)
        if with_code(told, document.remote_key):
            return Outcome(Status.UNCHANGED, "Basware has this response already")
        status = invoice.get("processingStatus")
        if status in AWAITED and any(_answers(response, document) for response in told):
            reason = (
                "Basware has an answer to this transfer already, and the invoice was transferred "
                "again since: that transfer gets an answer of its own"
            )
            return Outcome(Status.UNCHANGED, reason)
        judged, now = moment(document.version), moment(str(invoice.get("lastUpdated") or ""))
        if status == WAITING and judged is not None and now is not None and judged < now:
            reason = (
                f"the invoice was changed or transferred again in Basware at {now.isoformat()}, "
                "after the version that this is about: that one gets an answer of its own"
            )
            return Outcome(Status.SKIPPED, reason)
        return None

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


def _decided(document: Document, entry: Entry | None) -> Outcome | None:
    """Return what the ledger alone makes of an outcome; None where Basware has to be looked at."""
    if entry is None:
        return None
    if _overtaken(document, entry):
        return _kept(entry)
    told = _newest(entry)["fingerprint"] == document.fingerprint
    return retold(entry) if told and not _offered_again(document, entry) else None


def _newest(entry: Entry) -> Mapping[str, str]:
    """Return version, fingerprint and externalCode of the latest outcome of an invoice."""
    return entry.detail.get(NEWEST) or {
        "version": entry.version,
        "fingerprint": entry.fingerprint,
        "external_code": entry.remote_key,
    }


def _overtaken(document: Document, entry: Entry) -> bool:
    """Tell whether a later outcome of the invoice is known, as when runs come out of order.

    Versions decide where they differ and are moments: the sequences of two ledgers do not compare.
    """
    now, latest = moment(document.version), moment(_newest(entry)["version"])
    if now is not None and latest is not None and now != latest:
        return now < latest
    sequence, known = document.detail.get("sequence"), entry.detail.get("sequence")
    return isinstance(sequence, int) and isinstance(known, int) and sequence < known


def _kept(entry: Entry) -> Outcome:
    """Return the outcome of an older statement: the ledger goes on with the later one."""
    newest = _newest(entry)
    status, reason = Status.SKIPPED, "a later outcome of the invoice is known, which is to be told"
    if entry.status in HELD:
        status, reason = Status.UNCHANGED, "a later outcome of the invoice was told already"
    elif entry.status in {Status.ACCEPTED, Status.REJECTED}:
        status, reason = entry.status, entry.reason
    kept = {name: entry.detail.get(name) for name in (*DETAIL, "request_status")}
    return Outcome(
        status,
        reason,
        remote_key=newest["external_code"],
        request_id=entry.request_id,
        detail={name: value for name, value in kept.items() if value is not None}
        | {NEWEST: dict(newest)},
    )


def _offered_again(document: Document, entry: Entry) -> bool:
    """Tell whether Basware offered the invoice once more since this was told.

    Then it does not know our answer, whatever the ledger says. The same outcome coming by once
    more, as after a loss of Singer's state, has the sequence that it had.
    """
    now, told = document.detail.get("sequence"), entry.detail.get("sequence")
    return isinstance(now, int) and isinstance(told, int) and now > told


def _answers(response: Mapping[str, Any], document: Document) -> bool:
    """Tell whether a response that Basware holds is ours to the same transfer, in other words.

    Its externalCode follows from the invoice, the version and what it says.
    """
    said = {"document_id": document.key, "version": document.version}
    message, voucher = response.get("responseMessage"), response.get("voucherNumber1")
    code = external_code(said, response.get("success") is True, message or "", voucher or "")
    return bool(code == response.get("externalCode"))


def _says_the_same(invoice: Mapping[str, Any], response: Mapping[str, Any]) -> bool:
    """Tell whether the invoice is where the response would take it, by somebody else's word."""
    status = invoice.get("processingStatus")
    if not response["success"]:
        messages = [r.get("responseMessage") for r in responses(invoice, LIST)]
        return status in FAILED and messages[-1:] == [response["responseMessage"]]
    voucher = response.get("voucherNumber1")
    return status in TRANSFERRED and (not voucher or voucher == invoice.get("voucherNumber1"))


def _detail(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: record[name] for name in DETAIL if record.get(name) is not None}
