"""The two streams that carry invoices, and how each becomes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ap_mapping import Mapping as ApMapping
from ap_mapping import MappingHole

from target_d365fo.accounting_document import OFFERED, from_accounting_document
from target_d365fo.canonical import from_record
from target_d365fo.courier import InvoiceSource

Record = Mapping[str, Any]


def canonical_source() -> InvoiceSource:
    """Return the source of `vendor_invoices`, which any tap may produce."""
    return InvoiceSource(
        key_field="document_id",
        read=from_record,
        facts=lambda record: _facts(
            record,
            legal_entity=_text(record, "legal_entity").lower(),
            vendor="vendor_account",
            number="invoice_number",
            currency="currency",
            gross="gross_amount",
            day="invoice_date",
            hold="on_hold",
        ),
    )


def basware_source(mapping: ApMapping, statuses: tuple[str, ...] = OFFERED) -> InvoiceSource:
    """Return the source of `accounting_documents`, Basware's invoices, read by mapping.yml."""
    return InvoiceSource(
        key_field="invoiceId",
        read=lambda record: from_accounting_document(record, mapping, statuses=statuses),
        facts=lambda record: _facts(
            record,
            legal_entity=_legal_entity(record, mapping),
            vendor="supplierCode",
            number="invoiceNumber",
            currency="currencyCode",
            gross="grossSum",
            day="invoiceDate",
            hold="paymentBlock",
        ),
        version_field="lastUpdated",
    )


def _legal_entity(record: Record, mapping: ApMapping) -> str:
    try:
        return mapping.legal_entity(_text(record, "companyCode"))
    except MappingHole:
        return ""


def _facts(
    record: Record,
    *,
    legal_entity: str,
    vendor: str,
    number: str,
    currency: str,
    gross: str,
    day: str,
    hold: str,
) -> dict[str, Any]:
    """Return what the answer to a rejected record can say, whatever the record is like."""
    return {
        "legal_entity": legal_entity,
        "vendor": _text(record, vendor),
        "invoice_number": _text(record, number),
        "currency": _text(record, currency),
        "gross": _text(record, gross),
        "invoice_date": _text(record, day),
        "payment_block": record.get(hold) is True,
    }


def _text(record: Record, name: str) -> str:
    value = record.get(name)
    return "" if value is None else str(value).strip()[:100]
