"""One token for all threads: fetched once, renewed ahead of its end and once after a refusal."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.errors import AccessDenied
from singer_delivery.tokens import BasicCredentials, BearerCredentials, Token


class Issuer:
    """A token endpoint with a clock of its own."""

    def __init__(self, expires_in: float = 3600) -> None:
        self.expires_in = expires_in
        self.now = 0.0
        self.issued = 0

    def fetch(self) -> Token:
        self.issued += 1
        return Token(f"t{self.issued}", self.expires_in)

    def credentials(self) -> BearerCredentials:
        return BearerCredentials(self.fetch, clock=lambda: self.now)


def test_basic_credentials_are_those_of_rfc_7617() -> None:
    credentials = BasicCredentials("Aladdin", "open sesame")
    assert credentials.header() == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert not credentials.renew(credentials.header())


def test_a_token_is_fetched_once_and_kept() -> None:
    issuer = Issuer()
    credentials = issuer.credentials()
    assert {credentials.header() for _ in range(5)} == {"Bearer t1"}
    assert issuer.issued == 1


def test_a_token_is_renewed_a_minute_ahead_of_its_end() -> None:
    issuer = Issuer(expires_in=3600)
    credentials = issuer.credentials()
    credentials.header()
    issuer.now = 3539
    assert credentials.header() == "Bearer t1"
    issuer.now = 3540
    assert credentials.header() == "Bearer t2"


@given(st.floats(min_value=0.5, max_value=120))
def test_a_short_token_is_used_for_at_least_half_of_its_life(seconds: float) -> None:
    issuer = Issuer(expires_in=seconds)
    credentials = issuer.credentials()
    credentials.header()
    issuer.now = seconds * 0.49
    assert credentials.header() == "Bearer t1"
    issuer.now = seconds
    assert credentials.header() == "Bearer t2"


def test_threads_that_start_together_share_one_token() -> None:
    issuer = Issuer()
    credentials = issuer.credentials()
    together = threading.Barrier(8)

    def ask() -> str:
        together.wait()
        return credentials.header()

    with ThreadPoolExecutor(8) as pool:
        headers = {future.result() for future in [pool.submit(ask) for _ in range(8)]}
    assert headers == {"Bearer t1"}
    assert issuer.issued == 1


def test_threads_whose_token_was_refused_share_its_successor() -> None:
    issuer = Issuer()
    credentials = issuer.credentials()
    used = credentials.header()
    together = threading.Barrier(8)

    def refused() -> str:
        together.wait()
        assert credentials.renew(used)
        return credentials.header()

    with ThreadPoolExecutor(8) as pool:
        headers = {future.result() for future in [pool.submit(refused) for _ in range(8)]}
    assert headers == {"Bearer t2"}
    assert issuer.issued == 2


def test_a_late_refusal_of_an_old_token_does_not_drop_the_new_one() -> None:
    issuer = Issuer()
    credentials = issuer.credentials()
    old = credentials.header()
    credentials.renew(old)
    new = credentials.header()
    credentials.renew(old)
    assert credentials.header() == new


def test_a_refusal_by_the_token_endpoint_is_not_remembered() -> None:
    answers: Iterator[Token | AccessDenied] = iter([AccessDenied("wrong secret"), Token("t", 60)])

    def fetch() -> Token:
        answer = next(answers)
        if isinstance(answer, AccessDenied):
            raise answer
        return answer

    credentials = BearerCredentials(fetch)
    with pytest.raises(AccessDenied):
        credentials.header()
    assert credentials.header() == "Bearer t"
