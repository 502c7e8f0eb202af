"""Basware's two error dialects in words (reference 1.2, 4.3), and its request id."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import requests
from singer_delivery.errors import ApiError

REQUEST_ID = "x-amzn-RequestId"
LONGEST = 500


class UnknownContinuation(ApiError):
    """Basware does not know a continuation token (any more)."""


def request_id(response: requests.Response) -> str | None:
    """Return the id that `requestStatus` and Basware's support know a request by."""
    header = response.headers.get(REQUEST_ID)
    if header:
        return header
    body = _json(response)
    found = body.get("requestId") if isinstance(body, dict) else None
    return str(found) if found else None


def explain(response: requests.Response) -> str:
    """Return the reason of a refusal in one line, with the request id; never a whole body."""
    reason = error_text(response) or response.reason or "no reason given"
    known = request_id(response)
    return f"{reason} (request {known})" if known else reason


def error_text(response: requests.Response) -> str:
    """Return what the body of an error says, at most 500 characters, or an empty text."""
    body = _json(response)
    if body is None:
        return _markup(response)
    text = "; ".join(filter(None, dict.fromkeys(_statements(body))))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _statements(body: Any) -> Iterator[str]:
    """Yield what an error body states; each service has its own form (reference 4.3)."""
    if isinstance(body, str):
        yield _line(body)
    if not isinstance(body, dict):
        return
    for error in [*_list(body, "errors"), *_list(body, "errorMessages")]:
        yield from _entry(error)
    for problem in _list(body, "detail"):
        yield from _validation(problem)
    for name in ("error", "error_description", "message", "Message", "detail"):
        if isinstance(body.get(name), str):
            yield _line(body[name])


def _list(body: dict[str, Any], name: str) -> list[Any]:
    found = body.get(name)
    return found if isinstance(found, list) else []


def _entry(error: Any) -> Iterator[str]:
    """One ErrorEntity of the P2P service: the record, what is wrong, and Basware's code for it."""
    if isinstance(error, str):
        yield _line(error)
    elif isinstance(error, dict):
        words = [str(error[name]) for name in ("externalCode", "message") if error.get(name)]
        text = ": ".join(words)
        code = error.get("code")
        yield _line(f"{text} [{code}]" if code and text else text or str(code or "unnamed error"))


def _validation(problem: Any) -> Iterator[str]:
    """One finding of the services that validate with `detail` (tokens, subscriptions)."""
    if isinstance(problem, dict) and problem.get("msg"):
        where = ".".join(str(part) for part in problem.get("loc", ()))
        yield _line(f"{where}: {problem['msg']}" if where else str(problem["msg"]))
    elif isinstance(problem, str):
        yield _line(problem)


def _markup(response: requests.Response) -> str:
    """A gateway or proxy answers with a page; its title says most."""
    if "html" not in response.headers.get("Content-Type", "") and b"<html" not in response.content:
        return ""
    title = re.search(rb"<title[^>]*>(.*?)</title>", response.content[:4096], re.I | re.S)
    said = f" titled {_line(title[1].decode(errors='replace'))!r}" if title else ""
    return f"a web page{said} instead of an answer of the API: a proxy or gateway is in between"


def _line(text: str) -> str:
    return " ".join(text.split())


def _json(response: requests.Response) -> Any:
    try:
        return json.loads(response.content)
    except ValueError:
        return None
