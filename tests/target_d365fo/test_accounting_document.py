"""Basware's document and mapping.yml become an invoice, or a reason that a clerk understands."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ap_mapping import Mapping, load_mapping, parse_mapping
from hypothesis import given
from hypothesis import strategies as st
from sandbox.seed.builders import accounting_document, coding_row, order_row
from sandbox.seed.demo import small_orders
from singer_delivery.errors import Rejected, SetupError
from target_d365fo.accounting_document import from_accounting_document
from target_d365fo.invoice import VendorInvoice

MAPPING = load_mapping(Path(__file__).parents[2] / "mapping.yml")


def read(document: dict[str, Any], mapping: Mapping = MAPPING) -> VendorInvoice:
    return from_accounting_document(document, mapping)


def rejection(document: dict[str, Any], mapping: Mapping = MAPPING) -> str:
    with pytest.raises(Rejected) as refused:
        read(document, mapping)
    return str(refused.value)


def test_header() -> None:
    invoice = read(
        accounting_document(
            number="INV-1",
            invoice_id="b1",
            invoice_date=date(2026, 2, 16),
            gross="107.25",
            tax_code="US07",
            paymentBlock=True,
            referenceNumber="RF18",
            date1="2026-02-17T00:00:00Z",
        )
    )

    assert replace(invoice, lines=(), version="") == VendorInvoice(
        document_id="b1",
        legal_entity="usmf",
        vendor_account="US-0001",
        invoice_number="INV-1",
        invoice_date=date(2026, 2, 16),
        posting_date=date(2026, 2, 26),
        due_date=date(2026, 3, 18),
        received_date=date(2026, 2, 17),
        currency="USD",
        gross_amount=Decimal("107.25"),
        tax_amount=invoice.tax_amount,
        terms_of_payment="Net30",
        method_of_payment="ELECTRONIC",
        sales_tax_group="US-CA",
        description="Basware b1",
        on_hold=True,
        fields={"PaymentId": "RF18"},
        lines=(),
    )
    assert invoice.tax_amount == Decimal("107.25") - invoice.lines[0].net_amount


def test_exceptions_of_a_legal_entity_apply() -> None:
    invoice = read(accounting_document(company="2000", rows=[coding_row("10", tax_code="EX")]))

    assert invoice.method_of_payment == "SEPA"
    assert invoice.lines[0].sales_tax_group == "DE-EX"


def test_a_coded_row_has_account_and_dimensions() -> None:
    row = coding_row("10", account="601500", cost_center="CC-01", business_unit="001", text="Paper")

    [line] = read(accounting_document(rows=[row])).lines

    assert line.main_account == "601500"
    assert line.dimensions == {"CostCenter": "CC-01", "BusinessUnit": "001"}
    assert (line.quantity, line.unit_price, line.net_amount) == (1, 10, 10)
    assert (line.purchase_order, line.purchase_line_number) == ("", None)
    assert line.description == "Paper"


def test_a_matched_row_leaves_account_and_dimensions_to_the_order() -> None:
    order = small_orders(["usmf"])[0]
    row = order_row(order, order.lines[1], account="601500", cost_center="CC-01")

    [line] = read(accounting_document(rows=[row])).lines

    assert (line.purchase_order, line.purchase_line_number) == (order.number, 2)
    assert (line.main_account, line.dimensions) == ("", {})


def test_the_header_names_the_order_only_when_it_is_one() -> None:
    first, second = small_orders(["usmf"])[:2]
    one = [order_row(first, line) for line in first.lines] + [coding_row("5")]
    two = [order_row(first, first.lines[0]), order_row(second, second.lines[0])]

    assert read(accounting_document(rows=one)).purchase_order == first.number
    assert read(accounting_document(rows=two)).purchase_order == ""


def test_rows_keep_the_order_of_their_index() -> None:
    document = accounting_document(rows=[coding_row("1"), coding_row("2"), coding_row("3")])
    document["codingRows"].reverse()

    lines = read(document).lines

    assert [(line.line_number, line.net_amount) for line in lines] == [(1, 1), (2, 2), (3, 3)]


def test_a_row_without_tax_code_takes_the_document_s() -> None:
    document = accounting_document(rows=[coding_row("10", tax_code="US07")])
    del document["codingRows"][0]["taxCode"]

    assert read(document).lines[0].item_sales_tax_group == "FULL"


def test_rows_without_amount() -> None:
    order = small_orders(["usmf"])[0]
    rows = [
        coding_row("10"),
        coding_row("0"),
        coding_row("0", orderNumber=order.number, orderLineNumber="1"),
    ]

    _, free, matched = read(accounting_document(rows=rows)).lines

    assert (free.quantity, free.unit_price) == (1, 0)
    assert (matched.quantity, matched.unit_price) == (0, 0)


def test_the_order_line_s_number_may_be_written_with_decimals() -> None:
    row = coding_row("10", orderNumber="PO1", orderLineNumber="2.000000")

    assert read(accounting_document(rows=[row])).lines[0].purchase_line_number == 2


def test_numbers_with_binary_noise_are_read_as_they_were_meant() -> None:
    document = accounting_document(rows=[coding_row("33.33", tax_code="EX")])
    document["codingRows"][0]["netTotal"] = Decimal("33.330000000000005")

    assert read(document).lines[0].net_amount == Decimal("33.33")


nets = st.lists(
    st.decimals(min_value=Decimal("0.01"), max_value=10**6, places=2), min_size=1, max_size=20
)


@given(nets=nets, credit=st.booleans())
def test_lines_and_tax_add_up_to_the_gross_amount(nets: list[Decimal], credit: bool) -> None:
    sign = -1 if credit else 1
    rows = [coding_row(sign * net, tax_code="US07") for net in nets]
    document = accounting_document(rows=rows)

    invoice = read(document)

    total = sum(line.net_amount + line.tax_amount for line in invoice.lines)
    assert total == invoice.gross_amount == document["grossSum"]
    assert invoice.is_credit_note == credit
    assert all((line.quantity < 0) == credit and line.unit_price > 0 for line in invoice.lines)


@given(nets=nets, cents=st.integers(-100, 100).filter(bool))
def test_a_cent_off_is_refused_with_both_figures(nets: list[Decimal], cents: int) -> None:
    document = accounting_document(rows=[coding_row(net, tax_code="US07") for net in nets])
    right = document["grossSum"]
    wrong = right + Decimal(cents) / 100
    document["grossSum"] = wrong

    text = rejection(document)

    assert f"= {right} USD" in text
    assert f"gross amount is {wrong}, difference {Decimal(cents) / 100:.2f}" in text


def test_a_credit_note_with_positive_amounts_is_turned_by_its_type() -> None:
    document = accounting_document(rows=[coding_row("100", quantity=4)], invoiceTypeCode="CR")

    invoice = read(document)

    assert invoice.gross_amount == -document["grossSum"]
    assert invoice.tax_amount == -document["taxSum1"]
    [line] = invoice.lines
    assert (line.quantity, line.unit_price, line.net_amount) == (-4, 25, -100)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"number": None}, "the invoice has no invoice number"),
        ({"invoiceDate": None}, "the invoice has no invoice date"),
        ({"supplierCode": ""}, "the invoice has no supplier"),
        ({"rows": []}, "the invoice has no coding rows"),
        ({"number": "N" * 21}, f"invoice number '{'N' * 21}' has 21 characters, and F&O takes 20"),
        ({"companyCode": "9999"}, "company code '9999' has no entry under companies"),
        ({"payment_term": "45N"}, "payment term '45N' has no entry under payment_terms"),
        ({"paymentMethod": "Barter"}, "payment method 'Barter' has no entry"),
        ({"invoiceTypeCode": "XX"}, "invoice type 'XX' has no entry under invoice_types"),
        ({"rows": [coding_row("10", tax_code="??", tax=0)]}, "tax code '??' has no entry"),
        ({"currencyCode": "EURO"}, "currency 'EURO' is not a three-letter code"),
        ({"grossSum": "1.000,00"}, "grossSum '1.000,00' is no number; write it like 1234.56"),
        ({"grossSum": 100.1}, "grossSum 100.1 is a binary float"),
        ({"grossSum": None}, "grossSum is missing"),
        ({"invoiceDate": "16.02.2026"}, "invoiceDate '16.02.2026' is no date"),
        ({"paymentBlock": "yes"}, "paymentBlock 'yes' is neither true nor false"),
        ({"codingRows": "none"}, "codingRows 'none' is no list of rows"),
        (
            {"taxSum1": Decimal("7.26")},
            "the tax of the lines is 7.25 USD, that of the invoice 7.26",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(options: dict[str, Any], text: str) -> None:
    assert text in rejection(accounting_document(**options))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        (
            {"orderNumber": "PO1"},
            "coding row 1 names purchase order PO1 without an order line; match it to an order "
            "line in Basware, or take the order off the row",
        ),
        ({"orderLineNumber": "1"}, "coding row 1 names order line 1 without a purchase order"),
        (
            {"orderNumber": "PO1,PO2", "orderLineNumber": "1,1"},
            "coding row 1 is matched to several order lines (PO1,PO2 1,1)",
        ),
        ({"orderNumber": "PO1", "orderLineNumber": "one"}, "orderLineNumber 'one' is no number"),
        ({"orderNumber": "PO1", "orderLineNumber": "1.5"}, "1.5 is no whole number"),
        ({"accountCode": ""}, "coding row 1 has no account and no purchase order"),
        ({"netTotal": Decimal("99.999")}, "net amount 99.999 has more decimals"),
        ({"netTotal": None}, "coding row 1: netTotal is missing"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_in_words(row: dict[str, Any], text: str) -> None:
    document = accounting_document(rows=[coding_row("100")])
    document["codingRows"][0].update(row)

    assert text in rejection(document)


def test_too_many_rows_for_one_transaction() -> None:
    rows = [{"netTotal": 1, "taxSum": 0, "taxCode": "EX", "accountCode": "1"}] * 4991
    document = accounting_document() | {"codingRows": rows, "grossSum": 4991, "taxSum1": 0}

    assert "the invoice has 4991 lines, and F&O takes 4990" in rejection(document)


def test_an_invoice_that_is_not_offered_for_posting_stops_the_run() -> None:
    with pytest.raises(SetupError, match=r"has the processing status Paid.*filter by processing"):
        read(accounting_document(status="Paid"))


def test_a_procurement_category_codes_a_line_where_the_mapping_has_one() -> None:
    mapping = parse_mapping(
        """
        version: 1
        companies: {1000: {legal_entity: usmf}}
        payment_terms: {30N: Net30}
        tax_codes: {US07: {sales_tax_group: A, item_sales_tax_group: B}}
        procurement: {hierarchy: Procurement, default_category: General}
        """
    )
    document = accounting_document(rows=[coding_row("10")])
    document["codingRows"][0]["accountCode"] = ""

    [line] = read(document, mapping).lines

    assert (line.procurement_category, line.procurement_category_hierarchy) == (
        "General",
        "Procurement",
    )


def test_unknown_new_fields_do_no_harm() -> None:
    document = accounting_document(rows=[coding_row("10", aNewField={"a": [1]})], other=[1, 2])

    assert read(document).lines[0].net_amount == 10
