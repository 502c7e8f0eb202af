"""Whether Basware still has the subscriptions, for `singer-delivery watch`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from typing import Any

from singer_delivery.secrets.references import reveal
from singer_delivery.watching.alert import Concern, Kind, Severity

from tap_basware.client import BaswareClient
from tap_basware.inbox import Inbox
from tap_basware.webhook.settings import kinds, settings
from tap_basware.webhook.subscriptions import SCOPES, Subscriptions, compare, public_address

REMEDY = (
    "Until then invoices wait for the scheduled run. See whether the webhook can be reached from "
    "outside (`basware-webhook check`), then `basware-webhook subscribe`"
)


def concerns(config: Mapping[str, Any], _now: datetime, _days: int) -> Iterator[Concern]:
    """Yield what is wrong with the subscriptions; nothing is changed. Raises DeliveryError."""
    config = settings(None, config)
    wanted, url = kinds(config["subscriptions"], "subscriptions"), public_address(config.get("url"))
    with closing(Inbox.open(reveal(config["inbox_url"], "inbox_url"))) as inbox:
        since = inbox.subscribed()
    client = BaswareClient.connect(config, SCOPES, connections=1)
    found = compare(wanted, url, Subscriptions(client).listed())
    for each in found.elsewhere:
        yield _concern("/".join(each.kind), f"{each.kind[0]} is notified to another address", None)
    for kind in found.missing:
        name = "/".join(kind)
        words = "was dropped by Basware" if kind in since else "was never made"
        moment = datetime.fromisoformat(since[kind]) if since.get(kind) else None
        yield _concern(name, f"the subscription {name} {words}", moment)


def _concern(name: str, title: str, subscribed: datetime | None) -> Concern:
    known = f" (made on {subscribed:%Y-%m-%d %H:%M} UTC)" if subscribed else ""
    return Concern(Kind.SUBSCRIPTION, name, Severity.WARNING, f"{title}{known}", REMEDY)
