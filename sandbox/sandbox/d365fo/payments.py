"""Paying a posted vendor invoice: the payment's transaction, and the settlement of both."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sandbox.d365fo.posting import PostingError, amount_of
from sandbox.d365fo.values import Value, date_text, is_null_date

if TYPE_CHECKING:
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record

TRANSACTIONS = "VendTransBiEntities"
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Payment:
    """What is paid, in the invoice's currency; `date` is ISO (default today), `amount` may be
    partial (default: what is open, less the discount).
    """

    amount: Decimal | None = None
    cash_discount: Decimal = Decimal(0)
    date: str | None = None
    method: str = "ELECTRONIC"
    reference: str = ""


def pay_invoice(state: D365State, company: str, voucher: str, payment: Payment) -> str:
    """Pay the posted invoice with `voucher` and settle it; returns the payment's voucher.

    Raises PostingError when nothing is open, or less than is to be paid.
    """
    with state.store.transaction():
        invoice = _open_transaction(state, company.lower(), voucher)
        due = amount_of(invoice, "SettleAmountCur") - amount_of(invoice, "AmountCur")
        discount = payment.cash_discount
        paid = due - discount if payment.amount is None else payment.amount
        if abs(paid + discount) > abs(due):
            msg = f"{paid + discount} is more than the open amount {due} of {voucher}"
            raise PostingError(msg)
        given = payment.date
        day = f"{given[:10]}T12:00:00Z" if given else date_text(state.clock.peek())
        record = _payment_transaction(state, invoice, payment, paid, day=day)
        _settle(state, invoice, record, discount)
    return str(record.values["Voucher"])


def _open_transaction(state: D365State, company: str, voucher: str) -> Record:
    record = state.first(TRANSACTIONS, dataAreaId=company, Voucher=voucher)
    if record is None or not is_null_date(record.values["Closed"]):
        msg = f"no open vendor transaction {voucher} in {company}"
        raise PostingError(msg)
    return record


def _payment_transaction(
    state: D365State, invoice: Record, payment: Payment, paid: Decimal, *, day: str
) -> Record:
    values = invoice.values
    company = str(values["dataAreaId"])
    return state.insert(
        TRANSACTIONS,
        {
            "dataAreaId": company,
            "AccountNum": values["AccountNum"],
            "CurrencyCode": values["CurrencyCode"],
            "TransType": "Payment",
            "TransDate": day,
            "Voucher": state.sequences.voucher("APPM", company),
            "AmountCur": paid,
            "AmountMST": _share(invoice, paid),
            "SettleAmountCur": paid,
            "SettleAmountMST": _share(invoice, paid),
            "PaymMode": payment.method,
            "PaymReference": payment.reference,
            "Approved": "Yes",
            "Closed": day,
            "OffsetRecid": invoice.rec_id,
            **_last_settlement(invoice, day),
        },
    )


def _settle(state: D365State, invoice: Record, payment: Record, discount: Decimal) -> None:
    """A settlement row for either side; the invoice is closed when nothing stays open."""
    day = str(payment.values["TransDate"])
    settled = amount_of(payment, "AmountCur") + discount
    _settlement(state, invoice, payment, -settled, discount=discount)
    _settlement(state, payment, invoice, amount_of(payment, "AmountCur"))
    total = amount_of(invoice, "SettleAmountCur") - settled
    changes: dict[str, Value] = {
        "SettleAmountCur": total,
        "SettleAmountMST": _share(invoice, total),
        "OffsetRecid": payment.rec_id,
        **_last_settlement(payment, day),
    }
    if total == amount_of(invoice, "AmountCur"):
        changes["Closed"] = day
    state.update(TRANSACTIONS, invoice, changes)


def _settlement(
    state: D365State,
    side: Record,
    other: Record,
    amount: Decimal,
    *,
    discount: Decimal = Decimal(0),
) -> None:
    company = side.values["dataAreaId"]
    payment = side if side.values["TransType"] == "Payment" else other
    day = payment.values["TransDate"]
    state.insert(
        "VendSettlementBiEntities",
        {
            "dataAreaId": company,
            "TransCompany": company,
            "OffsetCompany": company,
            "TransRecId": side.rec_id,
            "OffsetRecid": other.rec_id,
            "AccountNum": side.values["AccountNum"],
            "OffsetAccountNum": other.values["AccountNum"],
            "OffsetTransVoucher": other.values["Voucher"],
            "SettlementVoucher": payment.values["Voucher"],
            "TransType": side.values["TransType"],
            "TransDate": day,
            "ClosedDate": day,
            "DueDate": side.values["DueDate"],
            "SettleAmountCur": amount,
            "SettleAmountMST": _share(side, amount),
            "UtilizedCashDisc": discount,
            "CanBeReversed": "Yes",
        },
    )


def _last_settlement(other: Record, day: str) -> dict[str, Value]:
    return {
        "LastSettleVoucher": other.values["Voucher"],
        "LastSettleDate": day,
        "LastSettleAccountNum": other.values["AccountNum"],
        "LastSettleCompany": other.values["dataAreaId"],
    }


def _share(transaction: Record, amount: Decimal) -> Decimal:
    """`amount` of a transaction's currency in accounting currency, at the transaction's rate."""
    whole, whole_mst = amount_of(transaction, "AmountCur"), amount_of(transaction, "AmountMST")
    rate = whole_mst / whole if whole else Decimal(1)
    return (amount * rate).quantize(_CENT, ROUND_HALF_UP)
