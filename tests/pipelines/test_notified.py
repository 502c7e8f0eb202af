"""Notified and polled: notifications lost, repeated and forged, each invoice posted once."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from sandbox.seed import World, small_world
from sandbox.seed.builders import accounting_document
from sandbox.server import Sandbox

from tests.pipelines.holdings import Holdings
from tests.pipelines.shell import shell
from tests.webhook.receiving import SECRET, served

POST = "tap-basware --config=ENV | target-d365fo --config=ENV"


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    world = small_world()
    sandbox.load(world)
    return world


def test_what_was_noted_is_posted_and_the_poll_finds_the_rest(
    sandbox: Sandbox, world: World, tmp_path: Path
) -> None:
    """30 % of the notifications never come, the others come twice, with forgeries between them."""
    invoices = [accounting_document(number=f"HOOK-{number}") for number in range(40)]
    with served(sandbox, tmp_path) as webhook:
        sandbox.switches.update(
            {
                "basware.drop_percent": 30,
                "basware.duplicates": 1,
                "basware.reorder": 5,
                "basware.forge": True,
            }
        )
        subscribe(sandbox, webhook.url)
        sandbox.basware.load({"accountingDocuments": invoices})
        sandbox.settle_notifications()
        noted = webhook.documents()
    assert len(noted) == len(set(noted)) == 28
    inbox = {"TAP_BASWARE_INBOX_URL": f"plain:{webhook.inbox_url}"}
    first = shell(POST, sandbox, tmp_path, **inbox)
    assert first.returncode == 0, first.stderr
    posted = Holdings.of(sandbox)
    assert len(posted.headers) == 28
    again = shell(POST, sandbox, tmp_path, **inbox)  # with its state lost
    assert again.returncode == 0, again.stderr
    polled = shell(POST, sandbox, tmp_path)
    assert polled.returncode == 0, polled.stderr
    after = Holdings.of(sandbox)
    assert len(after.headers) == 40
    for invoice in invoices:
        after.invoice(invoice)


def subscribe(sandbox: Sandbox, url: str) -> None:
    form = {"grant_type": "client_credentials", "scope": "subscriptions.write"}
    token = requests.post(
        f"{sandbox.basware_url}/v1/tokens",
        data=form,
        auth=("basware-client", "basware-secret"),
        verify=str(sandbox.ca_file),
        timeout=10,
    ).json()["access_token"]
    subscription = {
        "taskType": "AccountingDocuments",
        "subscriptionType": "Webhook",
        "notificationWebhookURL": url,
        "webhookAuthenticationToken": SECRET,
    }
    answer = requests.post(
        f"{sandbox.basware_url}/v1/subscriptions",
        json=[subscription],
        headers={"Authorization": f"Bearer {token}"},
        verify=str(sandbox.ca_file),
        timeout=10,
    )
    assert answer.status_code == 200, answer.text
