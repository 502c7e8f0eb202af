"""What invoices use: the codes on them, with the companies that they stand in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from ap_mapping.stock import BaswareStock
from ap_mapping.templates import as_text

#: Fields of a coding row that end in Code and carry no financial dimension.
NO_DIMENSIONS = frozenset(
    {"accountCode", "taxCode", "taxJurisdictionCode", "externalCode", "organizationElementCode"}
)
#: Coding fields of Basware that are made for one thing (StandardCodingEntity).
CODING_FIELDS = tuple(
    f"{name}Code"
    for name in (
        *("costCenter", "project", "businessUnit", "profitCenter", "businessArea", "employee"),
        *(
            "customer",
            "internalOrder",
            "salesOrder",
            "workOrder",
            "fixedAsset",
            "service",
            "budget",
        ),
    )
)
#: Values of a coding field that are looked up in F&O; they only have to tell dimensions apart.
SAMPLES = 20
#: Order lines that are looked at to tell what F&O calls a unit.
UNIT_SAMPLES = 5

Row = Mapping[str, Any]


def field_of(record: Row, name: str) -> str:
    """A field as text without blanks around it; "" when it is empty."""
    return as_text(record.get(name))


def used(stock: BaswareStock, field: str) -> dict[str, list[Row]]:
    """Code in a field of the header -> the invoices with it."""
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for invoice in stock.invoices:
        if code := field_of(invoice, field):
            found[code].append(invoice)
    return dict(found)


def used_on_rows(stock: BaswareStock, field: str) -> dict[str, list[tuple[Row, Row]]]:
    """Code in a field of coding rows -> invoice and row, of each row with it."""
    found: defaultdict[str, list[tuple[Row, Row]]] = defaultdict(list)
    for invoice, row in stock.rows():
        if code := field_of(row, field):
            found[code].append((invoice, row))
    return dict(found)


def dimension_fields(stock: BaswareStock) -> dict[str, list[str]]:
    """Coding field that may carry a dimension -> its values, some of them, by frequency."""
    counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    for _, row in stock.rows():
        for name in row:
            if may_carry_dimension(name) and (value := field_of(row, name)):
                counts[name][value] += 1
    return {
        name: sorted(values, key=lambda value: (-values[value], value))[:SAMPLES]
        for name, values in sorted(counts.items())
    }


def may_carry_dimension(name: str) -> bool:
    """Whether a field of coding rows may hold the value of a financial dimension."""
    return (name.endswith("Code") and name not in NO_DIMENSIONS) or name.startswith("dimCode")


def order_lines(stock: BaswareStock) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield units of order lines with the order and line that some of their rows name."""
    for unit, rows in used_on_rows(stock, "orderLineUOM").items():
        named = (
            (field_of(row, "orderNumber"), field_of(row, "orderLineNumber")) for _, row in rows
        )
        lines = dict.fromkeys(line for line in named if all(line))
        for line in list(lines)[:UNIT_SAMPLES]:
            yield unit, line
