"""How a vendor is paid: currency, method and bank accounts -> VendorPaymentMeanEntity."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ap_mapping import EntityMapping

from target_basware.masters.brought import brought
from target_basware.masters.entity import Content, filled
from target_basware.masters.row import Row
from target_basware.masters.validity import valid_on

CURRENCY_LENGTH = 3


def payment_means(entity: EntityMapping, vendor: Row, day: date) -> Content:
    """Return the vendor's one payment means: the default, with its currency.

    Bank accounts in force on `day` come in the order default first, then by their id. Of several
    with one number the first counts: Basware refuses a vendor with the same account twice.
    Raises Rejected where they could not be read.
    """
    return filled(
        paymentMeansCode=entity.payment_means_code(vendor.text("DefaultVendorPaymentMethodName")),
        currencyCode=currency(entity, vendor.text("CurrencyCode")),
        financialAccounts=list(_accounts(entity, vendor, day)),
        default=True,
    )


def currency(entity: EntityMapping, code: str) -> str:
    """Return Basware's code of an F&O currency, the code itself when it has no other."""
    return next(iter(entity.currencies.basware(code)), code) if code else ""


def _accounts(entity: EntityMapping, vendor: Row, day: date) -> Iterator[Content]:
    seen: set[str] = set()
    rows = brought(entity, vendor, "BankAccounts")
    for row in sorted(rows, key=lambda row: _rank(vendor, row)):
        scheme, number = _number(row)
        if not number or number in seen or not _in_force(row, day):
            continue
        seen.add(number)
        identifier = filled(schemeId=scheme, id=number, default=_is_default(vendor, row))
        code = currency(entity, row.text("CurrentCurrencyCode"))
        if len(code) == CURRENCY_LENGTH:
            identifier["currencyCode"] = code
        account: Content = {"financialAccountIdentifiers": [identifier]}
        bic = _squeezed(row.text("SWIFTCode"))
        if bic:
            account["financialInstitution"] = {
                "name": row.text("BankName"),
                "id": bic,
                "schemeId": "BIC",
            }
        yield account


def _rank(vendor: Row, row: Row) -> tuple[bool, str]:
    return not _is_default(vendor, row), row.text("VendorBankAccountId")


def _is_default(vendor: Row, row: Row) -> bool:
    chosen = vendor.text("BankAccountId")
    if not chosen:
        return row.yes("IsDefaultBankAccount")
    return chosen.casefold() == row.text("VendorBankAccountId").casefold()


def _number(row: Row) -> tuple[str, str]:
    """Return the scheme and the number: the IBAN, else the plain one, without blanks."""
    iban = _squeezed(row.text("IBAN"))
    return ("IBAN", iban) if iban else ("BBAN", _squeezed(row.text("BankAccountNumber")))


def _squeezed(text: str) -> str:
    return "".join(text.split()).upper()


def _in_force(row: Row, day: date) -> bool:
    return valid_on(day, row.day("ActiveDate"), row.day("ExpirationDate"))
