"""Push notifications (reference 6): subscriptions, and what is posted to whoever subscribed."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import ssl
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import aiohttp

from sandbox.basware.exact_json import stamp
from sandbox.basware.validation import parse_moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock

SIGNATURE = "X-BWAPI-Signature-256"
TASK_TYPES = (
    "AccountingDocuments",
    "ExportedPurchaseRequisitions",
    "ExportedPurchaseOrders",
    "RequestStatus",
    "ExportedContracts",
    "ExportedContractSpends",
)
SUB_TYPES = (
    "WaitingForPrebook",
    "WaitingForTransfer",
    "WaitingForPrebookCancelation",
    "WaitingToBeRemoved",
    "WaitingToBeReturned",
    "WaitingToBeCompleted",
    "WaitingForExport",
    "Error",
    "Success",
    "All",
)
ALL = "All"
TIMEOUT = aiohttp.ClientTimeout(total=10)


class RefusedSubscriptionError(Exception):
    """A subscription that is refused; `code` is what the service calls it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Subscription:
    """One subscription; its kind is task type and sub type."""

    entity: dict[str, Any]
    updated: datetime
    failures: int = 0  # deliveries that failed, one after the other

    @property
    def kind(self) -> tuple[str, str]:
        """What it is told apart by."""
        return self.entity["taskType"], self.entity["taskSubType"]

    def as_json(self) -> dict[str, Any]:
        """The entity as the API gives it: with its secret."""
        return self.entity | {"lastUpdated": stamp(self.updated)}


@dataclass
class Task:
    """One notification and what became of it."""

    payload: dict[str, Any]
    updated: datetime
    status: str = "New"
    history: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The entity as the tasks API gives it."""
        return self.payload | {
            "taskStatus": self.status,
            "isSimulatedTask": False,
            "lastUpdated": stamp(self.updated),
            "taskHistory": list(self.history),
        }


class Notifications:
    """Subscriptions, tasks, and the sender, which runs in the loop that `open` was called in."""

    def __init__(self, clock: Clock, switches: BaswareSwitches) -> None:
        self._clock = clock
        self._switches = switches
        self._lock = threading.Lock()
        self._subscriptions: dict[tuple[str, str], Subscription] = {}
        self._tasks: dict[str, Task] = {}
        self._held: list[tuple[Task, Subscription]] = []
        self._count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._session: aiohttp.ClientSession | None = None
        self._sending: set[asyncio.Task[None]] = set()

    # -- life

    async def open(self, trusted: ssl.SSLContext) -> None:
        """Be ready to send, to receivers whose certificates these authorities signed."""
        self._loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(ssl=trusted, limit=50)
        self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)

    async def close(self) -> None:
        """Send nothing more."""
        for sending in list(self._sending):
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def settle(self) -> None:
        """Return when everything due has been sent, or given up."""
        self._release()
        while self._sending:
            await asyncio.wait(set(self._sending))

    def clear(self) -> None:
        """Forget subscriptions and tasks."""
        with self._lock:
            self._subscriptions.clear()
            self._tasks.clear()
            self._held.clear()
            self._count = 0

    # -- subscriptions

    async def subscribe(self, entities: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take up subscriptions whose address answers a connection test, all or none.

        Raises RefusedSubscriptionError.
        """
        tidy = [_tidy(entity) for entity in entities]
        for entity in tidy:
            if not await self._answers(entity):
                msg = f"notificationWebhookURL {entity['notificationWebhookURL']} does not answer"
                raise RefusedSubscriptionError("CONNECTION_TEST_FAILED", msg)
        with self._lock:
            taken = [Subscription(entity, self._clock.now()) for entity in tidy]
            self._subscriptions |= {each.kind: each for each in taken}
        return [each.as_json() for each in taken]

    def subscriptions(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """`GET /v1/subscriptions`."""
        with self._lock:
            found = [each for each in self._subscriptions.values() if _wanted(each, query)]
        return [each.as_json() for each in found]

    def unsubscribe(self, query: Mapping[str, str]) -> int:
        """`DELETE /v1/subscriptions`: how many there were."""
        with self._lock:
            gone = [each for each in self._subscriptions.values() if _wanted(each, query)]
            for each in gone:
                del self._subscriptions[each.kind]
        return len(gone)

    def drop_subscriptions(self) -> int:
        """What happens at Basware without a word: there are no subscriptions any more."""
        with self._lock:
            count = len(self._subscriptions)
            self._subscriptions.clear()
        return count

    def tasks(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """`GET /v1/tasks`, all of them."""
        names = ("taskType", "taskStatus", "documentId")
        with self._lock:
            found = [task.as_json() for task in self._tasks.values()]
        return [
            task
            for task in found
            if all(query.get(name) in (None, "", task[name]) for name in names)
        ]

    # -- what happens

    def happened(self, task_type: str, sub_type: str, document_id: str) -> None:
        """Notify whoever subscribed to this; called from any thread."""
        with self._lock:
            wanted = [
                each
                for each in self._subscriptions.values()
                if each.kind[0] == task_type and each.kind[1] in (sub_type, ALL)
            ]
            if not wanted:
                return
            task = self._new_task(task_type, sub_type, document_id)
            loop = self._loop
        if loop is not None:
            for subscription in wanted:
                loop.call_soon_threadsafe(self._dispatch, task, subscription)

    def _new_task(self, task_type: str, sub_type: str, document_id: str) -> Task:
        now = self._clock.now()
        misspelled = self._switches.misspelled_task_type and task_type == "AccountingDocuments"
        payload = {
            "taskId": str(uuid4()),
            "taskStatus": "New",
            "taskType": "AccoutingDocuments" if misspelled else task_type,
            "taskSubType": sub_type,
            "documentId": document_id,
            "expirationTime": stamp(now + timedelta(seconds=self._switches.notification_lifetime)),
        }
        task = Task(payload, now)
        task.history.append(
            {"action": "New", "timeStamp": stamp(now), "messages": ["Task Created"]}
        )
        self._tasks[payload["taskId"]] = task
        return task

    def _dispatch(self, task: Task, subscription: Subscription) -> None:
        """Send it in the way that the switches say; every n-th meets its fate."""
        self._count += 1
        switches = self._switches
        if _is_due(self._count, switches.drop_percent):
            return
        if switches.reorder:
            self._held.append((task, subscription))
            if len(self._held) >= switches.reorder:
                self._release()
            return
        self._start(task, subscription)

    def _release(self) -> None:
        """Send what was held back, the latest first."""
        held, self._held = self._held, []
        for task, subscription in reversed(held):
            self._start(task, subscription)

    def _start(self, task: Task, subscription: Subscription) -> None:
        sending = asyncio.ensure_future(self._send(task, subscription))
        self._sending.add(sending)
        sending.add_done_callback(self._sending.discard)

    async def _send(self, task: Task, subscription: Subscription) -> None:
        switches = self._switches
        if switches.forge:
            forged = task.payload | {"documentId": "forged", "taskId": str(uuid4())}
            await self._post(subscription, forged, secret="not the secret")  # noqa: S106
        for attempt in range(switches.notification_attempts):
            if attempt:
                await asyncio.sleep(switches.notification_pause)
            status = await self._post(subscription, task.payload)
            self._record(task, subscription, status)
            if status == 200:
                break
        for _ in range(switches.duplicates):
            await self._post(subscription, task.payload)

    def _record(self, task: Task, subscription: Subscription, status: int) -> None:
        now = self._clock.now()
        task.updated = now
        task.status = "Completed" if status == 200 else "Failed"
        said = f"answered {status}" if status else "did not answer"
        task.history.append({"action": task.status, "timeStamp": stamp(now), "messages": [said]})
        subscription.failures = 0 if status == 200 else subscription.failures + 1
        limit = self._switches.drop_subscription_after
        if limit and subscription.failures >= limit:
            with self._lock:
                self._subscriptions.pop(subscription.kind, None)

    async def _answers(self, entity: dict[str, Any]) -> bool:
        test = {
            "taskId": str(uuid4()),
            "taskStatus": "New",
            "taskType": "ConnectionTest",
            "documentId": "ConnectionTest",
        }
        subscription = Subscription(entity, self._clock.now())
        signed = self._switches.connection_test_signed
        return await self._post(subscription, test, signed=signed) == 200

    async def _post(
        self,
        subscription: Subscription,
        payload: dict[str, Any],
        *,
        secret: str | None = None,
        signed: bool = True,
    ) -> int:
        """The status of the answer, 0 where there is none."""
        if self._session is None:
            return 0
        body = json.dumps(payload, ensure_ascii=False).encode()
        key = secret or subscription.entity["webhookAuthenticationToken"]
        headers = {"Content-Type": "application/json"}
        if signed:
            headers[SIGNATURE] = signature(key, body, self._switches.signature_form)
        url = subscription.entity["notificationWebhookURL"]
        try:
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0


def signature(key: str, body: bytes, form: str) -> str:
    """The signature header: `hex`, `HEX` or `base64` of the HMAC, perhaps behind `sha256=`."""
    digest = hmac.digest(key.encode(), body, "sha256")
    prefix, _, encoding = form.rpartition("=")
    encoded = {
        "hex": digest.hex(),
        "HEX": digest.hex().upper(),
        "base64": base64.b64encode(digest).decode(),
    }[encoding]
    return f"{prefix}={encoded}" if prefix else encoded


def trusting(ca_file: str) -> ssl.SSLContext:
    """What the sender trusts: this authority alone."""
    return ssl.create_default_context(cafile=ca_file)


def _is_due(count: int, percent: int) -> bool:
    """Whether the count-th is one of so many percent, spread evenly."""
    return count * percent // 100 != (count - 1) * percent // 100


def _wanted(subscription: Subscription, query: Mapping[str, str]) -> bool:
    task_type, sub_type = query.get("taskType") or ALL, query.get("taskSubType") or ALL
    since = parse_moment(query.get("lastUpdated") or "")
    return (
        task_type in (ALL, subscription.kind[0])
        and sub_type in (ALL, subscription.kind[1])
        and (since is None or subscription.updated > since)
    )


def _tidy(entity: Any) -> dict[str, Any]:
    """Check one subscription as the schema has it. Raises RefusedSubscriptionError."""
    code = "SCHEMA_VALIDATION_ERROR"
    if not isinstance(entity, dict):
        raise RefusedSubscriptionError(code, "an object is expected")
    known = {
        "taskType": str,
        "taskSubType": str,
        "subscriptionType": str,
        "notificationWebhookURL": str,
        "webhookAuthenticationToken": str,
        "lastUpdated": str,
        "autoResponder": dict,
    }
    for name, value in entity.items():
        if name not in known:
            raise RefusedSubscriptionError(code, f"{name} extra fields not permitted")
        if not isinstance(value, known[name]) and value is not None:
            raise RefusedSubscriptionError(code, f"{name} has the wrong type")
    for name in (
        "taskType",
        "subscriptionType",
        "notificationWebhookURL",
        "webhookAuthenticationToken",
    ):
        if not entity.get(name):
            raise RefusedSubscriptionError(code, f"{name} field required")
    default = "Error" if entity["taskType"] == "RequestStatus" else ALL
    tidy = {
        "taskType": entity["taskType"],
        "taskSubType": entity.get("taskSubType") or default,
        "subscriptionType": entity["subscriptionType"],
        "notificationWebhookURL": entity["notificationWebhookURL"],
        "webhookAuthenticationToken": entity["webhookAuthenticationToken"],
    }
    if tidy["taskType"] not in TASK_TYPES or tidy["taskSubType"] not in SUB_TYPES:
        raise RefusedSubscriptionError(code, "taskType or taskSubType is not supported")
    if tidy["subscriptionType"] != "Webhook":
        raise RefusedSubscriptionError(code, "subscriptionType must be Webhook")
    if not tidy["notificationWebhookURL"].startswith("https://"):
        raise RefusedSubscriptionError(code, "notificationWebhookURL must be https")
    return tidy
