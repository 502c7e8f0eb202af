"""What all responses to an invoice have in common: where they go, and whether they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

from singer_delivery.document import HELD, Entry, Outcome, Status
from singer_delivery.errors import Rejected

from target_basware.request_status import RequestDesk

#: Basware's ways to say "there is one already" (reference 3.1, 10): refused by the state of the
#: invoice, or by an externalCode that it has seen. Only a look at the invoice can tell which.
PERHAPS_THERE = frozenset({400, 405, 409})
#: Statuses of an invoice that waits for its transfer response; it takes payments after it.
AWAITED = frozenset({"WaitingForTransfer", "TransferInProgress"})
#: The longest invoiceId.
LONGEST_ID = 36
#: Requests that are asked about at the same time.
CONFIRMING = 8


def text(record: Mapping[str, Any], name: str) -> str:
    """Return a value as text that can be sent and stored, "" where there is none."""
    value = record.get(name)
    words = "" if value is None else str(value).replace("\0", " ").strip()
    # A JSON text may hold half of a surrogate pair as an escape.
    return words.encode("utf-8", "replace").decode()


def flag(record: Mapping[str, Any], name: str, *, default: bool | None = None) -> bool:
    """Return a truth value. Raises Rejected."""
    value = record.get(name)
    if value is None:
        value = default
    if not isinstance(value, bool):
        msg = f"{name} is {str(value)[:40]!r}; it has to be true or false"
        raise Rejected(msg)
    return value


def invoice_path(invoice_id: str) -> str:
    """Return the address of an invoice."""
    return f"v1/accountingDocuments/{quote(invoice_id, safe='')}"


def unknown(invoice_id: str) -> str:
    """Say that Basware does not have an invoice."""
    return (
        f"Basware has no invoice {invoice_id}: it was removed there, or it came from another "
        "environment"
    )


def responses(invoice: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Return the responses of one kind that an invoice holds, oldest first."""
    found = invoice.get(name)
    return [r for r in found if isinstance(r, Mapping)] if isinstance(found, list) else []


def with_code(held: Sequence[Mapping[str, Any]], external_code: str) -> Mapping[str, Any] | None:
    """Return the response with this externalCode, None where there is none."""
    return next((r for r in held if r.get("externalCode") == external_code), None)


def retold(entry: Entry) -> Outcome | None:
    """Return what the ledger says of a statement made before; None = it has to be made.

    What Basware is still processing stays accepted, so that it is confirmed later. What Basware
    took and P2P refused would not be forwarded a second time.
    """
    kept = {
        name: entry.detail[name]
        for name in ("request_status", "document_id")
        if name in entry.detail
    }
    status, reason = entry.status, entry.reason
    if status in HELD:
        status, reason = Status.UNCHANGED, "told already"
    elif status is not Status.ACCEPTED and not (
        status is Status.REJECTED and "request_status" in kept
    ):
        return None
    return Outcome(
        status, reason, remote_key=entry.remote_key, request_id=entry.request_id, detail=kept
    )


def confirmed(desk: RequestDesk | None, entries: Sequence[Entry]) -> dict[str, Outcome]:
    """Return what became of accepted responses by now, by key; a missing one is in progress.

    Raises ApiError when it cannot be asked.
    """
    if desk is None:
        reason = "accepted; what became of it is not asked, as confirm_request_status says"
        return {
            entry.key: Outcome(Status.DELIVERED, reason, request_id=entry.request_id)
            for entry in entries
        }

    def look(entry: Entry) -> Outcome | None:
        return desk.look(entry.request_id, (entry.remote_key,)).get(entry.remote_key)

    with ThreadPoolExecutor(CONFIRMING) as pool:
        found = zip(entries, pool.map(look, entries), strict=True)
        return {entry.key: outcome for entry, outcome in found if outcome is not None}
