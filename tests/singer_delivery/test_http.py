"""The HTTP session against a server that throttles, resets, hangs up, redirects and lies."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from hypothesis import given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter
from singer_delivery.errors import (
    AccessDenied,
    ForeignOrigin,
    InDoubt,
    Refused,
    SetupError,
    Unavailable,
)
from singer_delivery.exact_json import decode_json, encode_json
from singer_delivery.exchanges import recorded
from singer_delivery.http import REDIRECTS, ApiSession, HttpOptions
from singer_delivery.origin import Origin
from singer_delivery.throttle import Gate
from singer_delivery.tokens import BasicCredentials, BearerCredentials, Token

from tests.singer_delivery.web import Answer, Reset, ScriptedServer, Silence, Step, Vanish

OPTIONS = HttpOptions(connect_timeout=2, read_timeout=2, max_attempts=3, connections=16)


class Time:
    """A clock that only moves when somebody sleeps; keeps how long that was."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sleeps: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self.now += seconds


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def open_session(time: Time) -> Iterator[Callable[..., ApiSession]]:
    opened: list[ApiSession] = []

    def open_one(url: str, **settings: Any) -> ApiSession:
        defaults: dict[str, Any] = {
            "options": OPTIONS,
            "gate": Gate(time.clock, time.sleep),
            "sleep": time.sleep,
        }
        opened.append(ApiSession(url, **{**defaults, **settings}))
        return opened[-1]

    yield open_one
    for session in opened:
        session.close()


@pytest.fixture
def session(server: ScriptedServer, open_session: Callable[..., ApiSession]) -> ApiSession:
    return open_session(server.url, credentials=BasicCredentials("user", "s3cret-password"))


# What is asked again, and what is not

LOST: dict[str, Step] = {
    "500": Answer(500),
    "502 of a gateway": Answer(502, b"<html>Bad Gateway</html>"),
    "503 without Retry-After": Answer(503),
    "504": Answer(504),
    "408": Answer(408),
    "599": Answer(599),
    "reset after the request": Reset(),
    "reset before the body was read": Reset(read=False),
    "hung up without an answer": Vanish(),
    "answer cut off": Answer(200, b'{"a":', cut=True),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_a_read_is_repeated_until_it_is_answered(
    server: ScriptedServer, session: ApiSession, fault: Step
) -> None:
    server.play(fault, fault)
    assert decode_json(session.get("/data/Vendors")) == {}


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_a_write_is_never_repeated_and_its_outcome_is_in_doubt(
    server: ScriptedServer, session: ApiSession, fault: Step, method: str
) -> None:
    server.play(fault)
    with pytest.raises(InDoubt):
        session.request(method, "/data/Invoices", json_body={"number": "1"})
    assert len(server.requests) <= 1
    assert not server.script


def test_a_write_without_an_answer_in_time_is_in_doubt(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, read_timeout=0.05))
    server.play(Silence())
    with pytest.raises(InDoubt, match="no answer within the time limit"):
        session.request("POST", "/data/Invoices", json_body={})
    assert len(server.requests) == 1


def test_a_read_without_an_answer_in_time_is_repeated(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, read_timeout=0.05))
    server.play(Silence())
    assert session.get("/data/Vendors").status_code == 200
    assert len(server.requests) == 2


def test_attempts_are_used_up_with_growing_pauses(
    server: ScriptedServer, session: ApiSession, time: Time
) -> None:
    server.play(*[Answer(500)] * 5)
    with pytest.raises(Unavailable, match=r"GET http://localhost:\d+/data/Vendors: 500"):
        session.get("/data/Vendors")
    assert len(server.requests) == 3
    assert [round(pause + 0.4999) for pause in time.sleeps] == [1, 2]


def test_a_refused_write_is_not_repeated_and_keeps_the_systems_request_id(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(
        server.url,
        explain=lambda answer: str(answer.json()["why"]),
        request_id=lambda answer: answer.headers.get("ms-request-id"),
    )
    server.play(Answer(400, b'{"why": "the vendor is on hold"}', {"ms-request-id": "r-1"}))
    with pytest.raises(Refused, match="400 the vendor is on hold") as caught:
        session.request("POST", "/data/Invoices", json_body={})
    assert (caught.value.status, caught.value.request_id) == (400, "r-1")


def test_accepted_statuses_are_answers(server: ScriptedServer, session: ApiSession) -> None:
    server.play(Answer(404), Answer(302, headers={"Location": "/elsewhere"}))
    assert session.get("/data/none", accept=frozenset({404})).status_code == 404
    assert session.get("/data/moved").status_code == 302
    assert len(server.requests) == 2


def test_a_keep_alive_connection_that_the_server_closed_costs_a_read_nothing(
    server: ScriptedServer, session: ApiSession, time: Time
) -> None:
    server.play(Answer(hang_up=True), Answer(hang_up=True))
    for _ in range(3):
        session.get("/data/Vendors")
    assert len(server.requests) <= 5


def test_what_is_sent(server: ScriptedServer, session: ApiSession) -> None:
    session.request("post", "/x?a=1", params={"b": "2 3"}, json_body={"n": Decimal("1.10")})
    session.request("POST", "/y", data=b"raw", headers={"Content-Type": "multipart/mixed"})
    session.request("POST", "/z", json_body=[], headers={"Content-Type": "text/json", "X-A": "b"})
    json_post, raw_post, own_type = server.requests
    assert (json_post.method, json_post.path) == ("POST", "/x?a=1&b=2+3")
    assert (json_post.body, json_post.headers["Content-Type"]) == (
        b'{"n":1.10}',
        "application/json",
    )
    assert (raw_post.body, raw_post.headers["Content-Type"]) == (b"raw", "multipart/mixed")
    assert (own_type.body, own_type.headers["Content-Type"]) == (b"[]", "text/json")
    assert own_type.headers["X-A"] == "b"
    for seen in server.requests:
        assert seen.headers["Accept"] == "application/json"
        assert seen.headers["User-Agent"].startswith("singer-delivery/")


def test_a_file_is_sent_from_its_beginning_each_time(
    server: ScriptedServer, session: ApiSession
) -> None:
    server.play(Answer(429, headers={"Retry-After": "0"}), Answer(201))
    content = b"x" * 200_000
    with recorded() as exchanges:
        session.request("PUT", "/f", data=io.BytesIO(content))
    assert [seen.body for seen in server.requests] == [content, content]
    assert server.requests[1].headers["Content-Length"] == str(len(content))
    assert {one.request_sha256 for one in exchanges} == {hashlib.sha256(content).hexdigest()}


# Throttling


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_in_seconds_is_obeyed_by_a_write(
    server: ScriptedServer, session: ApiSession, time: Time, status: int
) -> None:
    server.play(Answer(status, headers={"Retry-After": "17"}))
    session.request("POST", "/data/Invoices", json_body={})
    assert time.sleeps == [17]
    assert len(server.requests) == 2


def test_a_retry_after_date_is_measured_against_the_servers_own_clock(
    server: ScriptedServer, session: ApiSession, time: Time
) -> None:
    headers = {
        "Date": "Mon, 23 Nov 2099 10:00:00 GMT",
        "Retry-After": "Mon, 23 Nov 2099 10:00:42 GMT",
    }
    server.play(Answer(429, headers=headers))
    session.request("POST", "/data/Invoices", json_body={})
    assert time.sleeps == [42]


def test_waits_that_the_server_asked_for_do_not_use_up_attempts(
    server: ScriptedServer, session: ApiSession, time: Time
) -> None:
    server.play(*[Answer(429, headers={"Retry-After": "5"})] * 10)
    assert session.get("/data/Vendors").status_code == 200
    assert sum(time.sleeps) == 50


def test_throttling_ends_at_its_own_limit(
    server: ScriptedServer, open_session: Callable[..., ApiSession], time: Time
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, max_throttle_wait=60))
    server.play(*[Answer(429, headers={"Retry-After": "25"})] * 10)
    with pytest.raises(Unavailable, match="429"):
        session.request("POST", "/data/Invoices", json_body={})
    assert sum(time.sleeps) == 50


def test_a_wait_up_to_the_limit_is_still_waited_for(
    server: ScriptedServer, open_session: Callable[..., ApiSession], time: Time
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, max_throttle_wait=60))
    half = Answer(429, headers={"Retry-After": "30"})
    server.play(half, Answer(500), half)  # a failure is no wait that the server asked for
    assert session.get("/data/Vendors").status_code == 200
    assert sum(time.sleeps) >= 60
    server.play(half, half, Answer(429, headers={"Retry-After": "1"}))
    with pytest.raises(Unavailable, match="429"):
        session.get("/data/Vendors")


def test_a_429_without_retry_after_backs_off(
    server: ScriptedServer, session: ApiSession, time: Time
) -> None:
    server.play(Answer(429), Answer(429, headers={"Retry-After": "0"}))
    session.request("POST", "/data/Invoices", json_body={})
    assert len(time.sleeps) == 2
    assert all(pause > 0 for pause in time.sleeps)


def test_one_throttled_thread_keeps_all_the_others_waiting(
    server: ScriptedServer, open_session: Callable[..., ApiSession], time: Time
) -> None:
    seen_while_waiting: list[int] = []

    def everybody_waits() -> None:
        seen_while_waiting.append(len(server.requests))
        time.now += 30

    throttled, waiting = threading.Event(), threading.Barrier(4, everybody_waits, timeout=5)

    def sleep(seconds: float) -> None:
        assert seconds == 30
        throttled.set()
        waiting.wait()

    session = open_session(server.url, gate=Gate(time.clock, sleep))
    server.play(Answer(429, headers={"Retry-After": "30"}))
    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(session.get, "/first")
        assert throttled.wait(5)
        others = [pool.submit(session.get, f"/{n}") for n in range(3)]
        assert {answer.result().status_code for answer in [first, *others]} == {200}
    assert seen_while_waiting == [1]
    assert len(server.requests) == 5


# Credentials


def test_a_token_that_expired_is_renewed_once_for_all_threads(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    issued: list[str] = []

    def fetch() -> Token:
        issued.append(f"token-{len(issued)}")
        return Token(issued[-1], 3600)

    session = open_session(server.url, credentials=BearerCredentials(fetch))
    server.tokens = {"Bearer token-1"}
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: session.request("POST", "/x", json_body={}), range(24)))
    assert {answer.status_code for answer in answers} == {200}
    assert issued == ["token-0", "token-1"]


def test_a_second_401_means_that_access_is_denied(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, credentials=BearerCredentials(lambda: Token("t", 3600)))
    server.tokens = set()
    with pytest.raises(AccessDenied, match="401"):
        session.get("/data/Vendors")
    assert len(server.requests) == 2


def test_a_refused_password_and_a_missing_right_are_denied_at_once(
    server: ScriptedServer, session: ApiSession
) -> None:
    for status in (401, 403):
        server.play(Answer(status))
        with pytest.raises(AccessDenied, match=str(status)):
            session.get("/data/Vendors")
    assert len(server.requests) == 2


def test_the_token_is_taken_after_the_wait_at_the_gate(
    server: ScriptedServer, open_session: Callable[..., ApiSession], time: Time
) -> None:
    fetched_at: list[float] = []

    def fetch() -> Token:
        fetched_at.append(time.now)
        return Token("t", 3600)

    session = open_session(server.url, credentials=BearerCredentials(fetch))
    session.gate.close_for(1800)
    session.get("/data/Vendors")
    assert fetched_at == [2800]


def test_no_cookie_is_kept(server: ScriptedServer, session: ApiSession) -> None:
    server.play(Answer(headers={"Set-Cookie": "ARRAffinity=one-server; Path=/"}))
    session.get("/data/Vendors")
    session.get("/data/Vendors")
    assert "Cookie" not in server.requests[1].headers


def test_a_netrc_file_is_not_used(
    server: ScriptedServer,
    open_session: Callable[..., ApiSession],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    open_session(server.url).get("/data/Vendors")
    open_session(server.url, credentials=BasicCredentials("a", "b")).get("/data/Vendors")
    assert "Authorization" not in server.requests[0].headers
    assert server.requests[1].headers["Authorization"] == "Basic YTpi"


# Pinned origins

HOSTILE = [
    "https://evil.example/data",
    "http://evil.example/data",
    "http://localhost:1/data",
    "https://localhost:PORT/data",
    "http://localhost.evil.example:PORT/data",
    "http://localhost@evil.example/data",
    "http://localhost:PORT@evil.example/data",
    "http://user:pw@localhost:PORT/data",
    "http://localhost:PORT\\@evil.example/data",
    "http://localhost:PORT\\.evil.example/data",
    "http://evil.example\\@localhost:PORT/data",
    "//evil.example/data",
    "///evil.example/data",
    "\\\\evil.example\\data",
    "/\\evil.example/data",
    "\\/evil.example/data",
    "http:\\\\evil.example/data",
    "HTTPS://EVIL.EXAMPLE/data",
    "  https://evil.example/data",
    "\thttps://evil.example/data",
    "\x00https://evil.example/data",
    "http://local\thost:PORT/data",
    "http://local\u200dhost:PORT/data",
    "http://ｌocalhost:PORT/data",  # noqa: RUF001
    "http://localhost。evil.example:PORT/data",
    "http://localhost%2eevil.example:PORT/data",
    "http://localhost.:PORT/data",
    "http://[::1]:PORT/data",
    "http://127.0.0.1:PORT/data",
    "http://localhost:0/data",
    "http://localhost:PORT0/data",
    "http://localhost:port/data",
    "ftp://localhost:PORT/data",
    "file:///etc/passwd",
    "javascript://localhost:PORT/%0aalert(1)",
    "http://2130706433:PORT/data",
    "http://0x7f000001:PORT/data",
    "http://0177.0.0.1:PORT/data",
    "http://127.1:PORT/data",
    "http://[::ffff:127.0.0.1]:PORT/data",
    "http://lоcalhost:PORT/data",  # noqa: RUF001 - a Cyrillic o
    "http://xn--lcalhost-2bh:PORT/data",
    "http://localhost:PORT#@evil.example/data",
    "http://localhost:PORT?@evil.example/data",
    "http://localhost\r\nHost: evil.example:PORT/data",
    "http:////evil.example/data",
    "http:/\\evil.example/data",
    "wss://localhost:PORT/data",
]
#: Their authority is the server's own: what follows it is a path, whatever it looks like.
OWN_AFTER_ALL = ("#@", "?@")


@pytest.mark.parametrize("url", HOSTILE)
def test_credentials_never_leave_for_another_address(
    server: ScriptedServer, session: ApiSession, url: str
) -> None:
    if any(part in url for part in OWN_AFTER_ALL):
        session.get(url.replace("PORT", str(server.port)))
        assert len(server.requests) == 1
        return
    with pytest.raises(ForeignOrigin, match=f"credentials for {server.url} to another") as caught:
        session.get(url.replace("PORT", str(server.port)))
    assert "evil" not in str(caught.value)
    assert server.requests == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/data/Vendors", "/data/Vendors"),
        ("XX/Vendors", "/XX/Vendors"),
        ("data/Vendors", "/data/Vendors"),
        ("/data/x?next=https://a.example//b", "/data/x?next=https://a.example//b"),
        ("data/x?$filter=Url eq 'https://a'", "/data/x?$filter=Url%20eq%20'https://a'"),
        ("https:evil.example", "/https:evil.example"),
        ("@evil.example/x", "/@evil.example/x"),
        (":1@evil.example/x", "/:1@evil.example/x"),
        (".evil.example/x", "/.evil.example/x"),
        ("ORIGIN/data/Vendors?$skiptoken=http://x", "/data/Vendors?$skiptoken=http://x"),
        ("UPPER/data/Vendors", "/data/Vendors"),
    ],
)
def test_paths_and_the_servers_own_links_reach_the_server(
    server: ScriptedServer, session: ApiSession, url: str, path: str
) -> None:
    absolute = url.replace("ORIGIN", server.url).replace("UPPER", server.url.upper())
    session.get(absolute)
    assert server.requests[0].path == path
    assert server.requests[0].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("base", ["{}/X", "{}/X/", " {}/X/ "])
def test_a_base_url_may_end_in_a_slash(
    server: ScriptedServer, open_session: Callable[..., ApiSession], base: str
) -> None:
    open_session(base.format(server.url)).get("/Vendors")
    assert server.requests[0].path == "/X/Vendors"


def test_as_many_connections_are_kept_as_are_used_at_once() -> None:
    session = ApiSession("https://a.example", options=HttpOptions(connections=23))
    for scheme in ("https", "http"):
        adapter: Any = session._session.get_adapter(f"{scheme}://a.example/x")
        assert adapter._pool_maxsize == 23


def test_the_limits_that_hold_where_none_are_set() -> None:
    assert HttpOptions() == HttpOptions(10, 120, 6, 60, 1800, 512 * 2**20, 1800, 8, None)


@given(st.text(max_size=40))
def test_whatever_a_link_says_it_stays_at_the_origin_or_is_refused(link: str) -> None:
    session = ApiSession("https://good.example/base", credentials=BasicCredentials("a", "b"))
    try:
        url = session._pinned(link)
    except ForeignOrigin:
        return
    try:
        prepared = requests.Request("GET", url).prepare().url
    except requests.exceptions.InvalidURL:
        return
    assert str(prepared).startswith("https://good.example/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://usmf.example", "not encrypted"),
        ("usmf.example", "not an address"),
        ("https://", "not an address"),
        ("https://user:s3cret@usmf.example", "not an address"),
        ("https://usmf.example:port", "not an address"),
        ("https://usmf.example?key=s3cret", "without a query"),
        ("https://usmf.example#s3cret", "without a query"),
        ("https://[::1", "not an address"),
        ("", "not an address"),
    ],
)
def test_an_address_that_is_none_is_named_without_its_secrets(url: str, words: str) -> None:
    with pytest.raises(SetupError, match=words) as caught:
        ApiSession(url)
    assert "s3cret" not in str(caught.value)


def test_origins_print_as_addresses() -> None:
    for url, text in {
        "HTTPS://Usmf.Example:443/data": "https://usmf.example",
        "https://usmf.example:8443": "https://usmf.example:8443",
        "http://[::1]:8080/x": "http://[::1]:8080",
    }.items():
        assert str(Origin.of(url)) == text
        assert Origin.of(str(Origin.of(url))) == Origin.of(url)


# Redirects


def test_a_redirect_is_followed_once_and_without_credentials(
    server: ScriptedServer, session: ApiSession
) -> None:
    with ScriptedServer() as storage:
        server.play(Answer(302, headers={"Location": f"{storage.url}/blob?sig=abc"}))
        storage.play(Answer(body=b'{"value":[1.10]}'))
        answer = session.fetch_redirect(session.get("/v1/documents"))
        assert decode_json(answer) == {"value": [Decimal("1.10")]}
        assert "Authorization" not in storage.requests[0].headers
        assert storage.requests[0].path == "/blob?sig=abc"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_request_is_returned_not_followed(
    server: ScriptedServer, session: ApiSession, status: int
) -> None:
    with ScriptedServer() as elsewhere:
        server.play(Answer(status, headers={"Location": elsewhere.url}))
        assert session.request("POST", "/x", json_body={}).status_code == status
        assert status in REDIRECTS
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://storage.example/blob?sig=s3cret", "not encrypted"),
        ("https://user:s3cret@storage.example/blob", "not accepted"),
        ("ftp://storage.example/blob?sig=s3cret", "not accepted"),
        ("https://evil.example/blob?sig=s3cret", "not an allowed storage host"),
        ("https://notstorage.example/blob", "not an allowed storage host"),
        ("https://storage.example.evil.example/blob", "not an allowed storage host"),
        ("//evil.example/blob", "not accepted|not encrypted|not an allowed"),
    ],
)
def test_a_redirect_to_a_foreign_place_is_refused(
    server: ScriptedServer, session: ApiSession, location: str, words: str
) -> None:
    server.play(Answer(302, headers={"Location": location}))
    with pytest.raises(ForeignOrigin, match=words) as caught:
        session.fetch_redirect(
            session.get("/v1/documents"), allowed_hosts=frozenset({"storage.example"})
        )
    assert "s3cret" not in str(caught.value)


class Watched(HTTPAdapter):
    """Sends nothing, and keeps what was to be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[requests.PreparedRequest] = []

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.requests.append(request)
        raise requests.ConnectionError("watched")


@pytest.mark.parametrize("location", HOSTILE)
def test_wherever_a_redirect_leads_no_credentials_follow(
    server: ScriptedServer, open_session: Callable[..., ApiSession], location: str
) -> None:
    session = open_session(server.url, credentials=BearerCredentials(lambda: Token("t", 3600)))
    moved = requests.Response()
    moved.status_code, moved.url = 302, f"{server.url}/v1/documents"
    moved.headers["Location"] = location.replace("PORT", str(server.port))
    watched = Watched()
    for scheme in ("http://", "https://"):
        session._session.mount(scheme, watched)
    with pytest.raises((ForeignOrigin, Unavailable, Refused, SetupError)):
        session.fetch_redirect(moved)
    for request in watched.requests:
        assert "Authorization" not in request.headers
        assert str(request.url).startswith(
            ("https://", "http://localhost", "http://127", "http://[")
        )


def test_a_redirect_leads_to_a_read_like_any_other(
    server: ScriptedServer, session: ApiSession
) -> None:
    server.play(Answer(302, headers={"Location": "/blob"}), Answer(500))
    assert session.fetch_redirect(session.get("/v1/documents")).status_code == 200
    assert [seen.method for seen in server.requests] == ["GET"] * 3


def test_a_storage_that_refuses_is_not_offered_another_token(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, credentials=BearerCredentials(lambda: Token("t", 3600)))
    server.play(Answer(302, headers={"Location": "/blob"}), Answer(401))
    moved = session.get("/v1/documents")
    with pytest.raises(AccessDenied, match="401"):
        session.fetch_redirect(moved)
    assert len(server.requests) == 2


def test_an_allowed_host_includes_those_below_it(
    server: ScriptedServer, session: ApiSession
) -> None:
    server.play(Answer(302, headers={"Location": "/blob"}))
    moved = session.get("/v1/documents")
    answer = session.fetch_redirect(moved, allowed_hosts=frozenset({"localhost"}))
    assert answer.status_code == 200
    assert "Authorization" not in server.requests[1].headers


def test_a_redirect_without_a_location_is_refused(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, request_id=lambda answer: answer.headers.get("request-id"))
    server.play(Answer(302, headers={"request-id": "r-1"}))
    with pytest.raises(Refused, match=r"localhost:\d+ redirects without saying where") as caught:
        session.fetch_redirect(session.get("/v1/documents"))
    assert (caught.value.status, caught.value.request_id) == (302, "r-1")


# Long answers


def test_an_answer_that_is_too_long_is_not_read(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, max_response_bytes=1000))
    server.play(Answer(body=b" " * 1001))
    with pytest.raises(Refused, match=r"longer than .* MiB \(max_response_mib\)"):
        session.get("/x")
    assert len(server.requests) == 1
    server.play(Answer(body=b" " * 1000))
    assert session.get("/x").content == b" " * 1000


def test_a_small_answer_that_swells_is_not_read(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, max_response_bytes=1_000_000))
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    server.play(Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(Refused, match="longer than"):
        session.get("/x")


def test_what_a_long_answer_says_of_a_write_is_in_doubt(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, max_response_bytes=1000))
    server.play(Answer(body=b" " * 1001))
    with pytest.raises(InDoubt, match="longer than"):
        session.request("POST", "/x", json_body={})


def test_an_answer_that_drips_has_an_end(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    session = open_session(server.url, options=replace(OPTIONS, max_response_seconds=0))
    server.play(Answer(body=b"{}"))
    with pytest.raises(Refused, match="not complete after 0 s"):
        session.get("/x")


# No connection


def test_a_refused_connection_in_words(open_session: Callable[..., ApiSession]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        session = open_session(f"http://localhost:{port}")
        with pytest.raises(Unavailable, match=r"Connection refused.*check the address"):
            session.request("POST", "/x", json_body={})


def test_an_unknown_host_in_words(
    open_session: Callable[..., ApiSession], time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unavailable, match="Name or service not known"):
        open_session("https://nowhere.example").request("POST", "/x", json_body={})
    assert len(time.sleeps) == OPTIONS.max_attempts - 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_server(authority: trustme.CA) -> Iterator[ScriptedServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with ScriptedServer(context) as running:
        yield running


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def test_a_certificate_that_is_not_trusted_in_words(
    secure_server: ScriptedServer, open_session: Callable[..., ApiSession], time: Time
) -> None:
    with pytest.raises(AccessDenied, match=r"certificate verify failed.*set ca_file"):
        open_session(secure_server.url).request("POST", "/x", json_body={})
    assert secure_server.requests == []
    # Asking again would not make it trusted.
    assert time.sleeps == []


def test_the_ca_file_wins_over_the_environment(
    secure_server: ScriptedServer,
    open_session: Callable[..., ApiSession],
    ca_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(name, str(other))
    session = open_session(secure_server.url, options=replace(OPTIONS, ca_file=ca_file))
    assert session.get("/x").status_code == 200


@pytest.mark.parametrize("step", [Vanish(), Vanish(junk=b"HTTP/1.1 502 Bad\r\n\r\n"), Reset()])
def test_a_tls_connection_that_breaks_after_the_request_leaves_a_write_in_doubt(
    secure_server: ScriptedServer,
    open_session: Callable[..., ApiSession],
    ca_file: str,
    step: Step,
) -> None:
    session = open_session(secure_server.url, options=replace(OPTIONS, ca_file=ca_file))
    secure_server.play(step)
    with pytest.raises(InDoubt):
        session.request("POST", "/x", json_body={})
    assert len(secure_server.requests) == 1


def test_a_ca_file_that_is_missing_or_none_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"missing\.pem.* cannot be read"):
        ApiSession("https://a.example", options=HttpOptions(ca_file=str(tmp_path / "missing.pem")))
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(SetupError, match="no certificate in PEM form"):
        ApiSession("https://a.example", options=HttpOptions(ca_file=str(tmp_path / "empty.pem")))


# Secrets stay out of texts


def test_no_error_text_holds_a_secret_a_query_or_a_body(
    server: ScriptedServer, session: ApiSession
) -> None:
    faults: list[Step] = [
        Answer(400),
        Answer(403),
        Answer(500),
        Reset(),
        Vanish(),
        Answer(200, cut=True),
    ]
    for fault in faults:
        server.play(fault)
        with pytest.raises((Refused, AccessDenied, InDoubt)) as caught:
            session.request(
                "POST", "/x?token=s3cret", params={"sig": "s3cret"}, json_body={"iban": "s3cret"}
            )
        text = f"{caught.value} {caught.value!r}"
        assert "s3cret" not in text
        assert "dXNlcjpz" not in text


def test_a_token_that_no_header_can_hold_is_not_printed(
    server: ScriptedServer, open_session: Callable[..., ApiSession]
) -> None:
    credentials = BearerCredentials(lambda: Token("s3cret\nInjected: yes", 3600))
    session = open_session(server.url, credentials=credentials)
    words = r"POST http://localhost:\d+/x: .* \(InvalidHeader\): .*characters in the credentials"
    with pytest.raises(SetupError, match=words) as caught:
        session.request("POST", "/x", json_body={})
    assert "s3cret" not in str(caught.value)
    assert server.requests == []


# JSON

finite = st.decimals(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def answered(body: bytes) -> requests.Response:
    response = requests.Response()
    response._content, response.status_code, response.url = body, 200, "https://a.example/x?sig=1"
    return response


@given(json_values)
def test_values_survive_json_to_the_last_digit(value: Any) -> None:
    try:
        encoded = encode_json(value)
    except UnicodeEncodeError:  # half a surrogate pair
        return
    assert json.loads(encoded, parse_float=Decimal) == value
    assert decode_json(answered(encoded)) == value


@given(finite)
def test_an_amount_keeps_its_digits(amount: Decimal) -> None:
    assert decode_json(answered(encode_json([amount])))[0] == amount


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_neither_written_nor_read(number: str) -> None:
    with pytest.raises(ValueError, match="no JSON number"):
        encode_json({"lines": [{"amount": Decimal(number)}]})
    with pytest.raises(ValueError, match="no JSON number"):
        encode_json([float(number.removeprefix("s"))])
    with pytest.raises(Refused, match="not JSON"):
        decode_json(answered(f"[{number}]".encode()))


def test_a_text_that_reads_like_no_number_is_a_text() -> None:
    assert encode_json(["NaN Bakery", "Infinity"]) == b'["NaN Bakery","Infinity"]'


@pytest.mark.parametrize("body", [b"<html>", b"", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_an_answer_that_is_no_json_names_the_address(body: bytes) -> None:
    with pytest.raises(Refused, match=r"https://a\.example/x answered 200 .* not JSON") as caught:
        decode_json(answered(body))
    assert "sig" not in str(caught.value)
