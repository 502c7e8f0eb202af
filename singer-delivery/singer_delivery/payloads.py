"""Records as they came in, kept for replay until they are erased.

The audit trail names a record by its digest: the SHA-256 of a random salt and the record's
content. Once content and salt are erased, the digest tells nothing about what it was made of.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import simplejson
from sqlalchemy import Connection, Engine, func, select, text

from singer_delivery.database import reading, writing
from singer_delivery.exact_json import parse_json
from singer_delivery.schema import payloads, schemas
from singer_delivery.trail import Event, Kind, Pen

CHUNK = 500


@dataclass(frozen=True)
class SingerStream:
    """What a SCHEMA message says."""

    stream: str
    schema: Mapping[str, Any]
    key_properties: Sequence[str]

    def content(self) -> str:
        """Return it as text, the same for equal ones."""
        told = {
            "stream": self.stream,
            "schema": self.schema,
            "key_properties": list(self.key_properties),
        }
        return _plain(told, ascii_only=True)  # as text, a half surrogate pair cannot be stored


@dataclass(frozen=True)
class Payload:
    """A kept record. `record` is None once it was erased; `received_at` is aware UTC."""

    system: str
    stream: str
    key: str
    digest: str
    source: str
    record: dict[str, Any] | None
    singer: SingerStream | None
    received_at: datetime
    erased_at: datetime | None


def content_of(record: Mapping[str, Any]) -> bytes:
    """Return a record's content as bytes, the same for equal records."""
    try:
        return _SORTED.encode(record)
    except (TypeError, ValueError, OverflowError):
        # Half a surrogate pair, or what JSON has no form for.
        return _plain(record).encode("utf-8", "surrogatepass")


def content_kept(stored: bytes) -> bytes | None:
    """Return the content that was stored, None where it was damaged."""
    try:
        return zlib.decompress(stored)
    except zlib.error:
        return None


def digest_of(salt: str, content: bytes) -> str:
    """Return the digest that stands in the audit trail."""
    return hashlib.sha256(bytes.fromhex(salt) + content).hexdigest()


def _plain(value: Any, *, ascii_only: bool = False) -> str:
    return simplejson.dumps(
        value,
        use_decimal=True,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=ascii_only,
        default=str,
    )


_SORTED = msgspec.json.Encoder(decimal_format="number", order="sorted")
INSERT = text(
    "INSERT INTO payloads (system, stream, key, digest, salt, content, source, schema_digest, "
    "received_at) VALUES (:system, :stream, :key, :digest, :salt, :content, :source, "
    ":schema_digest, :received_at)"
)
INSERT_SCHEMA = text(
    "INSERT INTO schemas (digest, content) VALUES (:digest, :content) "
    "ON CONFLICT (digest) DO NOTHING"
)


def keep(
    pen: Pen,
    system: str,
    stream: str,
    records: Mapping[str, Mapping[str, Any]],
    singer: SingerStream,
) -> dict[str, str]:
    """Keep records by document key and return their digests; equal content is kept once."""
    connection = pen.connection
    contents = {key: content_of(record) for key, record in records.items()}
    digests = _kept(connection, system, stream, contents)
    text_of_schema = singer.content()
    schema_digest = hashlib.sha256(text_of_schema.encode()).hexdigest()
    rows = []
    for key, content in contents.items():
        if key in digests:
            continue
        salt = os.urandom(16).hex()
        digests[key] = digest_of(salt, content)
        rows.append(
            {
                "system": system,
                "stream": stream,
                "key": key,
                "digest": digests[key],
                "salt": salt,
                "content": zlib.compress(content, 1),
                "source": singer.stream,
                "schema_digest": schema_digest,
                "received_at": pen.now.isoformat(),
            }
        )
    if rows:
        connection.execute(INSERT_SCHEMA, {"digest": schema_digest, "content": text_of_schema})
        connection.execute(INSERT, rows)
    return digests


def _kept(
    connection: Connection, system: str, stream: str, contents: Mapping[str, bytes]
) -> dict[str, str]:
    """Return the digests of those contents that are kept already."""
    found: dict[str, str] = {}
    for row in _among(connection, system, stream, contents):
        content = contents[row.key]
        if row.salt and digest_of(row.salt, content) == row.digest:
            found[row.key] = row.digest
    return found


def _among(connection: Connection, system: str, stream: str, keys: Iterable[str]) -> Iterable[Any]:
    wanted = sorted(keys)
    columns = payloads.c.key, payloads.c.digest, payloads.c.salt
    for start in range(0, len(wanted), CHUNK):
        query = select(*columns).where(
            payloads.c.system == system,
            payloads.c.stream == stream,
            payloads.c.key.in_(wanted[start : start + CHUNK]),
        )
        yield from connection.execute(query)


def load(engine: Engine, system: str, stream: str, key: str, digest: str = "") -> Payload | None:
    """Return a kept record of a document: the one with this digest, else the latest."""
    query = (
        select(payloads, schemas.c.content.label("singer"))
        .outerjoin(schemas, schemas.c.digest == payloads.c.schema_digest)
        .where(payloads.c.system == system, payloads.c.stream == stream, payloads.c.key == key)
        .order_by(payloads.c.received_at.desc())
        .limit(1)
    )
    if digest:
        query = query.where(payloads.c.digest == digest)
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Payload(
        system=row.system,
        stream=row.stream,
        key=row.key,
        digest=row.digest,
        source=row.source,
        record=None if row.content is None else parse_json(zlib.decompress(row.content)),
        singer=SingerStream(**parse_json(row.singer)) if row.singer else None,
        received_at=datetime.fromisoformat(row.received_at),
        erased_at=datetime.fromisoformat(row.erased_at) if row.erased_at else None,
    )


def latest_records(
    engine: Engine, system: str, stream: str, keys: Iterable[str]
) -> dict[str, Mapping[str, Any]]:
    """Return, by key, the record that each of these documents was last received as.

    Those that were not kept, or are erased, are missing.
    """
    found = {key: load(engine, system, stream, key) for key in keys}
    return {key: kept.record for key, kept in found.items() if kept and kept.record is not None}


def erase(
    engine: Engine,
    before: datetime,
    *,
    key: str = "",
    system: str = "",
    run_id: str = "",
    actor: str = "",
    now: datetime | None = None,
) -> int:
    """Erase the content of records received before a moment, and say so in the trail.

    `key` and `system` narrow it down. Returns how many records that were.
    """
    now = now or datetime.now(UTC)
    conditions = [payloads.c.received_at < before.astimezone(UTC).isoformat()]
    conditions.append(payloads.c.erased_at.is_(None))
    if key:
        conditions.append(payloads.c.key == key)
    if system:
        conditions.append(payloads.c.system == system)
    with reading(engine) as connection:
        if not connection.execute(select(func.count()).where(*conditions)).scalar_one():
            return 0
    with writing(engine) as connection:
        pen = Pen(connection, now=now, run_id=run_id, actor=actor)
        groups: dict[tuple[str, str], int] = defaultdict(int)
        found = select(payloads.c.system, payloads.c.stream).where(*conditions)
        for row in connection.execute(found):
            groups[row.system, row.stream] += 1
        erased = {"content": None, "salt": "", "erased_at": now.isoformat()}
        connection.execute(payloads.update().where(*conditions).values(**erased))
        pen.write(
            [
                Event(
                    Kind.ERASED,
                    stream=stream,
                    key=key,
                    system=where,
                    detail={"records": number, "received_before": before.isoformat()},
                )
                for (where, stream), number in sorted(groups.items())
            ]
        )
    return sum(groups.values())
