"""How many notifications a second become durable: `python -m bench.webhook [--requests N]`.

A sender on 24 kept connections posts signed notifications, each as soon as the one before is
answered: to a server that only reads them, and to `basware-webhook serve` with a SQLite inbox,
every commit on disk. Sender and server share the machine. The ratio is what checking, noting and
logging cost; a notification is answered when it is durable, so the latency includes the disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tap_basware.inbox import Inbox
from tap_basware.webhook.signature import HEADER, header_value

SECRET = "bench-secret-0123456789"
CONNECTIONS = 24
ROUNDS = 3
BARE = """
import asyncio, uvicorn
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
uvicorn.run(application, port=0, lifespan="off", access_log=False)
"""


def request(path: str) -> bytes:
    """Return one signed notification, as bytes on the wire."""
    body = json.dumps(
        {
            "taskId": str(uuid.uuid4()),
            "taskStatus": "New",
            "taskType": "AccountingDocuments",
            "taskSubType": "WaitingForTransfer",
            "documentId": uuid.uuid4().hex,
            "expirationTime": "2099-12-11T08:53:31Z",
        }
    ).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n{HEADER}: {header_value(SECRET, body)}\r\n\r\n"
    )
    return head.encode() + body


async def send_all(port: int, requests: Sequence[bytes]) -> tuple[float, list[float]]:
    """Post all; return the seconds that took, and those of each."""
    waiting = iter(requests)
    spent: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in waiting:
            began = time.perf_counter()
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            await reader.readexactly(int(length[1]) if length else 0)
            spent.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
    return time.perf_counter() - began, spent


@contextmanager
def process(command: Sequence[str], listening: str, **extra: str) -> Iterator[int]:
    """Run a server; yield its port."""
    with tempfile.TemporaryFile("w+") as log:
        server = subprocess.Popen(command, env={**os.environ, **extra}, stdout=log, stderr=log)
        try:
            while True:
                log.seek(0)
                if found := re.search(listening, log.read()):
                    break
                if server.poll() is not None:
                    raise RuntimeError("the server did not start")
                time.sleep(0.05)
            yield urlsplit(found[1]).port or 0
        finally:
            server.terminate()
            server.wait()


def measure(port: int, path: str, count: int) -> tuple[float, float, float]:
    """Return requests a second, and the median and 99th percentile in milliseconds."""
    requests = [request(path) for _ in range(count)]
    seconds, spent = asyncio.run(send_all(port, requests))
    cuts = statistics.quantiles(spent, n=100)
    return count / seconds, cuts[49] * 1000, cuts[98] * 1000


def main() -> None:
    """Measure in turn, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000)
    count = parser.parse_args().requests
    found: dict[str, list[tuple[float, float, float]]] = {"only read": [], "noted durably": []}
    for _ in range(ROUNDS):
        with process([sys.executable, "-c", BARE], r"running on (\S+)") as port:
            found["only read"].append(measure(port, "/", count))
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            inbox_url = f"sqlite:///{folder}/inbox.db"
            settings = {
                "BASWARE_WEBHOOK_SECRET": f"plain:{SECRET}",
                "BASWARE_WEBHOOK_INBOX_URL": inbox_url,
                "BASWARE_WEBHOOK_PORT": "0",
            }
            command = [str(Path(sys.executable).parent / "basware-webhook"), "serve"]
            with process(command, r"listening at (\S+)", **settings) as port:
                found["noted durably"].append(measure(port, "/basware", count))
            inbox = Inbox.open(inbox_url)
            kept = len(inbox.after(0, limit=10 * count))
            inbox.close()
            if kept != count:
                raise RuntimeError(f"{kept} of {count} are in the inbox")
    for name, rounds in found.items():
        rates = [rate for rate, _, _ in rounds]
        p50, p99 = (statistics.median(each[at] for each in rounds) for at in (1, 2))
        print(
            f"{name:14} {statistics.median(rates):7.0f}/s ({min(rates):.0f} to {max(rates):.0f}), "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        )
    pairs = zip(found["noted durably"], found["only read"], strict=True)
    ratios = [noted[0] / bare[0] for noted, bare in pairs]
    print(
        f"ratio          {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
