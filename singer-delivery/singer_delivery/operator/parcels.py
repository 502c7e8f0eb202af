"""What is replayed: kept records, and the Singer messages that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from singer_delivery import runs
from singer_delivery.document import OPEN
from singer_delivery.errors import DeliveryError
from singer_delivery.exact_json import encode_json, parse_json
from singer_delivery.operator.masking import Mask, unmasked
from singer_delivery.operator.queries import Listed, Place, chunks
from singer_delivery.operator.rendering import moment, plain
from singer_delivery.payloads import Payload, SingerStream
from singer_delivery.schema import events, payloads
from singer_delivery.trail import Kind
from singer_delivery.words import cut


class NoReplay(DeliveryError):
    """A document that cannot be replayed, and why."""


def latest_payloads(connection: Connection, places: Iterable[Place]) -> dict[Place, str]:
    """Return the digest of the record that each document was last received as; "" for none kept.

    Not the payload that was kept last: that may be an edited one which nobody has approved.
    """
    digests = dict.fromkeys(places, "")
    for chunk in chunks(sorted({key for _, _, key in digests})):
        columns = events.c.system, events.c.stream, events.c.key, events.c.payload
        query = select(*columns).where(events.c.key.in_(chunk), events.c.kind == Kind.RECEIVED)
        for system, stream, key, payload in connection.execute(query.order_by(events.c.number)):
            if (system, stream, key) in digests:
                digests[system, stream, key] = payload
    return digests


def in_flight(connection: Connection, found: Sequence[Listed], now: datetime) -> dict[Place, str]:
    """Return, by document, the living run that has it in flight."""
    open_ones = [document for document in found if document.status in OPEN]
    living = runs.alive(connection, {document.run_id for document in open_ones}, now)
    return {document.place: document.run_id for document in open_ones if document.run_id in living}


def record_of(payload: Payload | None, document: str) -> tuple[dict[str, Any], SingerStream]:
    """Return a kept record and its stream. Raises NoReplay for what is not there any more."""
    if payload is None or payload.record is None or payload.singer is None:
        msg = f"{document}: its record is not kept any more, so that it cannot be replayed"
        raise NoReplay(msg)
    return payload.record, payload.singer


def schema_message(singer: SingerStream) -> bytes:
    """Return a SCHEMA message as a line."""
    return _line(
        {
            "type": "SCHEMA",
            "stream": singer.stream,
            "schema": singer.schema,
            "key_properties": list(singer.key_properties),
        }
    )


def record_message(singer: SingerStream, record: Mapping[str, Any]) -> bytes:
    """Return a RECORD message as a line; amounts keep every digit."""
    return _line({"type": "RECORD", "stream": singer.stream, "record": record})


def _line(message: Mapping[str, Any]) -> bytes:
    return encode_json(message) + b"\n"


def edited(
    text: str, record: Mapping[str, Any], singer: SingerStream, mask: Mask
) -> dict[str, Any]:
    """Return an edited record, which must have the keys of the kept one. Raises DeliveryError.

    What was masked when it was shown, and was left like that, is put back.
    """
    try:
        found = parse_json(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        msg = "the edited payload is not a JSON object"
        raise DeliveryError(msg)
    try:
        found = unmasked(found, record, mask)
    except ValueError as error:
        msg = f"the edited payload has the masked value {error} in a place of its own: write it out"
        raise DeliveryError(msg) from None
    wrong = [name for name in singer.key_properties if found.get(name) != record.get(name)]
    if wrong:
        msg = (
            f"the edited payload has another {', '.join(wrong)}: the key says which document it "
            "is, and cannot be edited"
        )
        raise DeliveryError(msg)
    if not changes(record, found):
        msg = "the edited payload is the same as the kept one"
        raise DeliveryError(msg)
    return dict(found)


@dataclass(frozen=True)
class Change:
    """One field that differs. `before` and `after` are None where it is not there."""

    path: str
    before: Any
    after: Any


def changes(before: Any, after: Any, path: str = "") -> list[Change]:
    """Return the fields in which two JSON contents differ, by their paths."""
    match before, after:
        case Mapping(), Mapping():
            found = []
            for name in sorted({*before, *after}):
                inner = f"{path}.{name}" if path else str(name)
                found += changes(before.get(name), after.get(name), inner)
            return found
        case list(), list() if len(before) == len(after):
            return [
                change
                for index, (one, other) in enumerate(zip(before, after, strict=True))
                for change in changes(one, other, f"{path}[{index}]")
            ]
        case _ if before == after and isinstance(before, bool) is isinstance(after, bool):
            return []
        case _:
            return [Change(path, before, after)]


def told(change: Change, mask: Mask) -> str:
    """Return a change in words, without what is masked."""
    before, after = mask.path(change.path, change.before), mask.path(change.path, change.after)
    if change.before is None:
        return f"{change.path}: added, {_value(after)}"
    if change.after is None:
        return f"{change.path}: taken out, was {_value(before)}"
    return f"{change.path}: {_value(before)} -> {_value(after)}"


def _value(value: Any) -> str:
    return cut(plain(encode_json(value).decode()), 60)


def not_kept(connection: Connection, digests: Mapping[Place, str]) -> dict[Place, str]:
    """Return why the record of a document cannot be replayed, for those where it cannot."""
    wanted = sorted({digest for digest in digests.values() if digest})
    states: dict[str, str | None] = {}
    for chunk in chunks(wanted):
        columns = payloads.c.digest, payloads.c.erased_at
        query = select(*columns).where(payloads.c.digest.in_(chunk))
        states |= {row.digest: row.erased_at for row in connection.execute(query)}
    reasons = {}
    for place, digest in digests.items():
        if digest not in states:
            reasons[place] = "its record was never kept"
        elif erased_at := states[digest]:
            reasons[place] = f"its record was erased on {moment(erased_at)[:10]}"
    return reasons
