"""What the webhook answers, and what is in the inbox afterwards."""

from __future__ import annotations

import asyncio
import gzip
import logging
import random
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from sandbox.server import Sandbox
from tap_basware.inbox import InboxError
from tap_basware.webhook import app
from tap_basware.webhook.serving import Webhook
from tap_basware.webhook.settings import settings
from tap_basware.webhook.signature import HEADER, header_value

from tests.webhook.receiving import SECRET, Server, encoded, noted, payload, served, signed

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def server(sandbox: Sandbox, tmp_path: Path) -> Iterator[Server]:
    with served(sandbox, tmp_path) as found:
        yield found


def test_a_notification_is_kept_before_it_is_answered(server: Server) -> None:
    body = encoded(payload(documentId="d-1"))
    answer = server.post(body, signed(body))
    assert (answer.status_code, answer.content) == (200, body)
    assert server.documents() == ["d-1"]


def test_the_same_notification_a_hundred_times_is_one(server: Server) -> None:
    body = encoded(payload(documentId="d-1"))
    for _ in range(100):
        assert server.post(body, signed(body)).status_code == 200
    assert server.documents() == ["d-1"]


def test_a_connection_test_is_answered_and_not_kept(server: Server) -> None:
    assert server.send(taskType="ConnectionTest", documentId=None).status_code == 200
    assert server.documents() == []


def test_every_task_type_is_kept(server: Server) -> None:
    server.send(documentId="a", taskType="RequestStatus", taskSubType="Error")
    server.send(documentId="b", taskSubType=None)
    assert server.documents() == ["a", "b"]


NOTIFICATION = encoded(payload())
REFUSED = {
    "no signature": (NOTIFICATION, JSON, 401),
    "another secret": (NOTIFICATION, signed(NOTIFICATION, "another"), 401),
    "another body": (NOTIFICATION + b" ", signed(NOTIFICATION), 401),
    "nonsense": (NOTIFICATION, JSON | {HEADER: "sha256=0"}, 401),
    "unsigned nonsense": (b"}{", JSON, 401),
    "unsigned connection test": (b'{"taskType":"ConnectionTest"}', JSON, 401),
    "no JSON": (b"}{", signed(b"}{"), 400),
    "no object": (b"[]", signed(b"[]"), 400),
    "empty": (b"", signed(b""), 400),
    "text": (NOTIFICATION, signed(NOTIFICATION) | {"Content-Type": "text/plain"}, 415),
    "form": (
        NOTIFICATION,
        signed(NOTIFICATION) | {"Content-Type": "application/x-www-form-urlencoded"},
        415,
    ),
    "compressed": (
        gzip.compress(NOTIFICATION),
        signed(gzip.compress(NOTIFICATION)) | {"Content-Encoding": "gzip"},
        415,
    ),
    "long": (b" " * 65_537, signed(b" " * 65_537), 413),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_has_a_status_and_no_words(server: Server, name: str) -> None:
    body, headers, status = REFUSED[name]
    answer = server.post(body, headers)
    assert (answer.status_code, answer.content) == (status, b"")
    assert server.documents() == []


def test_a_signature_twice_is_none(server: Server) -> None:
    good = header_value(SECRET, NOTIFICATION)
    answer = raw(server, NOTIFICATION, [f"{HEADER}: {good}", f"{HEADER}: {good}"])
    assert answer.startswith(b"HTTP/1.1 401")


def test_a_body_without_a_length_is_cut_at_the_limit(server: Server) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    answer = requests.post(
        server.url, data=endless(), headers=signed(b""), verify=str(server.ca_file), timeout=10
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods(server: Server, method: str) -> None:
    answer = server.session.request(method, server.url, verify=str(server.ca_file), timeout=10)
    assert answer.status_code == 405


def test_other_paths(server: Server) -> None:
    assert server.get("/").status_code == 404
    assert server.get("/metrics").status_code == 404
    assert "server" not in server.get("/").headers


def test_a_body_that_does_not_come(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "PATIENCE", 0.1)
    answer = raw(server, b"{", [f"{HEADER}: x"], length=100)
    assert answer.startswith(b"HTTP/1.1 408")


def raw(server: Server, body: bytes, headers: list[str], length: int | None = None) -> bytes:
    """Post what no library would."""
    parts = urlsplit(server.url)
    context = ssl.create_default_context(cafile=server.ca_file)
    head = [
        f"POST {parts.path} HTTP/1.1",
        f"Host: {parts.netloc}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        "Connection: close",
        *headers,
    ]
    with (
        socket.create_connection(("localhost", parts.port or 443), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        return connection.recv(10_000)


def test_stale_notifications_are_refused(server: Server) -> None:
    assert server.send(expirationTime="2021-12-11T08:53:31Z").status_code == 400
    assert server.documents() == []


def test_stale_notifications_may_be_let_in(sandbox: Sandbox, tmp_path: Path) -> None:
    with served(sandbox, tmp_path, accept_expired=True) as server:
        assert server.send(expirationTime="2021-12-11T08:53:31Z").status_code == 200
        assert len(server.documents()) == 1


def test_unsigned_connection_tests_may_be_let_in(sandbox: Sandbox, tmp_path: Path) -> None:
    with served(sandbox, tmp_path, accept_unsigned_connection_test=True) as server:
        test = b'{"taskType":"ConnectionTest","taskId":"<script>"}'
        assert server.post(test, JSON).content == b"{}"
        assert server.post(NOTIFICATION, JSON).status_code == 401
        assert server.post(b"}{", JSON).status_code == 401


def test_a_set_format_is_the_only_one(sandbox: Sandbox, tmp_path: Path) -> None:
    with served(sandbox, tmp_path, signature_format="base64") as server:
        body = encoded(payload())
        assert server.post(body, signed(body, form="hex")).status_code == 401
        assert server.post(body, signed(body, form="base64")).status_code == 200


def test_an_inbox_that_fails_is_no_yes(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise InboxError("the inbox cannot be written: disk full")

    with monkeypatch.context() as patch:
        patch.setattr(server.webhook.receiver.commit, "_note", broken)
        assert server.send().status_code == 503
    assert server.send(documentId="later").status_code == 200
    assert server.documents() == ["later"]


def test_health_and_readiness(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert server.get("/healthz").status_code == 200
    assert server.get("/readyz").status_code == 200
    server.webhook.receiver.ready = False
    assert server.get("/healthz").status_code == 200
    assert server.get("/readyz").status_code == 503


def test_ten_thousand_forgeries(tmp_path: Path) -> None:
    """Forged, altered, stale and replayed: nothing gets in, and one good one afterwards does."""
    good = encoded(payload(documentId="good"))
    stale = encoded(payload(expirationTime="2021-12-11T08:53:31Z"))
    luck = random.Random(2026)
    inbox_url = f"sqlite:///{tmp_path}/inbox.db"
    webhook = Webhook.open(settings(None, {"secret": f"plain:{SECRET}", "inbox_url": inbox_url}))
    application = webhook.receiver.application("/basware", webhook.living)

    async def attack() -> None:
        statuses = Counter[int]()
        async with webhook.living():
            assert await posted(application, good, signed(good)) == 200
            for _ in range(10_000):
                kind, body, headers = forgery(luck, good, stale)
                status = await posted(application, body, headers)
                assert status == (200 if kind == "replayed" else 400 if kind == "stale" else 401)
                statuses[status] += 1
            assert noted(inbox_url) == ["good"]
            after = encoded(payload(documentId="after"))
            assert await posted(application, after, signed(after)) == 200
        assert min(statuses.values()) > 1_000
        assert noted(inbox_url) == ["good", "after"]

    asyncio.run(attack())


async def posted(application: Any, body: bytes, headers: Mapping[str, str]) -> int:
    """Post without a network; return the status."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/basware",
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await application(scope, receive, send)
    return int(sent[0]["status"])


def forgery(luck: random.Random, good: bytes, stale: bytes) -> tuple[str, bytes, dict[str, str]]:
    """Return what an attacker might send who saw one good notification and a stale one."""
    forged = encoded(payload(documentId="forged"))
    match luck.randrange(6):
        case 0:
            return "replayed", good, signed(good)
        case 1:
            return "stale", stale, signed(stale)
        case 2:
            at = luck.randrange(len(good))
            altered = good[:at] + bytes([good[at] ^ luck.randrange(1, 256)]) + good[at + 1 :]
            return "a byte changed", altered, signed(good)
        case 3:
            secret = luck.choice(["", "secret", SECRET[:-1], SECRET.upper()])
            return "another key", forged, signed(forged, secret)
        case 4:
            value = list(header_value(SECRET, forged))
            at = luck.randrange(7, len(value))
            value[at] = luck.choice([digit for digit in "0123456789abcdef" if digit != value[at]])
            return "a letter of the signature changed", forged, JSON | {HEADER: "".join(value)}
        case _:
            return "the signature of another body", forged, signed(good)


def test_the_log_has_no_payload_and_no_signature(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = encoded(payload(documentId="d-1", extra="CANARY"))
    server.post(body, signed(body))
    server.post(NOTIFICATION + b"CANARY", signed(NOTIFICATION))
    assert "document d-1" in caplog.text
    assert "CANARY" not in caplog.text
    assert SECRET not in caplog.text
    assert header_value(SECRET, body)[7:] not in caplog.text


def test_many_at_once(server: Server) -> None:
    barrier = threading.Barrier(8)

    def send(number: int) -> None:
        barrier.wait()
        session = requests.Session()
        for count in range(25):
            body = encoded(payload(documentId=f"{number}-{count}"))
            answer = session.post(
                server.url, data=body, headers=signed(body), verify=str(server.ca_file), timeout=10
            )
            assert answer.status_code == 200
        session.close()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(send, range(8)))
    assert len(set(server.documents())) == 200
