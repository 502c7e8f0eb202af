"""What was sent and answered is noted as hashes, for whoever asks, and nothing secret with it."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from singer_delivery.errors import AccessDenied, InDoubt, Refused, SetupError, Unavailable
from singer_delivery.exchanges import Exchange, digest, recorded, unrecorded
from singer_delivery.http import ApiSession, HttpOptions
from singer_delivery.tokens import BasicCredentials, BearerCredentials, Token

from tests.singer_delivery.web import Answer, Reset, ScriptedServer, Step, Vanish

Open = Callable[..., ApiSession]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def open_session(server: ScriptedServer) -> Iterator[Open]:
    opened: list[ApiSession] = []

    def open_one(**settings: Any) -> ApiSession:
        opened.append(
            ApiSession(
                server.url,
                options=HttpOptions(connect_timeout=2, read_timeout=2, max_attempts=3),
                sleep=lambda _: None,
                request_id=lambda answer: answer.headers.get("ms-request-id"),
                **settings,
            )
        )
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(open_session: Open) -> ApiSession:
    return open_session(credentials=BasicCredentials("user", "s3cret"))


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_an_exchange_holds_the_hashes_of_what_went_over_the_wire(
    server: ScriptedServer, session: ApiSession
) -> None:
    server.play(Answer(201, b'{"number": 7}', {"ms-request-id": "r-1"}))
    before = datetime.now(UTC)
    with recorded() as exchanges:
        session.request("post", "/data/Invoices?token=s3cret", json_body={"amount": "1.10"})
    after = datetime.now(UTC)
    (exchange,) = exchanges
    assert (exchange.method, exchange.path) == ("POST", "/data/Invoices")
    assert (exchange.status, exchange.request_id) == (201, "r-1")
    assert exchange.request_sha256 == sha256(server.requests[0].body)
    assert exchange.response_sha256 == sha256(b'{"number": 7}')
    assert before <= exchange.sent_at <= exchange.answered_at <= after
    assert exchange.sent_at.utcoffset() == exchange.answered_at.utcoffset() == timedelta(0)


def test_no_body_has_no_hash(server: ScriptedServer, session: ApiSession) -> None:
    server.play(Answer(204, b""))
    with recorded() as exchanges:
        session.request("DELETE", "/x")
    assert (exchanges[0].request_sha256, exchanges[0].response_sha256) == ("", "")
    assert exchanges[0].request_id == ""
    assert digest(None) == digest(b"") == ""
    assert digest(b"x") == sha256(b"x")


def test_a_compressed_answer_is_hashed_as_it_is_read(
    server: ScriptedServer, session: ApiSession
) -> None:
    server.play(Answer(200, gzip.compress(b"[1]"), {"Content-Encoding": "gzip"}))
    with recorded() as exchanges:
        session.get("/x")
    assert exchanges[0].response_sha256 == sha256(b"[1]")


def test_every_attempt_is_an_exchange(server: ScriptedServer, session: ApiSession) -> None:
    server.play(Answer(500, b"oh", {"ms-request-id": "r-1"}), Reset(), Answer(200, b"[]"))
    with recorded() as exchanges:
        session.get("/x")
    assert [exchange.status for exchange in exchanges] == [500, None, 200]
    assert [exchange.response_sha256 for exchange in exchanges] == [
        sha256(b"oh"),
        "",
        sha256(b"[]"),
    ]
    assert [exchange.request_id for exchange in exchanges] == ["r-1", "", ""]
    assert exchanges[0].answered_at <= exchanges[1].sent_at


@pytest.mark.parametrize(
    ("step", "status", "error"),
    [
        (Answer(400, b"no"), 400, Refused),
        (Answer(403), 403, AccessDenied),
        (Answer(500), 500, InDoubt),
        (Vanish(), None, InDoubt),
        (Answer(200, b'{"a":', cut=True), None, InDoubt),
    ],
)
def test_a_failed_request_is_an_exchange_too(
    server: ScriptedServer,
    session: ApiSession,
    step: Step,
    status: int | None,
    error: type[Exception],
) -> None:
    server.play(step)
    with recorded() as exchanges, pytest.raises(error):
        session.request("POST", "/x", json_body={})
    (exchange,) = exchanges
    assert exchange.status == status
    assert exchange.request_sha256 == sha256(b"{}")
    assert (exchange.response_sha256 == "") is (status is None)


def test_a_connection_that_does_not_come_about_is_an_attempt() -> None:
    session = ApiSession("http://localhost:1", options=HttpOptions(max_attempts=1))
    with recorded() as exchanges, pytest.raises(Unavailable):
        session.request("POST", "/x", json_body={})
    assert [exchange.status for exchange in exchanges] == [None]
    session.close()


def test_what_cannot_be_sent_is_no_exchange(open_session: Open) -> None:
    session = open_session(credentials=BearerCredentials(lambda: Token("a\nb", 60)))
    with recorded() as exchanges, pytest.raises(SetupError):
        session.request("POST", "/x", json_body={})
    assert exchanges == []


def test_asking_for_a_token_is_not_noted(server: ScriptedServer, open_session: Open) -> None:
    endpoint = open_session(credentials=BasicCredentials("client", "s3cret"))

    def fetch() -> Token:
        return Token(endpoint.request("POST", "/v1/tokens", data=b"grant").json()["t"], 3600)

    session = open_session(credentials=BearerCredentials(fetch))
    server.play(Answer(200, b'{"t": "s3cret-token"}'), Answer(), Answer())
    with recorded() as exchanges:
        session.get("/one")
        session.get("/two")
    assert [exchange.path for exchange in exchanges] == ["/one", "/two"]
    assert [seen.path for seen in server.requests] == ["/v1/tokens", "/one", "/two"]


def test_nothing_secret_is_noted(server: ScriptedServer, session: ApiSession) -> None:
    server.play(Answer(302, headers={"Location": f"{server.url}/blob?sig=s3cret"}))
    with recorded() as exchanges:
        session.fetch_redirect(session.get("/x", params={"token": "s3cret"}))
        session.request("POST", "/y", json_body={"iban": "s3cret"}, headers={"X-Key": "s3cret"})
    assert [exchange.path for exchange in exchanges] == ["/x", "/blob", "/y"]
    noted = str([asdict(exchange) for exchange in exchanges])
    assert "s3cret" not in noted
    assert "dXNlcjpz" not in noted


def test_only_what_happens_inside_is_noted(session: ApiSession) -> None:
    session.get("/before")
    with recorded() as outer:
        session.get("/one")
        with recorded() as inner:
            session.get("/two")
        with unrecorded():
            session.get("/hidden")
        session.get("/three")
    session.get("/after")
    assert [exchange.path for exchange in outer] == ["/one", "/three"]
    assert [exchange.path for exchange in inner] == ["/two"]


def test_the_recording_ends_with_an_error_as_well(session: ApiSession) -> None:
    with pytest.raises(ZeroDivisionError), recorded() as exchanges:
        raise ZeroDivisionError
    with recorded() as noted, pytest.raises(ZeroDivisionError), unrecorded():
        raise ZeroDivisionError
    session.get("/x")
    assert exchanges == noted == []


def test_each_thread_notes_its_own(session: ApiSession) -> None:
    def send(number: int) -> list[Exchange]:
        with recorded() as exchanges:
            for _ in range(5):
                session.request("POST", f"/{number}", json_body={})
        return exchanges

    with ThreadPoolExecutor(6) as pool:
        noted = list(pool.map(send, range(12)))
    for number, exchanges in enumerate(noted):
        assert [exchange.path for exchange in exchanges] == [f"/{number}"] * 5
