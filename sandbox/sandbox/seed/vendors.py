"""Vendors with their groups and bank accounts, the same ones in Basware and F&O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sandbox.seed.common import SEED_TIME, code32, stamp
from sandbox.seed.terms import TAXES, methods_of, term_name

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Sequence

    from sandbox.seed.companies import Company
    from sandbox.seed.world import Row, Rows

#: Of each company's vendors, counted from 1, these have a property that tests can rely on.
WITH_TWO_BANK_ACCOUNTS = 2
ON_HOLD_FOR_INVOICES = 3
IN_FOREIGN_CURRENCY = 4
ON_HOLD_FOR_ALL = 5
ON_HOLD_FOR_PAYMENT = 6  # does not keep an invoice out

_BASES = {
    "US": ("Fabrikam", "Northwind", "Adventure Works", "Litware", 'Joe "Speedy" Miller', "O'Brien"),
    "DE": ("Müller & Söhne", "Größe Bürobedarf", "Straßenbau Köhler", "Jäger", "Weiß", "Öztürk"),
    "GB": ("Tailspin", "Wide World", "O'Neill's", "Smythe & Daughters", "Çelik", "Proseware"),
    "JP": ("山田商店", "東京電機", "さくら運輸", "日本オフィス", "テイルスピン", "髙橋工業"),
}
_ENDINGS = {
    "US": ("Inc.", "LLC", "Supply Co.", "Services, Inc."),
    "DE": ("GmbH", "AG", "GmbH & Co. KG", "e. K."),
    "GB": ("Ltd", "plc", "LLP", "Couriers Ltd"),
    "JP": ("株式会社", "有限会社", "合同会社", "㈱"),
}
_CITIES = {
    "US": ("Seattle", "98101"),
    "DE": ("München", "80331"),
    "GB": ("Leeds", "LS1 4AP"),
    "JP": ("東京都千代田区", "100-0001"),
}
_STREETS = {"US": "Pine Street", "DE": "Sendlinger Straße", "GB": "Park Row", "JP": "丸の内"}
_BICS = {"US": "CHASUS33", "DE": "DEUTDEFF", "GB": "NWBKGB2L", "JP": "BOTKJPJT"}
_FOREIGN = {"USD": "EUR", "EUR": "USD", "GBP": "EUR", "JPY": "USD"}
_GROUPS = {"10": "Goods", "20": "Services", "30": "Intercompany"}


@dataclass(frozen=True)
class Vendor:
    """A vendor of one company; `term` and `check` in Basware's words."""

    company: Company
    number: int
    name: str
    currency: str
    hold: str  # enum CustVendorBlocked
    term: str
    check: bool
    group: str

    @property
    def account(self) -> str:
        """VendorAccountNumber = supplierCode."""
        return f"{self.company.prefix}-{self.number:04d}"

    @property
    def takes_invoices(self) -> bool:
        """Whether F&O lets an invoice of this vendor in."""
        return self.hold not in ("Invoice", "All")

    @property
    def bank_account(self) -> str:
        """IBAN where the country has them, else the plain account number."""
        digits = f"{int(code32('bank', self.account), 16) % 10**18:018d}"
        bank = {"DE": digits, "GB": f"NWBK{digits[:14]}"}.get(self.company.country)
        return _iban(self.company.country, bank) if bank else digits[:10]

    @property
    def payment_method(self) -> str:
        """Basware's word for how it is paid."""
        return "Check" if self.check else "BankTransfer"


def _iban(country: str, bban: str) -> str:
    """With valid check digits (ISO 13616)."""
    digits = "".join(str(int(character, 36)) for character in f"{bban}{country}00")
    return f"{country}{98 - int(digits) % 97:02d}{bban}"


def make_vendors(company: Company, count: int, rng: random.Random) -> list[Vendor]:
    """`count` vendors of one company; hold and currency of the first few are fixed."""
    return [_make_vendor(company, number, rng) for number in range(1, count + 1)]


def _make_vendor(company: Company, number: int, rng: random.Random) -> Vendor:
    bases, endings = _BASES[company.country], _ENDINGS[company.country]
    base = bases[(number - 1) % len(bases)]
    ending = endings[(number - 1) // len(bases) % len(endings)]
    series = (number - 1) // (len(bases) * len(endings))
    name = f"{base} {series + 1} {ending}" if series else f"{base} {ending}"
    foreign = number == IN_FOREIGN_CURRENCY or (number > 6 and rng.random() < 0.1)
    return Vendor(
        company=company,
        number=number,
        name=name,
        currency=_FOREIGN[company.currency] if foreign else company.currency,
        hold=_hold(number, rng),
        term=rng.choice(("14N", "30N", "60N", "7D2-NT30")),
        check=rng.random() < 0.1,
        group=rng.choice(("10", "20")),
    )


def _hold(number: int, rng: random.Random) -> str:
    fixed = {
        ON_HOLD_FOR_INVOICES: "Invoice",
        ON_HOLD_FOR_ALL: "All",
        ON_HOLD_FOR_PAYMENT: "Payment",
    }
    if number <= 6:
        return fixed.get(number, "No")
    others = ("Invoice", "All", "Payment", "Requisition", "PurchOrder")
    return rng.choice(others) if rng.random() < 0.05 else "No"


def d365fo_rows(companies: Sequence[Company], vendors: Iterable[Vendor]) -> Rows:
    """VendorGroups, VendorsV3 and VendorBankAccounts."""
    known = list(vendors)
    return {
        "VendorGroups": [
            {
                "dataAreaId": company.legal_entity,
                "VendorGroupId": group,
                "Description": name,
                "DefaultPaymentTermName": term_name(company.legal_entity, "30N"),
            }
            for company in companies
            for group, name in _GROUPS.items()
        ],
        "VendorsV3": [_vendor_row(vendor) for vendor in known],
        "VendorBankAccounts": [row for vendor in known for row in _bank_rows(vendor)],
    }


def _vendor_row(vendor: Vendor) -> Row:
    company = vendor.company
    city, zip_code = _CITIES[company.country]
    electronic, check = methods_of(company.legal_entity)
    street = f"{vendor.number} {_STREETS[company.country]}"
    return {
        "dataAreaId": company.legal_entity,
        "VendorAccountNumber": vendor.account,
        "VendorOrganizationName": vendor.name,
        "VendorPartyType": "Organization",
        "VendorSearchName": vendor.name[:20],
        "VendorGroupId": vendor.group,
        "CurrencyCode": vendor.currency,
        "DefaultPaymentTermsName": term_name(company.legal_entity, vendor.term),
        "DefaultVendorPaymentMethodName": check if vendor.check else electronic,
        "SalesTaxGroupCode": TAXES[company.legal_entity][0].tax_group,
        "OnHoldStatus": vendor.hold,
        "BankAccountId": "MAIN",
        "TaxExemptNumber": _vat_number(vendor),
        "AddressStreet": street,
        "FormattedPrimaryAddress": f"{street}\n{zip_code} {city}\n{company.country_region}",
        "AddressCity": city,
        "AddressZipCode": zip_code,
        "AddressCountryRegionId": company.country_region,
        "AddressCountryRegionISOCode": company.country,
        "LanguageId": company.language,
        "PrimaryEmailAddress": f"ap@{vendor.account.lower()}.example",
    }


def _vat_number(vendor: Vendor) -> str:
    """The number in the form of the vendor's country; not one of a real company."""
    digits = f"{int(code32('vat', vendor.account), 16) % 10**9:09d}"
    return {"US": f"{digits[:2]}-{digits[2:]}", "JP": f"T{digits}0000"}.get(
        vendor.company.country, f"{vendor.company.country}{digits}"
    )


def _bank_rows(vendor: Vendor) -> list[Row]:
    number = vendor.bank_account
    main: Row = {
        "dataAreaId": vendor.company.legal_entity,
        "VendorAccountNumber": vendor.account,
        "VendorBankAccountId": "MAIN",
        "BankName": "First Sandbox Bank",
        "IBAN": number if number[0].isalpha() else "",
        "BankAccountNumber": number[-10:],
        "SWIFTCode": _BICS[vendor.company.country],
        "IsDefaultBankAccount": "Yes",
    }
    if vendor.number != WITH_TWO_BANK_ACCOUNTS:
        return [main]
    digits = f"{int(code32('second bank', vendor.account), 16) % 10**10:010d}"
    second = {
        "VendorBankAccountId": "SECOND",
        "BankName": "Second Sandbox Bank",
        "IBAN": "",
        "BankAccountNumber": digits,
        "IsDefaultBankAccount": "No",
    }
    return [main, main | second]


def basware_rows(vendors: Iterable[Vendor]) -> Rows:
    """vendors."""
    return {"vendors": [_basware_vendor(vendor) for vendor in vendors]}


def _basware_vendor(vendor: Vendor) -> Row:
    city, zip_code = _CITIES[vendor.company.country]
    return {
        "externalCode": code32("vendor", vendor.company.legal_entity, vendor.account),
        "vendorCode": vendor.account,
        "name": vendor.name,
        "sourceSystem": "D365FO",
        "addresses": [
            {
                "externalCode": code32("address", vendor.account),
                "name": "Main",
                "addressType": "PostalAddress",
                "cityName": city,
                "postalZone": zip_code,
                "countryId": vendor.company.country,
            }
        ],
        "paymentMeans": [_payment_means(vendor)],
        "paymentTerms": {"paymentTermCode": vendor.term},
        "processingStatus": {
            "active": True,
            "paymentDenied": vendor.hold in ("All", "Payment"),
        },
        "companies": [{"companyCode": vendor.company.code}],
        "lastUpdated": stamp(SEED_TIME),
    }


def _payment_means(vendor: Vendor) -> Row:
    number = vendor.bank_account
    return {
        "paymentMeansCode": vendor.payment_method,
        "currencyCode": vendor.currency,
        "default": True,
        "financialAccounts": [
            {
                "financialInstitution": {
                    "name": "First Sandbox Bank",
                    "id": _BICS[vendor.company.country],
                    "schemeId": "BIC",
                },
                "financialAccountIdentifiers": [
                    {"schemeId": "IBAN" if number[0].isalpha() else "BBAN", "id": number}
                ],
            }
        ],
    }
