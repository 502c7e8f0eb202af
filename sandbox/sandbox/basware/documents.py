"""The invoices: what is stored of each, the lists over them, and their way through the statuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from sandbox.basware.errors import BaswareError, bad_parameter, not_found
from sandbox.basware.exact_json import stamp
from sandbox.basware.paging import Query, turn_page
from sandbox.basware.records import arranged, updated_after
from sandbox.basware.validation import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.basware.paging import Continuations, Page
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.basware.validation import Schemas
    from sandbox.clock import Clock

ENTITY = "AccountingDocumentEntity"

# POST …/acknowledge: from which status to which (reference 3.1).
ACKNOWLEDGED = {
    "WaitingForTransfer": "TransferInProgress",
    "WaitingForPrebook": "PrebookInProgress",
    "WaitingForEnrichmentTransfer": "EnrichmentTransferInProgress",
}
_REJECTED = {"Removed", "WaitingToBeRemoved", "Returned", "WaitingToBeReturned"}


@dataclass
class Document:
    """One invoice; `content` is the AccountingDocumentEntity without its time stamp."""

    content: dict[str, Any]
    updated: datetime
    used_codes: dict[str, set[str]] = field(default_factory=dict)  # response list -> externalCodes

    @property
    def status(self) -> str:
        """Its processingStatus."""
        return str(self.content["processingStatus"])

    @property
    def mode(self) -> str:
        """Its p2pProcessingMode."""
        return str(self.content.get("p2pProcessingMode", "Standard"))

    def high_level_status(self) -> str:
        """What accountingDocuments/status calls it."""
        if self.status == "Paid":
            return "Paid"
        if self.status in _REJECTED:
            return "Rejected"
        return "ReadyForPayment" if self.status == "Transferred" else "InApprovalProcess"


class DocumentStore:
    """All invoices by invoiceId. Not locked: the state that owns it is."""

    def __init__(self, clock: Clock, switches: BaswareSwitches, schemas: Schemas) -> None:
        self._clock = clock
        self._switches = switches
        self._schemas = schemas
        self.documents: dict[str, Document] = {}

    def load(self, entity: dict[str, Any]) -> Document:
        """Store a seeded invoice; what is missing of the required fields gets its default."""
        defaults = {"processingStatus": "WaitingForTransfer", "paymentBlock": False}
        content = self._schemas.tidy(ENTITY, defaults | entity)
        given = parse_moment(content.pop("lastUpdated", ""))
        document = Document(content, given or self._clock.now())
        self.documents[content["invoiceId"]] = document
        return document

    def get(self, invoice_id: str) -> Document:
        """One invoice. Raises 404."""
        found = self.documents.get(invoice_id)
        if found is None:
            raise not_found()
        return found

    def touch(self, document: Document) -> None:
        """Stamp a change."""
        document.updated = self._clock.now()

    def as_json(self, document: Document) -> dict[str, Any]:
        """The entity as a GET gives it."""
        entity = document.content | {"lastUpdated": stamp(document.updated)}
        if not self._switches.invoice_lines:
            entity.pop("invoiceLines", None)
        if self._switches.new_fields:
            entity["fieldOfTomorrow"] = {"since": ["2027"]}
        return entity

    def page(self, query: Query, continuations: Continuations) -> Page:
        """`GET /v1/accountingDocuments`. Raises 400, and 404 when nothing matches."""
        size = query.page_size(100, 100)
        wanted = self._filter(query)

        def select() -> list[str]:
            keys = (key for key, document in self.documents.items() if wanted(document))
            return arranged(keys, shuffled=self._switches.shuffled)

        def fetch(key: str) -> dict[str, Any] | None:
            document = self.documents.get(key)
            return self.as_json(document) if document and wanted(document) else None

        return turn_page(
            continuations,
            query,
            size=size,
            select=select,
            fetch=fetch,
            weigh=lambda entity: len(entity.get("codingRows", ())),
            heaviest=self._switches.page_coding_rows,
        )

    def _filter(self, query: Query) -> Callable[[Document], bool]:
        rules = self._schemas.fields(ENTITY)
        status, mode = query.get("ProcessingStatus"), query.get("p2pProcessingMode") or "Standard"
        for name, text in (("processingStatus", status), ("p2pProcessingMode", mode)):
            if text is not None and text not in (rules[name].values or ()):
                raise bad_parameter(f"{name} {text!r} is unknown")
        company = query.get("companyCode")
        fresh = updated_after(
            query.moment("lastUpdated"), inclusive=self._switches.last_updated_inclusive
        )
        return lambda document: (
            status in (None, document.status)
            and mode == document.mode
            and company in (None, document.content["companyCode"])
            and fresh(document.updated)
        )

    def statuses(self, query: Query) -> list[dict[str, Any]]:
        """`GET /v1/accountingDocuments/status`. Raises 400, and 404 when nothing matches."""
        size = query.page_size(500, 500)
        company, number = query.required("companyCode"), query.required("invoiceNumber")
        query.required("invoiceDate")
        day = query.moment("invoiceDate")
        gross = query.get("grossSum")
        found = [
            document
            for document in self.documents.values()
            if self._switches.status_enabled
            and document.content["companyCode"] == company
            and document.content.get("invoiceNumber") == number
            and _same_day(document.content.get("invoiceDate"), day)
            and (gross is None or _same_sum(document.content.get("grossSum"), gross))
        ][:size]
        if not found:
            raise not_found()
        return [self._status_json(document) for document in found]

    def _status_json(self, document: Document) -> dict[str, Any]:
        entry = {
            "invoiceId": document.content["invoiceId"],
            "status": document.high_level_status(),
            "processingStatus": document.status,
            "lastUpdated": stamp(document.updated),
        }
        dispute = document.content.get("disputeInfo")
        return entry if dispute is None else entry | {"disputeInfo": dispute}

    def acknowledge(self, invoice_id: str) -> str:
        """Mark an invoice as read; the new status. Raises 404, 405 (without a body)."""
        document = self.get(invoice_id)
        following = ACKNOWLEDGED.get(document.status)
        if following is None:
            raise BaswareError(405, None)
        document.content["processingStatus"] = following
        self.touch(document)
        return following

    def retransfer(self, invoice_id: str, changes: dict[str, Any]) -> Document:
        """What P2P does when someone sends an invoice out again: changed, waiting, newly stamped.

        A change to None removes the field. Raises 404, ValueError for what no invoice can hold.
        """
        document = self.get(invoice_id)
        waiting = (
            "WaitingForEnrichmentTransfer"
            if document.mode == "InvoiceEnrichment"
            else "WaitingForTransfer"
        )
        document.content = self._schemas.tidy(
            ENTITY, document.content | {"processingStatus": waiting} | changes
        )
        self.touch(document)
        return document


def _same_day(text: str | None, day: datetime | None) -> bool:
    moment = parse_moment(text or "")
    return moment is not None and day is not None and moment.date() == day.date()


def _same_sum(stored: Any, text: str) -> bool:
    try:
        return stored is not None and stored == Decimal(text)
    except InvalidOperation:
        raise bad_parameter(f"grossSum {text!r} is no number") from None
