"""The canonical vendor invoice, whatever system it comes from, and the checks it must pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from singer_delivery.errors import Rejected

from target_d365fo.amounts import in_currency, minor_units, plain, round_half_up

#: One changeset takes 5,000 operations: the header, one a line, and a delete when replacing.
MAX_LINES = 4_990
ZERO = Decimal(0)
#: Lengths of the extended data types in F&O; $metadata does not publish them.
MAX_LENGTHS = {
    "invoice number": 20,
    "vendor account": 20,
    "purchase order": 20,
    "item number": 20,
    "terms of payment": 10,
    "method of payment": 10,
    "sales tax group": 10,
    "item sales tax group": 10,
}


@dataclass(frozen=True)
class InvoiceLine:
    """One line. Amounts in the invoice's currency; `quantity` is negative on a credit.

    `net_amount` is quantity * unit_price / price_unit, without tax and charges.
    """

    line_number: int
    quantity: Decimal
    unit_price: Decimal
    net_amount: Decimal
    price_unit: Decimal = Decimal(1)
    tax_amount: Decimal = ZERO
    description: str = ""
    main_account: str = ""
    dimensions: Mapping[str, str] = field(default_factory=dict)
    purchase_order: str = ""
    purchase_line_number: int | None = None
    item_number: str = ""
    procurement_category: str = ""
    procurement_category_hierarchy: str = ""
    unit: str = ""
    sales_tax_group: str = ""
    item_sales_tax_group: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VendorInvoice:
    """One invoice or credit note (negative amounts). Dates are calendar days.

    `version` is the source's own version of the document, opaque. Empty text means: leave it to
    F&O's defaults.
    """

    document_id: str
    legal_entity: str
    vendor_account: str
    invoice_number: str
    invoice_date: date
    currency: str
    gross_amount: Decimal
    tax_amount: Decimal
    lines: tuple[InvoiceLine, ...]
    version: str = ""
    posting_date: date | None = None
    due_date: date | None = None
    received_date: date | None = None
    terms_of_payment: str = ""
    method_of_payment: str = ""
    sales_tax_group: str = ""
    description: str = ""
    on_hold: bool = False
    purchase_order: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_credit_note(self) -> bool:
        """Whether the vendor owes us."""
        return self.gross_amount < 0

    def __str__(self) -> str:
        return f"invoice {self.invoice_number} of vendor {self.vendor_account}"


def reject(problem: str, remedy: str) -> NoReturn:
    """Raise Rejected: what is wrong, and what its owner can do."""
    msg = f"{problem}; {remedy}"
    raise Rejected(msg)


def checked(invoice: VendorInvoice) -> VendorInvoice:
    """Return the invoice with amounts in the currency's decimals; raises Rejected.

    Keys fit into F&O, every line says what it is for, and lines + tax = gross to the last
    decimal of the currency.
    """
    if len(invoice.currency) != 3 or not invoice.currency.isalpha():
        reject(
            f"currency {invoice.currency!r} is not a three-letter code", "correct the currency code"
        )
    if not invoice.lines:
        reject("the invoice has no lines", "code it with at least one row")
    if len(invoice.lines) > MAX_LINES:
        reject(
            f"the invoice has {len(invoice.lines)} lines, and F&O takes {MAX_LINES} in one "
            "transaction",
            "split it or summarise its coding",
        )
    _check_lengths(invoice)
    for line in invoice.lines:
        _check_coding(line)
    settled = _in_currency(invoice)
    _check_sums(settled)
    return settled


def _check_lengths(invoice: VendorInvoice) -> None:
    values = {
        "invoice number": invoice.invoice_number,
        "vendor account": invoice.vendor_account,
        "purchase order": invoice.purchase_order,
        "terms of payment": invoice.terms_of_payment,
        "method of payment": invoice.method_of_payment,
        "sales tax group": invoice.sales_tax_group,
    }
    for name, value in values.items():
        _check_length(name, value)
    for line in invoice.lines:
        where = f"line {line.line_number}: "
        _check_length("purchase order", line.purchase_order, where)
        _check_length("item number", line.item_number, where)
        _check_length("sales tax group", line.sales_tax_group, where)
        _check_length("item sales tax group", line.item_sales_tax_group, where)


def _check_length(name: str, value: str, where: str = "") -> None:
    limit = MAX_LENGTHS[name]
    if len(value) > limit:
        reject(
            f"{where}{name} {value[:60]!r} has {len(value)} characters, and F&O takes {limit}",
            "shorten it; a cut one would not be found again",
        )


def _check_coding(line: InvoiceLine) -> None:
    where = f"line {line.line_number}"
    if line.purchase_order and line.purchase_line_number is None:
        reject(
            f"{where} names purchase order {line.purchase_order} without an order line",
            "match it to an order line, or take the order off the line",
        )
    if line.purchase_line_number is not None and not line.purchase_order:
        reject(
            f"{where} names order line {line.purchase_line_number} without a purchase order",
            "match it to a purchase order",
        )
    if not (
        line.purchase_order or line.main_account or line.item_number or line.procurement_category
    ):
        reject(f"{where} has no account and no purchase order", "code it to an account")


def _in_currency(invoice: VendorInvoice) -> VendorInvoice:
    def settle(name: str, amount: Decimal) -> Decimal:
        try:
            return in_currency(amount, invoice.currency)
        except ValueError as error:
            reject(f"{name} {error}", "correct the amount")

    def settled(line: InvoiceLine) -> InvoiceLine:
        net = settle(f"line {line.line_number}: net amount", line.net_amount)
        tax = settle(f"line {line.line_number}: tax", line.tax_amount)
        if (str(net), str(tax)) == (str(line.net_amount), str(line.tax_amount)):
            return line  # making a line anew takes its time
        return replace(line, net_amount=net, tax_amount=tax)

    lines = tuple(map(settled, invoice.lines))
    return replace(
        invoice,
        gross_amount=settle("the gross amount", invoice.gross_amount),
        tax_amount=settle("the tax", invoice.tax_amount),
        lines=lines,
    )


def _check_sums(invoice: VendorInvoice) -> None:
    currency = invoice.currency
    for line in invoice.lines:
        product = round_half_up(
            line.quantity * line.unit_price / line.price_unit, minor_units(currency)
        )
        if product != line.net_amount:
            reject(
                f"line {line.line_number}: quantity times price is {plain(product)} {currency}, "
                f"the net amount {plain(line.net_amount)}",
                "correct quantity, price or net amount",
            )
    net = sum((line.net_amount for line in invoice.lines), ZERO)
    taxes = sum((line.tax_amount for line in invoice.lines), ZERO)
    if taxes and taxes != invoice.tax_amount:
        reject(
            f"the tax of the lines is {plain(taxes)} {currency}, that of the invoice "
            f"{plain(invoice.tax_amount)}, difference {plain(invoice.tax_amount - taxes)}",
            "correct the tax of the rows or of the invoice",
        )
    total = net + invoice.tax_amount
    if total != invoice.gross_amount:
        reject(
            f"the amounts do not add up: lines {plain(net)} + tax {plain(invoice.tax_amount)} = "
            f"{plain(total)} {currency}, but the gross amount is {plain(invoice.gross_amount)}, "
            f"difference {plain(invoice.gross_amount - total)}",
            "correct the coding rows or the totals",
        )
