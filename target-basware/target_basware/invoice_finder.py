"""Which of Basware's invoices a payment belongs to (reference 3.1, accountingDocuments/status)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import AccessDenied, DeliveryError, Refused, Rejected
from tap_basware.client import BaswareClient

from target_basware.invoice_response import unknown

logger = logging.getLogger(__name__)

DOCUMENTS = "v1/accountingDocuments"
STATUS = f"{DOCUMENTS}/status"
#: So many invoices of one number and day are looked at; of more, those with the same sum.
FEW = 5
#: Invoices that the status endpoint is asked about to find out whether it works at all.
SAMPLES = 3
SAMPLE_PAGE = "20"
PAYABLE = frozenset({"Transferred", "Paid"})

NOT_ENABLED = (
    "accountingDocuments/status finds nothing in this tenant, so that the invoice cannot be "
    "looked for: ask Basware to enable it and offer the payment again, or set find_invoices to "
    "false to skip payments of unknown invoices"
)

Record = Mapping[str, Any]


class Ambiguous(Rejected):
    """Several invoices may be meant."""


class NoInvoice(DeliveryError):
    """Basware has no such invoice; `for_good` when it has been looked for."""

    def __init__(self, message: str, *, for_good: bool = True) -> None:
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True)
class Sought:
    """An invoice as Dynamics knows it; `day` is like 2026-01-31, `amount` gross."""

    legal_entity: str
    vendor_account: str
    number: str
    day: str
    amount: Decimal

    def __str__(self) -> str:
        return f"invoice {self.number} of {self.day} of vendor {self.vendor_account}"


@dataclass
class InvoiceFinder:
    """Finds invoices by id, or by what Dynamics knows of them. Safe to share between threads.

    A tenant whose status endpoint is not enabled gets the same answer as for an invoice that does
    not exist; so where nothing is found, the endpoint is asked, once, about an invoice that is
    known to exist.
    """

    client: BaswareClient
    mapping: ApMapping | None = None
    enabled: bool = True
    _answer: Literal["", "works", "silent", "empty"] = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def by_id(self, invoice_id: str) -> Record:
        """Return the invoice. Raises Rejected when Basware does not have it, and ApiError."""
        found = self.client.document(invoice_id)
        if found is None:
            raise Rejected(unknown(invoice_id))
        return found

    def find(self, sought: Sought) -> Record:
        """Return the invoice. Raises NoInvoice; Rejected when it cannot be told; ApiError."""
        companies = self._companies(sought)
        found = self._ask_all(companies, sought)
        if len(found) > FEW:
            found = self._ask_all(companies, sought, sought.amount) or found
        if not found:
            if self._probe() == "silent":
                raise Rejected(NOT_ENABLED)
            raise NoInvoice(_nowhere(sought, companies))
        documents = [d for d in map(self.client.document, found[: 4 * FEW]) if d]
        if not documents:
            msg = (
                f"Basware knows {sought}, but its API does not hold it: it was transferred in "
                "another way, and its payment cannot be told here"
            )
            raise NoInvoice(msg)
        own = [d for d in documents if self._is_of_vendor(d, sought)]
        if not own:
            raise NoInvoice(_nowhere(sought, companies))
        return _the_one(own, sought)

    def _companies(self, sought: Sought) -> tuple[str, ...]:
        """Return where to look. Raises NoInvoice or Rejected where it cannot be looked for."""
        if not self.enabled:
            msg = f"no document_id, and {sought} is not looked for: find_invoices is off"
            raise NoInvoice(msg, for_good=False)
        if self.mapping is None:
            msg = (
                f"no document_id, and {sought} cannot be looked for without the company codes of "
                "legal entities: set mapping_file"
            )
            raise Rejected(msg)
        if not sought.number or not sought.day:
            what = "invoice_number" if not sought.number else "invoice_date"
            msg = f"no document_id, and no {what} to look for the invoice by"
            raise Rejected(msg)
        companies = self.mapping.company_codes(sought.legal_entity)
        if not companies:
            msg = (
                f"legal entity {sought.legal_entity} has no company under companies in the "
                "mapping: its invoices do not come from Basware"
            )
            raise NoInvoice(msg, for_good=False)
        return companies

    def _ask_all(
        self, companies: Iterable[str], sought: Sought, amount: Decimal | None = None
    ) -> list[str]:
        """Return the ids of matching invoices. Raises Rejected where the endpoint refuses."""
        try:
            found = [
                invoice_id
                for company in companies
                for invoice_id in self._ask(company, sought.number, sought.day, amount)
            ]
        except (AccessDenied, Refused) as error:
            if self._probe() != "works":
                raise Rejected(NOT_ENABLED) from error
            if isinstance(error, AccessDenied):
                raise
            msg = f"Basware refuses to look for {sought}: {error}"
            raise Rejected(msg) from error
        return list(dict.fromkeys(found))

    def _ask(self, company: str, number: str, day: str, amount: Decimal | None = None) -> list[str]:
        params = {
            "companyCode": company,
            "invoiceNumber": number,
            "invoiceDate": f"{day}T00:00:00Z",
        }
        if amount is not None:
            params["grossSum"] = f"{amount:f}"
        page = self.client.page(STATUS, params, "accountingDocuments")
        return [str(entry["invoiceId"]) for entry in page.records if entry.get("invoiceId")]

    def _probe(self) -> str:
        """Tell whether the endpoint finds what is there: works, silent, or empty (no invoices).

        Raises ApiError when the invoices themselves cannot be read.
        """
        with self._lock:
            if not self._answer:
                self._answer = self._probe_once()
                if self._answer == "silent":
                    logger.warning("%s", NOT_ENABLED)
            return self._answer

    def _probe_once(self) -> Literal["works", "silent", "empty"]:
        page = self.client.page(DOCUMENTS, {"pageSize": SAMPLE_PAGE}, "accountingDocuments")
        if not page.records:
            return "empty"
        samples = [
            (str(d["companyCode"]), str(d["invoiceNumber"]), str(d["invoiceDate"])[:10])
            for d in page.records
            if d.get("companyCode") and d.get("invoiceNumber") and d.get("invoiceDate")
        ]
        for sample in samples[:SAMPLES]:
            try:
                if self._ask(*sample):
                    return "works"
            except (AccessDenied, Refused):
                continue
        return "silent"

    def _is_of_vendor(self, document: Record, sought: Sought) -> bool:
        """Tell whether an invoice is of this vendor: two may use one number on one day."""
        if self.mapping is None:
            return False
        entity = self.mapping.for_legal_entity(sought.legal_entity)
        return entity.vendor_account(document).lower() == sought.vendor_account.lower()


def _the_one(documents: Sequence[Record], sought: Sought) -> Record:
    """Return the invoice that is meant, by its sum and by whether it was transferred."""
    same_sum = [d for d in documents if _gross(d) == abs(sought.amount)]
    candidates = same_sum or documents
    payable = [d for d in candidates if d.get("processingStatus") in PAYABLE]
    candidates = payable or candidates
    if len(candidates) > 1:
        ids = ", ".join(sorted(str(d.get("invoiceId")) for d in candidates)[:FEW])
        msg = f"Basware has {len(candidates)} invoices that may be {sought}: {ids}"
        raise Ambiguous(msg)
    return candidates[0]


def _gross(document: Record) -> Decimal | None:
    gross = document.get("grossSum")
    return abs(Decimal(gross)) if isinstance(gross, int | Decimal) else None


def _nowhere(sought: Sought, companies: Iterable[str]) -> str:
    return (
        f"Basware has no {sought} in company {', '.join(companies)}: it did not come from there, "
        "so there is nothing to tell"
    )
