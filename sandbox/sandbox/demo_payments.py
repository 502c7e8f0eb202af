"""What the people in Dynamics do in the demo: post what is pending, and pay most of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import cycle
from typing import TYPE_CHECKING, Any

from sandbox.d365fo.posting import PostingError
from sandbox.seed.common import rounded
from sandbox.seed.companies import decimals_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sandbox.d365fo.state import D365State

    Row = dict[str, Any]

_DAYS_TO_PAY = 14
_DISCOUNT = Decimal("0.02")


@dataclass
class Done:
    """How many invoices went which way; keys are words for people."""

    counts: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return ", ".join(f"{count} {words}" for words, count in self.counts.items())


def post_pending(dynamics: D365State) -> Done:
    """Post every pending vendor invoice that can be posted."""
    done = Done()
    for header in dynamics.rows("VendorInvoiceHeaders"):
        if header["IsOnHold"] == "Yes":
            done.counts["on hold"] += 1
            continue
        try:
            dynamics.post_invoice(header["dataAreaId"], header["HeaderReference"])
        except PostingError:  # a duplicate that Dynamics finds on posting, a closed period
            done.counts["refused by Dynamics"] += 1
        else:
            done.counts["posted"] += 1
    return done


def pay_most(dynamics: D365State) -> Done:
    """Pay the posted invoices in every way that there is, in turn; one in twelve stays open."""
    done = Done()
    singles = []
    for invoices in _by_vendor(dynamics):
        if len(invoices) > 1:
            _together(dynamics, invoices)
            done.counts["several with one payment"] += len(invoices)
        else:
            singles += invoices
    for (words, pay), invoice in zip(cycle(_WAYS), singles, strict=False):
        pay(dynamics, invoice)
        done.counts[words] += 1
    return done


def _by_vendor(dynamics: D365State) -> Iterable[list[Row]]:
    """The invoices and credit notes of each vendor in one currency, oldest first."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in dynamics.rows("VendTransBiEntities"):
        if row["TransType"] == "Purch":
            groups[row["dataAreaId"], row["AccountNum"], row["CurrencyCode"]].append(row)
    return groups.values()


def _together(dynamics: D365State, invoices: list[Row]) -> None:
    vouchers = {invoice["Voucher"]: None for invoice in invoices}
    latest = max(invoices, key=lambda row: str(row["TransDate"]))
    dynamics.pay_invoices(latest["dataAreaId"], vouchers, **_details(latest))


def _whole(dynamics: D365State, invoice: Row) -> None:
    dynamics.pay_invoice(invoice["dataAreaId"], invoice["Voucher"], **_details(invoice))


def _part(dynamics: D365State, invoice: Row) -> None:
    dynamics.pay_invoice(
        invoice["dataAreaId"], invoice["Voucher"], _share(invoice, "0.6"), **_details(invoice)
    )


def _twice(dynamics: D365State, invoice: Row) -> None:
    _part(dynamics, invoice)
    dynamics.pay_invoice(invoice["dataAreaId"], invoice["Voucher"], **_details(invoice, days=10))


def _discounted(dynamics: D365State, invoice: Row) -> None:
    discount = str(_share(invoice, _DISCOUNT))
    dynamics.pay_invoice(
        invoice["dataAreaId"], invoice["Voucher"], cash_discount=discount, **_details(invoice)
    )


def _reversed(dynamics: D365State, invoice: Row) -> None:
    company = invoice["dataAreaId"]
    payment = dynamics.pay_invoice(company, invoice["Voucher"], **_details(invoice))
    dynamics.reverse_payment(company, payment, _day(invoice, days=5))


def _voided(dynamics: D365State, invoice: Row) -> None:
    company, cheque = invoice["dataAreaId"], f"CH{invoice['Voucher'][-6:]}"
    details = _details(invoice) | {"method": "CHECK", "cheque": cheque}
    dynamics.pay_invoice(company, invoice["Voucher"], **details)
    dynamics.void_cheque(company, cheque, _day(invoice, days=5))
    dynamics.pay_invoice(company, invoice["Voucher"], **_details(invoice, days=10))


def _ahead(dynamics: D365State, invoice: Row) -> None:
    due = -Decimal(invoice["AmountCur"])
    if due <= 0:  # a credit note, which nobody pays ahead
        _whole(dynamics, invoice)
        return
    company, currency = invoice["dataAreaId"], invoice["CurrencyCode"]
    payment = dynamics.prepay(
        company, invoice["AccountNum"], due, **_details(invoice, days=-5), currency=currency
    )
    dynamics.apply_prepayment(company, payment, {invoice["Voucher"]: None}, _day(invoice))


def _not_yet(_dynamics: D365State, _invoice: Row) -> None:
    """Left open."""


_WAYS: tuple[tuple[str, Callable[[D365State, Row], None]], ...] = (
    ("whole", _whole),
    ("in part", _part),
    ("whole", _whole),
    ("with cash discount", _discounted),
    ("in two payments", _twice),
    ("whole", _whole),
    ("paid and reversed", _reversed),
    ("whole", _whole),
    ("by prepayment", _ahead),
    ("by cheque, voided, and paid again", _voided),
    ("whole", _whole),
    ("left open", _not_yet),
)


def _share(invoice: Row, share: Decimal | str) -> Decimal:
    """A share of what is due, in the currency's decimals."""
    due = -Decimal(invoice["AmountCur"])
    return rounded(due * Decimal(share), decimals_of(invoice["CurrencyCode"]))


def _details(invoice: Row, days: int = 0) -> dict[str, str]:
    return {
        "date": _day(invoice, days),
        "method": invoice["PaymMode"] or "ELECTRONIC",
        "reference": f"Ref {invoice['Invoice']}"[:20],
    }


def _day(invoice: Row, days: int = 0) -> str:
    posted = date.fromisoformat(str(invoice["TransDate"])[:10])
    return (posted + timedelta(days=_DAYS_TO_PAY + days)).isoformat()
