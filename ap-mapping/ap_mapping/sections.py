"""The sections of a mapping as values. All immutable; codes are text."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from ap_mapping.templates import FieldValue, Template, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

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

    def basware(self, code: str) -> tuple[str, ...]:
        """The Basware codes of an F&O code, those that `get` turns into it again.

        The exceptions listed for it in file order, else the code itself; none when Basware uses
        that code for something else.
        """
        return self._listed.get(code) or ((code,) if self.get(code) == code else ())

    @cached_property
    def _listed(self) -> dict[str, tuple[str, ...]]:
        listed: dict[str, tuple[str, ...]] = {}
        for code, value in self.values.items():
            if self.get(code) == value:
                listed[value] = (*listed.get(value, ()), code)
        return listed


@dataclass(frozen=True)
class Dimension:
    """A financial dimension: its F&O name, Basware coding field and import API (or None).

    The columns and the content are those of a Basware list.
    """

    name: str
    codes: Codes
    import_api: str | None = None
    code_column: str = "text_1"
    name_column: str | None = "text_2"
    list_content: str | None = None

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
    """The pair F&O needs instead of a tax code; None = leave the group out.

    `percentage` is what Basware calculates with, None = what F&O says.
    """

    sales_tax_group: str | None = None
    item_sales_tax_group: str | None = None
    percentage: Decimal | None = None


@dataclass(frozen=True)
class PaymentTerm:
    """The F&O term of a Basware term (None = the vendor's own) and the discount that goes along."""

    term: str | None = None
    cash_discount: str | None = None


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


#: VendorsV3 field -> scheme of the identifier in Basware, where the mapping names no other.
VENDOR_IDENTIFIERS = MappingProxyType(
    {"TaxExemptNumber": "VAT", "OrganizationNumber": "ORGNR", "DUNSNumber": "DUNS"}
)


@dataclass(frozen=True)
class Masters:
    """What master data and orders from F&O are written into Basware with.

    Identifiers: F&O field -> scheme in Basware. Holds: members of CustVendorBlocked. Orders:
    members of VersioningDocumentState. `without`: what records bring along from other entity sets
    and this tenant does not send. `order_line_dimensions` are the segments of a default
    dimension string in their order. `languages` and `countries`: F&O code -> Basware code.
    """

    source_system: str = "D365FO"
    inherit: bool = False
    one_time_vendors: bool = True
    payment_means: str = "DEFAULT"
    inactive_on_hold: tuple[str, ...] = ("All", "Invoice")
    payment_denied_on_hold: tuple[str, ...] = ("All", "Payment")
    order_statuses: tuple[str, ...] = ("Approved", "Confirmed", "Finalized")
    receipt_based_matching: bool = False
    order_line_dimensions: tuple[str, ...] = ()
    dimension_delimiter: str = "-"
    without: tuple[str, ...] = ()
    vendor_identifiers: Mapping[str, str] = field(default_factory=lambda: VENDOR_IDENTIFIERS)
    company_identifiers: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)
    countries: Mapping[str, str] = field(default_factory=dict)
