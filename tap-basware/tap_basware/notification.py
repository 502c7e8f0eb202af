"""What Basware posts to a webhook (reference 6): a pointer to a document, never the document."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tap_basware.crawl import moment

ACCOUNTING_DOCUMENTS = "AccountingDocuments"
#: What Basware sends when somebody subscribes; it only wants to be answered.
CONNECTION_TEST = "ConnectionTest"
#: A spelling of Basware's own example.
MISSPELLED = {"AccoutingDocuments": ACCOUNTING_DOCUMENTS}
LONGEST_TEXT = 300


class BadNotification(ValueError):
    """A body that is no notification; the text says why, and repeats nothing of it."""


@dataclass(frozen=True)
class Notification:
    """One notification; `expires` (aware, UTC) is None where it names no time that can be read."""

    task_id: str
    task_status: str
    task_type: str
    task_sub_type: str
    document_id: str
    expires: datetime | None = None

    @property
    def is_connection_test(self) -> bool:
        """Whether there is no document behind it."""
        return self.task_type == CONNECTION_TEST

    def expired(self, now: datetime, leeway: timedelta) -> bool:
        """Tell whether it is older than it may get, by clocks that differ by `leeway` at most."""
        return self.expires is not None and self.expires + leeway < now


def parse(body: bytes) -> Notification:
    """Return the notification that a body holds. Raises BadNotification."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        msg = "the body is no JSON"
        raise BadNotification(msg) from None
    if not isinstance(found, dict):
        msg = "the body is no JSON object"
        raise BadNotification(msg)
    task_type = _text(found, "taskType", required=True)
    task_type = MISSPELLED.get(task_type, task_type)
    # What else a connection test carries is not documented.
    required = task_type != CONNECTION_TEST
    return Notification(
        task_id=_text(found, "taskId", required=required),
        task_status=_text(found, "taskStatus", required=required),
        task_type=task_type,
        task_sub_type=_text(found, "taskSubType"),
        document_id=_text(found, "documentId", required=required),
        expires=moment(found.get("expirationTime")),
    )


def _text(found: dict[str, Any], name: str, *, required: bool = False) -> str:
    value = found.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or (required and not value):
        msg = f"{name} is missing or no text"
        raise BadNotification(msg)
    if len(value) > LONGEST_TEXT or not value.isprintable():
        msg = f"{name} is too long, or has characters that cannot be printed"
        raise BadNotification(msg)
    return value
