"""JSON as F&O writes and reads it: decimals are exact numbers without padding."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

# Decimals pass through the encoder as marked strings that lose their quotes afterwards: the
# standard encoder has no exact numbers. NUL cannot occur in a stored string (see values.py).
_MARK = "\x00"
_OPEN, _CLOSE = '"\\u0000', '\\u0000"'


def number_text(value: Decimal) -> str:
    """`6800`, `0.75`, `-24`, `0`: no exponent, no trailing zeros, no minus zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def dumps(value: object) -> str:
    """JSON text of `value`, in which Decimals are numbers. Raises TypeError for foreign types."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_mark)
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def loads(text: str | bytes) -> Any:
    """Parsed JSON with fractions as Decimal. Raises ValueError for what is not JSON."""
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def _mark(value: object) -> str:
    if isinstance(value, Decimal):
        return f"{_MARK}{number_text(value)}{_MARK}"
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def _no_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
