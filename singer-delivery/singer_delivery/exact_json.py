"""JSON whose amounts keep every digit: a number with a fraction is a Decimal, never a float."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
import simplejson

from singer_delivery.errors import Refused

if TYPE_CHECKING:
    import requests

_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")
#: What may stand in JSON for a number that is none.
_SUSPICIOUS = (b"null", b"NaN", b"Infinity")


def encode_json(value: Any) -> bytes:
    """Return compact UTF-8 JSON; a Decimal becomes a number with all its digits.

    Raises ValueError for NaN and infinities, which JSON does not have.
    """
    try:
        text = _ENCODER.encode(value)
    except (TypeError, UnicodeError):
        text = _encode_thoroughly(value)
    # Some write null instead. We look ourselves, and only when there may be something, for going
    # through a large body takes longer than writing it.
    if any(word in text for word in _SUSPICIOUS):
        _check_finite(value)
    return text


def _encode_thoroughly(value: Any) -> bytes:
    text = simplejson.dumps(
        value, use_decimal=True, separators=(",", ":"), ensure_ascii=False, allow_nan=True
    )
    return text.encode()


def _check_finite(value: Any) -> None:
    match value:
        case Decimal() | float() if not Decimal(value).is_finite():
            msg = f"{value} is no JSON number"
            raise ValueError(msg)
        case Mapping():
            for item in value.values():
                _check_finite(item)
        case list() | tuple():
            for item in value:
                _check_finite(item)


def parse_json(text: str | bytes) -> Any:
    """Return JSON with every fraction as Decimal; ValueError for what is none, NaN included."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, ArithmeticError):
        # What the quick one does not take may still be JSON: half surrogate pairs, UTF-16. If
        # not, the thorough one says where.
        return _parse_thoroughly(text)


def parse_utf8(text: str | bytes) -> Any:
    """Do as `parse_json`, but raise UnicodeError where a text is none in UTF-8."""
    try:
        return _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeError, ArithmeticError):
        if isinstance(text, bytes):
            text = text.decode()
        text.encode()
        return _parse_thoroughly(text)


def _parse_thoroughly(text: str | bytes) -> Any:
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except InvalidOperation:
        msg = "a number has an exponent beyond all measure"
        raise ValueError(msg) from None


def _no_number(name: str) -> Any:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)


def decode_json(response: requests.Response) -> Any:
    """Return the body as JSON with every fraction as Decimal; Refused when it is no JSON."""
    try:
        return parse_json(response.content)
    except (ValueError, RecursionError):
        parts = urlsplit(response.url)
        msg = (
            f"{parts.scheme}://{parts.netloc}{parts.path} answered {response.status_code} "
            "with something that is not JSON; is the address that of the API?"
        )
        raise Refused(msg, status=response.status_code) from None
