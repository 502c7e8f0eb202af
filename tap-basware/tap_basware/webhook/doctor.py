"""Whether Basware's notifications arrive: subscriptions and receiver, looked at without writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from singer_delivery.errors import DeliveryError
from singer_delivery.examination import Finding, Verdict

from tap_basware.client import BaswareClient
from tap_basware.webhook.connection_test import try_connection
from tap_basware.webhook.settings import kinds, settings
from tap_basware.webhook.signing_secrets import secrets_of
from tap_basware.webhook.subscriptions import Comparison, Subscriptions, compare, public_address

SCOPES = ("subscriptions.read",)
SUBSCRIBE = "See docs/webhooks.md; without notifications invoices wait for the next scheduled run"


def examine(config: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what is found, nothing where no url is set: then nobody wants notifications.

    `config` goes before the environment. The inbox is not opened, since that would make one.
    Raises SetupError.
    """
    given = settings(None, config)
    if not given.get("url"):
        return
    wanted, url = kinds(given["subscriptions"], "subscriptions"), public_address(given["url"])
    try:
        client = BaswareClient.connect(given, SCOPES, connections=1)
        found = compare(wanted, url, Subscriptions(client).listed())
    except DeliveryError as error:
        remedy = "Ask Basware to grant subscriptions.read to the API client"
        yield Finding("subscriptions", Verdict.WARNING, str(error), remedy)
        return
    yield _subscriptions(found)
    if found.right:
        yield _receiver(url, given)


def _subscriptions(found: Comparison) -> Finding:
    faults = found.faults({})
    if faults:
        return Finding("subscriptions", Verdict.WARNING, "; ".join(faults), SUBSCRIBE)
    says = ", ".join(str(each) for each in found.right)
    return Finding("subscriptions", Verdict.FINE, f"Basware has {says}")


def _receiver(url: str, config: Mapping[str, Any]) -> Finding:
    """Send the receiver a signed connection test, which it answers and does not note."""
    problem = try_connection(url, secrets_of(config)[0], config)
    if problem:
        says = f"{url} does not answer a signed connection test from here: {problem}"
        remedy = "See whether basware-webhook serves, and whether this machine can reach it"
        return Finding("receiver", Verdict.WARNING, says, remedy)
    return Finding("receiver", Verdict.FINE, f"{url} answers a signed connection test")
