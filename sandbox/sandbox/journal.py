"""Every exchange that an origin saw: what tests look at to know what really went over the wire."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.faults import FIRED

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from datetime import datetime

    from aiohttp.typedefs import Middleware

    from sandbox.clock import Clock

RESET = 0  # the status of an exchange that ended in a connection reset


@dataclass(frozen=True)
class Exchange:
    """One request and its answer. Header names are lower case; credentials are left out."""

    number: int
    system: str
    moment: datetime
    method: str
    path: str
    query: dict[str, str]
    raw_path: str
    headers: dict[str, str]
    body: bytes
    status: int
    response_headers: dict[str, str]
    response_body: bytes
    fault: str | None = None

    def summary(self) -> dict[str, Any]:
        """What `sandbox requests` shows: no bodies, no headers."""
        return {
            "number": self.number,
            "moment": self.moment.isoformat(),
            "system": self.system,
            "method": self.method,
            "path": self.raw_path,
            "status": self.status,
            "request_bytes": len(self.body),
            "response_bytes": len(self.response_body),
            "fault": self.fault,
        }


class RequestJournal:
    """The latest exchanges, oldest first. Thread-safe.

    Bounded by count and by bytes of bodies; `dropped` says how many had to go.
    """

    def __init__(
        self, clock: Clock, *, max_exchanges: int = 50_000, max_bytes: int = 256 * 1024 * 1024
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._max_exchanges = max_exchanges
        self._max_bytes = max_bytes
        self._in_hand: set[object] = set()
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._exchanges: deque[Exchange] = deque()
            self._bytes = 0
            self._number = 0
            self.dropped = 0

    @property
    def in_hand(self) -> frozenset[object]:
        """What stands for the requests that are being carried out now."""
        return frozenset(self._in_hand)

    @contextmanager
    def handling(self) -> Iterator[None]:
        """Count a request as in hand during the block."""
        request = object()
        self._in_hand.add(request)
        try:
            yield
        finally:
            self._in_hand.discard(request)

    def record(
        self,
        *,
        system: str,
        request: web.Request,
        body: bytes,
        status: int,
        response_headers: Mapping[str, str],
        response_body: bytes,
    ) -> None:
        """Add one exchange."""
        moment = self._clock.peek()
        with self._lock:
            self._number += 1
            exchange = Exchange(
                number=self._number,
                system=system,
                moment=moment,
                method=request.method,
                path=request.path,
                query=dict(request.query),
                raw_path=request.raw_path,
                headers=_without_credentials(request.headers),
                body=body,
                status=status,
                response_headers={name.lower(): text for name, text in response_headers.items()},
                response_body=response_body,
                fault=request.get(FIRED),
            )
            self._exchanges.append(exchange)
            self._bytes += _size(exchange)
            self._shrink()

    def _shrink(self) -> None:
        while self._exchanges and (
            len(self._exchanges) > self._max_exchanges or self._bytes > self._max_bytes
        ):
            self._bytes -= _size(self._exchanges.popleft())
            self.dropped += 1

    def requests(
        self,
        system: str | None = None,
        method: str | None = None,
        path: str | None = None,
        since: int = 0,
    ) -> list[Exchange]:
        """Exchanges of `system`, with `method`, whose path contains `path`, numbered > `since`."""
        with self._lock:
            kept = list(self._exchanges)
        return [
            exchange
            for exchange in kept
            if exchange.number > since
            and system in (None, exchange.system)
            and method in (None, exchange.method)
            and (path is None or path in exchange.path)
        ]

    def __len__(self) -> int:
        with self._lock:
            return len(self._exchanges)


def journal_middleware(journal: RequestJournal, system: str) -> Middleware:
    """Middleware (the outermost one) that writes every exchange of one origin to `journal`."""

    @web.middleware
    async def keep(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        with journal.handling():
            return await carry_out(request, handler)

    async def carry_out(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        body = await request.read()
        status, headers, sent = 500, {}, b""
        try:
            response = await handler(request)
            status, headers, sent = response.status, dict(response.headers), _body(response)
        except web.HTTPException as error:
            status, headers, sent = error.status, dict(error.headers), _body(error)
            raise
        finally:
            journal.record(
                system=system,
                request=request,
                body=body,
                status=RESET if _was_reset(request) else status,
                response_headers=headers,
                response_body=sent,
            )
        return response

    return keep


def _was_reset(request: web.Request) -> bool:
    return str(request.get(FIRED, "")).startswith("reset_")


def _body(response: web.StreamResponse) -> bytes:
    body = response.body if isinstance(response, web.Response) else None
    return bytes(body) if isinstance(body, bytes | bytearray) else b""


def _size(exchange: Exchange) -> int:
    return len(exchange.body) + len(exchange.response_body)


def _without_credentials(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {name.lower(): text for name, text in headers.items()}
    if "authorization" in kept:
        kept["authorization"] = kept["authorization"].partition(" ")[0]  # the scheme stays
    return kept
