"""`singer-delivery watch`, as a scheduler calls it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
import trustme
from click.testing import Result
from sandbox.server import Sandbox
from singer_delivery.database import open_database
from singer_delivery.document import Outcome, Status
from singer_delivery.operator.access import Desk
from singer_delivery.operator.watch_command import Post
from singer_delivery.secrets.keys import KeyFile
from singer_delivery.secrets.vault import VAULT_VARIABLE, Vault, editing
from singer_delivery.watching.limits import Limits
from singer_delivery.watching.settings import SETTINGS
from tap_basware.inbox import Inbox

from tests.operator.office import Office, environment, invoice
from tests.singer_delivery.web import Answer, ScriptedServer

STUCK = Outcome(Status.STUCK, "its answers were lost")
LATER = date.today() + timedelta(days=20)


class Watched:
    """An installation that tells a web server."""

    def __init__(self, office: Office, receiver: ScriptedServer) -> None:
        self.office, self.receiver = office, receiver
        self.env = {"SINGER_DELIVERY_ALERT_WEBHOOK": f"{receiver.url}/hook"}

    def look(self, *options: str, code: int = 0, **env: str) -> Result:
        return self.office.run("watch", *options, code=code, **{**self.env, **env})

    @property
    def heard(self) -> list[tuple[str, str]]:
        """Event and subject of all that was told."""
        bodies = [json.loads(seen.body) for seen in self.receiver.writes]
        return [(body["event"], f"{body['kind']}:{body['subject']}") for body in bodies]


@pytest.fixture
def watched(office: Office, receiver: ScriptedServer) -> Watched:
    return Watched(office, receiver)


def test_told_once_more_when_there_are_more_and_when_it_has_ended(watched: Watched) -> None:
    assert watched.look().output == "nothing is wrong\n"
    watched.office.deliver([invoice("1")], STUCK)
    said = watched.look(code=2).output
    assert "CRITICAL  stuck:vendor_invoices: 1 document of vendor_invoices gave up" in said
    assert "usmf INV-1: its answers were lost" in said
    watched.look(code=2)
    watched.office.deliver([invoice("2")], STUCK)
    watched.look(code=2)
    for number in ("1", "2"):
        watched.office.run("release", f"INV-{number}")
    watched.look()
    watched.look()

    events = [event for event, _ in watched.heard]
    assert events == ["raised", "changed", "resolved"]


def test_what_a_hook_did_not_take_is_told_again_and_others_hear_it(
    watched: Watched, tmp_path: Path
) -> None:
    file = tmp_path / "heard"
    script = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    command = json.dumps([sys.executable, "-c", script, str(file)])
    watched.office.deliver([invoice("1")], STUCK)
    watched.receiver.play(Answer(500))
    both = {"SINGER_DELIVERY_ALERT_COMMAND": command}
    watched.look(code=2, **both)
    assert len(file.read_text().splitlines()) == 1
    watched.look(code=2, **both)
    watched.look(code=2, **both)
    assert len(watched.heard) == 2  # refused, then taken
    assert len(file.read_text().splitlines()) == 1


def test_a_hook_that_failed_is_no_success(watched: Watched) -> None:
    ending = ("--silence", "demf=1")  # a warning, of a legal entity that never had anything
    age_of_runs(watched.office, days=2)
    watched.look(*ending, "--success-hours", "0", code=1)
    watched.env["SINGER_DELIVERY_ALERT_COMMAND"] = "false"
    said = watched.look(*ending, "--success-hours", "0", code=3)
    assert "WARNING  silence:vendor_invoices/demf" in said.output
    watched.look(*ending, "--success-hours", "0", code=3)
    assert len(watched.heard) == 1


def test_reminders(watched: Watched) -> None:
    watched.office.deliver([invoice("1")], STUCK)
    watched.look(code=2)
    age(watched.office, hours=25)
    watched.look("--remind-hours", "0", code=2)
    watched.look(code=2)
    assert [event for event, _ in watched.heard] == ["raised", "reminder"]


def age(office: Office, *, hours: int) -> None:
    """Make all that was told older."""
    moment = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    _write(office, "UPDATE told SET told_at = :at", at=moment)


def age_of_runs(office: Office, *, days: int) -> None:
    """Make all runs older."""
    moment = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    _write(office, "UPDATE runs SET started_at = :at, ended_at = :at", at=moment)


def _write(office: Office, statement: str, **values: str) -> None:
    engine = open_database(office.url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement), values)
    engine.dispose()


def test_muted_alerts(watched: Watched) -> None:
    watched.office.deliver([invoice("1")], STUCK)
    assert watched.look("--muted-alerts", "stuck:vendor_invoices silence").output == (
        "nothing is wrong\n"
    )
    assert watched.heard == []


def test_the_form_for_machines(watched: Watched) -> None:
    watched.office.deliver([invoice("1")], STUCK)
    done = watched.look("--format", "json", "--no-exit-code")
    [alert] = map(json.loads, done.stdout.splitlines())
    assert (alert["kind"], alert["severity"], alert["count"]) == ("stuck", "critical", 1)
    watched.look(SINGER_DELIVERY_NO_EXIT_CODE="true")


def test_the_ledger_of_postgresql_remembers_too(
    postgres_office: Office, receiver: ScriptedServer
) -> None:
    watched = Watched(postgres_office, receiver)
    postgres_office.deliver([invoice("1")], STUCK)
    watched.look(code=2)
    watched.look(code=2)
    assert watched.heard == [("raised", "stuck:vendor_invoices")]


# What cannot be seen


def test_a_ledger_that_is_away_is_told_and_ends_nothing(watched: Watched, tmp_path: Path) -> None:
    watched.office.deliver([invoice("1")], STUCK)
    watched.look(code=2)
    ledger = tmp_path / "ledger.db"
    ledger.rename(tmp_path / "away.db")
    assert "there is no ledger" in watched.look(code=3).output
    (tmp_path / "away.db").rename(ledger)
    watched.look(code=2)
    assert watched.heard == [("raised", "stuck:vendor_invoices"), ("raised", "blind:the ledger")]


def test_settings_that_cannot_be(watched: Watched) -> None:
    def said(**env: str) -> str:
        names = {f"SINGER_DELIVERY_{name.upper()}": value for name, value in env.items()}
        return watched.look(code=3, **names).stderr

    assert "silence: 'often' is not like" in said(silence="often")
    assert "alert_mail_from and alert_mail_to must be set" in said(alert_smtp="smtp://localhost")
    assert "alert_command is no command" in said(alert_command="[1]")
    assert "not encrypted" in said(alert_webhook="http://hooks.example/T0/very-secret-path")
    assert "very-secret" not in said(alert_webhook="http://hooks.example/T0/very-secret-path")


# Credentials


@pytest.fixture
def vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "secrets.vault"
    monkeypatch.setenv(VAULT_VARIABLE, str(path))
    Vault.create(path, KeyFile.create(tmp_path / "a.key"))
    return path


def test_secrets_and_certificates_in_the_vault(watched: Watched, vault: Path) -> None:
    soon = datetime.now(UTC) + timedelta(days=3)
    certificate = trustme.CA().issue_cert("ap.example", not_after=soon)
    with editing(vault) as opened:
        opened.set("basware", "s3cret-value", LATER)
        opened.set("dynamics", "s3cret-value", LATER + timedelta(days=300))
        opened.set("cert", certificate.private_key_and_cert_chain_pem.bytes().decode())
    said = watched.look(code=2).output
    assert f"WARNING  expiry:secret basware: secret basware expires on {LATER}" in said
    assert f"CRITICAL  expiry:secret cert: secret cert expires on {soon:%Y-%m-%d}" in said
    assert "dynamics" not in said
    assert "s3cret" not in said
    with editing(vault) as opened:
        opened.delete("cert")
        opened.set("basware", "a-new-value")
    watched.look()
    assert [event for event, _ in watched.heard] == ["raised", "raised", "resolved", "resolved"]


def test_a_vault_that_cannot_be_opened_ends_nothing(
    watched: Watched, vault: Path, tmp_path: Path
) -> None:
    with editing(vault) as opened:
        opened.set("basware", "s3cret-value", LATER)
    watched.look(code=1)
    (tmp_path / "a.key").rename(tmp_path / "b.key")
    assert "the vault cannot be looked at" in watched.look(code=3).output
    assert [event for event, _ in watched.heard] == ["raised", "raised"]


# Live systems


def test_a_dropped_subscription(
    watched: Watched, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    config = {"url": "https://hooks.example/b", "inbox_url": f"sqlite:///{tmp_path}/inbox.db"}
    file = tmp_path / "webhook.json"
    file.write_text(json.dumps(config))
    given = ("--watch-live", "basware-webhook", "--config", f"basware-webhook={file}")
    said = watched.look(*given, code=1).output
    assert "subscription:AccountingDocuments/WaitingForTransfer" in said
    assert "was never made" in said

    inbox = Inbox.open(config["inbox_url"])
    inbox.remember_subscription("AccountingDocuments", "WaitingForTransfer")
    inbox.close()
    assert "was dropped by Basware (made on " in watched.look(*given, code=1).output


def test_a_certificate_of_the_application(
    watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = datetime.now(UTC) + timedelta(days=10)
    pem = trustme.CA().issue_cert("ap.example", not_after=soon)
    file = tmp_path / "app.pem"
    file.touch(mode=0o600)
    file.write_bytes(pem.private_key_and_cert_chain_pem.bytes())
    settings: dict[str, Any] = {
        "base_url": "https://usmf.example",
        "tenant_id": "t",
        "client_id": "c",
        "authentication": "certificate",
        "client_certificate": f"file:{file}",
    }
    (tmp_path / "target.json").write_text(json.dumps(settings))
    given = ("--config", f"target-d365fo={tmp_path}/target.json", "--watch-live", "target-d365fo")
    assert f"client_certificate expires on {soon:%Y-%m-%d}" in watched.look(*given, code=1).output


def test_a_plugin_that_cannot_be_asked(watched: Watched) -> None:
    assert (
        "nothing here can look into nobody" in watched.look("--watch-live", "nobody", code=3).output
    )


# Staying


def test_it_stays_and_ends_in_order(watched: Watched) -> None:
    watched.office.deliver([invoice("1")], STUCK)
    process = subprocess.Popen(
        [Path(sys.executable).with_name("singer-delivery"), "watch", "--every", "1"],
        env=environment(watched.office.url, **watched.env),
        stdout=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 60
        while not watched.heard and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert b"stuck:vendor_invoices" in said
    assert watched.heard == [("raised", "stuck:vendor_invoices")]


def test_a_watcher_that_stays_tells_once_that_the_ledger_is_away_and_that_it_is_back(
    watched: Watched, tmp_path: Path
) -> None:
    given = {setting.name: setting.default for setting in SETTINGS}
    given["alert_webhook"] = watched.env["SINGER_DELIVERY_ALERT_WEBHOOK"]
    away, ledger = tmp_path / "away.db", tmp_path / "ledger.db"
    ledger.rename(away)
    post = Post(Desk(watched.office.url), Limits(), given, {})
    assert [post.look("text"), post.look("text")] == [3, 3]
    away.rename(ledger)
    assert [post.look("text"), post.look("text")] == [0, 0]
    post.desk.close()
    assert [event for event, _ in watched.heard] == ["raised", "resolved"]
