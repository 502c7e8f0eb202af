"""A ledger that fails at any one moment: no invoice is lost, half written or there twice."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.errors import LedgerError

from tests.singer_delivery.failing_ledger import bury, refusals, refused
from tests.target_d365fo.conftest import Dynamics

WAYS: dict[str, dict[str, Any]] = {
    "batch": {"max_invoices_per_request": 2, "min_invoices_per_request": 2},
    "package": {
        "load_method": "package",
        "package_poll_seconds": 0.01,
        "package_start_limit_seconds": 0,
    },
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("lasting", [False, True])
def test_nothing_is_lost_half_written_or_there_twice(
    dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch, way: str, lasting: bool
) -> None:
    offered: list[dict[str, Any]] = []
    for refusal in refusals(lasting=lasting):
        dynamics.forget()
        rows = [coding_row(net="60.00"), coding_row(net="40.00")]
        now = [accounting_document(number=f"{refusal.at}-{n}", rows=rows) for n in range(3)]
        offered += now
        with refused(refusal, monkeypatch):
            try:
                state = dynamics.deliver(*now, **WAYS[way])
            except LedgerError:
                state = dynamics.printed.readouterr().out
        if "done" in state:
            assert {dynamics.status(document) for document in now} == {"delivered"}
        else:
            assert refusal.happened
        bury(dynamics.ledger_file)
        dynamics.close()
        dynamics.deliver(*now, **WAYS[way])
    numbers = sorted(row["InvoiceNumber"] for row in dynamics.headers())
    assert numbers == sorted(document["invoiceNumber"] for document in offered)
    assert len(dynamics.lines()) == 2 * len(offered)
    assert refusal.at > 10
