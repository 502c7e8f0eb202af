"""Settlement of two vendor transactions with each other: its rows, their balances, its undoing.

A settlement is a pair of rows, one a side, each in the currency of its own transaction and signed
like it; undoing one adds another pair with opposite signs (F&O reference §4.9; what the rows hold
beyond the amounts is inferred).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sandbox.d365fo.posting import amount_of
from sandbox.d365fo.values import NULL_DATE, Value

if TYPE_CHECKING:
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record

TRANSACTIONS = "VendTransBiEntities"
SETTLEMENTS = "VendSettlementBiEntities"
CENT = Decimal("0.01")
_OWN = ("SourceKey", "SysRecVersion", "CreatedOn")


@dataclass(frozen=True)
class Side:
    """One transaction of a pair and what is settled of it: in its currency, signed like it.

    `discount` is the part of `amount` that cash discount settles.
    """

    transaction: Record
    amount: Decimal
    discount: Decimal = Decimal(0)


def open_amount(transaction: Record) -> Decimal:
    """What is not settled of a transaction, in its currency and signed like it."""
    return amount_of(transaction, "AmountCur") - amount_of(transaction, "SettleAmountCur")


def settle(
    state: D365State, one: Side, other: Side, *, day: str, voucher: str, final: bool = False
) -> None:
    """Settle two transactions with each other, in a transaction of the store.

    `day` is the settlement's date, `voucher` its voucher; a `final` one cannot be undone.
    """
    group = state.store.next_rec_id()
    for side, against in ((one, other), (other, one)):
        values: dict[str, Value] = {
            **_identity(side.transaction, against.transaction),
            **_amounts(state, side),
            "SettlementGroup": group,  # inferred: what the two rows have in common
            "SettlementVoucher": voucher,
            "TransDate": day,
            "ClosedDate": day,
            "CanBeReversed": "No" if final else "Yes",
        }
        state.insert(SETTLEMENTS, values)
        _add(state, side.transaction, side.amount, against.transaction, day)


def reversible(state: D365State, transaction: Record) -> list[Record]:
    """The settlement rows of a transaction that can be undone, oldest first."""
    return state.find(SETTLEMENTS, TransRecId=transaction.rec_id, CanBeReversed="Yes")


def undo(state: D365State, row: Record, *, day: str, voucher: str) -> None:
    """Undo the settlement that a row belongs to: reversing rows, and both sides open again."""
    group = state.store.next_rec_id()
    for side in state.find(SETTLEMENTS, SettlementGroup=row.values["SettlementGroup"]):
        # Inferred: the row that was undone cannot be undone again, nor can the reversing one.
        state.update(SETTLEMENTS, side, {"CanBeReversed": "No"})
        kept = {name: value for name, value in side.values.items() if name not in _OWN}
        opposite: dict[str, Value] = {
            name: -amount_of(side, name)
            for name in ("SettleAmountCur", "SettleAmountMST", "UtilizedCashDisc")
        }
        changes: dict[str, Value] = {
            "SettlementGroup": group,
            "SettlementVoucher": voucher,
            "TransDate": day,
            "ClosedDate": NULL_DATE,
            "CanBeReversed": "No",
        }
        state.insert(SETTLEMENTS, kept | opposite | changes)
        _add(state, _transaction(state, side), -_settled_by(state, side), None, day)


def _identity(side: Record, other: Record) -> dict[str, Value]:
    mine, theirs = side.values, other.values
    return {
        "dataAreaId": mine["dataAreaId"],  # inferred: either side is kept in its own company
        "TransCompany": mine["dataAreaId"],
        "OffsetCompany": theirs["dataAreaId"],
        "TransRecId": side.rec_id,
        "OffsetRecid": other.rec_id,
        "AccountNum": mine["AccountNum"],
        "OffsetAccountNum": theirs["AccountNum"],
        "OffsetTransVoucher": theirs["Voucher"],
        "TransType": mine["TransType"],
        "DueDate": mine["DueDate"],
    }


def _amounts(state: D365State, side: Side) -> dict[str, Value]:
    before = amount_of(_fresh(state, side.transaction), "SettleAmountCur")
    whole = state.switches.settlement_includes_cash_discount
    signed = state.switches.cash_discount_signed_as_settlement
    transaction = side.transaction
    return {
        "SettleAmountCur": side.amount if whole else side.amount - side.discount,
        # As a difference, so that the rows of a closed transaction add up to its own amount.
        "SettleAmountMST": _share(transaction, before + side.amount) - _share(transaction, before),
        "UtilizedCashDisc": side.discount if signed else -side.discount,
    }


def _settled_by(state: D365State, row: Record) -> Decimal:
    """What a row settles of its transaction, cash discount included."""
    amount = amount_of(row, "SettleAmountCur")
    if state.switches.settlement_includes_cash_discount:
        return amount
    discount = amount_of(row, "UtilizedCashDisc")
    signed = state.switches.cash_discount_signed_as_settlement
    return amount + discount if signed else amount - discount


def _add(
    state: D365State, transaction: Record, amount: Decimal, other: Record | None, day: str
) -> None:
    """Add to what is settled; the transaction closes when nothing stays open, else it opens."""
    current = _fresh(state, transaction)
    total = amount_of(current, "SettleAmountCur") + amount
    changes: dict[str, Value] = {
        "SettleAmountCur": total,
        "SettleAmountMST": _share(current, total),
        "Closed": day if total == amount_of(current, "AmountCur") else NULL_DATE,
    }
    # Inferred: nothing points to a settlement that was undone.
    changes |= {
        "OffsetRecid": other.rec_id if other else 0,
        "LastSettleVoucher": other.values["Voucher"] if other else "",
        "LastSettleDate": day if other else NULL_DATE,
        "LastSettleAccountNum": other.values["AccountNum"] if other else "",
        "LastSettleCompany": other.values["dataAreaId"] if other else "",
    }
    state.update(TRANSACTIONS, current, changes)


def _fresh(state: D365State, transaction: Record) -> Record:
    """The transaction as it is now."""
    company = transaction.values["dataAreaId"]
    found = state.find_key(TRANSACTIONS, {"dataAreaId": company, "SourceKey": transaction.rec_id})
    return found or transaction


def _transaction(state: D365State, row: Record) -> Record:
    key = {"dataAreaId": row.values["TransCompany"], "SourceKey": row.values["TransRecId"]}
    found = state.find_key(TRANSACTIONS, key)
    if found is None:
        msg = f"no vendor transaction {key}"
        raise KeyError(msg)
    return found


def _share(transaction: Record, amount: Decimal) -> Decimal:
    """`amount` of a transaction's currency in accounting currency, at the transaction's rate."""
    whole, whole_mst = amount_of(transaction, "AmountCur"), amount_of(transaction, "AmountMST")
    rate = whole_mst / whole if whole else Decimal(1)
    return (amount * rate).quantize(CENT, ROUND_HALF_UP)
