"""A target that delivers accounts in bulk and invoices one by one; also a program of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from singer_delivery.bulk import BulkCourier
from singer_delivery.courier import Courier
from singer_delivery.document import Document
from singer_delivery.errors import BadInput, Rejected
from singer_delivery.sink import BulkSink, DeliverySink
from singer_delivery.target import BULK_SETTINGS, DELIVERY_SETTINGS, DeliveryTarget
from singer_sdk import typing as th
from singer_sdk.sinks import Sink

from tests.singer_delivery.fake_bulk import Register, RegisterCourier, document
from tests.singer_delivery.fake_system import FakeCourier, FakeSystem

SYSTEM = "https://usmf.example"


class InvoiceSink(DeliverySink):
    target: BulkTarget

    @cached_property
    def courier(self) -> Courier:
        return FakeCourier(self.target.remote, stream="invoices")


class AccountSink(BulkSink):
    """An account becomes one record; one of several `charts` becomes several."""

    def documents(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
        if "unmapped" in record:
            msg = f"the mapping has no chart {record['unmapped']}"
            raise Rejected(msg)
        for chart in record.get("charts", ["accounts"]):
            yield chart, document(str(record["id"]), record.get("content", 1), source="")

    def rejected(self, record: Mapping[str, Any], reason: str) -> tuple[str, Document]:
        if record["unmapped"] == "nameless":
            msg = "has a record that cannot be named"
            raise BadInput(msg)
        return "accounts", Document(f"unmapped {record['id']}", None, "")


class BulkTarget(DeliveryTarget):
    """Delivers accounts in bulk."""

    name = "target-bulk"
    package_name = "singer-delivery"
    config_jsonschema = th.PropertiesList(*DELIVERY_SETTINGS, *BULK_SETTINGS).to_dict()
    remote = FakeSystem()
    registry = Register()

    @property
    def system(self) -> str:
        return SYSTEM

    def check_connection(self) -> str:
        return "the register answers"

    def sink_for(self, stream_name: str) -> type[Sink]:
        return InvoiceSink if stream_name == "invoices" else AccountSink

    def courier_for(self, stream: str) -> BulkCourier:
        if stream.startswith("accounts"):
            return RegisterCourier(self.registry, stream, max_records=2)
        return super().courier_for(stream)


def main(folder: Path) -> None:
    """Run as a program: a request waits until the file `go` is there."""

    def wait(_: Any) -> None:
        (folder / "started").touch()
        deadline = time.monotonic() + 20
        while not (folder / "go").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        with (folder / "events").open("a") as events:
            events.write("a request\n")

    BulkTarget.registry.failing = wait
    cli: Any = BulkTarget.cli
    cli(sys.argv[2:])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
