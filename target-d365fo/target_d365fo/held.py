"""What Dynamics holds of one document, and whether that is what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from singer_delivery.document import Entry, Outcome, Status

from target_d365fo.compare import Row
from target_d365fo.content_mark import ContentMark
from target_d365fo.halves import whole_header
from target_d365fo.lookup import Pending

#: Detail for `read_back` alone; what starts with an underscore is of no use to readers of logs.
CONTENT = "_content"
#: A pending invoice with its lines.
Lined = tuple[Pending, Sequence[Row]]


@dataclass(frozen=True)
class Held:
    """What Dynamics holds of one document: its outcome if it is whole, and halves with lines.

    `others` are whole ones of other contents, such as an earlier version, or at least do not say
    that they are halves.
    """

    entry: Entry
    outcome: Outcome | None
    others: tuple[Lined, ...]
    halves: tuple[Lined, ...]

    @property
    def state(self) -> list[tuple[str, str, int]]:
        """What changes as long as somebody writes."""
        return [(half.reference, half.version, len(lines)) for half, lines in self.halves]


def as_sent(entry: Entry, pending: Pending, lines: Sequence[Row]) -> bool:
    """Tell whether a pending invoice is what was sent, but for what marks a half."""
    header = dict(pending.row)
    if pending.is_unfinished(entry.key):
        header |= whole_header(entry.detail)
    return ContentMark.load(entry.detail[CONTENT]).matches(header, lines)


def is_complete(entry: Entry, pending: Pending, lines: Sequence[Row]) -> bool:
    """Tell whether all lines are there, and come to the gross amount with the tax.

    Each of them is then what was sent, or was until Dynamics saved it in its own way: a row is
    taken whole or not at all.
    """
    if as_sent(entry, pending, lines):
        return True
    if not lines or len(lines) != line_count(entry):
        return False
    gross = Decimal(entry.detail["gross"])
    amounts = [Decimal(line["NetAmount"]) for line in lines]
    tax = Decimal(pending.row.get("ImportedSalesTax") or 0)
    return gross == Decimal(pending.row.get("ImportedAmount") or 0) == sum(amounts, tax)


def line_count(entry: Entry) -> int:
    """Return how many lines were sent."""
    return len(ContentMark.load(entry.detail[CONTENT]).lines)


def pending_whole(pending: Pending) -> Outcome:
    """Return the outcome of a pending invoice that is whole."""
    detail = {"header_reference": pending.reference}
    return Outcome(Status.DELIVERED, remote_key=pending.reference, detail=detail)
