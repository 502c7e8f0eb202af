"""Data management's package API: packages arrive in a file store, and are imported later.

The headers of a package are written first, then the lines, each row by the rules of the OData
side, and by itself: one that is refused leaves the others as they are. A row that is there already
is changed, not doubled.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from uuid import uuid4
from xml.etree import ElementTree

from aiohttp import web

from sandbox.d365fo import write
from sandbox.d365fo.errors import ODataError, action_error, plain_error, query_error
from sandbox.d365fo.operations import Answer
from sandbox.d365fo.vendor_invoices import HEADERS, LINES
from sandbox.d365fo.wire import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sandbox.d365fo.model import EntitySet, Field
    from sandbox.d365fo.state import D365State

PREFIX = "/data/DataManagementDefinitionGroups/Microsoft.Dynamics.DataEntities."
_CONTEXT = "https://localhost/data/$metadata#Edm.String"
_SPACE = "{http://schemas.microsoft.com/dynamics/2015/01/DataManagement}"
#: What Data management calls the entities that can be in a package.
ENTITIES = {"Vendor invoice header": HEADERS, "Vendor invoice line": LINES}
#: Rows between two moments in which others have their turn.
_AT_A_TIME = 50
_OVER = frozenset({"Succeeded", "PartiallySucceeded", "Failed", "Canceled"})


@dataclass
class Blob:
    """A place in the file store; whoever knows the signature may write and read it for a while."""

    signature: str
    expires: datetime
    content: bytes | None = None


@dataclass
class Execution:
    """One import: where it stands, and what was wrong with rows."""

    id: str
    legal_entity: str
    status: str = "NotRun"
    written: int = 0
    errors: list[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ReadEntity:
    """The rows of one file of a package, as text by public field name."""

    entity_set: str
    level: int
    rows: list[dict[str, str]]


class DataManagement:
    """Packages and imports of one environment. Used by the event loop; `executions` by all."""

    def __init__(self, state: D365State, address: Callable[[], str]) -> None:
        """`address` gives the origin of the file store."""
        self._state = state
        self._address = address
        self._tasks: set[asyncio.Task[None]] = set()
        self.clear()

    def clear(self) -> None:
        """No package, and no import; those that run write nothing more."""
        with self._state.store.lock:
            self.blobs: OrderedDict[str, Blob] = OrderedDict()
            self.executions: dict[str, Execution] = {}
            self.packages: list[bytes] = []

    async def call(self, action: str, body: bytes) -> Answer:
        """Carry out one action. Raises ODataError."""
        actions: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "GetAzureWriteUrl": self._write_url,
            "ImportFromPackage": self._import,
            "GetExecutionSummaryStatus": self._status,
            "GetExecutionErrors": self._errors,
        }
        if action not in actions or action in self._state.switches.package_forbidden:
            raise plain_error(404 if action not in actions else 403, f"No action {action}.")
        try:
            given = loads(body or b"{}")
        except ValueError as error:
            raise query_error(str(error)) from error
        if action == "ImportFromPackage":
            await asyncio.sleep(self._state.switches.package_begin_seconds)
        value = actions[action](given)
        return Answer(200, dumps({"@odata.context": _CONTEXT, "value": value}))

    # The file store

    def open_blob(self, name: str, signature: str) -> Blob | None:
        """The place with this name, unless the signature is wrong or has expired."""
        blob = self.blobs.get(name)
        if blob is None or blob.signature != signature:
            return None
        return blob if blob.expires > self._state.clock.peek() else None

    def _write_url(self, given: Mapping[str, Any]) -> str:
        name, signature = str(given["uniqueFileName"]), uuid4().hex + uuid4().hex
        lifetime = self._state.switches.package_address_seconds
        if self._state.switches.package_expired_addresses > 0:
            self._state.switches.package_expired_addresses -= 1
            lifetime = -1
        expires = self._state.clock.peek() + timedelta(seconds=lifetime)
        self.blobs[name] = Blob(signature, expires)
        while len(self.blobs) > 100:
            self.blobs.popitem(last=False)
        scheme = self._state.switches.package_address_scheme
        origin = self._address() if scheme == "https" else "http://store.example"
        url = f"{origin}/dmf/{name}?sv=2014-02-14&sr=b&sig={signature}&sp=rw"
        return dumps({"BlobId": f"{{{uuid4()}}}", "BlobUrl": url})

    # Imports

    def _import(self, given: Mapping[str, Any]) -> str:
        switches = self._state.switches
        execution, project = str(given["executionId"]), str(given["definitionGroupId"])
        if project not in switches.package_projects:
            raise self._refused("ImportFromPackage", f"Definition group {project} does not exist.")
        if self._known(execution):
            raise self._refused("ImportFromPackage", f"Execution {execution} exists already.")
        running = [each for each in self.executions.values() if each.status == "Executing"]
        if running and not switches.package_parallel:
            raise self._refused("ImportFromPackage", f"Import {running[0].id} is being executed.")
        company = str(given["legalEntityId"]).lower()
        if not self._state.company_exists(company):
            raise self._refused("ImportFromPackage", f"Company {company} does not exist.")
        content = self._package(str(given["packageUrl"]))
        entities = list(_entities(content, self._state))
        self.packages.append(content)
        if switches.package_forgets:
            switches.package_forgets -= 1
            return execution
        begun = Execution(execution, company)
        self.executions[execution] = begun
        task = asyncio.get_running_loop().create_task(self._run(begun, entities))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return execution

    def _package(self, url: str) -> bytes:
        address, _, query = url.partition("?")
        signature = dict(part.partition("=")[::2] for part in query.split("&")).get("sig", "")
        blob = self.open_blob(address.rpartition("/")[2], signature)
        if blob is None or blob.content is None:
            raise self._refused("ImportFromPackage", f"The package {url} cannot be read.")
        return blob.content

    def _known(self, execution: str) -> Execution | None:
        return self.executions.get(execution)

    def _status(self, given: Mapping[str, Any]) -> str:
        execution = str(given["executionId"])
        found = self._known(execution)
        if found is not None:
            return found.status
        if self._state.switches.package_unknown == "error":
            text = f"Execution details were not found for execution id: {execution}"
            raise self._refused("GetExecutionSummaryStatus", text)
        return "Unknown"

    def _errors(self, given: Mapping[str, Any]) -> str:
        found = self._known(str(given["executionId"]))
        return dumps(found.errors if found else [])

    @staticmethod
    def _refused(action: str, text: str) -> ODataError:
        return action_error(action, "DataManagementDefinitionGroup", text)

    async def _run(self, execution: Execution, entities: list[ReadEntity]) -> None:
        """Import in turn, row by row, in the time that it is to take."""
        switches = self._state.switches
        if switches.package_outcome == "NotRun":
            return
        await asyncio.sleep(switches.package_queue_seconds)
        execution.status = "Executing"
        rows = sum(len(entity.rows) for entity in entities)
        pause = switches.package_seconds / max(1, len(entities))
        total = 0
        for turn, entity in enumerate(sorted(entities, key=lambda each: each.level)):
            if switches.package_outcome == "Canceled" and turn:
                break
            for start in range(0, len(entity.rows), _AT_A_TIME):
                if switches.package_outcome == "Failed":
                    break
                for row in entity.rows[start : start + _AT_A_TIME]:
                    total += 1
                    self._write(execution, entity, row)
                await asyncio.sleep(switches.package_row_seconds * _AT_A_TIME)
            await asyncio.sleep(pause)
        execution.status = self._ending(execution, rows)

    def _ending(self, execution: Execution, rows: int) -> str:
        if forced := self._state.switches.package_outcome:
            return forced
        if not execution.errors:
            return "Succeeded"
        return "PartiallySucceeded" if execution.written < rows and execution.written else "Failed"

    def _write(self, execution: Execution, entity: ReadEntity, row: dict[str, str]) -> None:
        """Write one row, unless the sandbox has begun anew."""
        state = self._state
        entity_set = state.model.sets[entity.entity_set]
        with state.store.lock:
            if self.executions.get(execution.id) is execution:
                self._write_row(execution, entity_set, row)

    def _write_row(self, execution: Execution, entity_set: EntitySet, row: dict[str, str]) -> None:
        state = self._state
        try:
            values = {"dataAreaId": execution.legal_entity, **_typed(entity_set, row, state)}
            key = {name: values[name] for name in entity_set.keys}
            with state.store.transaction():
                if state.find_key(entity_set.name, key) is None:
                    write.create(state, entity_set, values)
                else:
                    write.update(state, entity_set, key, values, cross_company=True, if_match=None)
        except (ODataError, KeyError, ValueError, InvalidOperation) as error:
            words = error.message if isinstance(error, ODataError) else str(error)
            execution.errors.append(self._error(row, words))
        else:
            execution.written += 1

    def _error(self, row: Mapping[str, str], words: str) -> dict[str, str]:
        names = [row.get(name, "") for name in ("HeaderReference", "InvoiceLineNumber")]
        shown = self._state.switches.package_error_rows == "named"
        return {
            "RecordId": "+".join(filter(None, names)) if shown else "",
            "Field": "",
            "ErrorMessage": words,
        }


def create_store_app(data: DataManagement) -> web.Application:
    """The file store as an application; its errors are those of Azure's."""

    def place(request: web.Request) -> Blob | web.Response:
        if "Authorization" in request.headers:
            return _store_error(400, "InvalidAuthenticationInfo")
        blob = data.open_blob(request.match_info["name"], request.query.get("sig", ""))
        return blob or _store_error(403, "AuthenticationFailed")

    async def put(request: web.Request) -> web.Response:
        found = place(request)
        if isinstance(found, web.Response):
            return found
        if request.headers.get("x-ms-blob-type") != "BlockBlob":
            return _store_error(400, "MissingRequiredHeader")
        if request.headers.get("Transfer-Encoding"):
            return _store_error(411, "MissingContentLengthHeader")
        found.content = await request.read()
        return web.Response(status=201)

    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_put("/dmf/{name}", put)
    return app


def _store_error(status: int, code: str) -> web.Response:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>"
    return web.Response(status=status, text=body, content_type="application/xml")


def _entities(content: bytes, state: D365State) -> Iterator[ReadEntity]:
    """The rows of a package. Raises ODataError for one that Dynamics cannot read."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            _parse(package, "PackageHeader.xml")
            manifest = _parse(package, "Manifest.xml")
            for each in manifest.iter(f"{_SPACE}DataManagementPackageEntityData"):
                yield _entity(package, each, state)
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError) as error:
        text = f"Could not read the package: {error}"
        raise action_error("ImportFromPackage", "DataManagementDefinitionGroup", text) from error


def _parse(package: zipfile.ZipFile, name: str) -> ElementTree.Element:
    return ElementTree.fromstring(package.read(name))  # noqa: S314 - our own side wrote it


def _entity(
    package: zipfile.ZipFile, described: ElementTree.Element, state: D365State
) -> ReadEntity:
    def text(name: str) -> str:
        return described.findtext(f"{_SPACE}{name}") or ""

    name = text("EntityName")
    if name not in ENTITIES:
        words = f"Entity {name} does not exist in the target environment"
        raise action_error("ImportFromPackage", "DataManagementDefinitionGroup", words)
    if text("SourceFormat") not in state.switches.package_formats:
        words = f"Source data format {text('SourceFormat')} does not exist"
        raise action_error("ImportFromPackage", "DataManagementDefinitionGroup", words)
    public = {each.upper(): each for each in state.model.sets[ENTITIES[name]].fields}
    mapped: dict[str, str] = {}
    for each in described.iter(f"{_SPACE}EntityMap"):
        target = each.findtext(f"{_SPACE}EntityField") or ""
        if target not in public:
            words = f"The mapping is incorrect for entity {name} and field {target}"
            raise action_error("ImportFromPackage", "DataManagementDefinitionGroup", words)
        mapped[each.findtext(f"{_SPACE}XMLField") or ""] = public[target]
    rows = [
        {mapped[cell.tag]: cell.text or "" for cell in row if cell.tag in mapped}
        for row in _parse(package, text("InputFilePath"))
    ]
    return ReadEntity(ENTITIES[name], int(text("LevelInExecutionUnit")), rows)


def _typed(entity: EntitySet, row: Mapping[str, str], state: D365State) -> dict[str, Any]:
    """Text to the values that JSON would have. Raises ValueError or InvalidOperation."""
    return {
        name: _value(entity.fields[name], text, state)
        for name, text in row.items()
        if text or entity.fields[name].type == "String"
    }


def _value(column: Field, text: str, state: D365State) -> Any:
    match column.type:
        case "Decimal":
            return Decimal(text)
        case "Int32" | "Int64":
            return int(text)
        case "Boolean":
            return text.lower() in {"yes", "true", "1"}
        case "Date" | "UtcDateTime":
            moment = datetime.strptime(text, state.switches.package_date_format)
            return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
        case _:
            return text
