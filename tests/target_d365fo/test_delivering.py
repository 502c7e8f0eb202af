"""An approved invoice becomes one pending vendor invoice, with everything that belongs to it."""

from __future__ import annotations

import json
from decimal import Decimal

from sandbox.seed.builders import accounting_document, coding_row, order_row
from sandbox.seed.demo import small_orders

from tests.target_d365fo.conftest import Dynamics


def test_invoice_without_order(dynamics: Dynamics) -> None:
    document = accounting_document(
        number="INV-1",
        rows=[
            coding_row(net="100.00", tax_code="US07", cost_center="CC-01", text="Paper"),
            coding_row(net="20.50", tax_code="EX", cost_center="CC-02"),
        ],
        text1="for Ångström",
    )

    state = dynamics.deliver(document)

    assert json.loads(state) == {"bookmarks": {"accounting_documents": {"done": True}}}
    [header] = dynamics.headers()
    assert header["dataAreaId"] == "usmf"
    assert header["HeaderReference"].startswith("BW")
    assert header["InvoiceAccount"] == document["supplierCode"]
    assert header["InvoiceNumber"] == "INV-1"
    assert header["InvoiceDate"] == document["invoiceDate"].replace("T00", "T12")
    assert header["ImportedAmount"] == document["grossSum"]
    assert header["ImportedSalesTax"] == document["taxSum1"]
    assert header["InvoiceDescription"] == f"Basware {document['invoiceId']}"
    assert header["Comment"] == "for Ångström"
    assert header["IsOnHold"] == "No"
    first, second = dynamics.lines()
    assert (first["NetAmount"], second["NetAmount"]) == (Decimal("100.00"), Decimal("20.50"))
    assert first["ItemSalesTax"] == "FULL"
    assert second["SalesTaxGroup"] == "US-EX"
    assert "CC-01" in first["MainAccountDisplayValue"].replace("\\", "")
    assert first["LineDescription"] == "Paper"
    assert dynamics.status(document) == "delivered"
    assert dynamics.entry(document).remote_key == header["HeaderReference"]


def test_invoice_matched_to_an_order(dynamics: Dynamics) -> None:
    order = small_orders(["usmf"])[0]
    rows = [order_row(order, line, tax_code="US07") for line in order.lines]

    dynamics.deliver(accounting_document(number="INV-1", rows=rows))

    [header] = dynamics.headers()
    assert header["PurchaseOrderNumber"] == order.number
    for line, ordered in zip(dynamics.lines(), order.lines, strict=True):
        assert line["PurchaseOrder"] == order.number
        assert line["PurchLineNumber"] == ordered.number
        assert line["ReceiveNow"] == ordered.quantity
        assert line["NetAmount"] == ordered.amount


def test_credit_note_has_negative_quantity_and_positive_price(dynamics: Dynamics) -> None:
    document = accounting_document(number="CR-1", rows=[coding_row(net="-119.50", quantity=2)])

    dynamics.deliver(document, credit_correction=True)

    [header], [line] = dynamics.headers(), dynamics.lines()
    assert header["ImportedAmount"] == document["grossSum"] < 0
    assert header["CreditCorrection"] == "Yes"
    assert line["ReceiveNow"] == -2
    assert line["UnitPrice"] == Decimal("59.75")
    assert line["NetAmount"] == Decimal("-119.50")


def test_other_companies_and_currencies(dynamics: Dynamics) -> None:
    dollars = accounting_document(
        company="2000", number="A", currency="USD", rows=[coding_row("9.99")]
    )
    yen = accounting_document(company="4000", number="B", rows=[coding_row("98765")])

    dynamics.deliver(dollars, yen)

    found = {
        row["dataAreaId"]: (row["Currency"], row["ImportedAmount"]) for row in dynamics.headers()
    }
    assert found == {"demf": ("USD", dollars["grossSum"]), "jpmf": ("JPY", yen["grossSum"])}


def test_prices_that_never_end_keep_the_amount(dynamics: Dynamics) -> None:
    dynamics.deliver(accounting_document(rows=[coding_row(net="100.00", quantity=3)]))

    [line] = dynamics.lines()
    assert (line["ReceiveNow"], line["UnitPrice"], line["PriceUnit"]) == (3, 100, 3)
    assert line["NetAmount"] == 100


def test_payment_block_puts_the_invoice_on_hold(dynamics: Dynamics) -> None:
    document = accounting_document(paymentBlock=True)

    dynamics.deliver(document)

    assert dynamics.headers()[0]["IsOnHold"] == "Yes"
    assert dynamics.entry(document).detail["payment_block"] is True


def test_an_invoice_of_two_thousand_rows_is_written_whole(dynamics: Dynamics) -> None:
    rows = [coding_row(net=f"{n}.01", tax_code="EX") for n in range(1, 2001)]

    dynamics.deliver(accounting_document(rows=rows))

    assert len(dynamics.lines()) == 2000
    assert len(dynamics.requests("$batch")) == 1


def test_a_batch_is_looked_up_with_few_reads(dynamics: Dynamics) -> None:
    documents = [accounting_document(number=f"INV-{n}") for n in range(50)]

    dynamics.deliver(*documents, max_invoices_per_request=1)

    assert len(dynamics.headers()) == 50
    # Pending and posted ones in one request, posted ones by description in two.
    assert len(dynamics.requests("$batch")) == 51
    assert len(dynamics.requests("VendInvoiceJourBiEntities")) == 2
    # One row tells whether the fields of the mapping exist.
    assert len(dynamics.requests("VendorInvoiceHeaders")) == 1
