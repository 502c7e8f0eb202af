"""From the outcome of a transfer to Basware's TransferResponseEntity (reference 3.1)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from singer_delivery.errors import Rejected
from singer_delivery.words import cut
from tap_basware.crawl import moment

from target_basware.invoice_response import LONGEST_ID, flag, text

#: Namespace of the externalCodes of transfer responses; changing it would double every response.
NAMESPACE = uuid.UUID("6f0d9a1c-58c3-5b0e-9a57-3f1f5c3d7b21")

LONGEST_MESSAGE = 250
LONGEST_SOURCE = 32
LONGEST_VOUCHER = 25

Record = Mapping[str, Any]


def transfer_response(record: Record, *, source_system: str = "") -> dict[str, Any]:
    """Return the response that says what `record` says, in Basware's shape.

    The voucher number and the transfer date travel with a success only: Basware saves nothing
    else of a failure than its message. Raises Rejected with the reason.
    """
    success = flag(record, "success")
    voucher = _voucher(record) if success else ""
    message = cut(text(record, "message") or _default_message(success, voucher), LONGEST_MESSAGE)
    response: dict[str, Any] = {
        "externalCode": external_code(record, success, message, voucher),
        "success": success,
        "responseMessage": message,
        "paymentBlock": flag(record, "payment_block", default=False),
    }
    source = cut(text(record, "source_system") or source_system.strip(), LONGEST_SOURCE)
    date = _date(record) if success else ""
    optional = {"sourceSystem": source, "voucherNumber1": voucher, "transferDate": date}
    return response | {name: value for name, value in optional.items() if value}


def external_code(record: Record, success: bool, message: str, voucher: str) -> str:
    """Return the key of a response: equal for equal statements, so that none is made twice.

    The document's version is part of it: an invoice that was transferred again may get the same
    answer again.
    """
    said = [invoice_id(record), text(record, "version"), success, message, voucher]
    return str(uuid.uuid5(NAMESPACE, json.dumps(said, ensure_ascii=False, separators=(",", ":"))))


def invoice_id(record: Record) -> str:
    """Return Basware's id of the invoice. Raises Rejected when it cannot be one."""
    found = text(record, "document_id")
    if not found or len(found) > LONGEST_ID:
        msg = f"document_id {found[:60]!r} is no Basware invoiceId (1 to {LONGEST_ID} characters)"
        raise Rejected(msg)
    return found


def _default_message(success: bool, voucher: str) -> str:
    if not success:
        return "Transfer failed; the receiving system gave no reason."
    return f"Transferred as {voucher}." if voucher else "Transferred."


def _voucher(record: Record) -> str:
    voucher = text(record, "voucher_number")
    if len(voucher) > LONGEST_VOUCHER:
        # Half a voucher number would be a wrong one.
        msg = f"voucher_number {voucher!r} is longer than the {LONGEST_VOUCHER} of Basware"
        raise Rejected(msg)
    return voucher


def _date(record: Record) -> str:
    date = text(record, "transfer_date")
    if date and moment(date) is None:
        msg = f"transfer_date {date[:40]!r} is not a date like 2026-01-31T12:00:00Z"
        raise Rejected(msg)
    return date
