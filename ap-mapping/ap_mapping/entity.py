"""The mapping as one legal entity sees it: common sections and its own exceptions, resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from ap_mapping.errors import MappingHole
from ap_mapping.sections import InvoiceType, TaxGroups
from ap_mapping.templates import as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ap_mapping.sections import (
        Codes,
        Dimension,
        HeaderMapping,
        LineMapping,
        Masters,
        PaymentTerm,
        Procurement,
    )

Entry = TypeVar("Entry")
#: Fields of the document that a line template may show besides those of its coding row. None of
#: them exists on coding rows, so a row's own empty text1 is never filled from the header's.
DOCUMENT_FIELDS_ON_LINES = (
    "invoiceId",
    "invoiceNumber",
    "companyCode",
    "supplierCode",
    "supplierName",
    "currencyCode",
    "referenceNumber",
)


@dataclass(frozen=True)
class EntityMapping:
    """Lookups of one legal entity. Those that find nothing raise MappingHole."""

    legal_entity: str
    dimensions: tuple[Dimension, ...]
    main_accounts: Codes
    vendors: Codes
    currencies: Codes
    units: Codes
    tax_codes: Mapping[str, TaxGroups]
    payment_terms: Mapping[str, PaymentTerm]
    payment_methods: Mapping[str, str | None] | None
    invoice_types: Mapping[str, InvoiceType] | None
    procurement: Procurement | None
    header: HeaderMapping
    line: LineMapping
    masters: Masters

    def main_account(self, row: Mapping[str, Any]) -> str:
        """Main account of a coding row; "" when the row has none."""
        return self.main_accounts.get(as_text(row.get(self.main_accounts.field)))

    def vendor_account(self, document: Mapping[str, Any]) -> str:
        """Vendor account of a document; "" when it names no supplier."""
        return self.vendors.get(as_text(document.get(self.vendors.field)))

    def currency(self, code: str | None) -> str:
        """F&O currency code."""
        return self.currencies.get(code or "")

    def unit(self, code: str | None) -> str:
        """F&O unit symbol."""
        return self.units.get(code or "")

    def dimension_values(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Dimension name -> value for the dimensions that a coding row carries."""
        found = {dimension.name: dimension.value(row) for dimension in self.dimensions}
        return {name: value for name, value in found.items() if value}

    def tax_groups(self, code: str | None) -> TaxGroups:
        """Tax groups of a tax code. No code: the entry "" if listed, else no groups."""
        code = (code or "").strip()
        if code in self.tax_codes:
            return self.tax_codes[code]
        if not code:
            return TaxGroups()
        raise MappingHole("tax_codes", code, self.legal_entity)

    def payment_term(self, code: str | None) -> str | None:
        """Terms of payment; None (no code, or mapped to null) = the vendor's default."""
        entry = self._optional("payment_terms", self.payment_terms, code)
        return entry.term if entry else None

    def payment_method(self, code: str | None) -> str | None:
        """Method of payment; None (no code, mapped to null, no section) = the vendor's default.

        So is the code that vendors without a method of their own have in Basware.
        """
        if self.payment_methods is None:
            return None
        own = self.masters.payment_means
        if (code or "").strip() == own and own not in self.payment_methods:
            return None
        return self._optional("payment_methods", self.payment_methods, code)

    def invoice_type(self, code: str | None) -> InvoiceType:
        """What the type means; without an invoice_types section, or without a code: an invoice."""
        code = (code or "").strip()
        if self.invoice_types is None or (not code and "" not in self.invoice_types):
            return InvoiceType()
        if code not in self.invoice_types:
            raise MappingHole("invoice_types", code, self.legal_entity)
        return self.invoice_types[code]

    def dimension(self, name: str) -> Dimension | None:
        """The dimension of this F&O name, letter case aside; None when it is not mapped."""
        wanted = name.casefold()
        return next((d for d in self.dimensions if d.name.casefold() == wanted), None)

    def tax_codes_of(self, sales_tax_group: str, item_sales_tax_group: str) -> tuple[str, ...]:
        """The Basware tax codes that stand for a pair of F&O groups; "" = without the group."""
        pair = (sales_tax_group, item_sales_tax_group)
        return tuple(
            code
            for code, groups in self.tax_codes.items()
            if code and pair == (groups.sales_tax_group or "", groups.item_sales_tax_group or "")
        )

    def payment_term_codes(self, term: str) -> tuple[str, ...]:
        """The Basware terms that stand for an F&O term, in file order."""
        return tuple(c for c, entry in self.payment_terms.items() if c and entry.term == term)

    def payment_term_code(self, term: str, cash_discount: str = "") -> str | None:
        """The Basware term of an F&O term with this cash discount, else of the term alone.

        None when the mapping has neither: a discount is never granted that is not agreed.
        """
        for discount in (cash_discount or None, None):
            for code in self.payment_term_codes(term):
                if self.payment_terms[code].cash_discount == discount:
                    return code
        return None

    def payment_means_code(self, method: str) -> str:
        """The Basware code of an F&O method of payment, one that `payment_method` knows again."""
        if self.payment_methods is None:
            return method or self.masters.payment_means
        codes = (c for c, name in self.payment_methods.items() if c and method and name == method)
        return next(codes, self.masters.payment_means)

    def header_fields(
        self, document: Mapping[str, Any], lengths: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        """Further VendorInvoiceHeaders fields; empty ones are left out, text cut to `lengths`."""
        return _field_values(self.header.fields, document, lengths or {})

    def line_fields(
        self, values: Mapping[str, Any], lengths: Mapping[str, int] | None = None
    ) -> dict[str, Any]:
        """Further VendorInvoiceLines fields; empty ones are left out, text cut to `lengths`.

        `values` are the `line_values` of a coding row.
        """
        return _field_values(self.line.fields, values, lengths or {})

    def header_description(self, document: Mapping[str, Any], max_length: int = 60) -> str:
        """Description of the invoice ("" when the mapping has no template)."""
        template = self.header.description
        return template.render(document, max_length) if template else ""

    def line_description(self, values: Mapping[str, Any], max_length: int | None = None) -> str:
        """Description of a line ("" when the mapping has no template), of its `line_values`."""
        template = self.line.description
        return template.render(values, max_length) if template else ""

    def _optional(
        self, section: str, codes: Mapping[str, Entry | None], code: str | None
    ) -> Entry | None:
        code = (code or "").strip()
        if code in codes:
            return codes[code]
        if not code:
            return None
        raise MappingHole(section, code, self.legal_entity)


def line_values(document: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What a line template can show: the coding row and a few fields of the document."""
    return {name: document.get(name) for name in DOCUMENT_FIELDS_ON_LINES} | dict(row)


def _field_values(
    sources: Mapping[str, Any], values: Mapping[str, Any], lengths: Mapping[str, int]
) -> dict[str, Any]:
    found = {name: s.value(values, lengths.get(name)) for name, s in sources.items()}
    return {name: value for name, value in found.items() if value not in (None, "")}
