"""Composed records through the tap itself: whole in the messages, and gone rows told only then."""

from __future__ import annotations

import json
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from meltano.core.plugin.singer.catalog import MetadataExecutor, select_metadata_rules, visit
from sandbox.faults import Fault
from sandbox.seed import small_world
from sandbox.seed.accounts import UNUSED_COST_CENTER
from sandbox.server import Sandbox
from singer_delivery.errors import DeliveryError
from tap_d365fo.tap import TapD365FO
from target_basware.masters import FIELDS, KEYS

from tests.tap_d365fo.tap_run import Output, discover, run, select

STREAMS = ("dimension_values", "tax_combinations", "vendors", "main_accounts")
#: What streams bring along from other sets.
EXTRAS = {
    "Ledger",
    "LegalEntities",
    "CashDiscounts",
    "Translations",
    "LegalEntityOverrides",
    "BankAccounts",
    "ProductReceipts",
    "Order",
}


@pytest.fixture
def settings(config: dict[str, Any], environment: Sandbox, tmp_path: Path) -> dict[str, Any]:
    environment.reset()
    environment.load(small_world())
    return {**config, "metadata_cache": str(tmp_path), "page_size": 100, "max_attempts": 1}


def sync(settings: dict[str, Any]) -> Output:
    return run(settings, select(discover(settings), *STREAMS))


def test_records_arrive_with_all_that_was_composed(settings: dict[str, Any]) -> None:
    found = sync(settings)
    vendors = {row["VendorAccountNumber"]: row for row in found.records("vendors")}
    accounts = vendors["US-0002"]["BankAccounts"]
    assert [account["VendorBankAccountId"] for account in accounts] == ["MAIN", "SECOND"]
    assert all(account["BankAccountNumber"] for account in accounts)
    values = {row["DimensionValue"]: row for row in found.records("dimension_values")}
    assert values[UNUSED_COST_CENTER]["Source"] == "DimAttributeOMCostCenters"
    assert values["013"]["Translations"][0]["TranslatedDescription"] == "Kantine"
    taxes = found.records("tax_combinations")
    full = {row["dataAreaId"]: row["Percentage"] for row in taxes if row["TaxItemGroup"] == "FULL"}
    assert full == {"usmf": 7.25, "demf": 19, "gbsi": 20, "jpmf": 10}
    assert {tuple(row["LegalEntities"]) for row in found.records("main_accounts")} == {
        ("gbsi", "jpmf", "usmf"),
        ("demf",),
    }


def test_what_is_gone_is_told_after_a_whole_crawl(settings: dict[str, Any]) -> None:
    assert sorted(sync(settings).activated) == sorted(STREAMS)


def test_order_is_that_of_reference(settings: dict[str, Any]) -> None:
    told = dict.fromkeys(message["stream"] for message in sync(settings).of("RECORD"))
    assert list(told) == ["tax_combinations", "main_accounts", "dimension_values", "vendors"]


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ("dimension_values", "DimAttributeOMDepartments"),
        ("dimension_values", "FinancialDimensionValueTranslations"),
        ("tax_combinations", "TaxCodeValuesV2"),
        ("vendors", "VendorBankAccounts"),
        ("main_accounts", "AccountTranslations"),
    ],
)
def test_nothing_is_told_to_be_gone_when_a_part_cannot_be_read(
    settings: dict[str, Any], environment: Sandbox, stream: str, path: str
) -> None:
    catalog = select(discover(settings), stream)
    environment.faults.add(Fault("d365fo", "status", path=f"/data/{path}", status=403, times=-1))
    out = StringIO()
    with redirect_stdout(out), pytest.raises(DeliveryError):
        TapD365FO(config=settings, catalog=catalog).sync_all()
    assert '"SCHEMA"' in out.getvalue()
    assert "ACTIVATE_VERSION" not in out.getvalue()


def test_a_switched_off_part_is_not_read(settings: dict[str, Any], environment: Sandbox) -> None:
    fields = {"vendors": ["VendorOrganizationName"]}
    environment.journal.clear()
    found = run(settings, select(discover(settings), "vendors", fields=fields))
    assert "BankAccounts" not in found.records("vendors")[0]
    paths = [exchange.path for exchange in environment.journal.requests("d365fo")]
    assert not any("VendorBankAccounts" in path for path in paths)


def chosen_by_meltano(catalog: dict[str, Any], patterns: list[str]) -> dict[str, Any]:
    """Return the catalog as `meltano run` makes it of an extractor's `select`."""
    rules = select_metadata_rules(["!*.*"]) + select_metadata_rules(patterns)
    chosen: dict[str, Any] = json.loads(json.dumps(catalog))
    visit(chosen, MetadataExecutor(rules))
    return chosen


@pytest.mark.parametrize("stream", FIELDS)
def test_what_a_pattern_names_comes_whole(settings: dict[str, Any], stream: str) -> None:
    patterns = [f"{stream}.{field}" for field in FIELDS[stream]]
    catalog = discover(settings)
    chosen = by_key(stream, run(settings, chosen_by_meltano(catalog, patterns)))
    everything = by_key(stream, run(settings, select(catalog, stream)))
    assert chosen.keys() == everything.keys()
    for key, row in everything.items():
        assert chosen[key] == {name: row[name] for name in FIELDS[stream] if name in row}
    assert all(any(row[name] for row in chosen.values()) for name in EXTRAS & set(FIELDS[stream]))


def by_key(stream: str, output: Output) -> dict[tuple[Any, ...], dict[str, Any]]:
    return {tuple(row[key] for key in KEYS[stream]): row for row in output.records(stream)}


@pytest.mark.parametrize("stream", FIELDS)
def test_nothing_in_a_field_can_be_left_out(settings: dict[str, Any], stream: str) -> None:
    [entry] = [entry for entry in discover(settings)["streams"] if entry["tap_stream_id"] == stream]
    # What a field declares within itself, a pattern that names the field does not select.
    assert {len(item["breadcrumb"]) for item in entry["metadata"]} == {0, 2}
