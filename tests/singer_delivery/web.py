"""A small HTTP server on loopback that plays a script: statuses, resets, silence."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """An answer of the script; `cut` announces more bytes than it sends, then hangs up."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hang_up: bool = False


@dataclass(frozen=True)
class Reset:
    """A TCP reset instead of an answer: the request was read whole, or not read at all."""

    read: bool = True


@dataclass(frozen=True)
class Vanish:
    """The connection ends without an answer and without TLS goodbye; `junk` is sent first."""

    junk: bytes = b""


@dataclass(frozen=True)
class Silence:
    """No answer until the server is closed."""


Step = Answer | Reset | Vanish | Silence


@dataclass(frozen=True)
class Seen:
    """A request as the server received it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        script = self.server.script
        step = script.next_step(self.headers.get("Authorization", ""))
        if step == Reset(read=False):
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        script.seen(Seen(self.command, self.path, dict(self.headers.items()), body))
        match step:
            case Reset():
                self._reset()
            case Vanish():
                self._vanish(step.junk)
            case Silence():
                script.closing.wait(10)
                self.close_connection = True
            case Answer():
                self._answer(step)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815

    def _answer(self, step: Answer) -> None:
        self.send_response_only(step.status)
        for name, value in step.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(step.body) + 100 * step.cut))
        self.end_headers()
        self.wfile.write(step.body)
        if step.cut or step.hang_up:
            self.close_connection = True

    def _reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._vanish(b"")

    def _vanish(self, junk: bytes) -> None:
        # The file descriptor itself: an SSLSocket would say goodbye, or encrypt the junk.
        descriptor = self.connection.detach()
        raw = socket.socket(fileno=descriptor)
        if junk:
            raw.sendall(junk)
        raw.close()
        self.close_connection = True
        self.wfile = _Nowhere()  # type: ignore[assignment]

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


class _Nowhere:
    closed = False

    def write(self, _: bytes) -> int:
        return 0

    def flush(self) -> None: ...

    def close(self) -> None: ...


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    script: ScriptedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients of these tests break off on purpose."""

    def shutdown_request(self, request: Any) -> None:
        if request.fileno() != -1:
            super().shutdown_request(request)


class ScriptedServer:
    """Answers requests by the script, then with 200; keeps what it received.

    `tokens`, where given, are the Authorization values that are accepted; any other gets a 401.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.script: deque[Step] = deque()
        self.requests: list[Seen] = []
        self.tokens: set[str] | None = None
        self.default: Step = Answer()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://localhost:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def play(self, *steps: Step) -> None:
        """Answer the next requests with these steps."""
        self.script.extend(steps)

    def next_step(self, authorization: str) -> Step:
        """Take the step for a request."""
        with self._lock:
            if self.tokens is not None and authorization not in self.tokens:
                return Answer(401)
            return self.script.popleft() if self.script else self.default

    def seen(self, request: Seen) -> None:
        """Keep a request."""
        with self._lock:
            self.requests.append(request)

    @property
    def writes(self) -> list[Seen]:
        """The requests that change something."""
        return [request for request in self.requests if request.method != "GET"]
