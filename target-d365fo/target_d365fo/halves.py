"""How a header says that it is a half: its lines are still being written one by one.

It names the document, so that a half is recognised whatever else it is found by, and it is on hold,
so that nobody posts it. The change that takes both back makes the invoice whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tap_d365fo.odata import comparable

from target_d365fo.compare import yes_no
from target_d365fo.payload import DESCRIPTION_LENGTH, header_reference

#: How the description of a half ends.
INCOMPLETE = " (incomplete)"


def half_description(document_id: str) -> str:
    """Return the description of a document's header until all of its lines are there."""
    fits = len(document_id) + len(INCOMPLETE) <= DESCRIPTION_LENGTH
    return f"{document_id if fits else header_reference(document_id)}{INCOMPLETE}"


def is_half(description: str, document_id: str) -> bool:
    """Tell whether a header with this description is a half of this document."""
    return bool(comparable(description) == comparable(half_description(document_id)))


def half_header(document_id: str) -> dict[str, str]:
    """Return the fields in which a half differs from what is sent."""
    return {"InvoiceDescription": half_description(document_id), "IsOnHold": yes_no(True)}


def whole_header(detail: Mapping[str, Any]) -> dict[str, str]:
    """Return the same fields as they are sent, by the detail of a document's entry."""
    return {
        "InvoiceDescription": str(detail["description"]),
        "IsOnHold": yes_no(bool(detail.get("payment_block"))),
    }
