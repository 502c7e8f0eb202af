"""The error table: reads are asked again, writes only when they certainly were not carried out."""

from __future__ import annotations

import socket
import ssl

import pytest
import requests
import urllib3
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.policy import Action, ErrorTable, Verdict, both, never_sent, untrusted

READS = ["GET", "HEAD", "OPTIONS"]
WRITES = ["POST", "PUT", "PATCH", "DELETE", "MERGE"]
TABLE = ErrorTable()


def answer(status: int, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@given(st.integers(100, 399), st.sampled_from(READS + WRITES))
def test_anything_below_400_is_an_answer(status: int, method: str) -> None:
    assert TABLE.for_response(method, answer(status)) is Action.ACCEPT


@given(st.integers(500, 599), st.sampled_from(WRITES))
def test_no_server_error_lets_a_write_be_repeated(status: int, method: str) -> None:
    assert TABLE.for_response(method, answer(status)) is Action.IN_DOUBT


@given(st.integers(500, 599) | st.sampled_from([408, 429]), st.sampled_from(READS))
def test_a_read_is_repeated_after_any_server_error(status: int, method: str) -> None:
    assert TABLE.for_response(method, answer(status)) is Action.RETRY


@pytest.mark.parametrize("method", [*READS, *WRITES])
@pytest.mark.parametrize(
    ("response", "action"),
    [
        (answer(401), Action.REFRESH_TOKEN),
        (answer(403), Action.DENY),
        (answer(429), Action.RETRY),
        (answer(503, Retry_After="1"), Action.RETRY),
        (answer(400), Action.REFUSE),
        (answer(404), Action.REFUSE),
        (answer(409), Action.REFUSE),
        (answer(422), Action.REFUSE),
    ],
)
def test_answers_that_mean_the_same_for_reads_and_writes(
    method: str, response: requests.Response, action: Action
) -> None:
    assert TABLE.for_response(method, response) is action


def test_a_system_can_have_a_table_of_its_own() -> None:
    table = ErrorTable({403: both(Action.REFUSE), 404: Verdict(Action.ACCEPT, Action.REFUSE)})
    assert table.for_response("GET", answer(403)) is Action.REFUSE
    assert table.for_response("GET", answer(404)) is Action.ACCEPT
    assert table.for_response("POST", answer(404)) is Action.REFUSE
    assert table.for_response("POST", answer(403)) is Action.REFUSE
    assert table.for_response("POST", answer(500)) is Action.IN_DOUBT


def wrapped(reason: Exception) -> requests.ConnectionError:
    pool = urllib3.HTTPSConnectionPool("a.example")
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", reason))


CONNECTION = urllib3.connection.HTTPSConnection("a.example")


def named(error: requests.RequestException) -> str:
    cause = getattr(error.args[0], "reason", error.args[0]) if error.args else None
    inner = repr(cause.args[:1]) if isinstance(cause, urllib3.exceptions.SSLError) else None
    parts = (error, error.args[0] if error.args else None, cause)
    kinds = dict.fromkeys(type(part).__name__ for part in parts if part is not None)
    return "-".join([*kinds, *([inner] if inner else [])])


NEVER_SENT = [
    requests.ConnectTimeout(),
    requests.ConnectionError(urllib3.exceptions.NewConnectionError(CONNECTION, "refused")),
    wrapped(
        urllib3.exceptions.NameResolutionError("a.example", CONNECTION, socket.gaierror("unknown"))
    ),
    wrapped(urllib3.exceptions.NewConnectionError(CONNECTION, "refused")),
    wrapped(urllib3.exceptions.ConnectTimeoutError(CONNECTION, "timed out")),
    wrapped(urllib3.exceptions.ProxyError("no tunnel", OSError("407"))),
    requests.exceptions.SSLError(
        urllib3.exceptions.MaxRetryError(
            urllib3.HTTPSConnectionPool("a.example"),
            "/",
            urllib3.exceptions.SSLError(urllib3.exceptions.SSLError("no context")),
        )
    ),
]
UNTRUSTED = requests.exceptions.SSLError(
    urllib3.exceptions.MaxRetryError(
        urllib3.HTTPSConnectionPool("a.example"),
        "/",
        urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed")),
    )
)
PERHAPS_SENT = [
    requests.ReadTimeout(),
    requests.ConnectionError(urllib3.exceptions.ProtocolError("aborted", ConnectionResetError())),
    requests.ConnectionError(),
    requests.exceptions.ChunkedEncodingError(),
    requests.exceptions.ContentDecodingError(),
    requests.exceptions.SSLError(),
    requests.exceptions.SSLError(urllib3.exceptions.SSLError()),
    requests.exceptions.SSLError(urllib3.exceptions.SSLError(ssl.SSLError("bad record"))),
    requests.exceptions.SSLError(
        urllib3.exceptions.MaxRetryError(
            urllib3.HTTPSConnectionPool("a.example"),
            "/",
            urllib3.exceptions.SSLError(ssl.SSLEOFError(8, "EOF in violation of protocol")),
        )
    ),
]


UNTRUSTED_AT_ONCE = requests.exceptions.SSLError(
    urllib3.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed"))
)


@pytest.mark.parametrize("error", [UNTRUSTED, UNTRUSTED_AT_ONCE], ids=["wrapped", "bare"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_certificate_that_is_not_trusted_is_not_asked_again(
    method: str, error: requests.RequestException
) -> None:
    assert TABLE.for_exception(method, error) is Action.DENY
    assert never_sent(error)


def test_what_is_no_matter_of_trust() -> None:
    assert not untrusted(requests.ConnectionError(ssl.SSLCertVerificationError("no urllib3 error")))
    assert not untrusted(requests.exceptions.SSLError(urllib3.exceptions.SSLError()))


@pytest.mark.parametrize("error", NEVER_SENT, ids=named)
def test_a_write_is_repeated_when_no_connection_came_about(
    error: requests.RequestException,
) -> None:
    assert TABLE.for_exception("POST", error) is Action.RETRY


@pytest.mark.parametrize("error", PERHAPS_SENT, ids=named)
def test_a_write_is_in_doubt_when_the_server_may_have_seen_it(
    error: requests.RequestException,
) -> None:
    assert TABLE.for_exception("POST", error) is Action.IN_DOUBT
    assert TABLE.for_exception("GET", error) is Action.RETRY
