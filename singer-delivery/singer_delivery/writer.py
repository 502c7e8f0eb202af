"""Writing Singer messages: each whole, records that follow each other closely together."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import RecordMessage

from singer_delivery.stopping import Stopped

#: Seconds that a record may wait for others, so that they go out together, and bytes of them.
LINGER = 0.05
ROOM = 64 * 1024


class WholeLines(SingerWriter):
    """Writes a message to its end: the signal that comes meanwhile ends the tap after it.

    A record waits for those that follow it at once; any other message, and a record after a
    pause, goes out immediately, with all that wait. What waits when a tap fails is dropped, which
    no STATE covers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writing = False
        self.stopped: Stopped | None = None
        self._encode = msgspec.json.Encoder(decimal_format="number").encode
        self._waiting = bytearray()
        self._written_at = 0.0

    def serialize_message(self, message: Any) -> str:
        """Return a message as one line of JSON; a Decimal becomes a number with all its digits."""
        return self._encode(message.to_dict()).decode()

    def write_message(self, message: Any) -> None:
        """Write a message to stdout."""
        if isinstance(message, RecordMessage):
            self.write_record(message.to_dict())
        else:
            self._write(self.format_message(message).encode(), at_once=True)

    def write_record(self, message: Mapping[str, Any]) -> None:
        """Write a RECORD message, given as what stands in it."""
        self._write(self._encode(message), at_once=False)

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            text = self._waiting.decode()
            self._waiting.clear()
            sys.stdout.write(text)
        sys.stdout.flush()
        self._written_at = time.monotonic()

    def _write(self, line: bytes, *, at_once: bool) -> None:
        self.writing = True
        try:
            self._waiting += line
            self._waiting += b"\n"
            if at_once or len(self._waiting) > ROOM or time.monotonic() - self._written_at > LINGER:
                self.flush()
        finally:
            self.writing = False
        if self.stopped:
            raise self.stopped

    def stop(self, stopped: Stopped) -> None:
        """Raise this, now or after the message that is being written."""
        self.stopped = stopped
        if not self.writing:
            raise stopped
