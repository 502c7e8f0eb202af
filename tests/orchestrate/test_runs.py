"""Materializations for real: Dagster, the real `meltano run`, and the sandbox."""

from __future__ import annotations

from collections import Counter
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
from tests.pipelines.masters import Held

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


def failure(result: dg.ExecuteInProcessResult) -> str:
    [event] = [event for event in result.all_events if event.is_step_failure]
    return event.step_failure_data.error_display_string


def attempts(result: dg.ExecuteInProcessResult) -> int:
    return sum(event.is_step_start or event.is_step_restarted for event in result.all_events)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    """Whether each check passed, and its severity, by its name."""
    return {
        check.check_name: (check.passed, check.severity.value)
        for check in result.get_asset_check_evaluations()
    }


def test_one_legal_entity_fails_and_the_other_does_not_notice(
    sandbox: Sandbox, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = accounting_document(number="D-1")
    hole = accounting_document(number="D-2", rows=[coding_row(net="9.00", tax_code="US99")])
    lost = accounting_document(number="D-3", company="9999")
    german = accounting_document(number="D-4", company="2000")
    world = small_world(("usmf", "demf"))
    world.add(basware={"accountingDocuments": [good, hole, lost, german]})
    sandbox.load(world)
    sandbox.faults.add(Fault("basware", "status", path="Code=2000", status=403, times=-1))
    monkeypatch.setenv("TAP_BASWARE_MAX_ATTEMPTS", "1")

    failed = location.run("invoices", "demf")
    assert not failed.success
    assert "tap-basware: " in failure(failed)
    assert "403" in failure(failed)
    assert attempts(failed) == 1  # what a person has to put right is not repeated

    fine = location.run("invoices", "usmf")
    assert fine.success
    told = metadata(fine, INVOICES)
    assert (told["delivered"], told["rejected"], told["documents"]) == (1, 1, 2)
    sums = {row.data["status"]: row.data for row in told["sums"].records}
    assert sums["delivered"]["currency"] == good["currencyCode"]
    assert sums["delivered"]["gross"] == f"{good['grossSum']}"
    [refused] = told["rejected_documents"].records
    assert refused.data["number"] == "D-2"
    assert "US99" in refused.data["reason"]
    assert metadata(fine, CONFIRMATIONS)["delivered"] == 2

    sandbox.faults.clear()
    sandbox.faults.add(Fault("basware", "status", path="v1/accountingDocuments", status=503))
    healed = location.run("invoices", "unmapped")
    assert healed.success
    assert attempts(healed) == 3  # the first of two steps twice
    after = Holdings.of(sandbox)
    after.confirmed(good)
    assert "US99" in after.refusal(hole)
    assert "9999" in after.refusal(lost)
    assert after.documents[german["invoiceId"]]["processingStatus"] == "WaitingForTransfer"

    header, _ = after.invoice(good)
    kept = ("dataAreaId", "HeaderReference")
    [record] = sandbox.d365fo.find("VendorInvoiceHeaders", **{name: header[name] for name in kept})
    sandbox.d365fo.delete("VendorInvoiceHeaders", record)
    found = checks(location.run("reconcile"))
    assert found["reconciled_usmf"] == (False, "ERROR")  # it is in Dynamics no more
    assert found["reconciled_demf"] == (False, "WARN")  # it still waits
    assert found["reconciled_elsewhere"][0]
    assert found["nothing_open_usmf"][0]


def test_masters_of_one_legal_entity_leave_those_of_others_alone(
    sandbox: Sandbox, location: Location
) -> None:
    world = small_world(("usmf", "demf"))
    world.basware.clear()
    sandbox.load(world)
    sandbox.switches.update({"basware.settle_seconds": 0})
    shared = location.run("shared_masters", "", "basware/main_accounts", "basware/legal_entities")
    assert shared.success
    assert metadata(shared, "basware/main_accounts")["documents"] > 0
    before = Held.of(sandbox)
    assert not before["costCenters"]  # not asked for
    for entity in ("usmf", "demf"):
        assert location.run("masters", entity, "basware/payment_terms", "basware/vendors").success
    after = Held.of(sandbox)
    active = Counter(
        vendor["companies"][0]["companyCode"]
        for vendor in after["vendors"]
        if vendor["processingStatus"]["active"]
    )
    assert active["1000"] == active["2000"] > 0
    assert after["accounts"] == before["accounts"]
