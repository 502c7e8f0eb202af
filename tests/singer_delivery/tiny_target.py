"""A target for the fake system, as small as a target can be; also run as a program of its own."""

from __future__ import annotations

import sys
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.errors import SetupError
from singer_delivery.sink import DeliverySink
from singer_delivery.target import DELIVERY_SETTINGS, DeliveryTarget
from singer_sdk import typing as th
from singer_sdk.sinks import Sink

from tests.singer_delivery.fake_system import FakeCourier, FakeSystem

SYSTEM = "https://usmf.example"


class TinySink(DeliverySink):
    target: TinyTarget

    @cached_property
    def courier(self) -> Courier:
        return FakeCourier(self.target.remote, stream=self.stream_name)


class TinyTarget(DeliveryTarget):
    """Delivers invoices to a fake system."""

    name = "target-tiny"
    package_name = "singer-delivery"
    config_jsonschema = th.PropertiesList(*DELIVERY_SETTINGS).to_dict()
    remote = FakeSystem()

    @property
    def system(self) -> str:
        return SYSTEM

    def check_connection(self) -> str:
        self.remote.read()
        return "the fake system answers"

    def sink_for(self, stream_name: str) -> type[Sink]:
        if stream_name == "unknown":
            msg = f"there is no way to deliver the stream {stream_name}"
            raise SetupError(msg)
        return TinySink


def main(folder: Path) -> None:
    """Run as a program: storing `b` waits until the file `go` is there."""

    def event(name: str) -> None:
        if name == "b about to be stored":
            (folder / "started").touch()
            deadline = time.monotonic() + 20
            while not (folder / "go").exists() and time.monotonic() < deadline:
                time.sleep(0.005)
        with (folder / "events").open("a") as events:
            events.write(f"{name}\n")

    TinyTarget.remote.event = event
    cli: Any = TinyTarget.cli
    cli(sys.argv[2:])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
