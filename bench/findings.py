"""What measurements found: against which goal, and the table behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.measure import Spread, number


@dataclass(frozen=True)
class Goal:
    """One promise: what was measured beside it, and whether it is met."""

    what: str
    goal: str
    measured: str
    met: bool


@dataclass(frozen=True)
class Finding:
    """A measurement: its goals, a table of all contestants, and what to know about it."""

    name: str
    title: str
    goals: Sequence[Goal]
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    #: Day, conditions and versions, filled in by whoever runs it.
    run: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Finding:
        """Return it from plain data."""
        goals = [Goal(**goal) for goal in content["goals"]]
        return cls(**{**content, "goals": goals})


def at_least(what: str, goal: str, least: float, found: Spread, unit: str = "") -> Goal:
    """Return a goal that the median has to reach."""
    return Goal(what, goal, f"{found}{unit}", found.median >= least)


def at_most(what: str, goal: str, most: float, found: Spread, unit: str = "") -> Goal:
    """Return a goal that the median must not exceed."""
    return Goal(what, goal, f"{found}{unit}", found.median <= most)


def times(found: Spread) -> str:
    """Write a ratio."""
    if found.low == found.high or math.isnan(found.median):
        return f"{number(found.median)} x"
    return f"{number(found.median)} x ({number(found.low)} to {number(found.high)})"
