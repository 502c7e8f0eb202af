"""Runs in any order, repeated and late: Basware ends with the latest word."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sandbox.server import Sandbox
from singer_delivery.document import Entry, Status
from target_basware.target import TargetBasware

from tests.target_basware.payments import part

Deliver = Callable[..., Any]
Outcome = Callable[..., dict[str, Any]]
PutInvoices = Callable[..., None]
MakeTarget = Callable[..., TargetBasware]

NUMBERS = itertools.count()
MAPPING = str(Path(__file__).parents[2] / "mapping.yml")
FEW = settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
#: An order in which each of several messages comes at least once, some more often.
ORDERS = st.tuples(st.permutations([0, 1, 2]), st.lists(st.integers(0, 2), max_size=3)).flatmap(
    lambda both: st.permutations([*both[0], *both[1]])
)


def responses(sandbox: Sandbox, key: str = "i1") -> list[dict[str, Any]]:
    return list(sandbox.basware.document(key).get("transferResponses", []))


def posts(sandbox: Sandbox) -> int:
    made = sandbox.journal.requests(system="basware", method="POST")
    return sum(request.path.endswith("Responses") for request in made)


# -- transfer responses

VERSIONS = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]


@FEW
@given(order=ORDERS, versioned=st.booleans(), settled=st.booleans())
def test_outcomes_in_any_order_end_with_the_latest(
    sandbox: Sandbox,
    deliver: Deliver,
    outcome: Outcome,
    invoices: PutInvoices,
    *,
    order: Sequence[int],
    versioned: bool,
    settled: bool,
) -> None:
    """`settled`: whether Basware says at once what became of a response, or later."""
    sandbox.switches.basware.response_after_failure = True
    sandbox.switches.basware.settle_seconds = 0 if settled else 3600
    key = f"i{next(NUMBERS)}"
    invoices(key)
    outcomes = [
        outcome(
            key,
            success=number == 2,
            message=f"attempt {number}",
            sequence=number + 1,
            version=VERSIONS[number] if versioned else "v1",
        )
        for number in range(3)
    ]

    for number in order:
        deliver(outcomes[number])

    told = [response["responseMessage"] for response in responses(sandbox, key)]
    assert told == sorted(set(told))
    assert told[-1] == "attempt 2"
    assert sandbox.basware.document(key)["processingStatus"] == "Transferred"


def test_an_older_outcome_is_never_told_after_a_later_one(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    sandbox.switches.basware.response_after_failure = True
    invoices("i1")
    rejected = outcome(success=False, sequence=2, message="Vendor is on hold")
    older = outcome(sequence=1)
    deliver(rejected)
    for _ in range(2):
        run = deliver(older)
        assert run.status("i1") is Status.UNCHANGED
        assert run.reason("i1") == "a later outcome of the invoice was told already"
        assert run.entries["i1"].detail["sequence"] == 2
        assert run.entries["i1"].detail["success"] is False
    assert deliver(rejected).reason("i1") == "told already"
    assert posts(sandbox) == 1
    assert deliver(outcome(sequence=3)).status("i1") is Status.DELIVERED
    assert len(responses(sandbox)) == 2


def test_the_sequence_of_another_ledger_does_not_hide_a_newer_version(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    invoices("i1")
    deliver(outcome(success=False, sequence=900, version=VERSIONS[0]))
    version = sandbox.basware.retransfer("i1")["lastUpdated"]
    assert deliver(outcome(sequence=5, version=version)).status("i1") is Status.DELIVERED
    assert sandbox.basware.document("i1")["processingStatus"] == "Transferred"


def test_what_basware_still_processes_stays_accepted_when_an_older_outcome_comes(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    sandbox.switches.basware.settle_seconds = 3600
    invoices("i1", "i2")
    later = outcome(sequence=2)
    request = deliver(later).entries["i1"].request_id
    run = deliver(outcome(success=False, sequence=1))
    assert run.status("i1") is Status.ACCEPTED
    assert run.entries["i1"].request_id == request
    sandbox.clock.advance(3601)
    deliver(outcome("i2"))
    assert deliver(later).reason("i1") == "told already"
    assert posts(sandbox) == 2


def test_an_older_outcome_waits_for_a_later_one_that_did_not_get_through(
    sandbox: Sandbox, deliver: Deliver, outcome: Outcome, invoices: PutInvoices
) -> None:
    later = outcome(sequence=2)
    sandbox.switches.basware.response_after_failure = True
    run = deliver(later)  # Basware does not have the invoice
    assert run.status("i1") is Status.REJECTED
    invoices("i1")
    assert deliver(outcome(success=False, sequence=1)).status("i1") is Status.REJECTED
    assert posts(sandbox) == 0
    assert deliver(later).status("i1") is Status.DELIVERED


@pytest.mark.parametrize("ledger_lost", [True, False])
def test_another_wording_of_an_old_answer_is_not_given_to_a_new_transfer(
    sandbox: Sandbox,
    deliver: Deliver,
    outcome: Outcome,
    invoices: PutInvoices,
    tmp_path: Path,
    *,
    ledger_lost: bool,
) -> None:
    """It would count as the answer to what nobody has posted yet."""
    invoices("i1")
    deliver(outcome(success=False, message="Vendor is on hold"))
    sandbox.basware.retransfer("i1")
    again = outcome(sequence=9, status="unchanged", message="Already in usmf")
    settings = {"ledger_url": f"sqlite:///{tmp_path}/other.db"} if ledger_lost else {}

    run = deliver(again, **settings)

    assert run.status("i1") is Status.UNCHANGED
    assert "that transfer gets an answer of its own" in run.reason("i1")
    assert sandbox.basware.document("i1")["processingStatus"] == "WaitingForTransfer"
    version = sandbox.basware.document("i1")["lastUpdated"]
    deliver(outcome(sequence=10, version=str(version)), **settings)
    assert sandbox.basware.document("i1")["processingStatus"] == "Transferred"


# -- payment responses


def pay(target: TargetBasware, *payments: dict[str, Any]) -> dict[str, Entry]:
    schema = {
        "type": "SCHEMA",
        "stream": "vendor_payments",
        "schema": {"properties": {"data_area_id": {}, "settlement_id": {}}},
        "key_properties": ["data_area_id", "settlement_id"],
    }
    records = [{"type": "RECORD", "stream": "vendor_payments", "record": p} for p in payments]
    with redirect_stdout(io.StringIO()):
        target.listen(io.StringIO("".join(json.dumps(m) + "\n" for m in (schema, *records))))
    keys = [f"usmf/{p['settlement_id']}" for p in payments]
    return target.ledger.lookup("payment_responses", keys)


@FEW
@given(order=ORDERS, together=st.booleans(), taken_back=st.booleans(), lost=st.booleans())
def test_payments_in_any_order_end_with_the_latest_total(
    sandbox: Sandbox,
    make_target: MakeTarget,
    invoices: PutInvoices,
    tmp_path: Path,
    *,
    order: Sequence[int],
    together: bool,
    taken_back: bool,
    lost: bool,
) -> None:
    """`lost`: the ledger is lost in the end, and all is told again in order."""
    number = next(NUMBERS)
    invoices(f"i{number}", processingStatus="Transferred", grossSum="1160.00")
    third = part(3, 359.5, 1160.0)
    if taken_back:
        third = part(3, -500, 300.5, is_reversal=True, reversal_voucher="APPM000300")
    payments = [
        {**payment, "settlement_id": 10 * number + n, "document_id": f"i{number}"}
        | {"invoice_number": f"N{number}", "invoice_voucher": f"V{number}"}
        for n, payment in enumerate([part(1, 500, 500), part(2, 300.5, 800.5), third])
    ]

    def run(*some: dict[str, Any], ledger: str) -> dict[str, Entry]:
        target = make_target(ledger_url=f"sqlite:///{tmp_path}/{ledger}", mapping_file=MAPPING)
        return pay(target, *some)

    batches = [order] if together else [[n] for n in order]
    for batch in batches:
        run(*(payments[n] for n in batch), ledger=f"{number}.db")
    totals = [r["paidTotal"] for r in sandbox.basware.document(f"i{number}")["paymentResponses"]]
    assert totals[-1] == Decimal(str(third["paid_total"]))
    assert len(totals) == len(set(totals)) <= 3

    if lost:
        for _ in range(2):
            entries = run(*payments, ledger=f"{number}-new.db")
        assert {entry.status for entry in entries.values()} == {"unchanged"}
        held = sandbox.basware.document(f"i{number}")["paymentResponses"]
        assert held[-1]["paidTotal"] == Decimal(str(third["paid_total"]))
