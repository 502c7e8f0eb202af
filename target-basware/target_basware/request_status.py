"""What became of a write that Basware accepted (reference 4.4)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from singer_delivery.document import Outcome, Status
from singer_delivery.errors import ApiError
from tap_basware.client import BaswareClient

logger = logging.getLogger(__name__)

IN_PROGRESS = "InProgress"
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0

#: Item status -> outcome, and what to say about it when Basware gives no message itself.
ITEMS: Mapping[str, tuple[Status, str]] = {
    "Success": (Status.DELIVERED, ""),
    "Warning": (Status.DELIVERED, "saved with a warning"),
    "NotProcessed": (Status.UNCHANGED, "P2P had the same content already"),
    "RecordExpired": (Status.UNCHANGED, "a more recent version was there already"),
    "Unpublished": (Status.REJECTED, "P2P did not take it up"),
    "Error": (Status.REJECTED, "P2P could not process it and gave no reason"),
}
#: The request as a whole, where it does not list the record.
WHOLE: Mapping[str, str] = {
    "Success": "Success",
    "AcknowledgedSuccess": "Success",
    "Error": "Error",
    "AcknowledgedError": "Error",
}


@dataclass
class RequestDesk:
    """Waits, within limits, for what P2P makes of a write. Times in seconds; thread-safe.

    Once a wait ran out, the writes after it are looked at but not waited for: P2P takes its time
    then, and hundreds of waits would add up to an hour.
    """

    client: BaswareClient
    longest_wait: float = 10.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    slow: bool = False

    def outcome(self, request_id: str, external_code: str) -> Outcome:
        """Return the outcome of one accepted record; raises nothing of Basware's.

        The record has been accepted whatever happens here: one that cannot be confirmed in time
        is delivered, with the state of its request in the detail.
        """
        deadline = self.clock() + (0 if self.slow else self.longest_wait)
        pause = FIRST_PAUSE
        while True:
            try:
                state = self.client.request_state(request_id)
            except ApiError as error:
                logger.warning("request %s cannot be confirmed: %s", request_id, error)
                return _unconfirmed(request_id, "unknown", f"could not be confirmed: {error}")
            settled = judge(state or {}, request_id, external_code)
            if settled is not None:
                return settled
            left = deadline - self.clock()
            if left <= 0:
                self.slow = True
                reason = "accepted; Basware is still processing it"
                return _unconfirmed(request_id, IN_PROGRESS, reason)
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)


def judge(state: Mapping[str, Any], request_id: str, external_code: str) -> Outcome | None:
    """Return the outcome of one record of a request; None while it is being processed."""
    items = [i for i in _items(state) if i.get("externalCode") == external_code]
    words = [str(item.get("status")) for item in items] or [
        WHOLE.get(str(state.get("requestStatus")), IN_PROGRESS)
    ]
    known = [word for word in words if word in ITEMS]
    if len(known) < len(words):
        return None
    # Several systems may have processed it: the worst of them counts.
    worst = max(known, key=list(ITEMS).index)
    status, default = ITEMS[worst]
    reason = "; ".join(_messages(items or list(_items(state)))) or default
    return Outcome(
        status,
        "" if worst == "Success" else reason,
        remote_key=external_code,
        request_id=request_id,
        detail={"request_status": worst},
    )


def _unconfirmed(request_id: str, state: str, reason: str) -> Outcome:
    return Outcome(
        Status.DELIVERED, reason, request_id=request_id, detail={"request_status": state}
    )


def _items(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for system in state.get("systems") or ():
        yield from system.get("items") or ()


def _messages(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        for error in item.get("errors") or ():
            if error.get("message"):
                yield str(error["message"])
