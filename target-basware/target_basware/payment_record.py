"""A settled payment of one invoice, read from a record of the stream vendor_payments."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from singer_delivery.document import fingerprint
from singer_delivery.errors import Rejected
from tap_basware.crawl import moment

from target_basware.invoice_response import LONGEST_ID, flag, text

#: Namespace of the externalCodes of payment responses; changing it would double every response.
NAMESPACE = uuid.UUID("0f4b7a52-9c1e-5d36-8e0b-6a7d2c915e48")
#: Basware's numbers are doubles, which keep so many digits.
MOST_DIGITS = 15

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Payment:
    """One settlement and what the invoice comes to with it.

    Amounts are in the invoice's currency: `invoice_amount` is negative for a credit note, `amount`
    is this settlement without discount, `paid_total` and `cash_discount` are cumulative; they have
    the sign of the invoice, and `amount` the opposite one where it takes a payment back. Dates are
    days like 2026-01-31, or "". `settled_with` is the other side: payment, invoice (an invoice or
    a credit note), other, or unknown; what is no payment is not in `paid_total`. `position` counts
    the settlements of the invoice from 1.
    """

    legal_entity: str
    settlement_id: str
    document_id: str
    vendor_account: str
    invoice_number: str
    invoice_date: str
    invoice_voucher: str
    invoice_amount: Decimal
    currency: str
    amount: Decimal
    paid_total: Decimal
    cash_discount: Decimal
    payment_date: str
    payment_voucher: str
    payment_company: str
    payment_method: str
    payment_reference: str
    payment_id: str
    cheque_number: str
    settled_with: str
    fully_paid: bool
    is_reversal: bool
    reversal_voucher: str
    prepayment: bool
    position: int
    settled_at: str

    @property
    def invoice_key(self) -> str:
        """What the payments of one invoice have in common, be Basware's id known or not."""
        parts = (self.legal_entity, self.vendor_account, self.invoice_number, self.invoice_voucher)
        return "/".join(parts)

    @property
    def is_credit(self) -> bool:
        """Whether a credit note was settled."""
        return self.invoice_amount < 0

    @property
    def is_offset(self) -> bool:
        """Whether it was settled without money, as with a credit note; unseen counts as paid."""
        return self.settled_with in ("invoice", "other")

    @property
    def external_code(self) -> str:
        """The key of the response: equal for equal statements, so that none is made twice.

        Only what Dynamics says counts, not the wording, nor what Basware adds to it: a lost ledger
        or a later release gives the same code.
        """
        said = [
            self.legal_entity,
            self.settlement_id,
            self.vendor_account,
            self.invoice_number,
            self.invoice_voucher,
            self.position,
            self.paid_total,
            self.cash_discount,
            self.currency,
            self.payment_date,
            self.payment_voucher,
            self.payment_company,
            self.payment_method,
            self.payment_reference,
            self.payment_id,
            self.cheque_number,
            self.is_reversal,
            self.reversal_voucher,
        ]
        return derived_code(said)

    def __str__(self) -> str:
        invoice = self.invoice_number or self.invoice_voucher
        return (
            f"payment {self.payment_voucher or self.settlement_id} of invoice {invoice} "
            f"of {self.vendor_account} ({self.legal_entity})"
        )


def payment(record: Record) -> Payment:
    """Read a record of vendor_payments. Raises Rejected, naming the field and what it has to be."""
    found = Payment(
        legal_entity=text(record, "data_area_id").lower(),
        settlement_id=text(record, "settlement_id"),
        document_id=document_id(record, "document_id"),
        vendor_account=text(record, "vendor_account"),
        invoice_number=text(record, "invoice_number"),
        invoice_date=day(record, "invoice_date"),
        invoice_voucher=text(record, "invoice_voucher"),
        invoice_amount=amount(record, "invoice_amount"),
        currency=text(record, "currency"),
        amount=amount(record, "amount"),
        paid_total=amount(record, "paid_total"),
        cash_discount=amount(record, "cash_discount", default=Decimal(0)),
        payment_date=day(record, "payment_date"),
        payment_voucher=text(record, "payment_voucher"),
        payment_company=text(record, "payment_company").lower(),
        payment_method=text(record, "payment_method"),
        payment_reference=text(record, "payment_reference"),
        payment_id=text(record, "payment_id"),
        cheque_number=text(record, "cheque_number"),
        settled_with=text(record, "settled_with"),
        fully_paid=flag(record, "fully_paid", default=False),
        is_reversal=flag(record, "is_reversal", default=False),
        reversal_voucher=text(record, "reversal_voucher"),
        prepayment=flag(record, "prepayment", default=False),
        position=_position(record),
        settled_at=text(record, "settled_at"),
    )
    if not found.payment_date:
        # Basware would take today instead (reference 3.1).
        msg = "payment_date is missing: a payment needs the day on which it was made"
        raise Rejected(msg)
    if not (found.invoice_number or found.invoice_voucher):
        msg = "invoice_number and invoice_voucher are both empty: the payment belongs to no invoice"
        raise Rejected(msg)
    return found


def derived_code(said: Any) -> str:
    """Return the externalCode of JSON-like content, the same for equal content."""
    return str(uuid.uuid5(NAMESPACE, fingerprint(said)))


def amount(record: Record, name: str, default: Decimal | None = None) -> Decimal:
    """Return an amount exactly, without trailing zeros. Raises Rejected."""
    value = record.get(name)
    if value is None and default is not None:
        return default
    number = None
    if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool):
        with suppress(InvalidOperation):
            number = Decimal(str(value))
    if number is None or not number.is_finite():
        msg = f"{name} is {str(value)[:40]!r}; it has to be an amount like 1136.80"
        raise Rejected(msg)
    if not number:
        return Decimal(0)
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    if len(digits) > MOST_DIGITS or not -MOST_DIGITS < number.adjusted() < MOST_DIGITS:
        msg = f"{name} has more than the {MOST_DIGITS} digits that Basware keeps of a number"
        raise Rejected(msg)
    short = number.normalize()
    return short.quantize(Decimal(1)) if short == short.to_integral_value() else short


def day(record: Record, name: str) -> str:
    """Return the day of a date or date-time, "" for none, or for 1900-01-01, F&O's way to say so.

    Raises Rejected.
    """
    written = text(record, name)
    if not written:
        return ""
    if moment(written) is None:
        msg = f"{name} {written[:40]!r} is not a date like 2026-01-31"
        raise Rejected(msg)
    # The day as it is written, wherever the machine is.
    found = datetime.fromisoformat(written).date()
    return found.isoformat() if found.year > 1900 else ""


def document_id(record: Record, name: str) -> str:
    """Return Basware's id of an invoice, "" where there is none. Raises Rejected."""
    found = text(record, name)
    if len(found) > LONGEST_ID:
        msg = f"{name} {found[:60]!r} is no Basware invoiceId (1 to {LONGEST_ID} characters)"
        raise Rejected(msg)
    return found


def _position(record: Record) -> int:
    value = record.get("position")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        msg = f"position is {str(value)[:40]!r}; it has to count the invoice's settlements from 1"
        raise Rejected(msg)
    return value
