"""What records became when they were mapped last: the same record becomes the same again.

It only spares the mapping. Whether something is to be sent is still judged by the ledger's own
rows, so what is missing or out of date here costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine

from singer_delivery.database import reading, writing
from singer_delivery.schema import recollections
from singer_delivery.statements import Question, Statement

#: Records of one question.
CHUNK = 500


class Made(NamedTuple):
    """A document that came of a record, without what is in it."""

    stream: str
    key: str
    fingerprint: str
    source: str
    scope: str


class Days(NamedTuple):
    """The days, both included and in ISO 8601, on which something is so; "" is open."""

    first: str = ""
    last: str = ""

    def hold(self, day: str) -> bool:
        """Tell whether a day is one of them."""
        return self.first <= day and (not self.last or day <= self.last)


ALWAYS = Days()


class Recollection(NamedTuple):
    """What came of a record, and comes of it on which days.

    `digest` is that of the record and of all that decided it but the day.
    """

    digest: str
    made: Sequence[Made]
    days: Days = ALWAYS


NAMES = tuple(column.name for column in recollections.columns)
FIND = Question(
    "SELECT record, digest, made, first_day, last_day FROM recollections "
    "WHERE system = :system AND source = :source AND record IN :among"
)
KEEP = Statement(
    f"INSERT INTO recollections ({', '.join(NAMES)}) "  # noqa: S608
    f"VALUES ({', '.join(f':{name}' for name in NAMES)}) "
    "ON CONFLICT (system, source, record) DO UPDATE SET digest = excluded.digest, "
    "made = excluded.made, first_day = excluded.first_day, last_day = excluded.last_day",
    NAMES,
)
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(list[Made]).decode


def recall(
    engine: Engine, system: str, source: str, records: Iterable[str]
) -> dict[str, Recollection]:
    """Return, by record, what is remembered of them. Raises LedgerError."""
    wanted = list(records)
    found = {}
    with reading(engine) as connection:
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start : start + CHUNK]
            rows = FIND.ask(connection, chunk, system=system, source=source)
            for record, digest, made, first, last in rows:
                days = Days(first, last) if first or last else ALWAYS
                found[record] = Recollection(digest, _DECODE(made), days)
    return found


def remember(engine: Engine, system: str, source: str, records: Mapping[str, Recollection]) -> None:
    """Keep what records became. Raises LedgerError."""
    if not records:
        return
    rows = [
        (system, source, record, found.digest, _ENCODE(found.made).decode(), *found.days)
        # In one order: of two runs that write the same rows, one waits for the other.
        for record, found in sorted(records.items())
    ]
    with writing(engine) as connection:
        KEEP.run(connection, rows)
