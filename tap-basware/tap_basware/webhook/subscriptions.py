"""Basware's subscriptions API (reference 6): who is notified of what, and at which address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.errors import InDoubt, SetupError
from singer_delivery.origin import Origin

from tap_basware.client import BaswareClient

PATH = "v1/subscriptions"
SCOPES = ("subscriptions.read", "subscriptions.write", "subscriptions.delete")
ALL = "All"
#: Before any subscription was made: a deletion has to name a time after which they were.
EVER = "0001-01-01T00:00:00Z"
#: How often a subscription is said whose answer is lost.
TRIES = 3
#: What Basware takes where no sub type is named.
DEFAULT_SUB_TYPES = {"RequestStatus": "Error"}

Kind = tuple[str, str]


@dataclass(frozen=True)
class Subscription:
    """One subscription as Basware lists it; its secret is not kept."""

    kind: Kind
    url: str
    updated: str

    def __str__(self) -> str:
        return f"{'/'.join(self.kind)} -> {self.url}"

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Subscription:
        """Return what a record of the list says."""
        task_type = str(record.get("taskType") or "")
        sub_type = record.get("taskSubType") or DEFAULT_SUB_TYPES.get(task_type, ALL)
        url = str(record.get("notificationWebhookURL") or "")
        return cls((task_type, str(sub_type)), url, str(record.get("lastUpdated") or ""))


class Subscriptions:
    """The subscriptions of one Basware environment; they are told apart by their kind alone."""

    def __init__(self, client: BaswareClient) -> None:
        self._client = client

    def listed(self) -> list[Subscription]:
        """Return all of them. Raises ApiError."""
        page = self._client.page(PATH, {}, "subscriptions")
        return sorted((Subscription.of(each) for each in page.records), key=str)

    def subscribe(self, kinds: Iterable[Kind], url: str, secret: str) -> None:
        """Subscribe, or change what there is of these kinds.

        Basware first sends a connection test to the address and refuses one that does not answer.
        Saying it again changes nothing, so it is said again where the answer is lost. Raises
        ApiError; after InDoubt the secret may be the old one or the new one.
        """
        body = [
            {
                "taskType": task_type,
                "taskSubType": sub_type,
                "subscriptionType": "Webhook",
                "notificationWebhookURL": url,
                "webhookAuthenticationToken": secret,
            }
            for task_type, sub_type in kinds
        ]
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                self._client.post(PATH, body)
            except InDoubt:
                if not tries_left:
                    raise
            else:
                return

    def delete(self, kind: Kind) -> int:
        """Remove what Basware counts to a kind; return how many, -1 if it does not say.

        With the sub type All that is every subscription of the task type. Raises ApiError.
        """
        params = {"taskType": kind[0], "taskSubType": kind[1], "lastUpdated": EVER}
        answer = self._client.delete(PATH, params)
        count = answer.get("numberOfRecordsDeleted") if isinstance(answer, dict) else None
        return count if isinstance(count, int) else -1


@dataclass(frozen=True)
class Comparison:
    """What is wanted against what there is."""

    right: Sequence[Subscription]
    elsewhere: Sequence[Subscription]
    missing: Sequence[Kind]
    others: Sequence[Subscription]

    def faults(self, since: Mapping[Kind, str]) -> list[str]:
        """Return what is wrong, in words; `since` are the times of what we know to have had."""
        wrong = [
            f"leads elsewhere: {each}; `subscribe --replace` changes it" for each in self.elsewhere
        ]
        for kind in self.missing:
            name = "/".join(kind)
            if kind in since:
                wrong.append(
                    f"{name}: Basware has dropped it (we subscribed at {since[kind]}); "
                    "see whether the webhook can be reached, then `subscribe` again"
                )
            else:
                wrong.append(f"{name}: not subscribed yet; `subscribe` does it")
        return wrong


def compare(wanted: Sequence[Kind], url: str, actual: Sequence[Subscription]) -> Comparison:
    """Compare wanted kinds with the subscriptions that there are."""
    ours = [each for each in actual if each.kind in wanted]
    return Comparison(
        right=[each for each in ours if each.url == url],
        elsewhere=[each for each in ours if each.url != url],
        missing=[kind for kind in wanted if kind not in {each.kind for each in ours}],
        others=[each for each in actual if each.kind not in wanted],
    )


def swept_along(kind: Kind, actual: Sequence[Subscription]) -> list[Subscription]:
    """Return the other subscriptions that deleting one kind would delete as well."""
    if kind[1] != ALL:
        return []
    return [each for each in actual if each.kind[0] == kind[0] and each.kind != kind]


def public_address(url: str | None) -> str:
    """Return the webhook's public address. Raises SetupError where it is none."""
    if not url:
        msg = "url is not set: the address at which Basware reaches this webhook"
        raise SetupError(msg)
    Origin.of(url)
    return url
