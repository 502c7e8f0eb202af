"""Runs of the tap in this process: discovered, selected, synced."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from singer_delivery.errors import DeliveryError
from tap_d365fo.tap import TapD365FO


@dataclass
class Output:
    """The messages of a run."""

    messages: list[dict[str, Any]] = field(default_factory=list)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    def records(self, stream: str) -> list[dict[str, Any]]:
        return [m["record"] for m in self.of("RECORD") if m["stream"] == stream]

    @property
    def state(self) -> dict[str, Any]:
        """The last state, as it comes back from a file."""
        return dict(self.of("STATE")[-1]["value"])

    @property
    def activated(self) -> list[str]:
        return [message["stream"] for message in self.of("ACTIVATE_VERSION")]


def discover(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the catalog of everything that the environment offers."""
    return TapD365FO(config=dict(config), setup_mapper=False).catalog_dict


def select(
    catalog: Mapping[str, Any],
    *streams: str,
    fields: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, Any]:
    """Return the catalog with just these streams selected, and of `fields` just those."""
    chosen = json.loads(json.dumps(catalog))
    for stream in chosen["streams"]:
        wanted = (fields or {}).get(stream["tap_stream_id"])
        for entry in stream["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = stream["tap_stream_id"] in streams
            elif wanted is not None:
                entry["metadata"]["selected"] = entry["breadcrumb"][-1] in set(wanted)
    return dict(chosen)


def run(
    config: Mapping[str, Any], catalog: Mapping[str, Any], state: dict[str, Any] | None = None
) -> Output:
    """Sync what the catalog selects."""
    with _caught() as messages:
        TapD365FO(config=dict(config), catalog=dict(catalog), state=state).sync_all()
    return Output(messages)


def broken_run(config: Mapping[str, Any], catalog: Mapping[str, Any]) -> Output:
    """Sync until it fails, as it must."""
    with _caught() as messages, pytest.raises(DeliveryError):
        TapD365FO(config=dict(config), catalog=dict(catalog)).sync_all()
    return Output(messages)


@contextmanager
def _caught() -> Iterator[list[dict[str, Any]]]:
    out = StringIO()
    messages: list[dict[str, Any]] = []
    with redirect_stdout(out):
        yield messages
    messages += [json.loads(line) for line in out.getvalue().splitlines()]
