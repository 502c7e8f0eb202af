"""The Basware API as an aiohttp application, and the storage origin it redirects to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from sandbox.basware.errors import not_found, refused
from sandbox.basware.exact_json import dumps
from sandbox.basware.gate import CALL, gate, json_response, read_json
from sandbox.basware.notifications import RefusedSubscriptionError
from sandbox.basware.paging import HEADER, Query
from sandbox.basware.request_status import Item
from sandbox.basware.resources import RESOURCES, Resource, list_resource
from sandbox.basware.responses import KINDS
from sandbox.basware.status_views import feedback_page, feedback_with, status_page
from sandbox.basware.storage import create_shelf_app
from sandbox.basware.tokens import TokenRefusedError

if TYPE_CHECKING:
    from sandbox.basware.paging import Page
    from sandbox.basware.state import BaswareState

_BARE_SWITCHES = {"vendors": "bare_vendor_array", "matchingOrderLines": "bare_order_line_array"}


def create_app(state: BaswareState) -> web.Application:
    """The API over `state`, whose `urls` must name the origins before the first call."""
    app = web.Application(middlewares=[gate(state)], client_max_size=64 * 1024 * 1024)
    api = _Api(state)
    routes = app.router
    routes.add_post("/v1/tokens", api.issue_token)
    routes.add_get("/.well-known/jwks.json", api.key_set)
    routes.add_get("/.well-known/openid-configuration", api.openid_configuration)
    documents = "/v1/accountingDocuments"
    routes.add_get(documents, api.list_documents)
    routes.add_get(f"{documents}/status", api.document_statuses)
    routes.add_get(f"{documents}/{{invoiceId}}", api.get_document)
    routes.add_post(f"{documents}/{{invoiceId}}/acknowledge", api.acknowledge_document)
    routes.add_post(f"{documents}/{{invoiceId}}/{{kind}}", api.respond)
    routes.add_get("/v1/requestStatus", api.list_requests)
    routes.add_get("/v1/requestStatus/{requestId}", api.get_request)
    routes.add_post("/v1/requestStatus/acknowledge", api.acknowledge_requests)
    routes.add_get("/v1/errorFeedbacks", api.list_feedback)
    routes.add_get("/v1/errorFeedbacks/{requestId}", api.get_feedback)
    routes.add_get("/v1/errorFeedbacks/{entityType}/{externalCode}", api.get_feedback)
    routes.add_post("/v1/subscriptions", api.subscribe)
    routes.add_get("/v1/subscriptions", api.list_subscriptions)
    routes.add_delete("/v1/subscriptions", api.unsubscribe)
    routes.add_get("/v1/tasks", api.list_tasks)
    routes.add_get("/v1/tasks/{taskId}", api.get_task)
    for path in ("/v1/lists/{listKey}", *(f"/{resource.path}" for resource in RESOURCES)):
        routes.add_get(path, api.list_records)
        routes.add_post(path, api.post_records)
        routes.add_get(f"{path}/{{key}}", api.get_record)
        routes.add_patch(f"{path}/{{key}}", api.patch_record)
    return app


def create_storage_app(state: BaswareState) -> web.Application:
    """The origin that holds the answers the API redirects to."""
    return create_shelf_app(state.shelf)


class _Api:
    """One method an operation. Each locks the state only while it works on it."""

    def __init__(self, state: BaswareState) -> None:
        self._state = state
        self._resources = {resource.path: resource for resource in RESOURCES}

    # -- tokens

    async def issue_token(self, request: web.Request) -> web.Response:
        if request.content_type != "application/x-www-form-urlencoded":
            detail = {"loc": ["body"], "msg": "form is expected", "type": "value_error"}
            return json_response({"detail": [detail]}, 422)
        form = {name: str(text) for name, text in (await request.post()).items()}
        try:
            answer = self._state.tokens.issue(
                request.headers.get("Authorization"), form, self._state.urls["basware"]
            )
        except TokenRefusedError as error:
            return json_response(error.body, error.status)
        return json_response(answer)

    async def key_set(self, _request: web.Request) -> web.Response:
        return json_response(self._state.tokens.key_set())

    async def openid_configuration(self, _request: web.Request) -> web.Response:
        base = self._state.urls["basware"]
        return json_response({"issuer": f"{base}/", "jwks_uri": f"{base}/.well-known/jwks.json"})

    # -- invoices

    async def list_documents(self, request: web.Request) -> web.Response:
        with self._state.lock:
            page = self._state.invoices.page(_query(request), self._state.continuations)
        return self._deliver({"accountingDocuments": page.items}, page.token)

    async def get_document(self, request: web.Request) -> web.Response:
        entity = self._state.document(request.match_info["invoiceId"])
        return self._deliver({"accountingDocuments": [entity]}, None)

    async def document_statuses(self, request: web.Request) -> web.Response:
        with self._state.lock:
            return json_response(self._state.invoices.statuses(_query(request)))

    async def acknowledge_document(self, request: web.Request) -> web.Response:
        with self._state.lock:
            return json_response(self._state.invoices.acknowledge(request.match_info["invoiceId"]))

    async def respond(self, request: web.Request) -> web.Response:
        kind = KINDS.get(request.match_info["kind"])
        if kind is None:
            raise web.HTTPNotFound
        body = await read_json(request)
        refuse = self._state.switches.unknown_property == "refuse"
        response, messages = self._state.schemas.read(kind.entity, body, refuse_unknown=refuse)
        if messages:
            raise refused(400, "SCHEMA_VALIDATION_ERROR", "; ".join(messages))
        invoice_id = request.match_info["invoiceId"]
        with self._state.lock:
            self._state.desk.accept(kind, invoice_id, response)
            item = Item(response["externalCode"], response, parent=invoice_id)
            self._state.log.submit(request[CALL], kind.entity_type, "POST", [item])
        return json_response(response)

    # -- master data

    async def list_records(self, request: web.Request) -> web.Response:
        resource = self._resource(request)
        with self._state.lock:
            page = self._state.master_data.page(
                resource, _query(request), self._state.continuations
            )
        return self._page(resource, page)

    async def get_record(self, request: web.Request) -> web.Response:
        resource = self._resource(request)
        with self._state.lock:
            entity = self._state.master_data.get(resource, request.match_info["key"])
        if resource.exported:
            return self._deliver({resource.envelope: [entity]}, None)
        return json_response(entity)

    async def post_records(self, request: web.Request) -> web.Response:
        resource = self._resource(request)
        if not resource.writable:
            raise web.HTTPMethodNotAllowed("POST", ["GET"])
        body = await read_json(request)
        with self._state.lock:
            return json_response(self._state.master_data.post(resource, request[CALL], body))

    async def patch_record(self, request: web.Request) -> web.Response:
        resource = self._resource(request)
        if not resource.patchable:
            raise web.HTTPMethodNotAllowed("PATCH", ["GET", "POST"])
        body = await read_json(request)
        key = request.match_info["key"]
        with self._state.lock:
            return json_response(self._state.master_data.patch(resource, request[CALL], key, body))

    def _resource(self, request: web.Request) -> Resource:
        if "listKey" in request.match_info:
            return self._list(request.match_info["listKey"], request.method)
        return self._resources["/".join(request.path.split("/")[1:3])]

    def _list(self, key: str, method: str) -> Resource:
        try:
            return list_resource(key)
        except KeyError:
            if method == "GET":
                raise not_found() from None
            status = self._state.switches.unknown_list_key_status
            raise refused(
                status, "PARAMETER_VALIDATION_ERROR", f"there is no list {key!r}"
            ) from None

    # -- what became of writes

    async def list_requests(self, request: web.Request) -> web.Response:
        self._require_request_status()
        with self._state.lock:
            page = status_page(self._state, _query(request))
        return _paged({"requestStatus": page.items}, page.token)

    async def get_request(self, request: web.Request) -> web.Response:
        self._require_request_status()
        query = _query(request)
        with self._state.lock:
            found = self._state.log.get(request.match_info["requestId"])
            entry = found.as_json(ignore_successful=query.flag("ignoreSuccessfulItems"))
        return json_response({"requestStatus": [entry]})

    def _require_request_status(self) -> None:
        if not self._state.switches.request_status_enabled:
            raise not_found()

    async def acknowledge_requests(self, request: web.Request) -> web.Response:
        self._require_request_status()
        body, messages = self._state.schemas.read(
            "ProcessingStatusGetBatchRequest", await read_json(request)
        )
        request_ids = body.get("requestIds") or []
        if messages or not request_ids:
            raise refused(400, "SCHEMA_VALIDATION_ERROR", "; ".join(messages) or "no requestIds")
        with self._state.lock:
            self._state.log.acknowledge(request_ids)
        return json_response("Acknowledged")

    async def list_feedback(self, request: web.Request) -> web.Response:
        with self._state.lock:
            page = feedback_page(self._state, _query(request))
        return _paged({"errorList": page.items}, page.token)

    async def get_feedback(self, request: web.Request) -> web.Response:
        with self._state.lock:
            return json_response({"errorList": feedback_with(self._state, request.match_info)})

    # -- push notifications

    async def subscribe(self, request: web.Request) -> web.Response:
        body = await read_json(request)
        if not isinstance(body, list):
            return _invalid(request, "SCHEMA_VALIDATION_ERROR", "an array is expected")
        try:
            return json_response(await self._state.notifications.subscribe(body))
        except RefusedSubscriptionError as error:
            return _invalid(request, error.code, str(error))

    async def list_subscriptions(self, request: web.Request) -> web.Response:
        found = self._state.notifications.subscriptions(request.query)
        return json_response({"subscriptions": found}) if found else _nothing()

    async def unsubscribe(self, request: web.Request) -> web.Response:
        missing = [
            name for name in ("lastUpdated", "taskType", "taskSubType") if name not in request.query
        ]
        if missing:
            return json_response({"message": "UnprocessableEntity"}, 422)
        count = self._state.notifications.unsubscribe(request.query)
        return json_response({"status": "Deleted successfully", "numberOfRecordsDeleted": count})

    async def list_tasks(self, request: web.Request) -> web.Response:
        found = self._state.notifications.tasks(request.query)
        return json_response({"taskStatus": found}) if found else _nothing()

    async def get_task(self, request: web.Request) -> web.Response:
        wanted = request.match_info["taskId"]
        found = [each for each in self._state.notifications.tasks({}) if each["taskId"] == wanted]
        return json_response({"taskStatus": found}) if found else _nothing()

    # -- answers

    def _page(self, resource: Resource, page: Page) -> web.Response:
        if resource.exported:
            return self._deliver({resource.envelope: page.items}, page.token)
        switch = _BARE_SWITCHES.get(resource.name)
        bare = switch is not None and getattr(self._state.switches, switch)
        return _paged(page.items if bare else {resource.envelope: page.items}, page.token)

    def _deliver(self, payload: Any, token: str | None) -> web.Response:
        """Answer through the storage origin, or directly where the switch says so."""
        if not self._state.switches.redirect:
            return _paged(payload, token)
        address = self._state.urls["storage"] + self._state.shelf.put(dumps(payload), token)
        headers = {"Location": address}
        if token is not None and self._state.switches.token_on_redirect:
            headers[HEADER] = token
        return web.Response(status=302, headers=headers)


def _invalid(request: web.Request, code: str, message: str) -> web.Response:
    """A refusal in the dialect of the subscriptions API."""
    error = {"type": "VALIDATION", "code": code, "message": message}
    return json_response(
        {"requestId": request[CALL], "hasError": True, "errorMessages": [error]}, 400
    )


def _nothing() -> web.Response:
    """No record, in the same dialect."""
    return json_response({"detail": "Not Found"}, 404)


def _paged(payload: Any, token: str | None) -> web.Response:
    return json_response(payload, headers=None if token is None else {HEADER: token})


def _query(request: web.Request) -> Query:
    return Query.of(request.path, request.query.items(), request.headers.get(HEADER))
