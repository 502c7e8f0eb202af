"""Programs that wait for a server when the signal comes: a tap, and what a target does at it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any

from singer_delivery.errors import ApiError
from singer_delivery.http import ApiSession
from singer_delivery.stopping import PROCESS
from singer_delivery.tap import ApiTap
from singer_sdk import Stream
from singer_sdk import typing as th


class Things(Stream):
    """Two things, then what the server says."""

    name = "things"
    schema = th.PropertiesList(th.Property("id", th.StringType)).to_dict()

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:
        yield {"id": "a"}
        yield {"id": "b" * self.config["size"]}
        ApiSession(self.config["url"]).get("/things")
        yield {"id": "c"}


class WaitingTap(ApiTap):
    """Reads things."""

    name = "tap-waiting"
    package_name = "singer-delivery"
    config_jsonschema = th.PropertiesList(
        th.Property("url", th.StringType, required=True),
        th.Property("size", th.IntegerType, default=1),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        return [Things(self)]

    def check_connection(self) -> list[str]:
        return []


def send(url: str, grace: float) -> None:
    """Send four documents at a time, as a target does; say what became of each."""
    session = ApiSession(url)

    def over() -> None:
        print("the grace is over", flush=True)
        os._exit(1)

    def handle(signum: int, frame: FrameType | None) -> None:
        if PROCESS.request():
            os._exit(7)
        PROCESS.grace(grace, over)

    def deliver(number: int) -> str:
        try:
            return str(session.request("POST", f"/{number}", json_body={}).status_code)
        except ApiError as error:
            return f"{type(error).__name__}: {error}"

    signal.signal(signal.SIGTERM, handle)
    with ThreadPoolExecutor(4) as pool:
        for came_of_it in pool.map(deliver, range(4)):
            print(came_of_it, flush=True)
    sys.exit(1)


if __name__ == "__main__":
    if sys.argv[1] == "tap":
        command: Any = WaitingTap.cli
        command(["--config", str(Path(sys.argv[2]))])
    elif sys.argv[1] == "target":
        send(sys.argv[2], float(sys.argv[3]))
    else:
        time.sleep(60)
