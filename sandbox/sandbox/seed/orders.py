"""Purchase orders with receipts in F&O, and the same orders for matching in Basware."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.seed.accounts import DEFAULT_FORMAT, EXPENSE_ACCOUNTS, display_value
from sandbox.seed.common import SEED_TIME, code32, day, later, noon, rounded, stamp
from sandbox.seed.companies import decimals_of
from sandbox.seed.terms import TAXES, term_name

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from sandbox.seed.vendors import Vendor
    from sandbox.seed.world import Row, Rows

_GOODS = (
    ("M0042", "Kugelschreiber, blau", "ea"),
    ("M0107", "Copy paper A4, 80 g/m²", "ea"),
    ("M0311", '24" monitor', "ea"),
    ("M0512", "作業用手袋 (gloves)", "ea"),
    ("M0777", "Coffee beans", "kg"),
)
_SERVICES = (
    ("S0001", "Maintenance of the lifts", "hr"),
    ("S0002", "Consulting, senior", "hr"),
)
#: F&O unit -> the UN/ECE code Basware uses.
BASWARE_UNITS = {"ea": "H87", "hr": "HUR", "kg": "KGM"}

_FIRST_RECORD_ID = 5637144576  # where F&O starts counting


@dataclass(frozen=True)
class OrderLine:
    """One order line; price is per unit, without tax, in the order's currency."""

    number: int
    item: str
    description: str
    unit: str
    quantity: Decimal
    price: Decimal

    @property
    def service(self) -> bool:
        """A service, matched without receipt."""
        return self.item.startswith("S")

    @property
    def amount(self) -> Decimal:
        """Net amount; exact, prices are made so."""
        return self.quantity * self.price


@dataclass(frozen=True)
class Order:
    """A purchase order of one vendor; `status` is its PurchStatus."""

    vendor: Vendor
    number: str
    lines: tuple[OrderLine, ...]
    status: str = "Received"

    @property
    def receipt(self) -> str:
        """Number of the product receipt, if it has been received."""
        return f"GR{self.number[2:]}" if self.status in ("Received", "Invoiced") else ""


def make_order(
    vendor: Vendor,
    number: int,
    rng: random.Random,
    *,
    lines: int = 1,
    service: bool = False,
    status: str = "Received",
) -> Order:
    """An order whose every line is exact in the currency's decimals."""
    decimals = decimals_of(vendor.currency)
    catalog = _SERVICES if service else _GOODS
    made = []
    for line in range(1, lines + 1):
        item, description, unit = catalog[(number + line) % len(catalog)]
        quantity = Decimal(rng.randint(1, 40))
        price = rounded(Decimal(rng.randint(250, 24999)) / 100, 2)
        price = rounded(price * (100 if decimals == 0 else 1), decimals)
        made.append(OrderLine(line, item, description, unit, quantity, price))
    code = f"PO{vendor.company.code}{number:05d}"
    return Order(vendor, code, tuple(made), status)


def d365fo_rows(orders: Iterable[Order]) -> Rows:
    """PurchaseOrderHeadersV2/LinesV2 and ProductReceiptHeaders/LinesV2.

    Of an order of several lines that is still open, half of the first line has come in.
    """
    rows: Rows = {
        "PurchaseOrderHeadersV2": [],
        "PurchaseOrderLinesV2": [],
        "ProductReceiptHeaders": [],
        "ProductReceiptLinesV2": [],
    }
    record_id = _FIRST_RECORD_ID
    for order in orders:
        rows["PurchaseOrderHeadersV2"].append(_header(order))
        rows["PurchaseOrderLinesV2"] += [_line(order, line) for line in order.lines]
        received = [(line, _received(order, line)) for line in order.lines]
        lines = [(line, quantity) for line, quantity in received if quantity]
        if lines:
            rows["ProductReceiptHeaders"].append(_receipt(order, record_id))
            rows["ProductReceiptLinesV2"] += [
                _receipt_line(order, line, quantity, record_id) for line, quantity in lines
            ]
            record_id += len(order.lines) + 1
    return rows


def _received(order: Order, line: OrderLine) -> Decimal:
    """What has come in of a line, in its unit."""
    if order.receipt:
        return line.quantity
    partly = order.status == "Backorder" and len(order.lines) > 1 and line.number == 1
    return line.quantity / 2 if partly else Decimal(0)


def _receipt_number(order: Order) -> str:
    return order.receipt or f"GR{order.number[2:]}"


def _header(order: Order) -> Row:
    vendor = order.vendor
    return {
        "dataAreaId": vendor.company.legal_entity,
        "PurchaseOrderNumber": order.number,
        "PurchaseOrderName": vendor.name,
        "OrderVendorAccountNumber": vendor.account,
        "InvoiceVendorAccountNumber": vendor.account,
        "CurrencyCode": vendor.currency,
        "PaymentTermsName": term_name(vendor.company.legal_entity, vendor.term),
        "SalesTaxGroupCode": TAXES[vendor.company.legal_entity][0].tax_group,
        "PurchaseOrderStatus": order.status,
        "DocumentApprovalStatus": "Confirmed",
        "LanguageId": vendor.company.language,
        "AccountingDate": noon(later(-40)),
        "RequestedDeliveryDate": noon(later(-20)),
    }


def _line(order: Order, line: OrderLine) -> Row:
    company = order.vendor.company
    return {
        "dataAreaId": company.legal_entity,
        "PurchaseOrderNumber": order.number,
        "LineNumber": line.number,
        "ItemNumber": line.item,
        "LineDescription": line.description,
        "OrderedPurchaseQuantity": line.quantity,
        "PurchaseUnitSymbol": line.unit,
        "PurchasePrice": line.price,
        "PurchasePriceQuantity": Decimal(1),
        "LineAmount": line.amount,
        "SalesTaxGroupCode": TAXES[company.legal_entity][0].tax_group,
        "SalesTaxItemGroupCode": TAXES[company.legal_entity][0].item_group,
        "MainAccountIdDisplayValue": next(iter(EXPENSE_ACCOUNTS[company.chart])),
        "DefaultLedgerDimensionDisplayValue": display_value(
            DEFAULT_FORMAT, {"BusinessUnit": "001", "Department": "22", "CostCenter": "CC-01"}
        ),
        "PurchaseOrderLineStatus": order.status,
        "InventoryLotId": f"{order.number[2:]}-{line.number:03d}",
        "VendorInvoiceMatchingPolicy": "NoMatch" if line.service else "ThreeWayMatch",
        "RequestedDeliveryDate": noon(later(-20)),
    }


def _receipt(order: Order, record_id: int) -> Row:
    return {
        "dataAreaId": order.vendor.company.legal_entity,
        "RecordId": record_id,
        "ProductReceiptNumber": _receipt_number(order),
        "PurchaseOrderNumber": order.number,
        "OrderVendorAccountNumber": order.vendor.account,
        "ProductReceiptDate": noon(later(-18)),
    }


def _receipt_line(order: Order, line: OrderLine, received: Decimal, header_id: int) -> Row:
    return {
        "dataAreaId": order.vendor.company.legal_entity,
        "RecordId": header_id + line.number,
        "ProductReceiptHeaderRecordId": header_id,
        "ProductReceiptNumber": _receipt_number(order),
        "PurchaseOrderNumber": order.number,
        "PurchaseOrderLineNumber": line.number,
        "LineNumber": Decimal(line.number),
        "ItemNumber": line.item,
        "LineDescription": line.description,
        "PurchaseUnitSymbol": line.unit,
        "OrderedPurchaseQuantity": line.quantity,
        "ReceivedPurchaseQuantity": received,
        "RemainingPurchaseQuantity": line.quantity - received,
        "ProductReceiptDate": noon(later(-18)),
        "ExpectedDeliveryDate": noon(later(-20)),
    }


def basware_rows(orders: Iterable[Order]) -> Rows:
    """matchingOrders and matchingOrderLines."""
    known = list(orders)
    return {
        "matchingOrders": [_basware_order(order) for order in known],
        "matchingOrderLines": [_basware_line(o, line) for o in known for line in o.lines],
    }


def _basware_order(order: Order) -> Row:
    vendor = order.vendor
    return {
        "externalCode": code32("order", order.number),
        "orderNumber": order.number,
        "sourceSystem": "D365FO",
        "companyCode": vendor.company.code,
        "companyName": vendor.company.name,
        "organizationElementCode": vendor.company.code,
        "currencyCode": vendor.currency,
        "created": day(later(-40)),
        "supplierCode": vendor.account,
        "supplierName": vendor.name,
        "paymentTermCode": vendor.term,
        "isClosed": order.status in ("Invoiced", "Canceled"),
        "lastUpdated": stamp(SEED_TIME),
    }


def _basware_line(order: Order, line: OrderLine) -> Row:
    tax = TAXES[order.vendor.company.legal_entity][0]
    return {
        "externalCode": code32("orderLine", order.number, line.number),
        "orderExternalCode": code32("order", order.number),
        "lineNumber": str(line.number),
        "sortNumber": line.number,
        "quantity": line.quantity,
        "netPrice": line.price,
        "netSum": line.amount,
        "currencyCode": order.vendor.currency,
        "matchingMode": "Service" if line.service else "Standard",
        "isReceiptRequired": not line.service,
        "uom": BASWARE_UNITS[line.unit],
        "taxCode": tax.code,
        "taxPercent": tax.percent,
        "productCode": line.item,
        "productName": line.description,
        "description": line.description,
        "isClosed": order.status in ("Invoiced", "Canceled"),
        "goodsReceipts": [_goods_receipt(order, line)] if order.receipt else [],
        "lastUpdated": stamp(SEED_TIME),
    }


def _goods_receipt(order: Order, line: OrderLine) -> Row:
    return {
        "externalCode": code32("receipt", order.number, line.number),
        "goodsReceiptNumber": order.receipt,
        "goodsReceiptLineNumber": str(line.number),
        "quantity": line.quantity,
        "netPrice": line.price,
        "netSum": line.amount,
        "deliveryDate": day(later(-18)),
    }
