"""The seed: consistent with itself, with mapping.yml and with both systems' reference."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ap_mapping import MappingHole, load_mapping
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from sandbox.d365fo.model import load_model
from sandbox.seed import World, demo_world, small_world, split_by_tenant
from sandbox.seed.accounts import DEFAULT_FORMAT, display_value
from sandbox.seed.builders import accounting_document, coding_row, order_row
from sandbox.seed.companies import COMPANIES, decimals_of
from sandbox.seed.demo import small_orders
from sandbox.seed.orders import BASWARE_UNITS

from tests.reference import REFERENCE, needs_reference

ROOT = Path(__file__).parents[2]
#: Entity sets of which the reference lists keys and the number of fields, not the fields.
KEYS_ALONE = {"AccountTranslations", "MainAccountLegalEntities", "TaxCodeValuesV2"}
WRONG_AMOUNTS = ("gross off by a penny", "rows short of the total")


@pytest.fixture(scope="module")
def demo() -> World:
    return demo_world(basware_masters=True)


def test_same_seed_same_world() -> None:
    assert demo_world(invoices=40, vendors=40) == demo_world(invoices=40, vendors=40)
    assert demo_world(invoices=40, vendors=40) != demo_world(seed=2, invoices=40, vendors=40)


def test_too_small_a_demo_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 20 invoices, not 7"):
        demo_world(invoices=7)
    with pytest.raises(ValueError, match="at least 24 vendors, not 8"):
        demo_world(vendors=8)


def test_basware_starts_without_masters() -> None:
    world = demo_world(invoices=40, vendors=40)
    assert set(world.basware) == {"accountingDocuments", "exportedPurchaseOrders"}


def test_a_split_by_tenant_loses_nothing_and_keeps_companies_apart() -> None:
    world = demo_world(invoices=40, vendors=40)
    tenants = split_by_tenant(world)
    assert [tenant.legal_entities for tenant in tenants] == [["usmf", "jpmf"], ["demf", "gbsi"]]
    seen = [
        {row["companyCode"] for row in tenant.documents["accountingDocuments"]}
        for tenant in tenants
    ]
    assert seen == [{"1000", "4000"}, {"2000", "3000", "9000"}]  # 9000 is in no mapping
    for resource, rows in world.basware.items():
        assert sum(len(tenant.documents[resource]) for tenant in tenants) == len(rows)
    assert {**tenants[0].expected, **tenants[1].expected} == world.expected


def test_the_demo_has_what_it_promises(demo: World) -> None:
    kinds = Counter((e.outcome, e.kind) for e in demo.expected.values())
    assert sum(kinds.values()) == 200
    assert len(demo.d365fo["VendorsV3"]) == len(demo.basware["vendors"]) == 300
    assert {kind for outcome, kind in kinds if outcome == "delivered"} == {
        "po single line",
        "without po",
        "po with custom field",
        "services",
        "service order",
        "several tax lines",
        "credit memo",
        "returned goods",
        "multi-currency",
        "many rows",
        "payment-blocked",
    }
    assert {kind for outcome, kind in kinds if outcome == "rejected"} == {
        "unknown supplier",
        "unknown account",
        "unknown cost center",
        "unknown currency",
        "unknown purchase order",
        "no invoice number",
        "unmapped tax code",
        "unmapped payment term",
        "unmapped invoice type",
        "unmapped company",
        *WRONG_AMOUNTS,
        "vendor on hold",
        "number used by another document",
        "sent again as another document",
    }


def test_every_waiting_document_and_no_other_has_an_expectation(demo: World) -> None:
    waiting = {
        document["invoiceId"]
        for document in demo.basware["accountingDocuments"]
        if document["processingStatus"] == "WaitingForTransfer"
    }
    assert waiting == set(demo.expected)
    assert len(demo.basware["accountingDocuments"]) == len(waiting) + 12


def test_a_rejection_names_something_the_document_says(demo: World) -> None:
    for document in demo.documents(outcome="rejected"):
        expected = demo.expected[document["invoiceId"]]
        if expected.kind != "no invoice number":
            assert expected.reason in json.dumps(document, default=str), expected


def test_sums_agree_to_the_cent(demo: World) -> None:
    for document in demo.basware["accountingDocuments"]:
        expected = demo.expected.get(document["invoiceId"])
        if expected is None or expected.kind not in WRONG_AMOUNTS:
            assert_sums_agree(document)


def assert_sums_agree(document: dict[str, Any]) -> None:
    rows = document["codingRows"]
    assert sum(row["netTotal"] for row in rows) == document["netSum"]
    assert sum(row["taxSum"] for row in rows) == document["taxSum1"]
    assert document["netSum"] + document["taxSum1"] == document["grossSum"]
    decimals = decimals_of(document["currencyCode"])
    for row in rows:
        assert row["netTotal"] + row["taxSum"] == row["grossTotal"]
        assert -row["netTotal"].as_tuple().exponent == decimals
        if "matchedQuantity" in row:
            assert row["matchedQuantity"] * row["orderedNetPrice"] == row["netTotal"]


def test_wrong_amounts_are_wrong_in_one_place_only(demo: World) -> None:
    [penny] = demo.documents("gross off by a penny")
    assert penny["grossSum"] - penny["netSum"] - penny["taxSum1"] == Decimal("0.01")
    [short] = demo.documents("rows short of the total")
    assert short["netSum"] + short["taxSum1"] == short["grossSum"]
    assert sum(row["netTotal"] for row in short["codingRows"]) != short["netSum"]


def test_what_is_to_be_delivered_refers_only_to_what_exists(demo: World) -> None:
    fo = demo.d365fo
    vendors = {(v["dataAreaId"], v["VendorAccountNumber"]): v for v in fo["VendorsV3"]}
    charts = {ledger["LegalEntityId"]: ledger["ChartOfAccounts"] for ledger in fo["Ledgers"]}
    accounts = {
        (a["ChartOfAccounts"], a["MainAccountId"])
        for a in fo["MainAccounts"]
        if a["MainAccountType"] == "Expense" and a.get("IsSuspended") != "Yes"
    }
    values = {(v["FinancialDimension"], v["DimensionValue"]) for v in open_values(demo)}
    currencies = {currency["CurrencyCode"] for currency in fo["Currencies"]}
    orders = {
        (line["dataAreaId"], line["PurchaseOrderNumber"], str(line["LineNumber"])): line
        for line in fo["PurchaseOrderLinesV2"]
    }
    mapping = load_mapping(ROOT / "mapping.yml")
    for document in demo.documents(outcome="delivered"):
        entity = mapping.for_legal_entity(mapping.legal_entity(document["companyCode"]))
        vendor = vendors[entity.legal_entity, entity.vendor_account(document)]
        assert vendor["OnHoldStatus"] not in ("Invoice", "All")
        assert vendor["CurrencyCode"] == document["currencyCode"]
        assert entity.currency(document["currencyCode"]) in currencies
        for row in document["codingRows"]:
            assert (charts[entity.legal_entity], entity.main_account(row)) in accounts
            assert values >= set(entity.dimension_values(row).items())
            if "orderNumber" in row:
                line = orders[entity.legal_entity, row["orderNumber"], row["orderLineNumber"]]
                assert line["PurchasePrice"] == row["orderedNetPrice"]
                assert abs(row["matchedQuantity"]) <= line["OrderedPurchaseQuantity"]
                assert line["PurchaseUnitSymbol"] == entity.unit(row["orderLineUOM"])


def open_values(world: World) -> list[dict[str, Any]]:
    return [
        value
        for value in world.d365fo["FinancialDimensionValues"]
        if value.get("IsSuspended") != "Yes"
    ]


def test_mapping_yml_maps_exactly_this_world(demo: World) -> None:
    mapping = load_mapping(ROOT / "mapping.yml")
    fo = demo.d365fo
    tax_groups = {(g["dataAreaId"], g["TaxGroupCode"]) for g in fo["TaxGroups"]}
    item_groups = {(g["dataAreaId"], g["TaxItemGroup"]) for g in fo["TaxItemGroupHeadings"]}
    terms = {(t["dataAreaId"], t["Name"]) for t in fo["PaymentTerms"]}
    methods = {(m["dataAreaId"], m["Name"]) for m in fo["VendorPaymentMethods"]}
    dimensions = {d["DimensionName"] for d in fo["DimensionAttributes"]}
    used: set[str] = set()
    for document in demo.documents(outcome="delivered"):
        le = mapping.legal_entity(document["companyCode"])
        entity = mapping.for_legal_entity(le)
        assert (le, entity.payment_term(document["paymentTermCode"])) in terms
        assert (le, entity.payment_method(document["paymentMethod"])) in methods
        assert entity.invoice_type(document["invoiceTypeCode"]).credit_note == (
            document["grossSum"] < 0
        )
        for row in document["codingRows"]:
            groups = entity.tax_groups(row["taxCode"])
            assert (le, groups.sales_tax_group) in tax_groups
            assert (le, groups.item_sales_tax_group) in item_groups
            used.add(row["taxCode"])
    assert set(mapping.for_legal_entity("usmf").tax_codes) == used
    assert {d.name for d in mapping.for_legal_entity("usmf").dimensions} == dimensions
    assert set(mapping.for_legal_entity("usmf").units.values) == set(BASWARE_UNITS.values())
    assert mapping.legal_entities == tuple(company.legal_entity for company in COMPANIES)


def test_the_holes_are_holes(demo: World) -> None:
    mapping = load_mapping(ROOT / "mapping.yml")
    [company] = demo.documents("unmapped company")
    with pytest.raises(MappingHole, match="'9000'"):
        mapping.legal_entity(company["companyCode"])
    [tax] = demo.documents("unmapped tax code")
    with pytest.raises(MappingHole, match=r"tax code 'DE16'.*legal entity demf"):
        mapping.for_legal_entity("demf").tax_groups(tax["codingRows"][0]["taxCode"])
    [term] = demo.documents("unmapped payment term")
    with pytest.raises(MappingHole, match="'45N'"):
        mapping.for_legal_entity("jpmf").payment_term(term["paymentTermCode"])
    [kind] = demo.documents("unmapped invoice type")
    with pytest.raises(MappingHole, match="'PREPAY'"):
        mapping.for_legal_entity("gbsi").invoice_type(kind["invoiceTypeCode"])


def test_duplicates_follow_the_document_they_repeat(demo: World) -> None:
    documents = demo.basware["accountingDocuments"]
    for kind in ("number used by another document", "sent again as another document"):
        [copy] = demo.documents(kind)
        same = [
            d
            for d in documents
            if (d["supplierCode"], d.get("invoiceNumber"))
            == (copy["supplierCode"], copy["invoiceNumber"])
        ]
        assert [d is copy for d in same] == [False, True]
        assert same[0]["lastUpdated"] < same[1]["lastUpdated"]
        assert (same[0]["codingRows"] == same[1]["codingRows"]) == (kind.startswith("sent again"))


def test_small_world_has_masters_and_orders_only() -> None:
    world = small_world(["demf", "usmf"])
    assert "accountingDocuments" not in world.basware
    assert {v["dataAreaId"] for v in world.d365fo["VendorsV3"]} == {"usmf", "demf"}
    holds = {v["VendorAccountNumber"]: v["OnHoldStatus"] for v in world.d365fo["VendorsV3"]}
    assert holds["US-0001"] == "No"
    assert holds["US-0003"] == "Invoice"
    assert {o.number for o in small_orders(["demf", "usmf"])} == {
        row["PurchaseOrderNumber"] for row in world.d365fo["PurchaseOrderHeadersV2"]
    }


def test_delimiters_in_dimension_values_are_escaped_and_empty_segments_kept() -> None:
    values = {"CostCenter": "CC-01", "Department": "22"}
    assert display_value(DEFAULT_FORMAT, values) == r"22---CC\-01"


class TestBuilders:
    @given(
        gross=st.decimals(-(10**7), 10**7, places=2),
        company=st.sampled_from(["1000", "2000", "3000"]),
        currency=st.sampled_from([None, "EUR", "USD", "CHF"]),
    )
    def test_any_gross_is_met_exactly(
        self, gross: Decimal, company: str, currency: str | None
    ) -> None:
        document = accounting_document(company=company, gross=gross, currency=currency)
        assert document["grossSum"] == gross
        assert_sums_agree(document)

    def test_yen_have_no_decimals(self) -> None:
        document = accounting_document(company="4000", gross=1099)
        assert document["netSum"] + document["taxSum1"] == 1099
        with pytest.raises(ValueError, match="more decimals than JPY"):
            accounting_document(company="4000", rows=[coding_row("10.50")])

    def test_order_rows_carry_the_order(self) -> None:
        order = small_orders(["usmf"])[0]
        document = accounting_document(rows=[order_row(order, line) for line in order.lines])
        assert document["orderNumbers"] == [order.number]
        assert document["invoiceTypeCode"] == "RE"
        assert_sums_agree(document)

    def test_a_return_is_a_credit_memo(self) -> None:
        order = small_orders(["usmf"])[0]
        document = accounting_document(rows=[order_row(order, order.lines[0], quantity=-1)])
        assert document["invoiceTypeCode"] == "CR"
        assert document["grossSum"] < 0
        assert document["codingRows"][0]["matchingType"] == 2

    def test_another_currency_is_converted(self) -> None:
        document = accounting_document(company="2000", currency="USD", gross="119.00")
        assert document["exchangeRateCompany"] == Decimal("0.923788")
        assert document["netSumCompany"] == Decimal("92.38")

    def test_fields_are_set_by_their_own_names(self) -> None:
        document = accounting_document(text60="x", grossSum=Decimal(1), number=None)
        assert document["text60"] == "x"
        assert document["grossSum"] == 1
        assert "invoiceNumber" not in document

    def test_rows_and_gross_must_agree(self) -> None:
        with pytest.raises(ValueError, match=r"the rows come to 107\.25"):
            accounting_document(rows=[coding_row(100)], gross=100)

    def test_the_same_arguments_give_the_same_document(self) -> None:
        assert accounting_document(number="A") == accounting_document(number="A")
        assert len(accounting_document()["invoiceId"]) == 32


@needs_reference
def test_every_dynamics_field_exists_with_that_type(demo: World) -> None:
    for entity_set in demo.d365fo.keys() - KEYS_ALONE:
        rows = demo.d365fo[entity_set]
        described = json.loads((REFERENCE / f"d365fo/entities/{entity_set}.json").read_text())
        fields = {field["name"]: field for field in described["fields"]}
        for row in rows:
            for name, value in row.items():
                assert name in fields, f"{entity_set}.{name}"
                assert fits(value, fields[name]), f"{entity_set}.{name} = {value!r}"
        keys = [tuple(row[key] for key in described["keys"]) for row in rows]
        assert len(keys) == len(set(keys)), entity_set


@needs_reference
def test_sets_that_are_known_by_key_have_that_key_and_that_many_fields(demo: World) -> None:
    table = (REFERENCE / "d365fo/all-entity-sets.tsv").read_text().splitlines()
    known = {name: (keys, int(n)) for name, keys, n, _ in (line.split("\t") for line in table[1:])}
    model = load_model()
    for entity_set in KEYS_ALONE:
        keys, fields = known[entity_set]
        entity = model.sets[entity_set]
        assert (",".join(entity.keys), len(entity.fields)) == (keys, fields)
        found = [tuple(row.get(key, "") for key in entity.keys) for row in demo.d365fo[entity_set]]
        assert found
        assert len(found) == len(set(found))


def fits(value: Any, field: dict[str, Any]) -> bool:
    if field["type"] == "Enum":
        return value in field["members"]
    kinds: dict[str, type] = {
        "Edm.String": str,
        "Edm.Decimal": Decimal,
        "Edm.Int32": int,
        "Edm.Int64": int,
        "Edm.DateTimeOffset": str,
    }
    return isinstance(value, kinds[field["type"]])


@needs_reference
def test_every_basware_body_fits_its_schema(demo: World) -> None:
    entities = {
        "accountingDocuments": "AccountingDocumentEntity",
        "accounts": "AccountEntity",
        "companies": "CompanyEntity",
        "costCenters": "CostCenterEntity",
        "exchangeRates": "ExchangeRateEntity",
        "exportedPurchaseOrders": "ExportedPurchaseOrderEntity",
        "lists/ACC_LIST_1": "GenericListEntity",
        "lists/ACC_LIST_2": "GenericListEntity",
        "matchingOrders": "OrderEntity",
        "matchingOrderLines": "OrderLineEntity",
        "paymentTerms": "PaymentTermEntity",
        "projects": "ProjectEntityV2",
        "taxCodes": "TaxCodeEntity",
        "vendors": "VendorEntity",
    }
    assert set(entities) == set(demo.basware)
    for resource, entity in entities.items():
        path = REFERENCE / f"basware/schemas/{entity}.schema.json"
        validator = Draft7Validator(json.loads(path.read_text()))
        for body in demo.basware[resource]:
            for error in validator.iter_errors(as_json(body)):
                pytest.fail(f"{resource}: {error.json_path}: {error.message}")


def as_json(body: dict[str, Any]) -> Any:
    return json.loads(json.dumps(body, default=float))
