from __future__ import annotations

from pathlib import Path

import pytest
from sandbox.server import Sandbox

from tests.live.office import Office


@pytest.fixture
def office(sandbox: Sandbox, tmp_path: Path) -> Office:
    """Both systems with invoices that wait, and no ledger yet."""
    return Office.open(sandbox, tmp_path)


@pytest.fixture
def settled(office: Office) -> Office:
    """The same after a clean flow: delivered, told, posted, paid in part, told."""
    office.deliver()
    vouchers = office.post_all()
    office.sandbox.d365fo.pay_invoice("usmf", vouchers["INV-1"], "50.05", date="2026-03-02")
    office.tell_payments()
    return office
