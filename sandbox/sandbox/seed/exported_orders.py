"""A few orders made in Basware, as they wait for export to F&O."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.seed.accounts import EXPENSE_ACCOUNTS
from sandbox.seed.common import SEED_TIME, code32, rounded, stamp
from sandbox.seed.companies import decimals_of
from sandbox.seed.terms import TAXES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sandbox.seed.vendors import Vendor
    from sandbox.seed.world import Row, Rows


def basware_rows(vendors: Iterable[Vendor]) -> Rows:
    """exportedPurchaseOrders, one per vendor given; every second one is exported already."""
    return {"exportedPurchaseOrders": [_order(v, n) for n, v in enumerate(vendors, 1)]}


def _order(vendor: Vendor, number: int) -> Row:
    created = stamp(SEED_TIME - timedelta(days=number))
    line = _order_line(vendor, number)
    amounts = {
        f"{name}{suffix}": line[source]
        for name, source in (("netSum", "netSum"), ("taxSum", "taxTotal"), ("grossSum", "grossSum"))
        for suffix in ("", "Comp", "Org")
    }
    buyer = {"userName": "Jane Buyer", "loginAccount": "jane.buyer"}
    return {
        "externalCode": code32("exportedOrder", number),
        "orderNumber": f"P2P-PO-{number:06d}",
        "requisitionNumber": f"P2P-PR-{number:06d}",
        "processingStatus": "Exported" if number % 2 == 0 else "WaitingForExport",
        "orderStatus": "Ordered",
        "documentSource": "P2P",
        "sendingMethod": "Email",
        "companyCode": vendor.company.code,
        "companyName": vendor.company.name,
        "supplierCode": vendor.account,
        "supplierName": vendor.name,
        "paymentTermCode": vendor.term,
        "purchaseCurrency": vendor.company.currency,
        "companyCurrency": vendor.company.currency,
        "requisitionCreationTime": created,
        "orderCreationTime": created,
        "orderExportTimestamp": created,
        "releaseOrdersRequired": False,
        "hidePricesFromSupplier": False,
        "creator": buyer,
        "owner": buyer,
        "deliveryAddress": {"name": "Main office"},
        "lastUpdated": stamp(SEED_TIME),
        **amounts,
        "orderLines": [line],
    }


def _order_line(vendor: Vendor, number: int) -> Row:
    decimals = decimals_of(vendor.company.currency)
    tax = TAXES[vendor.company.legal_entity][0]
    net = rounded(Decimal(100 * number), decimals)
    tax_sum = rounded(net * tax.percent / 100, decimals)
    prices = {
        "netPrice": net,
        "grossPrice": net + tax_sum,
        "netSum": net,
        "grossSum": net + tax_sum,
    }
    unit_prices = {"netUnitPrice": net, "grossUnitPrice": net + tax_sum, "taxTotal": tax_sum}
    return {
        "externalCode": code32("exportedOrderLine", number),
        "orderLineNumber": 1,
        "description": "Desk lamp",
        "lineType": "Catalog",
        "priceType": "Net",
        "quantity": Decimal(1),
        "quantityUnit": "H87",
        "receivingRequired": True,
        "taxCode": tax.code,
        "taxPercent": tax.percent,
        "deliveryAddress": {"name": "Main office"},
        **{
            f"{name}{suffix}": amount
            for name, amount in (prices | unit_prices).items()
            for suffix in ("", "Comp", "Org")
        },
        "codingRows": [
            {
                "externalCode": code32("exportedOrderCoding", number),
                "rowIndex": 1,
                "splitPercent": Decimal(100),
                "accountCode": next(iter(EXPENSE_ACCOUNTS[vendor.company.chart])),
                "costCenterCode": "CC-01",
            }
        ],
    }
