from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
from singer_delivery.errors import AccessDenied, ApiError, SetupError, Unavailable
from tap_d365fo.auth import EntraApp, EntraTokens

AUTHORITY = "https://login.sandbox.example"
SECRET = "very-secret-value"
APP = EntraApp(
    tenant_id="contoso.example",
    client_id="app-1",
    credential=SECRET,
    scope="https://contoso.operations.dynamics.com/.default",
    authority=AUTHORITY,
)
DISCOVERY = {
    "issuer": f"{AUTHORITY}/t/v2.0",
    "authorization_endpoint": f"{AUTHORITY}/t/oauth2/v2.0/authorize",
    "token_endpoint": f"{AUTHORITY}/t/oauth2/v2.0/token",
}


def reply(status: int, body: Any) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.raw = io.BytesIO(json.dumps(body).encode())
    return response


def refusal(code: str) -> requests.Response:
    text = f"AADSTS{code}: Something about app-1. Trace ID: t Correlation ID: c"
    return reply(400, {"error": "invalid_client", "error_description": text})


@dataclass
class Authority:
    """A token authority that gives the same answer to each token request."""

    token: requests.Response | Exception
    discovery: requests.Response = field(default_factory=lambda: reply(200, DISCOVERY))
    forms: list[dict[str, Any]] = field(default_factory=list)

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        assert url.startswith(AUTHORITY)
        return self.discovery

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        self.forms.append(kwargs["data"])
        if isinstance(self.token, Exception):
            raise self.token
        return self.token


def failure(authority: Authority) -> ApiError | SetupError:
    with pytest.raises((ApiError, SetupError)) as caught:
        EntraTokens(APP, authority)()
    assert SECRET not in f"{caught.value!s}{caught.value!r}"
    return caught.value


def test_a_token_is_asked_for_the_environment() -> None:
    answer = {"access_token": "abc", "expires_in": 3599, "token_type": "Bearer"}
    authority = Authority(reply(200, answer))

    token = EntraTokens(APP, authority)()

    assert (token.value, token.expires_in) == ("abc", 3599)
    (form,) = authority.forms
    assert form["grant_type"] == "client_credentials"
    assert form["scope"] == "https://contoso.operations.dynamics.com/.default"


def test_each_call_asks_again_so_that_a_refused_token_is_replaced() -> None:
    answer = json.dumps({"access_token": "abc", "expires_in": 3599, "token_type": "Bearer"})

    class Fresh(Authority):
        def post(self, url: str, **kwargs: Any) -> requests.Response:
            super().post(url, **kwargs)
            return reply(200, json.loads(answer))

    authority = Fresh(reply(200, {}))
    tokens = EntraTokens(APP, authority)
    tokens()
    tokens()

    assert len(authority.forms) == 2


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("7000215", "client secret is wrong"),
        ("7000222", "client secret has expired"),
        ("700016", "check client_id and tenant_id"),
        ("50001", "base_url must be its exact address"),
        ("500011", "base_url must be its exact address"),
        ("90002", "tenant does not exist"),
        ("12345", "error?code=12345"),
    ],
)
def test_the_codes_of_entra_become_words(code: str, words: str) -> None:
    error = failure(Authority(refusal(code)))

    assert isinstance(error, AccessDenied)
    assert words in str(error)
    assert f"AADSTS{code}" in str(error)
    assert "app-1" in str(error)


def test_an_unknown_tenant_already_fails_at_the_discovery() -> None:
    error = failure(Authority(reply(200, {}), discovery=refusal("90002")))

    assert "tenant does not exist" in str(error)


def test_an_authority_that_is_none_is_a_matter_of_the_settings() -> None:
    error = failure(Authority(reply(200, {}), discovery=reply(404, "nothing here")))

    assert isinstance(error, SetupError)
    assert "check authority and tenant_id" in str(error)


def test_an_unreachable_authority_is_unavailable() -> None:
    error = failure(Authority(requests.ConnectionError("no route")))

    assert isinstance(error, Unavailable)
    assert "login.sandbox.example" in str(error)


def test_an_authority_in_trouble_is_unavailable() -> None:
    assert isinstance(failure(Authority(reply(200, {}), discovery=reply(503, ""))), Unavailable)


def test_an_answer_without_a_token_is_denied() -> None:
    assert "unsupported_grant_type" in str(
        failure(Authority(reply(400, {"error": "unsupported_grant_type"})))
    )


def test_the_secret_is_not_printed() -> None:
    assert SECRET not in repr(APP)
