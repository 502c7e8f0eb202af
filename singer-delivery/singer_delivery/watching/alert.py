"""What somebody has to be told, and what became of telling it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Any

#: Entry points by which a plugin lets its own system be looked at, named after the plugin, each a
#: function `concerns(config, now, days) -> Iterator[Concern]`. `now` is aware; `days` is how long
#: before its end a credential is a concern.
GROUP = "singer_delivery.watch"
#: Documents that an alert names.
EXAMPLES = 5


class Severity(IntEnum):
    """How bad it is; the numbers are the exit codes of monitoring plugins."""

    WARNING = 1
    CRITICAL = 2

    @property
    def word(self) -> str:
        """Its name in messages."""
        return self.name.lower()


class Kind(StrEnum):
    """What is wrong. BLIND: something could not be looked at, so nobody knows."""

    STUCK = "stuck"
    IN_DOUBT = "in_doubt"
    MASS_REJECTION = "mass_rejection"
    SILENCE = "silence"
    RUN_DIED = "run_died"
    RUN_LASTS = "run_lasts"
    NO_SUCCESS = "no_success"
    EXPIRY = "expiry"
    SUBSCRIPTION = "subscription"
    BLIND = "blind"


@dataclass(frozen=True)
class Alert:
    """One thing that is wrong at this moment, of one kind and about one subject.

    `title` says it in one line, `remedy` what to do. `since` is aware UTC, None where unknown.
    `count` is how many it concerns, and `members` tells these apart: one that was not among them
    when it was told makes it news. `examples` name some of them to people.
    """

    kind: Kind
    subject: str
    severity: Severity
    title: str
    remedy: str
    since: datetime | None = None
    count: int = 0
    members: frozenset[str] = frozenset()
    examples: Sequence[str] = ()

    @property
    def name(self) -> tuple[str, str]:
        """What identifies it from one look to the next."""
        return self.kind.value, self.subject

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.subject}"


@dataclass(frozen=True)
class Concern:
    """What a plugin finds wrong with its own system; see `GROUP`. `since` is aware UTC."""

    kind: Kind
    subject: str
    severity: Severity
    title: str
    remedy: str
    since: datetime | None = None

    def alert(self) -> Alert:
        """Return the alert that it is."""
        return Alert(
            self.kind, self.subject, self.severity, self.title, self.remedy, since=self.since
        )


Concerns = Callable[[Mapping[str, Any], datetime, int], Iterable[Concern]]


@dataclass(frozen=True)
class Sighting:
    """What one look found. Of the kinds in `unseen` nothing is known, so nothing of them ended."""

    alerts: Sequence[Alert] = ()
    unseen: frozenset[tuple[Kind, str]] = field(default_factory=frozenset)

    def __add__(self, other: Sighting) -> Sighting:
        return Sighting((*self.alerts, *other.alerts), self.unseen | other.unseen)

    def may_have_ended(self, kind: str, subject: str) -> bool:
        """Tell whether an alert that was not found this time has ended.

        An unseen kind may be narrowed to subjects with a beginning.
        """
        return not any(kind == each and subject.startswith(part) for each, part in self.unseen)


def member(*parts: str) -> str:
    """Return a short mark that tells one member of an alert from the others."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:12]
