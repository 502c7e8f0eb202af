"""Basware's AccountingDocumentEntity -> vendor invoice, by mapping.yml. Pure: asks nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from ap_mapping import EntityMapping, MappingHole, line_values
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected, SetupError

from target_d365fo.amounts import Price, in_currency, price_of
from target_d365fo.invoice import ZERO, InvoiceLine, VendorInvoice, checked, reject
from target_d365fo.values import Fields

#: Free text is cut to these lengths; F&O publishes none, these are the extended data types'.
HEADER_LENGTHS = {"InvoiceDescription": 60, "DocumentNumber": 20, "PaymentId": 200}
LINE_DESCRIPTION_LENGTH = 1000
#: Invoices that Basware offers for posting; any other is already dealt with.
OFFERED = ("WaitingForTransfer", "TransferInProgress")
SEVERAL = re.compile(r"[,;|]")
IN_BASWARE = "correct it in Basware and transfer it again"


def from_accounting_document(
    document: Mapping[str, Any], mapping: ApMapping, *, statuses: tuple[str, ...] = OFFERED
) -> VendorInvoice:
    """Return the invoice of a Basware document, checked. Raises Rejected.

    Dates are the days as they are written. Raises SetupError for a document that Basware does
    not offer for posting: the stream then holds something else than approved invoices.
    """
    fields = Fields(document)
    _check_status(fields, statuses)
    try:
        legal_entity = mapping.legal_entity(fields.text("companyCode"))
        return _invoice(document, fields, mapping.for_legal_entity(legal_entity))
    except MappingHole as hole:
        msg = f"{hole}; add it there, then transfer the invoice again"
        raise Rejected(msg) from None


def _check_status(fields: Fields, statuses: tuple[str, ...]) -> None:
    status = fields.text("processingStatus")
    if status and status not in statuses:
        msg = (
            f"invoice {fields.text('invoiceId')} has the processing status {status}, so it is not "
            "waiting to be posted: have the tap filter by processing status "
            f"({', '.join(statuses)})"
        )
        raise SetupError(msg)


def _invoice(document: Mapping[str, Any], fields: Fields, entity: EntityMapping) -> VendorInvoice:
    invoice_date = fields.day("invoiceDate")
    if invoice_date is None:
        reject("the invoice has no invoice date", IN_BASWARE)
    number = fields.text("invoiceNumber")
    if not number:
        reject("the invoice has no invoice number", IN_BASWARE)
    vendor = entity.vendor_account(document)
    if not vendor:
        reject("the invoice has no supplier", IN_BASWARE)
    currency = entity.currency(fields.text("currencyCode")).upper()
    sign = _sign(fields, entity)
    coding = Coding(document, entity, currency, sign)
    lines = tuple(coding.line(row, position) for position, row in enumerate(_rows(fields), 1))
    if not lines:
        reject("the invoice has no coding rows", "code it in Basware and transfer it again")
    return checked(
        VendorInvoice(
            document_id=fields.text("invoiceId"),
            version=fields.text("lastUpdated"),
            legal_entity=entity.legal_entity,
            vendor_account=vendor,
            invoice_number=number,
            invoice_date=invoice_date,
            posting_date=_day(fields, entity.header.posting_date),
            due_date=_day(fields, entity.header.due_date),
            received_date=_day(fields, entity.header.received_date),
            currency=currency,
            terms_of_payment=entity.payment_term(fields.text("paymentTermCode")) or "",
            method_of_payment=entity.payment_method(fields.text("paymentMethod")) or "",
            gross_amount=sign * fields.required_amount("grossSum", IN_BASWARE),
            tax_amount=_tax(fields, lines, sign),
            sales_tax_group=entity.tax_groups(fields.text("taxCode")).sales_tax_group or "",
            description=entity.header_description(document, HEADER_LENGTHS["InvoiceDescription"]),
            on_hold=bool(entity.header.on_hold) and fields.flag(entity.header.on_hold or ""),
            purchase_order=_one_order(lines),
            fields=entity.header_fields(document, HEADER_LENGTHS),
            lines=lines,
        )
    )


def _sign(fields: Fields, entity: EntityMapping) -> Decimal:
    """Return -1 where the type says credit note and the amounts are positive, else 1.

    Basware has negative amounts on credit notes; some customers keep them positive and let the
    type tell. F&O knows a credit by its sign alone.
    """
    credit_note = entity.invoice_type(fields.text("invoiceTypeCode")).credit_note
    gross = fields.amount("grossSum") or ZERO
    return Decimal(-1) if credit_note and gross > 0 else Decimal(1)


def _rows(fields: Fields) -> list[Mapping[str, Any]]:
    """Return the coding rows in the order of their index, which stays over transfers."""
    rows = fields.rows("codingRows")
    if all(isinstance(row.get("rowIndex"), int) for row in rows):
        return sorted(rows, key=lambda row: int(row["rowIndex"]))
    return rows


class _Coded(NamedTuple):
    """What a row without an order is coded to."""

    main_account: str = ""
    dimensions: Mapping[str, str] = MappingProxyType({})
    category: str = ""
    hierarchy: str = ""


@dataclass(frozen=True)
class Coding:
    """What the coding rows of one document become lines by."""

    document: Mapping[str, Any]
    entity: EntityMapping
    currency: str
    sign: Decimal

    def line(self, row: Mapping[str, Any], position: int) -> InvoiceLine:
        """Return the line of a coding row; raises Rejected or MappingHole."""
        entity = self.entity
        fields = Fields(row, f"coding row {position}: ")
        code = fields.text("taxCode") or Fields(self.document).text("taxCode")
        groups = entity.tax_groups(code)
        net, price = self._amounts(fields, position)
        item_number = _chosen(fields, entity.line.item_number)
        values = line_values(self.document, row)
        description = entity.line_description(values, LINE_DESCRIPTION_LENGTH)
        unit = entity.unit(_chosen(fields, entity.line.unit))
        more = entity.line_fields(values)
        order, order_line = self._purchase_order(fields, position)
        # The order line knows account and dimensions; sending them too could contradict it.
        coded = _Coded() if order else self._coded(row, position, item_number)
        return InvoiceLine(
            line_number=position,
            quantity=price.quantity,
            unit_price=price.unit_price,
            price_unit=price.price_unit,
            net_amount=net,
            tax_amount=self.sign * (fields.amount("taxSum") or ZERO),
            description=description,
            main_account=coded.main_account,
            dimensions=coded.dimensions,
            purchase_order=order,
            purchase_line_number=order_line if order else None,
            item_number=item_number,
            procurement_category=coded.category,
            procurement_category_hierarchy=coded.hierarchy,
            unit=unit,
            sales_tax_group=groups.sales_tax_group or "",
            item_sales_tax_group=groups.item_sales_tax_group or "",
            fields=more,
        )

    def _amounts(self, fields: Fields, position: int) -> tuple[Decimal, Price]:
        """Return the net amount, and what multiplies to it."""
        written = fields.required_amount("netTotal", IN_BASWARE)
        try:
            net = self.sign * in_currency(written, self.currency)
        except ValueError as error:
            reject(f"coding row {position}: net amount {error}", IN_BASWARE)
        return net, price_of(net, self._quantity(fields, net))

    def _quantity(self, fields: Fields, net: Decimal) -> Decimal:
        """Return the quantity, 1 where the row has none.

        A row without amount and quantity that is matched to an order takes nothing from it.
        """
        name = self.entity.line.quantity
        quantity = fields.amount(name) if name else None
        if quantity:
            return quantity
        if not net and _chosen(fields, self.entity.line.purchase_order):
            return ZERO
        return Decimal(1)

    def _purchase_order(self, fields: Fields, position: int) -> tuple[str, int | None]:
        order = _chosen(fields, self.entity.line.purchase_order)
        order_line = _chosen(fields, self.entity.line.purchase_line_number)
        if SEVERAL.search(order) or SEVERAL.search(order_line):
            reject(
                f"coding row {position} is matched to several order lines ({order[:40]} "
                f"{order_line[:40]})",
                "match each row to one order line in Basware",
            )
        if order and not order_line:
            reject(
                f"coding row {position} names purchase order {order} without an order line",
                "match it to an order line in Basware, or take the order off the row",
            )
        if order_line and not order:
            reject(
                f"coding row {position} names order line {order_line} without a purchase order",
                "match it to a purchase order in Basware",
            )
        name = self.entity.line.purchase_line_number
        return order, fields.whole(name) if name and order_line else None

    def _coded(self, row: Mapping[str, Any], position: int, item_number: str) -> _Coded:
        account = self.entity.main_account(row)
        procurement = self.entity.procurement
        category = (procurement.category(row) if procurement else None) or ""
        hierarchy = procurement.hierarchy if procurement and category else ""
        if not (account or category or item_number):
            reject(
                f"coding row {position} has no account and no purchase order",
                "code it in Basware and transfer it again",
            )
        return _Coded(account, self.entity.dimension_values(row), category, hierarchy)


def _tax(fields: Fields, lines: tuple[InvoiceLine, ...], sign: Decimal) -> Decimal:
    """Return the tax to be paid: the invoice's own sum, else that of its rows."""
    tax = fields.amount("taxSum1")
    return sum((line.tax_amount for line in lines), ZERO) if tax is None else sign * tax


def _one_order(lines: tuple[InvoiceLine, ...]) -> str:
    """Return the purchase order of the header: only where all matched lines share it."""
    orders = {line.purchase_order for line in lines if line.purchase_order}
    return orders.pop() if len(orders) == 1 else ""


def _day(fields: Fields, name: str | None) -> Any:
    return fields.day(name) if name else None


def _chosen(fields: Fields, name: str | None) -> str:
    return fields.text(name) if name else ""
