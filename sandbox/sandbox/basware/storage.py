"""The second origin: where Basware puts large answers and redirects to (reference 2.1, 2.3)."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from aiohttp import web

from sandbox.basware.paging import HEADER

if TYPE_CHECKING:
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock


@dataclass(frozen=True)
class StoredAnswer:
    """One answer waiting to be fetched."""

    body: str
    token: str | None
    expires: datetime


class Shelf:
    """Answers by the secret part of their address. Thread-safe."""

    def __init__(self, clock: Clock, switches: BaswareSwitches) -> None:
        self._clock = clock
        self._switches = switches
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, StoredAnswer] = OrderedDict()

    def clear(self) -> None:
        """Every address expires."""
        with self._lock:
            self._answers.clear()

    def put(self, body: str, token: str | None) -> str:
        """Keep an answer; path and query of its address."""
        name = uuid4().hex
        lifetime = self._switches.redirect_lifetime
        expires = self._clock.peek() + timedelta(seconds=lifetime)
        with self._lock:
            self._answers[name] = StoredAnswer(body, token, expires)
            while len(self._answers) > self._switches.redirect_objects:
                self._answers.popitem(last=False)
        return f"/responses/{name}?X-Amz-Expires={lifetime}"

    def get(self, name: str) -> StoredAnswer | None:
        """The answer, unless its address has expired."""
        with self._lock:
            answer = self._answers.get(name)
        return answer if answer and answer.expires > self._clock.peek() else None


def create_shelf_app(shelf: Shelf) -> web.Application:
    """The origin as an application; its errors are those of an object store."""

    async def fetch(request: web.Request) -> web.Response:
        if "Authorization" in request.headers:
            return _refusal(400, "InvalidArgument", "Only one auth mechanism allowed")
        answer = shelf.get(request.match_info["name"])
        if answer is None:
            return _refusal(403, "AccessDenied", "Request has expired")
        headers = {} if answer.token is None else {HEADER: answer.token}
        return web.Response(text=answer.body, content_type="application/json", headers=headers)

    app = web.Application()
    app.router.add_get("/responses/{name}", fetch)
    return app


def _refusal(status: int, code: str, message: str) -> web.Response:
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")
