"""What was paid of posted invoices, as one amount each: few reads, small numbers kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from tap_d365fo.client import D365Client, Row
from tap_d365fo.crawl import CrawlRequest, KeysetCrawl
from tap_d365fo.keyset import KeyOrder
from tap_d365fo.metadata import EntitySet
from tap_d365fo.natural_key import folded
from tap_d365fo.odata import compare
from tap_d365fo.payments import (
    PAYMENT_TYPE,
    SETTLEMENTS,
    TRANSACTIONS,
    ZERO,
    Place,
    day,
    is_invoice,
    offset_of,
    place_of,
    read_settlement,
    side_of,
)

KEY = ("dataAreaId", "SourceKey")
TRANSACTION_FIELDS = (
    *KEY,
    "TransType",
    "Voucher",
    "AmountCur",
    "Closed",
)
SETTLEMENT_FIELDS = (
    *KEY,
    "TransRecId",
    "TransCompany",
    "OffsetRecid",
    "OffsetCompany",
    "SettleAmountCur",
    "UtilizedCashDisc",
)
ROWS = 5000

Voucher = tuple[str, ...]


@dataclass(slots=True)
class Account:
    """One invoice: what it comes to, and what its settlements do, by SettleAmountCur alone.

    `value` and `discount` of all settlements, `paid` and `paid_discount` of those with a payment.
    """

    amount: Decimal
    is_closed: bool
    value: Decimal = ZERO
    discount: Decimal = ZERO
    paid: Decimal = ZERO
    paid_discount: Decimal = ZERO

    def includes_discount(self) -> bool | None:
        """Tell whether SettleAmountCur has the discount in it; None where it cannot be told."""
        if not (self.discount and self.is_closed):
            return None
        due = -self.amount
        if self.value == due:
            return True
        return False if self.value + self.discount == due else None


@dataclass
class PaidTotals:
    """What was paid without cash discount, by legal entity and voucher of the posted invoice.

    Whether settlements have the discount in them differs between environments; those that add up
    to the whole of a closed invoice tell.
    """

    client: D365Client
    _accounts: dict[Place, Account] = field(default_factory=dict)
    _places: dict[Voucher, Place] = field(default_factory=dict)
    _payments: set[Place] = field(default_factory=set)
    _others: set[Place] = field(default_factory=set)

    def read(self, companies: tuple[str, ...], since: datetime | None) -> None:
        """Read all transactions of these legal entities, and all settlements, from an instant on.

        Raises Refused (404 where an entity set is not shown) and other ApiErrors.
        """
        condition = compare("CreatedOn", "ge", since) if since else ""
        for row in self._crawl(TRANSACTIONS, TRANSACTION_FIELDS, condition, companies):
            self._take_transaction(row)
        self._take_settlements(self._crawl(SETTLEMENTS, SETTLEMENT_FIELDS, condition))

    def look(self, vouchers: Iterable[tuple[str, str]]) -> None:
        """Read what belongs to these invoices alone, by legal entity and voucher, and anew."""
        self.__dict__.pop("_environment_includes", None)
        keys = [{"dataAreaId": company, "Voucher": voucher} for company, voucher in vouchers]
        rows = list(self.client.lookup(TRANSACTIONS, keys, select=TRANSACTION_FIELDS))
        for row in rows:
            self._take_transaction(row)
        sides = [{"TransRecId": int(row["SourceKey"])} for row in rows if is_invoice(row)]
        rows_of_sides = self.client.lookup(
            SETTLEMENTS, sides, select=SETTLEMENT_FIELDS, orderby=KEY
        )
        self._take_settlements(rows_of_sides)

    def of(self, company: str, voucher: str) -> Decimal | None:
        """Return what was paid of an invoice; None where its transaction was not seen."""
        place = self._places.get(folded(company, voucher))
        account = self._accounts.get(place) if place else None
        if account is None:
            return None
        includes = account.includes_discount()
        if includes is None:
            includes = self._environment_includes
        return account.paid - account.paid_discount if includes else account.paid

    @cached_property
    def _environment_includes(self) -> bool:
        """What the invoices that can tell say; the usual, where none can."""
        said = {account.includes_discount() for account in self._accounts.values()}
        return True in said or False not in said

    def _take_transaction(self, row: Row) -> None:
        place = place_of(row)
        if is_invoice(row):
            closed = bool(day(row.get("Closed")))
            self._accounts[place] = Account(Decimal(row["AmountCur"]), closed)
            self._places[folded(row["dataAreaId"], row["Voucher"])] = place
            self._others.add(place)
        elif row.get("TransType") == PAYMENT_TYPE:
            self._payments.add(place)
        else:
            self._others.add(place)

    def _take_settlements(self, rows: Iterable[Row]) -> None:
        unknown: list[tuple[Account, Place, Decimal, Decimal]] = []
        for row in rows:
            account = self._accounts.get(side_of(row))
            if account is None:
                continue
            done = read_settlement(row, {"AmountCur": account.amount}, includes_discount=False)
            account.value += done.amount
            account.discount += done.discount
            offset = offset_of(row)
            if offset in self._payments:
                account.paid += done.amount
                account.paid_discount += done.discount
            elif offset not in self._others:
                unknown.append((account, offset, done.amount, done.discount))
        self._add_unknown(unknown)

    def _add_unknown(self, parts: list[tuple[Account, Place, Decimal, Decimal]]) -> None:
        """Look at the other side of settlements that is older, or of another legal entity.

        One that cannot be seen counts as a payment, as it does for tap-d365fo.
        """
        keys = [
            {"dataAreaId": company, "SourceKey": rec_id}
            for company, rec_id in sorted({offset for _, offset, _, _ in parts})
        ]
        fields = (*KEY, "TransType")
        known = {
            place_of(row): row.get("TransType")
            for row in self.client.lookup(TRANSACTIONS, keys, select=fields)
        }
        for account, offset, amount, discount in parts:
            if known.get(offset, PAYMENT_TYPE) == PAYMENT_TYPE:
                account.paid += amount
                account.paid_discount += discount

    def _crawl(
        self, name: str, fields: tuple[str, ...], where: str, companies: tuple[str, ...] = ()
    ) -> Iterator[Row]:
        yield from crawl(
            self.client, name, {"SourceKey": "Edm.Int64"}, fields, where=where, companies=companies
        )


def crawl(
    client: D365Client,
    name: str,
    keys: Mapping[str, str],
    select: tuple[str, ...],
    *,
    where: str = "",
    companies: tuple[str, ...] = (),
) -> Iterator[Row]:
    """Yield the rows of a set page by page in key order, whatever moves meanwhile.

    `keys` are the key fields beside dataAreaId with their Edm types; they spare reading $metadata.
    """
    types = {"dataAreaId": "Edm.String", **keys}
    entity = EntitySet(name, tuple(types), types)
    request = CrawlRequest(
        client, entity, KeyOrder.of(entity), select, where=where, companies=companies, rows=ROWS
    )
    for page in KeysetCrawl(request):
        yield from page
