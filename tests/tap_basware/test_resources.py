from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from tap_basware.resources import BY_STATUS, BY_UPDATE, OTHERS, Resource, accounting_documents

SINCE = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY_NAME = {resource.name: resource for resource in OTHERS}


def params(
    resource: Resource, config: Mapping[str, object], since: datetime | None = None
) -> list[dict[str, str]]:
    return [dict(query.params) for query in resource.queries(config, since)]


def test_invoices_by_status_and_company_are_lists_of_their_own() -> None:
    config = {
        "processing_statuses": ["WaitingForTransfer", "TransferInProgress"],
        "company_codes": ["1000", "2000"],
    }
    found = params(accounting_documents(BY_STATUS), config)
    assert [(q["ProcessingStatus"], q["companyCode"]) for q in found] == [
        ("WaitingForTransfer", "1000"),
        ("WaitingForTransfer", "2000"),
        ("TransferInProgress", "1000"),
        ("TransferInProgress", "2000"),
    ]


def test_without_filters_everything_is_one_list() -> None:
    assert params(accounting_documents(BY_STATUS), {"company_codes": []}) == [{"pageSize": "100"}]


def test_changed_invoices_are_read_in_any_status() -> None:
    config = {"processing_statuses": ["WaitingForTransfer"], "p2p_processing_mode": "Standard"}
    assert params(accounting_documents(BY_UPDATE), config, SINCE) == [
        {
            "p2pProcessingMode": "Standard",
            "pageSize": "100",
            "lastUpdated": "2026-03-01T11:50:00.000000Z",
        }
    ]


def test_the_overlap_is_a_setting() -> None:
    [query] = params(BY_NAME["vendors"], {"overlap_minutes": 0}, SINCE)
    assert query["lastUpdated"] == "2026-03-01T12:00:00.000000Z"


def test_error_feedbacks_are_read_from_a_day_before() -> None:
    [query] = params(BY_NAME["error_feedbacks"], {"overlap_minutes": 5}, SINCE)
    assert query["lastUpdated"] == "2026-02-28T12:00:00.000000Z"


def test_the_overlap_does_not_reach_behind_the_beginning_of_time() -> None:
    [query] = params(BY_NAME["vendors"], {}, datetime.min.replace(tzinfo=UTC))
    assert query["lastUpdated"].startswith("0001-01-01") or query["lastUpdated"].startswith("1-")


def test_pages_are_as_large_as_allowed_and_no_larger() -> None:
    assert params(BY_NAME["vendors"], {}) == [{"pageSize": "500"}]
    assert params(BY_NAME["vendors"], {"page_size": 10_000}) == [{"pageSize": "500"}]
    assert params(BY_NAME["exported_purchase_orders"], {"page_size": 500})[0]["pageSize"] == "100"
    assert params(BY_NAME["accounts"], {"page_size": 7}) == [{"pageSize": "7"}]


def test_each_generic_list_is_a_path_and_its_key_part_of_the_records() -> None:
    queries = BY_NAME["lists"].queries({"list_keys": ["ACC_LIST_1", "A/B"]}, None)
    assert [query.path for query in queries] == ["v1/lists/ACC_LIST_1", "v1/lists/A%2FB"]
    assert [dict(query.constants) for query in queries] == [
        {"listKey": "ACC_LIST_1"},
        {"listKey": "A/B"},
    ]


def test_without_list_keys_there_is_nothing_to_read() -> None:
    assert BY_NAME["lists"].queries({}, None) == []


def test_scopes_are_the_least() -> None:
    assert {resource.scope for resource in OTHERS} == {
        "accounts.read",
        "companies.read",
        "costCenters.read",
        "errorFeedbacks.read",
        "exportedPurchaseOrders.read",
        "lists.read",
        "paymentTerms.read",
        "requestStatus.read",
        "taxCodes.read",
        "vendors.read",
    }
