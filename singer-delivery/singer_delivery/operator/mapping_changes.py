"""What two mappings make of one record, and how they differ, counted over many. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.dispatch import Dispatch, Part
from singer_delivery.document import Document
from singer_delivery.errors import Rejected
from singer_delivery.exact_json import encode_json, parse_json
from singer_delivery.operator.parcels import Change, changes


class Kind(StrEnum):
    """What a change of the mapping does to one document.

    REASON: rejected before and after, for another reason.
    """

    SAME = "same"
    DIFFERENT = "different"
    NOW_REJECTED = "now_rejected"
    NOW_SENT = "now_sent"
    REASON = "other_reason"


@dataclass(frozen=True)
class Reading:
    """What one mapping makes of a record: what would be sent, or why it would be rejected."""

    document: Document
    dispatch: Dispatch | None = None
    reason: str = ""

    @classmethod
    def of(cls, courier: Courier, record: Mapping[str, Any]) -> Reading:
        """Read a record as a target that holds nothing of it would. Raises BadInput, SetupError."""
        try:
            document = courier.prepare(record)
        except Rejected as error:
            return cls(courier.identify(record), reason=str(error))
        return cls(document, courier.dispatch(document))


@dataclass(frozen=True)
class FieldChange:
    """One field of one request that differs; None where it is not sent.

    `name` is the same for all lines of an invoice (VendorInvoiceLines.ItemSalesTax), `place` tells
    them apart (VendorInvoiceLines[2].ItemSalesTax).
    """

    name: str
    place: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Compared:
    """One document under both mappings."""

    before: Reading
    after: Reading
    kind: Kind
    fields: tuple[FieldChange, ...] = ()

    @classmethod
    def of(cls, before: Reading, after: Reading) -> Compared:
        """Compare what two mappings make of one record."""
        if before.dispatch and after.dispatch:
            fields = tuple(_changes(before.dispatch, after.dispatch))
            return cls(before, after, Kind.DIFFERENT if fields else Kind.SAME, fields)
        if before.dispatch:
            return cls(before, after, Kind.NOW_REJECTED)
        if after.dispatch:
            return cls(before, after, Kind.NOW_SENT)
        same = before.reason == after.reason
        return cls(before, after, Kind.SAME if same else Kind.REASON)

    @property
    def document(self) -> Document:
        """The document, as the mapping tells it that can read it; the new one, if both can."""
        return self.after.document if self.after.dispatch else self.before.document


def _changes(before: Dispatch, after: Dispatch) -> Iterator[FieldChange]:
    counts: Counter[str] = Counter()
    totals = Counter(part.subject for part in (*before.parts, *after.parts))
    for one, other in zip_longest(before.parts, after.parts):
        subject = (one or other).subject
        counts[subject] += 1
        several = totals[subject] > 2
        place = f"{subject}[{counts[subject]}]" if several else subject
        for change in _part_changes(one, other):
            yield FieldChange(
                f"{subject}.{change.path}" if change.path else subject,
                f"{place}.{change.path}" if change.path else place,
                change.before,
                change.after,
            )


def _part_changes(before: Part | None, after: Part | None) -> list[Change]:
    if before is None or after is None:
        return [Change("", before and _content(before), after and _content(after))]
    return changes(_content(before), _content(after))


def _content(part: Part) -> Any:
    return parse_json(part.body) if part.body else None


#: A value before and after, as JSON; "" where the field is not sent.
Pair = tuple[str, str]


@dataclass
class Comparison:
    """All documents that were compared, the differing ones by what differs in them."""

    total: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    #: Documents by the field that differs, and then by the two values.
    fields: defaultdict[str, defaultdict[Pair, dict[str, Document]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    #: Documents by the words of their new rejection, or by those of their former one.
    reasons: defaultdict[Kind, defaultdict[Pair, dict[str, Document]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    @property
    def differing(self) -> int:
        """How many documents would post differently, or one way only."""
        return (
            self.kinds[Kind.DIFFERENT] + self.kinds[Kind.NOW_REJECTED] + self.kinds[Kind.NOW_SENT]
        )

    def add(self, one: Compared) -> None:
        """Count a document."""
        self.total += 1
        self.kinds[one.kind] += 1
        key = one.document.key
        for change in one.fields:
            pair = as_text(change.before), as_text(change.after)
            self.fields[change.name][pair][key] = one.document
        if one.kind in {Kind.NOW_REJECTED, Kind.NOW_SENT, Kind.REASON}:
            self.reasons[one.kind][one.before.reason, one.after.reason][key] = one.document


def as_text(value: Any) -> str:
    """Return a value as JSON, "" for a field that is not there."""
    return "" if value is None else encode_json(value).decode()
