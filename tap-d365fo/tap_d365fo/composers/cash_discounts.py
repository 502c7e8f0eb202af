"""The cash discounts of the legal entity that a term of payment belongs to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import rows_schema
from tap_d365fo.odata import comparable
from tap_d365fo.reader import Reader

SET = "CashDiscounts"


class CashDiscounts:
    """Adds `CashDiscounts`: every row of the legal entity; null without such a set.

    F&O does not tie a discount to a term; which goes with which is for a mapping to say.
    """

    properties: Mapping[str, Any] = {
        "CashDiscounts": rows_schema("Rows of CashDiscounts of this legal entity.")
    }
    needs: tuple[str, ...] = ("dataAreaId",)

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the terms of one page with the discounts of their legal entity."""
        known = reader.has(SET)
        discounts: defaultdict[Any, list[Row]] = defaultdict(list)
        for discount in reader.table(SET) if known else []:
            discounts[comparable(discount["dataAreaId"])].append(discount)
        for row in rows:
            own = discounts.get(comparable(row["dataAreaId"]), []) if known else None
            yield {**row, "CashDiscounts": own}
