"""Charts of accounts and financial dimensions, with their formats, on both sides."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from sandbox.seed.common import SEED_TIME, active_in, code32, day, names, stamp

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sandbox.seed.companies import Company
    from sandbox.seed.world import Row, Rows

#: Expense accounts per chart: the ones invoices are coded to.
EXPENSE_ACCOUNTS: dict[str, dict[str, str]] = {
    "Shared": {
        "605100": "Office supplies",
        "605150": "Printing and stationery",
        "606300": "IT hardware below capitalisation limit",
        "606400": "Software and subscriptions",
        "607100": "Consulting fees",
        "607200": "Legal and audit fees",
        "608100": "Freight inwards",
        "609100": "Rent",
        "609200": "Electricity and heating",
        "610100": "Travel",
        "611100": "Advertising",
        "612100": "Repairs and maintenance",
    },
    "SKR04": {
        "6815": "Bürobedarf",
        "6820": "Zeitschriften, Bücher",
        "6835": "Mietleasing bewegliche Wirtschaftsgüter",
        "6837": "Softwarelizenzen",
        "6825": "Rechts- und Beratungskosten",
        "6827": "Abschluss- und Prüfungskosten",
        "5800": "Bezugsnebenkosten",
        "6310": "Miete",
        "6325": "Gas, Strom, Wasser",
        "6650": "Reisekosten",
        "6600": "Werbekosten",
        "6335": "Instandhaltung betrieblicher Räume",
    },
}

#: Other accounts per chart: id -> name, MainAccountType, further fields.
_OTHER_ACCOUNTS: dict[str, list[tuple[str, str, str, dict[str, str]]]] = {
    "Shared": [
        ("200100", "Accounts payable", "Liability", {"DoNotAllowManualEntry": "Yes"}),
        ("110110", "Bank account", "Asset", {}),
        ("605999", "Office supplies, old", "Expense", {"IsSuspended": "Yes"}),
        ("605000", "Total office expenses", "Total", {}),
    ],
    "SKR04": [
        ("3300", "Verbindlichkeiten aus Lieferungen und Leistungen", "Liability",
         {"DoNotAllowManualEntry": "Yes"}),
        ("1800", "Bank", "Asset", {}),
        ("6814", "Bürobedarf alt", "Expense", {"IsSuspended": "Yes"}),
        ("6800", "Summe Verwaltung", "Total", {}),
    ],
}  # fmt: skip

#: Dimension -> values. Cost centers and projects contain the delimiter, so that escaping matters.
DIMENSION_VALUES: dict[str, dict[str, str]] = {
    "BusinessUnit": {f"{n:03d}": f"Business unit {n:03d}" for n in range(1, 7)},
    "CostCenter": {f"CC-{n:02d}": f"Cost center {n:02d}" for n in range(1, 13)}
    | {"007": "Board of directors", "013": "Canteen"},
    "Department": {str(n): f"Department {n}" for n in range(22, 30)},
    "Project": {f"P-2026-{n:03d}": f"Project {n}" for n in range(1, 9)} | {"R25": "Relocation"},
}

_USE_VALUES_FROM = {
    "BusinessUnit": "BusinessUnits",
    "CostCenter": "CostCenters",
    "Department": "Departments",
    "Project": "CustomList",
}

# Neither order is alphabetical nor the same as the other: code that guesses the order fails.
DEFAULT_FORMAT = ("Department", "BusinessUnit", "Project", "CostCenter")
LEDGER_FORMAT = ("MainAccount", "BusinessUnit", "Department", "CostCenter", "Project")
DELIMITER = "-"


def display_value(segments: Sequence[str], values: Mapping[str, str]) -> str:
    """A dimension string of F&O: every segment in order, empty ones kept, delimiters escaped."""
    return DELIMITER.join(
        values.get(segment, "").replace(DELIMITER, "\\" + DELIMITER) for segment in segments
    )


def d365fo_rows() -> Rows:
    """ChartOfAccounts, MainAccounts and everything about dimensions."""
    return {
        "ChartOfAccounts": [
            {"ChartOfAccounts": "Shared", "Description": "Shared chart of accounts"},
            {"ChartOfAccounts": "SKR04", "Description": "Kontenrahmen SKR 04"},
        ],
        "MainAccounts": [row for chart in EXPENSE_ACCOUNTS for row in _main_accounts(chart)],
        "DimensionAttributes": [
            {"DimensionName": name, "ReportColumnName": name, "UseValuesFrom": source}
            for name, source in _USE_VALUES_FROM.items()
        ],
        "FinancialDimensionValues": _dimension_values(),
        "DimensionIntegrationFormats": [
            _format("Default dimensions", "Default", DEFAULT_FORMAT, active=True),
            _format("Ledger dimensions", "Ledger", LEDGER_FORMAT, active=True),
            _format("Old default", "Default", ("BusinessUnit", "CostCenter"), active=False),
            _format("Old ledger", "Ledger", ("MainAccount", "BusinessUnit"), active=False),
        ],
        "DimensionParameters": [{"Key": 0, "DimensionSegmentDelimiter": "Hyphen"}],
    }


def _main_accounts(chart: str) -> list[Row]:
    none: dict[str, str] = {}
    expenses = [(code, name, "Expense", none) for code, name in EXPENSE_ACCOUNTS[chart].items()]
    return [
        {
            "ChartOfAccounts": chart,
            "MainAccountId": code,
            "Name": name,
            "MainAccountType": kind,
            **extra,
        }
        for code, name, kind, extra in [*expenses, *_OTHER_ACCOUNTS[chart]]
    ]


def _dimension_values() -> list[Row]:
    rows: list[Row] = [
        {
            "FinancialDimension": dimension,
            "LegalEntityId": "",  # shared by all legal entities
            "DimensionValue": value,
            "Description": description,
        }
        for dimension, values in DIMENSION_VALUES.items()
        for value, description in values.items()
    ]
    closed = {"DimensionValue": "CC-99", "Description": "Closed", "IsSuspended": "Yes"}
    return [*rows, {"FinancialDimension": "CostCenter", "LegalEntityId": ""} | closed]


def _format(name: str, kind: str, segments: Sequence[str], *, active: bool) -> Row:
    return {
        "DimensionFormatName": name,
        "DimensionFormatType": f"DataEntity{kind}DimensionFormat",
        "FinancialDimensionFormat": DELIMITER.join(segments),
        "IsActive": "Yes" if active else "No",
    }


def basware_rows(companies: Sequence[Company]) -> Rows:
    """accounts, costCenters, projects and the lists of the other dimensions."""
    codes = [company.code for company in companies]
    stamped = {"lastUpdated": stamp(SEED_TIME)}
    return {
        "accounts": [
            {
                "externalCode": code32("account", chart, code),
                "accountCode": code,
                "accountNames": names(name),
                "companies": active_in(
                    (c.code for c in companies if c.chart == chart), inherit=False
                ),
                **stamped,
            }
            for chart, accounts in EXPENSE_ACCOUNTS.items()
            for code, name in accounts.items()
            if any(company.chart == chart for company in companies)
        ],
        "costCenters": [
            {
                "externalCode": code32("costCenter", code),
                "costCenterCode": code,
                "costCenterNames": names(name),
                "companies": active_in(codes),
                **stamped,
            }
            for code, name in DIMENSION_VALUES["CostCenter"].items()
        ],
        "projects": [
            {
                "externalCode": code32("project", code),
                "projectCode": code,
                "projectName": name,
                "validFrom": day(date(2020, 1, 1)),
                "validUntil": day(date(2099, 12, 31)),
                "companies": active_in(codes),
                **stamped,
            }
            for code, name in DIMENSION_VALUES["Project"].items()
        ],
        "lists/ACC_LIST_1": _list_entries("BusinessUnit", codes),
        "lists/ACC_LIST_2": _list_entries("Department", codes),
    }


def _list_entries(dimension: str, company_codes: Sequence[str]) -> list[Row]:
    content = {"listContent": "BusinessUnit"} if dimension == "BusinessUnit" else {}
    return [
        {
            "externalCode": code32("list", dimension, code),
            "text_1": code,
            "text_2": name,
            "companies": active_in(company_codes),
            "lastUpdated": stamp(SEED_TIME),
            **content,
        }
        for code, name in DIMENSION_VALUES[dimension].items()
    ]
