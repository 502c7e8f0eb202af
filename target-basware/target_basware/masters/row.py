"""Reading the fields of an F&O row; each refusal names the field and what is wrong with it.

F&O has no nulls: an empty text, 1900-01-01 and 2154-12-31 stand for them (reference 2.3). No
message shows a value that might be a bank account number.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NoReturn

from singer_delivery.errors import Rejected

DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})([T ].*)?")
NUMBER = re.compile(r"[+-]?\d{1,20}(\.\d{1,20})?")
#: F&O's numbers have sixteen digits before the point.
LARGEST = 10**16
NEVER_BEFORE = date(1900, 12, 31)
NEVER_AFTER = date(2154, 1, 1)


class Row:
    """One row of F&O, or an object within one; `where` is put in front of messages."""

    def __init__(self, record: Any, where: str = "") -> None:
        if not isinstance(record, Mapping):
            msg = f"{where or 'the record'} is no object"
            raise Rejected(msg)
        self._record = record
        self._where = f"{where}: " if where else ""

    def has(self, name: str) -> bool:
        """Return whether the record says anything of a field: it is there, and not null."""
        return self._record.get(name) is not None

    def is_null(self, name: str) -> bool:
        """Return whether the record has a field that could not be filled."""
        return name in self._record and self._record[name] is None

    def text(self, name: str) -> str:
        """Return the trimmed text, "" when there is none; a whole number counts as text."""
        value = self._record.get(name)
        if type(value) is str:  # nearly always
            return value.strip()
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            self._refuse(name, "is no text")
        return str(value).strip()

    def required(self, name: str) -> str:
        """Return the text; raises Rejected when there is none."""
        text = self.text(name)
        if not text:
            self._refuse(name, "is missing")
        return text

    def yes(self, name: str) -> bool:
        """Return whether a NoYes is Yes; a missing one is No."""
        value = self._record.get(name)
        if isinstance(value, bool):
            return value
        return self.text(name).casefold() in ("yes", "1")

    def number(self, name: str) -> Decimal | None:
        """Return a number exactly as it was written, None when there is none."""
        value = self._record.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
            value = Decimal(value.strip())
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            self._refuse(name, "is no exact number")
        number = Decimal(value)
        if not number.is_finite() or abs(number) >= LARGEST:
            self._refuse(name, "is no number that F&O can hold")
        return number

    def required_number(self, name: str) -> Decimal:
        """Return the number; raises Rejected when there is none."""
        number = self.number(name)
        if number is None:
            self._refuse(name, "is missing")
        return number

    def whole(self, name: str) -> int:
        """Return a whole number, 0 when there is none."""
        number = self.number(name) or Decimal(0)
        if number != number.to_integral_value():
            self._refuse(name, "is no whole number")
        return int(number)

    def day(self, name: str) -> date | None:
        """Return the calendar day as it is written; None for F&O's "no date" and "for ever"."""
        text = self.text(name)
        if not text:
            return None
        match = DAY.fullmatch(text)
        try:
            found = date(*(int(match[n]) for n in (1, 2, 3))) if match else None
        except ValueError:
            found = None
        if found is None:
            self._refuse(name, "is no date like 2026-01-31T12:00:00Z")
        return found if NEVER_BEFORE < found < NEVER_AFTER else None

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, empty when there is none."""
        return [str(item).strip() for item in self._list(name)]

    def rows(self, name: str) -> list[Row]:
        """Return the rows that the record brings along, empty when there are none."""
        return [
            Row(item, f"{self._where}{name}[{number}]")
            for number, item in enumerate(self._list(name))
        ]

    def row(self, name: str) -> Row | None:
        """Return the row that the record brings along, None when there is none."""
        value = self._record.get(name)
        return None if value is None else Row(value, f"{self._where}{name}")

    def _list(self, name: str) -> list[Any]:
        value = self._record.get(name)
        if value is None:
            return []
        if not isinstance(value, list | tuple):
            self._refuse(name, "is no list")
        return list(value)

    def _refuse(self, name: str, problem: str) -> NoReturn:
        msg = f"{self._where}{name} {problem}"
        raise Rejected(msg)
