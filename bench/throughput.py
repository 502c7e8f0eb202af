"""Invoices a second: `python -m bench.throughput [--invoices N] [--latency MS] ...`.

target-d365fo against a server in a process of its own, which answers look-ups and `$batch` as
Dynamics would, holds nothing, and takes as long as it is told: a round trip, a time for each
changeset on so many workers, and, with `--capacity`, no more requests a second than that (429).
`--sandbox` has the sandbox in its place, which takes as long as it does. Beside it the raw loop,
which sends the same requests on as many connections, without Singer, ledger and mapping.

Prints invoices a second, CPU of the client, requests an invoice, and early requests: those that
were sent before a Retry-After was over. The start of the process is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import logging
import math
import multiprocessing
import re
import statistics
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import simplejson
from aiohttp import web
from sandbox.faults import Fault
from sandbox.journal import RequestJournal
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox
from sandbox.tls import make_ca
from singer_delivery.delivery import BATCH_SIZE
from singer_delivery.document import Status
from target_d365fo.accounting_document import OFFERED
from target_d365fo.courier import InvoiceCourier, InvoiceRules
from target_d365fo.judgement import Plan
from target_d365fo.operations import changeset
from target_d365fo.sources import basware_source
from target_d365fo.target import TargetD365FO

ROOT = Path(__file__).parents[1]
Row = tuple[str, Any]
ROWS = 5
#: What F&O sends back for a new row, roughly: all fields of it.
HEADER_BYTES, LINE_BYTES = 3500, 2400
BOUNDARY = re.compile(rb"Content-Type: multipart/mixed; boundary=(\S+)")
READ = re.compile(rb"\r\nGET https?://")
NOTHING = b'{"@odata.context":"x","value":[]}'


@dataclass(frozen=True)
class Pretence:
    """How the server behaves. Seconds; `capacity` in requests a second, 0 for no limit.

    `queue`, `row`: how long an import waits, and takes for each row; in the sandbox alone.
    """

    latency: float = 0.1
    work: float = 0.0
    workers: int = 8
    capacity: float = 0.0
    burst: float = 10.0
    queue: float = 0.0
    row: float = 0.0


class Server:
    """Answers as Dynamics would that holds nothing yet."""

    def __init__(self, pretence: Pretence) -> None:
        self.pretence = pretence
        self.requests = self.changesets = self.refused = 0
        self._tokens, self._filled = pretence.burst, time.monotonic()
        self._workers = asyncio.Semaphore(pretence.workers)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/data/$batch", self.batch)
        app.router.add_get("/data/{entity_set}", self.read)
        app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", self.discover)
        app.router.add_post("/{tenant}/oauth2/v2.0/token", self.token)
        return app

    async def discover(self, request: web.Request) -> web.Response:
        base = f"{request.url.origin()}/{request.match_info['tenant']}"
        return web.json_response(
            {
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "issuer": base,
            }
        )

    async def token(self, _: web.Request) -> web.Response:
        return web.json_response(
            {"access_token": "x" * 1500, "expires_in": 3599, "token_type": "Bearer"}
        )

    async def read(self, _: web.Request) -> web.Response:
        self.requests += 1
        await asyncio.sleep(self.pretence.latency)
        return self._throttled() or web.Response(body=NOTHING, content_type="application/json")

    async def batch(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.read()
        if refusal := self._throttled():
            await asyncio.sleep(self.pretence.latency)
            return refusal
        _, *changesets = BOUNDARY.findall(b"Content-Type: multipart/mixed; boundary=x\r\n" + body)
        parts = [_changeset(body.count(b"--" + name + b"\r\n")) for name in changesets]
        parts += [_read_part()] * len(READ.findall(body))
        self.changesets += len(changesets)
        if self.pretence.work:
            async with self._workers:
                await asyncio.sleep(self.pretence.work * len(changesets))
        await asyncio.sleep(self.pretence.latency)
        answer = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
        headers = {"Content-Type": "multipart/mixed; boundary=b", "ms-dyn-aid": str(uuid.uuid4())}
        return web.Response(body=answer, headers=headers)

    def _throttled(self) -> web.Response | None:
        """A bucket of tokens, filled at the capacity."""
        if not self.pretence.capacity:
            return None
        now = time.monotonic()
        gained = (now - self._filled) * self.pretence.capacity
        self._tokens, self._filled = min(self.pretence.burst, self._tokens + gained), now
        if self._tokens >= 1:
            self._tokens -= 1
            return None
        self.refused += 1
        wait = math.ceil((1 - self._tokens) / self.pretence.capacity)
        return web.Response(status=429, headers={"Retry-After": str(wait)})


def _changeset(operations: int) -> bytes:
    inner = b"".join(
        b"--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        b'Content-ID: %d\r\n\r\nHTTP/1.1 201 Created\r\nETag: W/"x"\r\n'
        b"Content-Type: application/json; odata.metadata=minimal\r\nContent-Length: %d\r\n"
        b"OData-Version: 4.0\r\n\r\n%s\r\n" % (number, len(body), body)
        for number, body in enumerate(_bodies(operations), start=1)
    )
    return b"Content-Type: multipart/mixed; boundary=c\r\n\r\n" + inner + b"--c--\r\n"


def _bodies(operations: int) -> Iterator[bytes]:
    for number in range(operations):
        room = LINE_BYTES if number else HEADER_BYTES
        yield b'{"@odata.etag":"W/x","Filler":"%s"}' % (b"x" * room)


def _read_part() -> bytes:
    return (
        b"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
        % (len(NOTHING), NOTHING)
    )


def serve(pretence: Pretence, folder: str, channel: Connection) -> None:
    """Serve until told to end; address and certificate, then counts, go through the channel."""

    async def run() -> None:
        authority = make_ca(Path(folder))
        server = Server(pretence)
        runner = web.AppRunner(server.app(), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "localhost", 0, ssl_context=authority.server_context)
        await site.start()
        url = f"https://localhost:{runner.addresses[0][1]}"
        channel.send(Where(url, url, str(authority.ca_file)))
        while await asyncio.to_thread(channel.recv):
            channel.send(Counts(server.requests, server.refused, server.changesets))
        await runner.cleanup()

    asyncio.run(run())


def serve_sandbox(pretence: Pretence, folder: str, channel: Connection) -> None:
    """The same with the sandbox, which holds what it is sent, and looks at every value."""
    box = Sandbox(directory=Path(folder))
    box.journal = RequestJournal(box.clock, max_exchanges=10**6, max_bytes=4 * 1024**3)
    with box as sandbox:
        sandbox.load(small_world(("usmf",)))
        sandbox.switches.d365fo.package_queue_seconds = pretence.queue
        sandbox.switches.d365fo.package_row_seconds = pretence.row
        if pretence.latency:
            fault = Fault("d365fo", "latency", seconds=pretence.latency, times=-1)
            sandbox.faults.add(fault)
        channel.send(Where(sandbox.d365fo_url, sandbox.entra_url, str(sandbox.ca_file)))
        while channel.recv():
            asked = sandbox.journal.requests("d365fo")
            held = sum(1 for _ in sandbox.d365fo.rows("VendorInvoiceHeaders"))
            channel.send(Counts(len(asked), sum(one.status == 429 for one in asked), held))


@dataclass(frozen=True)
class Where:
    """Where a server is reached, and which authority its certificate is from."""

    url: str
    authority: str
    ca_file: str


@dataclass(frozen=True)
class Counts:
    """Requests to Dynamics, those of them that were refused with 429, and invoices taken."""

    requests: int
    refused: int
    invoices: int


@dataclass(frozen=True)
class Remote:
    """The server, as the client sees it."""

    url: str
    authority: str
    ca_file: str
    counts: Callable[[], Counts]


@contextmanager
def serving(pretence: Pretence, *, sandbox: bool = False) -> Iterator[Remote]:
    """Give a server in a process of its own."""
    ours, theirs = multiprocessing.Pipe()

    def counts() -> Counts:
        ours.send("counts")
        found: Counts = ours.recv()
        return found

    with tempfile.TemporaryDirectory() as folder:
        process = multiprocessing.get_context("spawn").Process(
            target=serve_sandbox if sandbox else serve, args=(pretence, folder, theirs)
        )
        process.start()
        try:
            where: Where = ours.recv()
            yield Remote(where.url, where.authority, where.ca_file, counts)
        finally:
            ours.send("")
            process.join()


@dataclass(frozen=True)
class Measured:
    """What one run took; `requests` counts those to Dynamics, `early` those before Retry-After."""

    seconds: float
    cpu: float
    requests: int
    refused: int
    early: int
    invoices: int

    @property
    def rate(self) -> float:
        return self.invoices / self.seconds

    def __str__(self) -> str:
        return (
            f"{self.rate:7.1f}/s, {self.cpu * 1000 / self.invoices:5.2f} ms CPU and "
            f"{self.requests / self.invoices:.3f} requests an invoice"
            + (f", {self.refused} refused, {self.early} early" if self.refused else "")
        )


class Watch:
    """Notes what is sent while a server has asked to wait."""

    def __init__(self) -> None:
        self.early = 0
        self._until = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[Watch]:
        real = requests.Session.send

        def send(session: requests.Session, request: Any, **options: Any) -> requests.Response:
            with self._lock:
                self.early += "/data/" in request.url and time.monotonic() < self._until
            answer = real(session, request, **options)
            if wait := answer.headers.get("Retry-After"):
                with self._lock:
                    self._until = max(self._until, time.monotonic() + float(wait))
            return answer

        requests.Session.send = send  # type: ignore[method-assign,assignment]
        try:
            yield self
        finally:
            requests.Session.send = real  # type: ignore[method-assign]


def measure(remote: Remote, invoices: int, work: Callable[[], None]) -> Measured:
    """Measure one run of `work`, which delivers so many invoices."""
    before = remote.counts()
    watch = Watch()
    with watch.watching():
        cpu, start = time.process_time(), time.perf_counter()
        work()
        seconds, used = time.perf_counter() - start, time.process_time() - cpu
    after = remote.counts()
    done = after.invoices - before.invoices
    assert done == invoices, f"{done} of {invoices} invoices arrived"
    asked, refused = after.requests - before.requests, after.refused - before.refused
    return Measured(seconds, used, asked, refused, watch.early, invoices)


def records(invoices: int, start: int = 0) -> list[dict[str, Any]]:
    """Return approved invoices of five coding rows."""
    rows = [coding_row(net="20.00") for _ in range(ROWS)]
    return [
        accounting_document(number=f"INV-{number:06d}", rows=rows)
        for number in range(start, start + invoices)
    ]


def messages(found: list[dict[str, Any]]) -> str:
    """Return the Singer messages of them."""
    stream = "accounting_documents"
    told: list[Mapping[str, Any]] = [
        {
            "type": "SCHEMA",
            "stream": stream,
            "schema": {"properties": {}},
            "key_properties": ["invoiceId"],
        },
        *({"type": "RECORD", "stream": stream, "record": record} for record in found),
        {"type": "STATE", "value": {"bookmarks": {stream: {}}}},
    ]
    return "".join(simplejson.dumps(one, use_decimal=True, default=str) + "\n" for one in told)


def connected(remote: Remote, ledger: Path) -> dict[str, Any]:
    """Return the settings by which target-d365fo reaches the server, with this ledger."""
    return {
        "base_url": remote.url,
        "authority": remote.authority,
        "tenant_id": "11111111-2222-3333-4444-555555555555",
        "client_id": "99999999-8888-7777-6666-555555555555",
        "client_secret": "entra-secret",
        "ca_file": remote.ca_file,
        "mapping_file": str(ROOT / "mapping.yml"),
        "ledger_url": f"sqlite:///{ledger}",
        "progress_seconds": 0,
    }


def target(remote: Remote, ledger: Path, settings: Mapping[str, Any]) -> TargetD365FO:
    """Return the target with settings for the server."""
    config = {
        **connected(remote, ledger),
        "default_dimension_format": "Department-BusinessUnit-Project-CostCenter",
        "ledger_dimension_format": "MainAccount-BusinessUnit-Department-CostCenter-Project",
        "dimension_delimiter": "-",
        **settings,
    }
    return TargetD365FO(config=config, parse_env_config=False)


def through_target(
    remote: Remote, folder: Path, text: str, settings: Mapping[str, Any]
) -> Callable[[], None]:
    """Return the run of the target over these messages, with a new ledger."""
    made = target(remote, folder / f"{uuid.uuid4()}.db", settings)
    assert made.ledger
    assert made.mapping

    def run() -> None:
        with redirect_stdout(io.StringIO()):
            made.listen(io.StringIO(text))
        (delivery,) = made._deliveries
        assert set(delivery.tally) == {Status.DELIVERED}, delivery.tally
        made.client.close()
        made.ledger.close()

    return run


def rows_of(remote: Remote, folder: Path, found: list[dict[str, Any]]) -> list[list[Row]]:
    """Return the rows of each invoice as they are sent, its entity set first; mapped ahead."""
    made = target(remote, folder / "unused.db", {})
    source = basware_source(made.mapping, OFFERED)
    courier = InvoiceCourier(
        made.client, source, lambda: made.dimension_formats, made.invoice_lookup, InvoiceRules()
    )
    documents = [courier.prepare(record) for record in found]
    made.client.close()
    return [
        [(operation.url, operation.body) for operation in changeset(made.client, one, Plan())]
        for one in documents
    ]


@dataclass(frozen=True)
class RawLoop:
    """The same requests: as many look-ups a slice, and as many changesets a request.

    `token` is a bearer token, or anything where nobody looks.
    """

    remote: Remote
    invoices: list[list[Row]]
    together: int
    connections: int
    token: str = "x"
    session: requests.Session = field(default_factory=requests.Session)

    def __call__(self) -> None:
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=self.connections)
        self.session.mount("https://", adapter)
        with ThreadPoolExecutor(self.connections) as pool:
            tasks = []
            for start in range(0, len(self.invoices), BATCH_SIZE):
                some = self.invoices[start : start + BATCH_SIZE]
                tasks.append(pool.submit(self._look_up, len(some)))
                for first in range(0, len(some), self.together):
                    part = some[first : first + self.together]
                    tasks.append(pool.submit(self._create, part))
            for task in tasks:
                task.result()
        self.session.close()

    def _look_up(self, size: int) -> None:
        """Two requests: pending and posted by number, then posted by description."""
        chunks = math.ceil(size / 40)
        text = " or ".join(f"HeaderReference eq 'BW{n:018}'" for n in range(40))
        url = f"{self.remote.url}/data/VendorInvoiceHeaders?$filter={quote(text)}"
        for some in (math.ceil(2 * size / 40) + chunks, chunks):
            part = (
                "--r\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary"
                f"\r\n\r\nGET {url} HTTP/1.1\r\n\r\n\r\n"
            )
            self._post("r", (part * some + "--r--\r\n").encode(), some)

    def _create(self, invoices: list[list[Row]]) -> None:
        outer = f"batch_{uuid.uuid4()}"
        changesets = "".join(_written(outer, rows) for rows in invoices)
        self._post(outer, f"{changesets}--{outer}--\r\n".encode(), sum(map(len, invoices)))

    def _post(self, boundary: str, body: bytes, expected: int) -> None:
        headers = {
            "Content-Type": f"multipart/mixed; boundary={boundary}",
            "Authorization": self.token,
        }
        url = f"{self.remote.url}/data/$batch"
        while True:
            answer = self.session.post(
                url, data=body, headers=headers, verify=self.remote.ca_file, timeout=120
            )
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        done = answer.content.count(b"HTTP/1.1 20")
        assert done == expected, f"{done} of {expected} operations were done"


def _written(outer: str, rows: list[Row]) -> str:
    inner = f"changeset_{uuid.uuid4()}"
    parts = [f"--{outer}\r\nContent-Type: multipart/mixed; boundary={inner}\r\n\r\n"]
    for content_id, (url, row) in enumerate(rows, start=1):
        body = json.dumps(row, default=float)
        parts.append(
            f"--{inner}\r\nContent-Type: application/http\r\n"
            f"Content-Transfer-Encoding: binary\r\nContent-ID: {content_id}\r\n\r\n"
            f"POST {url} HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
            f"Content-Type: application/json\r\n\r\n{body}\r\n"
        )
    return "".join([*parts, f"--{inner}--\r\n\r\n"])


def bearer(remote: Remote, folder: Path) -> str:
    """Return a token as the header has it."""
    made = target(remote, folder / "unused.db", {})
    assert made.client.credentials
    return made.client.credentials.header()


def main() -> None:
    """Measure in pairs and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=1000, metavar="N")
    parser.add_argument("--latency", type=float, default=100.0, metavar="MS")
    parser.add_argument("--work", type=float, default=0.0, metavar="MS", help="for each changeset")
    parser.add_argument("--workers", type=int, default=8, help="changesets at a time on the server")
    parser.add_argument("--capacity", type=float, default=0.0, help="requests a second, else 429")
    parser.add_argument("--burst", type=float, default=10.0, help="requests beyond the capacity")
    parser.add_argument("--sandbox", action="store_true", help="the sandbox as the server")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument(
        "--together", type=int, default=10, help="invoices a request, of the raw loop"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="setting")
    given = parser.parse_args()
    logging.disable(logging.INFO)
    pretence = Pretence(
        given.latency / 1000, given.work / 1000, given.workers, given.capacity, given.burst
    )
    settings: dict[str, Any] = {"max_connections": given.connections}
    settings |= {name: json.loads(value) for name, value in (s.split("=", 1) for s in given.set)}
    print(asdict(pretence), settings)
    ratios = []
    count = given.invoices
    with (
        serving(pretence, sandbox=given.sandbox) as remote,
        tempfile.TemporaryDirectory() as work,
    ):
        folder = Path(work)
        through_target(remote, folder, messages(records(20, 10**6)), settings)()
        token = bearer(remote, folder)
        for number in range(given.rounds):
            rows = rows_of(remote, folder, records(count, 2 * number * count))
            text = messages(records(count, (2 * number + 1) * count))
            loop = RawLoop(remote, rows, given.together, given.connections, token)
            raw = measure(remote, count, loop)
            ours = measure(remote, count, through_target(remote, folder, text, settings))
            ratios.append(ours.rate / raw.rate)
            print(f"raw    {raw}\ntarget {ours}; {ratios[-1]:.2f} x raw", flush=True)
    print(f"median {statistics.median(ratios):.2f} x raw")


if __name__ == "__main__":
    main()
