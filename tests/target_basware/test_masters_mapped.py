"""Records of F&O through mapping.yml, against the sandbox: what Basware holds afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from sandbox.server import Sandbox
from singer_delivery.bulk import confirming
from singer_delivery.document import Status
from singer_delivery.errors import SetupError
from target_basware import master_sink
from target_basware.master_sink import RESOURCE_OF
from target_basware.masters import KEYS, MAPPERS, vendors

from tests.readme_settings import ROOT

Feed = Callable[..., Any]
Record = dict[str, Any]
MAPPING = str(ROOT / "mapping.yml")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "FIRST_LOOK", 0.05)


@pytest.fixture
def feed_fo(feed: Feed) -> Feed:
    """Give streams of F&O's to the target, with its keys and the mapping of the project."""

    def run(streams: dict[str, list[Record]], **settings: Any) -> Any:
        keys = {stream: list(KEYS[stream]) for stream in streams}
        return feed(streams, keys=keys, **{"mapping_file": MAPPING, **settings})

    return run


def legal_entity(name: str = "usmf") -> Record:
    return {
        "LegalEntityId": name,
        "Name": f"Contoso {name}",
        "LanguageId": "en-us",
        "Ledger": {"AccountingCurrency": "USD", "ChartOfAccounts": "Shared"},
    }


def account(number: str, name: str = "Travel", **more: Any) -> Record:
    return {
        "ChartOfAccounts": "Shared",
        "MainAccountId": number,
        "Name": name,
        "MainAccountType": "ProfitAndLoss",
        "LegalEntities": ["usmf", "demf"],
        "Translations": [{"Language": "de", "Name": "Reisen"}],
        "LegalEntityOverrides": [],
        **more,
    }


def value(code: str, dimension: str = "Department", **more: Any) -> Record:
    return {
        "FinancialDimension": dimension,
        "LegalEntityId": "",
        "DimensionValue": code,
        "Description": f"Value {code}",
        "IsSuspended": "No",
        "Source": "FinancialDimensionValues",
        "Translations": [],
        "LegalEntityOverrides": [],
        **more,
    }


def vendor(account_number: str = "US-101", **more: Any) -> Record:
    return {
        "dataAreaId": "usmf",
        "VendorAccountNumber": account_number,
        "VendorOrganizationName": "Fabrikam",
        "CurrencyCode": "USD",
        "DefaultPaymentTermsName": "Net30",
        "OnHoldStatus": "No",
        "BankAccounts": [],
        **more,
    }


def term() -> Record:
    return {
        "dataAreaId": "usmf",
        "Name": "Net30",
        "Description": "Net 30 days",
        "PaymentMethodType": "Net",
        "NumberOfDays": 30,
        "NumberOfMonths": 0,
        "CashDiscounts": [{"dataAreaId": "usmf", "CashDiscountCode": "2%D7", "Percent": 2}],
    }


def order(number: str = "PO-1") -> Record:
    return {
        "dataAreaId": "usmf",
        "PurchaseOrderNumber": number,
        "OrderVendorAccountNumber": "US-101",
        "InvoiceVendorAccountNumber": "US-101",
        "CurrencyCode": "USD",
        "PaymentTermsName": "Net30",
        "PurchaseOrderStatus": "Backorder",
        "DocumentApprovalStatus": "Confirmed",
    }


def stored(sandbox: Sandbox, resource: str) -> dict[str, Record]:
    key = "companyCode" if resource == "companies" else "externalCode"
    return {record[key]: record for record in sandbox.basware.records(resource)}


def by_company(record: Record) -> dict[str, bool]:
    return {c["companyCode"]: c["active"] for c in record["companies"]}


def writes(sandbox: Sandbox) -> list[str]:
    made = [
        request
        for method in ("POST", "PATCH")
        for request in sandbox.journal.requests(system="basware", method=method)
        if request.path not in ("/v1/tokens", "/v1/requestStatus/acknowledge")
    ]
    return [request.path for request in sorted(made, key=lambda request: request.number)]


COMPANIES = [legal_entity(name) for name in ("usmf", "demf", "gbsi", "jpmf")]


def test_a_chart_of_several_legal_entities_is_one_account_in_several_companies(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    run = feed_fo({"legal_entities": COMPANIES, "main_accounts": [account("601500")]})
    assert run.error is None
    assert stored(sandbox, "companies")["1000"]["name"] == "Contoso usmf"
    [held] = stored(sandbox, "accounts").values()
    assert held["externalCode"] == "Shared_601500"
    assert by_company(held) == {"1000": True, "2000": True}
    entry = run.entry("accounts", "Shared_601500")
    assert entry.status is Status.DELIVERED
    assert (entry.source, entry.scope) == ("main_accounts", "Shared")


def test_dimensions_go_where_mapping_yml_says(sandbox: Sandbox, feed_fo: Feed) -> None:
    values = [value("022"), value("010", "CostCenter"), value("X", "Nobody's")]
    assert feed_fo({"legal_entities": COMPANIES, "dimension_values": values}).error is None
    assert stored(sandbox, "lists/ACC_LIST_2")["Department_022"]["text_1"] == "022"
    assert stored(sandbox, "costCenters")["CostCenter_010"]["costCenterCode"] == "010"
    names = [request.rpartition("/v1/")[2] for request in writes(sandbox)]
    assert sorted(names) == ["companies", "costCenters", "lists/ACC_LIST_2"]


def test_orders_follow_their_vendors_and_these_their_terms(sandbox: Sandbox, feed_fo: Feed) -> None:
    streams = {
        "purchase_order_headers": [order()],
        "vendors": [vendor()],
        "payment_terms": [term()],
        "legal_entities": COMPANIES,
    }
    assert feed_fo(streams).error is None
    assert [path.rpartition("/")[2] for path in writes(sandbox)] == [
        "companies",
        "paymentTerms",
        "vendors",
        "matchingOrders",
    ]
    assert stored(sandbox, "vendors")["usmf_US-101"]["paymentTerms"]["paymentTermCode"] == "30N"
    assert stored(sandbox, "matchingOrders")["usmf_PO-1"]["supplierCode"] == "US-101"


def test_a_second_run_writes_nothing_and_a_changed_record_alone_is_sent(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    accounts = [account(str(600000 + n)) for n in range(100)]
    streams = {"legal_entities": COMPANIES, "main_accounts": accounts}
    assert feed_fo(streams, complete=streams).error is None
    sandbox.journal.clear()
    assert feed_fo(streams, complete=streams).error is None
    assert writes(sandbox) == []
    accounts[42] = account("600042", "Hotels")
    feed_fo(streams, complete=streams)
    [request] = sandbox.journal.requests(system="basware", method="POST", path="/accounts")
    assert [entity["accountCode"] for entity in json.loads(request.body)] == ["600042"]


# -- what ends


def test_a_deleted_dimension_value_is_inactive_in_all_companies(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    both = {"legal_entities": COMPANIES, "dimension_values": [value("022"), value("023")]}
    feed_fo(both, complete=["dimension_values"])
    feed_fo({**both, "dimension_values": [value("023")]}, complete=["dimension_values"])
    held = stored(sandbox, "lists/ACC_LIST_2")
    assert set(by_company(held["Department_022"]).values()) == {False}
    assert len(by_company(held["Department_022"])) == 4
    assert set(by_company(held["Department_023"]).values()) == {True}


def test_a_suspended_value_and_a_blocked_vendor_are_inactive(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    feed_fo(
        {
            "legal_entities": COMPANIES,
            "payment_terms": [term()],
            "dimension_values": [value("022")],
            "vendors": [vendor()],
        }
    )
    feed_fo(
        {
            "dimension_values": [value("022", IsSuspended="Yes")],
            "vendors": [vendor(OnHoldStatus="All")],
        }
    )
    [held] = stored(sandbox, "lists/ACC_LIST_2").values()
    assert set(by_company(held).values()) == {False}
    [blocked] = stored(sandbox, "vendors").values()
    assert blocked["processingStatus"]["active"] is False


def test_a_legal_entity_that_is_not_crawled_loses_nothing(sandbox: Sandbox, feed_fo: Feed) -> None:
    german = vendor("DE-1", dataAreaId="demf")
    feed_fo({"legal_entities": COMPANIES, "vendors": [vendor(), german]}, complete=["vendors"])
    run = feed_fo({"vendors": [vendor()]}, complete=["vendors"])
    assert run.error is None
    assert stored(sandbox, "vendors")["demf_DE-1"]["processingStatus"]["active"] is True


# -- what cannot be mapped


def test_a_vendor_without_a_name_is_rejected_in_words_and_the_others_go_on(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    nameless = vendor("US-102", VendorOrganizationName="")
    streams = {
        "legal_entities": COMPANIES,
        "payment_terms": [term()],
        "vendors": [vendor(), nameless],
    }
    run = feed_fo(streams, complete=["vendors"])
    assert run.error is None
    assert run.states == [{"seen": 7}]
    assert set(stored(sandbox, "vendors")) == {"usmf_US-101"}
    entry = run.entry("vendors", "usmf_US-102")
    assert entry.status is Status.REJECTED
    assert "vendor US-102 of usmf: it has no name" in entry.reason
    named = feed_fo({"vendors": [vendor(), vendor("US-102")]}, complete=["vendors"])
    assert named.status("vendors", "usmf_US-102") is Status.DELIVERED


def test_a_record_that_cannot_be_mapped_any_more_stays_as_it_is(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    accounts = [account("601500"), account("601501")]
    feed_fo({"legal_entities": COMPANIES, "main_accounts": accounts}, complete=["main_accounts"])
    accounts[0] = account("601500", LegalEntities="usmf")
    run = feed_fo({"main_accounts": accounts}, complete=["main_accounts"])
    assert run.error is None
    assert run.status("accounts", "Shared_601500") is Status.REJECTED
    assert by_company(stored(sandbox, "accounts")["Shared_601500"]) == {"1000": True, "2000": True}


def test_an_account_code_that_is_too_long_is_rejected_in_words(
    sandbox: Sandbox, feed_fo: Feed
) -> None:
    run = feed_fo({"legal_entities": COMPANIES, "main_accounts": [account("6" * 26)]})
    assert run.error is None
    assert stored(sandbox, "accounts") == {}
    [entry] = [e for e in run.target.ledger.outcomes("accounts") if e.status is Status.REJECTED]
    assert "accountCode: has 26 characters, Basware takes 25 at most" in entry.reason


@pytest.mark.parametrize("stream", MAPPERS)
def test_a_record_without_its_key_costs_no_traceback(feed_fo: Feed, stream: str) -> None:
    run = feed_fo({stream: [{**dict.fromkeys(KEYS[stream], ""), "Description": "x"}]})
    assert run.error is not None
    assert "unreadable input line" in str(run.error)


@pytest.mark.parametrize("stream", MAPPERS)
def test_a_record_of_nothing_but_its_key_costs_no_traceback(feed_fo: Feed, stream: str) -> None:
    assert feed_fo({stream: [dict.fromkeys(KEYS[stream], "usmf")]}).error is None


def test_every_stream_of_f_and_o_has_an_api_for_what_is_rejected() -> None:
    assert {*RESOURCE_OF, "dimension_values"} == set(MAPPERS)


def test_a_rejected_dimension_value_is_kept_with_its_own_api(feed_fo: Feed) -> None:
    broken = value("1", "CostCenter", Translations="none")
    run = feed_fo({"legal_entities": COMPANIES, "dimension_values": [broken]})
    assert run.status("costCenters", "CostCenter_1") is Status.REJECTED


# -- the day


def test_another_day_maps_only_what_has_come_in_or_out_of_force(
    feed_fo: Feed, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bank(number: str, last_day: str) -> Record:
        return {
            "VendorBankAccountId": "A",
            "BankAccountNumber": number,
            "ActiveDate": "2026-03-01T12:00:00Z",
            "ExpirationDate": f"{last_day}T12:00:00Z",
        }

    streams = {
        "legal_entities": COMPANIES,
        "payment_terms": [term()],
        "vendors": [
            vendor("V1"),
            vendor("V2", BankAccounts=[bank("22", "2026-03-02")]),
            vendor("V3", BankAccounts=[bank("33", "2026-03-04")]),
        ],
    }
    mapped: list[str] = []

    def mapping(_: Any, record: Record) -> Any:
        mapped.append(record["VendorAccountNumber"])
        return plain(_, record)

    def on(day: int) -> list[str]:
        mapped.clear()
        for module in (master_sink, vendors):
            monkeypatch.setattr(module, "today", lambda: date(2026, 3, day))
        assert feed_fo(streams).error is None
        return sorted(mapped)

    plain = MAPPERS["vendors"]
    monkeypatch.setattr(master_sink, "MAPPERS", {**MAPPERS, "vendors": mapping})
    assert on(2) == ["V1", "V2", "V3"]
    assert on(2) == []
    assert on(3) == ["V2"]
    assert on(4) == []
    assert on(5) == ["V3"]
    assert on(3) == ["V3"]
    held = {record["vendorCode"]: record for record in sandbox.basware.records("vendors")}
    (means,) = held["V2"]["paymentMeans"]
    assert "financialAccounts" not in means
    (means,) = held["V3"]["paymentMeans"]
    assert means["financialAccounts"]


# -- the mapping itself


def test_without_a_mapping_records_of_f_and_o_are_refused_in_words(feed_fo: Feed) -> None:
    run = feed_fo({"vendors": [vendor()]}, mapping_file=None)
    assert isinstance(run.error, SetupError)
    assert "mapping_file is not set: give the path of mapping.yml" in str(run.error)


def test_a_mapping_that_cannot_be_read_is_named(feed_fo: Feed, tmp_path: Path) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text("version: 1\ncompanies: 7\n")
    run = feed_fo({"vendors": [vendor()]}, mapping_file=str(file))
    assert isinstance(run.error, SetupError)
    assert f"{file}, line 2" in str(run.error)
