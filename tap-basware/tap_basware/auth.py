"""Credentials of the API: OAuth2 client credentials, or legacy Basic (reference 1.2, 1.3)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import requests
from singer_delivery.errors import AccessDenied, Refused, SetupError
from singer_delivery.exact_json import decode_json
from singer_delivery.http import ApiSession, HttpOptions
from singer_delivery.policy import Action, ErrorTable
from singer_delivery.secrets.references import reveal
from singer_delivery.tokens import BasicCredentials, BearerCredentials, Credentials, Token

from tap_basware.errors import error_text, explain

TOKEN_PATH = "v1/tokens"  # noqa: S105
#: The shortest lifetime that Basware configures; used when an answer names none.
SHORTEST_LIFETIME = 300.0


class TokenErrors(ErrorTable):
    """Asking for a token changes nothing, so it can always be asked again, like a read."""

    def for_response(self, method: str, response: requests.Response) -> Action:  # noqa: ARG002
        """Return what this answer asks for; 4xx answers are worded by `fetch_token`."""
        if 400 <= response.status_code < 500 and response.status_code not in {408, 429}:
            return Action.ACCEPT
        return super().for_response("GET", response)

    def for_exception(self, method: str, error: requests.RequestException) -> Action:  # noqa: ARG002
        """Return what a failure without an answer asks for."""
        return super().for_exception("GET", error)


@dataclass(frozen=True)
class TokenEndpoint:
    """Basware's token endpoint, for one client and the scopes that it needs."""

    base_url: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...]
    options: HttpOptions

    def fetch(self) -> Token:
        """Return a new token.

        Raises AccessDenied (client or scope refused), Refused (not a token endpoint),
        Unavailable.
        """
        session = ApiSession(
            self.base_url,
            BasicCredentials(self.client_id, self.client_secret),
            table=TokenErrors(),
            options=self.options,
            explain=explain,
        )
        try:
            response = self._ask(session, self.scopes)
            if response.status_code != 200:
                raise self._refusal(session, response)
            return self._token(response)
        finally:
            session.close()

    def _ask(self, session: ApiSession, scopes: Iterable[str]) -> requests.Response:
        form = {"grant_type": "client_credentials", "scope": " ".join(scopes)}
        body = urlencode(form)
        return session.request(
            "POST",
            TOKEN_PATH,
            data=body.encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )

    def _token(self, response: requests.Response) -> Token:
        body = decode_json(response)
        value = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(value, str) or not value:
            msg = f"{self._where} gave no access_token; is base_url the address of the API?"
            raise Refused(msg, status=response.status_code)
        granted = str(body.get("scope") or "").split()
        missing = [scope for scope in self.scopes if scope not in granted] if granted else []
        if missing:
            raise AccessDenied(self._scope_words(missing), status=response.status_code)
        return Token(value, lifetime(body.get("expires_in")))

    def _refusal(self, session: ApiSession, response: requests.Response) -> AccessDenied | Refused:
        status = response.status_code
        said = error_text(response)
        if "invalid_scope" in said:
            missing = self._refused_scopes(session)
            return AccessDenied(self._scope_words(missing), status=status)
        if status == 401 or "invalid_client" in said:
            msg = (
                "Basware refused the client id or secret: check client_id, client_secret, and that "
                f"they belong to {self.base_url} (each region and environment has its own)"
            )
            return AccessDenied(msg, status=status)
        if status in {403, 404, 405} or not said or "web page" in said:
            msg = (
                f"{self._where} answered {status}{f' ({said})' if said else ''}: "
                "this is not Basware's token endpoint; check region, environment and base_url"
            )
            return Refused(msg, status=status)
        return Refused(f"{self._where} answered {status}: {said}", status=status)

    def _refused_scopes(self, session: ApiSession) -> list[str]:
        """Ask for each scope alone, so that the message names those that are missing."""
        if len(self.scopes) == 1:
            return list(self.scopes)
        alone = [s for s in self.scopes if self._ask(session, [s]).status_code != 200]
        return alone or list(self.scopes)

    def _scope_words(self, scopes: Iterable[str]) -> str:
        return (
            f"Basware does not grant this client the scope {', '.join(scopes)}: ask Basware to "
            "add it, or switch off what needs it"
        )

    @property
    def _where(self) -> str:
        return f"POST {self.base_url}/{TOKEN_PATH}"


def lifetime(expires_in: Any) -> float:
    """Return a token's lifetime in seconds.

    Basware's text says minutes, but its example token lives `expires_in` seconds (reference 1.2).
    Seconds is also the safe reading: were it minutes, the token would only be renewed too early.
    """
    try:
        seconds = float(expires_in)
    except (TypeError, ValueError):
        return SHORTEST_LIFETIME
    return seconds if math.isfinite(seconds) and seconds > 0 else SHORTEST_LIFETIME


def credentials(
    config: Mapping[str, Any], base_url: str, scopes: Iterable[str], options: HttpOptions
) -> Credentials:
    """Return the credentials that the settings describe; a complete OAuth2 pair comes first.

    Raises SetupError naming the settings that are missing.
    """
    if config.get("client_id") and config.get("client_secret"):
        endpoint = TokenEndpoint(
            base_url,
            config["client_id"],
            reveal(config["client_secret"], "client_secret"),
            tuple(sorted(set(scopes))),
            options,
        )
        return BearerCredentials(endpoint.fetch)
    if config.get("username") and config.get("password"):
        return BasicCredentials(config["username"], reveal(config["password"], "password"))
    msg = (
        "no credentials: set client_id and client_secret (OAuth2), "
        "or username and password (legacy Basic authentication)"
    )
    raise SetupError(msg)
