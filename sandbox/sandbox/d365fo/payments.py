"""Paying posted vendor invoices, settling them in other ways, and taking it all back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sandbox.d365fo.posting import PostingError, accounting_rate, amount_of
from sandbox.d365fo.settlements import (
    CENT,
    SETTLEMENTS,
    TRANSACTIONS,
    Side,
    open_amount,
    reversible,
    settle,
    undo,
)
from sandbox.d365fo.values import Value, date_text, is_null_date

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record

JOURNAL_HEADERS = "VendorPaymentJournalHeaders"
JOURNAL_LINES = "VendorPaymentJournalLines"
_NOTHING = Decimal(0)


@dataclass(frozen=True)
class Part:
    """What is settled of one invoice, in its currency and positive for an invoice.

    `amount` may be partial; None settles what is open, less the discount.
    """

    voucher: str
    amount: Decimal | None = None
    cash_discount: Decimal = _NOTHING


@dataclass(frozen=True)
class Payment:
    """How is paid: `date` is ISO (default today), `company` the paying one and `account` the
    vendor in it (default: those of the invoices), `currency` by default that of the invoices.
    """

    date: str | None = None
    method: str = "ELECTRONIC"
    reference: str = ""
    payment_id: str = ""
    cheque: str = ""
    currency: str = ""
    company: str = ""
    account: str = ""


def pay_invoices(state: D365State, company: str, parts: Sequence[Part], payment: Payment) -> str:
    """Pay posted invoices of one vendor with one payment; returns the payment's voucher.

    Raises PostingError when nothing is open, less is open than is to be paid, the vendors differ,
    or an exchange rate is missing.
    """
    with state.store.transaction():
        day = _day(state, payment.date)
        invoices = [_open_transaction(state, company.lower(), part.voucher) for part in parts]
        account = payment.account or _shared(invoices, "AccountNum", "vendors")
        currency = payment.currency or _shared(invoices, "CurrencyCode", "currencies")
        payer = (payment.company or company).lower()
        pairs = []
        for part, invoice in zip(parts, invoices, strict=True):
            mine = _side(part, invoice)
            paid = mine.discount - mine.amount
            exact = _converted(state, payer, paid, (invoice.values["CurrencyCode"], currency), day)
            pairs.append((mine, exact))
        total = sum((exact for _, exact in pairs), _NOTHING)
        record = _post_payment(
            state, payer, account, payment, amount=total, currency=currency, day=day
        )
        voucher = str(record.values["Voucher"])
        for mine, exact in pairs:
            settle(state, mine, Side(record, exact), day=day, voucher=voucher)
    return voucher


def prepay(state: D365State, company: str, account: str, amount: Decimal, payment: Payment) -> str:
    """Pay a vendor ahead of any invoice; returns the voucher. Raises PostingError."""
    with state.store.transaction():
        vendor = state.first("VendorsV3", dataAreaId=company.lower(), VendorAccountNumber=account)
        currency = payment.currency or str(vendor.values["CurrencyCode"] if vendor else "")
        if not currency or amount <= 0:
            msg = f"a prepayment to {account} in {company} needs a currency and an amount above 0"
            raise PostingError(msg)
        day = _day(state, payment.date)
        record = _post_payment(
            state,
            company.lower(),
            account,
            payment,
            amount=amount,
            currency=currency,
            day=day,
            prepayment=True,
        )
    return str(record.values["Voucher"])


def settle_open(
    state: D365State, company: str, voucher: str, parts: Sequence[Part], date: str | None = None
) -> str:
    """Settle invoices with what is open of a transaction: a prepayment, or a credit note.

    Each part takes what is open on both sides, or its amount; returns the settlement's voucher.
    Raises PostingError.
    """
    company, day = company.lower(), _day(state, date)
    with state.store.transaction():
        settlement = state.sequences.voucher("APSE", company)
        for part in parts:
            offset = _open_transaction(state, company, voucher)
            invoice = _open_transaction(state, company, part.voucher)
            _shared([offset, invoice], "AccountNum", "vendors")
            mine, theirs = _meeting(state, part, invoice, offset, day=day)
            settle(state, mine, theirs, day=day, voucher=settlement)
    return settlement


def unsettle(
    state: D365State, company: str, what: str | Sequence[int], date: str | None = None
) -> str:
    """Undo settlements: all of the transaction with a voucher, or those of rows by SourceKey.

    Returns the reversing voucher. Raises PostingError when there is nothing to undo.
    """
    with state.store.transaction():
        if isinstance(what, str):
            rows = reversible(state, _transaction(state, company.lower(), what))
        else:
            found = [state.first(SETTLEMENTS, SourceKey=rec_id) for rec_id in what]
            rows = [row for row in found if row and row.values["CanBeReversed"] == "Yes"]
        if not rows:
            msg = f"no settlement of {what} in {company} can be undone"
            raise PostingError(msg)
        voucher = state.sequences.voucher("APRS", company.lower())
        for group in {row.values["SettlementGroup"]: row for row in rows}.values():
            undo(state, group, day=_day(state, date), voucher=voucher)
    return voucher


def reverse_payment(state: D365State, company: str, voucher: str, date: str | None = None) -> str:
    """Take a payment back: its settlements are undone, a reversing payment cancels it out.

    Returns the reversing voucher. Raises PostingError.
    """
    day = _day(state, date)
    with state.store.transaction():
        payment = _transaction(state, company.lower(), voucher)
        if payment.values["TransType"] != "Payment" or _is_reversed(state, payment):
            msg = f"{voucher} in {company} is no payment, or is reversed already"
            raise PostingError(msg)
        reversal = state.sequences.voucher("APRP", company.lower())
        for row in reversible(state, payment):
            undo(state, row, day=day, voucher=reversal)
        whole = amount_of(payment, "AmountCur")
        copied = ("AccountNum", "CurrencyCode", "PaymMode", "PaymReference", "PaymId", "JournalNum")
        record = state.insert(
            TRANSACTIONS,
            {
                **{name: payment.values[name] for name in copied},
                "dataAreaId": company.lower(),
                "TransType": "Payment",
                "TransDate": day,
                "Voucher": reversal,
                "AmountCur": -whole,
                "AmountMST": -amount_of(payment, "AmountMST"),
                "Approved": "Yes",
                "Correct": "Yes",  # inferred
            },
        )
        one, other = Side(payment, whole), Side(record, -whole)
        settle(state, one, other, day=day, voucher=reversal, final=True)
    return reversal


def void_cheque(state: D365State, company: str, number: str, date: str | None = None) -> str:
    """Void a cheque, which reverses its payment; returns the reversing voucher.

    Raises PostingError.
    """
    line = state.first(JOURNAL_LINES, dataAreaId=company.lower(), CheckNumber=number)
    if line is None or not number:
        msg = f"no cheque {number} in {company}"
        raise PostingError(msg)
    return reverse_payment(state, company, str(line.values["Voucher"]), date)


def read_parts(
    given: str | Mapping[str, Decimal | str | None],
    discounts: str | Mapping[str, Decimal | str | None] = "",
) -> list[Part]:
    """Parts from `{voucher: amount}`, or from text: `voucher[:amount],…`; discounts likewise."""
    taken = _pairs(discounts)
    return [
        Part(voucher, amount, taken.get(voucher) or _NOTHING)
        for voucher, amount in _pairs(given).items()
    ]


def _pairs(given: str | Mapping[str, Decimal | str | None]) -> dict[str, Decimal | None]:
    if isinstance(given, str):
        texts = (item.partition(":") for item in given.split(",") if item)
        given = {voucher: amount or None for voucher, _, amount in texts}
    return {
        voucher: None if amount is None else Decimal(amount) for voucher, amount in given.items()
    }


def _day(state: D365State, given: str | None) -> str:
    return f"{given[:10]}T12:00:00Z" if given else date_text(state.clock.peek())


def _transaction(state: D365State, company: str, voucher: str) -> Record:
    record = state.first(TRANSACTIONS, dataAreaId=company, Voucher=voucher)
    if record is None:
        msg = f"no vendor transaction {voucher} in {company}"
        raise PostingError(msg)
    return record


def _open_transaction(state: D365State, company: str, voucher: str) -> Record:
    record = state.first(TRANSACTIONS, dataAreaId=company, Voucher=voucher)
    if record is None or not is_null_date(record.values["Closed"]):
        msg = f"no open vendor transaction {voucher} in {company}"
        raise PostingError(msg)
    return record


def _is_reversed(state: D365State, payment: Record) -> bool:
    if payment.values["Correct"] == "Yes":
        return True
    offset = state.find(SETTLEMENTS, OffsetRecid=payment.rec_id, CanBeReversed="No")
    return any(row.values["TransType"] == "Payment" for row in offset)


def _shared(records: Sequence[Record], field: str, what: str) -> str:
    values = {str(record.values[field]) for record in records}
    if len(values) != 1:
        msg = f"transactions of different {what}: {', '.join(sorted(values)) or 'none'}"
        raise PostingError(msg)
    return values.pop()


def _side(part: Part, invoice: Record) -> Side:
    """The invoice's side of a payment: what is paid and the discount, signed like the invoice."""
    due = -open_amount(invoice)
    discount = part.cash_discount
    paid = due - discount if part.amount is None else part.amount
    if abs(paid + discount) > abs(due):
        msg = f"{paid + discount} is more than the open amount {due} of {part.voucher}"
        raise PostingError(msg)
    if (paid + discount) * due <= 0:
        msg = f"{paid + discount} settles nothing of the open amount {due} of {part.voucher}"
        raise PostingError(msg)
    return Side(invoice, -(paid + discount), -discount)


def _meeting(
    state: D365State, part: Part, invoice: Record, offset: Record, *, day: str
) -> tuple[Side, Side]:
    """Both sides of a settlement of open transactions, whose signs must be opposite."""
    company = str(invoice.values["dataAreaId"])
    currency, other = invoice.values["CurrencyCode"], offset.values["CurrencyCode"]
    available, due = open_amount(offset), -open_amount(invoice)
    there = _converted(state, company, available, (other, currency), day)
    exhausted = part.amount is None and there <= due - part.cash_discount
    if part.amount is None:
        part = replace(part, amount=min(due - part.cash_discount, there))
    mine = _side(part, invoice)
    # Nothing stays open of an exhausted one because of the rounding of its rate.
    paid = mine.discount - mine.amount
    taken = available if exhausted else _converted(state, company, paid, (currency, other), day)
    if taken * available <= 0 or abs(taken) > abs(available):
        msg = f"{taken} is more than the open amount {available} of {offset.values['Voucher']}"
        raise PostingError(msg)
    return mine, Side(offset, taken)


def _converted(
    state: D365State, company: str, amount: Decimal, currencies: tuple[Value, Value], day: str
) -> Decimal:
    """An amount from one currency into another, across the company's accounting currency."""
    origin, wanted = (str(currency) for currency in currencies)
    if origin == wanted:
        return amount
    rate = accounting_rate(state, company, origin, day)
    exact = amount * rate / accounting_rate(state, company, wanted, day)
    return exact.quantize(CENT, ROUND_HALF_UP)


def _post_payment(
    state: D365State,
    company: str,
    account: str,
    payment: Payment,
    *,
    amount: Decimal,
    currency: str,
    day: str,
    prepayment: bool = False,
) -> Record:
    """The payment's transaction, and the posted journal that it comes from."""
    voucher = state.sequences.voucher("APPM", company)
    rate = accounting_rate(state, company, currency, day)
    journal = f"P{voucher[-6:]}"
    state.insert(
        JOURNAL_HEADERS,
        {"dataAreaId": company, "JournalBatchNumber": journal, "IsPosted": "Yes"},
    )
    state.insert(
        JOURNAL_LINES,
        {
            "dataAreaId": company,
            "JournalBatchNumber": journal,
            "LineNumber": Decimal(1),
            "AccountDisplayValue": account.replace("-", r"\-"),
            "Voucher": voucher,
            "TransactionDate": day,
            "CurrencyCode": currency,
            "DebitAmount": max(amount, _NOTHING),
            "CreditAmount": max(-amount, _NOTHING),
            "PaymentMethodName": payment.method,
            "PaymentReference": payment.reference,
            "PaymentId": payment.payment_id,
            "CheckNumber": payment.cheque,
            "IsPrepayment": "Yes" if prepayment else "No",
        },
    )
    return state.insert(
        TRANSACTIONS,
        {
            "dataAreaId": company,
            "AccountNum": account,
            "CurrencyCode": currency,
            "TransType": "Payment",
            "TransDate": day,
            "Voucher": voucher,
            "JournalNum": journal,
            "AmountCur": amount,
            "AmountMST": (amount * rate).quantize(CENT, ROUND_HALF_UP),
            "PaymMode": payment.method,
            "PaymReference": payment.reference,
            "PaymId": payment.payment_id,
            "Prepayment": "Yes" if prepayment else "No",
            "Approved": "Yes",
        },
    )
