"""Faults that tests and the control origin inject into requests, on any origin."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
import threading
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from sandbox.chaos import Chaos

SYSTEMS = ("basware", "storage", "entra", "d365fo", "blobs")
KINDS = ("latency", "status", "reset_before", "reset_after", "batch_part")
# What happened to a request, for the journal.
FIRED = web.RequestKey("fault", str)
# The middleware's; an inner $batch part is the Dynamics application's own business.
_REQUEST_KINDS = frozenset(KINDS) - {"batch_part"}


@dataclass
class Fault:
    """One thing that goes wrong, which requests it happens to, and how often."""

    system: str
    kind: str
    method: str | None = None
    path: str | None = None  # regular expression, searched in the raw path and query
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 0
    times: int = 1  # how often it fires; -1 = always
    skip: int = 0  # how many matching requests pass before it fires

    def __post_init__(self) -> None:
        if self.system not in SYSTEMS:
            msg = f"system is {self.system!r}, expected one of {', '.join(SYSTEMS)}"
            raise ValueError(msg)
        if self.kind not in KINDS:
            msg = f"kind is {self.kind!r}, expected one of {', '.join(KINDS)}"
            raise ValueError(msg)
        self.seconds = float(self.seconds)
        try:
            re.compile(self.path or "")
        except re.error as error:
            msg = f"path {self.path!r} is no regular expression: {error}"
            raise ValueError(msg) from error

    def matches(self, system: str, method: str, raw_path: str) -> bool:
        """Whether this fault is about such a request."""
        return (
            self.system == system
            and self.method in (None, method)
            and (self.path is None or re.search(self.path, raw_path) is not None)
        )


class FaultQueue:
    """The faults waiting to happen, in the order they were added. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Queue `fault` behind those already there."""
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> list[dict[str, Any]]:
        """The faults still waiting, as plain data."""
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(
        self, system: str, method: str, raw_path: str, kinds: frozenset[str] = _REQUEST_KINDS
    ) -> list[Fault]:
        """The faults that fire for this request: any latencies, then at most one other.

        A fault with `skip` left lets the request pass and counts it. Faults queued behind the one
        that fires do not see the request: they wait for their own.
        """
        fired: list[Fault] = []
        with self._lock:
            for fault in list(self._faults):
                if fault.kind not in kinds or not fault.matches(system, method, raw_path):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                self._count(fault)
                fired.append(fault)
                if fault.kind != "latency":
                    break
        return fired

    def take_batch_part(self, method: str, raw_path: str) -> Fault | None:
        """The fault that fires for one part inside a Dynamics $batch, if any."""
        fired = self.take("d365fo", method, raw_path, frozenset({"batch_part"}))
        return fired[0] if fired else None

    def _count(self, fault: Fault) -> None:
        if fault.times > 0:
            fault.times -= 1
        if fault.times == 0:
            self._faults.remove(fault)


def fault_middleware(queue: FaultQueue, chaos: Chaos, system: str) -> Middleware:
    """Middleware that lets the queued faults happen to requests of one origin, else chance.

    `request[FIRED]` is the kind that fired, for the journal.
    """

    @web.middleware
    async def inject(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        last: Fault | None = None
        for fault in queue.take(system, request.method, request.raw_path):
            request[FIRED] = fault.kind
            if fault.kind == "latency":
                await asyncio.sleep(fault.seconds)
            else:
                last = fault
        if last is None:
            return await chaos.handle(system, request, handler)
        if last.kind == "status":
            return web.Response(status=last.status, text=last.body, headers=last.headers)
        if last.kind == "reset_after":
            await handle_for_its_effect(handler, request)
        reset_connection(request)
        return web.Response(status=500)  # never sent: the connection is gone

    return inject


async def handle_for_its_effect(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]], request: web.Request
) -> None:
    """Let a request be done, and lose its answer."""
    try:
        await handler(request)
    except web.HTTPException:
        return  # an answer like any other, and lost like any other


def reset_connection(request: web.Request) -> None:
    """Drop the TCP connection with a reset, not with an orderly close."""
    transport = request.transport
    if transport is None:  # the client has gone already
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
