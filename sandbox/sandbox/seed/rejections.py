"""The demo's bad invoices, each with what its rejection must name, and those nobody may touch."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.seed.builders import accounting_document, coding_row
from sandbox.seed.common import SEED_TIME, code32, stamp
from sandbox.seed.companies import DEMF, GBSI, JPMF, UNMAPPED_COMPANY, USMF, Company
from sandbox.seed.terms import UNMAPPED_PAYMENT_TERM, UNMAPPED_TAX
from sandbox.seed.vendors import ON_HOLD_FOR_ALL, ON_HOLD_FOR_INVOICES
from sandbox.seed.world import Expectation

if TYPE_CHECKING:
    from sandbox.seed.invoices import Desk
    from sandbox.seed.world import Row

#: How many bad invoices `write_bad_invoices` writes.
BAD_INVOICES = 16


def write_bad_invoices(desk: Desk) -> None:
    """One of every kind that must be rejected. Duplicates come after the document they repeat."""
    _wrong_masters(desk)
    _holes_in_the_mapping(desk)
    _wrong_amounts(desk)
    _vendors_on_hold(desk)
    _duplicates(desk)


def _bad(desk: Desk, company: Company, kind: str, reason: str, **options: Any) -> Row:
    vendor = desk.vendor(company, foreign=False)
    rows = options.pop("rows", None) or [desk.coded_row(vendor)]
    return _expect_rejected(desk, desk.document(vendor, rows, **options), kind, reason)


def _expect_rejected(desk: Desk, document: Row, kind: str, reason: str) -> Row:
    desk.expect(document, Expectation("rejected", reason, kind))
    return document


def _wrong_masters(desk: Desk) -> None:
    _bad(desk, USMF, "unknown supplier", "US-9999", supplierCode="US-9999")
    # 6815 is an account of the other chart: it exists, but not in this legal entity
    _bad(desk, USMF, "unknown account", "6815", rows=[coding_row(250, account="6815")])
    mistyped = [coding_row(480, cost_center="CC77", business_unit="001")]
    _bad(desk, DEMF, "unknown cost center", "CC77", rows=mistyped)
    _bad(desk, USMF, "unknown currency", "PLN", currency="PLN")
    nowhere = {"orderNumber": "PO29999999", "orderLineNumber": "1"}
    rows = [coding_row(quantity=2, price=90, **nowhere)]
    _bad(desk, DEMF, "unknown purchase order", "PO29999999", rows=rows)
    _bad(desk, USMF, "no invoice number", "number", number=None)


def _holes_in_the_mapping(desk: Desk) -> None:
    rows = [coding_row(1000, tax_code=UNMAPPED_TAX.code)]
    _bad(desk, DEMF, "unmapped tax code", UNMAPPED_TAX.code, rows=rows)
    _bad(desk, JPMF, "unmapped payment term", "45N", payment_term=UNMAPPED_PAYMENT_TERM)
    _bad(desk, GBSI, "unmapped invoice type", "PREPAY", invoiceTypeCode="PREPAY")
    document = accounting_document(
        company=UNMAPPED_COMPANY,
        supplier="FR-0001",
        supplierName="Société Générale d'Essai",
        number="FR-2026-1",
        invoice_id=code32("document", len(desk.documents)),
        last_updated=SEED_TIME + timedelta(seconds=len(desk.documents)),
    )
    desk.documents.append(document)
    _expect_rejected(desk, document, "unmapped company", UNMAPPED_COMPANY)


def _wrong_amounts(desk: Desk) -> None:
    rows = [coding_row(1000, tax_code="GB20")]
    _bad(desk, GBSI, "gross off by a penny", "1200.01", rows=rows, grossSum=Decimal("1200.01"))
    short = {"netSum": Decimal(110000), "taxSum1": Decimal(11000), "grossSum": Decimal(121000)}
    rows = [coding_row(109000, tax_code="JP10", tax=11000)]
    _bad(desk, JPMF, "rows short of the total", "121000", rows=rows, **short)


def _vendors_on_hold(desk: Desk) -> None:
    for company, number in ((USMF, ON_HOLD_FOR_INVOICES), (DEMF, ON_HOLD_FOR_ALL)):
        vendor = desk.vendors[company.legal_entity][number - 1]
        document = desk.document(vendor, [desk.coded_row(vendor)])
        _expect_rejected(desk, document, "vendor on hold", vendor.account)


def _duplicates(desk: Desk) -> None:
    """Other content under the same number, and the same content under another invoiceId.

    The second is in gbsi, whose policy in F&O accepts duplicates: the target must catch it itself.
    """
    first = _first_good(desk, USMF)
    vendor = next(v for v in desk.vendors["usmf"] if v.account == first["supplierCode"])
    number = first["invoiceNumber"]
    changed = desk.document(vendor, [desk.coded_row(vendor, net=77)], number=number)
    _expect_rejected(desk, changed, "number used by another document", number)
    again = deepcopy(_first_good(desk, GBSI))
    again["invoiceId"] = code32("document", len(desk.documents))
    again["lastUpdated"] = stamp(SEED_TIME + timedelta(seconds=len(desk.documents)))
    desk.documents.append(again)
    _expect_rejected(desk, again, "sent again as another document", again["invoiceNumber"])


def _first_good(desk: Desk, company: Company) -> Row:
    return next(
        document
        for document in desk.documents
        if document["companyCode"] == company.code
        and desk.expected[document["invoiceId"]].outcome == "delivered"
    )


def write_untouchable_invoices(desk: Desk) -> None:
    """Documents in other states than WaitingForTransfer: no run may answer or change them."""
    states = (
        "Transferred", "Transferred", "Transferred", "Paid", "Paid", "TransferInProgress",
        "TransferFailed", "WaitingForPrebook", "Prebooked", "Removed", "New",
    )  # fmt: skip
    for number, status in enumerate(states):
        company = desk.companies[number % len(desk.companies)]
        vendor = desk.vendor(company, foreign=False)
        answered = _answered(status, 100001 + number)
        desk.document(vendor, [desk.coded_row(vendor)], status=status, **answered)
    vendor = desk.vendor(desk.companies[0], foreign=False)
    desk.document(
        vendor,
        [desk.coded_row(vendor)],
        status="WaitingForEnrichmentTransfer",
        p2pProcessingMode="InvoiceEnrichment",
    )


def _answered(status: str, voucher: int) -> Row:
    """The answers a document has had on its way to `status`."""
    if status == "TransferFailed":
        failed = _response(status, voucher, success=False, message="Vendor is on hold")
        return {"transferResponses": [failed]}
    if status not in ("Transferred", "Paid"):
        return {}
    number = f"APIN{voucher}"
    sent = _response(status, voucher, success=True, message="Invoice transferred")
    fields: Row = {
        "voucherNumber1": number,
        "transferResponses": [sent | {"voucherNumber1": number}],
    }
    if status == "Paid":
        paid = _response("payment", voucher, success=True, message="Invoice paid")
        fields["paymentResponses"] = [paid | {"paymentDate": stamp(SEED_TIME)}]
    return fields


def _response(status: str, voucher: int, *, success: bool, message: str) -> Row:
    return {
        "externalCode": code32("response", status, voucher),
        "success": success,
        "responseMessage": message,
        "sourceSystem": "D365FO",
        "paymentBlock": False,
    }
