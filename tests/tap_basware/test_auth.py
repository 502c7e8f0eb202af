from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, DeliveryError, Refused, SetupError
from tap_basware.auth import credentials, lifetime
from tap_basware.tap import TapBasware

MakeTap = Callable[..., TapBasware]


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(3600, 3600), ("86400", 86400), (None, 300), ("soon", 300), (0, 300), (math.nan, 300)],
)
def test_lifetime_is_read_as_seconds(said: Any, seconds: float) -> None:
    assert lifetime(said) == seconds


def test_missing_credentials_name_the_settings(make_tap: MakeTap) -> None:
    with pytest.raises(SetupError, match=r"set client_id and client_secret .* or username"):
        make_tap(client_secret="").check_connection()


def test_only_the_scopes_of_the_selected_streams_are_asked_for(
    sandbox: Sandbox, make_tap: MakeTap
) -> None:
    make_tap(streams=["vendors", "lists"], list_keys=["A"]).check_connection()
    [token] = sandbox.journal.requests(system="basware", method="POST")
    assert token.body == b"grant_type=client_credentials&scope=lists.read+vendors.read"


def test_a_wrong_secret_is_said_in_words_without_the_secret(make_tap: MakeTap) -> None:
    with pytest.raises(AccessDenied, match="refused the client id or secret") as caught:
        make_tap(client_secret="not-the-secret").check_connection()
    assert "not-the-secret" not in str(caught.value)


def test_a_missing_scope_is_named_alone(sandbox: Sandbox, make_tap: MakeTap) -> None:
    sandbox.switches.basware.granted_scopes = ("vendors.read",)
    with pytest.raises(AccessDenied, match=r"the scope accounts\.read:") as caught:
        make_tap(streams=["vendors", "accounts"]).check_connection()
    assert "vendors.read" not in str(caught.value)


def test_a_scope_that_is_silently_left_out_is_named(sandbox: Sandbox, make_tap: MakeTap) -> None:
    body = '{"access_token": "t", "scope": "vendors.read", "expires_in": 3600}'
    sandbox.faults.add(Fault("basware", "status", path="/v1/tokens", status=200, body=body))
    with pytest.raises(AccessDenied, match=r"the scope accounts\.read:"):
        make_tap(streams=["vendors", "accounts"]).check_connection()


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, "<html><title>Not here</title></html>"), (404, ""), (405, '{"message": "no"}')],
)
def test_a_wrong_address_is_told_apart_from_wrong_credentials(
    sandbox: Sandbox, make_tap: MakeTap, status: int, body: str
) -> None:
    sandbox.faults.add(Fault("basware", "status", path="/v1/tokens", status=status, body=body))
    with pytest.raises(Refused, match="not Basware's token endpoint; check region"):
        make_tap().check_connection()


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "{}", '{"access_token": 7}'])
def test_an_answer_without_token_is_no_token(
    sandbox: Sandbox, make_tap: MakeTap, body: str
) -> None:
    sandbox.faults.add(Fault("basware", "status", path="/v1/tokens", status=200, body=body))
    with pytest.raises(Refused, match="the address"):
        make_tap().check_connection()


def test_a_lost_answer_of_the_token_endpoint_is_asked_for_again(
    sandbox: Sandbox, make_tap: MakeTap
) -> None:
    sandbox.faults.add(Fault("basware", "reset_after", path="/v1/tokens"))
    sandbox.faults.add(Fault("basware", "status", path="/v1/tokens", status=503))
    assert make_tap(max_attempts=3).check_connection()


def test_a_revoked_token_is_renewed_once(
    sandbox: Sandbox, make_tap: MakeTap, invoices: Callable[..., list[str]]
) -> None:
    invoices(1)
    tap = make_tap()
    tap.check_connection()
    sandbox.basware.revoke_tokens()
    tap.check_connection()
    assert len(sandbox.journal.requests(system="basware", method="POST")) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_a_right_that_the_token_lacks_is_named(
    sandbox: Sandbox, make_tap: MakeTap, status: int
) -> None:
    sandbox.faults.add(
        Fault("basware", "status", path="/v1/vendors", status=status, body="{}", times=-1)
    )
    with pytest.raises(AccessDenied, match=r"this needs the scope vendors\.read"):
        make_tap(streams=["vendors"]).check_connection()


def test_legacy_basic_authentication(
    sandbox: Sandbox, make_tap: MakeTap, invoices: Callable[..., list[str]]
) -> None:
    invoices(1)
    tap = make_tap(
        client_id="", client_secret="", username="basware-user", password="basware-password"
    )
    assert tap.check_connection() == ["accounting_documents: readable"]
    assert not sandbox.journal.requests(system="basware", method="POST")


def test_a_wrong_basic_password_is_refused_without_naming_it(make_tap: MakeTap) -> None:
    tap = make_tap(client_id="", client_secret="", username="basware-user", password="wrong-one")
    with pytest.raises(AccessDenied) as caught:
        tap.check_connection()
    assert "wrong-one" not in str(caught.value)


def test_an_unreachable_host_is_named(make_tap: MakeTap) -> None:
    with pytest.raises(DeliveryError, match=r"localhost:1.*check the address"):
        make_tap(base_url="https://localhost:1", max_attempts=1).check_connection()


def test_credentials_are_never_sent_unencrypted() -> None:
    with pytest.raises(SetupError, match="not encrypted"):
        TapBasware(
            config={"base_url": "http://basware.example", "username": "u", "password": "p"}
        ).check_connection()


def test_a_complete_oauth2_pair_comes_first() -> None:
    from singer_delivery.http import HttpOptions
    from singer_delivery.tokens import BearerCredentials

    config = {"client_id": "c", "client_secret": "s", "username": "u", "password": "p"}
    found = credentials(config, "https://x.example", ["vendors.read"], HttpOptions())
    assert isinstance(found, BearerCredentials)
