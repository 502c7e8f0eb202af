"""Access to the Basware side: tokens, scopes, legacy authentication."""

from __future__ import annotations

from collections.abc import Callable

import jwt
import pytest
import requests
from sandbox.server import Sandbox

CLIENT = ("basware-client", "basware-secret")
GRANT = {"grant_type": "client_credentials", "scope": "vendors.read vendors.write"}
Call = Callable[..., requests.Response]


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    def send(method: str, path: str, **options: object) -> requests.Response:
        url = sandbox.basware_url + path
        return requests.request(method, url, verify=str(sandbox.ca_file), timeout=5, **options)

    return send


def test_a_token_is_signed_by_the_published_key_and_names_scope_and_customer(
    call: Call, sandbox: Sandbox
) -> None:
    answer = call("POST", "/v1/tokens", auth=CLIENT, data=GRANT).json()
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert answer["scope"] == "vendors.read vendors.write"

    discovery = call("GET", "/.well-known/openid-configuration").json()
    assert discovery["jwks_uri"] == f"{sandbox.basware_url}/.well-known/jwks.json"
    [key] = call("GET", "/.well-known/jwks.json").json()["keys"]
    claims = jwt.decode(
        answer["access_token"], jwt.PyJWK(key).key, algorithms=["RS256"], audience="OpenAPI"
    )
    assert claims["bwcid"] == "000001-TEST1"
    assert claims["exp"] - claims["iat"] == 3600
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "at+jwt"


@pytest.mark.parametrize(
    ("auth", "form", "status", "error"),
    [
        (("basware-client", "wrong"), GRANT, 401, {"error": "invalid_client"}),
        (None, GRANT, 401, {"error": "invalid_client"}),
        (
            CLIENT,
            {"scope": "vendors.read"},
            400,
            {"error": "invalid_request", "error_description": "grant_type field required"},
        ),
        (
            CLIENT,
            {"grant_type": "client_credentials"},
            400,
            {"error": "invalid_request", "error_description": "scope field required"},
        ),
        (
            CLIENT,
            GRANT | {"scope": "vendors.read vendors.fly"},
            400,
            {"error": "invalid_scope", "error_description": "vendors.fly"},
        ),
        (
            CLIENT,
            GRANT | {"grant_type": "password"},
            400,
            {
                "error": "unsupported_grant_type",
                "error_description": "grant_type must be client_credentials",
            },
        ),
    ],
)
def test_a_wrong_token_request_is_refused_in_its_own_dialect(
    call: Call,
    auth: tuple[str, str] | None,
    form: dict[str, str],
    status: int,
    error: dict[str, str],
) -> None:
    answer = call("POST", "/v1/tokens", auth=auth, data=form)
    assert (answer.status_code, answer.json()) == (status, error)


def test_a_token_request_that_is_no_form_is_unprocessable(call: Call) -> None:
    answer = call("POST", "/v1/tokens", auth=CLIENT, json=GRANT)
    assert answer.status_code == 422
    assert set(answer.json()["detail"][0]) == {"loc", "msg", "type"}


def test_a_client_gets_only_scopes_it_was_granted(call: Call, sandbox: Sandbox) -> None:
    sandbox.switches.set("basware.granted_scopes", "vendors.read")
    answer = call("POST", "/v1/tokens", auth=CLIENT, data=GRANT)
    assert answer.json() == {"error": "invalid_scope", "error_description": "vendors.write"}


def bearer(call: Call, scope: str) -> dict[str, str]:
    form = GRANT | {"scope": scope}
    token = call("POST", "/v1/tokens", auth=CLIENT, data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def test_a_token_opens_what_its_scope_says_and_nothing_else(call: Call, sandbox: Sandbox) -> None:
    headers = bearer(call, "vendors.read")
    assert call("GET", "/v1/vendors", headers=headers).status_code == 404  # let in; none there
    denied = call("POST", "/v1/vendors", headers=headers, json=[])
    assert (denied.status_code, denied.json()) == (401, {"message": "Unauthorized"})
    assert call("GET", "/v1/accounts", headers=headers).status_code == 401

    sandbox.switches.basware.missing_scope_status = 403
    sandbox.switches.basware.security_error_body = "list"
    denied = call("GET", "/v1/accounts", headers=headers)
    assert denied.status_code == 403
    [error] = denied.json()["errors"]
    assert (error["type"], error["code"]) == ("SECURITY", "ACCESS_TOKEN_VALIDATION_ERROR")
    assert denied.json()["requestId"] == denied.headers["x-amzn-RequestId"]


@pytest.mark.parametrize("ending", ["expired", "revoked"])
def test_a_token_ends(call: Call, sandbox: Sandbox, ending: str) -> None:
    sandbox.switches.basware.token_lifetime = 300
    headers = bearer(call, "vendors.read")
    sandbox.clock.advance(298)
    assert call("GET", "/v1/vendors", headers=headers).status_code == 404
    if ending == "expired":
        sandbox.clock.advance(2)
    else:
        sandbox.basware.revoke_tokens()
    assert call("GET", "/v1/vendors", headers=headers).status_code == 401


def test_legacy_basic_authentication_opens_everything_unless_switched_off(
    call: Call, sandbox: Sandbox
) -> None:
    user = ("basware-user", "basware-password")
    assert call("GET", "/v1/vendors", auth=user).status_code == 404
    assert call("GET", "/v1/vendors", auth=("basware-user", "x")).status_code == 401
    assert call("GET", "/v1/vendors", auth=CLIENT).status_code == 401  # no API user
    sandbox.switches.basware.accept_basic_auth = False
    assert call("GET", "/v1/vendors", auth=user).status_code == 401


def test_every_answer_names_its_request(call: Call) -> None:
    first, second = call("GET", "/v1/vendors"), call("GET", "/v1/nothing")
    assert (first.status_code, second.status_code) == (401, 401)
    assert first.headers["x-amzn-RequestId"] != second.headers["x-amzn-RequestId"]
