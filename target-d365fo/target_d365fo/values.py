"""Reading the values of a record: each refusal names the field, what it holds and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from target_d365fo.invoice import reject

NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?")
DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ].*)?")


class Fields:
    """The fields of one record; `where` is put in front of messages ("line 2: ")."""

    def __init__(self, record: Mapping[str, Any], where: str = "") -> None:
        self._record = record
        self._where = where

    def text(self, name: str) -> str:
        """Return the trimmed text, "" when there is none; a whole number counts as text."""
        value = self._record.get(name)
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            self._refuse(name, value, "is no text", "send it as text")
        return str(value).strip()

    def required_text(self, name: str, remedy: str) -> str:
        """Return the text; raises Rejected with the remedy when it is missing."""
        text = self.text(name)
        if not text:
            reject(f"{self._where}{name} is missing", remedy)
        return text

    def amount(self, name: str) -> Decimal | None:
        """Return a number exactly as it was written, None when there is none.

        Numbers in text are read when they are plain (no thousands separator, no comma, no
        exponent). A binary float is refused: its decimals are not those that were written.
        """
        value = self._record.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, float):
            self._refuse(
                name, value, "is a binary float, which is not exact", "send a decimal number"
            )
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and not NUMBER.fullmatch(text):
            self._refuse(name, value, "is no number", "write it like 1234.56")
        if isinstance(text, bool) or not isinstance(text, str | int | Decimal):
            self._refuse(name, value, "is no number", "send a number")
        number = Decimal(text)
        if not number.is_finite():
            self._refuse(name, value, "is no number", "send a number")
        return number

    def required_amount(self, name: str, remedy: str) -> Decimal:
        """Return the number; raises Rejected with the remedy when it is missing."""
        amount = self.amount(name)
        if amount is None:
            reject(f"{self._where}{name} is missing", remedy)
        return amount

    def whole(self, name: str) -> int | None:
        """Return a whole number, also from text such as "1" or "1.000000"; None when missing."""
        amount = self.amount(name)
        if amount is None:
            return None
        if amount != amount.to_integral_value():
            self._refuse(name, amount, "is no whole number", "correct it")
        return int(amount)

    def day(self, name: str) -> date | None:
        """Return the calendar day as it is written, without a change of time zone."""
        value = self._record.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, date):
            return date(value.year, value.month, value.day)
        match = DAY.fullmatch(value.strip()) if isinstance(value, str) else None
        try:
            year, month, day = (int(match[n]) for n in (1, 2, 3)) if match else (0, 0, 0)
            return date(year, month, day)
        except ValueError:
            self._refuse(name, value, "is no date", "write it like 2026-01-31")

    def flag(self, name: str) -> bool:
        """Return true or false; a missing flag is false."""
        value = self._record.get(name)
        if value is not None and not isinstance(value, bool):
            self._refuse(name, value, "is neither true nor false", "send true or false")
        return bool(value)

    def names(self, name: str) -> dict[str, Any]:
        """Return an object of values by name; empty when missing."""
        value = self._record.get(name)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            self._refuse(name, value, "is no object", "send names with values")
        return {str(key): item for key, item in value.items() if item not in (None, "")}

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """Return a list of objects; empty when missing."""
        value = self._record.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple) or not all(isinstance(r, Mapping) for r in value):
            self._refuse(name, value, "is no list of rows", "send a list of objects")
        return list(value)

    def _refuse(self, name: str, value: object, problem: str, remedy: str) -> NoReturn:
        text = repr(value) if isinstance(value, str) else str(value)
        shown = text if len(text) <= 40 else f"{text[:39]}…"
        reject(f"{self._where}{name} {shown} {problem}", remedy)
