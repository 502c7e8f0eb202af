"""The HTTP face of the environment: admission, limits of the URL, headers, and `$batch`."""

from __future__ import annotations

import asyncio
import re
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from sandbox.d365fo import entra
from sandbox.d365fo.batch import batch_documents, read_batch, run_batch
from sandbox.d365fo.data_management import PREFIX
from sandbox.d365fo.errors import ODataError
from sandbox.d365fo.metadata import metadata_document
from sandbox.d365fo.operations import (
    Answer,
    Document,
    Operation,
    documents_of,
    error_answer,
    execute,
)
from sandbox.d365fo.query import Caller

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from aiohttp.typedefs import Middleware

    from sandbox.d365fo.state import D365State
    from sandbox.server import Sandbox

_MAX_BODY = 512 * 1024 * 1024
_MAX_LINE = 1024 * 1024  # above every limit that the switches play
_HTML = (
    "<!DOCTYPE html><html><head><title>{title}</title></head>"
    "<body><h2>{title}</h2><p>{text}</p></body></html>"
)


def create_app(sandbox: Sandbox) -> web.Application:
    """The F&O environment of `sandbox` on its own origin."""
    app = web.Application(
        middlewares=[_server_headers, _limit_url(sandbox.d365fo), _admit(sandbox)],
        client_max_size=_MAX_BODY,
        handler_args={"max_line_size": _MAX_LINE, "max_field_size": _MAX_LINE},
    )
    metadata, etag = metadata_document(sandbox.d365fo.model)

    async def serve_metadata(request: web.Request) -> web.Response:
        headers = {"ETag": etag, "OData-Version": "4.0"}
        if etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(text=metadata, content_type="application/xml", headers=headers)

    async def serve_batch(request: web.Request) -> web.Response:
        return await _batch(sandbox, request)

    async def serve_action(request: web.Request) -> web.Response:
        try:
            action = request.match_info["action"]
            answer = await sandbox.data_management.call(action, await request.read())
        except ODataError as error:
            answer = error_answer(sandbox.d365fo, error)
        return _response(answer)

    async def serve(request: web.Request) -> web.Response:
        return await _single(sandbox, request)

    app.router.add_get("/data/$metadata", serve_metadata)
    app.router.add_post("/data/$batch", serve_batch)
    app.router.add_post(f"{PREFIX}{{action}}", serve_action)
    app.router.add_route("*", "/{path:.*}", serve)
    return app


def create_entra_app(sandbox: Sandbox) -> web.Application:
    """The token authority of `sandbox` on its own origin."""
    return entra.create_app(sandbox)


async def _single(sandbox: Sandbox, request: web.Request) -> web.Response:
    state = sandbox.d365fo
    operation = Operation(
        method=request.method,
        target=request.raw_path,
        headers={name.lower(): text for name, text in request.headers.items()},
        body=await request.read(),
    )
    caller = _caller(sandbox, request)
    documents = documents_of(state, operation)
    with _in_hand(state, documents) as contended:
        await _hold(state, documents)
        try:
            answer = execute(state, caller, operation, contended)
        except ODataError as error:
            answer = error_answer(state, error)
    return _response(answer)


async def _batch(sandbox: Sandbox, request: web.Request) -> web.Response:
    state, caller = sandbox.d365fo, _caller(sandbox, request)
    headers = {name.lower(): text for name, text in request.headers.items()}
    try:
        parts = read_batch(state, caller, headers, await request.read())
    except ODataError as error:
        return _response(error_answer(state, error))
    documents = batch_documents(state, parts)
    with _in_hand(state, documents) as contended:
        await _hold(state, documents)
        body, content_type = run_batch(
            state,
            caller,
            parts,
            prefer=request.headers.get("Prefer", ""),
            contended=contended,
            take_fault=sandbox.faults.take_batch_part,
        )
    return web.Response(body=body, headers={"Content-Type": content_type, "OData-Version": "4.0"})


@contextmanager
def _in_hand(state: D365State, documents: frozenset[Document]) -> Iterator[frozenset[Document]]:
    """While open, other requests see these documents as contended; yields which are already."""
    contended = frozenset(item for item in documents if state.documents_in_hand[item])
    state.documents_in_hand.update(documents)
    try:
        yield contended
    finally:
        state.documents_in_hand.subtract(documents)


async def _hold(state: D365State, documents: frozenset[Document]) -> None:
    """Writing takes its time, in which another request may come for the same document."""
    if documents and state.switches.write_seconds:
        await asyncio.sleep(state.switches.write_seconds)


def _caller(sandbox: Sandbox, request: web.Request) -> Caller:
    accept = request.headers.get("Accept", "")
    wanted = re.search(r"odata\.metadata=(none|full)", accept)
    switches = sandbox.d365fo.switches
    size = switches.page_size
    asked = re.search(r"odata\.maxpagesize=(\d+)", request.headers.get("Prefer", ""))
    if asked and switches.honour_maxpagesize:
        size = max(1, min(size, int(asked[1])))
    return Caller(sandbox.d365fo_url, wanted[1] if wanted else "minimal", size)


def _response(answer: Answer) -> web.Response:
    headers = {**answer.headers, "OData-Version": "4.0"}
    if answer.body:
        headers["Content-Type"] = f"{answer.content_type}; charset=utf-8"
    return web.Response(status=answer.status, body=answer.body.encode(), headers=headers)


@web.middleware
async def _server_headers(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Every answer names the activity that support asks for."""
    response = await handler(request)
    response.headers["ms-dyn-aid"] = str(uuid.uuid4())
    return response


def _limit_url(state: D365State) -> Middleware:
    @web.middleware
    async def limit(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        query = request.raw_path.partition("?")[2]
        if len(request.raw_path) > state.switches.max_url_bytes:
            return _html(414, "URI Too Long", "The request URL is too long.")
        if 0 < state.switches.max_query_bytes < len(query):
            title = "HTTP Error 404.15 - Not Found"
            text = "The request filtering module denies a request whose query string is too long."
            return _html(404, title, text)
        return await handler(request)

    return limit


def _admit(sandbox: Sandbox) -> Middleware:
    @web.middleware
    async def admit(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        status = 401
        if scheme.lower() == "bearer":
            status = sandbox.d365fo.directory.admit(token.strip(), sandbox.d365fo_url)
        if status == 401:
            authority = f"{sandbox.entra_url}/{sandbox.d365fo.directory.tenant_id}"
            challenge = f'Bearer authorization_uri="{authority}"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        if status == 403:
            return _html(403, "Forbidden", "You do not have permission to view this page.")
        return await handler(request)

    return admit


def _html(status: int, title: str, text: str) -> web.Response:
    body = _HTML.format(title=title, text=text)
    return web.Response(status=status, text=body, content_type="text/html")
