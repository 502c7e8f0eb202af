"""The webhook as a process: what it says, how it stops, and what survives its death."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
import requests
from sandbox.server import Sandbox

from tests.webhook.receiving import SECRET, encoded, noted, payload, signed

BIN = Path(sys.executable).parent


class Process:
    """`basware-webhook serve` in a folder of its own."""

    def __init__(self, sandbox: Sandbox, folder: Path, *args: str, **extra: str) -> None:
        self.inbox_url = f"sqlite:///{folder}/inbox.db"
        self.log = folder / f"log-{uuid.uuid4()}"
        environment = {
            **os.environ,
            "BASWARE_WEBHOOK_SECRET": f"plain:{SECRET}",
            "BASWARE_WEBHOOK_TLS_CERTIFICATE": str(sandbox.server_file),
            "BASWARE_WEBHOOK_INBOX_URL": self.inbox_url,
            "BASWARE_WEBHOOK_PORT": "0",
            **extra,
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [BIN / "basware-webhook", "serve", *args],
                cwd=folder,
                env={name: value for name, value in environment.items() if value},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[str], object]) -> None:
        deadline = time.monotonic() + 60
        while not condition(self.said):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    @property
    def url(self) -> str:
        self.until(lambda said: "listening at" in said)
        return re.findall(r"listening at (\S+)", self.said)[-1].replace("127.0.0.1", "localhost")

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)


Start = Callable[..., Process]


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def run(*args: str, **extra: str) -> Process:
        started.append(Process(sandbox, tmp_path, *args, **extra))
        return started[-1]

    yield run
    for each in started:
        each.process.kill()
        each.process.wait()


def test_it_starts_a_run_and_ends_in_order(sandbox: Sandbox, start: Start, tmp_path: Path) -> None:
    webhook = start(
        "--run",
        "touch ran",
        BASWARE_WEBHOOK_RUN_DELAY_SECONDS="0",
        BASWARE_WEBHOOK_METRICS_PORT="0",
    )
    url = webhook.url
    webhook.until(lambda said: "ended with exit code 0" in said)  # the one at the start
    (tmp_path / "ran").unlink()
    session = requests.Session()  # a connection that stays open
    body = encoded(payload(documentId="d"))
    answer = session.post(
        f"{url}/basware", data=body, headers=signed(body), verify=str(sandbox.ca_file), timeout=10
    )
    assert answer.status_code == 200
    webhook.until(lambda said: said.count("ended with exit code 0") == 2)
    assert (tmp_path / "ran").exists()
    metrics = re.findall(r"metrics at (\S+)", webhook.said)[0]
    counted = requests.get(metrics, timeout=10).text
    assert 'basware_webhook_requests_total{outcome="noted"} 1.0' in counted
    assert "basware_webhook_noted_total 1.0" in counted
    assert 'basware_webhook_runs_total{outcome="ended"} 2.0' in counted
    began = time.monotonic()
    assert webhook.end() == 0
    assert time.monotonic() - began < 20
    session.close()
    assert noted(webhook.inbox_url) == ["d"]
    assert "Traceback" not in webhook.said


def test_a_connection_that_is_kept_does_not_hold_up_its_end(sandbox: Sandbox, start: Start) -> None:
    # Where warnings are errors, a connection left open would keep the loop from closing.
    webhook = start(PYTHONWARNINGS="error::ResourceWarning")
    port = int(webhook.url.rpartition(":")[2])
    context = ssl.create_default_context(cafile=sandbox.ca_file)
    with (
        socket.create_connection(("localhost", port)) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        assert webhook.end() == 0


def test_nothing_that_was_acknowledged_is_lost_by_a_kill(sandbox: Sandbox, start: Start) -> None:
    """A storm of 5,000, and a SIGKILL in the middle of it: what had a 200 is in the inbox."""
    webhook = start()
    url = f"{webhook.url}/basware"
    acknowledged: list[str] = []

    async def storm() -> None:
        context = ssl.create_default_context(cafile=sandbox.ca_file)
        waiting = iter(range(5_000))

        async def sender(session: aiohttp.ClientSession) -> None:
            for number in waiting:
                body = encoded(payload(documentId=f"d-{number}"))
                try:
                    async with session.post(url, data=body, headers=signed(body)) as answer:
                        await answer.read()
                        assert answer.status == 200
                        acknowledged.append(f"d-{number}")
                except aiohttp.ClientError:
                    return
                if len(acknowledged) == 2_000:
                    webhook.process.kill()

        connector = aiohttp.TCPConnector(ssl=context, limit=40)
        async with aiohttp.ClientSession(connector=connector) as session:
            await asyncio.gather(*(sender(session) for _ in range(40)))

    asyncio.run(storm())
    assert webhook.process.wait(10) == -signal.SIGKILL
    assert 2_000 <= len(acknowledged) < 5_000
    kept = noted(webhook.inbox_url)
    assert set(acknowledged) <= set(kept)
    assert len(kept) == len(set(kept))
    again = start()  # and it takes up where it was
    body = encoded(payload(documentId="after"))
    answer = requests.post(
        f"{again.url}/basware",
        data=body,
        headers=signed(body),
        verify=str(sandbox.ca_file),
        timeout=10,
    )
    assert answer.status_code == 200
    assert noted(again.inbox_url) == [*kept, "after"]


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"SECRET": ""}, "secret is not set"),
        ({"HOST": "0.0.0.0", "TLS_CERTIFICATE": ""}, "nothing is encrypted"),
        ({"TLS_CERTIFICATE": "/nowhere/cert.pem"}, "tls_certificate: there is no file"),
        ({"TLS_CERTIFICATE": "/etc/hostname"}, "tls_certificate or tls_key cannot be used"),
        ({"INBOX_URL": "mysql://host/db"}, "inbox_url is not the address"),
        ({"RUN": "meltano 'run"}, "cannot be read"),
        ({"RUN_ON": '["a/b/c"]'}, "run_on"),
        ({"PATH": "basware"}, "it begins with /"),
        ({"SIGNATURE_FORMAT": "md5"}, "md5"),
        ({"PORT": "1"}, ""),
    ],
)
def test_what_it_does_not_start_with(start: Start, extra: dict[str, str], words: str) -> None:
    if extra.get("PORT") == "1":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            webhook = start(BASWARE_WEBHOOK_PORT=port)
            assert webhook.process.wait(30) != 0
        assert "address already in use" in webhook.said
    else:
        named = {f"BASWARE_WEBHOOK_{name}": value for name, value in extra.items()}
        webhook = start(**named)
        assert webhook.process.wait(30) == 1
        assert words in webhook.said
    assert "Traceback" not in webhook.said
    assert SECRET not in webhook.said
