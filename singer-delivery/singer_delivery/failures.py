"""Why no answer came, in words."""

from __future__ import annotations

from typing import Any

import requests

from singer_delivery.bodies import TooMuch

#: Failures that have one explanation.
EXPLAINED: tuple[tuple[type[requests.RequestException], str], ...] = (
    (
        requests.exceptions.ProxyError,
        "the proxy gives no connection; check HTTPS_PROXY and NO_PROXY",
    ),
    (
        requests.ConnectTimeout,
        "no connection within the time limit; check the address and the firewall",
    ),
    (requests.ReadTimeout, "no answer within the time limit"),
)


def describe_failure(error: requests.RequestException) -> str:
    """Return the reason of a failure without an answer, in words and without the URL's query."""
    explained = next((words for kind, words in EXPLAINED if isinstance(error, kind)), None)
    if explained:
        return explained
    match error:
        case TooMuch():
            return str(error)
        case requests.exceptions.SSLError():
            return (
                f"no trusted TLS connection ({_cause(error)}); check the address, "
                "and for a private certificate authority set ca_file"
            )
        case requests.ConnectionError() | requests.exceptions.ChunkedEncodingError():
            return f"no connection or a lost one ({_cause(error)}); check the address and network"
        case _:
            return f"the answer cannot be read ({type(error).__name__})"


def _cause(error: BaseException) -> str:
    """Return the innermost reason in the system's words; requests wraps it three times."""
    inner: Any = error
    while True:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror
        deeper = getattr(inner, "reason", None)
        if not isinstance(deeper, BaseException):
            deeper = next((a for a in reversed(inner.args) if isinstance(a, BaseException)), None)
        if deeper is None:
            return str(inner).rsplit(": ", 1)[-1]
        inner = deeper
