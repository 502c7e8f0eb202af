"""Materializations for real: Dagster, the real `meltano run`, and the sandbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pytest
from sandbox.faults import Fault
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox

from tests.orchestrate.conftest import Location
from tests.pipelines.holdings import Holdings

INVOICES, CONFIRMATIONS = "dynamics/vendor_invoices", "basware/transfer_confirmations"


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, Any]:
    key = dg.AssetKey(["acme", *asset.split("/")])
    [event] = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization
        and event.step_materialization_data.materialization.asset_key == key
    ]
    return {name: value.value for name, value in event.metadata.items()}


def failure(result: dg.ExecuteInProcessResult) -> dg.StepFailureData:
    [event] = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data


def attempts(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.is_step_start or event.is_step_restarted for event in result.all_events)


def test_one_legal_entity_fails_and_the_other_does_not_notice(
    sandbox: Sandbox, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = accounting_document(number="D-1")
    hole = accounting_document(number="D-2", rows=[coding_row(net="9.00", tax_code="US99")])
    lost = accounting_document(number="D-3", company="9999")
    german = accounting_document(number="D-4", company="2000")
    british = accounting_document(number="D-5", company="3000")
    world = small_world(("usmf", "demf", "gbsi"))
    documents = [good, hole, lost, german, british]
    world.add(basware={"accountingDocuments": documents})
    sandbox.load(world)
    sandbox.faults.add(Fault("basware", "status", path="Code=2000", status=403, times=-1))
    sandbox.faults.add(Fault("basware", "status", path="Code=3000", status=503))
    monkeypatch.setenv("TAP_BASWARE_MAX_ATTEMPTS", "1")

    failed = location.run("invoices", "demf")
    assert not failed.success
    assert "tap-basware: " in failure(failed).error_display_string
    assert "403" in failure(failed).error_display_string
    assert attempts(failed) == 1  # what a person has to put right is not repeated

    fine = location.run("invoices", "usmf")
    assert fine.success
    told = metadata(fine, INVOICES)
    assert (told["delivered"], told["rejected"], told["documents"]) == (1, 1, 2)
    sums = {row.data["status"]: row.data for row in told["sums"].records}
    assert sums["delivered"]["currency"] == good["currencyCode"]
    assert sums["delivered"]["gross"] == str(good["grossSum"])
    [refused] = told["rejected_documents"].records
    assert refused.data["number"] == "D-2"
    assert "US99" in refused.data["reason"]
    assert metadata(fine, CONFIRMATIONS)["delivered"] == 2

    healed = location.run("invoices", "gbsi", INVOICES)
    assert healed.success
    assert attempts(healed) == 2

    assert location.run("invoices", "unmapped").success
    after = Holdings.of(sandbox)
    after.confirmed(good)
    assert "US99" in after.refusal(hole)
    assert "9999" in after.refusal(lost)
    after.invoice(british)
    assert after.documents[german["invoiceId"]]["processingStatus"] == "WaitingForTransfer"
