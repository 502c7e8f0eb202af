"""The HTTP session under every plugin: pooled, timed, retried by a table, pinned to one origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from singer_delivery.bodies import MIB, take_body
from singer_delivery.errors import (
    AccessDenied,
    ApiError,
    ForeignOrigin,
    InDoubt,
    Refused,
    SetupError,
    Unavailable,
)
from singer_delivery.exact_json import encode_json
from singer_delivery.exchanges import Exchange, digest, notes, path_of, unrecorded
from singer_delivery.failures import describe_failure
from singer_delivery.origin import ABSOLUTE, Origin, shown
from singer_delivery.policy import Action, ErrorTable
from singer_delivery.stopping import PROCESS, Stop
from singer_delivery.telemetry import REQUESTS
from singer_delivery.telemetry import current as telemetry
from singer_delivery.throttle import Gate, backoff, retry_after
from singer_delivery.tokens import Credentials

#: What came of an attempt.
Answer = requests.Response | requests.RequestException

REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Statuses whose Retry-After is for everybody.
THROTTLED = frozenset({429, 503})


@dataclass(frozen=True)
class HttpOptions:
    """Limits of one session. Times in seconds.

    Waits that a server asks for by Retry-After do not use up `max_attempts`; they are bounded
    together by `max_throttle_wait`.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    max_attempts: int = 6
    max_backoff: float = 60.0
    max_throttle_wait: float = 1800.0
    max_response_bytes: float = 512 * MIB
    max_response_seconds: float = 1800.0
    connections: int = 8
    ca_file: str | None = None


def _refused(text: str, answer: requests.Response, request_id: str | None) -> Refused:
    return Refused(text, status=answer.status_code, request_id=request_id)


@dataclass
class ApiSession:
    """Requests to one origin with one set of credentials; safe to share between threads.

    `explain` turns a refused answer into words (the system's own error dialect); `request_id`
    finds the system's correlation id in an answer; `refusal` makes the error of a refused answer
    out of its text, the answer and that id. `sleep` ends early when `stop` is requested.
    """

    base_url: str
    credentials: Credentials | None = None
    table: ErrorTable = field(default_factory=ErrorTable)
    options: HttpOptions = field(default_factory=HttpOptions)
    explain: Callable[[requests.Response], str] = lambda response: response.reason or ""
    request_id: Callable[[requests.Response], str | None] = lambda _: None
    refusal: Callable[[str, requests.Response, str | None], Refused] = _refused
    gate: Gate = field(default_factory=Gate)
    stop: Stop = PROCESS
    sleep: Callable[[float], None] = PROCESS.sleep

    def __post_init__(self) -> None:
        self.base_url = self.base_url.strip().rstrip("/")
        self.origin = Origin.of(self.base_url)
        if "?" in self.base_url or "#" in self.base_url:
            msg = f"{shown(self.base_url)} must be given without a query (? or #)"
            raise SetupError(msg)
        _check_ca_file(self.options.ca_file)
        self._session = self._new_session()

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        adapter = GatedAdapter(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        # No cookie is kept: load-balancer affinity would pin all work to one server
        # (service protection advice for F&O), and Basware sets none that matter.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers["User-Agent"] = f"singer-delivery/{version('singer-delivery')}"
        session.headers["Accept"] = "application/json"
        return session

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json_body: Any = None,
        data: bytes | BinaryIO | None = None,
        headers: Mapping[str, str] | None = None,
        accept: frozenset[int] = frozenset(),
    ) -> requests.Response:
        """Send one request and return its answer; `url` is a path or an absolute URL of the origin.

        `data` that is a file is sent as it is read, from its beginning with each attempt. Statuses
        in `accept` are returned like a success. A redirect is returned, never followed. Once a stop
        is requested, a request that would have to wait is given up (Unavailable).
        Raises AccessDenied, Refused, Unavailable, InDoubt or ForeignOrigin.
        """
        target = self._pinned(url)
        body: bytes | BinaryIO | None = data
        content_type = {}
        if json_body is not None:
            body, content_type = encode_json(json_body), {"Content-Type": "application/json"}
        call = _Call(method.upper(), target, params, body, {**content_type, **(headers or {})})
        return self._attempts(call, accept)

    def get(self, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET; see `request`."""
        return self.request("GET", url, **kwargs)

    def fetch_redirect(
        self, response: requests.Response, *, allowed_hosts: frozenset[str] = frozenset()
    ) -> requests.Response:
        """Follow a redirect once, without the credentials.

        The target must be https (http on this machine only) and, where `allowed_hosts` is given,
        one of those hosts or below one of them. Raises ForeignOrigin, Unavailable or Refused.
        """
        if not response.headers.get("Location"):
            msg = f"{self.origin} redirects without saying where to"
            raise Refused(msg, status=response.status_code, request_id=self.request_id(response))
        location = urljoin(response.url, response.headers["Location"])
        try:
            origin = Origin.of(location)
        except SetupError as error:
            msg = f"{self.origin} redirects to an address that is not accepted: {error}"
            raise ForeignOrigin(msg) from None
        if allowed_hosts and not any(
            origin.host == host or origin.host.endswith(f".{host}") for host in allowed_hosts
        ):
            msg = f"{self.origin} redirects to {origin}, which is not an allowed storage host"
            raise ForeignOrigin(msg)
        return self._attempts(_Call("GET", location, None, None, {}, anonymous=True), frozenset())

    def _pinned(self, url: str) -> str:
        if not ABSOLUTE.match(url):
            return f"{self.base_url}/{url.lstrip('/')}"
        try:
            same = Origin.of(url) == self.origin
        except SetupError:
            same = False
        if not same:
            msg = f"refused to send credentials for {self.origin} to another address"
            raise ForeignOrigin(msg)
        return url

    def _attempts(self, call: _Call, accept: frozenset[int]) -> requests.Response:
        renewed, failures, throttled = False, 0, 0.0
        answer: Answer | None = None
        while True:
            # The gate before the token, which must not grow old while it waits there.
            if not self.gate.pass_through(self.stop):
                raise self._given_up(call, answer)
            try:
                answer, authorization = self._send(call)
            except HeldBack:
                raise self._given_up(call, answer) from None
            action = self._judge(call, answer, accept)
            if action is Action.ACCEPT and isinstance(answer, requests.Response):
                return answer
            if action is Action.REFRESH_TOKEN and not renewed and self._renew(authorization):
                renewed = True
                continue
            asked = retry_after(answer) if isinstance(answer, requests.Response) else None
            throttled += asked or 0.0
            failures += not asked
            exhausted = (
                failures >= self.options.max_attempts or throttled > self.options.max_throttle_wait
            )
            if action is not Action.RETRY or exhausted:
                raise self._error(call, answer, action)
            if asked:
                self.gate.close_for(asked)
            elif not self.pause(backoff(failures, cap=self.options.max_backoff)):
                raise self._given_up(call, answer)

    def pause(self, seconds: float) -> bool:
        """Wait before another attempt; return False where a stop says not to make it."""
        if not self.stop.requested:
            self.sleep(seconds)
        return not self.stop.requested

    def _given_up(self, call: _Call, answer: Answer | None) -> Unavailable:
        if answer is None:
            msg = f"{call}: {self.origin} asked to wait and the run is stopping; it was not sent"
            return Unavailable(msg)
        last = self._error(call, answer, Action.RETRY)
        msg = f"{last}; the run is stopping, so it is not sent again"
        return Unavailable(msg, status=last.status, request_id=last.request_id)

    def _send(self, call: _Call) -> tuple[Answer, str]:
        authorization = ""
        headers = dict(call.headers)
        if self.credentials and not call.anonymous:
            with unrecorded():
                authorization = headers["Authorization"] = self.credentials.header()
        sent_at = datetime.now(UTC)
        answer = self._exchange(call, headers)
        if (noted := notes()) is not None:
            noted.append(self._note(call, answer, sent_at))
        return answer, authorization

    def _exchange(self, call: _Call, headers: Mapping[str, str]) -> Answer:
        try:
            return self._answer(call, headers)
        except _UNSENDABLE as error:
            msg = f"{call}: the request cannot be made ({type(error).__name__}): {_NOT_SENDABLE}"
            raise SetupError(msg) from None
        except requests.RequestException as error:
            REQUESTS.count(throttled=False)
            return error

    def _answer(self, call: _Call, headers: Mapping[str, str]) -> requests.Response:
        if not isinstance(call.body, bytes | None):
            call.body.seek(0)
        with telemetry().request(call.method, call.url) as answered:
            answer = self._session.request(
                call.method,
                call.url,
                params=call.params,
                data=call.body,
                headers=headers,
                allow_redirects=False,
                timeout=(self.options.connect_timeout, self.options.read_timeout),
                # Per request: REQUESTS_CA_BUNDLE would override the session's own setting.
                verify=self.options.ca_file or True,
                auth=_no_netrc,
                stream=True,
            )
            take_body(
                answer,
                most_bytes=self.options.max_response_bytes,
                most_seconds=self.options.max_response_seconds,
            )
            answered(answer.status_code)
        REQUESTS.count(throttled=bool(retry_after(answer)))
        return answer

    def _note(self, call: _Call, answer: Answer, sent_at: datetime) -> Exchange:
        answered = answer if isinstance(answer, requests.Response) else None
        return Exchange(
            call.method,
            path_of(call.url),
            status=None if answered is None else answered.status_code,
            request_sha256=digest(call.body),
            response_sha256="" if answered is None else digest(answered.content),
            request_id="" if answered is None else self.request_id(answered) or "",
            sent_at=sent_at,
            answered_at=datetime.now(UTC),
        )

    def _judge(
        self,
        call: _Call,
        answer: Answer,
        accept: frozenset[int],
    ) -> Action:
        if isinstance(answer, requests.RequestException):
            return self.table.for_exception(call.method, answer)
        if answer.status_code in accept:
            return Action.ACCEPT
        return self.table.for_response(call.method, answer)

    def _renew(self, authorization: str) -> bool:
        return bool(self.credentials and authorization and self.credentials.renew(authorization))

    def _error(self, call: _Call, answer: Answer, action: Action) -> ApiError:
        if isinstance(answer, requests.RequestException):
            failed = {
                Action.RETRY: Unavailable,
                Action.DENY: AccessDenied,
                Action.REFUSE: Refused,
            }
            return failed.get(action, InDoubt)(f"{call}: {describe_failure(answer)}")
        text = f"{call}: {answer.status_code} {self.explain(answer)}".strip()
        return self.answer_error(text, answer, action)

    def answer_error(self, text: str, answer: requests.Response, action: Action) -> ApiError:
        """Return the error that an answer stands for when it asks for `action`."""
        request_id = self.request_id(answer)
        if action not in _KINDS:
            return self.refusal(text, answer, request_id)
        return _KINDS[action](text, status=answer.status_code, request_id=request_id)


#: What an answer that is not accepted comes to; any other action is a refusal.
_KINDS: Mapping[Action, type[ApiError]] = {
    Action.RETRY: Unavailable,
    Action.IN_DOUBT: InDoubt,
    Action.DENY: AccessDenied,
    Action.REFRESH_TOKEN: AccessDenied,
}


class HeldBack(Exception):
    """A request that a stop has kept from being sent."""


class GatedAdapter(HTTPAdapter):
    """Looks at the gate once more at the last moment, and closes it at the first.

    What passed it a moment ago is held back where another thread was told to wait meanwhile.
    """

    def __init__(self, session: ApiSession) -> None:
        super().__init__(pool_maxsize=session.options.connections)
        self._owner = session

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        """Send one request. Raises HeldBack where a stop has cut the wait short."""
        gate = self._owner.gate
        if not gate.pass_through(self._owner.stop):
            raise HeldBack
        answer = super().send(*arguments, **options)
        if answer.status_code in THROTTLED and (seconds := retry_after(answer)):
            gate.close_for(seconds)
        return answer


@dataclass(frozen=True)
class _Call:
    """One request; printed without its query, which may name documents or tokens."""

    method: str
    url: str
    params: Mapping[str, str] | None
    body: bytes | BinaryIO | None
    headers: Mapping[str, str]
    anonymous: bool = False

    def __str__(self) -> str:
        parts = urlsplit(self.url)
        return f"{self.method} {parts.scheme}://{parts.netloc}{parts.path}"


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding credentials of its own from a .netrc file."""
    return request


def _check_ca_file(path: str | None) -> None:
    if path is None:
        return
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        msg = f"ca_file {path!r} cannot be read: {error.strerror}"
        raise SetupError(msg) from None
    if b"-----BEGIN CERTIFICATE-----" not in text:
        msg = f"ca_file {path!r} holds no certificate in PEM form"
        raise SetupError(msg)


#: Raised before anything is sent; their texts repeat header values, so they are not printed.
_UNSENDABLE = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidHeader,
)
_NOT_SENDABLE = "check the address, the proxy settings and the characters in the credentials"
