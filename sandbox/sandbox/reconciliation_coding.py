"""Is every value that an invoice is coded with held, and active, by the P2P that it comes from?"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sandbox.basware.p2p import active_companies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Row = Mapping[str, Any]

#: Field of an invoice -> API and the field that holds the same code.
HEADER_FIELDS = {
    "supplierCode": ("vendors", "vendorCode"),
    "paymentTermCode": ("paymentTerms", "paymentTermCode"),
}
#: The same for coding rows; the lists are those of the project's mapping.yml.
ROW_FIELDS = {
    "accountCode": ("accounts", "accountCode"),
    "costCenterCode": ("costCenters", "costCenterCode"),
    "projectCode": ("projects", "projectCode"),
    "taxCode": ("taxCodes", "taxCode"),
    "businessUnitCode": ("lists/ACC_LIST_1", "text_1"),
    "dimCode1": ("lists/ACC_LIST_2", "text_1"),
    "orderNumber": ("matchingOrders", "orderNumber"),
}


def coding_problems(
    documents: Iterable[Row], masters: Mapping[str, Iterable[Row]], listed: int = 20
) -> list[str]:
    """Name the values of these documents that are not active in the document's company.

    `masters`: what P2P holds, by API. Each value is named once, with the invoices that have it
    counted; of more than `listed` values, the rest is counted.
    """
    active = _active(masters)
    users: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for document in documents:
        company = document["companyCode"]
        for field, value, place in _values(document):
            if (*place, company) not in active:
                users[company, field, value].add(document["invoiceId"])
    problems = [
        f"company {company}: {field} {value} is not active in Basware's P2P "
        f"({len(invoices)} invoices have it)"
        for (company, field, value), invoices in sorted(users.items())
    ]
    more = len(problems) - listed
    return [*problems[:listed], *([f"and {more} more codes like these"] if more > 0 else [])]


def _values(document: Row) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Field, value, and what P2P has to hold for it: API and code, of a line its order as well."""
    for field, (name, _) in HEADER_FIELDS.items():
        if document.get(field):
            yield field, document[field], (name, document[field])
    for row in document.get("codingRows", ()):
        for field, (name, _) in ROW_FIELDS.items():
            if row.get(field):
                yield field, row[field], (name, row[field])
        if row.get("orderNumber") and row.get("orderLineNumber"):
            order, line = row["orderNumber"], row["orderLineNumber"]
            yield "order line", f"{order}/{line}", ("matchingOrderLines", order, line)


def _active(masters: Mapping[str, Iterable[Row]]) -> set[tuple[str, ...]]:
    """API, code (of a line: order and line) and company of everything that can be used."""
    found: set[tuple[str, ...]] = set()
    for name, field in {*HEADER_FIELDS.values(), *ROW_FIELDS.values()}:
        for record in masters.get(name, ()):
            code = record.get(field, "")
            found |= {(name, code, company) for company in active_companies(dict(record))}
    orders = {order["externalCode"]: order for order in masters.get("matchingOrders", ())}
    for line in masters.get("matchingOrderLines", ()):
        order = orders.get(line["orderExternalCode"])
        if order is not None and not (line.get("isClosed") or line.get("isDeleted")):
            found.add(
                (
                    "matchingOrderLines",
                    order["orderNumber"],
                    line["lineNumber"],
                    order["companyCode"],
                )
            )
    return found
