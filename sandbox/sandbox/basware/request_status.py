"""What became of each write: requestStatus and its older mirror, errorFeedbacks (4.4, 4.5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sandbox.basware.errors import not_found, refused
from sandbox.basware.exact_json import dumps, stamp

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """One record of a request and how it ended."""

    external_code: str
    content: dict[str, Any]
    parent: str | None = None
    status: str = "Success"
    message: str = ""
    category: str = "DataValidation"

    def as_json(self, status: str) -> dict[str, Any]:
        """The ProcessedItem."""
        item: dict[str, Any] = {"externalCode": self.external_code}
        if self.parent is not None:
            item["parentExternalCode"] = self.parent
        item["status"] = status
        if status in _UNSAVED:
            item["errors"] = [{"type": status, "message": self.message, "category": self.category}]
        return item


@dataclass
class LoggedRequest:
    """One write and the state of its processing."""

    request_id: str
    entity_type: str
    version: str
    operation: str
    items: list[Item]
    submitted: datetime
    settles: datetime
    list_key: str | None = None
    acknowledged: datetime | None = None
    feedback_ids: dict[str, str] = field(default_factory=dict)

    def settled(self, now: datetime) -> bool:
        """Whether the target system has answered."""
        return self.settles <= now

    def status(self, now: datetime) -> str:
        """The aggregated requestStatus."""
        if not self.settled(now):
            return "InProgress"
        final = "Error" if any(item.status in _UNSAVED for item in self.items) else "Success"
        return f"Acknowledged{final}" if self.acknowledged else final

    def updated(self, now: datetime) -> datetime:
        """When the entry last changed."""
        if self.acknowledged:
            return self.acknowledged
        return self.settles if self.settled(now) else self.submitted

    def as_json(self, now: datetime, *, ignore_successful: bool) -> dict[str, Any]:
        """The ConsumerLogEventUserView."""
        status, updated = self.status(now), stamp(self.updated(now))
        items = [
            item.as_json(item.status if self.settled(now) else "InProgress") for item in self.items
        ]
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
    """All writes by request id. Not locked: the state that owns it is."""

    def __init__(self, clock: Clock, switches: BaswareSwitches) -> None:
        self._clock = clock
        self._switches = switches
        self.rules: list[OutcomeRule] = []
        self.requests: dict[str, LoggedRequest] = {}
        self._latest: dict[tuple[str, str | None, str], tuple[LoggedRequest, Item]] = {}

    def clear(self) -> None:
        """Forget every request and rule."""
        self.rules.clear()
        self.requests.clear()
        self._latest.clear()

    def submit(
        self,
        request_id: str,
        entity_type: str,
        operation: str,
        items: list[Item],
        *,
        version: str = "V1",
        list_key: str | None = None,
    ) -> None:
        """Queue a write for the target system; it settles after `settle_seconds`."""
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
        )
        for item in items:
            self._apply_rules(entity_type, item)
            self._expire_older(request, item, now)
        self.requests[request_id] = request

    def _apply_rules(self, entity_type: str, item: Item) -> None:
        for rule in self.rules:
            if rule.matches(entity_type, item.external_code):
                item.status, item.message = rule.status, rule.message
                item.category = rule.category
                return

    def _expire_older(self, request: LoggedRequest, item: Item, now: datetime) -> None:
        # only the later of two versions that wait at the same time is saved
        place = (request.entity_type, request.list_key, f"{item.parent}/{item.external_code}")
        older = self._latest.get(place)
        if older is not None and not older[0].settled(now) and item.status != "NotProcessed":
            older[1].status = "RecordExpired"
            older[1].message = "More recent version of the record has been posted"
        self._latest[place] = (request, item)

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
            if request.status(now) not in {"Success", "Error"}:
                raise refused(
                    405,
                    "METHOD_NOT_ALLOWED",
                    f"Request {request.request_id} is {request.status(now)}",
                )
        for request in requests:
            request.acknowledged = now

    def feedback(self, wanted: Callable[[LoggedRequest, Item], bool]) -> dict[str, dict[str, Any]]:
        """The ErrorFeedbackEntities of settled records that went wrong, by their id."""
        now = self._clock.peek()
        return {
            feedback["id"]: feedback
            for request in self.requests.values()
            if request.settled(now)
            for item in request.items
            if item.status in _UNSAVED and wanted(request, item)
            for feedback in [_feedback(request, item)]
        }


def _feedback(request: LoggedRequest, item: Item) -> dict[str, Any]:
    return {
        "id": request.feedback_ids.setdefault(item.external_code, str(uuid4())),
        "requestId": request.request_id,
        "externalCode": item.external_code,
        "errorEntity": dumps(_pascal_case(item.content)),
        "entityType": request.entity_type,
        "errorStamp": stamp(request.settles),
        "errors": [item.message],
        "targetSystem": SYSTEM,
    }


def _pascal_case(value: Any) -> Any:
    # the embedded copy of what was posted has the server's own spelling (reference 1.5)
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: _pascal_case(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_pascal_case(item) for item in value]
    return value
