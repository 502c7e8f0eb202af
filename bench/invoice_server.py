"""Dynamics that takes invoices as fast as they come: `python -m bench.invoice_server`.

It parses what it is sent, refuses a header that is there already and a line without one, counts,
and answers as F&O does, with every field of what was created. It looks at nothing else of an
invoice: that is the sandbox's business in the tests. What is not about invoices, the sandbox
answers once. With `--latency`, every answer about data takes so much longer. With `--capacity`, so
many invoices a second are taken, and whoever comes for more gets 429 with `Retry-After`.

GET /bench is what it counted, POST /bench forgets all of it, and everything that was created.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from bench.replay import Replay

HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"
READ = re.compile(r"/data/(VendorInvoice\w+|VendInvoiceJourBiEntities)\?")
OF_READ = re.compile(rb"\r\nGET \S*" + READ.pattern.encode())
#: Fields that Dynamics adds to what it was sent, in their usual number.
FILLER = {
    HEADERS: b"".join(b'"HeaderFieldOfDynamics%03d":"",' % n for n in range(100)),
    LINES: b"".join(b'"LineFieldOfDynamics%03d":"",' % n for n in range(72)),
}
#: A request that was on its way when the server began to refuse is nobody's fault: the first of its
#: connection since, for so long.
CROSSING_SECONDS = 0.25
#: Seconds of capacity that the server saves up while nobody comes.
SAVED_SECONDS = 2.0


@dataclass
class Counted:
    """What came in. `reads` are requests that read, one row set or several in a `$batch`.

    `early`: requests before the end of a wait that was asked for; `crossing`: those that may have
    been on their way; `latest`: seconds from a refusal to the last request of either kind.
    """

    requests: int = 0
    reads: int = 0
    batches: int = 0
    changesets: int = 0
    largest: int = 0
    headers: int = 0
    lines: int = 0
    refused: int = 0
    throttled: int = 0
    early: int = 0
    crossing: int = 0
    latest: float = 0.0
    first: float = 0.0
    last: float = 0.0


class Capacity:
    """So many invoices a second from `now` on, and no more than two seconds of them saved up."""

    def __init__(self, a_second: float, now: float) -> None:
        self.a_second = a_second
        self.left, self.at = 0.0, now
        self.quiet_from = self._quiet_until = 0.0
        self._seen: set[object] = set()

    def wait(self, now: float) -> int:
        """Return 0 where there is room, else the whole seconds after which there is."""
        earned = (now - self.at) * self.a_second
        self.left, self.at = min(self.left + earned, SAVED_SECONDS * self.a_second), now
        if self.left >= 1:
            return 0
        return max(1, math.ceil((1 - self.left) / self.a_second))

    def close(self, told: float, seconds: int) -> None:
        """Note that the client was told, at an instant, to wait for so many seconds."""
        if told >= self._quiet_until:
            self.quiet_from, self._seen = told, set()
        self._quiet_until = max(self._quiet_until, told + seconds)

    def manners(self, connection: object, now: float) -> str:
        """Return whether a request comes "early", was "crossing", or "" where nobody waits."""
        if now >= self._quiet_until:
            return ""
        if now < self.quiet_from:
            return "crossing"  # the refusal is still on its way
        if now - self.quiet_from > CROSSING_SECONDS or connection in self._seen:
            return "early"
        self._seen.add(connection)
        return "crossing"


class Invoices(Replay):
    """Takes invoices; times in seconds."""

    def __init__(self, upstream: str, ca_file: str, latency: float, capacity: float) -> None:
        super().__init__(upstream, ca_file)
        self.latency, self.a_second = latency, capacity
        self.forget()

    def forget(self) -> None:
        """Have nothing, as freshly started."""
        self.counted = Counted()
        self.kept: set[str] = set()
        self.capacity: Capacity | None = None

    async def _answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> bytes:
        if target == "/bench":
            if method == "POST":
                self.forget()
            return _response("200 OK", "application/json", json.dumps(asdict(self.counted)))
        self.counted.requests += 1
        path = target.partition("?")[0].removeprefix("/data/")
        if method == "POST" and path in {"$batch", HEADERS, LINES}:
            answer = self._write(path, headers, body)
        elif method == "GET" and READ.match(target):
            self.counted.reads += 1
            answer = _response("200 OK", "application/json; odata.metadata=minimal", '{"value":[]}')
        else:
            answer = await super()._answer(method, target, headers, body)
        await asyncio.sleep(self.latency)
        return answer

    def _write(self, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
        now, counted = time.monotonic(), self.counted
        counted.first = counted.first or now
        if (refusal := self._throttle(now)) is not None:
            return refusal
        counted.last = now
        if path == "$batch":
            return self._batch(headers["content-type"], body)
        if path == HEADERS and self.capacity:
            self.capacity.left -= 1
        status, text = self._create(path, body, set())
        return _response(status, "application/json; odata.metadata=minimal", text)

    def _throttle(self, now: float) -> bytes | None:
        if not self.a_second:
            return None
        self.capacity = self.capacity or Capacity(self.a_second, now)
        # asyncio serves each connection by a task of its own.
        connection = asyncio.current_task()
        manners = self.capacity.manners(connection, now)
        self.counted.early += manners == "early"
        self.counted.crossing += manners == "crossing"
        if manners:
            self.counted.latest = max(self.counted.latest, now - self.capacity.quiet_from)
        seconds = self.capacity.wait(now)
        if not seconds:
            return None
        self.capacity.close(now + self.latency, seconds)
        self.counted.throttled += 1
        return _response("429 Too Many Requests", "text/plain", "", f"Retry-After: {seconds}\r\n")

    def _batch(self, content_type: str, body: bytes) -> bytes:
        parts = _split(body, content_type)
        if all(OF_READ.search(part) for part in parts):
            self.counted.reads += 1
            return _batch_response([NOTHING] * len(parts))
        self.counted.batches += 1
        self.counted.largest = max(self.counted.largest, len(parts))
        return _batch_response([self._changeset(part) for part in parts])

    def _changeset(self, part: bytes) -> bytes:
        """Carry out a changeset, all of it or nothing."""
        head, _, content = part.partition(b"\r\n\r\n")
        if self.capacity:
            self.capacity.left -= 1
        self.counted.changesets += 1
        before, created = (self.counted.headers, self.counted.lines), set[str]()
        inner = f"changesetresponse_{uuid.uuid4()}"
        answers = []
        for operation in _split(content, head.decode()):
            outer, request, row = operation.split(b"\r\n\r\n", 2)
            number = re.search(rb"Content-ID: (\S+)", outer)
            found = re.search(rb"POST \S*/data/(\w+)", request)
            if not found or not number:
                raise NotImplementedError(request.decode())
            status, text = self._create(found[1].decode(), row.rstrip(b"\r\n"), created)
            answer = _part(status, number[1], text)
            if not status.startswith("201"):
                self.counted.headers, self.counted.lines = before
                self.kept -= created
                answers = [answer]
                break
            answers.append(answer)
        return (b"Content-Type: multipart/mixed; boundary=%b\r\n\r\n" % inner.encode()) + _join(
            answers, inner
        )

    def _create(self, name: str, body: bytes, created: set[str]) -> tuple[str, bytes]:
        """Return status and text of the answer to one row; adds a header to `created`."""
        row = json.loads(body)
        reference = row["HeaderReference"]
        if (name == HEADERS) == (reference in self.kept):
            self.counted.refused += 1
            error = {"error": {"code": "", "message": "An error has occurred."}}
            return "400 Bad Request", json.dumps(error).encode()
        if name == HEADERS:
            self.kept.add(reference)
            created.add(reference)
            self.counted.headers += 1
        else:
            self.counted.lines += 1
        context = f'{{"@odata.context":"{self.own}/data/$metadata#{name}/$entity",'.encode()
        return "201 Created", context + FILLER[name] + body.lstrip()[1:]


def _split(body: bytes, content_type: str) -> list[bytes]:
    found = re.search(r'boundary="?([^";\s]+)', content_type)
    assert found, content_type
    return [each.removeprefix(b"\r\n") for each in body.split(b"--" + found[1].encode())[1:-1]]


def _join(parts: list[bytes], boundary: str) -> bytes:
    mark = b"--" + boundary.encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def _batch_response(answers: list[bytes]) -> bytes:
    boundary = f"batchresponse_{uuid.uuid4()}"
    text = _join(answers, boundary)
    return _response("200 OK", f"multipart/mixed; boundary={boundary}", text)


def _part(status: str, number: bytes, text: bytes) -> bytes:
    return (
        b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        b"Content-ID: %b\r\n\r\nHTTP/1.1 %b\r\n"
        b"Content-Type: application/json; odata.metadata=minimal\r\n"
        b"Content-Length: %d\r\nOData-Version: 4.0\r\n\r\n%b"
        % (number, status.encode(), len(text), text)
    )


#: The part of an answer about a row set that has no rows.
NOTHING = (
    b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json; odata.metadata=minimal\r\n"
    b'Content-Length: 12\r\n\r\n{"value":[]}'
)


def _response(status: str, content_type: str, text: str | bytes, more: str = "") -> bytes:
    content = text.encode() if isinstance(text, str) else text
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n{more}"
        f"ms-dyn-aid: {uuid.uuid4()}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--ca-file", required=True)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--capacity", type=float, default=0.0, metavar="INVOICES_A_SECOND")
    given = parser.parse_args()
    server = Invoices(given.upstream, given.ca_file, given.latency, given.capacity)
    asyncio.run(server.serve())


if __name__ == "__main__":
    main()
