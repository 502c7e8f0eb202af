"""Number sequences: counters a company whose numbers are never given twice, nor given back."""

from __future__ import annotations

from collections import Counter


class NumberSequences:
    """Not part of any transaction: what a failed insert drew leaves a gap, like in AX."""

    def __init__(self) -> None:
        self._drawn: Counter[tuple[str, str]] = Counter()

    def invoice_reference(self, company: str) -> str:
        """The next number of pending vendor invoices, e.g. `001750001`."""
        return f"{1_750_000 + self._next('invoice', company):09d}"

    def voucher(self, series: str, company: str) -> str:
        """The next voucher of a series (`APIN`, `APPM`), e.g. `APIN-usmf-000001`."""
        return f"{series}-{company}-{self._next(series, company):06d}"

    def _next(self, series: str, company: str) -> int:
        self._drawn[series, company] += 1
        return self._drawn[series, company]
