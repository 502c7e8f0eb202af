"""Contestants in turn, several rounds of them, and what to make of the figures.

A machine that others share is slow at one minute and quick at the next. So each round runs all
contestants one right after the other, begins with another one each time, and what is compared is
the ratio within a round; of several rounds the median counts, and the lowest and highest are told.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

Taken = TypeVar("Taken")


@dataclass(frozen=True)
class Spread:
    """The median of some figures, the lowest and the highest; NaN where one of them is none.

    NaN reaches no goal: what was too little to be measured is not met.
    """

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Iterable[float]) -> Spread:
        """Return the spread of figures. Raises ValueError where there are none."""
        found = list(figures)
        if not found:
            msg = "no figures"
            raise ValueError(msg)
        if any(map(math.isnan, found)):
            return cls(math.nan, math.nan, math.nan)
        return cls(statistics.median(found), min(found), max(found))

    def __str__(self) -> str:
        if self.low == self.high or math.isnan(self.median):
            return number(self.median)
        return f"{number(self.median)} ({number(self.low)} to {number(self.high)})"


def paired(
    contestants: Mapping[str, Callable[[], Taken]], rounds: int
) -> dict[str, Sequence[Taken]]:
    """Run all contestants once a round; return what each took, round by round."""
    names = list(contestants)
    taken: dict[str, list[Taken]] = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in (*names[first:], *names[:first]):
            taken[name].append(contestants[name]())
    return dict(taken)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """Return ours / theirs, round by round."""
    return Spread.of(a / b for a, b in zip(ours, theirs, strict=True))


def number(figure: float) -> str:
    """Write a figure with three significant digits, and whole numbers with their thousands."""
    if math.isnan(figure):
        return "not measurable"
    if abs(figure) >= 100:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if abs(figure) >= 10 else f"{figure:.2f}"
