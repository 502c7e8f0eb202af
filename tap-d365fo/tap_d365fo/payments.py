"""From the settlements of a vendor invoice to its payment records, without any I/O.

F&O keeps a settlement as two rows, one a side; the row of the invoice's side is in the invoice's
currency and signed like it (an invoice is negative). Undoing one, or voiding a cheque, adds rows
of the opposite sign (F&O reference §4.9). A record holds the totals after its own settlement, so
it says the same whenever it is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tap_d365fo.natural_key import folded, natural_key, natural_key_text

Row = Mapping[str, Any]
#: Legal entity, folded, and RecId of a vendor transaction.
Place = tuple[str, int]

TRANSACTIONS = "VendTransBiEntities"
SETTLEMENTS = "VendSettlementBiEntities"
POSTED_INVOICES = "VendInvoiceJourBiEntities"
#: LedgerTransType of invoices and credit notes, from orders and from journals.
INVOICE_TYPES = frozenset({"Purch", "Vend"})
PAYMENT_TYPE = "Payment"
ZERO = Decimal(0)


@dataclass(frozen=True)
class Surroundings:
    """What the records of a batch need beside the settlements.

    Vendor transactions by place; posted invoices by legal entity and voucher, both folded;
    cheque numbers by the place of the payment; document ids by the ledger's natural key.
    """

    transactions: Mapping[Place, Row] = field(default_factory=dict)
    posted: Mapping[tuple[str, ...], Row] = field(default_factory=dict)
    cheques: Mapping[Place, str] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Settled:
    """What one settlement does to an invoice, in its currency.

    Positive pays an invoice, negative takes that back, or pays a credit note out.
    """

    amount: Decimal
    discount: Decimal
    is_reversal: bool

    @property
    def total(self) -> Decimal:
        """What it settles, cash discount included."""
        return self.amount + self.discount


def side_of(settlement: Row) -> Place:
    """Return the transaction that a settlement row belongs to."""
    company = settlement.get("TransCompany") or settlement["dataAreaId"]
    return folded(company)[0], int(settlement["TransRecId"])


def offset_of(settlement: Row) -> Place:
    """Return the transaction at the other side, maybe of another legal entity."""
    company = settlement.get("OffsetCompany") or settlement["dataAreaId"]
    return folded(company)[0], int(settlement["OffsetRecid"])


def place_of(transaction: Row) -> Place:
    """Return where a vendor transaction is."""
    return folded(transaction["dataAreaId"])[0], int(transaction["SourceKey"])


def is_invoice(transaction: Row) -> bool:
    """Tell whether a vendor transaction is an invoice or a credit note."""
    return transaction.get("TransType") in INVOICE_TYPES


def moment(text: str) -> datetime:
    """Return a timestamp of F&O as an aware instant."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def chronological(settlements: Iterable[Row]) -> list[Row]:
    """Return settlement rows in the order in which they were created."""
    return sorted(settlements, key=lambda row: (moment(row["CreatedOn"]), int(row["SourceKey"])))


def read_settlement(settlement: Row, invoice: Row, *, includes_discount: bool) -> Settled:
    """Return what a settlement row does to its invoice.

    `includes_discount` tells whether SettleAmountCur has the cash discount in it. The sign of
    UtilizedCashDisc is not relied on: a discount goes the way of its settlement.
    """
    value = -Decimal(settlement["SettleAmountCur"])
    due = -Decimal(invoice["AmountCur"])
    size = abs(Decimal(settlement.get("UtilizedCashDisc") or 0))
    discount = -size if (value or due) < 0 else size
    amount = value - discount if includes_discount else value
    return Settled(amount, discount, is_reversal=value * due < 0)


def payment_records(
    invoice: Row,
    settlements: Sequence[Row],
    around: Surroundings,
    *,
    includes_discount: bool = True,
) -> Iterator[dict[str, Any]]:
    """Yield a record for each settlement of an invoice, oldest first; give all that there are.

    Only settlements against a payment count as paid. One against a credit note pays nothing, but
    may leave nothing open: `fully_paid` tells whether the invoice is settled whole.
    """
    facts = _invoice_facts(invoice, around)
    is_closed = bool(day(invoice.get("Closed")))
    paid = discounts = settled = ZERO
    for position, row in enumerate(chronological(settlements), start=1):
        this = read_settlement(row, invoice, includes_discount=includes_discount)
        offset = around.transactions.get(offset_of(row))
        settled += this.total
        discounts += this.discount
        if _is_money(offset):
            paid += this.amount
        # A penny difference closes an invoice whose settlements do not add up to the cent.
        ended = is_closed and position == len(settlements) and not this.is_reversal
        yield {
            **facts,
            "settlement_id": int(row["SourceKey"]),
            "amount": this.amount,
            "paid_total": paid,
            "cash_discount": discounts,
            **_payment_facts(row, offset, around),
            "fully_paid": ended or settled == facts["invoice_amount"],
            "is_reversal": this.is_reversal,
            "reversal_voucher": str(row["SettlementVoucher"]) if this.is_reversal else None,
            "position": position,
            "settled_at": row["CreatedOn"],
        }


def adds_up(invoice: Row, settlements: Iterable[Row], *, includes_discount: bool) -> bool:
    """Tell whether the settlements of a closed invoice settle all of it.

    They do not where `includes_discount` is wrong and a discount was taken.
    """
    if not day(invoice.get("Closed")):
        return True
    read = (
        read_settlement(row, invoice, includes_discount=includes_discount) for row in settlements
    )
    return sum((each.total for each in read), ZERO) == -Decimal(invoice["AmountCur"])


def invoice_number(invoice: Row, posted: Mapping[tuple[str, ...], Row]) -> str:
    """Return the vendor's number of an invoice; that of its posted invoice where it has none."""
    journal = posted.get(voucher_key(invoice), {})
    return str(invoice.get("Invoice") or journal.get("InvoiceId") or "")


def voucher_key(transaction: Row) -> tuple[str, ...]:
    """Return legal entity and voucher of a transaction, folded."""
    return folded(transaction["dataAreaId"], transaction["Voucher"])


def document_key(invoice: Row, posted: Mapping[tuple[str, ...], Row]) -> str:
    """Return the natural key of an invoice as the ledger keeps it; empty without a number."""
    number = invoice_number(invoice, posted)
    key = natural_key(invoice["dataAreaId"], invoice["AccountNum"], number)
    return natural_key_text(key) if number else ""


def day(value: object) -> str:
    """Return the day of an F&O date; empty for its 1900-01-01, which stands for none."""
    text = str(value or "")[:10]
    return "" if text.startswith("1900-01-01") else text


def _invoice_facts(invoice: Row, around: Surroundings) -> dict[str, Any]:
    journal = around.posted.get(voucher_key(invoice), {})
    dates = (invoice.get("DocumentDate"), journal.get("DocumentDate"), invoice["TransDate"])
    return {
        "data_area_id": folded(invoice["dataAreaId"])[0],
        "document_id": around.documents.get(document_key(invoice, around.posted)),
        "vendor_account": str(invoice["AccountNum"]),
        "invoice_number": invoice_number(invoice, around.posted),
        "invoice_date": next(filter(None, map(day, dates)), ""),
        "invoice_voucher": str(invoice["Voucher"]),
        "invoice_amount": -Decimal(invoice["AmountCur"]),
        "currency": str(invoice["CurrencyCode"]),
    }


def _payment_facts(row: Row, offset: Row | None, around: Surroundings) -> dict[str, Any]:
    other = offset or {}
    company, _ = offset_of(row)
    return {
        "payment_date": day(row["TransDate"]) or day(other.get("TransDate")),
        "payment_voucher": str(other.get("Voucher") or row.get("OffsetTransVoucher") or ""),
        "payment_company": company,
        "payment_method": str(other.get("PaymMode") or ""),
        "payment_reference": str(other.get("PaymReference") or ""),
        "payment_id": str(other.get("PaymId") or ""),
        "cheque_number": around.cheques.get(offset_of(row), ""),
        "journal": str(other.get("JournalNum") or ""),
        "prepayment": other.get("Prepayment") == "Yes",
        "settled_with": _kind(offset),
    }


def _is_money(offset: Row | None) -> bool:
    """Tell whether a settlement's other side is a payment.

    One that cannot be seen is held for one: a payment of a legal entity that the application's
    user has no right to.
    """
    return _kind(offset) in {"payment", "unknown"}


def _kind(offset: Row | None) -> str:
    if offset is None:
        return "unknown"
    if offset.get("TransType") == PAYMENT_TYPE:
        return "payment"
    return "invoice" if is_invoice(offset) else "other"
