"""What became of each write: requestStatus and its older mirror, errorFeedbacks (4.4, 4.5)."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from sandbox.basware.errors import not_found, refused
from sandbox.basware.exact_json import dumps, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.basware.p2p import P2P
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock

SYSTEM = "P2P"
STATUSES = ("InProgress", "Success", "Error", "AcknowledgedSuccess", "AcknowledgedError")
_UNSAVED = {"Error", "Warning", "RecordExpired"}  # carry a message, and make the request an Error


@dataclass
class OutcomeRule:
    """Makes records settle badly on purpose: tests and the control origin add these."""

    status: str  # Error, Warning, RecordExpired or NotProcessed
    message: str = "Record skipped"
    entity_type: str | None = None  # e.g. Vendor; None = any
    external_code: str | None = None  # regular expression, searched; None = any
    category: str = "DataValidation"
    times: int = -1  # how many records; -1 = all

    def __post_init__(self) -> None:
        if self.status not in {*_UNSAVED, "NotProcessed"}:
            msg = f"status is {self.status!r}"
            raise ValueError(msg)

    def matches(self, entity_type: str, external_code: str) -> bool:
        """Whether the rule is about this record; counts it."""
        if (
            self.times == 0
            or self.entity_type not in (None, entity_type)
            or (self.external_code and not re.search(self.external_code, external_code))
        ):
            return False
        if self.times > 0:
            self.times -= 1
        return True


@dataclass
class Item:
    """One record of a request and how it ended; `unchanged`: the API held exactly this before."""

    external_code: str
    content: dict[str, Any]
    parent: str | None = None
    unchanged: bool = False
    status: str = "InProgress"
    messages: list[str] = field(default_factory=list)
    category: str = "DataValidation"

    def settle(self, status: str, messages: list[str], category: str = "DataValidation") -> None:
        """Note how it ended."""
        self.status, self.messages, self.category = status, messages, category

    def as_json(self) -> dict[str, Any]:
        """The ProcessedItem."""
        item: dict[str, Any] = {"externalCode": self.external_code}
        if self.parent is not None:
            item["parentExternalCode"] = self.parent
        item["status"] = self.status
        if self.status in _UNSAVED:
            item["errors"] = [
                {"type": self.status, "message": message, "category": self.category}
                for message in self.messages
            ]
        return item


@dataclass
class LoggedRequest:
    """One write and the state of its processing; `api` is where P2P puts its records."""

    request_id: str
    entity_type: str
    version: str
    operation: str
    items: list[Item]
    submitted: datetime
    settles: datetime
    list_key: str | None = None
    api: str | None = None
    processed: datetime | None = None
    acknowledged: datetime | None = None
    feedback_ids: dict[str, str] = field(default_factory=dict)

    def status(self) -> str:
        """The aggregated requestStatus."""
        if self.processed is None:
            return "InProgress"
        final = "Error" if any(item.status in _UNSAVED for item in self.items) else "Success"
        return f"Acknowledged{final}" if self.acknowledged else final

    def updated(self) -> datetime:
        """When the entry last changed."""
        return self.acknowledged or self.processed or self.submitted

    def as_json(self, *, ignore_successful: bool) -> dict[str, Any]:
        """The ConsumerLogEventUserView."""
        status, updated = self.status(), stamp(self.updated())
        items = [item.as_json() for item in self.items]
        if ignore_successful:
            items = [item for item in items if item["status"] not in {"Success", "NotProcessed"}]
        entry: dict[str, Any] = {
            "requestId": self.request_id,
            "entityType": self.entity_type,
            "entityVersion": f"{self.entity_type}{self.version}",
            "requestStatus": status,
            "operationType": self.operation,
        }
        if self.list_key is not None:
            entry["genericListKey"] = self.list_key
        system = {
            "system": SYSTEM,
            "module": "IA",
            "systemStatus": status,
            "lastUpdated": updated,
            "items": items,
        }
        return entry | {"lastUpdated": updated, "systems": [system]}


class RequestLog:
    """All writes by request id. Not locked: the state that owns it is.

    P2P takes a request up when it is due, and judges it by what it holds and how the switches
    stand at that time: requests in the order in which they are due, records as they were sent.
    """

    def __init__(self, clock: Clock, switches: BaswareSwitches, p2p: P2P) -> None:
        self._clock = clock
        self._switches = switches
        self._p2p = p2p
        self.rules: list[OutcomeRule] = []
        self._requests: dict[str, LoggedRequest] = {}
        self._due: list[tuple[datetime, int, LoggedRequest]] = []
        self._held_until: datetime | None = None
        self._latest: dict[_Place, Item] = {}
        self._refused: set[_Place] = set()

    def clear(self) -> None:
        """Forget every request and rule."""
        self.rules.clear()
        self._requests.clear()
        self._due.clear()
        self._held_until = None
        self._latest.clear()
        self._refused.clear()

    @property
    def requests(self) -> dict[str, LoggedRequest]:
        """Every request by its id, each as far as P2P has come by now."""
        self.process_due()
        return self._requests

    def submit(
        self,
        request_id: str,
        entity_type: str,
        operation: str,
        items: list[Item],
        *,
        version: str = "V1",
        list_key: str | None = None,
        api: str | None = None,
    ) -> None:
        """Queue a write for the target system; it is due after `settle_seconds`."""
        self.process_due()
        now = self._clock.now()
        request = LoggedRequest(
            request_id,
            entity_type,
            version,
            operation,
            items,
            submitted=now,
            settles=now + timedelta(seconds=self._switches.settle_seconds),
            list_key=list_key,
            api=api,
        )
        for item in items:
            if not item.unchanged:
                self._latest[_place(request, item)] = item
        self._requests[request_id] = request
        heapq.heappush(self._due, (request.settles, len(self._requests), request))
        self.process_due()

    def process_due(self) -> None:
        """Let P2P take up what is due by now."""
        now = self._clock.peek()
        if self._switches.never_settles:
            self._held_until = now
            return
        while self._due and self._due[0][0] <= now:
            _, _, request = heapq.heappop(self._due)
            for item in request.items:
                self._process(request, item)
            request.processed = max(request.settles, self._held_until or request.settles)

    def _process(self, request: LoggedRequest, item: Item) -> None:
        place = _place(request, item)
        rule = next(
            (r for r in self.rules if r.matches(request.entity_type, item.external_code)), None
        )
        if not item.unchanged and self._latest[place] is not item:
            item.settle("RecordExpired", ["More recent version of the record has been posted"])
            return
        if rule is not None:
            item.settle(rule.status, [rule.message], rule.category)
            if rule.status == "Warning" and request.api:
                self._p2p.save(request.api, item.external_code, item.content)
        elif self._skips(place, item):
            item.settle("NotProcessed", [])
            return
        elif request.api is None:
            item.settle("Success", [])
        else:
            item.settle(*self._p2p.take(request.api, item.external_code, item.content))
        (self._refused.add if item.status == "Error" else self._refused.discard)(place)

    def _skips(self, place: _Place, item: Item) -> bool:
        """Whether P2P need not look at a record, since it has been given the same before."""
        again = place in self._refused and not self._switches.skip_unchanged_after_error
        return item.unchanged and not again

    def get(self, request_id: str) -> LoggedRequest:
        """One request. Raises 404."""
        found = self.requests.get(request_id)
        if found is None:
            raise not_found()
        return found

    def acknowledge(self, request_ids: list[str]) -> None:
        """Mark settled requests as seen, all or none. Raises 404, 405."""
        now = self._clock.now()
        requests = [self.get(request_id) for request_id in request_ids]
        for request in requests:
            if request.status() not in {"Success", "Error"}:
                raise refused(
                    405,
                    "METHOD_NOT_ALLOWED",
                    f"Request {request.request_id} is {request.status()}",
                )
        for request in requests:
            request.acknowledged = now

    def feedback(self, wanted: Callable[[LoggedRequest, Item], bool]) -> dict[str, dict[str, Any]]:
        """The ErrorFeedbackEntities of settled records that went wrong, by their id."""
        return {
            feedback["id"]: feedback
            for request in self.requests.values()
            for item in request.items
            if item.status in _UNSAVED and wanted(request, item)
            for feedback in [_feedback(request, item)]
        }


#: What is one record: entity type, list key, parent, external code.
_Place: TypeAlias = tuple[str, str | None, str | None, str]


def _place(request: LoggedRequest, item: Item) -> _Place:
    return request.entity_type, request.list_key, item.parent, item.external_code


def _feedback(request: LoggedRequest, item: Item) -> dict[str, Any]:
    return {
        "id": request.feedback_ids.setdefault(item.external_code, str(uuid4())),
        "requestId": request.request_id,
        "externalCode": item.external_code,
        "errorEntity": dumps(_pascal_case(item.content)),
        "entityType": request.entity_type,
        "errorStamp": stamp(request.processed or request.settles),
        "errors": item.messages,
        "targetSystem": SYSTEM,
    }


def _pascal_case(value: Any) -> Any:
    # the embedded copy of what was posted has the server's own spelling (reference 1.5)
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: _pascal_case(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_pascal_case(item) for item in value]
    return value
