"""Master data that Basware accepted: what P2P makes of it becomes the outcome, with words."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.document import Status

from tests.target_basware.test_masters import (
    account,
    companies,
    line,
    order,
    stored,
    vendor,
    with_bank,
    writes,
)

__all__ = ["companies"]  # a fixture

Feed = Callable[..., Any]


def looks(sandbox: Sandbox) -> list[Any]:
    return sandbox.journal.requests(system="basware", method="GET", path="/v1/requestStatus/")


def acknowledged(sandbox: Sandbox) -> list[str]:
    page = sandbox.basware.log.requests.values()
    return [request.request_id for request in page if request.acknowledged]


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("Warning", Status.DELIVERED, "Tax code is unknown"),
        ("Error", Status.REJECTED, "Tax code is unknown"),
        ("RecordExpired", Status.UNCHANGED, "Tax code is unknown"),
        ("NotProcessed", Status.UNCHANGED, "P2P had the same content already"),
    ],
)
def test_the_status_of_each_record_is_its_outcome(
    sandbox: Sandbox, feed: Feed, word: str, status: Status, reason: str
) -> None:
    sandbox.basware.add_outcome_rule(
        status=word, external_code="^a-7$", message="Tax code is unknown"
    )
    run = feed({"accounts": [account(n) for n in range(20)]})
    assert run.error is None
    assert run.status("accounts", "a-7") is status
    assert run.reason("accounts", "a-7") == reason
    assert run.entry("accounts", "a-7").detail["request_status"] == word
    assert run.status("accounts", "a-8") is Status.DELIVERED
    assert run.reason("accounts", "a-8") == ""


def test_500_records_take_one_look(sandbox: Sandbox, feed: Feed) -> None:
    run = feed({"accounts": [account(n) for n in range(500)]})
    assert run.status("accounts", "a-499") is Status.DELIVERED
    assert len(looks(sandbox)) == 1


def test_p2p_that_takes_its_time_is_waited_for(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.switches.basware.settle_seconds = 0.5
    sandbox.basware.add_outcome_rule(status="Error", external_code="a-1", message="No")
    run = feed({"accounts": [account(1), account(2)]})
    assert (run.status("accounts", "a-1"), run.reason("accounts", "a-1")) == (
        Status.REJECTED,
        "No",
    )
    assert run.status("accounts", "a-2") is Status.DELIVERED


def test_what_never_ends_is_taken_up_by_the_next_run(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.switches.basware.settle_seconds = 3600
    first = feed({"accounts": [account(1)]}, confirm_wait_seconds=0)
    assert first.error is None
    assert first.states == [{"seen": 1}]
    assert first.status("accounts", "a-1") is Status.ACCEPTED
    second = feed({"accounts": [account(1)]}, confirm_wait_seconds=0)
    assert second.status("accounts", "a-1") is Status.ACCEPTED
    assert len(writes(sandbox, "/accounts")) == 1
    sandbox.clock.advance(7200)
    third = feed({"accounts": [account(1)]})
    assert third.status("accounts", "a-1") is Status.DELIVERED
    assert len(writes(sandbox, "/accounts")) == 1


def test_what_p2p_refused_before_is_no_success_when_it_is_not_processed(
    sandbox: Sandbox, feed: Feed
) -> None:
    sandbox.basware.add_outcome_rule(status="Error", external_code="a-1", message="No", times=1)
    feed({"accounts": [account(1)]})
    second = feed({"accounts": [account(1)]})
    assert second.status("accounts", "a-1") is Status.REJECTED
    words = "No; change something in the record, or have Basware redistribute it: "
    assert second.reason("accounts", "a-1").startswith(words)
    third = feed({"accounts": [account(1)]})
    assert third.reason("accounts", "a-1") == second.reason("accounts", "a-1")
    fourth = feed({"accounts": [account(1, "Changed")]})
    assert fourth.status("accounts", "a-1") is Status.DELIVERED


# -- errors are acknowledged


def test_errors_are_acknowledged_once_they_are_recorded(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.basware.add_outcome_rule(status="Error", external_code="^a-1$", message="No")
    run = feed({"accounts": [account(1), account(2)], "vendors": [vendor(1)]})
    assert acknowledged(sandbox) == [run.entry("accounts", "a-1").request_id]


def test_errors_stay_where_the_settings_say_so(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.switches.basware.granted_scopes = ("accounts.write", "requestStatus.read")
    sandbox.basware.add_outcome_rule(status="Error", message="No")
    run = feed({"accounts": [account(1)]}, acknowledge_errors=False)
    assert run.error is None
    assert acknowledged(sandbox) == []


def test_a_missing_right_to_acknowledge_is_said_and_stops_nothing(
    sandbox: Sandbox, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.switches.basware.granted_scopes = ("accounts.write", "requestStatus.read")
    sandbox.basware.add_outcome_rule(status="Error", message="No")
    run = feed({"accounts": [account(1)]})
    assert run.error is None
    assert run.status("accounts", "a-1") is Status.REJECTED
    assert "requestStatus.write" in caplog.text


# -- no request status


@pytest.mark.parametrize("missing", [401, 403])
def test_without_the_scope_writes_are_delivered_and_not_confirmed(
    sandbox: Sandbox, feed: Feed, caplog: pytest.LogCaptureFixture, missing: int
) -> None:
    sandbox.switches.basware.missing_scope_status = missing
    sandbox.switches.basware.granted_scopes = ("accounts.write", "vendors.write")
    caplog.set_level(logging.WARNING)
    run = feed({"accounts": [account(n) for n in range(501)], "vendors": [vendor(1)]})
    assert run.error is None
    assert run.status("accounts", "a-1") is Status.DELIVERED
    assert run.reason("accounts", "a-1").startswith("not confirmed: ")
    told = [r for r in caplog.records if "counts as delivered, not confirmed" in r.getMessage()]
    assert len(told) == 1
    assert "requestStatus.read" in told[0].getMessage()


@pytest.mark.parametrize("status", [403, 404])
def test_without_the_endpoint_they_are_too(sandbox: Sandbox, feed: Feed, status: int) -> None:
    sandbox.faults.add(
        Fault("basware", "status", method="GET", path="/requestStatus", status=status, times=-1)
    )
    feed({"accounts": [account(1)]}, confirm_wait_seconds=0)
    run = feed({"accounts": [account(1)]}, confirm_wait_seconds=0)
    assert run.status("accounts", "a-1") is Status.DELIVERED
    assert run.reason("accounts", "a-1").startswith("not confirmed: ")
    assert len(writes(sandbox, "/accounts")) == 1


def test_without_confirmation_nothing_is_asked(sandbox: Sandbox, feed: Feed) -> None:
    sandbox.switches.basware.granted_scopes = ("accounts.write",)
    run = feed({"accounts": [account(1)]}, confirm_request_status=False)
    assert run.status("accounts", "a-1") is Status.DELIVERED
    assert run.entry("accounts", "a-1").request_id
    assert looks(sandbox) == []


def test_a_status_that_cannot_be_read_now_is_read_by_the_next_run(
    sandbox: Sandbox, feed: Feed
) -> None:
    sandbox.faults.add(
        Fault("basware", "status", method="GET", path="/requestStatus", status=500, times=-1)
    )
    first = feed({"accounts": [account(1)]}, max_attempts=1, confirm_wait_seconds=1)
    assert first.error is None
    assert first.status("accounts", "a-1") is Status.ACCEPTED
    sandbox.faults.clear()
    second = feed({"accounts": [account(1)]})
    assert second.status("accounts", "a-1") is Status.DELIVERED


# -- what P2P refuses, in words


def test_an_order_of_an_unknown_vendor_is_refused_by_p2p(sandbox: Sandbox, feed: Feed) -> None:
    run = feed(
        {
            "matching_order_lines": [line(1)],
            "matching_orders": [order(1), order(9, "V9")],
            "vendors": [vendor(1)],
        }
    )
    assert run.error is None
    assert run.status("matchingOrders", "o-9") is Status.REJECTED
    assert "V9" in run.reason("matchingOrders", "o-9")
    assert run.status("matchingOrderLines", "o-1-l-1") is Status.DELIVERED


def test_a_duplicate_bank_account_is_refused_before_it_is_sent(
    sandbox: Sandbox, feed: Feed
) -> None:
    iban = "DE44500105175407324931"
    run = feed({"vendors": [with_bank(1, iban, iban), vendor(2)]})
    assert run.status("vendors", "v-1") is Status.REJECTED
    assert "bank account is there twice" in run.reason("vendors", "v-1")
    assert set(stored(sandbox, "vendors")) == {"v-2"}


def test_no_bank_account_number_is_told(
    sandbox: Sandbox, feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    iban, plain = "DE44500105175407324931", "00310175407324"
    sandbox.basware.add_outcome_rule(
        status="Error", external_code="v-1", message=f"Bank account {iban} ({plain}) is in use"
    )
    run = feed({"vendors": [with_bank(1, iban)]})
    assert run.reason("vendors", "v-1") == "Bank account …4931 (…7324) is in use"
    assert iban not in caplog.text
    assert plain not in caplog.text
    assert iban not in str(run.entry("vendors", "v-1"))
