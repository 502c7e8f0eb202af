"""Both directions agree: what the invoices of the sandbox are coded with comes from Dynamics.

The records are composed here by hand from the rows of the seed, as tap-d365fo composes them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ap_mapping import load_mapping
from sandbox.basware.validation import Schemas
from sandbox.seed import demo_world
from sandbox.seed.terms import UNMAPPED_PAYMENT_TERM, UNMAPPED_TAX
from sandbox.seed.world import World
from target_basware.masters import MAPPERS, Entity, check_entity

from tests.target_basware.masters.rows import Row
from tests.target_basware.masters.test_plausible_rows import ENTITIES

MAPPING = load_mapping(Path(__file__).parents[3] / "mapping.yml")
#: What the seed's bad invoices name on purpose.
WRONG: dict[str, set[Any]] = {
    "supplierCode": {"US-9999", "FR-0001"},
    "costCenterCode": {"CC77"},
    "taxCode": {UNMAPPED_TAX.code},
    "paymentTermCode": {UNMAPPED_PAYMENT_TERM},
    "companyCode": {"9000"},
    "line": {("2000", "PO29999999", "1")},
    "currencyCode": {"PLN"},
}


@pytest.fixture(scope="module")
def world() -> World:
    return demo_world()


@pytest.fixture(scope="module")
def entities(world: World) -> dict[str, list[Entity]]:
    found = defaultdict(list)
    for stream, rows in composed(world.d365fo).items():
        for row in rows:
            for entity in MAPPERS[stream](MAPPING, row):
                found[entity.resource].append(entity)
    return dict(found)


def composed(fo: dict[str, list[Row]]) -> dict[str, list[Row]]:
    """Return the records of the streams."""
    ledgers = {row["LegalEntityId"]: row for row in fo["Ledgers"]}
    charts = defaultdict(list)
    for name, ledger in ledgers.items():
        charts[ledger["ChartOfAccounts"]].append(name)
    return {
        "legal_entities": [
            row | {"Ledger": ledgers[row["LegalEntityId"]]} for row in fo["LegalEntities"]
        ],
        "exchange_rates": [
            row
            | {
                "LegalEntities": [
                    name
                    for name, ledger in ledgers.items()
                    if ledger["AccountingCurrency"] == row["ToCurrency"]
                ]
            }
            for row in fo["ExchangeRates"]
        ],
        "payment_terms": [
            row | {"CashDiscounts": of(fo["CashDiscounts"], row, "dataAreaId")}
            for row in fo["PaymentTerms"]
        ],
        "tax_combinations": list(_combinations(fo)),
        "main_accounts": [
            row | {"LegalEntities": charts[row["ChartOfAccounts"]]} for row in fo["MainAccounts"]
        ],
        "dimension_values": fo["FinancialDimensionValues"],
        "vendors": [
            row
            | {
                "BankAccounts": of(
                    fo["VendorBankAccounts"], row, "dataAreaId", "VendorAccountNumber"
                )
            }
            for row in fo["VendorsV3"]
        ],
        "purchase_order_headers": fo["PurchaseOrderHeadersV2"],
        "purchase_order_lines": [
            row
            | {
                "ProductReceipts": [
                    receipt
                    for receipt in of(
                        fo["ProductReceiptLinesV2"], row, "dataAreaId", "PurchaseOrderNumber"
                    )
                    if receipt["PurchaseOrderLineNumber"] == row["LineNumber"]
                ]
            }
            for row in fo["PurchaseOrderLinesV2"]
        ],
    }


def of(rows: list[Row], parent: Row, *fields: str) -> list[Row]:
    return [row for row in rows if all(row[field] == parent[field] for field in fields)]


def _combinations(fo: dict[str, list[Row]]) -> Iterator[Row]:
    for group in fo["TaxGroupDatas"]:
        for item in of(fo["TaxItemGroups"], group, "dataAreaId", "TaxCodeId"):
            yield {
                "dataAreaId": group["dataAreaId"],
                "TaxGroup": group["TaxGroupId"],
                "TaxItemGroup": item["TaxItemGroupCode"],
                "Percentage": Decimal(5),
                "ExemptTax": group["ExemptTax"] == "Yes",
            }


def offered(entities: list[Entity], *fields: str) -> set[Any]:
    """Return company with the values of these fields, those that are active alone."""
    return {
        (company["companyCode"], *(entity.content[field] for field in fields))
        for entity in entities
        for company in entity.content["companies"]
        if company.get("active", True)
    }


def used(world: World, field: str) -> set[tuple[str, str]]:
    """Return company and code of every invoice and coding row that names one."""
    return {
        (document["companyCode"], part[field])
        for document in world.basware["accountingDocuments"]
        for part in (document, *document["codingRows"])
        if part.get(field) and part[field] not in WRONG.get(field, ())
        if document["companyCode"] not in WRONG["companyCode"]
    }


@pytest.mark.parametrize(
    ("field", "resource", "code"),
    [
        ("costCenterCode", "costCenters", "costCenterCode"),
        ("projectCode", "projects", "projectCode"),
        ("businessUnitCode", "lists/ACC_LIST_1", "text_1"),
        ("dimCode1", "lists/ACC_LIST_2", "text_1"),
        ("taxCode", "taxCodes", "taxCode"),
        ("paymentTermCode", "paymentTerms", "paymentTermCode"),
        ("supplierCode", "vendors", "vendorCode"),
    ],
)
def test_every_code_on_an_invoice_is_offered_in_its_company(
    world: World, entities: dict[str, list[Entity]], field: str, resource: str, code: str
) -> None:
    codes = used(world, field)
    assert codes
    assert codes <= offered(entities[resource], code)


def test_every_account_is_offered_in_its_company(
    world: World, entities: dict[str, list[Entity]]
) -> None:
    # The seed's one account of another chart is rejected by F&O: it must not be offered.
    missing = used(world, "accountCode") - offered(entities["accounts"], "accountCode")
    assert missing == {("1000", "6815")}


def test_every_order_line_on_an_invoice_can_be_matched(
    world: World, entities: dict[str, list[Entity]]
) -> None:
    orders = {
        entity.content["externalCode"]: (
            entity.content["companyCode"],
            entity.content["orderNumber"],
        )
        for entity in entities["matchingOrders"]
    }
    lines = {
        (*orders[entity.content["orderExternalCode"]], entity.content["lineNumber"])
        for entity in entities["matchingOrderLines"]
    }
    named = {
        (document["companyCode"], row["orderNumber"], row["orderLineNumber"])
        for document in world.basware["accountingDocuments"]
        for row in document["codingRows"]
        if row.get("orderNumber")
    }
    assert named
    assert named - WRONG["line"] <= lines


def test_payment_means_and_currencies_of_invoices_are_offered(
    world: World, entities: dict[str, list[Entity]]
) -> None:
    means = {
        (entity.content["companies"][0]["companyCode"], mean["paymentMeansCode"])
        for entity in entities["vendors"]
        for mean in entity.content["paymentMeans"]
    }
    assert used(world, "paymentMethod") <= means
    currencies = {
        mean["currencyCode"]
        for entity in entities["vendors"]
        for mean in entity.content["paymentMeans"]
    }
    assert {code for _, code in used(world, "currencyCode")} <= currencies


def test_every_company_that_is_mapped_is_sent(entities: dict[str, list[Entity]]) -> None:
    codes = {entity.content["companyCode"] for entity in entities["companies"]}
    assert codes == set(MAPPING.companies)


def test_everything_is_what_basware_takes_and_has_a_code_of_its_own(
    entities: dict[str, list[Entity]],
) -> None:
    schemas = Schemas()
    for resource, found in entities.items():
        codes = {e.content.get("externalCode", e.content.get("companyCode")) for e in found}
        assert len(codes) == len(found), resource
        for entity in found:
            name = ENTITIES[resource.partition("/")[0]]
            assert schemas.read(name, entity.content, refuse_unknown=True)[1] == []
            assert check_entity(resource, entity.content) == []


def test_what_is_suspended_or_over_in_dynamics_is_not_active(
    entities: dict[str, list[Entity]],
) -> None:
    centers = {code for _, code in offered(entities["costCenters"], "costCenterCode")}
    assert not centers & {"CC-98", "CC-99"}
    accounts = {code for _, code in offered(entities["accounts"], "accountCode")}
    assert not accounts & {"605999", "605000", "200100"}
