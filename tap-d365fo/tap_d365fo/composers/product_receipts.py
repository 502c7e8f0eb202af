"""What has been received of each purchase order line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import present, rows_schema
from tap_d365fo.reader import Reader, group_key

SET = "ProductReceiptLinesV2"
#: A line's field -> the receipt's.
LINE = {
    "dataAreaId": "dataAreaId",
    "PurchaseOrderNumber": "PurchaseOrderNumber",
    "LineNumber": "PurchaseOrderLineNumber",
}
#: The stream product_receipt_lines has every field.
FIELDS = (
    *LINE.values(),
    "RecordId",
    "ProductReceiptHeaderRecordId",
    "ProductReceiptNumber",
    "LineNumber",
    "ProductReceiptDate",
    "ExpectedDeliveryDate",
    "ReceivedPurchaseQuantity",
    "RemainingPurchaseQuantity",
    "OrderedPurchaseQuantity",
    "PurchaseUnitSymbol",
    "ItemNumber",
    "LineDescription",
    "ReceivingSiteId",
    "ReceivingWarehouseId",
)


class ProductReceipts:
    """Adds `ProductReceipts`: rows of ProductReceiptLinesV2 with FIELDS; null without the set."""

    properties: Mapping[str, Any] = {
        "ProductReceipts": rows_schema("Rows of ProductReceiptLinesV2 for this line.")
    }
    needs: tuple[str, ...] = tuple(LINE)

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the order lines of one page with their receipts, oldest receipt first."""
        if not reader.has(SET):
            yield from ({**row, "ProductReceipts": None} for row in rows)
            return
        found = reader.window(SET, LINE, rows, select=present(reader, SET, FIELDS))
        for row in rows:
            receipts = found.get(group_key(row, self.needs), [])
            yield {**row, "ProductReceipts": sorted(receipts, key=lambda item: item["RecordId"])}
