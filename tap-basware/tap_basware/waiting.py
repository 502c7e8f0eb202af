"""The invoices that wait in Basware, as the Singer messages that a scheduled run would read."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from singer_delivery.live import configured
from singer_delivery.writer import WholeLines

from tap_basware.resources import BY_STATUS
from tap_basware.settings import INBOX_SETTING
from tap_basware.tap import TapBasware

STREAM = "accounting_documents"


class KeptMessages(WholeLines):
    """Keeps the lines instead of writing them to stdout."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque()

    def write_message(self, message: Any) -> None:
        """Keep a message."""
        self.lines.append(self.format_message(message) + "\n")

    def taken(self) -> Iterator[str]:
        """Yield and forget what was kept."""
        while self.lines:
            yield self.lines.popleft()


class WaitingInvoices(TapBasware):
    """The tap, read line by line from inside this process."""

    message_writer_class = KeptMessages


def open_waiting(config: Mapping[str, Any], scopes: Sequence[str] = ()) -> Iterator[str]:
    """Yield SCHEMA and RECORD of each waiting invoice, under the settings of tap-basware.

    Empty settings: those of the environment. `scopes` are company codes, instead of those of the
    settings. Read is the list, of the settings' statuses, whatever the notifications say. Raises
    DeliveryError.
    """
    given = dict(configured(TapBasware, config).config)
    given.pop(INBOX_SETTING, None)
    given["accounting_documents_mode"] = BY_STATUS
    if scopes:
        given["company_codes"] = list(scopes)
    tap = configured(WaitingInvoices, given)
    writer = tap.message_writer
    if not isinstance(writer, KeptMessages):
        raise TypeError
    stream = tap.streams[STREAM]
    stream._write_schema_message()
    for _ in stream._sync_records():
        yield from writer.taken()
    yield from writer.taken()
