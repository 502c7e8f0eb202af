"""One OData operation, be it a request of its own or a part of a $batch: in, executed, out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sandbox.d365fo import query, write
from sandbox.d365fo.errors import ODataError, plain_error, query_error
from sandbox.d365fo.metadata import service_document
from sandbox.d365fo.resources import Resource, entity_path, parse_resource, split_url
from sandbox.d365fo.vendor_invoices import LINES
from sandbox.d365fo.wire import dumps, loads

if TYPE_CHECKING:
    from sandbox.d365fo.query import Caller
    from sandbox.d365fo.resources import Options
    from sandbox.d365fo.state import D365State

READS = frozenset({"GET", "HEAD"})
Document = tuple[object, object]  # company and HeaderReference, folded


@dataclass(frozen=True)
class Operation:
    """`target` is path and query as in a request line; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_id: str | None = None


@dataclass(frozen=True)
class Answer:
    """`body` is text of `content_type`, or nothing."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json; odata.metadata=minimal"


def execute(
    state: D365State, caller: Caller, operation: Operation, contended: frozenset[Document]
) -> Answer:
    """Carry out one operation, a write all or nothing. Raises ODataError.

    Documents in `contended` were being written by another request when this one came in.
    """
    path, options = split_url(operation.target)
    if not path:
        return Answer(200, dumps(service_document(state.model, caller.base_url)))
    resource = parse_resource(path, state.model)
    if operation.method in READS:
        return _read(state, caller, resource, options)
    with state.store.transaction():
        if documents_of(state, operation) & contended:
            raise write.conflict(resource.entity)
        return _write(state, caller, operation, resource, options)


def documents_of(state: D365State, operation: Operation) -> frozenset[Document]:
    """The pending invoice that this operation adds a line to, if that is what it does."""
    path = operation.target.partition("?")[0].strip("/").removeprefix("data/")
    if operation.method != "POST" or path != LINES:
        return frozenset()
    try:
        body = loads(operation.body)
    except ValueError:
        return frozenset()  # refused when it is executed
    if not isinstance(body, dict):
        return frozenset()
    company = str(body.get("dataAreaId", state.default_company)).lower()
    return frozenset({(company, str(body.get("HeaderReference", "")).lower())})


def error_answer(state: D365State, error: ODataError, *, in_batch: bool = False) -> Answer:
    """The answer that an error is."""
    status = error.status
    if error.business:
        switches = state.switches
        status = switches.batch_error_status if in_batch else switches.business_error_status
    body = "" if error.body is None else dumps(error.body)
    return Answer(status, body, error.headers)


def _read(state: D365State, caller: Caller, resource: Resource, options: Options) -> Answer:
    content_type = f"application/json; odata.metadata={caller.metadata}"
    if resource.count:
        count = query.read_count(state, resource, options)
        return Answer(200, str(count), content_type="text/plain")
    if resource.key is None:
        body = query.read_collection(state, caller, resource, options)
        return Answer(200, dumps(body), content_type=content_type)
    body = query.read_entity(state, caller, resource, options)
    headers = {"ETag": body["@odata.etag"]} if "@odata.etag" in body else {}
    return Answer(200, dumps(body), headers, content_type)


def _write(
    state: D365State,
    caller: Caller,
    operation: Operation,
    resource: Resource,
    options: Options,
) -> Answer:
    match operation.method, resource.key:
        case "POST", None if not resource.count:
            return _create(state, caller, operation, resource)
        case "PATCH" | "PUT", dict():
            return _update(state, caller, operation, resource, options)
        case "DELETE", dict(key):
            write.delete(
                state,
                resource.entity,
                key,
                cross_company=query.is_cross_company(options),
                if_match=operation.headers.get("if-match"),
            )
            return Answer(204)
    msg = f"The requested resource does not support http method '{operation.method}'."
    raise plain_error(405, msg)


def _create(state: D365State, caller: Caller, operation: Operation, resource: Resource) -> Answer:
    entity = resource.entity
    record = write.create(state, entity, _json(operation))
    body = query.entity_body(state, caller, entity, record)
    location = f"{caller.base_url}/data/{entity_path(entity, record.values)}"
    return Answer(201, dumps(body), {"Location": location, "ETag": record.etag})


def _update(
    state: D365State,
    caller: Caller,
    operation: Operation,
    resource: Resource,
    options: Options,
) -> Answer:
    record = write.update(
        state,
        resource.entity,
        resource.key or {},
        _json(operation),
        cross_company=query.is_cross_company(options),
        if_match=operation.headers.get("if-match"),
    )
    wants_body = "return=representation" in operation.headers.get("prefer", "")
    if not (wants_body and state.switches.return_representation):
        return Answer(204)
    body = query.entity_body(state, caller, resource.entity, record)
    return Answer(200, dumps(body), {"ETag": record.etag})


def _json(operation: Operation) -> Any:
    kind = operation.headers.get("content-type", "application/json")
    if not kind.lower().startswith("application/json"):
        msg = f"The media type '{kind}' is not supported for this resource."
        raise plain_error(415, msg)
    try:
        return loads(operation.body)
    except ValueError as error:
        msg = f"The request body is not valid JSON: {error}"
        raise query_error(msg) from error
