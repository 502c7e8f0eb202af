"""What paying, settling and taking back leave behind in the sandbox's vendor transactions."""

from __future__ import annotations

from decimal import Decimal
from itertools import count
from typing import Any

import pytest
import requests
from sandbox.d365fo.posting import PostingError
from sandbox.d365fo.state import D365State
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import trusting_session, world

TRANSACTIONS, SETTLEMENTS = "VendTransBiEntities", "VendSettlementBiEntities"
NUMBERS = count(1)


@pytest.fixture
def state(sandbox: Sandbox) -> D365State:
    sandbox.d365fo.load(world(), default_company="usmf")
    rates = {"RateTypeName": "Default", "StartDate": "2026-01-01", "ConversionFactor": "One"}
    sandbox.d365fo.load(
        {
            "ExchangeRates": [
                rates | {"FromCurrency": "EUR", "ToCurrency": "USD", "Rate": "1.1"},
                rates | {"FromCurrency": "USD", "ToCurrency": "EUR", "Rate": "0.9"},
            ]
        }
    )
    return sandbox.d365fo


def post(state: D365State, amount: str, company: str = "usmf", **more: Any) -> str:
    key = {"dataAreaId": company, "HeaderReference": f"PAY-{next(NUMBERS)}"}
    header = {"InvoiceAccount": "V1", "InvoiceNumber": key["HeaderReference"], "Currency": "USD"}
    dates = {"InvoiceDate": "2026-10-30", "Date": "2026-11-01"}
    line = {"InvoiceLineNumber": 1, "NetAmount": Decimal(amount)}
    state.load(
        {"VendorInvoiceHeaders": [key | header | dates | more], "VendorInvoiceLines": [key | line]}
    )
    return state.post_invoice(company, key["HeaderReference"])


def transaction(state: D365State, voucher: str) -> dict[str, Any]:
    (record,) = state.find(TRANSACTIONS, Voucher=voucher)
    return dict(record.values)


def rows_of(state: D365State, voucher: str) -> list[dict[str, Any]]:
    """The settlement rows of a transaction, oldest first."""
    held = transaction(state, voucher)
    found = state.find(SETTLEMENTS, TransRecId=held["SourceKey"])
    return [dict(record.values) for record in found]


def amounts(state: D365State, voucher: str) -> list[Decimal]:
    return [row["SettleAmountCur"] for row in rows_of(state, voucher)]


def is_closed(state: D365State, voucher: str) -> bool:
    return not transaction(state, voucher)["Closed"].startswith("1900")


def test_one_payment_settles_many_invoices(state: D365State) -> None:
    invoices = [post(state, "10.01"), post(state, "20.02")]
    paid = state.pay_invoices("usmf", {invoices[0]: None, invoices[1]: "5.00"})
    payment = transaction(state, paid)
    assert (payment["AmountCur"], payment["SettleAmountCur"]) == (
        Decimal("15.01"),
        Decimal("15.01"),
    )
    assert [is_closed(state, voucher) for voucher in (*invoices, paid)] == [True, False, True]
    assert amounts(state, paid) == [Decimal("10.01"), 5]
    (line,) = state.rows("VendorPaymentJournalLines")
    assert (line["Voucher"], line["JournalBatchNumber"]) == (paid, payment["JournalNum"])
    assert state.rows("VendorPaymentJournalHeaders")[0]["IsPosted"] == "Yes"


def test_a_payment_is_for_one_vendor_and_all_or_nothing(state: D365State) -> None:
    mine, other = post(state, "10.00"), post(state, "10.00", InvoiceAccount="V2")
    with pytest.raises(PostingError, match="different vendors: V1, V2"):
        state.pay_invoices("usmf", {mine: None, other: None})
    with pytest.raises(PostingError, match="more than the open amount"):
        state.pay_invoices("usmf", {mine: "10.01"})
    with pytest.raises(PostingError, match="settles nothing"):
        state.pay_invoices("usmf", {mine: "-1"})
    assert len(state.rows(TRANSACTIONS)) == 2
    assert state.rows(SETTLEMENTS) == []


def test_each_side_is_in_its_own_currency(state: D365State) -> None:
    invoice = post(state, "100.00", Currency="EUR")
    paid = state.pay_invoice("usmf", invoice, "33.33", currency="USD")
    assert amounts(state, invoice) == [Decimal("-33.33")]
    assert amounts(state, paid) == [Decimal("36.66")]
    assert rows_of(state, invoice)[0]["SettleAmountMST"] == Decimal("-36.66")
    state.pay_invoice("usmf", invoice)
    assert transaction(state, invoice)["SettleAmountMST"] == -110
    assert sum(row["SettleAmountMST"] for row in rows_of(state, invoice)) == -110


def test_a_cross_company_payment_names_the_other_company(state: D365State) -> None:
    invoice = post(state, "100.00", "demf", Currency="EUR")
    paid = state.pay_invoice("demf", invoice, company="usmf", currency="USD")
    (mine,), (theirs,) = rows_of(state, invoice), rows_of(state, paid)
    assert [mine[name] for name in ("dataAreaId", "TransCompany", "OffsetCompany")] == [
        "demf",
        "demf",
        "usmf",
    ]
    assert [theirs[name] for name in ("dataAreaId", "TransCompany", "OffsetCompany")] == [
        "usmf",
        "usmf",
        "demf",
    ]
    assert transaction(state, paid)["AmountCur"] == 110
    assert transaction(state, invoice)["LastSettleCompany"] == "usmf"


def test_a_prepayment_is_open_until_it_is_applied(state: D365State) -> None:
    advance = state.prepay("usmf", "V1", "50.00")
    assert (transaction(state, advance)["Prepayment"], rows_of(state, advance)) == ("Yes", [])
    small, large = post(state, "30.00"), post(state, "30.00")
    state.apply_prepayment("usmf", advance, {small: None, large: None})
    assert [is_closed(state, voucher) for voucher in (advance, small, large)] == [True, True, False]
    assert amounts(state, large) == [-20]
    with pytest.raises(PostingError, match="no open vendor transaction"):
        state.apply_prepayment("usmf", advance, {large: None})


def test_a_prepayment_in_another_currency_is_used_up_to_the_cent(state: D365State) -> None:
    advance = state.prepay("usmf", "V1", "10.00", currency="EUR")
    invoice = post(state, "100.00")
    state.apply_prepayment("usmf", advance, {invoice: None})
    assert amounts(state, advance) == [10]
    assert amounts(state, invoice) == [-11]
    assert is_closed(state, advance)


def test_a_credit_note_settles_an_invoice_without_a_payment(state: D365State) -> None:
    invoice, credit = post(state, "100.00"), post(state, "-30.00")
    assert transaction(state, credit)["AmountCur"] == 30
    state.settle_credit_note("usmf", credit, {invoice: None})
    assert amounts(state, invoice) == [-30]
    assert amounts(state, credit) == [30]
    assert (is_closed(state, invoice), is_closed(state, credit)) == (False, True)
    with pytest.raises(PostingError, match="more than the open amount"):
        state.settle_credit_note("usmf", invoice, {post(state, "5.00"): "5.00"})


def test_undoing_adds_opposite_rows_and_opens_both_sides(state: D365State) -> None:
    invoice = post(state, "100.00")
    paid = state.pay_invoice("usmf", invoice, cash_discount="2.00")
    before = transaction(state, invoice)["SysModifiedDateTime"]
    state.clock.advance(60)
    undone = state.unsettle("usmf", invoice, "2026-12-01")
    first, second = rows_of(state, invoice)
    assert (first["SettleAmountCur"], second["SettleAmountCur"]) == (-100, 100)
    assert (first["UtilizedCashDisc"], second["UtilizedCashDisc"]) == (2, -2)
    assert (first["CanBeReversed"], second["CanBeReversed"]) == ("No", "No")
    assert (second["SettlementVoucher"], second["TransDate"][:10]) == (undone, "2026-12-01")
    assert second["CreatedOn"] > first["CreatedOn"]
    assert amounts(state, paid) == [98, -98]
    assert [is_closed(state, voucher) for voucher in (invoice, paid)] == [False, False]
    held = transaction(state, invoice)
    assert (held["SettleAmountCur"], held["LastSettleVoucher"]) == (0, "")
    assert held["SysModifiedDateTime"] > before
    with pytest.raises(PostingError, match="can be undone"):
        state.unsettle("usmf", invoice)
    state.apply_prepayment("usmf", paid, {invoice: None})
    assert amounts(state, invoice) == [-100, 100, -98]


def test_one_settlement_of_many_is_undone(state: D365State) -> None:
    invoice = post(state, "100.00")
    state.pay_invoice("usmf", invoice, "10.00")
    state.pay_invoice("usmf", invoice, "20.00")
    first = rows_of(state, invoice)[0]["SourceKey"]
    state.unsettle("usmf", [first])
    assert transaction(state, invoice)["SettleAmountCur"] == -20
    with pytest.raises(PostingError, match="can be undone"):
        state.unsettle("usmf", [first])


def test_a_reversed_payment_is_cancelled_out(state: D365State) -> None:
    invoices = [post(state, "10.00"), post(state, "20.00")]
    paid = state.pay_invoices("usmf", dict.fromkeys(invoices))
    reversal = state.reverse_payment("usmf", paid)
    assert transaction(state, reversal)["AmountCur"] == -30
    assert [is_closed(state, voucher) for voucher in (*invoices, paid, reversal)] == [
        False,
        False,
        True,
        True,
    ]
    assert [row["SettlementVoucher"] for row in rows_of(state, invoices[0])] == [paid, reversal]
    for voucher in (paid, reversal):
        with pytest.raises(PostingError, match="is reversed already"):
            state.reverse_payment("usmf", voucher)
    with pytest.raises(PostingError, match="no payment"):
        state.reverse_payment("usmf", invoices[0])


def test_an_undone_payment_can_still_be_reversed(state: D365State) -> None:
    invoice = post(state, "10.00")
    paid = state.pay_invoice("usmf", invoice)
    state.unsettle("usmf", paid)
    state.reverse_payment("usmf", paid)
    assert is_closed(state, paid)
    assert amounts(state, invoice) == [-10, 10]


def test_a_cheque_is_voided_by_its_number(state: D365State) -> None:
    invoice = post(state, "10.00")
    state.pay_invoice("usmf", invoice, cheque="000123")
    state.void_cheque("usmf", "000123")
    assert not is_closed(state, invoice)
    with pytest.raises(PostingError, match="no cheque 9"):
        state.void_cheque("usmf", "9")


def test_the_acts_are_at_the_control_origin(sandbox: Sandbox, state: D365State) -> None:
    invoices = [post(state, "10.00"), post(state, "20.00"), post(state, "30.00")]
    credit = post(state, "-4.00")
    with trusting_session(sandbox) as session:

        def act(name: str, **arguments: str) -> str:
            return done(session, f"{sandbox.url('control')}/actions/{name}", arguments)

        company = {"data_area_id": "usmf"}
        text = f"{invoices[0]}:4.50,{invoices[1]}"
        paid = act("pay_invoices", invoices=text, cash_discounts=f"{invoices[1]}:1", **company)
        act("settle_credit_note", voucher=credit, invoices=invoices[2], **company)
        advance = act("prepay", vendor="V1", amount="5", **company)
        act("apply_prepayment", voucher=advance, invoices=invoices[2], **company)
        assert [transaction(state, v)["SettleAmountCur"] for v in invoices] == [
            Decimal("-4.5"),
            -20,
            -9,
        ]
        act("unsettle", what=invoices[2], **company)
        act("reverse_payment", voucher=paid, **company)
        act("pay_invoice", voucher=invoices[0], cheque="7", **company)
        act("void_cheque", cheque="7", **company)
    assert [transaction(state, v)["SettleAmountCur"] for v in invoices] == [0, 0, 0]


def done(session: requests.Session, url: str, arguments: dict[str, str]) -> str:
    answer = session.post(url, json=arguments)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["result"])
