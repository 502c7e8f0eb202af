"""The sections of a mapping as values. All immutable; codes are text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from ap_mapping.templates import FieldValue, Template, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

Value: TypeAlias = Template | FieldValue


@dataclass(frozen=True)
class Codes:
    """Basware code -> F&O code; `field` is the Basware field that carries it, if settable."""

    field: str
    values: Mapping[str, str]

    def get(self, code: str) -> str:
        """The F&O code: the exception if one is listed, else the code itself."""
        code = code.strip()
        return self.values.get(code, code)


@dataclass(frozen=True)
class Dimension:
    """A financial dimension: its F&O name, Basware coding field and import API (or None)."""

    name: str
    codes: Codes
    import_api: str | None = None

    @property
    def coding_field(self) -> str:
        """The coding-row field that carries the dimension's value."""
        return self.codes.field

    def value(self, row: Mapping[str, Any]) -> str:
        """The F&O dimension value of a coding row; "" when the row has none."""
        code = as_text(row.get(self.coding_field))
        return self.codes.get(code) if code else ""


@dataclass(frozen=True)
class TaxGroups:
    """The pair F&O needs instead of a tax code; None = leave the group out."""

    sales_tax_group: str | None = None
    item_sales_tax_group: str | None = None


@dataclass(frozen=True)
class InvoiceType:
    """What an invoiceTypeCode says about a document."""

    credit_note: bool = False


@dataclass(frozen=True)
class Procurement:
    """Procurement category of a line: from `codes.field` when the row has it, else the default."""

    hierarchy: str
    default_category: str | None
    codes: Codes | None = None

    def category(self, row: Mapping[str, Any]) -> str | None:
        """Category name of a coding row, or None."""
        code = as_text(row.get(self.codes.field)) if self.codes else ""
        return self.codes.get(code) if self.codes and code else self.default_category


@dataclass(frozen=True)
class HeaderMapping:
    """Where header fields come from; a date or flag without a field is not sent."""

    description: Template | None
    posting_date: str | None
    due_date: str | None
    received_date: str | None
    on_hold: str | None
    fields: Mapping[str, Value]


@dataclass(frozen=True)
class LineMapping:
    """Where line fields come from: names of coding-row fields, None = not sent."""

    description: Template | None
    quantity: str | None
    unit: str | None
    item_number: str | None
    purchase_order: str | None
    purchase_line_number: str | None
    fields: Mapping[str, Value]
