"""OData literals, keys and filters: the one place where values are escaped for F&O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote
from uuid import UUID

NAMESPACE = "Microsoft.Dynamics.DataEntities"
#: Left readable in a URL; everything else is percent-encoded (RFC 3986).
SAFE_IN_PATH = "(),='"
SAFE_IN_QUERY = "(),'$:"
#: Refused or rewritten in a path by ASP.NET and its gateways, even percent-encoded.
UNSAFE_IN_PATH = frozenset('/\\%*:&<>?#+"')


@dataclass(frozen=True)
class EnumValue:
    """A member of an F&O enum, e.g. EnumValue("NoYes", "Yes")."""

    type: str
    member: str


def enum(type_name: str, member: str) -> EnumValue:
    """Return an enum value for a filter or a key; plain strings are refused there."""
    return EnumValue(type_name, member)


def literal(value: Any) -> str:
    """Return an OData 4 literal, not yet percent-encoded.

    A date becomes noon UTC, as F&O keeps dates without a time. An aware date-time is converted
    to UTC, a naive one raises ValueError. None is `null`.
    """
    match value:
        case None:
            text = "null"
        case bool():
            text = "true" if value else "false"
        case str():
            text = "'" + value.replace("'", "''") + "'"
        case EnumValue():
            text = f"{NAMESPACE}.{value.type}{literal(value.member)}"
        case int() | UUID():
            text = str(value)
        case Decimal():
            text = _decimal(value)
        case datetime():
            text = _instant(value)
        case date():
            text = f"{value.isoformat()}T12:00:00Z"
        case _:
            msg = f"a {type(value).__name__} has no OData literal"
            raise TypeError(msg)
    return text


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        msg = f"{value} has no OData literal"
        raise ValueError(msg)
    return format(value, "f")


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        msg = f"{value.isoformat()} has no time zone"
        raise ValueError(msg)
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def compare(field: str, operator: str, value: Any) -> str:
    """Return `field operator literal`; operator is one of eq, ne, gt, ge, lt, le."""
    return f"{field} {operator} {literal(value)}"


def eq(field: str, value: Any) -> str:
    """Return `field eq literal`; to F&O a `*` in the value is a wildcard: see `WantedKeys`."""
    return compare(field, "eq", value)


def and_(*terms: str) -> str:
    """Join terms with `and`; an `or` among them must come from `or_`. Empty terms are dropped."""
    return " and ".join(term for term in terms if term)


def or_(*terms: str) -> str:
    """Join terms with `or`, in parentheses."""
    kept = [term for term in terms if term]
    return kept[0] if len(kept) == 1 else f"({' or '.join(kept)})" if kept else ""


def all_equal(pairs: Mapping[str, Any]) -> str:
    """Return the filter for rows that have all these values, in parentheses where needed."""
    terms = [eq(field, value) for field, value in pairs.items()]
    return terms[0] if len(terms) == 1 else f"({and_(*terms)})"


def any_of(
    rows: Iterable[Mapping[str, Any]], *, where: str = "", max_rows: int = 40, max_chars: int = 5000
) -> Iterator[str]:
    """Yield filters that together find every row of `rows`, each short enough for a URL.

    `max_chars` counts the percent-encoded filter; one row is never split, however long it is.
    `where` is added to each filter. Equal rows are asked for once.
    """
    room = max_chars - (encoded_length(where) + len("%20and%20()") if where else 2)
    chunk: list[str] = []
    size = 0
    for term in dict.fromkeys(map(all_equal, rows)):
        length = encoded_length(term) + len("%20or%20")
        if chunk and (len(chunk) >= max_rows or size + length > room):
            yield and_(where, or_(*chunk))
            chunk, size = [], 0
        chunk.append(term)
        size += length
    if chunk:
        yield and_(where, or_(*chunk))


def encoded_length(text: str) -> int:
    """Return the length of a filter once percent-encoded."""
    return len(quote(text, safe=SAFE_IN_QUERY))


def comparable(value: Any) -> Any:
    """Return a value in the form in which F&O's database compares it."""
    match value:
        case str():
            return value.rstrip(" ").casefold()
        case EnumValue():
            return comparable(value.member)
        case datetime():
            return comparable(_instant(value))
        case date() | UUID():
            return comparable(literal(value))
        case _:
            return value


def key_predicate(key: Mapping[str, Any]) -> str:
    """Return `(field='value',…)`, percent-encoded; every key field of the set must be given."""
    if not key:
        msg = "a key needs at least one field"
        raise ValueError(msg)
    pairs = ",".join(f"{field}={literal(value)}" for field, value in key.items())
    return quote(f"({pairs})", safe=SAFE_IN_PATH)


def is_safe_in_path(key: Mapping[str, Any]) -> bool:
    """Tell whether a key can be sent in the path of a URL; otherwise ask with a filter."""
    texts = [value for value in key.values() if isinstance(value, str)]
    return not any(
        # Servers refuse control characters in a path, or take what follows them for something else.
        UNSAFE_IN_PATH & set(text) or text.strip(" .") != text or not text.isprintable()
        for text in texts
    )


def query_string(options: Mapping[str, str | Sequence[str]]) -> str:
    """Return `name=value&…` percent-encoded, blanks as %20; empty options are dropped."""
    pairs = []
    for name, value in options.items():
        text = value if isinstance(value, str) else ",".join(value)
        if text:
            pairs.append(f"{name}={quote(text, safe=SAFE_IN_QUERY)}")
    return "&".join(pairs)
