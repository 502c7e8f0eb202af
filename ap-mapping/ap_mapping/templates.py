"""Text templates: `{baswareField}` and `{baswareField|text when empty}`, nothing more.

No attribute access, indexing or conversion, so a template can show a field and do nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PIECES = re.compile(
    r"\{\{|\}\}"  # escaped braces
    r"|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:\|(?P<default>[^{}]*))?\}"
    r"|(?P<brace>[{}])"
    r"|[^{}]+"
)


@dataclass(frozen=True)
class Placeholder:
    """One `{name}` or `{name|default}`."""

    name: str
    default: str = ""


@dataclass(frozen=True)
class Template:
    """A parsed text template."""

    text: str
    pieces: tuple[str | Placeholder, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The Basware fields it shows."""
        return tuple(piece.name for piece in self.pieces if isinstance(piece, Placeholder))

    def render(self, values: Mapping[str, Any], max_length: int | None = None) -> str:
        """The text for these values, trimmed and cut to `max_length`; a missing value is empty."""
        text = "".join(
            piece if isinstance(piece, str) else as_text(values.get(piece.name)) or piece.default
            for piece in self.pieces
        ).strip()
        return text[:max_length].rstrip() if max_length is not None else text

    value = render


@dataclass(frozen=True)
class FieldValue:
    """`{field: name}`: the value of one Basware field, as it is."""

    field: str

    @property
    def names(self) -> tuple[str, ...]:
        """The Basware field it takes."""
        return (self.field,)

    def value(self, values: Mapping[str, Any], max_length: int | None = None) -> Any:
        """The raw value (None if missing); text is trimmed and cut to `max_length`."""
        value = values.get(self.field)
        if not isinstance(value, str):
            return value
        value = value.strip()
        return value[:max_length].rstrip() if max_length is not None else value


def parse_template(text: str) -> Template:
    """Raises ValueError saying what is wrong with the template."""
    pieces: list[str | Placeholder] = []
    for match in _PIECES.finditer(text):
        if match["brace"]:
            at = text[match.start() : match.start() + 20]
            raise ValueError(
                f"template {text!r}: {at!r} is no placeholder; write {{fieldName}} or"
                " {fieldName|text}, and {{ or }} for a brace"
            )
        if match["name"]:
            pieces.append(Placeholder(match["name"], match["default"] or ""))
        else:
            pieces.append({"{{": "{", "}}": "}"}.get(match[0], match[0]))
    return Template(text, tuple(pieces))


def as_text(value: Any) -> str:
    """A Basware value as text: numbers without exponent or padding, dates as they came."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        shown = f"{value:f}"
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    return str(value).strip()
