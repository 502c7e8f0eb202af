"""What records became when they were mapped last: the same record becomes the same again.

It only spares the mapping. Whether something is to be sent is still judged by the ledger's own
rows, so what is missing or out of date here costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine, bindparam, text

from singer_delivery.database import reading, writing
from singer_delivery.schema import recollections

#: SQLite takes 32,766 variables a statement.
CHUNK = 500


class Made(NamedTuple):
    """A document that came of a record, without what is in it."""

    stream: str
    key: str
    fingerprint: str
    source: str
    scope: str


class Recollection(NamedTuple):
    """What came of a record. `digest` is that of the record and of all that decided it."""

    digest: str
    made: Sequence[Made]


NAMES = tuple(column.name for column in recollections.columns)
FIND = text(
    "SELECT record, digest, made FROM recollections "
    "WHERE system = :system AND source = :source AND record IN :records"
).bindparams(bindparam("records", expanding=True))
KEEP = text(
    f"INSERT INTO recollections ({', '.join(NAMES)}) "  # noqa: S608
    f"VALUES ({', '.join(f':{name}' for name in NAMES)}) "
    "ON CONFLICT (system, source, record) DO UPDATE "
    "SET digest = excluded.digest, made = excluded.made"
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
            values = {"system": system, "source": source, "records": chunk}
            for record, digest, made in connection.execute(FIND, values):
                found[record] = Recollection(digest, _DECODE(made))
    return found


def remember(engine: Engine, system: str, source: str, records: Mapping[str, Recollection]) -> None:
    """Keep what records became. Raises LedgerError."""
    if not records:
        return
    rows = [
        {
            "system": system,
            "source": source,
            "record": record,
            "digest": found.digest,
            "made": _ENCODE(found.made).decode(),
        }
        # In one order: of two runs that write the same rows, one waits for the other.
        for record, found in sorted(records.items())
    ]
    with writing(engine) as connection:
        connection.execute(KEEP, rows)
