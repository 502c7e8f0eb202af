"""Charts of accounts and financial dimensions, with their formats, on both sides."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from sandbox.seed.common import SEED_TIME, active_in, code32, day, names, noon, stamp

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
        ("613100", "Donations", "Expense", {}),
    ],
    "SKR04": [
        ("3300", "Verbindlichkeiten aus Lieferungen und Leistungen", "Liability",
         {"DoNotAllowManualEntry": "Yes"}),
        ("1800", "Bank", "Asset", {}),
        ("6814", "Bürobedarf alt", "Expense", {"IsSuspended": "Yes"}),
        ("6800", "Summe Verwaltung", "Total", {}),
    ],
}  # fmt: skip

#: Names in the other language: German for the shared chart, English for the German one.
_TRANSLATIONS: dict[str, tuple[str, dict[str, str]]] = {
    "Shared": ("de-DE", {
        "605100": "Bürobedarf",
        "605150": "Druck und Papier",
        "606300": "Geringwertige IT-Geräte",
        "606400": "Softwarelizenzen",
        "607100": "Beratungskosten",
        "607200": "Rechts- und Prüfungskosten",
        "608100": "Eingangsfrachten",
        "609100": "Miete",
        "609200": "Strom und Heizung",
        "610100": "Reisekosten",
        "611100": "Werbekosten",
        "612100": "Instandhaltung",
    }),
    "SKR04": ("en-US", {
        "6815": "Office supplies",
        "6820": "Magazines, books",
        "6835": "Leasing of movable assets",
        "6837": "Software licenses",
        "6825": "Legal and consulting fees",
        "6827": "Audit fees",
        "5800": "Incidental purchase costs",
        "6310": "Rent",
        "6325": "Gas, electricity, water",
        "6650": "Travel",
        "6600": "Advertising",
        "6335": "Maintenance of premises",
    }),
}  # fmt: skip

#: Chart and account that one legal entity has suspended for itself.
SUSPENDED_IN_ONE = ("Shared", "613100", "gbsi")

#: Dimension -> values. Cost centers and projects contain the delimiter, so that escaping matters.
DIMENSION_VALUES: dict[str, dict[str, str]] = {
    "BusinessUnit": {f"{n:03d}": f"Business unit {n:03d}" for n in range(1, 7)},
    "CostCenter": {f"CC-{n:02d}": f"Cost center {n:02d}" for n in range(1, 13)}
    | {"007": "Board of directors", "013": "Canteen"},
    "Department": {str(n): f"Department {n}" for n in range(22, 30)},
    "Project": {f"P-2026-{n:03d}": f"Project {n}" for n in range(1, 9)} | {"R25": "Relocation"},
}

#: A cost center that nothing has used yet: only the set behind the dimension shows it.
UNUSED_COST_CENTER = "CC-13"
#: A cost center whose time is over, and one that a single legal entity has suspended for itself.
EXPIRED_COST_CENTER = "CC-98"
OVERRIDDEN_COST_CENTER = ("CC-14", "gbsi")
#: A project of one legal entity alone.
COMPANY_PROJECT = ("US-AUDIT", "usmf")

_VALUE_TRANSLATIONS: dict[str, dict[str, str]] = {
    "BusinessUnit": {f"{n:03d}": f"Geschäftsbereich {n:03d}" for n in range(1, 7)},
    "CostCenter": {"007": "Vorstand", "013": "Kantine", "CC-01": "Kostenstelle 01"},
    "Project": {"R25": "Umzug"},
}

#: The entity set behind each dimension.
_VALUE_SETS = {
    "BusinessUnit": "DimAttributeOMBusinessUnits",
    "CostCenter": "DimAttributeOMCostCenters",
    "Department": "DimAttributeOMDepartments",
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
    chart, account, company = SUSPENDED_IN_ONE
    override = {"ChartOfAccounts": chart, "MainAccountId": account, "LegalEntityId": company}
    return {
        "ChartOfAccounts": [
            {"ChartOfAccounts": "Shared", "Description": "Shared chart of accounts"},
            {"ChartOfAccounts": "SKR04", "Description": "Kontenrahmen SKR 04"},
        ],
        "MainAccounts": [row for chart in EXPENSE_ACCOUNTS for row in _main_accounts(chart)],
        "AccountTranslations": [row for chart in _TRANSLATIONS for row in _translations(chart)],
        "MainAccountLegalEntities": [override | {"IsSuspended": "Yes"}],
        "DimensionAttributes": [
            {"DimensionName": name, "ReportColumnName": name, "UseValuesFrom": source}
            for name, source in _USE_VALUES_FROM.items()
        ],
        "FinancialDimensionValues": _dimension_values(),
        "FinancialDimensionValueTranslations": [
            {
                "FinancialDimension": dimension,
                "LanguageCode": "de-DE",
                "FinancialDimensionValue": value,
                "TranslatedDescription": text,
            }
            for dimension, values in _VALUE_TRANSLATIONS.items()
            for value, text in values.items()
        ],
        "FinancialDimensionValueLegalEntityOverridesV2": [_value_override()],
        **_backing_values(),
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
    return [*rows, *map(_special_value, _SPECIAL_VALUES)]


#: Values that no invoice is coded to: dimension, legal entity, value, description, further fields.
_SPECIAL_VALUES: tuple[tuple[str, str, str, str, dict[str, str]], ...] = (
    ("CostCenter", "", "CC-99", "Closed", {"IsSuspended": "Yes"}),
    (
        "CostCenter",
        "",
        EXPIRED_COST_CENTER,
        "Old warehouse",
        {"ActiveTo": noon(date(2025, 12, 31))},
    ),
    ("CostCenter", "", OVERRIDDEN_COST_CENTER[0], "Showroom", {}),
    ("Project", COMPANY_PROJECT[1], COMPANY_PROJECT[0], "Tax audit", {}),
)


def _special_value(value: tuple[str, str, str, str, dict[str, str]]) -> Row:
    dimension, legal_entity, code, description, fields = value
    return {
        "FinancialDimension": dimension,
        "LegalEntityId": legal_entity,
        "DimensionValue": code,
        "Description": description,
        **fields,
    }


def _value_override() -> Row:
    value, company = OVERRIDDEN_COST_CENTER
    return {
        "FinancialDimension": "CostCenter",
        "DimensionValue": value,
        "LegalEntityId": company,
        "IsSuspended": "Yes",
    }


def _backing_values() -> Rows:
    """The sets behind the dimensions: the same values, and one cost center that is new."""
    shared = [row for row in _dimension_values() if not row["LegalEntityId"]]
    rows: Rows = {
        entity_set: [_named(row) for row in shared if row["FinancialDimension"] == dimension]
        for dimension, entity_set in _VALUE_SETS.items()
    }
    rows["DimAttributeOMCostCenters"].append({"Value": UNUSED_COST_CENTER, "Name": "New warehouse"})
    rows["DimAttributeFinancialTags"] = [
        _named(row) | {"DimensionName": "Project"}
        for row in shared
        if row["FinancialDimension"] == "Project"
    ]
    return rows


def _named(row: Row) -> Row:
    return {"Value": row["DimensionValue"], "Name": row["Description"]}


def _translations(chart: str) -> list[Row]:
    language, translated = _TRANSLATIONS[chart]
    return [
        {
            "MainAccount": code,
            "ChartOfAccounts": chart,
            "Language": language,
            "OriginalText": EXPENSE_ACCOUNTS[chart][code],
            "TranslatedText": text,
        }
        for code, text in translated.items()
    ]


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
