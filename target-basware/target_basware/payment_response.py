"""From a settled payment to Basware's PaymentResponseEntity (reference 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ap_mapping import EntityMapping
from singer_delivery.errors import Rejected
from singer_delivery.words import cut
from tap_basware.crawl import moment

from target_basware.invoice_response import flag, text
from target_basware.payment_message import LONGEST_MESSAGE, payment_message
from target_basware.payment_record import Payment, amount, derived_code, document_id

#: The texts of a payment response and their lengths.
TEXTS: Mapping[str, int] = {
    "externalCode": 36,
    "responseMessage": LONGEST_MESSAGE,
    "sourceSystem": 32,
    "paymentTermCode": 25,
    "paymentMethod": 25,
    "checkNumber": 25,
    "paymentMessage": 100,
    "paymentNumber": 250,
    "paymentDocument": 250,
    "paymentReversalDocument": 250,
}
FLAGS = ("success", "paymentBlock")
NUMBERS = ("paidTotal", "cashDiscount")
DATES = ("paymentDate",)
FIELDS = frozenset({*TEXTS, *FLAGS, *NUMBERS, *DATES})
#: Texts for people. Any other one names something, and half of it would name something else.
WORDS = frozenset({"responseMessage", "sourceSystem"})
#: Metadata of the Singer SDK, which is nobody's content.
METADATA = "_sdc_"

Record = Mapping[str, Any]


def payment_response(
    paid: Payment,
    invoice: Record,
    entity: EntityMapping | None = None,
    *,
    source_system: str = "",
) -> dict[str, Any]:
    """Return the response that says what `paid` says of `invoice`, Basware's own document.

    Basware clears what a response leaves out: what Dynamics does not know (payment term, block
    and message, and the method where there is none) is sent as the invoice has it. The reversal
    document alone is cleared on purpose, by the payment that follows the reversal.
    """
    numbers = {
        "paymentMethod": _method(paid, invoice, entity),
        "checkNumber": paid.cheque_number,
        "paymentNumber": paid.payment_reference or paid.payment_id,
        "paymentDocument": paid.payment_voucher,
        "paymentReversalDocument": paid.reversal_voucher if paid.is_reversal else "",
    }
    longer = {name: value for name, value in numbers.items() if len(value) > TEXTS[name]}
    fitting = {name: value for name, value in numbers.items() if name not in longer}
    sign = _sign(paid, invoice)
    response: dict[str, Any] = {
        "externalCode": paid.external_code,
        "success": True,
        "responseMessage": payment_message(
            paid, (f"{_NAMES[name]} {value}" for name, value in longer.items())
        ),
        "sourceSystem": cut(source_system, TEXTS["sourceSystem"]),
        "paymentDate": paid.payment_date,
        "paymentTermCode": invoice.get("paymentTermCode") or "",
        "paymentBlock": invoice.get("paymentBlock") is True,
        "paidTotal": sign * paid.paid_total,
        "cashDiscount": sign * paid.cash_discount,
        "paymentMessage": invoice.get("paymentMessage") or "",
        **fitting,
    }
    return {name: value for name, value in response.items() if value != ""}


#: What a number is called in the message when its field is too short for it.
_NAMES: Mapping[str, str] = {
    "paymentMethod": "method",
    "checkNumber": "cheque",
    "paymentNumber": "payment number",
    "paymentDocument": "payment document",
    "paymentReversalDocument": "reversal document",
}


def _method(paid: Payment, invoice: Record, entity: EntityMapping | None) -> str:
    """Return Basware's code of the payment method.

    Of several codes that stand for one method, the invoice's own is taken; without it, or
    without any code, the method's name in F&O.
    """
    own = str(invoice.get("paymentMethod") or "")
    if not paid.payment_method:
        return own
    methods = (entity.payment_methods if entity else None) or {}
    codes = [
        code
        for code, method in methods.items()
        if code and method and method.lower() == paid.payment_method.lower()
    ]
    if own in codes:
        return own
    return codes[0] if len(codes) == 1 else paid.payment_method


def _sign(paid: Payment, invoice: Record) -> int:
    """Return -1 where Basware has the opposite sign: some keep credit notes positive there."""
    gross = invoice.get("grossSum")
    opposite = isinstance(gross, int | Decimal) and gross * paid.invoice_amount < 0
    return -1 if opposite else 1


def given_response(record: Record, *, source_system: str = "") -> tuple[str, dict[str, Any]]:
    """Return invoiceId and response of a record that is Basware-shaped already.

    What it leaves out stays out, and Basware clears it. Without externalCode it gets one that
    follows from its content. Raises Rejected, naming the field, the problem and the remedy.
    """
    invoice_id = document_id(record, "invoiceId")
    given = {
        name: value
        for name, value in record.items()
        if name != "invoiceId" and value is not None and not name.startswith(METADATA)
    }
    unknown = sorted(set(given) - FIELDS)
    if unknown:
        msg = f"{', '.join(unknown)[:100]}: no field of a payment response; leave it out"
        raise Rejected(msg)
    response: dict[str, Any] = {name: flag(given, name) for name in FLAGS}
    response |= {name: amount(given, name) for name in NUMBERS if name in given}
    response |= {name: _date(given, name) for name in DATES if given.get(name)}
    response |= {name: _text(given, name) for name in TEXTS if given.get(name) not in (None, "")}
    if source_system:
        response.setdefault("sourceSystem", cut(source_system, TEXTS["sourceSystem"]))
    if "externalCode" not in response:
        response["externalCode"] = derived_code([invoice_id, response])
    return invoice_id, response


def _date(record: Record, name: str) -> str:
    found = text(record, name)
    if moment(found) is None:
        msg = f"{name} {found[:40]!r} is not a date like 2026-01-31"
        raise Rejected(msg)
    return found


def _text(record: Record, name: str) -> str:
    found, longest = text(record, name), TEXTS[name]
    if name in WORDS:
        return cut(found, longest)
    if len(found) > longest:
        msg = f"{name} has {len(found)} characters, Basware takes {longest}"
        raise Rejected(msg)
    return found


def says_the_same(held: Record, response: Record) -> bool:
    """Tell whether a response that Basware holds has the content of this one, wording aside."""
    texts = TEXTS.keys() - WORDS
    return all((held.get(name) or "") == response.get(name, "") for name in texts) and all(
        (held.get(name) or 0) == (response.get(name) or 0) for name in (*NUMBERS, *FLAGS)
    )
