"""Whole runs against the sandbox: what Basware holds afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.document import Status
from singer_delivery.errors import AccessDenied, SetupError
from target_basware.target import TargetBasware

Deliver = Callable[..., Any]
Outcome = Callable[..., dict[str, Any]]
PutInvoices = Callable[..., None]


def responses(sandbox: Sandbox, key: str = "i1") -> list[dict[str, Any]]:
    return list(sandbox.basware.document(key).get("transferResponses", []))


def status(sandbox: Sandbox, key: str = "i1") -> str:
    return str(sandbox.basware.document(key)["processingStatus"])


def posts(sandbox: Sandbox) -> list[str]:
    made = sandbox.journal.requests(system="basware", method="POST")
    return [request.path for request in made if request.path != "/v1/tokens"]


# -- what arrives


@pytest.mark.parametrize("stream", ["transfer_outcomes", "transfer_responses"])
def test_a_success_transfers_the_invoice(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices, stream: str
) -> None:
    invoices("i1")
    run = deliver(outcome(), stream=stream)
    assert run.error is None
    assert run.states == [{"seen": 1}]
    assert run.status("i1") is Status.DELIVERED
    document = sandbox.basware.document("i1")
    assert document["processingStatus"] == "Transferred"
    assert document["voucherNumber1"] == "V-i1"
    [response] = responses(sandbox)
    assert response["responseMessage"] == "Transferred to usmf"
    assert response["sourceSystem"] == "D365FO"
    assert run.entries["i1"].request_id
    assert run.entries["i1"].detail["request_status"] == "Success"


def test_a_failure_is_told_with_its_reason(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    deliver(outcome(success=False))
    assert status(sandbox) == "TransferFailed"
    assert responses(sandbox)[0]["responseMessage"] == "Vendor 10045 is on hold"


def test_many_at_once(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    keys = [f"i{n}" for n in range(40)]
    invoices(*keys)
    deliver(*(outcome(key) for key in keys))
    assert {status(sandbox, key) for key in keys} == {"Transferred"}
    assert len(posts(sandbox)) == 40


def test_the_last_of_two_outcomes_of_an_invoice_is_told(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    deliver(outcome(success=False), outcome(sequence=2))
    assert len(responses(sandbox)) == 1
    assert status(sandbox) == "Transferred"


def test_acknowledged_first(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    invoices("i2", processingStatus="TransferInProgress")
    run = deliver(outcome("i1"), outcome("i2"), acknowledge_first=True, max_connections=1)
    assert posts(sandbox) == [
        f"/v1/accountingDocuments/{key}/{what}"
        for key in ("i1", "i2")
        for what in ("acknowledge", "transferResponses")
    ]
    assert [run.status(key) for key in ("i1", "i2")] == [Status.DELIVERED] * 2


def test_a_lost_answer_to_acknowledge_is_no_loss(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="acknowledge"))
    assert deliver(outcome(), acknowledge_first=True).status("i1") is Status.DELIVERED
    assert status(sandbox) == "Transferred"


# -- never twice


def test_a_second_run_sends_nothing(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1", "i2")
    outcomes = [outcome("i1"), outcome("i2", success=False)]
    deliver(*outcomes)
    sandbox.journal.clear()
    run = deliver(*outcomes)
    assert posts(sandbox) == []
    assert [run.status(key) for key in ("i1", "i2")] == [Status.UNCHANGED] * 2


@pytest.mark.parametrize("repeated", [409, 400])
@pytest.mark.parametrize("success", [True, False])
def test_with_the_ledger_lost_nothing_doubles(
    sandbox: Sandbox,
    deliver: Deliver,
    outcome: Outcome,
    invoices: PutInvoices,
    tmp_path: Path,
    *,
    repeated: int,
    success: bool,
) -> None:
    sandbox.switches.basware.repeated_external_code_status = repeated
    invoices("i1")
    deliver(outcome(success=success))
    run = deliver(outcome(success=success), ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert run.status("i1") is Status.UNCHANGED
    assert len(responses(sandbox)) == 1


def test_a_retransferred_invoice_gets_the_same_answer_again(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    deliver(outcome(success=False))
    version = sandbox.basware.retransfer("i1")["lastUpdated"]
    run = deliver(outcome(success=False, version=version))
    assert run.status("i1") is Status.DELIVERED
    assert len(responses(sandbox)) == 2
    assert status(sandbox) == "TransferFailed"


@pytest.mark.parametrize("success", [True, False])
def test_an_answer_that_basware_does_not_know_is_told_again_when_it_offers_the_invoice_again(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices, success: bool
) -> None:
    invoices("i1")
    deliver(outcome(success=success))
    sandbox.basware.reset()  # as after a restore: the invoice waits as if nothing had been said
    invoices("i1")
    run = deliver(outcome(success=success, sequence=2))
    assert run.error is None
    assert status(sandbox) == ("Transferred" if success else "TransferFailed")
    assert len(responses(sandbox)) == 1


def test_an_old_answer_is_not_given_to_a_new_transfer(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices, tmp_path: Path
) -> None:
    invoices("i1")
    deliver(outcome(success=False))
    sandbox.basware.retransfer("i1")
    run = deliver(outcome(success=False), ledger_url=f"sqlite:///{tmp_path}/other.db")
    assert run.status("i1") is Status.UNCHANGED
    assert run.reason("i1") == "Basware has this response already"
    assert status(sandbox) == "WaitingForTransfer"


@pytest.mark.parametrize("refusal", [400, 405, 409])
def test_transferred_by_somebody_else_with_the_same_voucher(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices, refusal: int
) -> None:
    sandbox.switches.basware.already_transferred_status = refusal
    invoices("i1", processingStatus="Transferred", voucherNumber1="V-i1")
    run = deliver(outcome())
    assert run.status("i1") is Status.UNCHANGED
    assert run.reason("i1") == "the invoice is Transferred already"


def test_transferred_by_somebody_else_with_another_voucher(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1", processingStatus="Transferred", voucherNumber1="OTHER")
    invoices("i2")
    run = deliver(outcome("i1"), outcome("i2"))
    assert run.error is None
    assert run.status("i1") is Status.REJECTED
    assert "invoice i1 is Transferred as OTHER in Basware" in run.reason("i1")
    assert run.status("i2") is Status.DELIVERED
    assert responses(sandbox, "i1") == []


# -- faults


def test_an_answer_lost_after_commit_is_read_back(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="transferResponses"))
    run = deliver(outcome())
    assert run.error is None
    assert run.status("i1") is Status.DELIVERED
    assert len(posts(sandbox)) == 1
    assert len(responses(sandbox)) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "reset_before"},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 502, "body": "<html><title>Bad Gateway</title></html>"},
        {"kind": "status", "status": 504},
    ],
    ids=str,
)
def test_what_did_not_arrive_is_sent_again(
    sandbox: Sandbox,
    deliver: Deliver,
    outcome: Outcome,
    invoices: PutInvoices,
    broken: dict[str, Any],
) -> None:
    invoices("i1")
    sandbox.faults.add(Fault("basware", method="POST", path="transferResponses", **broken))
    assert deliver(outcome()).status("i1") is Status.DELIVERED
    assert len(responses(sandbox)) == 1


def test_an_answer_that_stays_lost_fails_the_run_and_the_next_one_settles_it(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="transferResponses"))
    sandbox.faults.add(
        Fault(
            *("basware", "status", "GET", "accountingDocuments/"),
            status=503,
            times=-1,
            skip=1,  # the look at the invoice before the response is posted
        )
    )
    first = deliver(outcome(), max_attempts=1)
    assert first.error is not None
    assert first.states == []
    assert first.status("i1") is Status.IN_DOUBT
    sandbox.faults.clear()
    second = deliver(outcome())
    assert second.error is None
    assert second.status("i1") in {Status.DELIVERED, Status.UNCHANGED}
    assert len(responses(sandbox)) == 1


def test_what_was_changed_since_it_was_judged_is_not_confirmed(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1", lastUpdated="2026-01-02T00:00:00Z")
    stale = deliver(outcome(version="2026-01-01T00:00:00Z"))
    assert stale.status("i1") is Status.SKIPPED
    assert "changed or transferred again in Basware at 2026-01-02" in stale.reason("i1")
    assert sandbox.basware.document("i1")["processingStatus"] == "WaitingForTransfer"
    later = deliver(outcome(version="2026-01-02T00:00:00Z", sequence=2))
    assert later.status("i1") is Status.DELIVERED
    assert len(responses(sandbox)) == 1


def test_throttling_is_waited_for(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    sandbox.faults.add(
        Fault(
            "basware",
            "status",
            method="POST",
            path="/transfer",
            status=429,
            headers={"Retry-After": "1"},
        )
    )
    assert deliver(outcome()).status("i1") is Status.DELIVERED


def test_a_token_that_expires_in_the_middle_is_renewed(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    sandbox.faults.add(Fault("basware", "status", method="POST", path="/transfer", status=401))
    assert deliver(outcome()).status("i1") is Status.DELIVERED


# -- refusals


def test_an_unknown_invoice_is_rejected_in_words(
    deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i2")
    run = deliver(outcome("i1"), outcome("i2"))
    assert run.error is None
    assert run.status("i1") is Status.REJECTED
    assert run.reason("i1").startswith("Basware has no invoice i1: it was removed there, or")
    assert run.status("i2") is Status.DELIVERED


def test_a_record_that_is_no_response_does_not_stop_the_others(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1", "i2")
    run = deliver(outcome("i1", success="perhaps"), outcome("i2"))
    assert run.status("i1") is Status.REJECTED
    assert "has to be true or false" in run.reason("i1")
    assert status(sandbox, "i2") == "Transferred"


def test_an_unknown_stream_names_the_known_ones(make_target: Callable[..., TargetBasware]) -> None:
    with pytest.raises(SetupError, match=r"'weather': it takes transfer_outcomes, transfer_resp"):
        make_target().get_sink_class("weather")


# -- what P2P makes of it


def test_an_error_of_p2p_is_a_rejection_and_is_not_sent_again(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    sandbox.basware.add_outcome_rule(
        status="Error", entity_type="TransferResponse", message="Voucher period is closed"
    )
    first = deliver(outcome())
    assert first.status("i1") is Status.REJECTED
    assert first.reason("i1") == "Voucher period is closed"
    sandbox.journal.clear()
    second = deliver(outcome())
    assert posts(sandbox) == []
    assert second.reason("i1") == "Voucher period is closed"


@pytest.mark.parametrize("fails", [False, True])
def test_what_p2p_is_still_processing_is_settled_by_the_next_run(
    sandbox: Sandbox,
    deliver: Deliver,
    outcome: Outcome,
    invoices: PutInvoices,
    caplog: pytest.LogCaptureFixture,
    *,
    fails: bool,
) -> None:
    sandbox.switches.basware.settle_seconds = 3600
    if fails:
        sandbox.basware.add_outcome_rule(status="Error", message="Voucher period is closed")
    invoices("i1")
    first = deliver(outcome())
    assert first.error is None
    assert first.states == [{"seen": 1}]
    assert first.status("i1") is Status.ACCEPTED
    assert first.entries["i1"].detail["request_status"] == "InProgress"
    assert first.entries["i1"].request_id
    assert deliver(outcome()).status("i1") is Status.ACCEPTED
    sandbox.clock.advance(3601)
    caplog.clear()
    invoices("i2")
    deliver(outcome("i2"))
    warned = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert any("i1: rejected" in m and "Voucher period is closed" in m for m in warned) is fails
    last = deliver(outcome())
    assert last.status("i1") is (Status.REJECTED if fails else Status.UNCHANGED)
    assert last.reason("i1") == ("Voucher period is closed" if fails else "told already")
    assert len(responses(sandbox)) == 1


def test_what_is_not_asked_about_any_more_counts_as_delivered(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    sandbox.switches.basware.settle_seconds = 3600
    invoices("i1", "i2")
    deliver(outcome())
    run = deliver(outcome("i2"), outcome(), confirm_request_status=False)
    assert run.status("i1") is Status.UNCHANGED
    assert len(responses(sandbox)) == 1


def test_without_confirmation_the_scope_is_not_asked_for(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    sandbox.switches.basware.granted_scopes = (
        "accountingDocuments.read",
        "accountingDocuments.write",
    )
    invoices("i1")
    run = deliver(outcome(), confirm_request_status=False)
    assert run.status("i1") is Status.DELIVERED


# -- connection check


def test_meltano_s_test_stream_checks_the_connection_and_writes_nothing(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome
) -> None:
    run = deliver(outcome(), stream="meltano_test_stream")
    assert run.error is None
    assert posts(sandbox) == []
    assert len(sandbox.journal.requests(system="basware", method="GET")) == 1


def test_the_connection_check_names_a_missing_scope(
    sandbox: Sandbox, make_target: Callable[..., TargetBasware]
) -> None:
    sandbox.switches.basware.granted_scopes = (
        "accountingDocuments.read",
        "requestStatus.read",
    )
    with pytest.raises(AccessDenied, match=r"scope accountingDocuments\.write:"):
        make_target().check_connection()
