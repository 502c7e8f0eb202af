"""Legal entities and Basware companies, their currencies, ledgers and payables parameters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from sandbox.seed.common import SEED_TIME, code32, day, noon, rounded, stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.seed.world import Row, Rows

RATE_TYPE = "Default"


@dataclass(frozen=True)
class Company:
    """A legal entity of F&O and the Basware company that stands for it."""

    code: str
    legal_entity: str
    name: str
    currency: str
    country: str  # ISO 3166 alpha-2
    country_region: str  # as F&O names it, alpha-3
    language: str
    prefix: str  # of its vendor accounts
    chart: str
    duplicate_policy: str  # enum ReuseVoucher
    vat_number: str


USMF = Company(
    "1000", "usmf", "Contoso Entertainment System USA", "USD", "US", "USA", "en-US", "US",
    "Shared", "NoDuplicate", "94-3167712",
)  # fmt: skip
DEMF = Company(
    "2000", "demf", "Contoso Entertainment System Germany", "EUR", "DE", "DEU", "de-DE", "DE",
    "SKR04", "NoDuplicateInYear", "DE811569869",
)  # fmt: skip
GBSI = Company(
    "3000", "gbsi", "Contoso Orange Juice & Co.", "GBP", "GB", "GBR", "en-GB", "GB",
    "Shared", "AcceptDuplicate", "GB927384615",
)  # fmt: skip
JPMF = Company(
    "4000", "jpmf", "コントソ製造株式会社", "JPY", "JP", "JPN", "ja", "JP",
    "Shared", "WarnDuplicate", "T8010401050387",
)  # fmt: skip
COMPANIES = (USMF, DEMF, GBSI, JPMF)

#: A Basware company whose invoices nobody has mapped to a legal entity yet.
UNMAPPED_COMPANY = "9000"

#: Currency -> name, symbol, decimals, value of one unit in USD.
CURRENCIES: dict[str, tuple[str, str, int, Decimal]] = {
    "USD": ("US Dollar", "$", 2, Decimal("1")),
    "EUR": ("Euro", "€", 2, Decimal("1.0825")),
    "GBP": ("Pound Sterling", "£", 2, Decimal("1.2640")),
    "JPY": ("Yen", "¥", 0, Decimal("0.0067")),
    "CHF": ("Swiss Franc", "CHF", 2, Decimal("1.1310")),
    "SEK": ("Swedish Krona", "kr", 2, Decimal("0.0955")),
    "CAD": ("Canadian Dollar", "$", 2, Decimal("0.7380")),
}


def company_of(code: str) -> Company | None:
    """The company with this Basware company code, if it is one of ours."""
    return next((company for company in COMPANIES if company.code == code), None)


def decimals_of(currency: str) -> int:
    """Decimals of a currency; 2 for those the ERP does not know."""
    return CURRENCIES[currency][2] if currency in CURRENCIES else 2


def rate(source: str, target: str) -> Decimal:
    """One unit of `source` in `target`, to six decimals; 1 where a rate is not known."""
    if source == target or source not in CURRENCIES or target not in CURRENCIES:
        return Decimal(1)
    return rounded(CURRENCIES[source][3] / CURRENCIES[target][3], 6)


def d365fo_rows(companies: Sequence[Company]) -> Rows:
    """LegalEntities, Companies, Ledgers, VendorParameters, Currencies and their rates."""
    return {
        "LegalEntities": [
            {
                "LegalEntityId": company.legal_entity,
                "Name": company.name,
                "NameAlias": company.legal_entity.upper(),
                "CompanyName": company.name,
                "LanguageId": company.language,
                "VATNum": company.vat_number,
                "AddressCountryRegionId": company.country_region,
            }
            for company in companies
        ],
        "Companies": [
            {"DataArea": c.legal_entity, "Name": c.name, "LanguageId": c.language}
            for c in companies
        ],
        "Ledgers": [_ledger(company) for company in companies],
        "VendorParameters": [_parameters(company) for company in companies],
        "Currencies": [_currency(code) for code in CURRENCIES],
        "ExchangeRateTypes": [{"Name": RATE_TYPE, "Description": "Default exchange rate"}],
        "ExchangeRates": _exchange_rates(companies),
    }


def _ledger(company: Company) -> Row:
    return {
        "LegalEntityId": company.legal_entity,
        "Name": company.legal_entity.upper(),
        "Description": company.name[:60],
        "ChartOfAccounts": company.chart,
        "AccountingCurrency": company.currency,
        "ReportingCurrency": "USD",
        "ExchangeRateType": RATE_TYPE,
        "FiscalCalendar": "Calendar",
    }


def _parameters(company: Company) -> Row:
    return {
        "dataAreaId": company.legal_entity,
        "IsCheckInvoiceNumberUsed": company.duplicate_policy,
        "VendInvoiceInUseRecoverEnable": "No",
        "RequireDocumentDateOnVendorInvoice": "Error" if company is DEMF else "None",
        "MandatoryTaxGroup": "No",
        "EnableInvoiceMatchingValidation": "No",
        "LineMatchingPolicy": "TwoWayMatch",
    }


def _currency(code: str) -> Row:
    name, symbol, decimals, _ = CURRENCIES[code]
    step = Decimal(1).scaleb(-decimals)
    return {
        "CurrencyCode": code,
        "Name": name,
        "Symbol": symbol,
        "GeneralRoundingRule": step,
        "RoundingRulePrices": step,
        "RoundingRulePurchaseOrders": step,
        "RoundingRuleSalesOrders": step,
    }


def _exchange_rates(companies: Sequence[Company]) -> list[Row]:
    """Rates to each accounting currency, quoted per hundred units."""
    targets = dict.fromkeys(company.currency for company in companies)
    return [
        {
            "RateTypeName": RATE_TYPE,
            "FromCurrency": source,
            "ToCurrency": target,
            "StartDate": noon(date(2026, 1, 1)),
            "EndDate": noon(date(2154, 12, 31)),
            "Rate": rate(source, target) * 100,
            "ConversionFactor": "Hundred",
        }
        for target in targets
        for source in CURRENCIES
        if source != target
    ]


def basware_rows(companies: Sequence[Company]) -> Rows:
    """companies (with the unmapped one) and exchangeRates."""
    return {
        "companies": [
            *(_basware_company(c.code, c.name, c.currency, c.language) for c in companies),
            _basware_company(UNMAPPED_COMPANY, "Contoso France (not live yet)", "EUR", "fr-FR"),
        ],
        "exchangeRates": [
            {
                "externalCode": code32("rate", company.code, source),
                "currencyCodeFrom": source,
                "currencyCodeTo": company.currency,
                "rate": rate(source, company.currency),
                "validFrom": day(date(2026, 1, 1)),
                "companies": [{"companyCode": company.code, "active": True}],
                "lastUpdated": stamp(SEED_TIME),
            }
            for company in companies
            for source in CURRENCIES
            if source != company.currency
        ],
    }


def _basware_company(code: str, name: str, currency: str, language: str) -> Row:
    return {
        "companyCode": code,
        "sourceSystem": "D365FO",
        "name": name,
        "homeCurrency": currency,
        "userDefaultLanguage": language,
        "active": True,
        "lastUpdated": stamp(SEED_TIME),
    }
