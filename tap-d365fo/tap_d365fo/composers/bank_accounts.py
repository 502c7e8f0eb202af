"""The bank accounts of each vendor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import present, rows_schema
from tap_d365fo.reader import Reader, group_key

SET = "VendorBankAccounts"
#: What a payment needs. The stream vendor_bank_accounts has every field, the bank's address too.
FIELDS = (
    "dataAreaId",
    "VendorAccountNumber",
    "VendorBankAccountId",
    "BankName",
    "BankAccountNumber",
    "BankAccountType",
    "BankGroupId",
    "IBAN",
    "QRIBAN",
    "SWIFTCode",
    "RoutingNumber",
    "RoutingNumberType",
    "ForeignBankAccountNumber",
    "CurrentCurrencyCode",
    "IsDefaultBankAccount",
    "IsDefaultBankAccountForCurrentCurrency",
    "ActiveDate",
    "ExpirationDate",
    "AddressCountry",
    "AddressCountryISOCode",
    "AddressCity",
)


class BankAccounts:
    """Adds `BankAccounts`: rows of VendorBankAccounts with FIELDS; null where there is no such set.

    Null and none are told apart so that nobody takes a missing right for accounts that are gone.
    """

    properties: Mapping[str, Any] = {
        "BankAccounts": rows_schema("Rows of VendorBankAccounts for this vendor.")
    }
    needs: tuple[str, ...] = ("dataAreaId", "VendorAccountNumber")

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the vendors of one page with their bank accounts."""
        if not reader.has(SET):
            yield from ({**row, "BankAccounts": None} for row in rows)
            return
        found = reader.window(SET, self.needs, rows, select=present(reader, SET, FIELDS))
        for row in rows:
            yield {**row, "BankAccounts": found.get(group_key(row, self.needs), [])}
