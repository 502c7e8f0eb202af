"""The canonical stream `vendor_invoices`, which any tap may produce."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sandbox.seed.accounts import EXPENSE_ACCOUNTS
from singer_delivery.errors import Rejected
from target_d365fo.canonical import from_record

from tests.target_d365fo.conftest import Dynamics

ACCOUNT = next(iter(EXPENSE_ACCOUNTS["Shared"]))


def line(net: str = "100.00", **fields: Any) -> dict[str, Any]:
    return {"net_amount": net, "quantity": 1, "main_account": ACCOUNT} | fields


def record(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    rows = list(lines) or [line()]
    gross = sum(Decimal(str(row["net_amount"])) for row in rows)
    return {
        "document_id": "crm-7",
        "version": "3",
        "legal_entity": "USMF",
        "vendor_account": "US-0001",
        "invoice_number": "INV-1",
        "invoice_date": "2026-02-16",
        "currency": "USD",
        "gross_amount": gross,
        "lines": rows,
    } | fields


def rejection(value: dict[str, Any]) -> str:
    with pytest.raises(Rejected) as refused:
        from_record(value)
    return str(refused.value)


def test_text_that_is_a_plain_number_is_an_amount() -> None:
    invoice = from_record(record(line("100.00", quantity="4", unit_price="25")))

    assert invoice.gross_amount == 100
    assert (invoice.lines[0].quantity, invoice.lines[0].unit_price) == (4, 25)


def test_without_a_description_the_document_id_traces_the_invoice() -> None:
    assert from_record(record()).description == "crm-7"


def test_a_rounded_unit_price_is_made_exact() -> None:
    [found] = from_record(record(line("100.00", quantity=3, unit_price="33.33"))).lines

    assert (found.quantity, found.unit_price, found.price_unit) == (3, 100, 3)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (record(document_id=None), "document_id is missing"),
        (record(legal_entity=" "), "legal_entity is missing"),
        (record(invoice_number=None), "invoice_number is missing"),
        (record(invoice_date=None), "invoice_date is missing"),
        (record(invoice_date="2026-02-30"), "invoice_date '2026-02-30' is no date"),
        (record(gross_amount=100.0), "gross_amount 100.0 is a binary float"),
        (record(gross_amount="1,000.00"), "gross_amount '1,000.00' is no number"),
        (record(gross_amount=True), "gross_amount True is no number"),
        (record(gross_amount="NaN"), "gross_amount 'NaN' is no number"),
        (record(gross_amount=Decimal("NaN")), "gross_amount NaN is no number"),
        (record(lines=[]), "the invoice has no lines"),
        (record(lines=[1]), "lines [1] is no list of rows"),
        (record(line("1e2")), "line 1: net_amount '1e2' is no number"),
        (record(line(unit_price=99)), "line 1: 1 at 99 is not the net amount 100.00"),
        (record(line(main_account="")), "line 1 has no account and no purchase order"),
        (record(line(purchase_order="PO1")), "names purchase order PO1 without an order line"),
        (record(line(purchase_line_number=1)), "names order line 1 without a purchase order"),
        (record(line(line_number=5), line(line_number=5)), "line number 5 is there twice"),
        (record(line(dimensions={"CostCenter": 1.5})), "dimension CostCenter 1.5 is no text"),
        (record(line(tax_amount="7.00")), "lines 100.00 + tax 7.00 = 107.00 USD, but the gross"),
        (record(terms_of_payment="T" * 11), "terms of payment 'TTTTTTTTTTT' has 11 characters"),
        (record(fields="x"), "fields 'x' is no object"),
    ],
)
def test_what_is_wrong_is_said_in_words(value: dict[str, Any], text: str) -> None:
    assert text in rejection(value)


def test_delivered_with_everything_that_it_can_say(dynamics: Dynamics) -> None:
    value = record(
        line("60.00", dimensions={"CostCenter": "CC-01"}, sales_tax_group="US-CA"),
        line("40.00", fields={"DeliveryName": "Dock 4"}),
        on_hold=True,
        fields={"Comment": "from the CRM"},
        received_date="2026-02-18",
    )

    dynamics.deliver(value, stream="vendor_invoices")

    [header] = dynamics.headers()
    assert header["dataAreaId"] == "usmf"
    assert header["InvoiceReceivedDate"] == "2026-02-18T12:00:00Z"
    assert (header["Comment"], header["IsOnHold"]) == ("from the CRM", "Yes")
    first, second = dynamics.lines()
    assert "CC\\-01" in first["MainAccountDisplayValue"]
    assert second["DeliveryName"] == "Dock 4"
    assert dynamics.entry(value).version == "3"


def test_an_unknown_field_rejects_only_its_invoice(dynamics: Dynamics) -> None:
    good = record(document_id="good", invoice_number="INV-2")
    bad = record(fields={"NoSuchField": "x"})

    dynamics.deliver(bad, good, stream="vendor_invoices")

    assert "NoSuchField" in dynamics.reason(bad)
    assert dynamics.status(good) == "delivered"
