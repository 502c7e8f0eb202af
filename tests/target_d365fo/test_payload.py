from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.errors import Rejected, SetupError
from tap_d365fo.dimensions import DimensionFormats
from target_d365fo.content_mark import ContentMark
from target_d365fo.invoice import InvoiceLine, VendorInvoice
from target_d365fo.payload import InvoiceRows, header_reference, invoice_rows, same_content

FORMATS = DimensionFormats.of("BusinessUnit-CostCenter", "MainAccount-BusinessUnit-CostCenter")
INVOICE = VendorInvoice(
    document_id="b1",
    legal_entity="usmf",
    vendor_account="US-101",
    invoice_number="INV-1",
    invoice_date=date(2026, 1, 31),
    currency="USD",
    gross_amount=Decimal("-107.25"),
    tax_amount=Decimal("-7.25"),
    lines=(),
)
LINE = InvoiceLine(
    line_number=1,
    quantity=Decimal(-1),
    unit_price=Decimal(100),
    net_amount=Decimal("-100.00"),
    main_account="601500",
    dimensions={"CostCenter": "US-108"},
)


def rows(*lines: InvoiceLine, **options: Any) -> InvoiceRows:
    return invoice_rows(replace(INVOICE, lines=lines or (LINE,)), FORMATS, **options)


def test_header() -> None:
    assert rows().header == {
        "dataAreaId": "usmf",
        "InvoiceAccount": "US-101",
        "InvoiceNumber": "INV-1",
        "InvoiceDate": "2026-01-31T12:00:00Z",
        "Currency": "USD",
        "ImportedAmount": Decimal("-107.25"),
        "ImportedSalesTax": Decimal("-7.25"),
        "IsOnHold": "No",
    }


def test_line_with_an_escaped_delimiter_and_empty_segments() -> None:
    [line] = rows().lines

    assert line["MainAccountDisplayValue"] == "601500--US\\-108"
    assert line["DimensionDisplayValue"] == "-US\\-108"
    assert (line["ReceiveNow"], line["UnitPrice"], line["PriceUnit"]) == (-1, 100, 1)


def test_a_dimension_that_only_the_ledger_format_has_is_no_reason_to_refuse() -> None:
    formats = DimensionFormats.of("BusinessUnit", "MainAccount-CostCenter")

    [line] = invoice_rows(replace(INVOICE, lines=(LINE,)), formats).lines

    assert line["MainAccountDisplayValue"] == "601500-US\\-108"
    assert "DimensionDisplayValue" not in line


def test_a_dimension_that_the_ledger_format_lacks_is_refused() -> None:
    with pytest.raises(Rejected, match="dimension CostCenter is not in the active"):
        invoice_rows(replace(INVOICE, lines=(LINE,)), DimensionFormats.of("", "MainAccount"))


def test_without_a_ledger_format_nothing_can_be_delivered() -> None:
    with pytest.raises(SetupError, match="no ledger dimension format is active"):
        invoice_rows(replace(INVOICE, lines=(LINE,)), DimensionFormats.of("", ""))


def test_long_descriptions_are_cut() -> None:
    long = replace(INVOICE, description="x" * 61, lines=(LINE,))

    assert len(invoice_rows(long, FORMATS).header["InvoiceDescription"]) == 60


def test_only_credit_notes_are_corrections() -> None:
    assert rows(credit_correction=True).header["CreditCorrection"] == "Yes"
    positive = replace(INVOICE, gross_amount=Decimal(1), lines=(LINE,))
    assert "CreditCorrection" not in invoice_rows(positive, FORMATS, credit_correction=True).header


def test_further_fields_win_and_flags_are_written_as_members() -> None:
    invoice = replace(INVOICE, fields={"IsApproved": True, "SalesTaxGroup": "X"}, lines=(LINE,))

    header = invoice_rows(invoice, FORMATS).header

    assert (header["IsApproved"], header["SalesTaxGroup"]) == ("Yes", "X")


@given(document_id=st.text(), prefix=st.from_regex(r"[A-Z0-9]{0,8}", fullmatch=True))
def test_a_header_reference_fits_and_stays(document_id: str, prefix: str) -> None:
    reference = header_reference(document_id, prefix)

    assert len(reference) == 20
    assert reference.startswith(prefix)
    assert reference.isascii()
    assert reference.isalnum()
    assert reference == reference.upper() == header_reference(document_id, prefix)


def test_references_differ_and_are_the_same_in_every_release() -> None:
    assert len({header_reference(str(n)) for n in range(10_000)}) == 10_000
    assert header_reference("b77c1f00d") == "BWQNSU2A5JI6KJQRMQTY"


STORED = {"RecId": 7, "DueDate": "2026-03-02T12:00:00Z", "VendorAccount": "US-101"}


def as_stored(sent: InvoiceRows) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What F&O makes of it: other letter case, other digits, fields of its own."""
    header = {**sent.header, **STORED, "dataAreaId": "USMF", "ImportedAmount": Decimal("-107.2500")}
    lines = [
        {**line, "InvoiceLineNumber": Decimal(line["InvoiceLineNumber"])} for line in sent.lines
    ]
    return header, lines[::-1]


def test_content_is_compared_as_dynamics_holds_it() -> None:
    sent = rows(LINE, replace(LINE, line_number=2, purchase_order="PO1", purchase_line_number=3))
    header, lines = as_stored(sent)
    mark = ContentMark.load(json.loads(json.dumps(ContentMark.of(sent).dump())))

    assert same_content(sent, header, lines)
    assert mark.matches(header, lines)


@pytest.mark.parametrize(
    "change",
    [
        lambda header, lines: header.update(ImportedAmount=Decimal("-107.24")),
        lambda header, lines: header.update(InvoiceDate="2026-02-01T12:00:00Z"),
        lambda header, lines: lines[0].update(MainAccountDisplayValue="601501--US\\-108"),
        lambda header, lines: lines.pop(),
        lambda header, lines: lines.append({**lines[0], "InvoiceLineNumber": Decimal(9)}),
    ],
    ids=["amount", "date", "account", "a line less", "a line more"],
)
def test_any_difference_is_seen(change: Any) -> None:
    sent = rows(LINE, replace(LINE, line_number=2))
    header, lines = as_stored(sent)
    change(header, lines)

    assert not same_content(sent, header, lines)
    assert not ContentMark.of(sent).matches(header, lines)
