"""Sparing the mapping of records that are the same as last time.

Records wait here, a few hundred at a time and in their order, so that what they became is looked up
together. Whoever is about to act on what came before - a STATE, a SCHEMA, the end of a crawl or of
the input - calls `catch_up` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import msgspec

from singer_delivery.errors import BadInput
from singer_delivery.ledger import Ledger
from singer_delivery.recollections import Made, Recollection
from singer_delivery.schema import storable

#: Records that are looked up at a time.
CHUNK = 500

Record = Mapping[str, Any]
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


class RecordTaker(Protocol):
    """What a sink does with a record."""

    stream_name: str

    @property
    def mark(self) -> str:
        """Return a digest of all but the record that decides what it becomes; "" for unknown."""
        ...

    def name_of(self, record: Record) -> str:
        """Return what tells a record from others of its stream; "" where nothing does."""
        ...

    def take(self, record: Record) -> Sequence[Made] | None:
        """Hand over what a record becomes, and return it; None when it was rejected.

        Raises BadInput.
        """
        ...

    def take_again(self, record: Record, made: Sequence[Made]) -> None:
        """Hand over what a record became before, and becomes again. Raises BadInput."""
        ...


class Offer(NamedTuple):
    """A record that waits, and the number of its line in the input."""

    sink: RecordTaker
    record: Record
    line: int
    name: str
    digest: str


@dataclass
class Recalling:
    """Hands records on to their sinks; `on_bad_line` is told what is wrong with a line."""

    ledger: Callable[[], Ledger]
    on_bad_line: Callable[[str], None]
    _waiting: list[Offer] = field(default_factory=list)

    def offer(self, sink: RecordTaker, record: Record, line: int) -> None:
        """Take a record, now or later. Raises BadInput, and what the sink raises."""
        name = sink.name_of(record)
        digest = _digest(sink.mark, record) if storable(name) else ""
        if not (name and digest):
            self.catch_up()
            sink.take(record)
            return
        self._waiting.append(Offer(sink, record, line, name, digest))
        if len(self._waiting) >= CHUNK:
            self.catch_up()

    def catch_up(self) -> None:
        """Hand on what waits."""
        if not self._waiting:
            return
        offers, self._waiting = self._waiting, []
        known = self._recall(offers)
        fresh: dict[str, dict[str, Recollection]] = {}
        for offer in offers:
            source = offer.sink.stream_name
            before = known[source].get(offer.name)
            try:
                if before and before.digest == offer.digest:
                    offer.sink.take_again(offer.record, before.made)
                    continue
                made = offer.sink.take(offer.record)
            except BadInput as problem:
                self.on_bad_line(f"line {offer.line} of the input {problem}")
                continue
            if made is not None and all(map(_storable, made)):
                became = Recollection(offer.digest, made)
                fresh.setdefault(source, {})[offer.name] = became
        for source, records in fresh.items():
            self.ledger().remember(source, records)

    def _recall(self, offers: Sequence[Offer]) -> Mapping[str, Mapping[str, Recollection]]:
        names: dict[str, dict[str, None]] = {}
        for offer in offers:
            names.setdefault(offer.sink.stream_name, {})[offer.name] = None
        ledger = self.ledger()
        return {source: ledger.recall(source, records) for source, records in names.items()}


def _digest(mark: str, record: Record) -> str:
    if not mark:
        return ""
    try:
        return sha256(mark.encode() + _ENCODE(record)).hexdigest()
    except (TypeError, UnicodeEncodeError):  # half a surrogate pair
        return ""


def _storable(made: Made) -> bool:
    return all(map(storable, made))
