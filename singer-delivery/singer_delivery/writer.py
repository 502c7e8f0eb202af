"""Writing Singer messages: each whole, records that follow each other closely together."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from singer_sdk.io_base import SingerWriter
from singer_sdk.singerlib import RecordMessage
from singer_sdk.singerlib.json import serialize_json

from singer_delivery.stopping import Stopped

#: Seconds that a record may wait for others, so that they go out together; 0: each goes alone.
LINGER = 0.05
#: Bytes that wait at most.
ROOM = 64 * 1024


class WholeLines(SingerWriter):
    """Writes a message to its end: the signal that comes meanwhile ends the tap after it.

    Inside `with writer:` records wait up to LINGER for those that follow, and go out together, in
    order. Any other message goes out at once, after all records before it: no STATE is ahead of a
    record. What waits at the end of the block is written, however that comes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.writing = False
        self.stopped: Stopped | None = None
        #: Records so far, by stream.
        self.records: Counter[str] = Counter()
        self._encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode
        self._waiting = bytearray()
        self._written_at = 0.0
        #: Held while stdout is written, here or by the thread that ends a wait.
        self._turn = threading.Lock()
        self._failure: OSError | None = None
        self._over = threading.Event()
        self._over.set()

    def __enter__(self) -> Self:
        self._over.clear()
        threading.Thread(target=self._end_waits, name="writer", daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        try:
            self._put(b"", at_once=True)
        except OSError:
            # An error that is under way says more than that nobody listens any more.
            if not isinstance(error, Exception):
                raise

    def write_message(self, message: Any) -> None:
        """Write a message to stdout."""
        if isinstance(message, RecordMessage):
            self.write_record(message.to_dict())
        else:
            self._put(self.format_message(message).encode() + b"\n", at_once=True)

    def write_record(self, message: Mapping[str, Any]) -> None:
        """Write a RECORD message, given as what stands in it."""
        try:
            line = self._encode(message)
        except UnicodeEncodeError:  # half a surrogate pair: JSON can hold it, UTF-8 cannot
            line = serialize_json(message).encode()
        self._put(line + b"\n", at_once=self._over.is_set())
        self.records[message["stream"]] += 1

    def stop(self, stopped: Stopped) -> None:
        """Raise this, now or after the message that is being written."""
        self.stopped = stopped
        if not self.writing:
            raise stopped

    def _put(self, line: bytes, *, at_once: bool) -> None:
        """Write a line or let it wait. Raises Stopped that came meanwhile, OSError of stdout."""
        self.writing = True
        try:
            with self._turn:
                if self._failure:
                    raise self._failure
                if at_once:
                    self._write()
                self._waiting += line
                late = time.monotonic() - self._written_at >= LINGER
                if at_once or late or len(self._waiting) > ROOM:
                    self._write()
        finally:
            self.writing = False
        if self.stopped:
            raise self.stopped

    def _write(self) -> None:
        """Write what waits; `_turn` is held."""
        if not self._waiting:
            return
        lines = bytes(self._waiting)
        self._waiting.clear()
        binary = getattr(sys.stdout, "buffer", None)
        if binary is None:
            sys.stdout.write(lines.decode())
        else:
            binary.write(lines)
        sys.stdout.flush()
        self._written_at = time.monotonic()

    def _end_waits(self) -> None:
        """Write what nothing followed in time, until the block is over; in a thread of its own."""
        while not self._over.wait(LINGER or 1):
            with self._turn:
                try:
                    if not self._over.is_set() and time.monotonic() - self._written_at >= LINGER:
                        self._write()
                except OSError as failure:
                    self._failure = failure
                    return
