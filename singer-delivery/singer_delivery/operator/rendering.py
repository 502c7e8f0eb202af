"""Texts from outside on a terminal and in a spreadsheet: harmless, on one line, in columns."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

GAP = "  "
#: What a spreadsheet takes for a formula when a cell begins with it (OWASP, CSV injection).
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def plain(text: object) -> str:
    """Return a text as one line without characters that steer a terminal."""
    line = " ".join(str(text).split())
    return "".join("\ufffd" if unicodedata.category(c)[0] == "C" else c for c in line)


def cell(text: str) -> str:
    """Return a text as a spreadsheet shows it and never runs it."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def moment(at: datetime | str | None) -> str:
    """Return an instant as 2026-11-23 10:15:02 in UTC, or "" for none."""
    if not at:
        return ""
    instant = datetime.fromisoformat(at) if isinstance(at, str) else at
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def columns(header: Sequence[str], rows: Iterable[Sequence[str]], *, width: int = 120) -> list[str]:
    """Return lines of a table that is at most so wide; the longest columns give way first."""
    table = [list(map(plain, row)) for row in (header, *rows)]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    _narrow(widths, width - len(GAP) * (len(widths) - 1))
    return [
        GAP.join(map(_fitted, row, widths)).rstrip()
        for row in (table[0], ["-" * wide for wide in widths], *table[1:])
    ]


def _narrow(widths: list[int], room: int) -> None:
    while sum(widths) > room and max(widths) > 1:
        longest = widths.index(max(widths))
        second = sorted(widths)[-2] if len(widths) > 1 else 1
        excess = sum(widths) - room
        widths[longest] -= min(excess, max(1, widths[longest] - second))


def _width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _fitted(text: str, width: int) -> str:
    if _width(text) > width:
        while _width(text) > width - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (width - _width(text))
