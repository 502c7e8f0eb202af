"""One look: what is wrong now, told to each hook that does not know it yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from singer_delivery.errors import DeliveryError
from singer_delivery.watching.alert import Alert, Kind, Severity, Sighting
from singer_delivery.watching.hooks import Hook
from singer_delivery.watching.memory import Memory
from singer_delivery.watching.message import Letterhead, Message, message
from singer_delivery.watching.telling import News, after_telling, news

logger = logging.getLogger(__name__)

BLIND_REMEDY = "As long as this cannot be looked at, nobody knows. Put right what it says"

#: Exit code for monitors: something could not be looked at, or told.
UNKNOWN = 3
#: A look: alerts of some kinds, or DeliveryError where nothing can be seen.
Look = Callable[[datetime], Sequence[Alert]]


@dataclass(frozen=True)
class Place:
    """Something to look at. `sees` are the kinds, and beginnings of subjects, that it can find."""

    name: str
    look: Look
    sees: frozenset[tuple[Kind, str]]


def sight(places: Sequence[Place], now: datetime, muted: frozenset[str]) -> Sighting:
    """Look at all places; one that cannot be seen is an alert itself, and ends none."""
    total = Sighting()
    for place in places:
        try:
            total += Sighting(tuple(place.look(now)))
        except DeliveryError as error:
            total += Sighting((blind(place.name, error),), place.sees)
    wanted = [a for a in total.alerts if a.kind.value not in muted and str(a) not in muted]
    return Sighting(tuple(wanted), total.unseen)


def blind(name: str, error: DeliveryError) -> Alert:
    """Return the alert that something cannot be looked at."""
    title = f"{name} cannot be looked at: {error}"
    return Alert(Kind.BLIND, name, Severity.WARNING, title, BLIND_REMEDY)


@dataclass
class Watcher:
    """Tells hooks, and keeps in `memory` what each has taken."""

    hooks: Sequence[Hook]
    memory: Memory
    head: Letterhead
    remind_after: timedelta | None = None
    failed: list[str] = field(default_factory=list)

    def tell(self, sighting: Sighting, now: datetime) -> None:
        """Tell each hook what is news to it; `failed` names those that did not take all of it.

        Raises LedgerError where the memory cannot be kept.
        """
        self.failed = []
        for hook in self.hooks:
            told = self.memory.recall(hook.name)
            fresh = news(sighting, told, now=now, remind_after=self.remind_after)
            written = [(each, message(each, self.head, now)) for each in fresh]
            heard = self._told(hook, written)
            known = after_telling(told, sighting, heard, now)
            if known != told:
                self.memory.keep(hook.name, known)

    def _told(self, hook: Hook, written: Sequence[tuple[News, Message]]) -> list[News]:
        """Return the news that a hook has taken; the rest is told with the next look."""
        parts = [written] if hook.digest else [[each] for each in written]
        heard: list[News] = []
        for part in filter(None, parts):
            try:
                hook.tell([text for _, text in part])
            except DeliveryError as error:
                logger.error("hook %s was not told: %s", hook.name, error)
                self.failed.append(hook.name)
                break
            heard += [each for each, _ in part]
        return heard


def exit_code(alerts: Sequence[Alert], failed: Sequence[str]) -> int:
    """Return what monitors take: 0 fine, 1 warning, 2 critical, 3 something is not known."""
    if any(alert.severity is Severity.CRITICAL for alert in alerts):
        return int(Severity.CRITICAL)
    if failed or any(alert.kind is Kind.BLIND for alert in alerts):
        return UNKNOWN
    return int(Severity.WARNING) if alerts else 0


def by_severity(alerts: Sequence[Alert]) -> Mapping[Severity, list[Alert]]:
    """Return alerts by how bad they are, the worst first."""
    return {
        severity: found
        for severity in sorted(Severity, reverse=True)
        if (found := [alert for alert in alerts if alert.severity is severity])
    }
