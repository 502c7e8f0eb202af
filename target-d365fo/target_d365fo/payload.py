"""Vendor invoice -> rows of VendorInvoiceHeaders and VendorInvoiceLines, and what identifies them.

Rows carry no HeaderReference: it is known only when they are sent.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tap_d365fo.dimensions import DimensionFormats

from target_d365fo.compare import Row, comparable, holds, yes_no
from target_d365fo.invoice import InvoiceLine, VendorInvoice, reject

HEADERS = "VendorInvoiceHeaders"
LINES = "VendorInvoiceLines"
MAX_REFERENCE = 20
LONGEST_PREFIX = 8
DESCRIPTION_LENGTH = 60
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class InvoiceRows:
    """One header and its lines, with the public field names; empty fields are left out."""

    header: Row
    lines: tuple[Row, ...]


def header_reference(document_id: str, prefix: str = "BW") -> str:
    """Return the key of a document's header: 20 capital letters and digits, always the same.

    18 characters are 90 bits of a hash: among a billion documents, the chance that any two share
    a reference is below one in a billion.
    """
    digits = base64.b32encode(hashlib.sha256(document_id.encode()).digest()).decode()
    return f"{prefix}{digits}"[:MAX_REFERENCE]


def is_derived(reference: str, document_id: str) -> bool:
    """Tell whether a header's key follows from a document's id, with whatever prefix.

    Such a key is of no other document, in whatever legal entity. A number of Dynamics' own is one
    in one legal entity only, and a continuous number sequence may give it out again.
    """
    found = reference.upper()
    return any(
        header_reference(document_id, found[:length]) == found
        for length in range(LONGEST_PREFIX + 1)
    )


def invoice_rows(
    invoice: VendorInvoice, formats: DimensionFormats, *, credit_correction: bool = False
) -> InvoiceRows:
    """Return the rows of an invoice.

    Raises Rejected for a dimension that the environment's format lacks, or a text that cannot be
    written, SetupError without format.
    """
    header = {
        "dataAreaId": invoice.legal_entity,
        "InvoiceAccount": invoice.vendor_account,
        "InvoiceNumber": invoice.invoice_number,
        "InvoiceDate": _noon(invoice.invoice_date),
        "Date": _noon(invoice.posting_date),
        "DueDate": _noon(invoice.due_date),
        "InvoiceReceivedDate": _noon(invoice.received_date),
        "Currency": invoice.currency,
        "TermsOfPayment": invoice.terms_of_payment,
        "MethodOfPayment": invoice.method_of_payment,
        "SalesTaxGroup": invoice.sales_tax_group,
        "PurchaseOrderNumber": invoice.purchase_order,
        "InvoiceDescription": invoice.description[:DESCRIPTION_LENGTH].rstrip(),
        "ImportedAmount": invoice.gross_amount,
        "ImportedSalesTax": invoice.tax_amount,
        "IsOnHold": yes_no(invoice.on_hold),
        "CreditCorrection": "Yes" if credit_correction and invoice.is_credit_note else "",
        **_custom(invoice.fields),
    }
    lines = tuple(_line_row(invoice, line, formats) for line in invoice.lines)
    rows = InvoiceRows(_filled(header), lines)
    for row in (rows.header, *rows.lines):
        check_texts(row, "correct the text in Basware and transfer the invoice again")
    return rows


def check_texts(row: Row, remedy: str) -> None:
    """Raise Rejected for half a surrogate pair: JSON can hold it as an escape, UTF-8 cannot."""
    for name, value in row.items():
        if isinstance(value, str) and not value.isascii() and SURROGATE.search(value):
            reject(f"{name} has a broken character in it, which cannot be written", remedy)


def _line_row(invoice: VendorInvoice, line: InvoiceLine, formats: DimensionFormats) -> Row:
    account = formats.ledger(line.main_account, line.dimensions) if line.main_account else ""
    return _filled(
        {
            "dataAreaId": invoice.legal_entity,
            "InvoiceLineNumber": line.line_number,
            "LineDescription": line.description,
            "PurchaseOrder": line.purchase_order,
            "PurchLineNumber": line.purchase_line_number,
            "ItemNumber": line.item_number,
            "ProcurementCategoryName": line.procurement_category,
            "ProcurementCategoryHierarchyName": line.procurement_category_hierarchy,
            "MainAccountDisplayValue": account,
            "DimensionDisplayValue": _default_dimensions(line, formats),
            "ReceiveNow": line.quantity,
            "Unit": line.unit,
            "UnitPrice": line.unit_price,
            # Always sent: an item's or order line's own price unit would change the amount.
            "PriceUnit": line.price_unit,
            "NetAmount": line.net_amount,
            "Currency": invoice.currency,
            "SalesTaxGroup": line.sales_tax_group,
            "ItemSalesTax": line.item_sales_tax_group,
            **_custom(line.fields),
        }
    )


def _default_dimensions(line: InvoiceLine, formats: DimensionFormats) -> str:
    """Return the line's default dimensions, which its charges and tax inherit.

    Where the account already carries the dimensions, a default format that lacks one of them is
    no reason to refuse the invoice.
    """
    known = {segment.casefold() for segment in formats.default_format.segments}
    if line.main_account and not all(name.casefold() in known for name in line.dimensions):
        return ""
    return formats.default(line.dimensions)


def _noon(day: date | None) -> str:
    """Return a date as F&O keeps it (reference: always noon UTC)."""
    return f"{day.isoformat()}T12:00:00Z" if day else ""


def _custom(fields: Row) -> dict[str, Any]:
    return {n: yes_no(v) if isinstance(v, bool) else v for n, v in fields.items()}


def _filled(row: Row) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None and value != ""}


def same_content(rows: InvoiceRows, header: Row, lines: Sequence[Row]) -> bool:
    """Tell whether F&O holds what we would send: every field that we send has our value."""
    if len(rows.lines) != len(lines) or not holds(header, rows.header):
        return False
    stored = {comparable(line["InvoiceLineNumber"]): line for line in lines}
    return all(
        holds(stored.get(comparable(line["InvoiceLineNumber"]), {}), line) for line in rows.lines
    )
