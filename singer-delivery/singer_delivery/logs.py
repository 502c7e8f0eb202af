"""The log in a form for machines: JSON lines, with secrets and bank accounts left out of it all."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from singer_sdk.logging import StructuredFormatter

from singer_delivery.redaction import REDACTOR

#: "json" asks for it where nobody has set up the log, as Meltano does by itself.
FORMAT_VARIABLE = "SINGER_LOG_FORMAT"
SDK_CONFIG = "SINGER_SDK_LOG_CONFIG"


class RedactedFormatter(StructuredFormatter):
    """The SDK's JSON lines, without secrets in what a record carries besides its message.

    That is its extra facts, and its exception, which the SDK writes down by itself.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as one line."""
        return json.dumps(_redacted(json.loads(super().format(record))), separators=(",", ":"))


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return REDACTOR.text(value)
        case dict():
            return {name: _redacted(item) for name, item in value.items()}
        case list():
            return [_redacted(item) for item in value]
        case _:
            return value


def prepare() -> None:
    """Let the handlers that there are write JSON where that is wanted, and redact what they do."""
    wanted = os.environ.get(FORMAT_VARIABLE, "").lower() == "json" and SDK_CONFIG not in os.environ
    for handler in logging.getLogger().handlers:
        structured = isinstance(handler.formatter, StructuredFormatter)
        if wanted or structured:
            defaults = handler.formatter._defaults if structured else None  # type: ignore[union-attr]
            handler.setFormatter(RedactedFormatter(defaults=defaults))
