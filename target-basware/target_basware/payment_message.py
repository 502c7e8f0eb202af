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
        return (
            f"Payment reversed: {money(this, paid.currency)} on {paid.payment_date}, "
            f"{money(total, paid.currency)} {of_all} remain paid"
        )
    if this == total:
        return f"{_verb(paid)} {money(this, paid.currency)} {of_all} on {paid.payment_date}"
    return (
        f"{_verb(paid)} {money(this, paid.currency)} on {paid.payment_date}, "
        f"{money(total, paid.currency)} {of_all} in all"
    )


def _verb(paid: Payment) -> str:
    if paid.prepayment:
        return "Prepayment applied:"
    return "Credit settled:" if paid.is_credit else "Paid"


def _facts(paid: Payment) -> Iterator[str]:
    """Yield what else is to be said, the most important first."""
    by = f" by {paid.payment_method}" if paid.payment_method else ""
    if paid.payment_voucher:
        yield f"payment {paid.payment_voucher}{by}"
    elif by:
        yield by.strip()
    if paid.is_reversal and paid.reversal_voucher:
        yield f"reversed by {paid.reversal_voucher}"
    if paid.cheque_number:
        yield f"cheque {paid.cheque_number}"
    if paid.cash_discount:
        yield f"cash discount {money(abs(paid.cash_discount), '')}"
    if paid.payment_company and paid.payment_company != paid.legal_entity:
        yield f"from company {paid.payment_company}"
    if paid.fully_paid:
        yield "fully paid"
    elif not paid.is_reversal:
        yield "partly paid"
