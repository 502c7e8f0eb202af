"""The Basware side against Basware's own OpenAPI document, where that is at hand."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
import requests
from sandbox.basware.schema_facts import draw_facts
from sandbox.seed import demo_world
from sandbox.server import Sandbox

from tests.reference import OPENAPI, reference_text


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(reference_text(OPENAPI))
    return document


def as_json_schema(value: Any) -> Any:
    """OpenAPI 3.0 has `nullable`, JSON Schema has a list of types."""
    if isinstance(value, list):
        return [as_json_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: as_json_schema(item) for name, item in value.items()}
    if value.get("nullable") is True and isinstance(value.get("type"), str):
        made["type"] = [value["type"], "null"]
    return made


@pytest.fixture(scope="module")
def components(openapi: dict[str, Any]) -> Any:
    return as_json_schema(openapi["components"])


def test_the_facts_are_those_of_the_document(openapi: dict[str, Any]) -> None:
    stored = files("sandbox.basware").joinpath("schemas.json").read_text("utf-8")
    assert json.loads(stored) == draw_facts(openapi)


VALIDATION = {
    "externalCode": "rule-1",
    "interface": "AdvancedValidation",
    "keyValue": "605100",
    "dimension1": "1",
    "dimension1From": "CC-01",
    "dimension1To": "CC-05",
    "companies": [{"companyCode": "1000", "active": True}],
}


class Contract:
    """Calls the sandbox and holds every answer against the document."""

    def __init__(self, sandbox: Sandbox, openapi: dict[str, Any], components: Any) -> None:
        self.sandbox = sandbox
        self.paths = openapi["paths"]
        self.components = components

    def call(self, method: str, template: str, body: Any = None, **place: str) -> Any:
        query = {name: text for name, text in place.items() if f"{{{name}}}" not in template}
        answer = requests.request(
            method,
            self.sandbox.basware_url + template.format(**place),
            params=query,
            json=body,
            auth=("basware-user", "basware-password"),
            verify=str(self.sandbox.ca_file),
            timeout=10,
        )
        documented = self.paths[template][method.lower()]["responses"]
        assert str(answer.status_code) in documented, (template, answer.status_code)
        content = documented[str(answer.status_code)].get("content", {}).get("application/json")
        if content is None:
            return None
        schema = as_json_schema(content["schema"]) | {"components": self.components}
        jsonschema.Draft202012Validator(schema).validate(answer.json())
        return answer.json()


@pytest.fixture
def contract(sandbox: Sandbox, openapi: dict[str, Any], components: Any) -> Contract:
    sandbox.load(demo_world(invoices=20, vendors=24, basware_masters=True))
    sandbox.basware.load({"advancedValidations": [VALIDATION]})
    sandbox.switches.basware.check_company_codes = False
    return Contract(sandbox, openapi, components)


MASTER_DATA = [
    ("/v1/companies", "companyCode"),
    ("/v1/vendors", "externalCode"),
    ("/v1/accounts", "externalCode"),
    ("/v1/costCenters", "externalCode"),
    ("/v2/projects", "externalCode"),
    ("/v1/taxCodes", "externalCode"),
    ("/v1/paymentTerms", "externalCode"),
    ("/v1/exchangeRates", "externalCode"),
    ("/v1/matchingOrders", "externalCode"),
    ("/v1/lists/{listKey}", "externalCode"),
    ("/v1/advancedValidations", "externalCode"),
]


@pytest.mark.parametrize(("template", "key"), MASTER_DATA)
def test_master_data(contract: Contract, template: str, key: str) -> None:
    place = {"listKey": "ACC_LIST_1"}
    [entities] = contract.call("GET", template, pageSize="20", **place).values()
    one = entities[0]
    contract.call("POST", template, [one], **place)
    contract.call("POST", template, [{"externalCode": "x" * 99, key: "y" * 99}], **place)
    contract.call("POST", template, [one, one], **place)
    if template != "/v2/projects":  # there the document declares the v1 entity by mistake
        contract.call("GET", f"{template}/{{{key}}}", **{key: one[key]}, **place)
    if template != "/v1/companies":
        contract.call("PATCH", f"{template}/{{{key}}}", one, **{key: one[key]}, **place)


def test_orders_and_what_is_exported(contract: Contract) -> None:
    order = contract.sandbox.basware.records("matchingOrders")[0]["externalCode"]
    lines = contract.call("GET", "/v1/matchingOrderLines", orderExternalCode=order)
    contract.call("POST", "/v1/matchingOrderLines", lines["matchingOrderLines"])
    contract.call("GET", "/v1/exportedPurchaseOrders")


def test_invoices_and_responses(contract: Contract) -> None:
    base = "/v1/accountingDocuments"
    waiting = contract.call("GET", base, ProcessingStatus="WaitingForTransfer", pageSize="100")
    one = waiting["accountingDocuments"][0]
    invoice = {"invoiceId": one["invoiceId"]}
    contract.call("GET", f"{base}/{{invoiceId}}", **invoice)
    contract.call("POST", f"{base}/{{invoiceId}}/acknowledge", **invoice)
    contract.call("POST", f"{base}/{{invoiceId}}/acknowledge", **invoice)
    response = {"success": True, "paymentBlock": False, "responseMessage": "done"}
    for kind in ("transfer", "payment", "prebook"):
        body = response | {"externalCode": f"{kind}-1"}
        contract.call("POST", f"{base}/{{invoiceId}}/{kind}Responses", body, **invoice)
    contract.call("POST", f"{base}/{{invoiceId}}/transferResponses", response, **invoice)
    search = {name: one[name] for name in ("companyCode", "invoiceNumber", "invoiceDate")}
    contract.call("GET", f"{base}/status", **search)


def test_what_became_of_writes(contract: Contract) -> None:
    contract.sandbox.basware.add_outcome_rule(status="Error", message="No")
    vendor = contract.sandbox.basware.records("vendors")[0]
    contract.call("POST", "/v1/vendors", [vendor | {"name": "Another"}])
    [entry] = contract.call("GET", "/v1/requestStatus")["requestStatus"]
    ids = {"requestIds": [entry["requestId"]]}
    contract.call("GET", "/v1/errorFeedbacks")
    contract.call("POST", "/v1/requestStatus/acknowledge", ids)
    contract.call("POST", "/v1/requestStatus/acknowledge", ids)
