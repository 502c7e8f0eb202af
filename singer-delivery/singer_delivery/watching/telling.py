"""Told once: which alerts are news to a hook, given what it was told before. No clock, no wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from singer_delivery.watching.alert import Alert, Severity, Sighting

Name = tuple[str, str]


class Occasion(StrEnum):
    """Why something is told."""

    RAISED = "raised"
    CHANGED = "changed"
    REMINDER = "reminder"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Told:
    """What a hook was told last of an alert, and when: aware UTC. `title` is for its end."""

    name: Name
    severity: Severity
    title: str
    members: frozenset[str]
    since: datetime | None
    told_at: datetime


@dataclass(frozen=True)
class News:
    """Something to tell a hook. `alert` is None for one that is resolved; `before` if it was told.

    At least one of both is there.
    """

    occasion: Occasion
    alert: Alert | None
    before: Told | None

    @property
    def about(self) -> Alert | Told:
        """The alert, or what was told of it where it is resolved."""
        found = self.alert or self.before
        assert found is not None  # noqa: S101 - see the class
        return found

    @property
    def name(self) -> Name:
        """Kind and subject of the alert."""
        return self.about.name


def news(
    sighting: Sighting,
    told: Mapping[Name, Told],
    *,
    now: datetime,
    remind_after: timedelta | None,
) -> list[News]:
    """Return what is to be told now, the worst first and what has ended last.

    An alert is told when it is new, when it has got worse or has members that were not among those
    told, and again after `remind_after` (None for never). What is not found any more has ended,
    unless this look could not see it.
    """
    found = [
        News(occasion, alert, told.get(alert.name))
        for alert in sorted(sighting.alerts, key=_rank)
        if (occasion := _occasion(alert, told.get(alert.name), now, remind_after))
    ]
    present = {alert.name for alert in sighting.alerts}
    ended = [
        News(Occasion.RESOLVED, None, before)
        for name, before in sorted(told.items())
        if name not in present and sighting.may_have_ended(*name)
    ]
    return [*found, *ended]


def after_telling(
    told: Mapping[Name, Told], sighting: Sighting, heard: Iterable[News], now: datetime
) -> dict[Name, Told]:
    """Return what a hook knows of alerts after it has taken this news; resolved ones are gone.

    What got better meanwhile is forgotten silently, so that it is news when it comes back.
    """
    present = {alert.name: alert for alert in sighting.alerts}
    known = {
        name: _narrowed(before, present[name]) if name in present else before
        for name, before in told.items()
    }
    for each in heard:
        if each.alert is None:
            known.pop(each.name, None)
        else:
            known[each.name] = _told(each.alert, now)
    return known


def worst(alerts: Sequence[Alert]) -> Severity | None:
    """Return how bad the worst of them is."""
    return max((alert.severity for alert in alerts), default=None)


def _occasion(
    alert: Alert, before: Told | None, now: datetime, remind_after: timedelta | None
) -> Occasion | None:
    if before is None:
        return Occasion.RAISED
    if alert.severity > before.severity or alert.members - before.members:
        return Occasion.CHANGED
    if remind_after is not None and now - before.told_at >= remind_after:
        return Occasion.REMINDER
    return None


def _told(alert: Alert, now: datetime) -> Told:
    return Told(alert.name, alert.severity, alert.title, alert.members, alert.since, now)


def _narrowed(before: Told, alert: Alert) -> Told:
    severity = min(before.severity, alert.severity)
    return replace(before, severity=severity, members=before.members & alert.members)


def _rank(alert: Alert) -> tuple[int, str, str]:
    return -alert.severity, *alert.name
