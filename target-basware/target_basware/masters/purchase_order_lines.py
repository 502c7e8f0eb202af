"""PurchaseOrderLinesV2 with their product receipts -> matchingOrderLines.

Lines are matched by quantity and price: mode Standard, Return for what goes back. F&O's service
lines too: Basware's mode Service knows no quantities, demands receipts and takes no coding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected
from singer_delivery.words import cut

from target_basware.masters.brought import brought
from target_basware.masters.entity import Content, Entity, Record, filled
from target_basware.masters.order_line_coding import coding
from target_basware.masters.payment_means import currency
from target_basware.masters.purchase_orders import CLOSED, approved, code_in, date_of
from target_basware.masters.reach import mapped
from target_basware.masters.row import Row

FIELDS = (
    "dataAreaId",
    "PurchaseOrderNumber",
    "LineNumber",
    "ItemNumber",
    "Barcode",
    "LineDescription",
    "ProcurementProductCategoryName",
    "OrderedPurchaseQuantity",
    "PurchaseUnitSymbol",
    "PurchasePrice",
    "PurchasePriceQuantity",
    "LineAmount",
    "SalesTaxGroupCode",
    "SalesTaxItemGroupCode",
    "MainAccountIdDisplayValue",
    "DefaultLedgerDimensionDisplayValue",
    "PurchaseOrderLineStatus",
    "IsDeleted",
    "VendorInvoiceMatchingPolicy",
    "AllowedOverdeliveryPercentage",
    "RequestedDeliveryDate",
    "ProductReceipts",
    "Order",
)
LONGEST_NAME, LONGEST_DESCRIPTION = 250, 1000
NO_ORDER = (
    "its order could not be read, nor whether it is approved: grant the right to "
    "PurchaseOrderHeadersV2 in Dynamics"
)
#: Decimals of a price that does not come out even, and of the share of an amount.
PRICE_STEP, AMOUNT_STEP = Decimal("0.000001"), Decimal("0.01")


@dataclass(frozen=True)
class _Amounts:
    """What is ordered: a quantity above zero; price and sum are negative for a return.

    With or without tax as the order has its prices.
    """

    quantity: Decimal
    price: Decimal
    sum: Decimal
    sign: int
    with_tax: bool = False

    def fields(self, quantity: Decimal, total: Decimal) -> Content:
        """Return quantity, sum and price under Basware's names."""
        kind = "gross" if self.with_tax else "net"
        return {"quantity": quantity, f"{kind}Sum": total, f"{kind}Price": self.price}

    def received(self, quantity: Decimal) -> Content:
        """Return the same for a receipt of so many, its share of the sum exact where it can be."""
        if quantity == self.quantity:
            return self.fields(quantity, self.sum)
        share = self.sum * quantity / self.quantity
        return self.fields(quantity, _rounded(share, AMOUNT_STEP))


def order_line_entities(mapping: ApMapping, record: Record) -> Iterator[Entity]:
    """Return the line once for each Basware company of its legal entity. Raises Rejected.

    None for a line of an order that is not approved (where the record brings its `Order` along),
    and for a line without quantity: nothing is left of it to match. An order that could not be
    read may be one that is not approved: its lines are rejected.
    """
    row = Row(record)
    legal_entity = row.required("dataAreaId").lower()
    number = row.required("PurchaseOrderNumber")
    order = row.row("Order") or Row({})
    amounts = _amounts(row, order)
    for entity in mapped(mapping, [legal_entity]):
        if row.is_null("Order"):
            raise Rejected(NO_ORDER)
        if amounts is None or not approved(entity, order):
            return
        for company in mapping.company_codes(legal_entity):
            line = _Line(mapping, entity, company, row, order, amounts)
            yield Entity("matchingOrderLines", line.content(number), scope=legal_entity)


def _amounts(row: Row, order: Row) -> _Amounts | None:
    ordered = row.required_number("OrderedPurchaseQuantity")
    if not ordered:
        return None
    quantity, sign = abs(ordered), -1 if ordered < 0 else 1
    unit = row.number("PurchasePriceQuantity") or Decimal(1)
    listed = sign * (row.number("PurchasePrice") or Decimal(0)) / unit
    total = row.number("LineAmount")
    if total is None:
        total = listed * quantity
    # The line's own amount counts: discounts and charges are in it.
    even = listed * quantity == total
    price = listed if even else _rounded(total / quantity, PRICE_STEP)
    return _Amounts(quantity, price, total, sign, order.yes("ArePricesIncludingSalesTax"))


def _rounded(amount: Decimal, step: Decimal) -> Decimal:
    """Return the amount in steps, without zeros at its end."""
    text = f"{amount.quantize(step, ROUND_HALF_UP, Context(prec=80)):f}"
    return Decimal(text.rstrip("0").rstrip("."))


@dataclass(frozen=True)
class _Line:
    """One order line for one Basware company."""

    mapping: ApMapping
    entity: EntityMapping
    company: str
    row: Row
    order: Row
    amounts: _Amounts

    def content(self, number: str) -> Content:
        """Return the OrderLineEntity."""
        row, entity, amounts = self.row, self.entity, self.amounts
        line = str(row.whole("LineNumber"))
        closed = row.text("PurchaseOrderLineStatus") in CLOSED or row.yes("IsDeleted")
        three_way = row.text("VendorInvoiceMatchingPolicy") == "ThreeWayMatch"
        unit = self._unit(row)
        content = {
            "externalCode": self._code("matchingOrderLines", number, line),
            "orderExternalCode": self._code("matchingOrders", number),
            "lineNumber": line,
            "sortNumber": row.whole("LineNumber"),
            **amounts.fields(amounts.quantity, amounts.sum),
            "matchingMode": "Return" if amounts.sign < 0 else "Standard",
            "isReceiptRequired": three_way,
            "isReceiptBasedMatching": three_way and entity.masters.receipt_based_matching,
            "isOverreceivalAllowed": (row.number("AllowedOverdeliveryPercentage") or 0) > 0,
            "isClosed": closed,
            # Best-fit matching passes over lines that do not say it.
            "isDeleted": row.yes("IsDeleted"),
            **self._tax(),
        }
        return content | filled(
            currencyCode=currency(entity, self.order.text("CurrencyCode")),
            uom=unit,
            priceUnit=unit,
            productCode=row.text("ItemNumber"),
            productName=cut(row.text("LineDescription"), LONGEST_NAME),
            description=cut(row.text("LineDescription"), LONGEST_DESCRIPTION),
            globalTradeItemNumber=row.text("Barcode"),
            materialGroup=cut(row.text("ProcurementProductCategoryName"), LONGEST_NAME),
            requestedDeliveryDate=date_of(row, "RequestedDeliveryDate"),
            orderLineCoding=coding(
                entity,
                row,
                self._code("matchingOrderLines/coding", number, line, "coding"),
                amounts.quantity,
            ),
            goodsReceipts=list(self._receipts()),
        )

    def _code(self, resource: str, *parts: str) -> str:
        return code_in(self.company, self.mapping, resource, self.entity.legal_entity, *parts)

    def _unit(self, row: Row) -> str:
        symbol = row.text("PurchaseUnitSymbol")
        return next(iter(self.entity.units.basware(symbol)), symbol)

    def _tax(self) -> Content:
        """Return the tax code where only one stands for the groups of the line."""
        groups = (self.row.text("SalesTaxGroupCode"), self.row.text("SalesTaxItemGroupCode"))
        codes = self.entity.tax_codes_of(*groups)
        if len(codes) != 1 or groups == ("", ""):
            return {}
        percentage = self.entity.tax_codes[codes[0]].percentage
        known = {} if percentage is None else {"taxPercent": percentage}
        return {"taxCode": codes[0], **known}

    def _receipts(self) -> Iterator[Content]:
        rows = brought(self.entity, self.row, "ProductReceipts")
        for receipt in sorted(rows, key=lambda row: row.whole("RecordId")):
            quantity = self.amounts.sign * receipt.required_number("ReceivedPurchaseQuantity")
            if not quantity:
                continue
            number = receipt.required("ProductReceiptNumber")
            yield {
                "externalCode": self._code("goodsReceipts", receipt.required("RecordId")),
                "goodsReceiptNumber": number,
                "goodsReceiptLineNumber": str(receipt.whole("LineNumber")),
                "deliveryNoteNumber": number,
                **self.amounts.received(quantity),
                "isDeleted": False,
                **filled(
                    unitOfMeasure=self._unit(receipt),
                    deliveryDate=date_of(receipt, "ProductReceiptDate"),
                ),
            }
