"""The error table: from a status or an exception to what to do about it.

One table a system, so that a reader sees the whole policy at a glance. A read can always be asked
again. A write can be asked again only when the answer proves that it was not carried out;
otherwise the outcome is in doubt, and a second write could book a document twice.
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import requests
import urllib3

from singer_delivery.bodies import TooMuch


class Action(enum.Enum):
    """What an answer, or the lack of one, asks for."""

    ACCEPT = "accept"
    RETRY = "retry"
    REFRESH_TOKEN = "refresh token, then retry once"  # noqa: S105
    REFUSE = "refuse"
    IN_DOUBT = "in doubt"
    DENY = "deny"


@dataclass(frozen=True)
class Verdict:
    """What to do for a read (GET, HEAD) and for a write (everything else)."""

    read: Action
    write: Action

    def for_method(self, method: str) -> Action:
        """Return the action for an HTTP method."""
        return self.read if method in {"GET", "HEAD", "OPTIONS"} else self.write


def both(action: Action) -> Verdict:
    """Return the verdict that makes no difference between reads and writes."""
    return Verdict(action, action)


ASK_AGAIN = Verdict(read=Action.RETRY, write=Action.IN_DOUBT)
#: It would be as long another time. What was written may be written all the same.
TOO_MUCH = Verdict(read=Action.REFUSE, write=Action.IN_DOUBT)

#: Throttled before any work was done (RFC 6585 §4; a 503 counts when it names a Retry-After).
DEFAULT_STATUSES: Mapping[int, Verdict] = {
    401: both(Action.REFRESH_TOKEN),
    403: both(Action.DENY),
    408: ASK_AGAIN,
    429: both(Action.RETRY),
    500: ASK_AGAIN,
    502: ASK_AGAIN,
    503: ASK_AGAIN,
    504: ASK_AGAIN,
}


@dataclass(frozen=True)
class ErrorTable:
    """Statuses of one system; anything below 400 is accepted, any other 4xx refused."""

    statuses: Mapping[int, Verdict] = field(default_factory=lambda: DEFAULT_STATUSES)

    def for_response(self, method: str, response: requests.Response) -> Action:
        """Return what this answer asks for."""
        status = response.status_code
        if status < 400:
            return Action.ACCEPT
        if status == 503 and "Retry-After" in response.headers:
            return Action.RETRY
        if status in self.statuses:
            return self.statuses[status].for_method(method)
        return Action.REFUSE if status < 500 else ASK_AGAIN.for_method(method)

    def for_exception(self, method: str, error: requests.RequestException) -> Action:
        """Return what a failure without an answer asks for: never sent, or unknown."""
        if untrusted(error):
            return Action.DENY
        if never_sent(error):
            return Action.RETRY
        if isinstance(error, TooMuch):
            return TOO_MUCH.for_method(method)
        return ASK_AGAIN.for_method(method)


def untrusted(error: requests.RequestException) -> bool:
    """Tell whether the server's certificate is not trusted, which asking again does not change."""
    reason = _reason(error)
    return isinstance(reason, urllib3.exceptions.SSLError) and isinstance(
        _first(reason), ssl.SSLCertVerificationError
    )


def _reason(error: requests.RequestException) -> object:
    cause = _first(error)
    return getattr(cause, "reason", cause)


def _first(error: Exception) -> object:
    return error.args[0] if error.args else None


def never_sent(error: requests.RequestException) -> bool:
    """Tell whether the connection itself failed, so that the server cannot have seen anything."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    reason = _reason(error)
    if isinstance(reason, urllib3.exceptions.SSLError):
        return _handshake_failed(reason)
    return isinstance(
        reason,
        urllib3.exceptions.NewConnectionError
        | urllib3.exceptions.ConnectTimeoutError
        | urllib3.exceptions.NameResolutionError
        | urllib3.exceptions.ProxyError,
    )


def _handshake_failed(error: urllib3.exceptions.SSLError) -> bool:
    # A TLS connection that breaks after the request was sent is an SSLError too (unexpected end,
    # bad record). Only a certificate that is not trusted, or a context that cannot be set up,
    # proves that nothing was sent.
    return isinstance(_first(error), ssl.SSLCertVerificationError | urllib3.exceptions.SSLError)
