from __future__ import annotations

from dagster import AssetCheckSeverity
from orchestrate.checks import reconciliation, standing
from orchestrate.figures import Named


def difference(kind: str) -> dict[str, str]:
    return {"type": "difference", "kind": kind, "legal_entity": "usmf", "words": f"it is {kind}"}


def stands(status: str) -> Named:
    return Named("vendor_invoices", "usmf", "US-0001", "A-1", status, "why")


def test_agreement_passes() -> None:
    assert reconciliation([], [], []).passed


def test_what_passes_by_itself_is_a_warning_and_anything_else_an_error() -> None:
    waiting = reconciliation([], [difference("waiting")], [])
    assert (waiting.passed, waiting.severity) == (False, AssetCheckSeverity.WARN)
    missing = reconciliation([], [difference("waiting"), difference("missing")], [])
    assert (missing.passed, missing.severity) == (False, AssetCheckSeverity.ERROR)
    assert "it is missing" in (missing.description or "")


def test_what_is_stuck_is_an_error() -> None:
    assert standing([]).passed
    doubt, stuck = standing([stands("in_doubt")]), standing([stands("in_doubt"), stands("stuck")])
    assert (doubt.passed, doubt.severity) == (False, AssetCheckSeverity.WARN)
    assert (stuck.passed, stuck.severity) == (False, AssetCheckSeverity.ERROR)
    assert stuck.metadata["stuck"].value == 1
