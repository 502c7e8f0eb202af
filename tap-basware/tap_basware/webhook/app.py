"""The webhook as an ASGI application: one address for Basware, two for whoever watches it.

What is refused is refused with a status and nothing else: an answer tells a stranger nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from tap_basware.inbox import InboxError
from tap_basware.notification import BadNotification, Notification, parse
from tap_basware.webhook.signature import ANY, HEADER, is_signed

if TYPE_CHECKING:
    from tap_basware.webhook.group_commit import GroupCommit
    from tap_basware.webhook.metrics import Metrics
    from tap_basware.webhook.signing_secrets import SigningSecrets

logger = logging.getLogger(__name__)

HEALTH = "/healthz"
READY = "/readyz"
#: Seconds in which a body has to arrive.
PATIENCE = 10.0


class Turned(Exception):
    """A request that is turned away; the reason is for our log alone."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True)
class Rules:
    """What is let in. `leeway` is how far Basware's clock and ours may be apart."""

    signature_format: str = ANY
    largest_body: int = 64 * 1024
    accept_expired: bool = False
    accept_unsigned_test: bool = False
    leeway: timedelta = timedelta(minutes=5)
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


@dataclass
class Receiver:
    """Answers Basware, and only when what it said is kept."""

    secrets: SigningSecrets
    commit: GroupCommit
    rules: Rules
    metrics: Metrics
    #: False while it stops: a load balancer sends the next ones elsewhere.
    ready: bool = True

    def application(
        self, path: str, lifespan: Callable[[], AbstractAsyncContextManager[None]]
    ) -> Starlette:
        """Return the application that receives notifications at this path."""

        @asynccontextmanager
        async def live(_: Starlette) -> AsyncIterator[None]:
            async with lifespan():
                yield

        routes = [
            Route(path, self.receive, methods=["POST"]),
            Route(HEALTH, self.health, methods=["GET"]),
            Route(READY, self.readiness, methods=["GET"]),
        ]
        return Starlette(routes=routes, lifespan=live)

    async def receive(self, request: Request) -> Response:
        """Take in one notification."""
        started = time.perf_counter()
        try:
            response, outcome, said = await self._taken_in(request)
        except Turned as turned:
            response, outcome, said = _bare(turned.status), str(turned.status), str(turned)
        except InboxError as error:
            logger.error("%s", error)
            response, outcome, said = _bare(503), "503", "the inbox cannot be written"
        except ClientDisconnect:
            response, outcome, said = _bare(400), "gone", "the client went away"
        spent = time.perf_counter() - started
        self.metrics.answers.labels(outcome).inc()
        self.metrics.seconds.observe(spent)
        peer = request.client.host if request.client else "-"
        logger.info("%s %d %s, %.1f ms", peer, response.status_code, said, spent * 1000)
        return response

    async def health(self, _: Request) -> Response:
        """Say that the process lives."""
        return _bare(200)

    async def readiness(self, _: Request) -> Response:
        """Say whether notifications can be taken in now."""
        return _bare(200 if self.ready else 503)

    async def _taken_in(self, request: Request) -> tuple[Response, str, str]:
        _check_head(request, self.rules.largest_body)
        body = await _body(request, self.rules.largest_body)
        if not await self._is_signed(request, body):
            return self._unsigned(body)
        try:
            notification = parse(body)
        except BadNotification as error:
            raise Turned(400, f"no notification: {error}") from None
        if notification.is_connection_test:
            return _ok(body), "connection_test", "connection test"
        words = _words(notification)
        if not self.rules.accept_expired and notification.expired(
            self.rules.clock(), self.rules.leeway
        ):
            raise Turned(400, f"{words} has expired")
        await self.commit.add(notification)
        return _ok(body), "noted", words

    def _unsigned(self, body: bytes) -> tuple[Response, str, str]:
        """Let a connection test pass where that is set; nothing of it is repeated to a stranger."""
        with suppress(BadNotification):
            if self.rules.accept_unsigned_test and parse(body).is_connection_test:
                return _ok(b"{}"), "connection_test", "unsigned connection test"
        raise Turned(401, "the signature is missing or wrong")

    async def _is_signed(self, request: Request, body: bytes) -> bool:
        headers = request.headers.getlist(HEADER)
        if len(headers) != 1:
            return False
        form = self.rules.signature_format
        if is_signed(body, headers[0], self.secrets.values, form):
            return True
        if not self.secrets.may_look_again:
            return False
        await asyncio.to_thread(self.secrets.look_again)
        return is_signed(body, headers[0], self.secrets.values, form)


def _check_head(request: Request, largest: int) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise Turned(415, "the body is said to be no JSON")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Turned(415, "the body is compressed")
    length = request.headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > largest:
        raise Turned(413, "the body is too long")


async def _body(request: Request, largest: int) -> bytes:
    parts = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                size += len(part)
                if size > largest:
                    raise Turned(413, "the body is too long")
                parts.append(part)
    except TimeoutError:
        raise Turned(408, "the body does not come") from None
    return b"".join(parts)


def _words(notification: Notification) -> str:
    kind = f"{notification.task_type}/{notification.task_sub_type or '-'}"
    return f"{kind} of document {notification.document_id}, task {notification.task_id}"


def _ok(body: bytes) -> Response:
    """Repeat the notification: the declared form of a good answer (reference 6)."""
    return Response(body, 200, {"X-Content-Type-Options": "nosniff"}, "application/json")


def _bare(status: int) -> Response:
    return Response(None, status)
