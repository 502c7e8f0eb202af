"""The commands around the subscriptions, with Basware and the webhook served over TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.secrets.vault import editing
from tap_basware.webhook import cli, signing_secrets

from tests.webhook.receiving import SECRET, Server, encoded, payload, served, signed

Command = Callable[..., Result]
KIND = "AccountingDocuments/WaitingForTransfer"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_secrets, "LOOK_AGAIN", 0.0)
    monkeypatch.setattr(cli, "LOOK_AGAIN", 0.0)


@pytest.fixture
def server(sandbox: Sandbox, tmp_path: Path, vault: Path) -> Iterator[Server]:
    with served(sandbox, tmp_path, secret="vault:hook") as found:
        yield found


@pytest.fixture
def command(sandbox: Sandbox, server: Server, monkeypatch: pytest.MonkeyPatch) -> Command:
    environment = {
        **sandbox.environment(),
        "BASWARE_WEBHOOK_URL": server.url,
        "BASWARE_WEBHOOK_SECRET": "vault:hook",
        "BASWARE_WEBHOOK_INBOX_URL": server.inbox_url,
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def run(*args: str, fails: bool = False) -> Result:
        result = CliRunner().invoke(cli.main, args)
        assert (result.exit_code == 1) == fails, result.output
        assert SECRET not in result.output
        assert "Traceback" not in result.output
        return result

    return run


def subscribe_somebody_else(sandbox: Sandbox, *kinds: str) -> None:
    for kind in kinds:
        task_type, sub_type = kind.split("/")
        entity = {
            "taskType": task_type,
            "taskSubType": sub_type,
            "subscriptionType": "Webhook",
            "notificationWebhookURL": "https://elsewhere.example",
            "webhookAuthenticationToken": "theirs",
        }
        store = sandbox.basware.notifications
        with pytest.MonkeyPatch.context() as patch:

            async def answers(_: Any) -> bool:
                return True

            patch.setattr(store, "_answers", answers)
            asyncio.run(store.subscribe([entity]))


def kinds_at_basware(sandbox: Sandbox) -> dict[str, str]:
    return {
        f"{each['taskType']}/{each['taskSubType']}": each["notificationWebhookURL"]
        for each in sandbox.basware.notifications.subscriptions({})
    }


def test_subscribe_check_and_unsubscribe(
    sandbox: Sandbox, server: Server, command: Command
) -> None:
    assert "not subscribed yet" in command("check", fails=True).output
    assert f"subscribed: {KIND}" in command("subscribe").output
    assert kinds_at_basware(sandbox) == {KIND: server.url}
    assert "right: " in command("check").output
    assert server.url in command("list").output
    command("subscribe")  # once more changes nothing
    assert kinds_at_basware(sandbox) == {KIND: server.url}
    assert "removed" in command("unsubscribe").output
    assert kinds_at_basware(sandbox) == {}
    assert "there are no subscriptions" in command("list").output
    assert "there was none" in command("unsubscribe").output


def test_a_dropped_subscription_is_named(sandbox: Sandbox, command: Command) -> None:
    command("subscribe")
    sandbox.basware.notifications.drop_subscriptions()
    assert "Basware has dropped it" in command("check", fails=True).output
    command("subscribe")
    command("check")


def test_basware_drops_what_it_cannot_reach(
    sandbox: Sandbox, server: Server, command: Command
) -> None:
    command("subscribe")
    sandbox.switches.update(
        {"basware.drop_subscription_after": 2, "basware.notification_pause": 0.01}
    )
    server.webhook.receiver.secrets.values = ("another one",)
    server.webhook.receiver.secrets._read = lambda: ("another one",)
    approve(sandbox, "a")
    assert "has dropped it" in command("check", "--no-test", fails=True).output


def approve(sandbox: Sandbox, *ids: str) -> None:
    """Let invoices wait for their transfer, and Basware tell of it."""
    documents = [
        {
            "invoiceId": invoice_id,
            "invoiceNumber": f"INV-{invoice_id}",
            "companyCode": "1000",
            "supplierCode": "S1",
            "currencyCode": "EUR",
            "grossSum": "1.10",
        }
        for invoice_id in ids
    ]
    sandbox.basware.load({"accountingDocuments": documents})
    sandbox.settle_notifications()


def test_an_endpoint_that_does_not_answer_is_not_subscribed(
    sandbox: Sandbox, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "TRIES", 1)
    monkeypatch.setenv("BASWARE_WEBHOOK_URL", "https://localhost:1/basware")
    assert "does not answer a signed connection test" in command("subscribe", fails=True).output
    said = command("subscribe", "--no-test", fails=True).output
    assert "CONNECTION_TEST_FAILED" in said or "does not answer" in said
    assert kinds_at_basware(sandbox) == {}


def test_another_secret_is_named(
    server: Server, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "TRIES", 1)
    monkeypatch.setenv("BASWARE_WEBHOOK_SECRET", "plain:quite-another-secret")
    assert "it has another secret" in command("subscribe", fails=True).output


def test_subscriptions_of_others_are_safe(
    sandbox: Sandbox, server: Server, command: Command
) -> None:
    subscribe_somebody_else(sandbox, KIND, "AccountingDocuments/WaitingForPrebook")
    assert "lead elsewhere" in command("subscribe", fails=True).output
    assert "leads elsewhere" in command("check", fails=True).output
    assert "not ours" in command("unsubscribe", fails=True).output
    assert "https://elsewhere.example" in kinds_at_basware(sandbox)[KIND]
    command("subscribe", "--replace")
    assert kinds_at_basware(sandbox)[KIND] == server.url
    # "All" would take the other one along.
    assert "not ours" in command("unsubscribe", "AccountingDocuments", fails=True).output
    command("unsubscribe", "AccountingDocuments/WaitingForPrebook", "--force")
    assert kinds_at_basware(sandbox) == {KIND: server.url}


def test_rotation_with_a_vault(
    sandbox: Sandbox, server: Server, command: Command, vault: Path
) -> None:
    command("subscribe")
    assert "a new secret" in command("rotate").output
    with editing(vault) as opened:
        assert opened.get("hook") != SECRET
        assert opened.previous("hook") is None
    approve(sandbox, "signed-with-the-new-one")
    assert server.documents() == ["signed-with-the-new-one"]
    old = encoded(payload())
    server.webhook.receiver.secrets.look_again()  # as it does once a minute
    assert server.post(old, signed(old, SECRET)).status_code == 401


def test_a_rotation_that_was_cut_short_goes_on(
    sandbox: Sandbox, server: Server, command: Command, vault: Path
) -> None:
    command("subscribe")
    with editing(vault) as opened:
        opened.set("hook", "the new one of a rotation that died")
    approve(sandbox, "signed-with-the-old-one")  # accepted meanwhile
    assert "going on" in command("rotate").output
    approve(sandbox, "signed-with-the-new-one")
    assert server.documents() == ["signed-with-the-old-one", "signed-with-the-new-one"]


def test_an_answer_that_is_lost_is_asked_for_again(
    sandbox: Sandbox, server: Server, command: Command
) -> None:
    lost = Fault("basware", "reset_after", method="POST", path="subscriptions", times=2)
    sandbox.faults.add(lost)
    assert "subscribed" in command("subscribe").output
    assert kinds_at_basware(sandbox) == {KIND: server.url}


def test_a_rotation_whose_answers_are_lost_forgets_nothing(
    sandbox: Sandbox, server: Server, command: Command, vault: Path
) -> None:
    command("subscribe")
    sandbox.faults.add(
        Fault("basware", "status", method="POST", path="subscriptions", status=504, times=-1)
    )
    command("rotate", fails=True)
    with editing(vault) as opened:
        assert opened.previous("hook") == SECRET
    approve(sandbox, "signed-with-the-old-one")
    assert server.documents() == ["signed-with-the-old-one"]
    sandbox.faults.clear()
    assert "going on" in command("rotate").output
    approve(sandbox, "signed-with-the-new-one")
    assert server.documents() == ["signed-with-the-old-one", "signed-with-the-new-one"]


def test_rotation_by_hand(
    sandbox: Sandbox, server: Server, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("subscribe")
    server.webhook.receiver.secrets.values = ("by-hand-new", SECRET)
    monkeypatch.setenv("BASWARE_WEBHOOK_SECRET", "plain:by-hand-new")
    assert "take previous_secret out" in command("rotate").output
    approve(sandbox, "a")
    assert server.documents() == ["a"]


def test_nothing_to_rotate(command: Command) -> None:
    assert "subscribe first" in command("rotate", fails=True).output


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("URL", "", "url is not set"),
        ("URL", "http://hooks.example.com/basware", "not encrypted"),
        ("URL", "hooks.example.com", "is not an address"),
        ("SUBSCRIPTIONS", '["AccountingDocuments/A/B"]', "is not like"),
        ("SECRET", "", "secret is not set"),
        ("SECRET", "vault:nothing-there", "no secret 'nothing-there'"),
        ("INBOX_URL", "nonsense", "inbox_url is not the address"),
        ("PORT", "many", "BASWARE_WEBHOOK_PORT is no integer"),
    ],
)
def test_settings_that_are_wrong(
    command: Command, monkeypatch: pytest.MonkeyPatch, setting: str, value: str, words: str
) -> None:
    monkeypatch.setenv(f"BASWARE_WEBHOOK_{setting}", value)
    assert words in command("check", fails=True).output


def test_a_missing_scope_is_named(sandbox: Sandbox, command: Command) -> None:
    sandbox.switches.set("basware.granted_scopes", "accountingDocuments.read")
    assert "subscriptions.write" in command("check", fails=True).output


@pytest.mark.parametrize("form", ["sha256=hex", "hex", "HEX", "base64", "sha256=base64"])
def test_basware_may_write_signatures_in_any_form(
    sandbox: Sandbox, server: Server, command: Command, form: str
) -> None:
    sandbox.switches.set("basware.signature_form", form)
    command("subscribe")
    approve(sandbox, "a")
    assert server.documents() == ["a"]


def test_whatever_basware_does_to_notifications(
    sandbox: Sandbox, server: Server, command: Command
) -> None:
    sandbox.switches.update(
        {
            "basware.misspelled_task_type": True,
            "basware.forge": True,
            "basware.duplicates": 2,
            "basware.reorder": 3,
        }
    )
    command("subscribe")
    approve(sandbox, "a", "b", "c", "d")
    assert sorted(server.documents()) == ["a", "b", "c", "d"]
    tasks = sandbox.basware.notifications.tasks({})
    assert {task["taskStatus"] for task in tasks} == {"Completed"}


def test_unsigned_connection_tests_need_the_setting(
    sandbox: Sandbox, server: Server, command: Command
) -> None:
    sandbox.switches.set("basware.connection_test_signed", False)
    command("subscribe", fails=True)
    assert kinds_at_basware(sandbox) == {}
