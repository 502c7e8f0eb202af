"""Sparing the mapping of records that are the same as last time.

Records wait here, a few hundred at a time and in their order, so that what they became is looked up
together. Whoever is about to act on what came before - a STATE, a SCHEMA, the end of a crawl or of
the input - calls `catch_up` first.

Where the line is at hand, a record waits as the text that it is: one that is the same byte for byte
is never decoded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from singer_delivery.errors import BadInput
from singer_delivery.ledger import Ledger
from singer_delivery.reader import read_message
from singer_delivery.recollections import Days, Made, Recollection
from singer_delivery.schema import storable

#: Records that are looked up at a time.
CHUNK = 500

Record: TypeAlias = Mapping[str, Any]
Text: TypeAlias = bytes | str
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode


class Became(NamedTuple):
    """What a record becomes, on those days."""

    made: Sequence[Made]
    days: Days


class RecordTaker(Protocol):
    """What a sink does with a record."""

    stream_name: str

    @property
    def mark(self) -> str:
        """Return a digest of all that decides what a record becomes, but the record and the day.

        "" for unknown.
        """
        ...

    @property
    def day(self) -> str:
        """Return the day on which records are mapped, in ISO 8601."""
        ...

    def name_of(self, record: Record) -> str:
        """Return what tells a record from others of its stream; "" where nothing does."""
        ...

    def name_in(self, text: msgspec.Raw) -> str:
        """Return the same of a record's JSON, "" where that cannot be told at a glance."""
        ...

    def receive(self, record: dict[str, Any]) -> None:
        """Check and strip a record that came as text. Raises BadInput."""
        ...

    def take(self, record: Record) -> Became | None:
        """Hand over what a record becomes, and return it; None when it was rejected.

        Raises BadInput.
        """
        ...

    def take_again(self, made: Sequence[Made], read: Callable[[], Record]) -> None:
        """Hand over what a record became before, and becomes again; `read` returns the record.

        Raises BadInput.
        """
        ...

    def count(self, records: int) -> None:
        """Note that so many records that came as text are done with."""
        ...


class Glimpse(msgspec.Struct, gc=False):
    """A Singer message of which no more is decoded than where it goes."""

    type: str
    stream: str
    record: msgspec.Raw


#: Begins the names of what a tap adds to each record anew, such as the time: it is taken off first.
METADATA = "_sdc_"
_METADATA = METADATA.encode()
_GLIMPSE = msgspec.json.Decoder(Glimpse).decode


class Offer(NamedTuple):
    """A record that waits, and its line in the input: the number, and the text where it is that."""

    sink: RecordTaker
    record: Record | None
    line: int
    text: Text
    name: str
    digest: str

    def read(self) -> Record:
        """Return the record. Raises BadInput."""
        if self.record is not None:
            return self.record
        record: dict[str, Any] = read_message(self.text)["record"]
        self.sink.receive(record)
        return record


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
        self._wait(Offer(sink, record, line, "", name, digest))

    def offer_text(self, sinks: Mapping[str, RecordTaker], text: Text, line: int) -> bool:
        """Take a line that is a RECORD of one of these streams, without reading it, for later.

        False where it has to be read. Raises what the sink raises.
        """
        if _METADATA in text if isinstance(text, bytes) else METADATA in text:
            return False
        try:
            glimpse = _GLIMPSE(text)
        except (msgspec.MsgspecError, UnicodeError):
            return False
        sink = sinks.get(glimpse.stream)
        if sink is None or glimpse.type != "RECORD":
            return False
        mark, name = sink.mark, sink.name_in(glimpse.record)
        if not (mark and name and storable(name)):
            return False
        digest = sha256(mark.encode())
        digest.update(glimpse.record)
        self._wait(Offer(sink, None, line, text, name, digest.hexdigest()))
        return True

    def _wait(self, offer: Offer) -> None:
        self._waiting.append(offer)
        if len(self._waiting) >= CHUNK:
            self.catch_up()

    def catch_up(self) -> None:
        """Hand on what waits."""
        if not self._waiting:
            return
        offers, self._waiting = self._waiting, []
        of_sinks: dict[str, list[Offer]] = {}
        for offer in offers:
            of_sinks.setdefault(offer.sink.stream_name, []).append(offer)
        ledger = self.ledger()
        known, days, fresh = {}, {}, {}
        for source, some in of_sinks.items():
            known[source] = ledger.recall(source, {offer.name for offer in some})
            days[source], fresh[source] = some[0].sink.day, dict[str, Recollection]()
        for offer in offers:
            source = offer.sink.stream_name
            before = known[source].get(offer.name)
            try:
                if before and before.digest == offer.digest and before.days.hold(days[source]):
                    offer.sink.take_again(before.made, offer.read)
                    continue
                became = offer.sink.take(offer.read())
            except BadInput as problem:
                self.on_bad_line(f"line {offer.line} of the input {problem}")
                continue
            if became is not None and all(map(_storable, became.made)):
                fresh[source][offer.name] = Recollection(offer.digest, *became)
        for source, some in of_sinks.items():
            ledger.remember(source, fresh[source])
            # A SCHEMA is caught up with, so that a stream has one sink here.
            some[0].sink.count(sum(offer.record is None for offer in some))


def _digest(mark: str, record: Record) -> str:
    if not mark:
        return ""
    try:
        return sha256(mark.encode() + _ENCODE(record)).hexdigest()
    except (TypeError, UnicodeEncodeError):  # half a surrogate pair
        return ""


def _storable(made: Made) -> bool:
    return all(map(storable, made))
