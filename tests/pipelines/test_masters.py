"""`meltano run masters`: an empty Basware comes to hold what Dynamics has, and keeps in step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from sandbox.seed import small_world
from sandbox.seed.companies import COMPANIES
from sandbox.server import Sandbox

from tests.pipelines.conftest import Meltano
from tests.pipelines.masters import Held, writes


@pytest.fixture(scope="module")
def tenant(sandbox_server: Sandbox, new_meltano: Callable[[Sandbox], Meltano]) -> Meltano:
    """A Basware tenant that was empty before one `meltano run masters`."""
    sandbox_server.reset()
    world = small_world()
    world.basware.clear()
    sandbox_server.load(world)
    meltano = new_meltano(sandbox_server)
    meltano.run("run", "masters")
    return meltano


@pytest.fixture
def held(tenant: Meltano) -> Held:
    """What the tenant's P2P holds."""
    return Held.of(tenant.sandbox)


def test_every_mapped_legal_entity_is_a_company(held: Held) -> None:
    companies = {row["companyCode"]: row for row in held["companies"]}
    assert set(companies) == {company.code for company in COMPANIES}
    assert companies["2000"]["homeCurrency"] == "EUR"


def test_every_vendor_is_there_with_its_terms_and_bank_accounts(
    held: Held, tenant: Meltano
) -> None:
    expected = {
        (row["dataAreaId"], row["VendorAccountNumber"])
        for row in tenant.sandbox.d365fo.rows("VendorsV3")
    }
    companies = {company.code: company.legal_entity for company in COMPANIES}
    found = {
        (companies[company["companyCode"]], row["vendorCode"])
        for row in held["vendors"]
        for company in row["companies"]
    }
    assert found == expected
    assert any(row.get("paymentMeans") for row in held["vendors"])
    terms = {row["paymentTermCode"] for row in held["paymentTerms"]}
    assert {row["paymentTerms"]["paymentTermCode"] for row in held["vendors"]} <= terms


def test_a_chart_shared_by_legal_entities_is_one_account_with_several_companies(
    held: Held,
) -> None:
    [account] = [row for row in held["accounts"] if row["accountCode"] == "605100"]
    assert {c["companyCode"] for c in account["companies"]} == {"1000", "3000", "4000"}
    assert "en-US" in {name["language"] for name in account["accountNames"]}


def test_dimension_values_land_where_the_mapping_says(held: Held) -> None:
    assert "007" in {row["costCenterCode"] for row in held["costCenters"]}
    assert "R25" in {row["projectCode"] for row in held["projects"]}
    assert "001" in {row["text_1"] for row in held["lists/ACC_LIST_1"]}
    assert "22" in {row["text_1"] for row in held["lists/ACC_LIST_2"]}


def test_suspended_values_are_inactive(held: Held) -> None:
    [closed] = [row for row in held["costCenters"] if row["costCenterCode"] == "CC-99"]
    assert not any(company["active"] for company in closed["companies"])


def test_tax_codes_carry_the_rate_of_dynamics(held: Held) -> None:
    codes = {row["taxCode"]: row for row in held["taxCodes"]}
    assert codes["DE19"]["taxPercentage"] == 19
    assert codes["DE07"]["taxPercentage"] == 7


def test_orders_have_their_lines_and_receipts(held: Held, tenant: Meltano) -> None:
    orders = {row["externalCode"]: row["orderNumber"] for row in held["matchingOrders"]}
    lines = Counter(orders[line["orderExternalCode"]] for line in held["matchingOrderLines"])
    expected = Counter(
        row["PurchaseOrderNumber"] for row in tenant.sandbox.d365fo.rows("PurchaseOrderLinesV2")
    )
    assert lines == expected


def test_everything_was_confirmed_by_its_request_status(tenant: Meltano) -> None:
    states = Counter(request.status() for request in tenant.sandbox.basware.log.requests.values())
    assert set(states) == {"Success"}


def test_a_second_run_writes_nothing_and_changes_travel_alone(
    sandbox: Sandbox, meltano: Meltano
) -> None:
    world = small_world()
    world.basware.clear()
    sandbox.load(world)
    meltano.run("run", "masters")
    first = Held.of(sandbox)

    mark = sandbox.journal.requests()[-1].number
    meltano.run("run", "masters")
    assert writes(sandbox, since=mark) == {}

    d365fo = sandbox.d365fo
    blocked = d365fo.records("VendorsV3")[0]
    d365fo.update("VendorsV3", blocked, {"OnHoldStatus": "All"})
    renamed = d365fo.records("VendorsV3")[1]
    d365fo.update("VendorsV3", renamed, {"VendorOrganizationName": "Renamed Ltd."})
    # Its value and what it stands for: the stream is the union of both.
    for name, key in (
        ("FinancialDimensionValues", {"FinancialDimension": "CostCenter", "DimensionValue": "013"}),
        ("DimAttributeOMCostCenters", {"Value": "013"}),
    ):
        gone = d365fo.first(name, **key)
        assert gone is not None
        d365fo.delete(name, gone)

    mark = sandbox.journal.requests()[-1].number
    meltano.run("run", "masters", TAP_D365FO_FULL_REFRESH_HOURS="0")
    assert writes(sandbox, since=mark) == {"vendors": 2, "costCenters": 1}

    after = Held.of(sandbox)
    vendor = after.one("vendors", vendorCode=blocked.values["VendorAccountNumber"])
    assert vendor["processingStatus"]["active"] is False
    vendor = after.one("vendors", vendorCode=renamed.values["VendorAccountNumber"])
    assert vendor["name"] == "Renamed Ltd."
    center = after.one("costCenters", costCenterCode="013")
    assert not any(company["active"] for company in center["companies"])
    unchanged = {row["costCenterCode"] for row in first["costCenters"]} - {"013"}
    for code in unchanged:
        assert after.one("costCenters", costCenterCode=code) == first.one(
            "costCenters", costCenterCode=code
        )
