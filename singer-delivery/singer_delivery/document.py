"""What is delivered, and what became of it: the vocabulary shared by couriers and the ledger."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from singer_delivery.exchanges import Exchange

Plain = TypeVar("Plain")


class Status(enum.StrEnum):
    """Where a document stands.

    ACCEPTED: the target took it, and what it makes of it is not known yet. SKIPPED: there is
    nothing to be done for it, which is said once. STUCK: its answers were lost too often; it is
    not sent again until its content changes or somebody replays it.
    """

    INTENDED = "intended"
    IN_DOUBT = "in_doubt"
    NOT_SENT = "not_sent"
    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    SKIPPED = "skipped"
    STUCK = "stuck"


#: The target holds the document.
HELD = frozenset({Status.DELIVERED, Status.UNCHANGED})
#: It need not be sent again, unless it changes.
TAKEN = HELD | {Status.ACCEPTED}
#: There is something to tell the source.
FINAL = HELD | {Status.REJECTED, Status.SKIPPED}
#: Sent perhaps: only reading the target back can tell.
OPEN = frozenset({Status.INTENDED, Status.IN_DOUBT})
#: Nobody works on it any more, and there is nothing to tell the source.
UNSENT = frozenset({Status.NOT_SENT, Status.STUCK})


def revised(one: Plain, **changes: Any) -> Plain:
    """Return a dataclass with some fields changed, as dataclasses.replace does, in a tenth of it.

    For those without slots and __post_init__.
    """
    other: Plain = object.__new__(type(one))
    other.__dict__.update(one.__dict__, **changes)
    return other


_SORTED = msgspec.json.Encoder(order="sorted")

#: Name in the detail of a rejection: what stands in the document's way, and may pass.
HINDRANCE = "hindered_by"


@dataclass(frozen=True)
class Document:
    """One business document, ready to be sent whole.

    `key` identifies the record, `natural_key` the business document (two records with the same
    one would be booked twice), `remote_key` what the target will know it by, when known ahead.
    `version` is the source's own version of it, opaque. `detail` holds JSON-able facts that the
    outcome needs later. `label` names it to people. `source` is the Singer stream that it came
    from, `scope` the part of that source which a crawl covers or not (a legal entity, a chart of
    accounts; "" where all of it is shared). `record` is the Singer record that it was made of,
    where that is kept for replay.
    """

    key: str
    payload: Any
    fingerprint: str
    natural_key: str = ""
    version: str = ""
    remote_key: str = ""
    label: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    scope: str = ""
    record: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return self.label or self.key


@dataclass(frozen=True)
class Outcome:
    """What became of a document; `detail` is merged over the document's own.

    `natural_key` is the one under which the target holds it, or an earlier version of it, as far
    as that is known; without, the document's own counts.
    `exchanges` are the requests that it took, and `read_back` says that it was found out by
    looking: both go into the audit trail. `late`: it is that of an older version than the ledger
    has of the document, so the trail takes note of it, and the document stays as it is.
    """

    status: Status
    reason: str = ""
    remote_key: str = ""
    request_id: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    exchanges: Sequence[Exchange] = ()
    read_back: bool = False
    late: bool = False
    natural_key: str = ""


class Holding(enum.IntEnum):
    """Whether the target held a version of a document once: an answer that was lost is no proof."""

    NEVER = 0
    PERHAPS = 1
    ONCE = 2


@dataclass(frozen=True)
class Entry:
    """What the ledger knows of a document. `settled_at` is aware UTC.

    `held`: how sure it is that the target held a version of it once. `intended_at` is when it was
    last about to be sent. `revision` grows with every change of the entry. `doubts` counts how
    often in a row the answer for this content was lost.

    `sequence` grows with every final outcome in the ledger of one remote system, without gaps
    that could fill later: whoever has read up to n has missed nothing at or below n. It starts at
    the ledger's first outcome, in milliseconds since 1970.
    """

    stream: str
    key: str
    natural_key: str
    version: str
    fingerprint: str
    status: Status
    reason: str
    remote_key: str
    request_id: str
    detail: Mapping[str, Any]
    attempts: int
    sequence: int
    run_id: str
    settled_at: datetime | None
    source: str = ""
    scope: str = ""
    revision: int = 0
    doubts: int = 0
    held: Holding = Holding.NEVER
    intended_at: datetime | None = None

    def __str__(self) -> str:
        return str(self.detail.get("label") or self.key)


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of the canonical form of JSON-like content, as 64 hex digits.

    Equal content gives an equal fingerprint whatever the key order, the trailing zeros of an
    amount or the spelling of an instant.
    """
    canonical = _canonical(value)
    try:
        text = _SORTED.encode(canonical)
    except UnicodeEncodeError:
        text = _spelled_out(canonical)
    return hashlib.sha256(text).hexdigest()


def _spelled_out(canonical: Any) -> bytes:
    """Return the same text where there is half a surrogate pair, as JSON may hold as an escape."""
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "surrogatepass")


def _canonical(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is bool:
        return value
    if kind is dict:
        # The dot keeps a mapping apart from a number, whatever its keys are.
        return {
            f".{name}": item if type(item) is str else _canonical(item)
            for name, item in value.items()
        }
    if kind is list:
        return [_canonical(item) for item in value]
    return _canonical_of_any(value)


def _canonical_of_any(value: Any) -> Any:
    match value:
        case str() | bool() | None:
            return value
        case int() | float() | Decimal():
            return {"number": _plain(value)}
        case datetime():
            return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
        case date():
            return value.isoformat()
        case Mapping():
            return {f".{name}": _canonical(item) for name, item in value.items()}
        case list() | tuple():
            return [_canonical(item) for item in value]
        case _:
            msg = f"a {type(value).__name__} has no canonical form"
            raise TypeError(msg)


def _plain(value: float | Decimal) -> str:
    """Return digits and exponent: exact at any size, and short for 1E+999999."""
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    if not number.is_finite():
        return str(number)
    mantissa, _, power = str(number).partition("E")
    whole, _, fraction = mantissa.partition(".")
    sign = "-" if whole[0] == "-" else ""
    plain = (whole.lstrip("-") + fraction).lstrip("0")
    significant = plain.rstrip("0")
    if not significant:
        return "0"
    exponent = int(power or 0) - len(fraction) + len(plain) - len(significant)
    return f"{sign}{significant}E{exponent}"
