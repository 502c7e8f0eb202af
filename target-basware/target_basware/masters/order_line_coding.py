"""Account and dimensions of an order line -> orderLineCoding.

The row does not say which segments its dimension string has. mapping.yml can
(masters.order_line_dimensions); without that, a line is sent without coding.
"""

from __future__ import annotations

import re
from decimal import Decimal

from ap_mapping import EntityMapping
from singer_delivery.errors import Rejected

from target_basware.masters.entity import Content
from target_basware.masters.row import Row

DIMENSIONS = "DefaultLedgerDimensionDisplayValue"
ACCOUNT = "MainAccountIdDisplayValue"


def coding(entity: EntityMapping, row: Row, code: str, quantity: Decimal) -> list[Content]:
    """Return the one coding row of a line, none when there is nothing to say. Raises Rejected.

    `code` is its external code. The account is taken where it stands alone: in a string with
    dimensions its place is not known.
    """
    segments = entity.masters.order_line_dimensions
    if not segments:
        return []
    fields: Content = {}
    account = split(row.text(ACCOUNT), entity.masters.dimension_delimiter)
    if len(account) == 1 and account[0]:
        fields |= _first(entity.main_accounts.field, entity.main_accounts.basware(account[0]))
    values = _values(row.text(DIMENSIONS), segments, entity.masters.dimension_delimiter)
    for name, value in values.items():
        dimension = entity.dimension(name)
        if dimension and value:
            fields |= _first(dimension.coding_field, dimension.codes.basware(value))
    if not fields:
        return []
    return [{"externalCode": code, "rowIndex": 1, "allocatedQuantity": quantity, **fields}]


def _first(field: str, codes: tuple[str, ...]) -> Content:
    return {field: codes[0]} if codes else {}


def _values(text: str, segments: tuple[str, ...], delimiter: str) -> dict[str, str]:
    if not text:
        return {}
    parts = split(text, delimiter)
    if len(parts) != len(segments):
        msg = (
            f"its {DIMENSIONS} has {len(parts)} segments, masters.order_line_dimensions in "
            f"mapping.yml names {len(segments)}; name all segments of the format there, and mind "
            f"the delimiter {delimiter!r} in values"
        )
        raise Rejected(msg)
    return dict(zip(segments, parts, strict=True))


def split(text: str, delimiter: str) -> list[str]:
    r"""Split a dimension string at its delimiters; `\-` is a delimiter within a value."""
    mark = re.escape(delimiter)
    token = re.compile(rf"\\(?P<escaped>{mark}|\\)|(?P<end>{mark})|(?P<plain>.)", re.DOTALL)
    parts = [""]
    for found in token.finditer(text):
        if found["end"]:
            parts.append("")
        else:
            parts[-1] += found["escaped"] or found["plain"]
    return parts
