"""A digest of an invoice as it was sent, for a later process that does not have the invoice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from target_d365fo.compare import Row, digest
from target_d365fo.payload import InvoiceRows


@dataclass(frozen=True)
class ContentMark:
    """The digest, and the names of the fields that went into it.

    `header` has the header's fields; `shapes` the different sets of fields among the lines, and
    `lines` the shape of each line. F&O adds fields of its own, which must not count.
    """

    digest: str
    header: tuple[str, ...]
    shapes: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    @classmethod
    def of(cls, rows: InvoiceRows) -> ContentMark:
        """Return the mark of rows that are about to be sent."""
        shapes: dict[tuple[str, ...], int] = {}
        lines = tuple(shapes.setdefault(tuple(line), len(shapes)) for line in rows.lines)
        header = tuple(rows.header)
        parts = [(header, rows.header), *((tuple(line), line) for line in rows.lines)]
        return cls(digest(parts), header, tuple(shapes), lines)

    @classmethod
    def load(cls, value: Mapping[str, Any]) -> ContentMark:
        """Return the mark that `dump` made JSON of."""
        shapes = tuple(tuple(shape) for shape in value["shapes"])
        return cls(value["digest"], tuple(value["header"]), shapes, tuple(value["lines"]))

    def dump(self) -> dict[str, Any]:
        """Return it as a JSON-able value."""
        return {
            "digest": self.digest,
            "header": list(self.header),
            "shapes": [list(shape) for shape in self.shapes],
            "lines": list(self.lines),
        }

    def matches(self, header: Row, lines: Sequence[Row]) -> bool:
        """Tell whether the rows that F&O holds are those that were sent, all of them."""
        if len(lines) != len(self.lines):
            return False
        ordered = sorted(lines, key=lambda line: Decimal(line["InvoiceLineNumber"]))
        shaped = zip(self.lines, ordered, strict=True)
        parts = [(self.header, header), *((self.shapes[shape], line) for shape, line in shaped)]
        return digest(parts) == self.digest
