"""The served sandbox as a whole: origins, journal, switches, control origin, command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result
from sandbox.cli import main
from sandbox.clock import Clock
from sandbox.faults import Fault
from sandbox.server import ORIGINS, Sandbox

USER = ("basware-user", "basware-password")


def get(sandbox: Sandbox, url: str, **options: Any) -> requests.Response:
    return requests.get(url, verify=str(sandbox.ca_file), timeout=10, **options)


def test_every_origin_is_served_under_the_throw_away_ca(sandbox: Sandbox) -> None:
    for origin in ORIGINS:
        by_name = sandbox.url(origin) + "/nothing"
        for url in (by_name, by_name.replace("localhost", "127.0.0.1")):
            assert get(sandbox, url).status_code < 500
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(sandbox.basware_url, verify=True, timeout=5)


def test_the_journal_keeps_exchanges_without_credentials(sandbox: Sandbox) -> None:
    get(sandbox, f"{sandbox.basware_url}/v1/vendors?pageSize=3", auth=USER)
    [exchange] = sandbox.journal.requests("basware", "GET", "/vendors")
    assert (exchange.status, exchange.query) == (404, {"pageSize": "3"})
    assert exchange.headers["authorization"] == "Basic"
    assert exchange.response_headers["x-amzn-requestid"]
    sandbox.journal.clear()
    assert len(sandbox.journal) == 0


def test_reset_makes_it_as_new_on_the_same_ports(sandbox: Sandbox) -> None:
    url = sandbox.basware_url
    company = {"companyCode": "1", "name": "One", "active": True}
    sandbox.basware.load({"companies": [company]})
    sandbox.switches.set("basware.redirect", "off")
    sandbox.clock.advance(1000)
    sandbox.reset()
    assert sandbox.basware_url == url
    assert sandbox.basware.records("companies") == []
    assert sandbox.switches.basware.redirect is True
    assert abs((sandbox.clock.now() - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize(
    ("name", "value"), [("basware.redirect", "maybe"), ("basware.colour", 1), ("sap.redirect", 1)]
)
def test_a_switch_takes_what_it_is_made_for(sandbox: Sandbox, name: str, value: object) -> None:
    before = sandbox.switches.as_dict()
    with pytest.raises(ValueError, match="switch"):
        sandbox.switches.update({"basware.token_lifetime": 300, name: value})
    assert sandbox.switches.as_dict() == before


def test_the_clock_never_shows_the_same_moment_twice() -> None:
    clock = Clock(datetime(2026, 3, 1, tzinfo=UTC))
    moments = [clock.now() for _ in range(1000)]
    assert moments[0].isoformat() == "2026-03-01T00:00:00+00:00"
    assert all(early < late for early, late in pairwise(moments))
    clock.advance(60)
    assert (clock.now() - moments[-1]).total_seconds() >= 60


@pytest.fixture
def run(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line, pointed at the sandbox of the test."""
    for name, text in sandbox.environment().items():
        monkeypatch.setenv(name, text)

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, list(arguments))

    return invoke


def test_seed_and_inspect(sandbox: Sandbox, run: Any) -> None:
    assert run("seed", "demo").exit_code == 0
    shown = run("inspect").output
    assert "Basware: 212 invoices" in shown
    assert "WaitingForTransfer 200" in shown
    assert "VendorsV3" in shown
    held = json.loads(run("inspect", "basware", "--json").output)
    assert held["by_status"]["WaitingForTransfer"] == 200
    assert len(held["accountingDocuments"]) == len(sandbox.basware.documents())
    assert json.loads(run("inspect", "d365fo", "--json").output)["rows"]["VendorsV3"] == 300


def test_faults_and_switches(sandbox: Sandbox, run: Any) -> None:
    added = run(
        "fault", "add", "basware", "status", "--status", "503", "--header", "Retry-After: 2"
    )
    assert "status=503" in added.output
    url = f"{sandbox.basware_url}/v1/vendors"
    assert get(sandbox, url).headers["Retry-After"] == "2"
    assert run("fault", "add", "basware", "latency", "--seconds", "0.5").exit_code == 0
    assert "seconds=0.5" in run("fault", "list").output
    assert run("fault", "clear").exit_code == 0
    assert "no fault" in run("fault", "list").output

    assert run("switch", "basware.redirect=false").output == "basware.redirect=False\n"
    assert sandbox.switches.basware.redirect is False
    assert "basware.settle_seconds=0.0" in run("switch").output
    wrong = run("switch", "basware.colour=red")
    assert (wrong.exit_code, wrong.output) == (1, "Error: no switch 'basware.colour'\n")


def test_requests_and_actions(sandbox: Sandbox, run: Any) -> None:
    get(sandbox, f"{sandbox.basware_url}/v1/vendors?pageSize=3", auth=USER)
    assert "404 GET    /v1/vendors?pageSize=3" in run("requests", "--system", "basware").output
    document = {
        "invoiceId": "inv-1",
        "companyCode": "1",
        "supplierCode": "1",
        "currencyCode": "EUR",
        "processingStatus": "TransferFailed",
    }
    sandbox.basware.load({"accountingDocuments": [document]})
    assert run("act", "retransfer", "invoice_id=inv-1", "invoiceNumber=77").exit_code == 0
    again = sandbox.basware.document("inv-1")
    assert (again["processingStatus"], again["invoiceNumber"]) == ("WaitingForTransfer", "77")
    assert run("act", "post_invoice", "data_area_id=usmf", "header_reference=X").exit_code == 1
    assert "no action 'fly'" in run("act", "fly").output


def test_without_a_served_sandbox_the_remedy_is_named(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SANDBOX_CONTROL_URL", raising=False)
    absent = CliRunner().invoke(main, ["inspect"])
    assert absent.exit_code == 1
    assert "sandbox serve" in absent.output
    monkeypatch.setenv("SANDBOX_CONTROL_URL", "https://localhost:1")
    monkeypatch.setenv("SANDBOX_CA_FILE", str(sandbox.ca_file))
    gone = CliRunner().invoke(main, ["inspect"])
    assert gone.exit_code == 1
    assert "sandbox serve" in gone.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_announces_itself_and_stops_cleanly(tmp_path: Path, number: int) -> None:
    command = [sys.executable, "-c", "from sandbox.cli import main; main()", "serve"]
    with subprocess.Popen(
        [*command, "--world", "empty", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as server:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        announced = [next(lines) for _ in range(len(ORIGINS) + 3)]
        settings = dict(
            line.partition("=")[::2] for line in (tmp_path / "env").read_text().splitlines()
        )
        base = settings["TAP_BASWARE_BASE_URL"]
        ca_file = settings["TARGET_BASWARE_CA_FILE"]
        answer = requests.get(f"{base}/v1/vendors", verify=ca_file, timeout=5)
        server.send_signal(number)  # before anything can fail: what still runs is waited for
        assert server.wait(timeout=10) == 0
        assert answer.status_code == 401
        assert f"basware  {base}\n" in announced
        assert settings["TARGET_D365FO_CLIENT_SECRET"] == "plain:entra-secret"
        assert next(lines) == "stopped\n"
    assert not (tmp_path / "env").exists()


def test_a_taken_port_is_named(sandbox: Sandbox, tmp_path: Path) -> None:
    taken = sandbox.basware_url.rpartition(":")[2]
    result = CliRunner().invoke(main, ["serve", "--port-base", taken, "--dir", str(tmp_path)])
    assert result.exit_code == 1
    assert f"ports {taken}" in result.output


def test_finish_waits_for_what_a_client_that_is_gone_had_sent(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("basware", "latency", seconds=0.5))
    with pytest.raises(requests.ReadTimeout):
        requests.get(
            f"{sandbox.basware_url}/v1/vendors", verify=str(sandbox.ca_file), timeout=(5, 0.1)
        )
    assert len(sandbox.journal) == 0

    answer = requests.post(f"{sandbox.control_url}/finish", verify=str(sandbox.ca_file), timeout=10)

    assert answer.status_code == 204
    assert len(sandbox.journal) == 1
