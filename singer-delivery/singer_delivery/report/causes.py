"""Reasons of rejections, grouped by cause: forty invoices with one hole in the mapping are one."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import mask_ibans
from singer_delivery.words import cut

#: What differs from document to document: what is quoted, and every word with a digit in it; but
#: the name of a field, a table or a dimension is part of the cause.
VALUE = re.compile(
    r"(?<!\w)(?<!field )(?<!table )(?<!dimension )(?:'[^']*'|\"[^\"]*\")(?!\w)"
    r"|[\w#+-]*\d[\w./:+-]*[\w%]|\d"
)
#: What stands in the place of it.
GAP = "…"
#: How the part of a reason begins that says what to do.
REMEDIES = frozenset(
    "add ask change check correct create credit delete enter give have if let list look map name "  # noqa: SIM905
    "post put recall reject release remove repeat replay send set switch transfer write".split()
)
LONGEST = 400


@dataclass(frozen=True)
class Refusal:
    """One rejected document: what it is, and why. `facts` are its own numbers and names."""

    key: str
    label: str
    reason: str
    entity: str = ""
    vendor: str = ""
    number: str = ""
    currency: str = ""
    gross: Decimal | None = None
    stream: str = ""

    @property
    def facts(self) -> tuple[str, ...]:
        """What a reason may repeat of the document, and says nothing of the cause."""
        found = (self.key, self.number, self.vendor, self.entity)
        return tuple(fact for fact in found if len(fact) > 1)

    @property
    def masked_reason(self) -> str:
        """The reason on one line, without bank accounts."""
        return mask_ibans(plain(self.reason))


@dataclass
class Cause:
    """Documents that were rejected for the same reason.

    `words` have … where they differ, `values` what stood there and how often. `sums` are gross,
    by currency.
    """

    words: str
    remedy: str
    refusals: list[Refusal] = field(default_factory=list)
    values: Counter[str] = field(default_factory=Counter)
    sums: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def entities(self) -> list[str]:
        """The legal entities that it concerns."""
        return sorted({each.entity for each in self.refusals if each.entity})

    @property
    def streams(self) -> list[str]:
        """The kinds of documents that it concerns."""
        return sorted({each.stream for each in self.refusals if each.stream})

    def add(self, refusal: Refusal, value: str) -> None:
        """Take one more document."""
        self.refusals.append(refusal)
        if value:
            self.values[value] += 1
        if refusal.gross is not None:
            self.sums[refusal.currency] += refusal.gross


def grouped(refusals: Iterable[Refusal], default_remedy: str) -> list[Cause]:
    """Return the causes, the most frequent first."""
    found: dict[tuple[str, str], Cause] = {}
    for refusal in refusals:
        words, remedy, value = split(refusal)
        key = words, _gapped(remedy, refusal)
        cause = found.setdefault(key, Cause(words, key[1] or default_remedy))
        cause.add(refusal, value)
    return sorted(found.values(), key=lambda cause: (-len(cause.refusals), cause.words))


def split(refusal: Refusal) -> tuple[str, str, str]:
    """Return the cause without what differs, what to do, and what the differing values are."""
    text = mask_ibans(plain(refusal.reason)).strip() or "no reason was given"
    problem, found, remedy = text.rpartition("; ")
    first = remedy.split(" ", 1)[0].lower().strip(",.:")
    if not (found and first in REMEDIES):
        problem, remedy = text, ""
    own = {fact.casefold() for fact in refusal.facts}
    values = [value for value in _values(problem) if value.casefold() not in own]
    return cut(_gapped(problem, refusal), LONGEST), remedy, cut(", ".join(values), 120)


def _values(text: str) -> Iterator[str]:
    for found in VALUE.finditer(text):
        value = found[0].strip("'\"").strip()
        if value:
            yield value


def _gapped(text: str, refusal: Refusal) -> str:
    for fact in refusal.facts:
        text = re.sub(rf"(?<!\w){re.escape(fact)}(?!\w)", GAP, text, flags=re.IGNORECASE)
    text = VALUE.sub(GAP, text)
    return re.sub(rf"{GAP}(?:[\s,]+{GAP})+", GAP, text)
