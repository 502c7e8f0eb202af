"""Whatever is lost between us and Dynamics, each invoice is there once, and whole."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.errors import AccessDenied, DeliveryError, SetupError, Unavailable

from tests.target_d365fo.conftest import Dynamics, messages


def documents(count: int = 6) -> list[dict[str, Any]]:
    rows = [coding_row(net="60.00"), coding_row(net="40.00")]
    return [accounting_document(number=f"INV-{n}", rows=rows) for n in range(count)]


def assert_all_there_once(dynamics: Dynamics, offered: list[dict[str, Any]]) -> None:
    numbers = sorted(header["InvoiceNumber"] for header in dynamics.headers())
    assert numbers == sorted(document["invoiceNumber"] for document in offered)
    assert len(dynamics.lines()) == 2 * len(offered)
    assert {dynamics.status(document) for document in offered} <= {"delivered", "unchanged"}


#: The read of pending invoices: first in the survey of a batch, then when reading back.
LOOKUP = r"VendorInvoiceHeaders\?.*filter"
FAULTS = [
    {"kind": "reset_before", "path": "batch", "times": 2},
    {"kind": "reset_after", "path": "batch", "times": 2},
    {"kind": "reset_after", "path": "batch", "skip": 5},
    {"kind": "status", "path": "batch", "status": 429, "headers": {"Retry-After": "0"}, "times": 3},
    {"kind": "status", "path": "batch", "status": 503, "headers": {"Retry-After": "0"}, "times": 3},
    {"kind": "status", "path": "batch", "status": 503, "times": 2},
    {"kind": "status", "path": "batch", "status": 500, "times": 2},
    {"kind": "status", "path": "batch", "status": 502, "body": "<html>Bad gateway</html>"},
    {"kind": "status", "path": "VendorInvoice", "method": "GET", "status": 500, "times": 2},
    {"kind": "reset_before", "method": "GET", "times": 2},
    {"kind": "batch_part", "status": 429, "times": 3},
    {"kind": "batch_part", "status": 503, "times": 2},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: "-".join(map(str, fault.values())))
@pytest.mark.parametrize("mode", ["derived", "together", "number_sequence"])
def test_a_fault_costs_nothing(dynamics: Dynamics, fault: dict[str, Any], mode: str) -> None:
    settings: dict[str, Any] = {"header_reference": mode}
    if mode == "together":
        settings = {"min_invoices_per_request": 4, "max_connections": 1}
    if mode == "number_sequence":
        fault = {**fault, "path": str(fault.get("path", "")).replace("batch", "VendorInvoice")}
        fault |= {"method": "POST"} if "GET" not in fault.values() else {}
    dynamics.fault(**fault)

    state = dynamics.deliver(*documents(), **settings, max_sends=10)

    assert "done" in state
    assert_all_there_once(dynamics, documents())


@pytest.mark.parametrize("nth", range(1, 14))
@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_the_nth_request_is_lost(dynamics: Dynamics, kind: str, nth: int) -> None:
    """One invoice, written one by one: header and two lines, with the clean-up of a lost one."""
    dynamics.fault(kind, skip=nth - 1)
    offered = documents(1)

    dynamics.deliver(*offered, header_reference="number_sequence", max_sends=5)

    assert_all_there_once(dynamics, offered)


def test_a_revoked_token_is_renewed_once(dynamics: Dynamics) -> None:
    dynamics.deliver(*documents(3))
    target = dynamics.target()
    assert target.check_connection()
    dynamics.sandbox.d365fo.revoke_tokens()

    assert target.check_connection()


def test_a_replacement_whose_answer_is_lost_is_judged_by_its_content(dynamics: Dynamics) -> None:
    """Both versions have the same number: only the content tells which one is there."""
    old = documents(1)[0]
    new = accounting_document(
        number="INV-0",
        invoice_id=old["invoiceId"],
        rows=[coding_row(net="60.00", cost_center="CC-02"), coding_row(net="40.00")],
    )
    for kind in ("reset_before", "reset_after"):
        dynamics.deliver(old)
        dynamics.fault(kind, path="batch")

        dynamics.deliver(new)

        assert_all_there_once(dynamics, [new])
        assert "02" in dynamics.lines()[0]["MainAccountDisplayValue"]
        assert dynamics.status(new) == "delivered"


def test_an_outage_stops_the_run_and_holds_the_state_back(dynamics: Dynamics) -> None:
    dynamics.fault("status", path="batch", status=503, headers={"Retry-After": "1"}, times=-1)

    error = dynamics.deliver(*documents(), expect=Unavailable, max_throttle_wait_seconds=0)

    assert "503" in error
    assert dynamics.headers() == []
    dynamics.sandbox.faults.clear()
    dynamics.deliver(*documents())
    assert_all_there_once(dynamics, documents())


def test_answers_that_stay_lost_end_in_an_error_and_the_next_run_settles(
    dynamics: Dynamics,
) -> None:
    dynamics.fault("reset_after", path="batch", times=-1)
    dynamics.fault("status", method="GET", path=LOOKUP, skip=1, status=500, times=-1)

    error = dynamics.deliver(*documents(1), expect=DeliveryError, max_attempts=1)

    assert "STATE was held back" in error
    assert dynamics.status(documents(1)[0]) == "in_doubt"
    dynamics.sandbox.faults.clear()
    dynamics.deliver(stream="vendor_invoices")
    assert_all_there_once(dynamics, documents(1))


def test_a_half_invoice_of_a_killed_run_is_removed_and_delivered(dynamics: Dynamics) -> None:
    """The process dies between header and lines."""
    offered = documents(1)
    dynamics.fault("reset_after", method="POST", path="VendorInvoiceLines", skip=1)
    dynamics.fault("status", method="DELETE", status=500, times=-1)
    dynamics.fault("status", method="GET", path=LOOKUP, skip=1, status=500, times=-1)
    dynamics.deliver(
        *offered, header_reference="number_sequence", expect=DeliveryError, max_attempts=1
    )
    assert len(dynamics.headers()) == 1
    dynamics.sandbox.faults.clear()

    dynamics.deliver(*offered, header_reference="number_sequence")

    assert_all_there_once(dynamics, offered)


@pytest.mark.parametrize("mode", ["derived", "number_sequence"])
def test_a_killed_process_leaves_nothing_twice(
    dynamics: Dynamics, mode: str, tmp_path: Path
) -> None:
    offered = documents(8)
    config = tmp_path / "config.json"
    config.write_text(json.dumps(dynamics.config(header_reference=mode, max_connections=2)))
    dynamics.sandbox.switches.d365fo.write_seconds = 0.03
    process = subprocess.Popen(
        [sys.executable, "-m", "target_d365fo.target", "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(messages("accounting_documents", offered, ["invoiceId"]).encode())
    process.stdin.close()
    while len(dynamics.headers()) < 2 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()
    assert 0 < len(dynamics.headers()) < 8
    dynamics.sandbox.switches.d365fo.write_seconds = 0

    dynamics.deliver(*offered, header_reference=mode)

    assert_all_there_once(dynamics, offered)


class TestNumberSequence:
    """Where Dynamics numbers the headers, a failed invoice is removed again."""

    def test_a_refused_line_leaves_no_header(self, dynamics: Dynamics) -> None:
        document = accounting_document(
            rows=[coding_row(net="60.00"), coding_row(net="40.00", account="000000")]
        )

        dynamics.deliver(document, header_reference="number_sequence")

        assert dynamics.headers() == dynamics.lines() == []
        assert "'000000'" in dynamics.reason(document)

    def test_dynamics_numbers_the_header(self, dynamics: Dynamics) -> None:
        [document] = documents(1)

        dynamics.deliver(document, header_reference="number_sequence")

        [header] = dynamics.headers()
        assert not header["HeaderReference"].startswith("BW")
        assert dynamics.entry(document).remote_key == header["HeaderReference"]
        assert dynamics.requests("$batch") == []


def test_forbidden_manual_numbers_name_the_setting(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.manual_header_reference = False

    error = dynamics.deliver(*documents(), expect=SetupError)

    assert "set header_reference to number_sequence" in error
    assert {dynamics.status(document) for document in documents()} == {"not_sent"}


def test_an_unregistered_application_is_told_what_to_do(dynamics: Dynamics) -> None:
    error = dynamics.deliver(
        *documents(1), expect=AccessDenied, client_id="99999999-8888-7777-6666-000000000000"
    )

    assert "Microsoft Entra ID applications" in error
