"""The seam to the doctor: what is right and what is wrong with a system, found without writing.

Plugins offer theirs under the entry points `singer_delivery.doctor`, each a function
`examine(config) -> Iterator[Finding]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from singer_delivery.errors import DeliveryError

GROUP = "singer_delivery.doctor"
#: Seconds that a system's clock and ours may differ: certificates and tokens forgive minutes.
MOST_SKEW = 60.0


class Verdict(StrEnum):
    """What was found. UNKNOWN: it cannot be seen with these rights, or without writing."""

    FINE = "fine"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do, and where to click."""

    about: str
    verdict: Verdict
    says: str
    remedy: str = ""


Examine = Callable[[Mapping[str, Any]], Iterator[Finding]]


def look(about: str, at: Callable[[], str], remedy: str = "") -> Finding:
    """Return what a look says, or as WRONG the error that it raises."""
    try:
        return Finding(about, Verdict.FINE, at())
    except DeliveryError as error:
        return Finding(about, Verdict.WRONG, str(error), remedy)


def skew(seconds: float) -> Finding:
    """Return what the difference of a system's clock and ours comes to."""
    says = f"{abs(seconds):.0f} s {'behind' if seconds < 0 else 'ahead of'} this machine's"
    if abs(seconds) <= MOST_SKEW:
        return Finding("clock", Verdict.FINE, says)
    return Finding(
        "clock",
        Verdict.WRONG,
        f"its clock is {says}: bookmarks and tokens go by it",
        "Set this machine's clock by a time server (NTP)",
    )
