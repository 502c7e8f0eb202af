"""What an order says of each of its lines: its approval, and how its prices are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import object_schema, present
from tap_d365fo.reader import Reader, group_key

SET = "PurchaseOrderHeadersV2"
#: The stream purchase_order_headers has every field.
FIELDS = ("DocumentApprovalStatus", "CurrencyCode", "ArePricesIncludingSalesTax")


class LineOrders:
    """Adds `Order` to purchase order lines: FIELDS of the order; null where it cannot be read."""

    properties: Mapping[str, Any] = {"Order": object_schema(f"{', '.join(FIELDS)} of the order.")}
    needs: tuple[str, ...] = ("dataAreaId", "PurchaseOrderNumber")

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the order lines of one page with their orders."""
        if not reader.has(SET):
            yield from ({**row, "Order": None} for row in rows)
            return
        fields = present(reader, SET, FIELDS)
        found = reader.window(SET, self.needs, rows, select=fields or self.needs)
        for row in rows:
            order = next(iter(found.get(group_key(row, self.needs), [])), None)
            yield {**row, "Order": order and {field: order[field] for field in fields}}
