"""What became of a write that Basware accepted (reference 4.4)."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from singer_delivery.document import Outcome, Status
from singer_delivery.errors import AccessDenied, ApiError, Refused
from singer_delivery.stopping import PROCESS
from tap_basware.client import BaswareClient
from tap_basware.crawl import stamp

logger = logging.getLogger(__name__)

IN_PROGRESS = "InProgress"
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 5.0
#: Seconds in which a request of this run has to appear among the statuses (not documented).
PATIENCE = 15.0
#: Requests that are acknowledged in one call (no limit is documented).
ACKNOWLEDGED_AT_ONCE = 100

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
    """Finds out, within limits, what P2P made of writes. Times in seconds; thread-safe.

    A tenant or a client that has no access to the request status is told of once; its writes
    count as delivered, not confirmed. Once a wait of `outcome` ran out, the writes after it are
    looked at but not waited for: P2P takes its time then, and hundreds of waits would add up.

    Requests in error are collected for `acknowledge`, which needs the client `acknowledger`.
    """

    client: BaswareClient
    longest_wait: float = 10.0
    acknowledger: BaswareClient | None = None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = PROCESS.sleep
    slow: bool = False
    #: Why the request status cannot be read at all in this run.
    closed: str = ""
    _posted: dict[str, float] = field(default_factory=dict)
    _in_progress: set[str] = field(default_factory=set)
    _errors: set[str] = field(default_factory=set)
    _listed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def posted(self, request_id: str) -> None:
        """Take note of a request of this run: it may take a while until it is listed."""
        if request_id:
            with self._lock:
                self._posted[request_id] = self.clock()

    def look(self, request_id: str, keys: Collection[str]) -> dict[str, Outcome]:
        """Return the final outcomes of records of one request, by external code; one look.

        A record that is missing is still being processed. Raises ApiError when the status cannot
        be read at the moment.
        """
        try:
            state = None if self.closed else self._state(request_id)
        except AccessDenied as error:
            self._close(error)
        except Refused as error:
            return _unconfirmed(request_id, keys, str(error))
        if self.closed:
            return _unconfirmed(request_id, keys, self.closed)
        if state is None:
            return self._unlisted(request_id, keys)
        self._note(request_id, state)
        return judge_all(state, request_id, keys)

    def outcome(self, request_id: str, external_code: str) -> Outcome:
        """Return the outcome of one accepted record; waits for it; raises nothing of Basware's.

        One that is not finished in time, or cannot be asked about at the moment, is accepted,
        with the state of its request in the detail.
        """
        self.posted(request_id)
        deadline = self.clock() + (0 if self.slow else self.longest_wait)
        pause = FIRST_PAUSE
        while True:
            try:
                settled = self.look(request_id, (external_code,)).get(external_code)
            except ApiError as error:
                logger.warning("request %s cannot be confirmed: %s", request_id, error)
                return _accepted(request_id, "unknown", f"could not be confirmed: {error}")
            if settled is not None:
                return settled
            left = deadline - self.clock()
            if left <= 0 or PROCESS.requested:
                self.slow = True
                reason = "accepted; Basware is still processing it"
                return _accepted(request_id, IN_PROGRESS, reason)
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_PAUSE)

    def errors_since(self, entity_type: str, since: datetime) -> dict[str, str]:
        """Return, by external code, what went wrong with records of one kind since an instant.

        Only requests that nobody acknowledged are listed. Raises ApiError.
        """
        params = {"status": "Error", "entityType": entity_type, "system": "P2P"}
        params |= {"ignoreSuccessfullItems": "true", "lastUpdated": stamp(since)}
        pages = self.client.pages("v1/requestStatus", params, "requestStatus")
        states = [state for page in pages for state in page.records]
        states.sort(key=lambda state: str(state.get("lastUpdated")))
        return {
            str(item.get("externalCode")): "; ".join(_messages([item])) or ITEMS["Error"][1]
            for state in states
            for item in _items(state)
            if item.get("status") == "Error"
        }

    def acknowledge(self) -> None:
        """Take the requests in error off Basware's list; call it once they are recorded."""
        with self._lock:
            requests, self._errors = sorted(self._errors), set()
        if self.acknowledger is None or not requests:
            return
        for start in range(0, len(requests), ACKNOWLEDGED_AT_ONCE):
            some = requests[start : start + ACKNOWLEDGED_AT_ONCE]
            try:
                self.acknowledger.acknowledge_requests(some)
            except ApiError as error:
                logger.warning(
                    "%d request(s) stay on Basware's list of errors, although they are recorded "
                    "here: %s",
                    len(requests) - start,
                    error,
                )
                return

    def _state(self, request_id: str) -> Mapping[str, Any] | None:
        """Return the state of a request, or None where Basware does not list it."""
        # What is in progress is asked about without its items, which come with the last look:
        # a request of 500 records would send them all each time.
        if request_id in self._in_progress:
            brief = self.client.request_state(request_id, only_problems=True)
            if brief is None or brief.get("requestStatus") == IN_PROGRESS:
                return brief
        return self.client.request_state(request_id)

    def _unlisted(self, request_id: str, keys: Collection[str]) -> dict[str, Outcome]:
        """Judge a request that Basware does not list: too early, or never."""
        now = self.clock()
        with self._lock:
            posted = self._posted.get(request_id)
        if posted is not None and now - posted < PATIENCE:
            return {}
        if posted is not None and not self._listed:
            self._close(f"it lists no request, not even {request_id}")
        return _unconfirmed(request_id, keys, "Basware does not list its request")

    def _close(self, reason: object) -> None:
        with self._lock:
            first = not self.closed
            self.closed = "Basware's request status cannot be read"
        if first:
            logger.warning(
                "%s; what is sent counts as delivered, not confirmed: %s", self.closed, reason
            )

    def _note(self, request_id: str, state: Mapping[str, Any]) -> None:
        status = state.get("requestStatus")
        with self._lock:
            self._listed = True
            if status == IN_PROGRESS:
                self._in_progress.add(request_id)
            else:
                self._in_progress.discard(request_id)
            if status == "Error":
                self._errors.add(request_id)


def judge(state: Mapping[str, Any], request_id: str, external_code: str) -> Outcome | None:
    """Return the outcome of one record of a request; None while it is being processed."""
    return judge_all(state, request_id, (external_code,)).get(external_code)


def judge_all(
    state: Mapping[str, Any], request_id: str, external_codes: Collection[str]
) -> dict[str, Outcome]:
    """Return the outcomes of those records of a request that are finished, by external code.

    `state` lists all its items, or none.
    """
    items: dict[str, list[Mapping[str, Any]]] = {}
    for item in _items(state):
        items.setdefault(str(item.get("externalCode")), []).append(item)
    whole = WHOLE.get(str(state.get("requestStatus")), IN_PROGRESS)
    if whole == "Error" and items:
        # It says what is wrong with the records that it lists, and of another one nothing.
        whole = "Success"
    found = {}
    for code in external_codes:
        outcome = _outcome(items.get(code, []), whole, request_id, code)
        if outcome is not None:
            found[code] = outcome
    return found


def _outcome(
    items: list[Mapping[str, Any]], whole: str, request_id: str, code: str
) -> Outcome | None:
    words = [str(item.get("status")) for item in items] or [whole]
    known = [word for word in words if word in ITEMS]
    if len(known) < len(words):
        return None
    # Several systems may have processed it: the worst of them counts.
    worst = max(known, key=list(ITEMS).index)
    status, default = ITEMS[worst]
    return Outcome(
        status,
        "" if worst == "Success" else "; ".join(dict.fromkeys(_messages(items))) or default,
        remote_key=code,
        request_id=request_id,
        detail={"request_status": worst},
    )


def _accepted(request_id: str, state: str, reason: str) -> Outcome:
    return Outcome(Status.ACCEPTED, reason, request_id=request_id, detail={"request_status": state})


def _unconfirmed(request_id: str, keys: Collection[str], why: str) -> dict[str, Outcome]:
    outcome = Outcome(
        Status.DELIVERED,
        f"not confirmed: {why}",
        request_id=request_id,
        detail={"request_status": "unknown"},
    )
    return dict.fromkeys(keys, outcome)


def _items(state: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for system in state.get("systems") or ():
        yield from system.get("items") or ()


def _messages(items: list[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        for error in item.get("errors") or ():
            if error.get("message"):
                yield str(error["message"])
