"""The scenarios by which an approved invoice's way into an ERP is certified, end to end.

All documents travel in one `meltano run invoices`; each test looks at what both systems hold.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import pytest
from sandbox.seed import orders, small_world
from sandbox.seed.builders import accounting_document, coding_row, order_row
from sandbox.seed.companies import USMF
from sandbox.seed.vendors import Vendor, make_vendors
from sandbox.seed.world import Row
from sandbox.server import Sandbox

from tests.pipelines.conftest import Meltano
from tests.pipelines.holdings import Holdings


@dataclass(frozen=True)
class Certified:
    """The scenario documents as they were offered, and what became of them."""

    offered: dict[str, Row]
    after: Holdings

    def __getitem__(self, scenario: str) -> Row:
        return self.offered[scenario]


def _vendor(company: object, number: int = 1) -> Vendor:
    return make_vendors(company, number, random.Random(7))[-1]  # type: ignore[arg-type]


def _scenarios() -> tuple[dict[str, Row], list[orders.Order]]:
    rng = random.Random(11)
    vendor = _vendor(USMF)
    single = orders.make_order(vendor, 90001, rng)
    custom = orders.make_order(vendor, 90002, rng)
    taxed = orders.make_order(vendor, 90003, rng, lines=3)
    documents = {
        "po": accounting_document(
            number="ACC-PO-1", rows=[order_row(single, single.lines[0], tax_code="US07")]
        ),
        "no_po": accounting_document(
            number="ACC-NP-1",
            rows=[coding_row(net="250.10", tax_code="US07", cost_center="CC-01")],
        ),
        "po_custom_field": accounting_document(
            number="ACC-PO-2",
            rows=[order_row(custom, custom.lines[0], tax_code="EX")],
            text1="Project Ångström",
            numeric1=Decimal("12.5"),
        ),
        "services": accounting_document(
            company="2000",
            number="ACC-SV-1",
            rows=[
                coding_row(quantity="12.5", price="98.40", tax_code="DE19"),
                coding_row(quantity="3", price="33.33", tax_code="DE19"),
            ],
        ),
        "po_tax_lines": accounting_document(
            number="ACC-PO-3",
            rows=[
                order_row(taxed, line, tax_code=code)
                for line, code in zip(taxed.lines, ("US07", "EX", "US07"), strict=True)
            ],
        ),
        "credit": accounting_document(
            company="2000", number="ACC-CR-1", rows=[coding_row(net="-119.50", tax_code="DE07")]
        ),
        "currency": accounting_document(
            company="2000",
            number="ACC-MC-1",
            currency="USD",
            rows=[coding_row(net="1000.01", tax_code="EX")],
        ),
        "yen": accounting_document(
            company="4000", number="ACC-JP-1", rows=[coding_row(net="98765", tax_code="JP10")]
        ),
        "blocked": accounting_document(number="ACC-BL-1", paymentBlock=True),
    }
    return documents, [single, custom, taxed]


@pytest.fixture(scope="module")
def certified(sandbox_server: Sandbox, new_meltano: Callable[[Sandbox], Meltano]) -> Certified:
    """One run over all scenarios."""
    documents, purchase_orders = _scenarios()
    world = small_world()
    world.add(
        basware={"accountingDocuments": list(documents.values())},
        d365fo={
            name: rows
            for name, rows in orders.d365fo_rows(purchase_orders).items()
            if name.startswith("PurchaseOrder")
        },
    )
    sandbox_server.reset()
    sandbox_server.load(world)
    new_meltano(sandbox_server).run("run", "invoices")
    return Certified(documents, Holdings.of(sandbox_server))


def test_po_backed_single_line(certified: Certified) -> None:
    document = certified["po"]
    row = document["codingRows"][0]
    header, lines = certified.after.invoice(document)
    assert header["dataAreaId"] == "usmf"
    assert header["InvoiceAccount"] == document["supplierCode"]
    assert header["InvoiceNumber"] == "ACC-PO-1"
    assert header["ImportedAmount"] == document["grossSum"]
    [line] = lines
    assert line["PurchaseOrder"] == row["orderNumber"]
    assert line["PurchLineNumber"] == int(row["orderLineNumber"])
    assert line["ReceiveNow"] == row["matchedQuantity"]
    assert line["NetAmount"] == row["netTotal"]
    response = certified.after.confirmed(document)
    assert response["voucherNumber1"] == header["HeaderReference"]
    assert response["transferDate"]


def test_without_po_lands_on_account_and_dimensions(certified: Certified) -> None:
    document = certified["no_po"]
    header, [line] = certified.after.invoice(document)
    assert line["MainAccountDisplayValue"].startswith(document["codingRows"][0]["accountCode"])
    # The delimiter inside a value is escaped.
    assert r"CC\-01" in line["MainAccountDisplayValue"]
    assert line["NetAmount"] == Decimal("250.10")
    assert (line["SalesTaxGroup"], line["ItemSalesTax"]) == ("US-CA", "FULL")
    assert header["ImportedSalesTax"] == document["taxSum1"]
    certified.after.confirmed(document)


def test_po_backed_with_a_custom_field(certified: Certified) -> None:
    document = certified["po_custom_field"]
    header, [line] = certified.after.invoice(document)
    assert line["PurchaseOrder"] == document["codingRows"][0]["orderNumber"]
    assert "Project Ångström" in {value for value in header.values() if isinstance(value, str)}
    certified.after.confirmed(document)


def test_without_po_service_lines(certified: Certified) -> None:
    document = certified["services"]
    header, lines = certified.after.invoice(document)
    assert header["dataAreaId"] == "demf"
    assert [line["NetAmount"] for line in lines] == [Decimal("1230.00"), Decimal("99.99")]
    assert (
        sum(line["NetAmount"] for line in lines) + header["ImportedSalesTax"]
        == (document["grossSum"])
    )
    certified.after.confirmed(document)


def test_po_backed_several_tax_lines(certified: Certified) -> None:
    document = certified["po_tax_lines"]
    header, lines = certified.after.invoice(document)
    groups = [(line["SalesTaxGroup"], line["ItemSalesTax"]) for line in lines]
    assert groups == [("US-CA", "FULL"), ("US-EX", "EXEMPT"), ("US-CA", "FULL")]
    assert [line["PurchLineNumber"] for line in lines] == [1, 2, 3]
    assert header["ImportedSalesTax"] == document["taxSum1"]
    certified.after.confirmed(document)


def test_credit_memo_has_negative_quantity_and_amount(certified: Certified) -> None:
    document = certified["credit"]
    header, [line] = certified.after.invoice(document)
    assert header["ImportedAmount"] == document["grossSum"] < 0
    assert line["NetAmount"] == Decimal("-119.50")
    assert line["ReceiveNow"] < 0 < line["UnitPrice"]
    certified.after.confirmed(document)


def test_invoice_in_a_foreign_currency(certified: Certified) -> None:
    document = certified["currency"]
    header, [line] = certified.after.invoice(document)
    assert (header["dataAreaId"], header["Currency"]) == ("demf", "USD")
    assert line["Currency"] == "USD"
    assert line["NetAmount"] == Decimal("1000.01")
    certified.after.confirmed(document)


def test_currency_without_decimals(certified: Certified) -> None:
    header, [line] = certified.after.invoice(certified["yen"])
    assert (header["Currency"], line["NetAmount"]) == ("JPY", 98765)
    assert header["ImportedAmount"] == header["ImportedAmount"].to_integral_value()


def test_payment_block_becomes_hold_and_is_told_back(certified: Certified) -> None:
    header, _ = certified.after.invoice(certified["blocked"])
    assert header["IsOnHold"] == "Yes"
    assert certified.after.confirmed(certified["blocked"])["paymentBlock"] is True


def test_dates_arrive_as_the_days_they_are(certified: Certified) -> None:
    document = certified["po"]
    header, _ = certified.after.invoice(document)
    assert header["InvoiceDate"] == f"{document['invoiceDate'][:10]}T12:00:00Z"
    assert header["DueDate"] == f"{document['dueDate'][:10]}T12:00:00Z"


def test_nothing_else_is_in_dynamics(certified: Certified) -> None:
    assert len(certified.after.headers) == len(certified.offered)
    assert len(certified.after.lines) == sum(
        len(document["codingRows"]) for document in certified.offered.values()
    )
