"""Tax, payment terms, payment methods, units and procurement categories, on both sides."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.seed.common import SEED_TIME, active_in, code32, day, names, noon, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.seed.companies import Company
    from sandbox.seed.world import Row, Rows


@dataclass(frozen=True)
class Tax:
    """A Basware tax code in one company and the F&O groups that mean the same there."""

    code: str
    percent: Decimal
    name: str
    tax_group: str
    item_group: str
    d365fo_code: str


_FULL, _REDUCED, _EXEMPT = "FULL", "RED", "EXEMPT"

#: Legal entity -> its tax codes; the first is the usual one, the second the other one it has.
TAXES: dict[str, tuple[Tax, ...]] = {
    "usmf": (
        Tax("US07", Decimal("7.25"), "California sales tax", "US-CA", _FULL, "CAST725"),
        Tax("EX", Decimal(0), "Exempt", "US-EX", _EXEMPT, "USEX"),
    ),
    "demf": (
        Tax("DE19", Decimal(19), "Vorsteuer 19 %", "DE-DOM", _FULL, "VST19"),
        Tax("DE07", Decimal(7), "Vorsteuer 7 %", "DE-DOM", _REDUCED, "VST07"),
        Tax("EX", Decimal(0), "Steuerfrei", "DE-EX", _EXEMPT, "DEEX"),
    ),
    "gbsi": (
        Tax("GB20", Decimal(20), "Standard rate", "GB-DOM", _FULL, "GBVAT20"),
        Tax("GB05", Decimal(5), "Reduced rate", "GB-DOM", _REDUCED, "GBVAT05"),
        Tax("EX", Decimal(0), "Exempt", "GB-EX", _EXEMPT, "GBEX"),
    ),
    "jpmf": (
        Tax("JP10", Decimal(10), "消費税 10%", "JP-DOM", _FULL, "JCT10"),
        Tax("JP08", Decimal(8), "軽減税率 8%", "JP-DOM", _REDUCED, "JCT08"),
        Tax("EX", Decimal(0), "非課税", "JP-EX", _EXEMPT, "JPEX"),
    ),
}

#: A code that Basware knows and mapping.yml does not: the German rate of July to December 2020.
UNMAPPED_TAX = Tax("DE16", Decimal(16), "Vorsteuer 16 % (2020)", "", "", "")

#: Basware payment term -> days, cash discount days, cash discount percent.
PAYMENT_TERMS: dict[str, tuple[int, int, Decimal]] = {
    "14N": (14, 0, Decimal(0)),
    "30N": (30, 0, Decimal(0)),
    "60N": (60, 0, Decimal(0)),
    "7D2-NT30": (30, 7, Decimal(2)),
    "45N": (45, 0, Decimal(0)),  # known to Basware, in no mapping
}
UNMAPPED_PAYMENT_TERM = "45N"

_ITEM_GROUPS = {_FULL: "Full rate", _REDUCED: "Reduced rate", _EXEMPT: "Exempt"}
_UNITS = {"ea": ("Each", "Quantity", 2), "hr": ("Hour", "Time", 2), "kg": ("Kilogram", "Mass", 3)}


def tax_of(legal_entity: str, code: str) -> Tax | None:
    """The tax code in a legal entity, if it has it."""
    return next((tax for tax in TAXES.get(legal_entity, ()) if tax.code == code), None)


def term_name(legal_entity: str, code: str) -> str:
    """The name of a payment term in F&O; 30 days have another name in gbsi."""
    days = PAYMENT_TERMS[code][0]
    return "30D" if legal_entity == "gbsi" and days == 30 else f"Net{days}"


def methods_of(legal_entity: str) -> tuple[str, str]:
    """The methods of payment that stand for BankTransfer and Check."""
    return {"demf": "SEPA", "jpmf": "FURIKOMI"}.get(legal_entity, "ELECTRONIC"), "CHECK"


def d365fo_rows(companies: Sequence[Company]) -> Rows:
    """Tax set-up, terms, methods, cash discounts, units, categories."""
    rows: Rows = {
        "UnitsOfMeasure": [
            {"UnitSymbol": s, "UnitDescription": name, "UnitClass": kind, "DecimalPrecision": n}
            for s, (name, kind, n) in _UNITS.items()
        ],
        "ProcurementProductCategories": [
            {"CategoryName": name, "CategoryHierarchyName": "Procurement", "CategoryCode": code}
            for code, name in (
                ("10", "General expenses"),
                ("20", "Office supplies"),
                ("30", "Services"),
            )
        ],
    }
    for company in companies:
        for name, more in _company_rows(company.legal_entity).items():
            rows.setdefault(name, []).extend({"dataAreaId": company.legal_entity} | r for r in more)
    return rows


def _company_rows(legal_entity: str) -> Rows:
    terms = dict.fromkeys(
        (term_name(legal_entity, code), days)
        for code, (days, _, _) in PAYMENT_TERMS.items()
        if code != UNMAPPED_PAYMENT_TERM
    )
    electronic, check = methods_of(legal_entity)
    return _tax_rows(legal_entity) | {
        "PaymentTerms": [
            {
                "Name": name,
                "Description": f"Net {days} days",
                "PaymentMethodType": "Net",
                "NumberOfDays": days,
            }
            for name, days in terms
        ],
        "VendorPaymentMethods": [
            {"Name": electronic, "Description": "Transfer", "PaymentType": "ElectronicPayment"},
            {"Name": check, "Description": "Check", "PaymentType": "Check"},
        ],
        "CashDiscounts": [
            {
                "CashDiscountCode": "2%D7",
                "Description": "2 % within 7 days",
                "Percent": Decimal(2),
                "NumberOfDays": 7,
                "DiscountMethod": "Net",
            }
        ],
    }


def _tax_rows(legal_entity: str) -> Rows:
    taxes = TAXES[legal_entity]
    groups = dict.fromkeys(tax.tax_group for tax in taxes)
    items = dict.fromkeys(tax.item_group for tax in taxes)
    return {
        "TaxCodes": [{"TaxCode": tax.d365fo_code, "TaxName": tax.name} for tax in taxes],
        "TaxCodeValuesV2": [row for tax in taxes for row in _tax_values(tax)],
        "TaxGroups": [{"TaxGroupCode": group, "Description": group} for group in groups],
        "TaxItemGroupHeadings": [
            {"TaxItemGroup": item, "Name": _ITEM_GROUPS[item]} for item in items
        ],
        "TaxGroupDatas": [
            {
                "TaxGroupId": tax.tax_group,
                "TaxCodeId": tax.d365fo_code,
                "ExemptTax": "Yes" if tax.item_group == _EXEMPT else "No",
            }
            for tax in taxes
        ],
        "TaxItemGroups": [
            {"TaxItemGroupCode": tax.item_group, "TaxCodeId": tax.d365fo_code} for tax in taxes
        ],
    }


def _tax_values(tax: Tax) -> list[Row]:
    """The rate since 2020 and, of taxed codes, one of before that is valid no more."""
    today: Row = {
        "TaxCodeId": tax.d365fo_code,
        "FromDate": noon(date(2020, 1, 1)),
        "ToDate": noon(date(2154, 12, 31)),
        "Value": tax.percent,
    }
    before = {"FromDate": noon(date(2010, 1, 1)), "ToDate": noon(date(2019, 12, 31))}
    return [today, today | before | {"Value": tax.percent - 1}] if tax.percent else [today]


def basware_rows(companies: Sequence[Company]) -> Rows:
    """taxCodes and paymentTerms."""
    taxes = [(tax, c.code) for c in companies for tax in TAXES[c.legal_entity]]
    taxes += [(UNMAPPED_TAX, c.code) for c in companies if c.legal_entity == "demf"]
    codes = [company.code for company in companies]
    return {
        "taxCodes": [_tax_code(tax, code) for tax, code in taxes],
        "paymentTerms": [_payment_term(code, n, codes) for n, code in enumerate(PAYMENT_TERMS, 1)],
    }


def _tax_code(tax: Tax, company_code: str) -> Row:
    return {
        "externalCode": code32("taxCode", company_code, tax.code),
        "taxCode": tax.code,
        "taxCodeNames": names(tax.name),
        "taxPercentage": tax.percent,
        "companies": active_in([company_code], inherit=False),
        "lastUpdated": stamp(SEED_TIME),
    }


def _payment_term(code: str, order: int, company_codes: Sequence[str]) -> Row:
    days, discount_days, discount = PAYMENT_TERMS[code]
    cash = {"cashDueDateCalc": 1, "cashDueDateDays": discount_days, "cashDiscount": discount}
    return {
        "externalCode": code32("paymentTerm", code),
        "paymentTermCode": code,
        "paymentTermNames": names(f"{days} days net"),
        "sortOrder": order,
        "dueDateCalc": 1,
        "dueDateDays": days,
        "validFrom": day(date(2020, 1, 1)),
        "validTo": day(date(2099, 12, 31)),
        "companies": active_in(company_codes, inherit=False),
        "lastUpdated": stamp(SEED_TIME),
        **(cash if discount else {}),
    }
