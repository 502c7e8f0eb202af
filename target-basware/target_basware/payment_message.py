"""What a settled payment is, in words for the action log of the invoice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from singer_delivery.words import cut

from target_basware.payment_record import Payment

LONGEST_MESSAGE = 250
#: Currencies without minor unit (ISO 4217).
WHOLE = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905
)


def payment_message(paid: Payment, first: Iterable[str] = ()) -> str:
    """Return at most 250 characters: amounts and day, then as many facts as there is room for.

    `first` are facts that no field has room for; they come before the others. A fact is left out
    rather than cut, but for the first ones, which end in … where even the message is too short.
    """
    message = cut(_amounts(paid), LONGEST_MESSAGE)
    for words in first:
        message = cut(f"{message}, {words}", LONGEST_MESSAGE)
    for words in _facts(paid):
        longer = " ".join(f"{message}, {words}".split())
        message = longer if len(longer) <= LONGEST_MESSAGE else message
    return message


def money(value: Decimal, currency: str) -> str:
    """Return an amount like `1,136.80 EUR`, with all its digits."""
    exponent = value.as_tuple().exponent
    digits = -exponent if isinstance(exponent, int) else 0
    places = max(digits, 0 if currency in WHOLE else 2)
    return f"{value:,.{places}f} {currency}".rstrip()


def _amounts(paid: Payment) -> str:
    # A credit note's amounts are negative in Dynamics, and a payment taken back is negative
    # towards its invoice; in words, both are plain amounts.
    sign = -1 if paid.is_credit else 1
    this, total = abs(paid.amount), sign * paid.paid_total
    of_all = f"of {money(sign * paid.invoice_amount, paid.currency)}"
    if paid.is_reversal:
        what = "Settlement" if paid.is_offset else "Payment"
        return (
            f"{what} reversed: {money(this, paid.currency)} on {paid.payment_date}, "
            f"{money(total, paid.currency)} {of_all} remain paid"
        )
    said = f"{_verb(paid)} {money(this, paid.currency)}"
    if not total if paid.is_offset else this == total:
        return f"{said} {of_all} on {paid.payment_date}"
    in_all = "paid" if paid.is_offset else "in all"
    return f"{said} on {paid.payment_date}, {money(total, paid.currency)} {of_all} {in_all}"


def _verb(paid: Payment) -> str:
    if paid.is_offset:
        return f"{' '.join(filter(None, (_settled(paid), paid.payment_voucher)))}:"
    if paid.prepayment:
        return "Prepayment applied:"
    return "Credit settled:" if paid.is_credit else "Paid"


def _settled(paid: Payment) -> str:
    """Return what it was settled with, other than a payment."""
    if paid.settled_with == "other":
        return "Settled without payment, by"
    return "Credit settled with invoice" if paid.is_credit else "Settled with credit note"


def _facts(paid: Payment) -> Iterator[str]:
    """Yield what else is to be said, the most important first."""
    if paid.is_offset:
        if paid.is_reversal and paid.payment_voucher:
            yield f"{_settled(paid).lower()} {paid.payment_voucher}"
        yield from _of_reversal(paid)
        yield from _rest(paid)
        return
    by = f" by {paid.payment_method}" if paid.payment_method else ""
    if paid.payment_voucher:
        yield f"payment {paid.payment_voucher}{by}"
    elif by:
        yield by.strip()
    yield from _of_reversal(paid)
    if paid.cheque_number:
        yield f"cheque {paid.cheque_number}"
    yield from _rest(paid)


def _of_reversal(paid: Payment) -> Iterator[str]:
    if paid.is_reversal and paid.reversal_voucher:
        yield f"reversed by {paid.reversal_voucher}"


def _rest(paid: Payment) -> Iterator[str]:
    if paid.cash_discount:
        yield f"cash discount {money(abs(paid.cash_discount), '')}"
    if paid.payment_company and paid.payment_company != paid.legal_entity:
        yield f"{'of' if paid.is_offset else 'from'} company {paid.payment_company}"
    all_paid = paid.paid_total + paid.cash_discount == paid.invoice_amount
    if paid.fully_paid:
        yield "fully paid" if all_paid else "fully settled"
    elif not paid.is_reversal:
        yield "partly settled" if paid.is_offset else "partly paid"
