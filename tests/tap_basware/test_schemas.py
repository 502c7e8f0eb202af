"""Every property that a schema has, against Basware's own OpenAPI document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tap_basware.resources import BY_STATUS, OTHERS, accounting_documents

from tests.reference import OPENAPI, reference_text

ENTITIES = {
    "accounting_documents": "AccountingDocumentEntity",
    "companies": "CompanyEntity",
    "vendors": "VendorEntity",
    "accounts": "AccountEntity",
    "cost_centers": "CostCenterEntity",
    "lists": "GenericListEntity",
    "tax_codes": "TaxCodeEntity",
    "payment_terms": "PaymentTermEntity",
    "request_status": "ConsumerLogEventUserView",
    "error_feedbacks": "ErrorFeedbackEntity",
    "exported_purchase_orders": "ExportedPurchaseOrderEntity",
}
RESOURCES = {resource.name: resource for resource in (accounting_documents(BY_STATUS), *OTHERS)}
#: What a stream adds to the records of a list.
OUR_OWN = {"lists": {"listKey"}}


@pytest.fixture(scope="module")
def entities() -> dict[str, Any]:
    return dict(json.loads(reference_text(OPENAPI))["components"]["schemas"])


def shape(schema: dict[str, Any], entities: dict[str, Any] | None = None) -> Any:
    """Reduce a schema, ours or Basware's, to names and types."""
    if entities and "$ref" in schema:
        schema = entities[schema["$ref"].rpartition("/")[2]]
    types = schema.get("type")
    kind = next((t for t in types if t != "null"), None) if isinstance(types, list) else types
    if "properties" in schema:
        return {name: shape(item, entities) for name, item in schema["properties"].items()}
    if kind == "array":
        return [shape(schema["items"], entities)]
    return (kind, "date-time" if schema.get("format") == "date-time" else None)


def test_every_stream_is_compared() -> None:
    assert set(RESOURCES) == set(ENTITIES)


@pytest.mark.parametrize("name", ENTITIES)
def test_schema_has_exactly_the_properties_of_the_api(name: str, entities: dict[str, Any]) -> None:
    ours = shape(RESOURCES[name].schema)
    added = {key: ours.pop(key) for key in OUR_OWN.get(name, ())}
    assert ours == shape(entities[ENTITIES[name]], entities)
    assert all(kind == ("string", None) for kind in added.values())


@pytest.mark.parametrize("name", ENTITIES)
def test_only_keys_are_required(name: str) -> None:
    resource = RESOURCES[name]
    assert resource.schema["required"] == list(resource.keys)
    nullable = {
        field for field, kind in resource.schema["properties"].items() if "null" in kind["type"]
    }
    assert nullable == resource.schema["properties"].keys() - set(resource.keys)


@pytest.mark.parametrize("name", ENTITIES)
def test_paths_filters_and_envelopes_exist(name: str, entities: dict[str, Any]) -> None:
    resource = RESOURCES[name]
    document = json.loads(reference_text(OPENAPI))
    operation = document["paths"][f"/{resource.path}"]["get"]
    offered = {parameter["name"] for parameter in operation["parameters"]}
    assert {parameter for parameter, _ in resource.filters} | {"pageSize", "lastUpdated"} <= offered
    [content] = {
        json.dumps(media["schema"]) for media in operation["responses"]["200"]["content"].values()
    }
    wrapper = entities[json.loads(content)["$ref"].rpartition("/")[2]]
    assert resource.envelope in wrapper["properties"]
