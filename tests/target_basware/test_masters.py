"""Master data in Basware's own shape, against the sandbox: what Basware holds afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.bulk import confirming
from singer_delivery.document import Status
from singer_delivery.errors import SetupError
from target_basware.target import TargetBasware

Feed = Callable[..., Any]
Record = dict[str, Any]

COMPANIES = ("1000", "2000")


@pytest.fixture(autouse=True)
def companies(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Companies that records may belong to; P2P is asked at once, since it is quick here."""
    monkeypatch.setattr(confirming, "FIRST_LOOK", 0.05)
    sandbox.basware.load(
        {"companies": [{"companyCode": c, "name": f"C {c}", "active": True} for c in COMPANIES]}
    )


def named(text: str) -> list[Record]:
    return [{"language": "en-US", "translation": text}]


def flags(*codes: str, **more: Any) -> list[Record]:
    return [{"companyCode": code, **more, "active": True} for code in codes or ("1000",)]


def account(n: int, name: str = "Account", codes: Iterable[str] = ("1000",)) -> Record:
    return {
        "externalCode": f"a-{n}",
        "accountCode": str(n),
        "accountNames": named(name),
        "companies": flags(*codes, inherit=False),
    }


def vendor(n: int, **more: Any) -> Record:
    return {
        "externalCode": f"v-{n}",
        "vendorCode": f"V{n}",
        "name": f"Vendor {n}",
        "companies": [{"companyCode": "1000"}],
        **more,
    }


def with_bank(n: int, *ibans: str) -> Record:
    accounts = [
        {"financialAccountIdentifiers": [{"schemeId": "IBAN", "id": iban}]} for iban in ibans
    ]
    return vendor(n, paymentMeans=[{"paymentMeansCode": "B", "financialAccounts": accounts}])


def term(code: str = "30N") -> Record:
    return {
        "externalCode": f"t-{code}",
        "paymentTermCode": code,
        "paymentTermNames": named("30 days net"),
        "validFrom": "2001-01-01",
        "validTo": "2099-12-31",
        "companies": flags(inherit=False),
    }


def order(n: int, supplier: str = "V1") -> Record:
    return {
        "externalCode": f"o-{n}",
        "orderNumber": f"PO{n}",
        "sourceSystem": "ERP",
        "companyCode": "1000",
        "organizationElementCode": "1000",
        "currencyCode": "EUR",
        "supplierCode": supplier,
    }


def line(n: int, of: int = 1) -> Record:
    return {
        "externalCode": f"o-{of}-l-{n}",
        "orderExternalCode": f"o-{of}",
        "lineNumber": str(n),
        "quantity": 2,
        "netSum": 10.5,
        "matchingMode": "Standard",
        "goodsReceipts": [
            {"externalCode": f"g-{of}-{n}", "goodsReceiptNumber": f"GR{n}", "quantity": 1}
        ],
    }


#: Stream -> resource and one record of it.
EVERYTHING: dict[str, tuple[str, Record]] = {
    "companies": (
        "companies",
        {"companyCode": "3000", "name": "Third", "active": True, "homeCurrency": "EUR"},
    ),
    "payment_terms": ("paymentTerms", term()),
    "tax_codes": (
        "taxCodes",
        {
            "externalCode": "x-1",
            "taxCode": "DE19",
            "taxCodeNames": named("19 %"),
            "taxPercentage": 19,
            "companies": flags(inherit=False),
        },
    ),
    "exchange_rates": (
        "exchangeRates",
        {
            "externalCode": "r-1",
            "rate": 1.0853,
            "currencyCodeFrom": "EUR",
            "currencyCodeTo": "USD",
            "validFrom": "2026-01-01",
            "companies": flags(),
        },
    ),
    "accounts": ("accounts", account(1)),
    "costCenters": (
        "costCenters",
        {
            "externalCode": "c-1",
            "costCenterCode": "010",
            "costCenterNames": named("Production"),
            "companies": flags(),
        },
    ),
    "projects": (
        "projects",
        {
            "externalCode": "p-1",
            "projectCode": "P1",
            "projectName": "Warehouse",
            "validFrom": "2026-01-01",
            "validUntil": "2027-01-01",
            "companies": flags(),
        },
    ),
    "lists/ACC_LIST_1": (
        "lists/ACC_LIST_1",
        {"externalCode": "l-1", "text_1": "001", "text_2": "Home", "companies": flags()},
    ),
    "advanced_validations": (
        "advancedValidations",
        {
            "externalCode": "w-1",
            "interface": "AdvancedValidation",
            "keyValue": "4000",
            "dimension1": "1",
            "companies": flags(),
        },
    ),
    "vendors": ("vendors", vendor(1)),
    "matching_orders": ("matchingOrders", order(1)),
    "matchingOrderLines": ("matchingOrderLines", line(1)),
}


CODES = (
    *("paymentTermCode", "taxCode", "accountCode", "costCenterCode", "projectCode"),
    *("vendorCode", "orderNumber", "lineNumber"),
)


def writes(sandbox: Sandbox, path: str = "") -> list[Any]:
    """The writes of master data, in the order that they came in."""
    aside = ("/v1/tokens", "/v1/requestStatus")
    return [
        request
        for request in sandbox.journal.requests(system="basware", path=path)
        if request.method != "GET" and not request.path.startswith(aside)
    ]


def sizes(sandbox: Sandbox, path: str) -> list[int]:
    return [len(json.loads(request.body)) for request in writes(sandbox, path)]


def stored(sandbox: Sandbox, resource: str) -> dict[str, Record]:
    key = "companyCode" if resource == "companies" else "externalCode"
    return {record[key]: record for record in sandbox.basware.records(resource)}


# -- what arrives


@pytest.mark.parametrize("stream", EVERYTHING)
def test_each_resource_lands_as_it_was_given(sandbox: Sandbox, feed: Feed, stream: str) -> None:
    resource, record = EVERYTHING[stream]
    sandbox.basware.load({"vendors": [vendor(1)]} if "order" in stream.lower() else {})
    sandbox.basware.load({"matchingOrders": [order(1)]} if "Lines" in stream else {})
    run = feed({stream: [record]})
    assert run.error is None
    assert run.states == [{"seen": 1}]
    key = record.get("externalCode") or record["companyCode"]
    held = json.loads(json.dumps(stored(sandbox, resource)[key], default=float))
    assert held.pop("lastUpdated")
    assert held == record
    entry = run.entry(resource, key)
    assert entry.status is Status.DELIVERED
    assert entry.request_id
    assert entry.source == stream


def test_list_items_go_to_the_lists_that_they_name(sandbox: Sandbox, feed: Feed) -> None:
    items = [{"listKey": f"ACC_LIST_{n}", "externalCode": "x", "text_1": str(n)} for n in (1, 2)]
    run = feed({"lists": items})
    assert run.error is None
    assert [stored(sandbox, f"lists/ACC_LIST_{n}")["x"]["text_1"] for n in (1, 2)] == ["1", "2"]


def test_a_stream_of_any_name_goes_where_the_settings_say(sandbox: Sandbox, feed: Feed) -> None:
    run = feed({"erp_gl": [account(1)]}, stream_resources={"erp_gl": "accounts"})
    assert run.error is None
    assert "a-1" in stored(sandbox, "accounts")


@pytest.mark.parametrize(
    ("stream", "make", "limit"),
    [("accounts", account, 500), ("vendors", vendor, 200), ("matching_order_lines", line, 100)],
)
def test_requests_are_packed_full(
    sandbox: Sandbox, feed: Feed, stream: str, make: Callable[[int], Record], limit: int
) -> None:
    sandbox.basware.load({"vendors": [vendor(1)], "matchingOrders": [order(1)]})
    run = feed({stream: [make(n) for n in range(limit + 1)]})
    assert run.error is None
    assert sorted(sizes(sandbox, "")) == [1, limit]


def test_a_request_has_six_megabytes_at_most(sandbox: Sandbox, feed: Feed) -> None:
    long = "ä" * 2000
    names = [{"language": f"l{n:03}", "translation": long} for n in range(200)]
    records = [{**account(n), "accountNames": names} for n in range(16)]
    run = feed({"accounts": records})
    assert run.error is None
    bodies = [len(request.body) for request in writes(sandbox)]
    assert max(bodies) <= 6_000_000
    assert len(bodies) == 3  # 7, 7 and 2 of 0.8 MB each
    assert len(stored(sandbox, "accounts")) == 16


def test_the_last_content_of_a_record_counts(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1, "First"), account(1, "Second")]})
    assert stored(sandbox, "accounts")["a-1"]["accountNames"] == named("Second")
    assert len(writes(sandbox)) == 1


def test_terms_vendors_orders_and_lines_go_in_that_order(sandbox: Sandbox, feed: Feed) -> None:
    given = {
        "matching_order_lines": [line(n) for n in (1, 2, 3)],
        "matching_orders": [order(1)],
        "vendors": [vendor(1)],
        "accounts": [account(1)],
        "payment_terms": [term()],
        "companies": [EVERYTHING["companies"][1]],
    }
    run = feed(given)
    assert run.error is None
    paths = [request.path.rpartition("/")[2] for request in writes(sandbox)]
    assert paths[0] == "companies"
    assert set(paths[1:3]) == {"accounts", "paymentTerms"}
    assert paths[3:] == ["vendors", "matchingOrders", "matchingOrderLines"]


# -- only what changed


def test_a_second_run_writes_nothing(sandbox: Sandbox, feed: Feed) -> None:
    streams = {stream: [record] for stream, (_, record) in EVERYTHING.items()}
    assert feed(streams, complete=streams).error is None
    sandbox.journal.clear()
    again = feed(streams, complete=streams)
    assert again.error is None
    assert again.states == [{"seen": len(streams)}]
    assert writes(sandbox) == []


def test_a_copy_of_what_basware_holds_does_not_differ_each_time(
    sandbox: Sandbox, feed: Feed
) -> None:
    feed({"vendors": [{**vendor(1), "lastUpdated": "2026-01-01T00:00:00Z", "buvid": "b1"}]})
    sandbox.journal.clear()
    feed({"vendors": [{**vendor(1), "lastUpdated": "2026-02-01T00:00:00Z", "description": None}]})
    assert writes(sandbox) == []


def test_one_changed_record_of_500_is_sent_alone(sandbox: Sandbox, feed: Feed) -> None:
    accounts = [account(n) for n in range(500)]
    feed({"accounts": accounts})
    sandbox.journal.clear()
    accounts[77] = account(77, "Another name")
    feed({"accounts": accounts})
    [request] = writes(sandbox)
    assert [record["externalCode"] for record in json.loads(request.body)] == ["a-77"]


# -- refusals


def test_one_bad_record_of_500_does_not_stop_the_others(sandbox: Sandbox, feed: Feed) -> None:
    accounts = [account(n) for n in range(500)]
    accounts[250]["accountCode"] = "1" * 26
    run = feed({"accounts": accounts})
    assert run.error is None
    assert len(stored(sandbox, "accounts")) == 499
    assert run.status("accounts", "a-250") is Status.REJECTED
    assert "accountCode" in run.reason("accounts", "a-250")
    assert run.status("accounts", "a-251") is Status.DELIVERED


def test_one_that_only_basware_refuses_does_not_stop_the_others(
    sandbox: Sandbox, feed: Feed
) -> None:
    sandbox.switches.basware.prevent_duplicate_codes = True
    accounts = [account(n) for n in range(60)]
    accounts[40]["accountCode"] = "7"
    run = feed({"accounts": accounts})
    assert run.error is None
    assert len(stored(sandbox, "accounts")) == 59
    assert run.status("accounts", "a-40") is Status.REJECTED
    assert "CONFLICT_IN_POST" in run.reason("accounts", "a-40")
    assert sizes(sandbox, "/accounts") == [60, 59]


def test_too_much_at_once_is_sent_in_parts(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.faults.add(Fault("basware", "status", method="POST", path="/accounts", status=413))
    run = feed({"accounts": [account(n) for n in range(10)]})
    assert run.error is None
    assert len(stored(sandbox, "accounts")) == 10
    assert sizes(sandbox, "/accounts") == [10, 5, 5]


def test_a_refusal_that_names_nobody_is_narrowed_down(sandbox: Sandbox, feed: Feed) -> None:
    page = "<html><title>Blocked</title></html>"
    fault = Fault("basware", "status", method="POST", path="/accounts", status=400, body=page)
    sandbox.faults.add(fault)
    run = feed({"accounts": [account(n) for n in range(4)]})
    assert run.error is None
    assert len(stored(sandbox, "accounts")) == 4


def test_an_api_that_is_not_there_is_not_asked_for_every_record(
    sandbox: Sandbox, feed: Feed
) -> None:
    fault = Fault("basware", "status", method="POST", path="/ACC_LIST_9", status=404, times=-1)
    sandbox.faults.add(fault)
    items = [{"externalCode": f"x{n}", "text_1": "1"} for n in range(50)]
    run = feed({"lists/ACC_LIST_9": items})
    assert len(writes(sandbox)) == 1
    assert run.status("lists/ACC_LIST_9", "x3") is Status.REJECTED
    assert "Basware has no v1/lists/ACC_LIST_9" in run.reason("lists/ACC_LIST_9", "x3")


def test_a_record_that_is_too_large_for_a_request(sandbox: Sandbox, feed: Feed) -> None:
    names = [{"language": f"l{n:04}", "translation": "x" * 2000} for n in range(3100)]
    run = feed({"accounts": [{**account(1), "accountNames": names}, account(2)]})
    assert run.status("accounts", "a-1") is Status.REJECTED
    assert "bytes, and a request may have" in run.reason("accounts", "a-1")
    assert set(stored(sandbox, "accounts")) == {"a-2"}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("companies", "1000"),
        ("companies", ["1000"]),
        ("companies", [{}]),
        ("accountNames", {"en": "x"}),
        ("accountCode", ["1"]),
        ("accountCode", None),
        ("lastName", "x"),
    ],
    ids=str,
)
def test_a_record_of_the_wrong_shape_is_rejected_in_words(
    sandbox: Sandbox, feed: Feed, field: str, wrong: Any
) -> None:
    run = feed({"accounts": [{**account(1), field: wrong}, account(2)]})
    assert run.error is None
    assert run.status("accounts", "a-1") is Status.REJECTED
    assert field in run.reason("accounts", "a-1")
    assert set(stored(sandbox, "accounts")) == {"a-2"}


def test_a_record_without_its_key_fails_the_run_in_words(sandbox: Sandbox, feed: Feed) -> None:
    run = feed({"accounts": [{**account(1), "externalCode": None}, account(2)]})
    assert "unreadable" in str(run.error)
    assert run.states == []
    assert set(stored(sandbox, "accounts")) <= {"a-2"}


def test_a_stream_that_is_neither_is_refused_in_words(feed: Feed) -> None:
    run = feed({"vendors": [{"id": "1"}]}, keys={"vendors": ["id"]})
    assert isinstance(run.error, SetupError)
    assert "stream_resources" in str(run.error)


def test_an_unknown_stream_names_the_known_ones(make_target: Callable[..., TargetBasware]) -> None:
    with pytest.raises(SetupError, match=r"'dogs': it takes .*matchingOrderLines.*stream_resou"):
        make_target().get_sink_class("dogs")


def test_a_wrong_resource_in_the_settings_is_named(feed: Feed) -> None:
    run = feed({"erp": [account(1)]}, stream_resources={"erp": "acounts"})
    assert "stream_resources: 'acounts' is no API" in str(run.error)


# -- what vanished


def by_company(sandbox: Sandbox, resource: str, key: str) -> dict[str, bool]:
    return {c["companyCode"]: c["active"] for c in stored(sandbox, resource)[key]["companies"]}


@pytest.mark.parametrize("merges", [True, False])
@pytest.mark.parametrize("stream", EVERYTHING)
def test_what_vanished_is_inactivated_in_the_way_of_its_resource(
    sandbox: Sandbox, feed: Feed, stream: str, merges: bool
) -> None:
    sandbox.switches.basware.patch_merges_arrays = merges
    sandbox.basware.load({"vendors": [vendor(1)], "matchingOrders": [order(1)]})
    resource, record = EVERYTHING[stream]
    key = "companyCode" if resource == "companies" else "externalCode"
    # Codes are unique within a company.
    codes = {name: "other" for name in CODES if name in record}
    other = {**record, **codes, key: "other"}
    assert feed({stream: [record, other]}, complete=[stream]).error is None
    run = feed({stream: [other]}, complete=[stream])
    assert run.error is None
    held = stored(sandbox, resource)[record[key]]
    if resource == "vendors":
        assert held["processingStatus"] == {"active": False}
        assert held["name"] == "Vendor 1"
    elif resource == "companies":
        assert held["active"] is False
        assert held["name"] == "Third"
    elif resource == "matchingOrders":
        assert held["isClosed"] is True
    elif resource == "matchingOrderLines":
        assert (held["isDeleted"], held["isClosed"]) == (True, True)
        assert len(held["goodsReceipts"]) == 1
    else:
        assert by_company(sandbox, resource, record[key]) == {"1000": False}
    entry = run.entry(resource, record[key])
    assert (entry.version, entry.status) == ("withdrawn", Status.DELIVERED)
    sandbox.journal.clear()
    feed({stream: [other]}, complete=[stream])
    assert writes(sandbox) == []


@pytest.mark.parametrize("merges", [True, False])
def test_all_companies_of_a_vanished_record_are_inactivated(
    sandbox: Sandbox, feed: Feed, merges: bool
) -> None:
    sandbox.switches.basware.patch_merges_arrays = merges
    feed({"accounts": [account(1, codes=COMPANIES), account(2)]})
    feed({"accounts": [account(2)]}, complete=["accounts"])
    assert by_company(sandbox, "accounts", "a-1") == {"1000": False, "2000": False}
    assert by_company(sandbox, "accounts", "a-2") == {"1000": True}


def test_a_company_that_a_record_left_is_inactivated(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1, codes=COMPANIES)]})
    feed({"accounts": [account(1, codes=["2000"])]})
    assert by_company(sandbox, "accounts", "a-1") == {"1000": False, "2000": True}
    feed({"accounts": [account(1, "Renamed", codes=["2000"])]})
    assert by_company(sandbox, "accounts", "a-1") == {"1000": False, "2000": True}
    feed({"accounts": [account(1, codes=COMPANIES)]})
    assert by_company(sandbox, "accounts", "a-1") == {"1000": True, "2000": True}


def test_what_comes_back_is_active_again(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1), account(2)]}, complete=["accounts"])
    feed({"accounts": [account(2)]}, complete=["accounts"])
    feed({"accounts": [account(1), account(2)]}, complete=["accounts"])
    assert by_company(sandbox, "accounts", "a-1") == {"1000": True}


def test_an_incomplete_crawl_inactivates_nothing(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1), account(2)]})
    feed({"accounts": [account(2)]})
    assert by_company(sandbox, "accounts", "a-1") == {"1000": True}


def test_a_rejected_record_has_not_vanished(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1), account(2)]}, complete=["accounts"])
    broken = {**account(1), "accountCode": "1" * 26}
    feed({"accounts": [broken, account(2)]}, complete=["accounts"])
    assert by_company(sandbox, "accounts", "a-1") == {"1000": True}


def test_what_basware_lost_needs_no_inactivation(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1), account(2)]}, complete=["accounts"])
    sandbox.basware.reset()
    run = feed({"accounts": [account(2)]}, complete=["accounts"])
    assert run.error is None
    assert run.reason("accounts", "a-1") == "Basware does not have it (any more)"


def test_a_patch_that_meets_other_writes_is_tried_again(sandbox: Sandbox, feed: Feed) -> None:
    feed({"accounts": [account(1), account(2)]}, complete=["accounts"])
    sandbox.faults.add(Fault("basware", "status", method="PATCH", status=503, body="{}"))
    run = feed({"accounts": [account(2)]}, complete=["accounts"])
    assert run.error is None
    assert by_company(sandbox, "accounts", "a-1") == {"1000": False}


# -- faults


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_is_sent_again(sandbox: Sandbox, feed: Feed, kind: str) -> None:
    sandbox.faults.add(Fault("basware", kind, method="POST", path="/accounts"))
    run = feed({"accounts": [account(1), account(2)]})
    assert run.error is None
    assert set(stored(sandbox, "accounts")) == {"a-1", "a-2"}
    assert run.status("accounts", "a-1") in {Status.DELIVERED, Status.UNCHANGED}


def test_an_error_in_a_request_without_an_answer_is_found(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.basware.add_outcome_rule(status="Error", external_code="a-1", message="No", times=1)
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="/accounts"))
    run = feed({"accounts": [account(1), account(2)]})
    assert run.status("accounts", "a-1") is Status.REJECTED
    assert run.reason("accounts", "a-1").startswith("No; change something in the record, or")
    assert run.status("accounts", "a-2") is Status.UNCHANGED


def test_throttling_is_waited_for(sandbox: Sandbox, feed: Feed) -> None:
    headers = {"Retry-After": "1"}
    sandbox.faults.add(
        Fault("basware", "status", method="POST", path="/acc", status=429, headers=headers)
    )
    assert feed({"accounts": [account(1)]}).error is None
    assert set(stored(sandbox, "accounts")) == {"a-1"}


def test_an_outage_fails_the_run_and_the_next_one_goes_on(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.faults.add(Fault("basware", "reset_before", method="POST", path="/acc", times=-1))
    run = feed({"accounts": [account(1)]}, max_sends=1)
    assert run.error is not None
    assert run.states == []
    sandbox.faults.clear()
    again = feed({"accounts": [account(1)]})
    assert again.error is None
    assert again.status("accounts", "a-1") is Status.DELIVERED


def test_the_connection_check_names_the_scopes_of_master_data(
    make_target: Callable[..., TargetBasware],
) -> None:
    found = make_target().check_connection()
    for name in ("companies", "lists", "vendors", "matchingOrderLines"):
        assert f"{name}.write" in found


def test_a_missing_scope_is_named(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.switches.basware.granted_scopes = ("accounts.write", "requestStatus.read")
    run = feed({"vendors": [vendor(1)]})
    assert "scope vendors.write" in str(run.error)


def test_all_connections_wait_together_when_one_is_throttled(
    make_target: Callable[..., TargetBasware],
) -> None:
    target = make_target()
    one, other = (target.courier_for(name).client for name in ("accounts", "vendors"))
    assert one is not other
    assert one.session.gate is other.session.gate


def test_only_the_scopes_of_what_is_sent_are_asked_for(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.switches.basware.granted_scopes = ("accounts.write", "requestStatus.read")
    assert feed({"accounts": [account(1)]}).error is None
