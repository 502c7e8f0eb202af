"""Tokens: what msal gets, what the authority refuses, and whom F&O lets in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests
from sandbox.d365fo.tokens import CLIENT_ID, CLIENT_SECRET, TENANT_ID, UNREGISTERED_CLIENT_ID
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import application, connect, trusting_session


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[requests.Session]:
    with trusting_session(sandbox) as trusting:
        yield trusting


def ask(
    sandbox: Sandbox, session: requests.Session, version: str = "oauth2/v2.0", **form: str
) -> requests.Response:
    fields = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": f"{sandbox.d365fo_url}/.default",
    } | form
    return session.post(f"{sandbox.entra_url}/{TENANT_ID}/{version}/token", fields)


def visit(sandbox: Sandbox, session: requests.Session, token: str | None) -> requests.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return session.get(f"{sandbox.d365fo_url}/data/LegalEntities", headers=headers)


def test_msal_gets_a_token_that_f_and_o_accepts(
    sandbox: Sandbox, session: requests.Session
) -> None:
    app = application(sandbox, session)
    answer = app.acquire_token_for_client([f"{sandbox.d365fo_url}/.default"])
    claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
    assert claims["aud"] == sandbox.d365fo_url
    assert (claims["tid"], claims["appid"]) == (TENANT_ID, CLIENT_ID)
    assert claims["oid"]
    assert len(answer["access_token"]) > 1500
    assert visit(sandbox, session, answer["access_token"]).status_code == 200


def test_msal_hears_why_it_gets_none(sandbox: Sandbox, session: requests.Session) -> None:
    def refusal(client_id: str, secret: str) -> tuple[str, str]:
        app = application(sandbox, session, client_id=client_id, secret=secret)
        answer: dict[str, Any] = app.acquire_token_for_client([f"{sandbox.d365fo_url}/.default"])
        return answer["error"], answer["error_description"].partition(":")[0]

    assert refusal(CLIENT_ID, "wrong") == ("invalid_client", "AADSTS7000215")
    stranger = "00000000-0000-0000-0000-000000000001"
    assert refusal(stranger, "x") == ("unauthorized_client", "AADSTS700016")


def test_an_unknown_tenant_has_no_configuration(
    sandbox: Sandbox, session: requests.Session
) -> None:
    with pytest.raises(ValueError, match="double check your tenant"):
        application(sandbox, session, tenant="99999999-0000-0000-0000-000000000000")
    url = f"{sandbox.entra_url}/nowhere/v2.0/.well-known/openid-configuration"
    answer = session.get(url)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_tenant")
    answer = session.post(f"{sandbox.entra_url}/nowhere/oauth2/v2.0/token", {})
    assert (answer.status_code, answer.json()["error_codes"]) == (400, [90002])


@pytest.mark.parametrize(
    ("form", "status", "code"),
    [
        ({"grant_type": "password"}, 400, 70003),
        ({"client_secret": "wrong"}, 401, 7000215),
        ({"scope": "https://elsewhere.operations.dynamics.com/.default"}, 400, 50001),
        ({"scope": "https://localhost"}, 400, 1002012),
    ],
)
def test_the_authority_refuses(
    sandbox: Sandbox, session: requests.Session, form: dict[str, str], status: int, code: int
) -> None:
    answer = ask(sandbox, session, **form)
    assert (answer.status_code, answer.json()["error_codes"]) == (status, [code])


def test_the_old_endpoint_takes_a_resource_and_writes_numbers_as_text(
    sandbox: Sandbox, session: requests.Session
) -> None:
    answer = ask(sandbox, session, "oauth2", resource=sandbox.d365fo_url).json()
    assert answer["expires_in"] == "3599"
    assert visit(sandbox, session, answer["access_token"]).status_code == 200


def test_an_audience_with_a_trailing_slash_is_401(
    sandbox: Sandbox, session: requests.Session
) -> None:
    answer = ask(sandbox, session, scope=f"{sandbox.d365fo_url}//.default").json()
    assert visit(sandbox, session, answer["access_token"]).status_code == 401


def test_who_is_not_let_in(sandbox: Sandbox, session: requests.Session) -> None:
    assert visit(sandbox, session, None).status_code == 401
    assert visit(sandbox, session, "garbage").status_code == 401
    foreign = jwt.encode({"aud": sandbox.d365fo_url}, b"0" * 32, algorithm="HS256")
    assert visit(sandbox, session, foreign).status_code == 401
    stranger = ask(sandbox, session, client_id=UNREGISTERED_CLIENT_ID).json()["access_token"]
    assert visit(sandbox, session, stranger).status_code == 403


def test_a_token_expires(sandbox: Sandbox, session: requests.Session) -> None:
    sandbox.switches.d365fo.token_seconds = 60
    token = ask(sandbox, session).json()["access_token"]
    assert visit(sandbox, session, token).status_code == 200
    sandbox.clock.advance(61)
    assert visit(sandbox, session, token).status_code == 401


def test_tokens_can_be_revoked_in_mid_run(sandbox: Sandbox, session: requests.Session) -> None:
    dynamics = connect(sandbox, session)
    sandbox.d365fo.revoke_tokens()
    assert dynamics.get("LegalEntities").status_code == 401
    assert connect(sandbox, session).get("LegalEntities").status_code == 200
