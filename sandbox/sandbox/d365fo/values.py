"""Values of entity fields: from JSON to what is stored, defaults, and how they compare.

Stored are: strings without trailing blanks ("" for nothing), Decimal, int, bool, enum members by
name, dates as `2024-01-31T12:00:00Z` (dates at noon, moments to the second), so that a stored row
is its own JSON.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.d365fo.model import Enum, Field, Model

Value = str | int | bool | Decimal | None

NULL_DATE = "1900-01-01T12:00:00Z"
NULL_MOMENT = "1900-01-01T00:00:00Z"
NULL_GUID = "00000000-0000-0000-0000-000000000000"
_PLACES = Decimal(1).scaleb(-16)  # a real is decimal(32,16) in the database
_INT_BITS = {"Int32": 31, "Int64": 63}


class ValueProblem(ValueError):
    """A JSON value that does not fit the type of its field."""


def default(field: Field, model: Model) -> Value:
    """What an unset field of a stored row holds."""
    if field.is_enum:
        members = model.enums[field.type]
        # Enums start at their zero; the few that have none stay null.
        return next((name for name, number in members.items() if number == 0), None)
    defaults: dict[str, Value] = {
        "String": "",
        "Binary": None,
        "Boolean": False,
        "Guid": NULL_GUID,
        "Date": NULL_DATE,
        "UtcDateTime": NULL_MOMENT,
        "Decimal": Decimal(0),
    }
    return defaults.get(field.type, 0)


def convert(field: Field, value: object, model: Model) -> Value:
    """The stored form of a JSON value. Raises ValueProblem with the field and types named."""
    if value is None:
        return default(field, model)
    try:
        if field.is_enum:
            return _enum(value, model.enums[field.type])
        converted: Value = _CONVERTERS[field.type](field, value)
    except (ValueError, ArithmeticError, TypeError, binascii.Error) as error:
        msg = f"Cannot convert the literal '{value}' to the expected type '{field.edm_type}'."
        raise ValueProblem(msg) from error
    return converted


def to_moment(text: str) -> datetime:
    """ISO 8601 to an aware UTC datetime; a text without offset is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def date_text(moment: datetime) -> str:
    """A date as F&O shows it: always noon UTC."""
    return f"{moment:%Y-%m-%d}T12:00:00Z"


def moment_text(moment: datetime) -> str:
    """A moment as F&O shows it: whole seconds, UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"


def is_null_date(value: Value) -> bool:
    """Whether a stored date or moment stands for "none"."""
    return str(value).startswith("1900-01-01")


def fold(value: object) -> object:
    """`value` as SQL compares it: strings without case and trailing blanks."""
    return value.rstrip(" ").lower() if isinstance(value, str) else value


def _string(field: Field, value: object) -> str:
    if not isinstance(value, str) or "\x00" in value:
        raise ValueError
    text = value.rstrip(" ")  # AX trims on save
    return text.lower() if field.name == "dataAreaId" else text


def _integer(field: Field, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value != int(value):
        raise ValueError
    number = int(value)
    limit = 1 << _INT_BITS[field.type]
    if not -limit <= number < limit:
        raise ValueError
    return number


def _decimal(_: Field, value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError  # OData wants a number here, not a string
    number = Decimal(value)
    return number.quantize(_PLACES).normalize() if _scale(number) > 16 else number


def _scale(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError
    return -exponent


def _boolean(_: Field, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def _guid(_: Field, value: object) -> str:
    return str(uuid.UUID(str(value)))


def _binary(_: Field, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    base64.b64decode(value, validate=True)
    return value


def _date(_: Field, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    # "2024-01-17" and a time of day are accepted; what is stored is the date alone.
    text = date_text(to_moment(value))
    return NULL_DATE if is_null_date(text) else text


def _moment(_: Field, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError
    return moment_text(to_moment(value))


def _enum(value: object, members: Enum) -> str:
    if isinstance(value, str) and value in members:
        return value
    if isinstance(value, int) and not isinstance(value, bool):  # the number is tolerated
        return next(name for name, number in members.items() if number == value)
    raise ValueError


_CONVERTERS: dict[str, Callable[[Field, object], Value]] = {
    "String": _string,
    "Int32": _integer,
    "Int64": _integer,
    "Decimal": _decimal,
    "Boolean": _boolean,
    "Guid": _guid,
    "Binary": _binary,
    "Date": _date,
    "UtcDateTime": _moment,
}
