"""Lines, charges and attachments of pending vendor invoices."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sandbox.d365fo.dimensions import check_default_dimensions, check_ledger_dimension
from sandbox.d365fo.infolog import field_invalid, not_in_related, row_invalid, validation_failed
from sandbox.d365fo.rules import Change, EntityRules, Reference
from sandbox.d365fo.vendor_invoices import (
    CURRENCY,
    HEADER,
    ITEM_SALES_TAX_GROUP,
    LINES,
    PURCHASE_ORDER,
    REFERENCE_LABEL,
    SALES_TAX_GROUP,
    VENDOR,
    header_of,
)

if TYPE_CHECKING:
    from sandbox.d365fo.tables import Record
    from sandbox.d365fo.values import Value

LINE_TABLE = "VendInvoiceInfoLine"
_CENT = Decimal("0.01")
# Line field -> field of the purchase order line it defaults from.
_FROM_ORDER_LINE = {
    "ItemNumber": "ItemNumber",
    "ProcurementCategoryName": "ProcurementProductCategoryName",
    "LineDescription": "LineDescription",
    "Unit": "PurchaseUnitSymbol",
    "UnitPrice": "PurchasePrice",
    "PriceUnit": "PurchasePriceQuantity",
    "SalesTaxGroup": "SalesTaxGroupCode",
    "ItemSalesTax": "SalesTaxItemGroupCode",
}
_FROM_HEADER = {
    "Currency": "Currency",
    "InvoiceAccount": "InvoiceAccount",
    "VendorAccount": "VendorAccount",
    "SalesTaxGroup": "SalesTaxGroup",
}


def decimal(value: Value) -> Decimal:
    """A stored Decimal field, for calculating."""
    return value if isinstance(value, Decimal) else Decimal(0)


def _validate_field(change: Change, name: str) -> None:
    if name == "MainAccountDisplayValue":
        check_ledger_dimension(change, name)
    elif name == "DimensionDisplayValue":
        check_default_dimensions(change, name)
    elif name == "ItemNumber":
        _check_item(change)
    elif name == "ProcurementCategoryName":
        _check_category(change)


def _check_item(change: Change) -> None:
    item = change.values["ItemNumber"]
    if item and _is_stocked(change) is None:
        text = not_in_related(item, "Item number", "Released products")
        raise field_invalid(change.entity, "ItemNumber", text)


def _is_stocked(change: Change) -> bool | None:
    """Whether the item is kept in stock; None for one that the company does not know.

    An item seen only on purchase orders counts as stocked.
    """
    key = {"dataAreaId": change.company, "ItemNumber": change.values["ItemNumber"]}
    product = change.state.find_key("ReleasedProductsV2", key)
    if product is not None:
        return product.values["ProductType"] != "Service"
    return True if change.state.find("PurchaseOrderLinesV2", **key) else None


def _check_category(change: Change) -> None:
    name = change.values["ProcurementCategoryName"]
    hierarchy = change.values["ProcurementCategoryHierarchyName"]
    key: dict[str, Value] = {"CategoryName": name}
    if hierarchy:  # the name alone is accepted
        key["CategoryHierarchyName"] = hierarchy
    if name and not change.state.find("ProcurementProductCategories", **key):
        text = not_in_related(name, "Procurement category", "Procurement categories")
        raise field_invalid(change.entity, "ProcurementCategoryName", text)


def _header(change: Change) -> Record | None:
    return header_of(change.state, change.company, change.text("HeaderReference"))


def _order_line(change: Change) -> Record | None:
    return change.state.find_key(
        "PurchaseOrderLinesV2",
        {
            "dataAreaId": change.company,
            "PurchaseOrderNumber": change.values["PurchaseOrder"],
            "LineNumber": change.values["PurchLineNumber"],
        },
    )


def _default_row(change: Change) -> None:
    values = change.values
    if change.old is None:
        order_line, header = _order_line(change), _header(change)
        if order_line is not None:
            _fill(values, order_line, _FROM_ORDER_LINE)
        if header is not None:
            _fill(values, header, _FROM_HEADER)
        values["DataAreaCompany"] = change.company
        if not values["InvoiceLineNumber"]:
            values["InvoiceLineNumber"] = _next_number(change, LINES, "InvoiceLineNumber")
        values["LineNumber"] = values["LineNumber"] or values["InvoiceLineNumber"]
    if not values["PriceUnit"]:
        values["PriceUnit"] = Decimal(1)
    _settle_net_amount(change)


def _fill(values: dict[str, Value], source: Record, names: dict[str, str]) -> None:
    keeps_tax = values["OverrideSalesTax"] == "Yes"
    for name, source_name in names.items():
        if name in ("SalesTaxGroup", "ItemSalesTax") and keeps_tax:
            continue
        values[name] = values[name] or source.values[source_name]


def _next_number(change: Change, name: str, field: str) -> Decimal:
    siblings = change.state.find(
        name, dataAreaId=change.company, HeaderReference=change.values["HeaderReference"]
    )
    numbers = [decimal(record.values[field]) for record in siblings]
    return max(numbers, default=Decimal(0)) + 1


def _settle_net_amount(change: Change) -> None:
    """Net amount = quantity * (price / price unit - discount), less the discount percentage."""
    values = change.values
    quantity, price = decimal(values["ReceiveNow"]), decimal(values["UnitPrice"])
    if not quantity or not price:
        return  # an amount alone stands
    each = price / decimal(values["PriceUnit"]) - decimal(values["Discount"])
    exact = quantity * each * (100 - decimal(values["DiscountPercent"])) / 100
    net = exact.quantize(_rounding(change), ROUND_HALF_UP)
    keep = change.state.switches.net_amount == "keep" and "NetAmount" in change.sent
    if not keep and abs(decimal(values["NetAmount"]) - exact) >= _rounding(change):
        values["NetAmount"] = net


def _rounding(change: Change) -> Decimal:
    currency = change.state.first("Currencies", CurrencyCode=change.values["Currency"])
    rule = decimal(currency.values["GeneralRoundingRule"]) if currency else Decimal(0)
    return rule or _CENT


def _validate_write(change: Change) -> None:
    if change.values["PurchaseOrder"] or change.values["PurchLineNumber"]:
        _check_order(change)
    else:
        _check_coding(change)
    _check_tax_groups(change)


def _check_order(change: Change) -> None:
    order, number = change.values["PurchaseOrder"], change.values["PurchLineNumber"]
    if not order or not number:
        missing = "Line number" if order else "Purchase order"
        raise row_invalid(change.entity, LINE_TABLE, f"Field '{missing}' must be filled in")
    if _order_line(change) is None:
        text = f"Line {number} of purchase order {order} does not exist"
        raise row_invalid(change.entity, LINE_TABLE, text)
    key = {"dataAreaId": change.company, "PurchaseOrderNumber": order}
    head = change.state.find_key("PurchaseOrderHeadersV2", key)
    invoice = _header(change)
    if head is not None and invoice is not None:
        vendors = {
            str(head.values["OrderVendorAccountNumber"]).lower(),
            str(head.values["InvoiceVendorAccountNumber"]).lower(),
        }
        account = str(invoice.values["InvoiceAccount"])
        if account.lower() not in vendors:
            text = f"Purchase order {order} does not belong to vendor account {account}"
            raise row_invalid(change.entity, LINE_TABLE, text)


def _check_coding(change: Change) -> None:
    """A line without a purchase order needs an item not in stock, a category, or an account."""
    item, category = change.values["ItemNumber"], change.values["ProcurementCategoryName"]
    if item and _is_stocked(change):
        text = "The item's inventory model policy must be not stocked"
        raise validation_failed(change.entity, text)
    account = change.values["MainAccountDisplayValue"]
    if change.state.switches.require_item_or_category:
        account = ""
    if not (item or category or account):
        text = "Either an item number or a procurement category must be specified"
        raise row_invalid(change.entity, LINE_TABLE, text)


def _check_tax_groups(change: Change) -> None:
    parameters = change.state.first("VendorParameters", dataAreaId=change.company)
    if parameters is None or parameters.values["MandatoryTaxGroup"] != "Yes":
        return
    for name, label in (
        ("SalesTaxGroup", "Sales tax group"),
        ("ItemSalesTax", "Item sales tax group"),
    ):
        if not change.values[name]:
            text = f"Field '{label}' must be filled in"
            raise row_invalid(change.entity, LINE_TABLE, text)


def _default_charge(change: Change) -> None:
    if not change.values["ChargeLineNumber"]:
        number = _next_number(change, change.entity.name, "ChargeLineNumber")
        change.values["ChargeLineNumber"] = number
    if "VendInvoiceInfoTableDataAreaId" in change.values:
        change.values["VendInvoiceInfoTableDataAreaId"] = change.company


LINE_RULES = EntityRules(
    table=LINE_TABLE,
    table_label="Vendor invoice line",
    key_label=f"{REFERENCE_LABEL}, Line number",
    labels={"HeaderReference": REFERENCE_LABEL},
    references={
        "HeaderReference": HEADER,
        "InvoiceAccount": VENDOR,
        "VendorAccount": VENDOR,
        "Currency": CURRENCY,
        "SalesTaxGroup": SALES_TAX_GROUP,
        "ItemSalesTax": ITEM_SALES_TAX_GROUP,
        "PurchaseOrder": PURCHASE_ORDER,
        "Unit": Reference("UnitsOfMeasure", "UnitSymbol", "Units"),
    },
    validate_field=_validate_field,
    default_row=_default_row,
    validate_write=_validate_write,
)
CHARGE_RULES = EntityRules(
    table="MarkupTrans",
    table_label="Charges transactions",
    key_label=f"{REFERENCE_LABEL}, Line number",
    labels={"HeaderReference": REFERENCE_LABEL},
    references={
        "HeaderReference": HEADER,
        "SalesTaxGroupCode": SALES_TAX_GROUP,
        "SalesTaxItemGroupCode": ITEM_SALES_TAX_GROUP,
        "ChargeAccountingCurrencyCode": CURRENCY,
    },
    default_row=_default_charge,
)
ATTACHMENT_RULES = EntityRules(
    table="DocuRef",
    table_label="Document references",
    key_label=REFERENCE_LABEL,
    labels={"HeaderReference": REFERENCE_LABEL},
    references={"HeaderReference": HEADER},
)
