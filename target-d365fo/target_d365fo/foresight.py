"""What Dynamics would probably say against an invoice: vendors and orders that its rows name.

A delivery does not ask for these, since Dynamics judges them when it is written to. A dry run does
not write, and can only look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from singer_delivery.document import Document
from singer_delivery.errors import AccessDenied, Refused
from tap_d365fo.client import D365Client, Row
from tap_d365fo.natural_key import folded

from target_d365fo.payload import InvoiceRows

VENDORS = ("VendorsV3", "VendorAccountNumber")
ORDERS = ("PurchaseOrderHeadersV2", "PurchaseOrderNumber")
#: What vendors are on hold for that keeps their invoices out (enum CustVendorBlocked).
HELD_BACK = frozenset({"All", "Invoice"})

Named = tuple[str, str]


class Foresight:
    """Looks with few reads. `blind` says, each once, what cannot be seen with these rights."""

    def __init__(self, client: D365Client) -> None:
        self._client = client
        self.blind: list[str] = []

    def objections(self, documents: Sequence[Document]) -> dict[str, str]:
        """Return, by key, what Dynamics would probably refuse documents for."""
        rows = {one.key: one.payload for one in documents if isinstance(one.payload, InvoiceRows)}
        if not rows:
            return {}
        vendors = self._found(VENDORS, map(_vendor, rows.values()), ("OnHoldStatus",))
        orders = self._found(ORDERS, (each for one in rows.values() for each in _orders(one)))
        found = {key: _said(one, vendors, orders) for key, one in rows.items()}
        return {key: "; ".join(words) for key, words in found.items() if words}

    def _found(
        self, where: Named, named: Iterable[Named], fields: Sequence[str] = ()
    ) -> Callable[[Named], Row | None] | None:
        """Return what finds a row by its legal entity and name; None where nothing can be seen."""
        entity_set, key = where
        wanted = sorted(set(named))
        try:
            rows = list(
                self._client.lookup(
                    entity_set,
                    [{"dataAreaId": entity, key: name} for entity, name in wanted],
                    select=("dataAreaId", key, *fields),
                    orderby=("dataAreaId", key),
                )
            )
        except (AccessDenied, Refused) as error:
            words = f"{entity_set} cannot be read, so nothing is said about it: {error}"
            if not any(each.startswith(entity_set) for each in self.blind):
                self.blind.append(words)
            return None
        there = {folded(row["dataAreaId"], row[key]): row for row in rows}
        return lambda one: there.get(folded(*one))


def _vendor(rows: InvoiceRows) -> Named:
    return str(rows.header["dataAreaId"]), str(rows.header["InvoiceAccount"])


def _orders(rows: InvoiceRows) -> list[Named]:
    entity = str(rows.header["dataAreaId"])
    orders = [str(line["PurchaseOrder"]) for line in rows.lines if line.get("PurchaseOrder")]
    return [(entity, order) for order in dict.fromkeys(orders)]


def _said(
    rows: InvoiceRows,
    vendors: Callable[[Named], Mapping[str, object] | None] | None,
    orders: Callable[[Named], Mapping[str, object] | None] | None,
) -> list[str]:
    words = []
    entity, account = _vendor(rows)
    if vendors is not None:
        vendor = vendors((entity, account))
        if vendor is None:
            words.append(f"there is no vendor {account} in legal entity {entity}")
        elif vendor.get("OnHoldStatus") in HELD_BACK:
            words.append(f"vendor {account} is on hold for {vendor['OnHoldStatus']}")
    if orders is not None:
        words += [
            f"there is no purchase order {order} in legal entity {entity}"
            for entity, order in _orders(rows)
            if orders((entity, order)) is None
        ]
    return words
