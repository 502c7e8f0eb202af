"""What `singer-delivery doctor` says of subscriptions and receiver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sandbox.server import Sandbox
from singer_delivery.errors import SetupError
from singer_delivery.examination import Finding, Verdict
from singer_delivery.operator.cli import main as operator
from tap_basware.webhook.cli import main
from tap_basware.webhook.doctor import examine

from tests.webhook.receiving import SECRET, served


@pytest.fixture
def settings(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BASWARE_WEBHOOK_SECRET", "vault:hook")


def found() -> dict[str, Finding]:
    return {each.about: each for each in examine({})}


def test_nothing_is_said_of_a_webhook_that_nobody_set_up(settings: None) -> None:
    assert found() == {}


def test_subscriptions_and_the_receiver_are_looked_at(
    settings: None,
    sandbox: Sandbox,
    tmp_path: Path,
    vault: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with served(sandbox, tmp_path, secret="vault:hook") as server:
        monkeypatch.setenv("BASWARE_WEBHOOK_URL", server.url)
        monkeypatch.setenv("BASWARE_WEBHOOK_INBOX_URL", server.inbox_url)
        finding = found()["subscriptions"]
        assert finding.verdict is Verdict.WARNING
        assert "AccountingDocuments/WaitingForTransfer: not subscribed yet" in finding.says
        assert "receiver" not in found()
        assert CliRunner().invoke(main, ["subscribe"]).exit_code == 0
        assert {each.verdict for each in found().values()} == {Verdict.FINE}
        sandbox.switches.set("basware.granted_scopes", "accountingDocuments.read")
        assert "subscriptions.read" in found()["subscriptions"].remedy
        sandbox.switches.set("basware.granted_scopes", "")
    finding = found()["receiver"]
    assert finding.verdict is Verdict.WARNING
    assert "does not answer a signed connection test from here" in finding.says
    assert SECRET not in str(found())


def test_no_inbox_is_made_by_looking(
    settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASWARE_WEBHOOK_URL", "https://hooks.example.com/basware")
    assert found()["subscriptions"].verdict is Verdict.WARNING
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_asks_it_too(
    settings: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BASWARE_WEBHOOK_URL", "http://hooks.example.com/basware")
    with pytest.raises(SetupError, match="https"):
        found()
    result = CliRunner().invoke(operator, ["doctor", "--format", "json"])
    [finding] = json.loads(result.stdout)["Webhook"]
    assert (finding["about"], finding["verdict"]) == ("settings", "unknown")
    monkeypatch.delenv("BASWARE_WEBHOOK_URL")
    result = CliRunner().invoke(operator, ["doctor"])
    assert "Webhook" not in result.output
