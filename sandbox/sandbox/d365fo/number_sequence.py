"""Number sequences: counters of a company; only continuous ones give a number out again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import count


class NumberSequences:
    """Not part of any transaction: what a failed insert drew leaves a gap, like in AX."""

    def __init__(self) -> None:
        self._drawn: Counter[tuple[str, str]] = Counter()

    def invoice_reference(self, company: str) -> str:
        """The next number of pending vendor invoices, e.g. `001750001`."""
        return _reference(self._next("invoice", company))

    def free_invoice_reference(self, is_taken: Callable[[str], bool]) -> str:
        """The lowest number that no vendor invoice has: that of a continuous sequence."""
        return next(each for each in map(_reference, count(1)) if not is_taken(each))

    def voucher(self, series: str, company: str) -> str:
        """The next voucher of a series (`APIN`, `APPM`), e.g. `APIN-usmf-000001`."""
        return f"{series}-{company}-{self._next(series, company):06d}"

    def _next(self, series: str, company: str) -> int:
        self._drawn[series, company] += 1
        return self._drawn[series, company]


def _reference(number: int) -> str:
    return f"{1_750_000 + number:09d}"
