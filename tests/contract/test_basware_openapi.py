"""Both sides of every exchange with Basware keep to Basware's own OpenAPI document.

What our plugins send is checked, and what the sandbox answers: a sandbox that spoke another
language would prove nothing.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from openapi_core.exceptions import OpenAPIError
from sandbox.journal import Exchange
from sandbox.seed import demo_world
from sandbox.server import Sandbox
from tap_basware.tap import TapBasware
from target_basware.target import TargetBasware
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.contract.plugins import messages, settings
from tests.reference import OPENAPI, reference_text

LISTS = ["ACC_LIST_1"]
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
        for operation in item.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return OpenAPI.from_dict(spec)


@pytest.fixture(scope="module")
def exchanges(
    sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Exchange]]:
    """Every exchange of all streams of the tap, and of transfer responses of both kinds."""
    sandbox_server.reset()
    world = demo_world(invoices=40)
    sandbox_server.load(world)
    sandbox_server.switches.basware.redirect = False
    directory = tmp_path_factory.mktemp("contract")
    _read_everything(sandbox_server, directory)
    _respond(sandbox_server, directory, [row["invoiceId"] for row in world.documents()])
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
    config = {**settings(sandbox, "target-basware", directory), "acknowledge_first": True}
    with contextlib.redirect_stdout(io.StringIO()):
        TargetBasware(config=config).listen(messages("transfer_outcomes", "document_id", outcomes))


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
    } <= used


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
