"""Running a plugin in this process, against the sandbox."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox.server import Sandbox


def settings(sandbox: Sandbox, plugin: str, directory: Path) -> dict[str, Any]:
    """Return a plugin's configuration for the sandbox, as its environment variables say."""
    prefix = plugin.replace("-", "_").upper() + "_"
    found = {
        name.removeprefix(prefix).lower(): value
        for name, value in sandbox.environment().items()
        if name.startswith(prefix)
    }
    return {**found, "ledger_url": f"sqlite:///{directory}/ledger.db"}


def messages(stream: str, key: str, records: Iterable[Mapping[str, Any]]) -> io.StringIO:
    """Return a Singer pipe with the records of one stream."""
    schema = {"type": "SCHEMA", "stream": stream, "key_properties": [key]}
    lines = [json.dumps({**schema, "schema": {"properties": {key: {"type": "string"}}}})]
    lines += [
        json.dumps({"type": "RECORD", "stream": stream, "record": record}, default=str)
        for record in records
    ]
    return io.StringIO("\n".join(lines) + "\n")
