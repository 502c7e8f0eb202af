"""Reading Singer messages so that one garbled line costs that line only."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import IO, Any

from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding import SimpleSingerReader
from singer_sdk.singerlib.exceptions import InvalidInputLine

from singer_delivery.errors import BadInput


class LineReader(SimpleSingerReader):
    """Hands messages to callbacks, and lines that are none to `on_bad_line`."""

    def __init__(self) -> None:
        super().__init__()
        self.on_bad_line: Callable[[str], None] = _raise

    def process_lines(
        self, file_input: IO[str] | None, callbacks: dict[Any, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read to the end; returns how many messages of each type there were."""
        counts: Counter[str] = Counter()
        for number, line in enumerate(file_input or self.default_input, start=1):
            if not line.strip():
                continue
            try:
                message = _message(line)
                callback = callbacks.get(message["type"])
                if callback is None:
                    msg = f"has the unknown message type {str(message['type'])[:40]!r}"
                    raise BadInput(msg)
                callback(message)
            except (BadInput, InvalidInputLine, RecordsWithoutSchemaException) as problem:
                self.on_bad_line(f"line {number} of the input {_words(problem)}")
                continue
            counts[message["type"]] += 1
        return counts


def _words(problem: Exception) -> str:
    match problem:
        case InvalidInputLine():
            # The SDK's own text repeats the whole line, bank accounts included.
            return "is not a Singer message: a required part is missing"
        case RecordsWithoutSchemaException():
            return "has a RECORD before the SCHEMA of its stream"
        case _:
            return str(problem)


def _message(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line, parse_float=Decimal, parse_constant=_no_number)
    except ValueError as error:
        where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        msg = f"is not a Singer message: it is no JSON{where}"
        raise BadInput(msg) from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        msg = "is not a Singer message: it has no type"
        raise BadInput(msg)
    return message


def _no_number(name: str) -> Any:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)


def _raise(problem: str) -> None:
    raise BadInput(problem)
