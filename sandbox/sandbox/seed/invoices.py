"""The demo's good invoices: one function per kind, all to be delivered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.seed.accounts import DIMENSION_VALUES, EXPENSE_ACCOUNTS
from sandbox.seed.builders import accounting_document, coding_row, order_row
from sandbox.seed.common import SEED_TIME, code32, day, later, rounded
from sandbox.seed.companies import decimals_of
from sandbox.seed.orders import make_order
from sandbox.seed.terms import TAXES
from sandbox.seed.world import Expectation

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from sandbox.seed.companies import Company
    from sandbox.seed.orders import Order
    from sandbox.seed.vendors import Vendor
    from sandbox.seed.world import Row

_TEXTS = (
    "Quarterly delivery",
    "Bürostühle für die Zentrale, 2. Lieferung",
    'As agreed with J. O\'Neill ("rush order")',
    "三月分 ご請求書",
    "Maintenance <fixed price> & travel",
    "Réparation de l'ascenseur; pièces 50 % / travail 50 %",
)


@dataclass
class Desk:
    """Where invoices are written: vendors by company, and what has been written so far."""

    companies: Sequence[Company]
    vendors: dict[str, list[Vendor]]  # by legal entity
    rng: random.Random
    orders: list[Order] = field(default_factory=list)
    documents: list[Row] = field(default_factory=list)
    expected: dict[str, Expectation] = field(default_factory=dict)

    def vendor(self, company: Company, *, foreign: bool | None = None) -> Vendor:
        """Some vendor that takes invoices; `foreign`: in another currency than the company's."""
        fit = [
            vendor
            for vendor in self.vendors[company.legal_entity]
            if vendor.takes_invoices and foreign in (None, vendor.currency != company.currency)
        ]
        return self.rng.choice(fit)

    def order(self, vendor: Vendor, **options: Any) -> Order:
        """A new purchase order, received and not yet invoiced."""
        order = make_order(vendor, len(self.orders) + 1, self.rng, **options)
        self.orders.append(order)
        return order

    def number(self, vendor: Vendor) -> str:
        """An invoice number that this seed uses once."""
        return f"{vendor.company.prefix}{vendor.number:04d}-{len(self.documents) + 1:06d}"

    def document(self, vendor: Vendor, rows: Sequence[Row] | None = None, **options: Any) -> Row:
        """A document of this vendor, later than all before it; `options` win over its defaults."""
        count = len(self.documents)
        issued = later(-30 + self.rng.randint(0, 20))
        defaults: dict[str, Any] = {
            "number": self.number(vendor),
            "currency": vendor.currency,
            "payment_term": vendor.term,
            "invoice_date": issued,
            "last_updated": SEED_TIME + timedelta(seconds=count),
            "invoice_id": code32("document", count),
            "supplierName": vendor.name,
            "supplierBankIBAN": vendor.bank_account if vendor.bank_account[0].isalpha() else None,
            "supplierBankBBAN": None if vendor.bank_account[0].isalpha() else vendor.bank_account,
            "paymentMethod": vendor.payment_method,
            "description": self.rng.choice(_TEXTS),
            "referenceNumber": f"RF{count + 1:08d}",
            "date1": day(issued + timedelta(days=2)),
        }
        row = accounting_document(
            company=vendor.company.code,
            supplier=vendor.account,
            rows=rows,
            **(defaults | options),
        )
        self.documents.append(row)
        return row

    def expect(self, document: Row, expectation: Expectation) -> None:
        """Say what should come of a document."""
        self.expected[document["invoiceId"]] = expectation

    def amount(self, currency: str, low: int = 10, high: int = 5000) -> Decimal:
        """Some net amount between `low` and `high` units, a hundred times that in yen."""
        decimals = decimals_of(currency)
        cents = Decimal(self.rng.randint(low * 100, high * 100))
        return rounded(cents if decimals == 0 else cents / 100, decimals)

    def coded_row(self, vendor: Vendor, tax: int = 0, **options: Any) -> Row:
        """A row without order: some account and dimensions, the company's n-th tax code."""
        rng, company = self.rng, vendor.company
        return coding_row(
            **{
                "net": self.amount(vendor.currency),
                "account": rng.choice(list(EXPENSE_ACCOUNTS[company.chart])),
                "cost_center": rng.choice(list(DIMENSION_VALUES["CostCenter"])),
                "business_unit": rng.choice(list(DIMENSION_VALUES["BusinessUnit"])),
                "department": rng.choice([None, *DIMENSION_VALUES["Department"]]),
                "project": rng.choice([None, *DIMENSION_VALUES["Project"]]),
                "tax_code": TAXES[company.legal_entity][tax].code,
                "text": rng.choice(_TEXTS),
                **options,
            }
        )


def _po_single_line(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    order = desk.order(vendor)
    return desk.document(vendor, [order_row(order, order.lines[0])])


def _without_po(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    rows = [desk.coded_row(vendor) for _ in range(desk.rng.randint(1, 4))]
    return desk.document(vendor, rows)


def _po_custom_field(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    order = desk.order(vendor, lines=2)
    rows = [order_row(order, line, text=f"Kostenträger {line.number}") for line in order.lines]
    return desk.document(
        vendor,
        rows,
        text1=f"Cost approval CA-2026-{len(desk.documents):04d}",
        text31="Zone B",
        numeric1=Decimal("12.5"),
        date2=day(later(20)),
    )


def _services(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    account = list(EXPENSE_ACCOUNTS[company.chart])[4]
    rows = [
        desk.coded_row(vendor, account=account, text=f"Consulting, week {week}, {hours} h")
        for week, hours in ((7, 32), (8, 16))
    ]
    return desk.document(vendor, rows, contractNumber="C-2025-114")


def _service_order(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    order = desk.order(vendor, service=True)
    return desk.document(vendor, [order_row(order, order.lines[0])])


def _several_taxes(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    taxes = TAXES[company.legal_entity]
    order = desk.order(vendor, lines=len(taxes))
    rows = [
        order_row(order, line, tax_code=tax.code)
        for line, tax in zip(order.lines, taxes, strict=True)
    ]
    return desk.document(vendor, rows)


def _credit_memo(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    net = -desk.amount(vendor.currency, 10, 500)
    return desk.document(vendor, [desk.coded_row(vendor, net=net, text="Credit for damage")])


def _returned_goods(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    order = desk.order(vendor)
    return desk.document(vendor, [order_row(order, order.lines[0], quantity=-1)])


def _foreign_currency(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=True)
    return desk.document(vendor, [desk.coded_row(vendor), desk.coded_row(vendor)])


def _many_rows(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    rows = [
        desk.coded_row(vendor, net=desk.amount(vendor.currency, 1, 200))
        for _ in range(desk.rng.randint(30, 60))
    ]
    return desk.document(vendor, rows)


def _payment_blocked(desk: Desk, company: Company) -> Row:
    vendor = desk.vendor(company, foreign=False)
    return desk.document(vendor, [desk.coded_row(vendor)], paymentBlock=True)


#: In this order round the companies; the common kinds come more than once.
_CYCLE: tuple[tuple[str, Callable[[Desk, Company], Row]], ...] = (
    ("po single line", _po_single_line),
    ("without po", _without_po),
    ("po with custom field", _po_custom_field),
    ("services", _services),
    ("several tax lines", _several_taxes),
    ("credit memo", _credit_memo),
    ("multi-currency", _foreign_currency),
    ("without po", _without_po),
    ("payment-blocked", _payment_blocked),
    ("po single line", _po_single_line),
    ("service order", _service_order),
    ("returned goods", _returned_goods),
    ("many rows", _many_rows),
)


def write_good_invoices(desk: Desk, count: int) -> None:
    """`count` invoices that should be delivered: every kind in every company in turn."""
    for number in range(count):
        company = desk.companies[number % len(desk.companies)]
        kind, write = _CYCLE[number % len(_CYCLE)]
        desk.expect(write(desk, company), Expectation("delivered", kind=kind))
