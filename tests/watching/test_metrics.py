"""`singer-delivery metrics`: the ledger's figures as Prometheus reads them."""

from __future__ import annotations

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import requests
from prometheus_client.parser import text_string_to_metric_families
from singer_delivery.document import Outcome, Status

from tests.operator.office import REJECTED, SYSTEM, Office, environment, invoice

FLOW = {"system": SYSTEM, "stream": "vendor_invoices", "entity": "usmf"}
RUN = {"system": SYSTEM, "plugin": "target-test"}


def figures(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (
            sample.name.removeprefix("singer_delivery_"),
            frozenset(sample.labels.items()),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(*parts: dict[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for part in parts for pair in part.items())


def test_documents_and_runs(any_office: Office) -> None:
    before = time.time()
    any_office.deliver([invoice("1"), invoice("2", entity="USMF")])
    any_office.deliver([invoice("3")], REJECTED)
    any_office.deliver([invoice("4")], Outcome(Status.STUCK, "gone"))
    any_office.at_work([invoice("5")]).close()
    found = figures(any_office.run("metrics").output)

    assert found["up", frozenset()] == 1
    for status, number in (("delivered", 2), ("rejected", 1), ("stuck", 1), ("intended", 1)):
        assert found["documents", labels(FLOW, {"status": status})] == number
    assert found["last_delivered_timestamp_seconds", labels(FLOW)] >= before - 1
    waiting = {name for name, _ in found if name == "oldest_waiting_timestamp_seconds"}
    assert waiting
    assert ("oldest_waiting_timestamp_seconds", labels(FLOW, {"status": "rejected"})) not in found
    assert found["last_run_success", labels(RUN)] == 1
    assert found["runs_at_work", labels(RUN)] == 1
    assert found["runs_died", labels(RUN)] == 0
    assert found["last_success_timestamp_seconds", labels(RUN)] >= before - 1


def test_a_file_is_written_whole_and_others_may_read_it(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "deliveries.prom"
    office.deliver([invoice("1")])
    office.run("metrics", "--output", str(file))
    first = figures(file.read_text())
    office.run("metrics", "--output", str(file))
    assert figures(file.read_text()).keys() == first.keys()
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert sorted(tmp_path.glob(".*")) == []
    assert "cannot be written" in office.refused("metrics", "--output", "/no/such/folder/x.prom")


def test_no_bank_account_and_no_reason_is_in_it(office: Office) -> None:
    office.deliver([invoice("1")], REJECTED)
    said = office.run("metrics").output
    assert "not known" not in said
    assert "FI21" not in said


def test_prometheus_asks_again_and_again(office: Office) -> None:
    process = subprocess.Popen(
        [Path(sys.executable).with_name("singer-delivery"), "metrics", "--listen", "0"],
        env=environment(office.url),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        url = process.stderr.readline().strip()
        name = "documents", labels(FLOW, {"status": "delivered"})
        assert name not in scraped(url)
        office.deliver([invoice("1")])
        assert scraped(url)[name] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.communicate()


def scraped(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return figures(requests.get(url, timeout=10).text)
