"""Payment records from rows, in the cases that the sandbox does not play."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tap_d365fo.payment_spool import SettlementSpool
from tap_d365fo.payments import Surroundings, adds_up, payment_records, place_of

INVOICE = {
    "dataAreaId": "USMF",
    "SourceKey": 1,
    "TransType": "Purch",
    "AccountNum": "V1",
    "Voucher": "APIN-1",
    "Invoice": "4711",
    "TransDate": "2026-11-01T12:00:00Z",
    "DocumentDate": "1900-01-01T12:00:00Z",
    "AmountCur": -100,
    "CurrencyCode": "USD",
    "Closed": "1900-01-01T12:00:00Z",
}
PAYMENT = {
    "dataAreaId": "usmf",
    "SourceKey": 2,
    "TransType": "Payment",
    "AccountNum": "V1",
    "Voucher": "APPM-1",
}
AROUND = Surroundings(transactions={place_of(row): row for row in (INVOICE, PAYMENT)})


def settlement(amount: str, **changes: Any) -> dict[str, Any]:
    return {
        "dataAreaId": "usmf",
        "SourceKey": 10,
        "TransRecId": 1,
        "TransCompany": "",
        "OffsetRecid": 2,
        "OffsetCompany": "",
        "OffsetTransVoucher": "APPM-1",
        "SettlementVoucher": "APPM-1",
        "SettleAmountCur": Decimal(amount),
        "UtilizedCashDisc": 0,
        "TransDate": "2026-11-20T12:00:00Z",
        "CreatedOn": "2026-11-20T09:30:00Z",
    } | changes


def records(
    *settlements: dict[str, Any], around: Surroundings = AROUND, **invoice: Any
) -> list[dict[str, Any]]:
    return list(payment_records(INVOICE | invoice, settlements, around))


def test_a_payment_that_cannot_be_seen_counts_and_keeps_its_voucher() -> None:
    unseen = settlement("-40", OffsetCompany="HQ", OffsetRecid=99, OffsetTransVoucher="HQ-7")
    (record,) = records(unseen)
    assert (record["paid_total"], record["settled_with"]) == (40, "unknown")
    assert (record["payment_company"], record["payment_voucher"]) == ("hq", "HQ-7")
    assert record["payment_method"] == ""


def test_what_is_written_off_is_not_paid() -> None:
    write_off = PAYMENT | {"TransType": "WriteOff"}
    around = Surroundings(transactions={place_of(write_off): write_off})
    (record,) = records(settlement("-100"), around=around)
    assert (record["paid_total"], record["fully_paid"]) == (0, True)
    assert record["settled_with"] == "other"


def test_the_order_is_that_of_creation_to_the_fraction_of_a_second() -> None:
    late = settlement("-2", SourceKey=5, CreatedOn="2026-11-20T09:30:00.5Z")
    early = settlement("-1", SourceKey=6, CreatedOn="2026-11-20T10:30:00+01:00")
    tie = settlement("-4", SourceKey=7, CreatedOn="2026-11-20T09:30:00.500Z")
    found = records(tie, late, early)
    assert [record["settlement_id"] for record in found] == [6, 5, 7]
    assert [record["paid_total"] for record in found] == [1, 3, 7]


def test_a_penny_difference_closes_the_invoice() -> None:
    rows = settlement("-60"), settlement("-39.99", SourceKey=11)
    first, second = records(*rows, Closed="2026-11-20T12:00:00Z")
    assert (first["fully_paid"], second["fully_paid"]) == (False, True)
    assert [record["fully_paid"] for record in records(*rows)] == [False, False]


def test_a_payment_settled_with_its_own_reversal_lowers_the_total() -> None:
    reversing = PAYMENT | {"SourceKey": 3, "Voucher": "APRP-1"}
    around = Surroundings(transactions={place_of(row): row for row in (PAYMENT, reversing)})
    back = settlement("100", SourceKey=11, OffsetRecid=3, SettlementVoucher="APRP-1")
    _, record = records(settlement("-100"), back, around=around)
    assert (record["paid_total"], record["fully_paid"]) == (0, False)
    assert (record["is_reversal"], record["reversal_voucher"]) == (True, "APRP-1")


def test_an_invoice_without_document_date_has_that_of_its_posting() -> None:
    (record,) = records(settlement("-1"))
    assert (record["invoice_date"], record["data_area_id"]) == ("2026-11-01", "usmf")


@pytest.mark.parametrize(("includes", "fits"), [(True, False), (False, True)])
def test_whether_settlements_of_a_closed_invoice_add_up(*, includes: bool, fits: bool) -> None:
    closed = INVOICE | {"Closed": "2026-11-20T12:00:00Z"}
    rows = [settlement("-98", UtilizedCashDisc=2)]
    assert adds_up(closed, rows, includes_discount=includes) == fits
    assert adds_up(INVOICE, rows, includes_discount=includes)


def test_the_spool_gives_each_settlement_once_oldest_first() -> None:
    rows = [
        settlement("-1", SourceKey=number, CreatedOn=f"2026-11-20T09:30:{number % 7:02}Z")
        for number in range(1, 30)
    ]
    with SettlementSpool() as spool:
        spool.add(rows[:20])
        spool.add(rows[10:])
        batches = list(spool.batches(10))
    assert [len(batch) for batch in batches] == [10, 10, 9]
    found = [item.settlement for batch in batches for item in batch]
    assert found == sorted(range(1, 30), key=lambda number: (number % 7, number))
    assert batches[0][0].side == ("usmf", 1)
