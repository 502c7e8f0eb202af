"""Tokens from Microsoft Entra ID, by MSAL: the client credentials flow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import msal
import requests
from msal.exceptions import MsalError
from requests.adapters import HTTPAdapter
from singer_delivery.errors import AccessDenied, ApiError, SetupError, Unavailable
from singer_delivery.failures import describe_failure
from singer_delivery.http import HttpOptions
from singer_delivery.origin import Origin
from singer_delivery.stopping import PROCESS
from singer_delivery.tokens import Token
from urllib3 import BaseHTTPResponse
from urllib3.util.retry import Retry

PUBLIC_AUTHORITY = "https://login.microsoftonline.com"
MICROSOFT_HOSTS = re.compile(
    r"(^|\.)(login\.microsoftonline\.(com|us)|login\.partner\.microsoftonline\.cn"
    r"|login\.chinacloudapi\.cn|login\.microsoft\.com|login\.windows\.net)$"
)
#: Where platforms give out tokens of their identities (IMDS; App Service, Azure Arc).
PLATFORM_HOSTS = frozenset({"169.254.169.254", "localhost", "127.0.0.1", "::1"})
ERROR_CODE = re.compile(r"AADSTS(\d+)")
#: What the codes of the token endpoint mean for the person who set this up.
WORDS: Mapping[str, str] = {
    "7000215": "the client secret is wrong: set client_secret to the secret's value, not its id",
    "7000222": "the client secret has expired: create a new one for the app registration",
    "700016": "the application is not known in this tenant: check client_id and tenant_id",
    "50001": "the environment is not known in this tenant: base_url must be its exact address",
    "500011": "the environment is not known in this tenant: base_url must be its exact address",
    "700027": "the certificate is not registered for this application, or another one is: upload "
    "it in the app registration, or check client_certificate",
    "700024": "the clock of this machine is wrong, or the federated token has expired",
    "700211": "no federated credential of the application has this issuer: add one",
    "700212": "no federated credential of the application has this audience: use "
    "api://AzureADTokenExchange",
    "700213": "no federated credential of the application has this subject: add one",
    "90002": "the tenant does not exist: check tenant_id",
    "900023": "tenant_id is not a tenant: give its id or one of its domains",
}


@dataclass(frozen=True)
class EntraApp:
    """An app registration and the environment it asks tokens for.

    `credential` is what MSAL takes as client_credential: the secret's text, or a mapping with a
    certificate or a signed assertion. `scope` ends in `/.default`.
    """

    tenant_id: str
    client_id: str
    credential: str | Mapping[str, Any]
    scope: str
    authority: str = PUBLIC_AUTHORITY

    def __repr__(self) -> str:
        return f"EntraApp({self.client_id!r} in tenant {self.tenant_id!r} for {self.scope!r})"


def default_scope(environment: str) -> str:
    """Return the scope of an F&O environment: its exact origin, lower case, and `/.default`."""
    return f"{Origin.of(environment)}/.default"


class HttpClient(Protocol):
    """What MSAL sends its requests through; see `TokenHttp`."""

    def get(self, url: str, **kwargs: Any) -> Any:
        """Send a GET."""
        ...

    def post(self, url: str, **kwargs: Any) -> Any:
        """Send a POST."""
        ...


class EntraTokens:
    """Callable that asks Entra for a new token, for BearerCredentials; it caches nothing itself.

    Raises AccessDenied (with the remedy in words), Unavailable or SetupError.
    """

    def __init__(self, app: EntraApp, http: HttpClient) -> None:
        self._app = app
        self._http = http
        self._origin = Origin.of(app.authority)

    def __call__(self) -> Token:
        """Return a fresh token; safe to repeat, a token request changes nothing."""
        try:
            answer = self._application().acquire_token_for_client(scopes=[self._app.scope])
        except MsalError as error:  # a status of 500 or more, after all retries
            raise self._unavailable(str(error)) from None
        except requests.RequestException as error:
            raise self._unavailable(describe_failure(error)) from None
        except (ValueError, RuntimeError) as error:
            raise self._without_token(f"{error} {error.__context__ or ''}", {}) from None
        if "access_token" not in answer:
            raise self._without_token(str(answer.get("error_description") or ""), answer)
        return Token(answer["access_token"], float(answer.get("expires_in") or 0))

    def _application(self) -> msal.ConfidentialClientApplication:
        # A new one each time: MSAL would otherwise hand out again, from its own cache, the token
        # that has just been refused. It costs one more GET an hour.
        known = bool(MICROSOFT_HOSTS.search(self._origin.host))
        return msal.ConfidentialClientApplication(
            self._app.client_id,
            client_credential=self._app.credential,
            authority=f"{self._app.authority.rstrip('/')}/{self._app.tenant_id}",
            http_client=self._http,
            # Elsewhere MSAL would ask login.microsoftonline.com about the authority first.
            instance_discovery=None if known else False,
        )

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(f"no token from {self._origin}: {reason}")

    def _without_token(self, text: str, answer: Mapping[str, Any]) -> ApiError | SetupError:
        """Turn an error of the token endpoint into words; its text may quote the request, ours not.

        https://learn.microsoft.com/entra/identity-platform/reference-error-codes
        """
        code = ERROR_CODE.search(text)
        trace = str(answer.get("correlation_id") or "")
        where = f"no token from {self._origin} for application {self._app.client_id}"
        if code:
            words = WORDS.get(
                code[1], "see https://login.microsoftonline.com/error?code=" + code[1]
            )
            return AccessDenied(f"{where}: {words} (AADSTS{code[1]})", request_id=trace or None)
        if answer:
            kind = str(answer.get("error") or "an answer without a token")
            return AccessDenied(f"{where}: {kind}", request_id=trace or None)
        return SetupError(
            f"{self._origin} does not know the tenant {self._app.tenant_id!r}, or is no token "
            "authority: check authority and tenant_id"
        )


@dataclass(frozen=True)
class ManagedIdentityTokens:
    """Callable that asks the platform this runs on for a token of its identity; caches nothing.

    `client_id` is that of a user-assigned identity, "" for the system-assigned one; `resource` the
    environment's origin. Raises AccessDenied, Unavailable or SetupError.
    """

    client_id: str
    resource: str
    http: HttpClient

    def __call__(self) -> Token:
        """Return a fresh token."""
        identity = (
            msal.UserAssignedManagedIdentity(client_id=self.client_id)
            if self.client_id
            else msal.SystemAssignedManagedIdentity()
        )
        try:
            # A new client each time, as for an application: it would keep the token refused.
            client = msal.ManagedIdentityClient(identity, http_client=self.http)
            answer = client.acquire_token_for_client(resource=self.resource)
        except requests.RequestException as error:
            msg = f"no token from the managed identity: {describe_failure(error)}; does this run "
            raise Unavailable(f"{msg}in Azure, with an identity?") from None
        except (MsalError, msal.ManagedIdentityError, ValueError) as error:
            msg = f"no token from the managed identity: {type(error).__name__}"
            raise Unavailable(msg) from None
        if "access_token" not in answer:
            kind = str(answer.get("error") or "an answer without a token")
            whose = self.client_id or "the system-assigned identity"
            msg = (
                f"the platform gives no token of {whose} for {self.resource}: {kind}; check that "
                "the identity is assigned to what this runs on"
            )
            raise AccessDenied(msg)
        return Token(answer["access_token"], float(answer.get("expires_in") or 0))


class StoppableRetry(Retry):
    """Retries whose waits end when the run is to stop."""

    def sleep_for_retry(self, response: BaseHTTPResponse) -> bool:
        """Wait as long as the server asks for; False where it asks for nothing."""
        seconds = self.get_retry_after(response)
        if seconds:
            PROCESS.sleep(seconds)
        return bool(seconds)

    def _sleep_backoff(self) -> None:
        if (seconds := self.get_backoff_time()) > 0:
            PROCESS.sleep(seconds)


class TokenHttp:
    """The HTTP client that MSAL asks through: our CA, our timeouts, a few retries.

    Tokens are asked for once an hour, so that no connection is kept open in between.
    """

    def __init__(self, options: HttpOptions, *, local_http: bool = False) -> None:
        """With `local_http`, also http to this machine and its platform, for their identity."""
        self._options = options
        self._local_http = local_http
        self._retries = StoppableRetry(
            total=min(3, options.max_attempts - 1),
            other=0,  # a certificate that is not trusted stays so
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
            retry_after_max=60,
        )

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET."""
        return self._send("GET", url, **kwargs)

    def post(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a POST."""
        return self._send("POST", url, **kwargs)

    def _send(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        parts = urlsplit(url)
        is_local = self._local_http and parts.hostname in PLATFORM_HOSTS
        if parts.scheme != "https" and not is_local:
            msg = "the token authority must be an https address"
            raise SetupError(msg)
        kwargs.pop("timeout", None)
        kwargs.setdefault("auth", lambda request: request)  # nothing from a .netrc file
        with requests.Session() as session:
            session.mount("https://", HTTPAdapter(max_retries=self._retries))
            if is_local:
                session.mount("http://", HTTPAdapter(max_retries=self._retries))
                session.trust_env = False  # the platform is behind no proxy
            return session.request(
                method,
                url,
                timeout=(self._options.connect_timeout, self._options.read_timeout),
                # Per request: REQUESTS_CA_BUNDLE would override the session's own setting.
                verify=self._options.ca_file or True,
                allow_redirects=False,
                **kwargs,
            )
