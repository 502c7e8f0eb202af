"""Both sides of every exchange with Basware keep to Basware's own OpenAPI document.

What our plugins send is checked, and what the sandbox answers: a sandbox that spoke another
language would prove nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from sandbox.basware.validation import parse_moment
from sandbox.journal import Exchange
from sandbox.seed import demo_world
from sandbox.server import Sandbox
from tap_basware.tap import TapBasware
from target_basware.masters import FIELDS
from target_basware.target import TargetBasware
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.contract.plugins import messages, settings
from tests.reference import OPENAPI, reference_text
from tests.tap_d365fo import tap_run
from tests.target_basware.payments import settled

MAPPING = Path(__file__).parents[2] / "mapping.yml"
LISTS = ["ACC_LIST_1"]
#: Basware's import APIs that we write to.
WRITTEN = (
    "companies",
    "accounts",
    "costCenters",
    "projects",
    "lists",
    "taxCodes",
    "paymentTerms",
    "exchangeRates",
    "vendors",
    "matchingOrders",
    "matchingOrderLines",
    "advancedValidations",
)
VALIDATION = {
    "externalCode": "rule-1",
    "interface": "AdvancedValidation",
    "keyValue": "605100",
    "dimension1": "1",
    "dimension1From": "CC-01",
    "dimension1To": "CC-05",
    "companies": [{"companyCode": "1000", "active": True}],
}
#: What vanishes from Dynamics between two runs: of each set the first row with these values.
VANISHED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("MainAccounts", {"MainAccountId": "605100"}),
    ("FinancialDimensionValues", {"DimensionValue": "CC-01"}),
    ("DimAttributeOMCostCenters", {"Value": "CC-01"}),
    ("FinancialDimensionValues", {"DimensionValue": "R25"}),
    ("DimAttributeFinancialTags", {"Value": "R25"}),
    ("FinancialDimensionValues", {"DimensionValue": "001"}),
    ("DimAttributeOMBusinessUnits", {"Value": "001"}),
    ("VendorsV3", {}),
    ("ExchangeRates", {}),
    ("PaymentTerms", {}),
    ("TaxGroupDatas", {}),
    ("PurchaseOrderLinesV2", {}),
    ("PurchaseOrderHeadersV2", {}),
)
#: Statuses that the document leaves out for these operations, though its text demands them.
UNDOCUMENTED = {302, 401, 403, 404, 405, 429, 503}


@dataclass
class Request:
    """An exchange's request, as openapi-core wants to see it."""

    exchange: Exchange

    @property
    def host_url(self) -> str:
        return "https://basware.example"

    @property
    def path(self) -> str:
        return self.exchange.path

    @property
    def method(self) -> str:
        return self.exchange.method.lower()

    @property
    def body(self) -> bytes | None:
        return self.exchange.body or None

    @property
    def content_type(self) -> str:
        return self.exchange.headers.get("content-type", "application/json").split(";")[0]

    @cached_property
    def parameters(self) -> RequestParameters:
        # One object: openapi-core puts the path's parameters into it.
        return RequestParameters(
            query=ImmutableMultiDict(self.exchange.query),
            header=Headers(self.exchange.headers),
        )


@dataclass
class Response:
    """An exchange's answer, as openapi-core wants to see it."""

    exchange: Exchange

    @property
    def status_code(self) -> int:
        return self.exchange.status

    @property
    def content_type(self) -> str:
        return self.exchange.response_headers.get("content-type", "").split(";")[0]

    @property
    def headers(self) -> Mapping[str, Any]:
        return Headers(self.exchange.response_headers)

    @property
    def data(self) -> bytes | None:
        return self.exchange.response_body


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    spec = json.loads(reference_text(OPENAPI))
    spec["servers"] = [{"url": "https://basware.example"}]
    # Authorisation has tests of its own; the journal keeps no credentials.
    spec.pop("security", None)
    for item in spec["paths"].values():
        for method, operation in item.items():
            if isinstance(operation, dict):
                operation.pop("security", None)
                if method == "patch":
                    _demand_nothing(spec, operation)
    return OpenAPI.from_dict(
        spec, config=Config(extra_format_validators={"date-time": _is_date_or_moment})
    )


def _is_date_or_moment(text: object) -> bool:
    """Tell whether a text is a date-time, or a plain day, as in the document's own examples."""
    return isinstance(text, str) and parse_moment(text) is not None


def _demand_nothing(spec: dict[str, Any], operation: dict[str, Any]) -> None:
    """Let a PATCH send only what changes: so says its text, though its schema is that of a POST."""
    for content in operation["requestBody"]["content"].values():
        name = content["schema"]["$ref"].rpartition("/")[2]
        changes = deepcopy(spec["components"]["schemas"][name])
        changes.pop("required", None)
        content["schema"] = changes


@pytest.fixture(scope="module")
def exchanges(
    sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Exchange]]:
    """Every exchange of masters, of all streams of the tap, and of responses of all kinds."""
    sandbox_server.reset()
    world = demo_world(invoices=40)
    sandbox_server.load(world)
    sandbox_server.switches.basware.redirect = False
    directory = tmp_path_factory.mktemp("contract")
    ids = [row["invoiceId"] for row in world.documents()]
    _write_masters(sandbox_server, directory)
    _read_everything(sandbox_server, directory)
    _respond(sandbox_server, directory, ids)
    _pay(sandbox_server, directory, ids)
    for entity_set, values in VANISHED:
        gone = sandbox_server.d365fo.find(entity_set, **values)[0]
        sandbox_server.d365fo.delete(entity_set, gone)
    _write_masters(sandbox_server, directory)
    yield sandbox_server.journal.requests("basware")
    sandbox_server.reset()


def _read_everything(sandbox: Sandbox, directory: Path) -> None:
    config = {**settings(sandbox, "tap-basware", directory), "list_keys": LISTS, "page_size": 10}
    config.pop("ledger_url")
    with contextlib.redirect_stdout(io.StringIO()):
        catalog = TapBasware(config=config).catalog_dict
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                entry["metadata"]["selected"] = True
        TapBasware(config=config, catalog=catalog).sync_all()


def _write_masters(sandbox: Sandbox, directory: Path) -> None:
    """All masters of Dynamics into Basware, and a validation rule, which Dynamics does not have."""
    config: dict[str, Any] = settings(sandbox, "tap-d365fo", directory)
    config |= {"metadata_cache": str(directory), "full_refresh_hours": 0}
    catalog = tap_run.select(tap_run.discover(config), *FIELDS, fields=FIELDS)
    masters = tap_run.run(config, catalog)
    _load(sandbox, directory, "\n".join(map(json.dumps, masters.messages)))
    rules = messages("advanced_validations", "externalCode", [VALIDATION])
    _load(sandbox, directory, rules.getvalue())


def _load(sandbox: Sandbox, directory: Path, text: str, **more: Any) -> None:
    config = {**settings(sandbox, "target-basware", directory), "mapping_file": str(MAPPING)}
    with contextlib.redirect_stdout(io.StringIO()):
        TargetBasware(config={**config, **more}).listen(io.StringIO(text))


def _pay(sandbox: Sandbox, directory: Path, ids: list[str]) -> None:
    """Payments of the delivered invoices, one half as they come from Dynamics."""
    delivered = [document_id for number, document_id in enumerate(ids, 1) if number % 3 != 0]
    half = len(delivered) // 2
    from_dynamics = [
        settled(document_id=document_id, invoice_number=f"I-{number}", settlement_id=number)
        for number, document_id in enumerate(delivered[:half])
    ]
    given = [
        {
            "invoiceId": document_id,
            "success": True,
            "paymentBlock": False,
            "paidTotal": 100.25,
            "paymentDate": "2026-04-01T00:00:00Z",
        }
        for document_id in delivered[half:]
    ]
    for stream in (
        messages("vendor_payments", "settlement_id", from_dynamics),
        messages("payment_responses", "invoiceId", given),
    ):
        _load(sandbox, directory, stream.getvalue())


def _respond(sandbox: Sandbox, directory: Path, ids: list[str]) -> None:
    outcomes = [
        {
            "document_id": document_id,
            "sequence": number,
            "version": "1",
            "success": number % 3 != 0,
            "message": "Legal entity usmf: vendor is on hold" if number % 3 == 0 else "Posted",
            "voucher_number": None if number % 3 == 0 else f"BW{number}",
            "transfer_date": "2026-03-03T10:00:00+00:00",
            "payment_block": False,
            "source_system": "D365FO",
            "legal_entity": "usmf",
            "status": "rejected" if number % 3 == 0 else "delivered",
            "run_id": "r1",
        }
        for number, document_id in enumerate(ids, 1)
    ]
    stream = messages("transfer_outcomes", "document_id", outcomes)
    _load(sandbox, directory, stream.getvalue(), acknowledge_first=True)


def _api(exchanges: list[Exchange]) -> list[Exchange]:
    return [exchange for exchange in exchanges if "token" not in exchange.path]


def test_the_exchanges_cover_what_we_use(exchanges: list[Exchange]) -> None:
    used = {
        (exchange.method, urlsplit(exchange.path).path.split("/")[2])
        for exchange in _api(exchanges)
    }
    assert {
        ("GET", "accountingDocuments"),
        ("POST", "accountingDocuments"),
        ("GET", "vendors"),
        ("GET", "accounts"),
        ("GET", "costCenters"),
        ("GET", "lists"),
        ("GET", "taxCodes"),
        ("GET", "paymentTerms"),
        ("GET", "companies"),
        ("GET", "requestStatus"),
        ("GET", "errorFeedbacks"),
        ("GET", "exportedPurchaseOrders"),
        *(("POST", api) for api in WRITTEN),
        *(("PATCH", api) for api in WRITTEN if api not in {"companies", "advancedValidations"}),
    } <= used
    responses = {exchange.path.rpartition("/")[2] for exchange in _api(exchanges)}
    assert {"transferResponses", "paymentResponses"} <= responses


def test_everything_we_write_is_taken(exchanges: list[Exchange]) -> None:
    refused = [
        f"{exchange.method} {exchange.raw_path}: {exchange.status} {exchange.response_body!r}"
        for exchange in _api(exchanges)
        if exchange.method in {"POST", "PATCH"} and exchange.status >= 400
    ]
    assert refused == []


def test_what_we_send_is_what_the_document_asks_for(
    exchanges: list[Exchange], openapi: OpenAPI
) -> None:
    problems = []
    for exchange in _api(exchanges):
        try:
            openapi.validate_request(Request(exchange))
        except OpenAPIError as error:
            problems.append(f"{exchange.method} {exchange.raw_path}: {error} {error.__cause__}")
    assert problems == []


def test_what_the_sandbox_answers_is_what_the_document_promises(
    exchanges: list[Exchange], openapi: OpenAPI
) -> None:
    problems = []
    for exchange in _api(exchanges):
        if exchange.status in UNDOCUMENTED or not exchange.response_body:
            continue
        try:
            openapi.validate_response(Request(exchange), Response(exchange))
        except OpenAPIError as error:
            problems.append(f"{exchange.method} {exchange.raw_path}: {error} {error.__cause__}")
    assert problems == []
