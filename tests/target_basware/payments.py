"""Settled payments as tap-d365fo gives them, for the tests of payment responses."""

from __future__ import annotations

from typing import Any

#: One settlement that pays invoice INV-1 of usmf in full, with a cash discount.
FULL: dict[str, Any] = {
    "data_area_id": "usmf",
    "settlement_id": 5637144576,
    "document_id": "i1",
    "vendor_account": "US-101",
    "invoice_number": "INV-1",
    "invoice_date": "2026-01-15",
    "invoice_voucher": "APIN000042",
    "invoice_amount": 1160,
    "currency": "EUR",
    "amount": 1136.8,
    "paid_total": 1136.8,
    "cash_discount": 23.2,
    "payment_date": "2026-02-01",
    "payment_voucher": "APPM000123",
    "payment_company": "usmf",
    "payment_method": "ELECTRONIC",
    "payment_reference": "REF-77",
    "payment_id": "",
    "cheque_number": "",
    "journal": "00421",
    "fully_paid": True,
    "is_reversal": False,
    "reversal_voucher": None,
    "prepayment": False,
    "settled_with": "payment",
    "position": 1,
    "settled_at": "2026-02-01T10:00:00Z",
}


def settled(**changes: Any) -> dict[str, Any]:
    """Return the full payment with changes."""
    return {**FULL, **changes}


def part(position: int, amount: float, total: float, **changes: Any) -> dict[str, Any]:
    """Return one of several payments of INV-1: what it pays and what is paid with it."""
    own = {
        "settlement_id": 1000 + position,
        "position": position,
        "amount": amount,
        "paid_total": total,
        "cash_discount": 0,
        "payment_voucher": f"APPM00020{position}",
        "payment_date": f"2026-02-{position:02}",
        "settled_at": f"2026-02-{position:02}T10:00:00Z",
        "fully_paid": total >= 1160,
    }
    return settled(**{**own, **changes})
