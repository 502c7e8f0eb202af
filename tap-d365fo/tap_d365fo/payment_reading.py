"""Reading what payment records are made of: all settlements of an invoice, and both sides."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from singer_delivery.errors import Refused

from tap_d365fo.client import Row
from tap_d365fo.payment_cheques import ChequeNumbers
from tap_d365fo.payment_spool import Found
from tap_d365fo.payments import (
    PAYMENT_TYPE,
    POSTED_INVOICES,
    SETTLEMENTS,
    TRANSACTIONS,
    Place,
    Surroundings,
    adds_up,
    document_key,
    is_invoice,
    offset_of,
    payment_records,
    place_of,
    side_of,
    voucher_key,
)
from tap_d365fo.reader import Reader

#: Document ids by natural keys as the ledger keeps them.
Documents = Callable[[Iterable[str]], Mapping[str, str]]

KEY = ("dataAreaId", "SourceKey")
SETTLEMENT_FIELDS = (
    *KEY,
    "TransRecId",
    "TransCompany",
    "OffsetRecid",
    "OffsetCompany",
    "OffsetTransVoucher",
    "SettlementVoucher",
    "SettleAmountCur",
    "UtilizedCashDisc",
    "TransDate",
    "CreatedOn",
)
TRANSACTION_FIELDS = (
    *KEY,
    "TransType",
    "AccountNum",
    "Voucher",
    "Invoice",
    "TransDate",
    "DocumentDate",
    "AmountCur",
    "CurrencyCode",
    "Closed",
    "PaymMode",
    "PaymReference",
    "PaymId",
    "JournalNum",
    "Prepayment",
)
POSTED_FIELDS = (*KEY, "InvoiceId", "LedgerVoucher", "DocumentDate")

logger = logging.getLogger(__name__)


class PaymentReader:
    """Turns found settlements into payment records; for one run."""

    def __init__(
        self, reader: Reader, documents: Documents, *, includes_discount: bool = True
    ) -> None:
        self._reader = reader
        self._documents = documents
        self._includes_discount = includes_discount
        self._cheques = ChequeNumbers(reader)
        self._warned = False

    def records(self, found: Sequence[Found]) -> Iterator[dict[str, Any]]:
        """Yield a record for each found settlement of an invoice, in the order given.

        All settlements of those invoices are read, so that totals and positions are right.
        """
        transactions = self._transactions(item.side for item in found)
        sides = {item.side: item.company for item in found}
        invoices = {
            place: transactions[place]
            for place in sides
            if place in transactions and is_invoice(transactions[place])
        }
        settlements = self._settlements({place: sides[place] for place in invoices})
        around = self._surroundings(invoices, settlements, transactions)
        records = {
            (place, record["settlement_id"]): record
            for place, invoice in invoices.items()
            for record in self._compose(invoice, settlements[place], around)
        }
        for item in found:
            if item.side in invoices:
                yield _expected(records, item)

    def _compose(
        self, invoice: Row, settlements: Sequence[Row], around: Surroundings
    ) -> Iterator[dict[str, Any]]:
        includes = self._includes_discount
        fits = adds_up(invoice, settlements, includes_discount=includes)
        if not (fits or self._warned) and adds_up(
            invoice, settlements, includes_discount=not includes
        ):
            self._warned = True
            logger.warning(
                "The settlements of invoice voucher %s in %s add up only with "
                "settlement_includes_cash_discount set to %s: change it, or paid amounts are wrong "
                "by the cash discount",
                invoice["Voucher"],
                invoice["dataAreaId"],
                str(not includes).lower(),
            )
        return payment_records(invoice, settlements, around, includes_discount=includes)

    def _surroundings(
        self,
        invoices: Mapping[Place, Row],
        settlements: Mapping[Place, Sequence[Row]],
        transactions: Mapping[Place, Row],
    ) -> Surroundings:
        offsets = {offset_of(row) for rows in settlements.values() for row in rows}
        known = {**transactions, **self._transactions(offsets - transactions.keys())}
        payments = [
            known[place]
            for place in sorted(offsets & known.keys())
            if known[place].get("TransType") == PAYMENT_TYPE
        ]
        posted = self._posted(row for row in invoices.values() if not row.get("Invoice"))
        keys = {document_key(invoice, posted) for invoice in invoices.values()}
        return Surroundings(
            transactions=known,
            posted=posted,
            cheques=self._cheques.of(payments),
            documents=self._documents(sorted(keys - {""})),
        )

    def _transactions(self, places: Iterable[Place]) -> dict[Place, Row]:
        keys = [
            {"dataAreaId": company, "SourceKey": rec_id}
            for company, rec_id in sorted(set(places))
            if rec_id
        ]
        rows = self._lookup(TRANSACTIONS, keys, TRANSACTION_FIELDS)
        return {place_of(row): row for row in rows}

    def _settlements(self, sides: Mapping[Place, str]) -> defaultdict[Place, list[Row]]:
        """Return all settlement rows of transactions; `sides` tells which company keeps them."""
        keys = [
            {"dataAreaId": company, "TransRecId": rec_id} for (_, rec_id), company in sides.items()
        ]
        found: defaultdict[Place, list[Row]] = defaultdict(list)
        for row in self._lookup(SETTLEMENTS, keys, SETTLEMENT_FIELDS):
            found[side_of(row)].append(row)
        return found

    def _posted(self, invoices: Iterable[Row]) -> dict[tuple[str, ...], Row]:
        """Return the posted invoices of transactions that do not have the number themselves."""
        if not self._reader.has(POSTED_INVOICES, "LedgerVoucher"):
            return {}
        keys = [
            {"dataAreaId": row["dataAreaId"], "LedgerVoucher": row["Voucher"]} for row in invoices
        ]
        rows = self._lookup(POSTED_INVOICES, keys, POSTED_FIELDS)
        return {voucher_key({**row, "Voucher": row["LedgerVoucher"]}): row for row in rows}

    def _lookup(
        self, entity_set: str, keys: Iterable[Mapping[str, Any]], fields: Iterable[str]
    ) -> Iterator[Row]:
        # Not every version of F&O has every field.
        select = [name for name in fields if self._reader.has(entity_set, name)]
        return self._reader.lookup(entity_set, keys, select)


def _expected(records: Mapping[tuple[Place, int], dict[str, Any]], item: Found) -> dict[str, Any]:
    try:
        return records[item.side, item.settlement]
    except KeyError:
        msg = (
            f"settlement {item.settlement} in {item.company} was found but is not among those of "
            "its invoice: run again"
        )
        raise Refused(msg) from None
