"""What every call to the Basware API passes: request id, size, credentials, error wording."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiohttp import web

from sandbox.basware.errors import BaswareError, refused, response_entity_list
from sandbox.basware.exact_json import dumps, loads
from sandbox.basware.tokens import AccessDeniedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from sandbox.basware.state import BaswareState
    from sandbox.basware.switches import BaswareSwitches

CALL = web.RequestKey("id", str)
REQUEST_ID = "x-amzn-RequestId"
_OPEN = ("/v1/tokens", "/.well-known/")
_RIGHTS = {"GET": "read", "HEAD": "read", "POST": "write", "PATCH": "write", "DELETE": "delete"}
_JSON_TYPES = ("application/json", "text/json", "application/json-patch+json")


def gate(state: BaswareState) -> Middleware:
    """Middleware that lets authorised calls in and words the refusals.

    `request[CALL]` is the request id, also sent as `x-amzn-RequestId`.
    """

    @web.middleware
    async def pass_through(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request[CALL] = str(uuid4())
        try:
            await _admit(request, state)
            response = await handler(request)
        except AccessDeniedError as denied:
            response = _denied(request, denied, state.switches)
        except BaswareError as error:
            response = _refused(request, error)
        except web.HTTPException as error:  # no such path or method
            response = json_response({"message": error.reason}, error.status)
        response.headers[REQUEST_ID] = request[CALL]
        return response

    return pass_through


def json_response(
    payload: Any, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """`payload` as an answer, numbers exact."""
    return web.Response(
        text=dumps(payload), status=status, headers=headers, content_type="application/json"
    )


async def read_json(request: web.Request) -> Any:
    """The body. Raises 400 when it is no JSON, 415 when it does not claim to be."""
    if request.content_type not in _JSON_TYPES and not request.content_type.endswith("+json"):
        raise web.HTTPUnsupportedMediaType
    try:
        return loads(await request.read())
    except (json.JSONDecodeError, UnicodeDecodeError, ValueError) as error:
        raise refused(400, "SCHEMA_VALIDATION_ERROR", f"body is no JSON: {error}") from None


async def _admit(request: web.Request, state: BaswareState) -> None:
    _limit_size(len(await request.read()), state.switches)
    if request.path.startswith(_OPEN):
        return
    api = request.path.split("/")[2:3]
    scope = f"{''.join(api)}.{_RIGHTS.get(request.method, 'write')}"
    state.tokens.check(request.headers.get("Authorization"), scope)


def _limit_size(size: int, switches: BaswareSwitches) -> None:
    if size <= switches.largest_body:
        return
    if switches.too_large_status == 413:  # the gateway's
        raise web.HTTPRequestEntityTooLarge(switches.largest_body)
    raise refused(
        switches.too_large_status,
        "PARAMETER_VALIDATION_ERROR",
        f"{size} bytes, at most {switches.largest_body} are allowed",
    )


def _denied(
    request: web.Request, denied: AccessDeniedError, switches: BaswareSwitches
) -> web.Response:
    if switches.security_error_body == "list":
        return json_response(response_entity_list(request[CALL], [denied.entry]), denied.status)
    message = "Unauthorized" if denied.status == 401 else "Forbidden"
    return json_response({"message": message}, denied.status)


def _refused(request: web.Request, error: BaswareError) -> web.Response:
    if error.entries is None:
        return web.Response(status=error.status)
    return json_response(response_entity_list(request[CALL], error.entries), error.status)
