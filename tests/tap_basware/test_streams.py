"""Whole runs against the sandbox: what comes out, and what a bookmark is worth."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, Refused, SetupError, Unavailable
from tap_basware.errors import UnknownContinuation
from tap_basware.streams import prune
from tap_basware.tap import TapBasware

Sync = Callable[..., Any]
PutInvoices = Callable[..., list[str]]
STREAM = "accounting_documents"
MASTERS: dict[str, list[dict[str, Any]]] = {
    "companies": [{"companyCode": "1000", "name": "One", "active": True}],
    "accounts": [
        {
            "externalCode": f"a{n}",
            "accountCode": str(n),
            "accountNames": [{"language": "en", "translation": "Rent"}],
            "companies": [{"companyCode": "1000", "active": True, "inherit": False}],
        }
        for n in range(5)
    ],
    "lists/ACC_LIST_1": [{"externalCode": "x", "text_1": "One"}],
    "lists/ACC_LIST_2": [{"externalCode": "x", "text_1": "Two"}],
}


def ids(output: Any) -> list[str]:
    return sorted(record["invoiceId"] for record in output.records())


def break_page(sandbox: Sandbox, number: int, status: int = 400) -> None:
    """Let the list fail at its n-th page (from 1) until the faults are cleared."""
    sandbox.faults.add(
        Fault(
            "basware",
            "status",
            path="accountingDocuments",
            status=status,
            skip=number - 1,
            times=-1,
        )
    )


# -- by status


def test_invoices_that_wait_for_transfer_come_whole(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    rows = [{"externalCode": "r1", "accountCode": "600", "netTotal": "9.99", "dimCode10": "X"}]
    waiting = invoices(3, codingRows=rows, text60="note")
    invoices(2, processingStatus="Transferred")
    output = sync()
    assert ids(output) == waiting
    record = output.records()[0]
    assert record["text60"] == "note"
    assert record["codingRows"] == [
        {"externalCode": "r1", "accountCode": "600", "netTotal": 9.99, "dimCode10": "X"}
    ]


def test_only_the_chosen_companies_and_statuses(sync: Sync, invoices: PutInvoices) -> None:
    invoices(1, companyCode="1000")
    wanted = invoices(2, companyCode="2000") + invoices(
        1, companyCode="3000", processingStatus="TransferInProgress"
    )
    invoices(1, companyCode="3000", processingStatus="Paid")
    output = sync(
        company_codes=["2000", "3000"],
        processing_statuses=["WaitingForTransfer", "TransferInProgress"],
    )
    assert ids(output) == wanted


def test_each_run_reads_all_that_wait(sync: Sync, invoices: PutInvoices) -> None:
    waiting = invoices(3)
    first = sync(page_size=2)
    assert ids(sync(page_size=2, state=first.states[-1])) == waiting


def test_state_after_each_page_and_no_continuation_at_the_end(
    sync: Sync, invoices: PutInvoices
) -> None:
    invoices(5)
    output = sync(page_size=2)
    kinds = [message["type"] for message in output.messages]
    assert kinds == [
        "SCHEMA",
        *("RECORD", "RECORD", "STATE") * 2,
        *("RECORD", "STATE"),
    ]
    assert all("token" in state["bookmarks"][STREAM]["continuation"] for state in output.states[:2])
    assert output.bookmark() == {}


def test_an_interrupted_run_is_taken_up_where_it_stopped(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    waiting = invoices(10)
    sandbox.faults.add(
        Fault("basware", "status", path="accountingDocuments", status=503, skip=2, times=-1)
    )
    first = sync(page_size=2, max_attempts=1, fails_with=Unavailable)
    sandbox.faults.clear()
    second = sync(page_size=2, state=first.states[-1])
    assert len(ids(first)) == 4
    assert sorted(ids(first) + ids(second)) == waiting
    assert second.bookmark() == {}


def test_an_unknown_token_restarts_with_a_warning(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = invoices(6)
    interrupted = sync(page_size=2).states[0]
    sandbox.basware.forget_continuations()
    assert ids(sync(page_size=2, state=interrupted)) == waiting
    assert "no longer knows the continuation token" in caplog.text


def test_a_token_that_expires_in_the_middle_loses_nothing(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    waiting = invoices(6)
    sandbox.faults.add(Fault("basware", "status", path="accountingDocuments", status=410, skip=1))
    assert sorted(set(ids(sync(page_size=2)))) == waiting


def test_invoices_that_are_answered_during_the_crawl_are_no_error(
    sandbox: Sandbox, make_tap: Callable[..., TapBasware], invoices: PutInvoices
) -> None:
    waiting = invoices(4)
    stream = make_tap(page_size=2).streams[STREAM]
    records = iter(stream.get_records(None))
    seen = [next(records), next(records)]
    for each in waiting:
        # Nothing is left behind the token: Basware answers 404 to it.
        sandbox.basware.retransfer(each, processingStatus="Transferred")
    assert list(records) == []
    assert len(seen) == 2


def test_a_token_that_never_works_is_an_error(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    invoices(4)
    sandbox.switches.basware.continuation_lifetime = -1
    sync(page_size=2, fails_with=UnknownContinuation)


def test_a_revoked_token_in_the_middle_is_renewed(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    waiting = invoices(6)
    sandbox.faults.add(Fault("basware", "status", path="accountingDocuments", status=401, skip=1))
    assert ids(sync(page_size=2)) == waiting


# -- by change


@pytest.fixture
def long_ago(sandbox: Sandbox) -> None:
    """Basware's changes are older than the run, whose own start would limit the bookmark."""
    sandbox.clock.set(datetime(2026, 1, 1, tzinfo=UTC))


def by_change(sync: Sync, **more: Any) -> Any:
    return sync(accounting_documents_mode="last_updated", page_size=2, overlap_minutes=0, **more)


@pytest.mark.usefixtures("long_ago")
def test_changes_since_the_last_complete_run(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    put = invoices(3) + invoices(1, processingStatus="Paid")
    first = by_change(sync)
    assert ids(first) == put
    bookmark = first.bookmark()
    assert bookmark["replication_key"] == "lastUpdated"
    assert by_change(sync, state=first.states[-1]).records() == []

    sandbox.basware.retransfer(put[1])
    changed = by_change(sync, state=first.states[-1])
    assert ids(changed) == [put[1]]
    assert changed.bookmark()["replication_key_value"] > bookmark["replication_key_value"]


@pytest.mark.usefixtures("long_ago")
def test_a_run_without_changes_keeps_the_bookmark(sync: Sync, invoices: PutInvoices) -> None:
    invoices(1)
    first = by_change(sync)
    assert by_change(sync, state=first.states[-1]).states[-1] == first.states[-1]


@pytest.mark.usefixtures("long_ago")
def test_an_interrupted_run_moves_no_bookmark_and_is_taken_up(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    put = invoices(6)
    sandbox.faults.add(
        Fault("basware", "status", path="accountingDocuments", status=503, skip=2, times=-1)
    )
    first = by_change(sync, max_attempts=1, fails_with=Unavailable)
    assert "replication_key_value" not in first.bookmark()
    assert "progress_markers" not in first.bookmark()
    sandbox.faults.clear()
    second = by_change(sync, state=first.states[-1])
    assert sorted(ids(first) + ids(second)) == put
    newest = max(document["lastUpdated"] for document in sandbox.basware.documents())
    assert second.bookmark()["replication_key_value"].startswith(newest[:-1])


@pytest.mark.usefixtures("long_ago")
def test_an_unknown_token_restarts_from_the_watermark(
    sandbox: Sandbox, sync: Sync, invoices: PutInvoices
) -> None:
    old = invoices(2)
    state = by_change(sync).states[-1]
    new = invoices(5)
    interrupted = by_change(sync, state=state).states[1]
    assert "continuation" in interrupted["bookmarks"][STREAM]
    sandbox.basware.forget_continuations()
    again = ids(by_change(sync, state=interrupted))
    assert again == new
    assert not set(again) & set(old)


def test_start_date_limits_the_first_run(sync: Sync, invoices: PutInvoices) -> None:
    invoices(1, lastUpdated="2025-01-01T00:00:00Z")
    wanted = invoices(1, lastUpdated="2026-01-02T00:00:00Z")
    assert ids(by_change(sync, start_date="2026-01-01")) == wanted


def test_a_start_date_that_is_none_is_refused() -> None:
    with pytest.raises(SetupError, match="write it like 2026-01-31"):
        TapBasware(config={"start_date": "soon"})


# -- the other streams


def test_master_data_is_read_back(sandbox: Sandbox, sync: Sync) -> None:
    sandbox.basware.load(MASTERS)
    streams = ["companies", "accounts", "lists", "vendors"]
    output = sync(streams=streams, list_keys=["ACC_LIST_1", "ACC_LIST_2"], page_size=2)
    assert [r["companyCode"] for r in output.records("companies")] == ["1000"]
    assert sorted(r["externalCode"] for r in output.records("accounts")) == [
        f"a{n}" for n in range(5)
    ]
    assert [(r["listKey"], r["text_1"]) for r in output.records("lists")] == [
        ("ACC_LIST_1", "One"),
        ("ACC_LIST_2", "Two"),
    ]
    assert output.records("vendors") == []
    assert output.bookmark("accounts")["replication_key"] == "lastUpdated"


def test_lists_without_keys_read_nothing_and_say_so(
    sync: Sync, caplog: pytest.LogCaptureFixture
) -> None:
    assert sync(streams=["lists"]).records("lists") == []
    assert "set list_keys" in caplog.text


# -- records


def test_unknown_fields_are_left_out_and_named_once(
    sandbox: Sandbox, sync: Sync, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.basware.redirect = False
    documents = [
        {"invoiceId": f"i{n}", "brandNew": 1, "codingRows": [{"externalCode": "r", "newer": 2}] * n}
        for n in range(1, 4)
    ]
    body = json.dumps({"accountingDocuments": documents})
    sandbox.faults.add(
        Fault("basware", "status", path="accountingDocuments", status=200, body=body)
    )
    output = sync()
    assert ids(output) == ["i1", "i2", "i3"]
    assert "brandNew" not in json.dumps(output.records())
    warned = [r.getMessage() for r in caplog.records if "left out the field" in r.getMessage()]
    assert warned == [
        "left out the field brandNew, which the schema does not have",
        "left out the field codingRows.newer, which the schema does not have",
    ]


def test_a_record_without_its_key_is_an_error(sandbox: Sandbox, sync: Sync) -> None:
    body = '{"accountingDocuments": [{"invoiceNumber": "1"}]}'
    sandbox.faults.add(
        Fault("basware", "status", path="accountingDocuments", status=200, body=body)
    )
    sync(fails_with=Refused)


def test_pruning_keeps_what_the_schema_leaves_open() -> None:
    schema: dict[str, Any] = {"properties": {"a": {"items": {"properties": {"b": {}}}}, "c": {}}}
    unknown: set[str] = set()
    value = {"a": [{"b": {"x": 1}, "z": 1}, None], "c": {"y": 2}, "d": 3}
    assert prune(value, schema, unknown) == {"a": [{"b": {"x": 1}}, None], "c": {"y": 2}}
    assert unknown == {"a.z", "d"}


# -- connection check


def test_the_connection_check_passes_on_an_empty_tenant(
    sandbox: Sandbox, make_tap: Callable[..., TapBasware]
) -> None:
    lines = make_tap(streams=[STREAM, "vendors"]).check_connection()
    assert lines == [
        "accounting_documents: readable, no records at the moment",
        "vendors: readable, no records at the moment",
    ]
    written = sandbox.journal.requests(system="basware", method="POST")
    assert {request.path for request in written} == {"/v1/tokens"}


def test_the_connection_check_names_a_missing_right(
    sandbox: Sandbox, make_tap: Callable[..., TapBasware]
) -> None:
    sandbox.switches.basware.granted_scopes = ("accountingDocuments.read",)
    with pytest.raises(AccessDenied, match=r"vendors\.read"):
        make_tap(streams=["vendors"]).check_connection()
