"""What two live systems have that a mapping is about: read by the plugins, matched by `drafting`.

Nothing of it is ever written anywhere but as codes and names in a draft.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class TaxCode:
    """A tax code of Basware, in these companies; `percentage` None = not told."""

    code: str
    name: str
    percentage: Decimal | None
    companies: frozenset[str]


@dataclass(frozen=True)
class Terms:
    """When an invoice is due: days after its date, None where it is not as simple.

    `discount` are percent and days of a cash discount, None without one.
    """

    days: int | None
    discount: tuple[Decimal, int] | None = None


@dataclass(frozen=True)
class TermCode:
    """A payment term of Basware, in these companies."""

    code: str
    name: str
    terms: Terms
    companies: frozenset[str]


@dataclass(frozen=True)
class BaswareStock:
    """What Basware has, and what the invoices that wait there use.

    `companies` is code -> name. `values` is import API -> codes, as far as they were read.
    `invoices` are accounting documents. `notes` say what could not be seen.
    """

    companies: Mapping[str, str] = field(default_factory=dict)
    tax_codes: tuple[TaxCode, ...] = ()
    payment_terms: tuple[TermCode, ...] = ()
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    invoices: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()

    def rows(self) -> Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Yield each coding row with its invoice."""
        for invoice in self.invoices:
            for row in invoice.get("codingRows") or ():
                yield invoice, row


@dataclass(frozen=True)
class PaymentTerms:
    """A term of payment of a legal entity of F&O."""

    legal_entity: str
    name: str
    days: int | None


@dataclass(frozen=True)
class CashDiscount:
    """A cash discount of a legal entity of F&O; `days` None where it is not as simple."""

    legal_entity: str
    code: str
    percent: Decimal
    days: int | None


@dataclass(frozen=True)
class TaxPair:
    """A sales tax group with an item sales tax group, and the tax codes that both have."""

    legal_entity: str
    sales_tax_group: str
    item_sales_tax_group: str
    percentage: Decimal | None
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Vendor:
    """What a vendor account of F&O has; `country` only where it shows no ISO code."""

    legal_entity: str
    account: str
    term: str
    method: str
    country: str = ""


@dataclass(frozen=True)
class DynamicsStock:
    """What F&O has, and what it knows of the codes that invoices in Basware use.

    Legal entities are in lower case, with their names. `dimensions` are the segments of the active
    ledger format, `order_line_dimensions` those of the default format. Of what is used:
    `dimension_values` is value -> the dimensions that have it, `accounts` the main accounts that
    there are, `order_units` (order, line) -> unit symbol. `countries` are those that legal entities
    and vendors have without an ISO code. None = could not be read.
    """

    legal_entities: Mapping[str, str] = field(default_factory=dict)
    terms: tuple[PaymentTerms, ...] = ()
    discounts: tuple[CashDiscount, ...] = ()
    tax_pairs: tuple[TaxPair, ...] = ()
    methods: tuple[tuple[str, str], ...] = ()
    currencies: frozenset[str] | None = None
    units: frozenset[str] | None = None
    dimensions: tuple[str, ...] = ()
    order_line_dimensions: tuple[str, ...] = ()
    delimiter: str = "-"
    vendors: tuple[Vendor, ...] = ()
    dimension_values: Mapping[str, frozenset[str]] = field(default_factory=dict)
    accounts: frozenset[str] | None = None
    order_units: Mapping[tuple[str, str], str] = field(default_factory=dict)
    countries: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
