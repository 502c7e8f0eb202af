"""Invoices as Basware's clerks make them, and what Dynamics has to hold of each."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

#: Basware's company codes and the legal entities that they stand for.
COMPANIES = {"1000": "usmf", "2000": "demf"}
CURRENCY = "USD"
VENDORS = ("V1", "V2")
NUMBERS = ("F-1", "F-2", "F-3", "F-4")
#: Net amounts of the coding rows, in cents.
ROWS = ((10000,), (7000, 3000), (2500, 5000, 125))
MAPPED, UNMAPPED = "T1", "T9"
#: Main accounts: the second one can be blocked in Dynamics.
ACCOUNTS = ("600100", "600200")
DAY = "2026-01-31"
START = datetime(2026, 2, 1, tzinfo=UTC)

MAPPING = f"""\
version: 1
companies: {json.dumps({code: {"legal_entity": each} for code, each in COMPANIES.items()})}
tax_codes:
  {MAPPED}: {{sales_tax_group: G, item_sales_tax_group: I}}
"""
CORRECTED = f"{MAPPING}  {UNMAPPED}: {{sales_tax_group: G, item_sales_tax_group: I}}\n"


@dataclass(frozen=True)
class Content:
    """One version of an invoice."""

    vendor: str
    number: str
    rows: tuple[int, ...]
    tax_code: str = MAPPED
    account: str = ACCOUNTS[0]
    company: str = next(iter(COMPANIES))

    @property
    def legal_entity(self) -> str:
        return COMPANIES[self.company]

    @property
    def gross(self) -> Decimal:
        return euros(sum(self.rows))

    @property
    def nets(self) -> tuple[Decimal, ...]:
        return tuple(map(euros, self.rows))

    def fields(self) -> dict[str, Any]:
        """The fields of Basware's document that say it."""
        return {
            "companyCode": self.company,
            "supplierCode": self.vendor,
            "invoiceNumber": self.number,
            "invoiceDate": DAY,
            "currencyCode": CURRENCY,
            "grossSum": self.gross,
            "taxSum1": Decimal(0),
            "paymentBlock": False,
            "codingRows": [
                {
                    "rowIndex": index,
                    "netTotal": net,
                    "accountCode": self.account,
                    "taxCode": self.tax_code,
                }
                for index, net in enumerate(self.nets, 1)
            ],
        }


def euros(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


class Clock:
    """The time of both systems and of the ledgers; every look is a later one."""

    def __init__(self) -> None:
        self._now = START

    def __call__(self) -> datetime:
        self._now += timedelta(milliseconds=1)
        return self._now

    def advance(self, minutes: int) -> None:
        self._now += timedelta(minutes=minutes)


def stamp(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
