"""JSON whose numbers stay exact: fractions are Decimal on the way in and on the way out."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from json.encoder import encode_basestring as _quote  # the standard library's own, in C
from typing import Any


def loads(text: str | bytes) -> Any:
    """Parse JSON; a number with a fraction or an exponent becomes a Decimal."""
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)


def dumps(value: object) -> str:
    """Write JSON. Decimal keeps its digits, datetime becomes `stamp` text.

    Raises TypeError for a float, which could not be exact, and ValueError for NaN and infinity.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts)


def stamp(moment: datetime) -> str:
    """A moment (aware, UTC) as Basware writes it: 2026-11-02T07:36:13.053Z."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _write(value: object, parts: list[str]) -> None:
    if isinstance(value, str):
        parts.append(_quote(value))
    elif isinstance(value, dict):
        _write_object(value, parts)
    elif isinstance(value, list | tuple):
        _write_array(value, parts)
    else:
        parts.append(_scalar(value))


def _write_object(value: dict[str, object], parts: list[str]) -> None:
    separator = "{"
    for name, item in value.items():
        parts.append(separator)
        parts.append(_quote(name))
        parts.append(":")
        _write(item, parts)
        separator = ","
    parts.append("}" if value else "{}")


def _write_array(value: list[object] | tuple[object, ...], parts: list[str]) -> None:
    separator = "["
    for item in value:
        parts.append(separator)
        _write(item, parts)
        separator = ","
    parts.append("]" if value else "[]")


def _scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        if not value.is_finite():
            msg = f"{value} is no JSON number"
            raise ValueError(msg)
        return format(value, "f")
    if isinstance(value, datetime):
        return _quote(stamp(value))
    msg = f"{type(value).__name__} cannot be written exactly"
    raise TypeError(msg)


def _refuse_constant(name: str) -> None:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)
