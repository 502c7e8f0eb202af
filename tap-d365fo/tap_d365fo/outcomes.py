"""From the ledger's entry of a vendor invoice to the record that tells its source about it."""

from __future__ import annotations

from typing import Any

from singer_delivery.document import HELD, Entry, Status
from singer_delivery.words import cut

#: The ledger's name for the invoices that target-d365fo delivers.
STREAM = "vendor_invoices"
#: Basware's limits for a transfer response.
MESSAGE_LENGTH = 250
VOUCHER_LENGTH = 25


def transfer_outcome(entry: Entry, *, source_system: str) -> dict[str, Any]:
    """Return the `transfer_outcomes` record of a settled entry."""
    success = entry.status in HELD
    fits = 0 < len(entry.remote_key) <= VOUCHER_LENGTH
    return {
        "document_id": entry.key,
        "sequence": entry.sequence,
        "version": entry.version,
        "success": success,
        "message": cut(_message(entry), MESSAGE_LENGTH),
        # A number cut short would name another document; the message has it whole.
        "voucher_number": entry.remote_key if success and fits else None,
        "transfer_date": entry.settled_at.isoformat() if entry.settled_at else None,
        "payment_block": bool(entry.detail.get("payment_block", False)),
        "source_system": source_system,
        "legal_entity": entry.detail.get("legal_entity"),
        "status": entry.status.value,
        "run_id": entry.run_id,
    }


def _message(entry: Entry) -> str:
    company = entry.detail.get("legal_entity")
    place = f"legal entity {company}" if company else "Dynamics"
    invoice = f"pending vendor invoice {entry.remote_key}".rstrip()
    match entry.status:
        case Status.DELIVERED:
            return f"Transferred to {place} as {invoice}"
        case Status.UNCHANGED:
            return f"Already in {place} as vendor invoice {entry.remote_key}".rstrip()
        case _:
            # A document that no legal entity could be found for speaks for itself.
            return f"Legal entity {company}: {entry.reason}" if company else entry.reason
