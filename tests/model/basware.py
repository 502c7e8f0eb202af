"""Basware as a dictionary, strict about the states of an invoice; and its client."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from singer_delivery.errors import Refused
from tap_basware.client import Page, Receipt

from tests.model.content import Clock, Content, stamp
from tests.model.process import Process

Row = dict[str, Any]
WAITING = frozenset({"WaitingForTransfer", "TransferInProgress"})
TAKEN = frozenset({"Transferred", "Paid"})


class Repeated(enum.Enum):
    """What a response under an externalCode that is known gets (nothing is documented)."""

    CONFLICT = 409
    INVALID = 400
    ACCEPTED = 200


@dataclass
class Invoice:
    """An invoice of Basware with its current content, and all versions that it had."""

    key: str
    content: Content
    status: str
    updated: str
    versions: list[Content] = field(default_factory=list)
    transfer: list[Row] = field(default_factory=list)
    payments: list[Row] = field(default_factory=list)

    def as_json(self) -> Row:
        """The entity as a GET gives it."""
        more = {"transferResponses": list(self.transfer)} if self.transfer else {}
        if self.payments:
            more["paymentResponses"] = list(self.payments)
        return {
            "invoiceId": self.key,
            "processingStatus": self.status,
            "lastUpdated": self.updated,
            **self.content.fields(),
            **more,
        }


@dataclass
class Basware:
    """All invoices. `repeated`: see there; `late` is the status of a response out of turn.

    With `slow` requests, P2P is still processing a write at the first look.
    """

    clock: Clock
    repeated: Repeated = Repeated.CONFLICT
    late: int = 400
    slow: bool = False
    invoices: dict[str, Invoice] = field(default_factory=dict)
    requests: dict[str, tuple[str, int]] = field(default_factory=dict)

    # What its clerks do

    def enter(self, content: Content) -> Invoice:
        key = f"inv-{len(self.invoices) + 1}"
        found = Invoice(key, content, "WaitingForTransfer", stamp(self.clock()), [content])
        self.invoices[key] = found
        return found

    def transfer_again(self, key: str, content: Content) -> None:
        """Edit an invoice and send it out again."""
        invoice = self.invoices[key]
        invoice.content, invoice.status = content, "WaitingForTransfer"
        invoice.updated = stamp(self.clock())
        invoice.versions.append(content)

    # What a client reads and writes

    def offered(self, since: str) -> list[Row]:
        return [
            invoice.as_json()
            for invoice in self.invoices.values()
            if invoice.status in WAITING and invoice.updated >= since
        ]

    def matching(self, company: str, number: str, day: str) -> list[Row]:
        """`GET accountingDocuments/status`."""
        found = (invoice.as_json() for invoice in self.invoices.values())
        wanted = (company, number, day[:10])
        return [
            {"invoiceId": row["invoiceId"], "processingStatus": row["processingStatus"]}
            for row in found
            if (row["companyCode"], row["invoiceNumber"], row["invoiceDate"][:10]) == wanted
        ]

    def take(self, path: str, body: Mapping[str, Any] | None) -> int:
        """Take a POST; returns the status. Raises Refused."""
        *root, key, kind = path.split("/")
        assert root == ["v1", "accountingDocuments"], path
        invoice = self.invoices.get(key)
        if invoice is None:
            raise Refused("no such record", status=404)
        if kind == "acknowledge":
            return self._acknowledge(invoice)
        assert body is not None
        assert 1 <= len(body["externalCode"]) <= 36
        take = {"transferResponses": self._transferred, "paymentResponses": self._paid}[kind]
        return take(invoice, dict(body))

    def _acknowledge(self, invoice: Invoice) -> int:
        if invoice.status != "WaitingForTransfer":
            return 405
        invoice.status = "TransferInProgress"
        invoice.updated = stamp(self.clock())
        return 200

    def _transferred(self, invoice: Invoice, body: Row) -> int:
        assert 1 <= len(body["responseMessage"]) <= 250
        if self._is_repeated(invoice.transfer, body):
            return 200
        if invoice.status not in WAITING:
            msg = f"not allowed, processingStatus of the document is {invoice.status}"
            raise Refused(msg, status=self.late)
        invoice.status = "Transferred" if body["success"] else "TransferFailed"
        invoice.transfer.append(body)
        invoice.updated = stamp(self.clock())
        return 200

    def _paid(self, invoice: Invoice, body: Row) -> int:
        if self._is_repeated(invoice.payments, body):
            return 200
        if invoice.status not in TAKEN:
            msg = f"not allowed, processingStatus of the document is {invoice.status}"
            raise Refused(msg, status=409)
        assert body["success"]
        assert body["paymentDate"]
        invoice.status = "Paid"
        invoice.payments.append(body)
        invoice.updated = stamp(self.clock())
        return 200

    def _is_repeated(self, told: Iterable[Row], body: Row) -> bool:
        """Tell whether a repeated response is swallowed. Raises Refused."""
        if body["externalCode"] not in {response["externalCode"] for response in told}:
            return False
        if self.repeated is not Repeated.ACCEPTED:
            raise Refused("externalCode exists already", status=self.repeated.value)
        return True

    def note_request(self, code: str) -> str:
        request = f"req-{len(self.requests) + 1}"
        self.requests[request] = (code, 0)
        return request

    def state_of(self, request: str) -> Row | None:
        """`GET requestStatus`: what P2P made of a write."""
        if request not in self.requests:
            return None
        code, looks = self.requests[request]
        self.requests[request] = (code, looks + 1)
        status = "InProgress" if self.slow and not looks else "Success"
        items = [{"externalCode": code, "status": status, "errors": []}]
        return {"requestId": request, "requestStatus": status, "systems": [{"items": items}]}


@dataclass
class BaswareClient:
    """What the response couriers ask of BaswareClient, for one process."""

    books: Basware
    process: Process

    def offered(self, since: str) -> list[Row]:
        """The crawl of the stream of invoices that wait for their transfer."""
        return self.process.read(lambda: self.books.offered(since))

    def document(self, invoice_id: str) -> Row | None:
        found = self.books.invoices.get
        return self.process.read(lambda: i.as_json() if (i := found(invoice_id)) else None)

    def page(self, path: str, params: Mapping[str, str], envelope: str) -> Page:
        def look() -> list[Row]:
            if path.endswith("/status"):
                names = ("companyCode", "invoiceNumber", "invoiceDate")
                return self.books.matching(*(params[name] for name in names))
            return [invoice.as_json() for invoice in self.books.invoices.values()]

        return Page(self.process.read(look))

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, accept: Iterable[int] = ()
    ) -> Receipt:
        def take() -> Receipt:
            status = self.books.take(path, body)
            if status not in {200, *accept}:
                raise Refused("not allowed", status=status)
            code = str((body or {}).get("externalCode", ""))
            return Receipt(status, self.books.note_request(code))

        return self.process.write(take)

    def request_state(self, request: str, *, only_problems: bool = False) -> Row | None:
        return self.process.read(lambda: self.books.state_of(request))
