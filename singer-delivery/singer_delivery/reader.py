"""Reading Singer messages so that one garbled line costs that line only."""

from __future__ import annotations

import json
import select
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from io import BufferedReader, TextIOWrapper, UnsupportedOperation
from typing import IO, Any

from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding import SimpleSingerReader
from singer_sdk.singerlib.exceptions import InvalidInputLine

from singer_delivery.errors import BadInput
from singer_delivery.exact_json import parse_utf8

#: Bytes of the input that are read at once.
PIECE = 1 << 16
_NAME = (str, "a name")
_OBJECT = (dict, "an object")
#: What the parts of a message must be (Singer specification).
_PARTS: Mapping[str, Mapping[str, tuple[Any, str]]] = {
    "SCHEMA": {
        "stream": _NAME,
        "schema": _OBJECT,
        "key_properties": (list | None, "a list of names"),
    },
    "RECORD": {"stream": _NAME, "record": _OBJECT},
    "STATE": {"value": _OBJECT},
    "ACTIVATE_VERSION": {"stream": _NAME},
    "BATCH": {"stream": _NAME},
}


class LineReader(SimpleSingerReader):
    """Hands messages to callbacks, and lines that are none to `on_bad_line`.

    `guard` is entered before the first line and left after the last, or by what ends it. `pause`
    is called whenever no line has come yet, with the seconds since the last one was handled, until
    it returns False or one has come.
    """

    def __init__(self) -> None:
        super().__init__()
        #: RECORD messages so far.
        self.records = 0
        #: The number of the line that is being handled.
        self.line = 0
        self.on_bad_line: Callable[[str], None] = _raise
        self.guard: Callable[[], AbstractContextManager[None]] = nullcontext
        self.pause: Callable[[float], bool] = lambda _: False
        #: Is given each line first, and tells whether it has taken it: a RECORD that need not be
        #: read now.
        self.take_unread: Callable[[str | bytes], bool] = lambda _: False

    def process_lines(
        self, file_input: IO[str] | None, callbacks: dict[Any, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read to the end; returns how many messages of each type there were."""
        with self.guard():
            return self._process(file_input, callbacks)

    def _process(
        self, file_input: IO[str] | None, callbacks: Mapping[Any, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        counts: Counter[str] = Counter()
        for number, line in enumerate(self._lines(file_input or sys.stdin), start=1):
            if not line.strip():
                continue
            self.line = number
            try:
                if self.take_unread(line):
                    counts["RECORD"] += 1
                    self.records = counts["RECORD"]
                    continue
                message = read_message(line)
                callback = callbacks.get(message["type"])
                if callback is None:
                    msg = f"has the unknown message type {str(message['type'])[:40]!r}"
                    raise BadInput(msg)
                callback(message)
            except (BadInput, InvalidInputLine, RecordsWithoutSchemaException) as problem:
                self.on_bad_line(f"line {number} of the input {_words(problem)}")
                continue
            counts[message["type"]] += 1
            self.records = counts["RECORD"]
        return counts

    def _lines(self, lines: IO[str]) -> Iterable[str | bytes]:
        """Return the input so that bytes that are no UTF-8 cost their line, whatever the locale is.

        Where it is no file of the operating system there is no pause.
        """
        if not isinstance(lines, TextIOWrapper):
            return lines
        file: BufferedReader = lines.buffer
        try:
            file.fileno()
        except UnsupportedOperation:
            return file
        return self._lines_in_time(file)

    def _lines_in_time(self, file: BufferedReader) -> Iterator[bytes]:
        """Return lines as they come, and use the time until they do."""
        begun: list[bytes] = []
        while True:
            handled = time.monotonic()
            while not _has_come(file) and self.pause(time.monotonic() - handled):
                pass
            some = file.read1(PIECE)
            *whole, rest = some.split(b"\n")
            if whole:
                yield b"".join([*begun, whole[0]])
                yield from whole[1:]
                begun = []
            begun.append(rest)
            if not some:
                yield b"".join(begun)
                return


def _words(problem: Exception) -> str:
    match problem:
        case InvalidInputLine():
            # The SDK's own text repeats the whole line, bank accounts included.
            return "is not a Singer message: a required part is missing"
        case RecordsWithoutSchemaException():
            return "has a RECORD before the SCHEMA of its stream"
        case _:
            return str(problem)


def _has_come(file: BufferedReader) -> bool:
    """Return whether reading would not wait; True where the system cannot tell."""
    try:
        return bool(select.select([file], [], [], 0)[0])
    except OSError:
        return True


def read_message(line: str | bytes) -> dict[str, Any]:
    """Return a line as a message. Raises BadInput, whose words follow "line 7 of the input"."""
    try:
        message = parse_utf8(line)
    except UnicodeError:
        msg = "is not a Singer message: it is no UTF-8"
        raise BadInput(msg) from None
    except (ValueError, RecursionError) as error:
        where = f" (column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        msg = f"is not a Singer message: it is no JSON{where}"
        raise BadInput(msg) from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        msg = "is not a Singer message: it has no type"
        raise BadInput(msg)
    _check_shape(message)
    return message


def _check_shape(message: Mapping[str, Any]) -> None:
    """Check what the SDK takes for granted; what is absent it reports itself."""
    for part, (kind, word) in _PARTS.get(message["type"], {}).items():
        if part in message and not isinstance(message[part], kind):
            msg = f"is not a Singer message: its {part} is not {word}"
            raise BadInput(msg)
    if message["type"] == "SCHEMA":
        properties = message.get("schema", {}).get("properties", {})
        keys = message.get("key_properties") or []
        if not isinstance(properties, dict) or not all(isinstance(key, str) for key in keys):
            msg = "is not a Singer message: its schema or key_properties cannot be read"
            raise BadInput(msg)


def _raise(problem: str) -> None:
    raise BadInput(problem)
