"""Records of the canonical stream `vendor_invoices`, which any tap may produce."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from target_d365fo.amounts import in_currency, is_rounded_price, plain, price_of
from target_d365fo.invoice import ZERO, InvoiceLine, VendorInvoice, checked, reject
from target_d365fo.values import Fields

REMEDY = "the record needs it"


def from_record(record: Mapping[str, Any]) -> VendorInvoice:
    """Return the invoice of a record, checked; raises Rejected with field, problem and remedy.

    Without a description the document id is one, so that the invoice can be traced back.
    """
    fields = Fields(record)
    currency = fields.required_text("currency", REMEDY).upper()
    document_id = fields.required_text("document_id", REMEDY)
    lines = tuple(
        _line(row, position, currency) for position, row in enumerate(fields.rows("lines"), start=1)
    )
    _refuse_repeated(lines)
    invoice_date = fields.day("invoice_date")
    if invoice_date is None:
        reject("invoice_date is missing", REMEDY)
    taxes = sum((line.tax_amount for line in lines), ZERO)
    tax_amount = fields.amount("tax_amount")
    return checked(
        VendorInvoice(
            document_id=document_id,
            version=fields.text("version"),
            legal_entity=fields.required_text("legal_entity", REMEDY).lower(),
            vendor_account=fields.required_text("vendor_account", REMEDY),
            invoice_number=fields.required_text("invoice_number", REMEDY),
            invoice_date=invoice_date,
            posting_date=fields.day("posting_date"),
            due_date=fields.day("due_date"),
            received_date=fields.day("received_date"),
            currency=currency,
            terms_of_payment=fields.text("terms_of_payment"),
            method_of_payment=fields.text("method_of_payment"),
            gross_amount=fields.required_amount("gross_amount", REMEDY),
            tax_amount=taxes if tax_amount is None else tax_amount,
            sales_tax_group=fields.text("sales_tax_group"),
            description=fields.text("description") or document_id,
            on_hold=fields.flag("on_hold"),
            purchase_order=fields.text("purchase_order"),
            fields=fields.names("fields"),
            lines=lines,
        )
    )


def _line(row: Mapping[str, Any], position: int, currency: str) -> InvoiceLine:
    fields = Fields(row, f"line {position}: ")
    quantity, price, unit = _price(fields, position, currency)
    return InvoiceLine(
        line_number=fields.whole("line_number") or position,
        quantity=quantity,
        unit_price=price,
        price_unit=unit,
        net_amount=fields.required_amount("net_amount", REMEDY),
        tax_amount=fields.amount("tax_amount") or ZERO,
        description=fields.text("description"),
        main_account=fields.text("main_account"),
        dimensions={
            name: Fields(fields.names("dimensions"), f"line {position}: dimension ").text(name)
            for name in fields.names("dimensions")
        },
        purchase_order=fields.text("purchase_order"),
        purchase_line_number=fields.whole("purchase_line_number"),
        item_number=fields.text("item_number"),
        procurement_category=fields.text("procurement_category"),
        procurement_category_hierarchy=fields.text("procurement_category_hierarchy"),
        unit=fields.text("unit"),
        sales_tax_group=fields.text("sales_tax_group"),
        item_sales_tax_group=fields.text("item_sales_tax_group"),
        fields=fields.names("fields"),
    )


def _price(fields: Fields, position: int, currency: str) -> tuple[Decimal, Decimal, Decimal]:
    """Return quantity, unit price and price unit; the net amount is what counts.

    A unit price that is only rounded (33.33 for a third of 100) is made exact again; one that
    leads to another amount is refused.
    """
    written = fields.required_amount("net_amount", REMEDY)
    try:
        net = in_currency(written, currency)
    except ValueError as error:
        reject(f"line {position}: net_amount {error}", "correct the amount")
    quantity = fields.amount("quantity")
    quantity = Decimal(1) if quantity is None else quantity
    given = fields.amount("unit_price")
    if given is not None and not is_rounded_price(net, quantity, given):
        reject(
            f"line {position}: {plain(quantity)} at {plain(given)} is not the net amount "
            f"{plain(net)}",
            "correct quantity, unit_price or net_amount",
        )
    price = price_of(net, quantity)
    return price.quantity, price.unit_price, price.price_unit


def _refuse_repeated(lines: tuple[InvoiceLine, ...]) -> None:
    seen: set[int] = set()
    for line in lines:
        if line.line_number in seen:
            reject(f"line number {line.line_number} is there twice", "number the lines")
        seen.add(line.line_number)
