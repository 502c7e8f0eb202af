"""Reading vendors from HTTP to stdout: tap-d365fo beside raw loop, dlt, airbyte-cdk and stock tap.

All read the same fields of VendorsV3, tap-d365fo page by page after the last key, the others after
nextLink. dlt writes its rows to files, as it does. Start is not counted: each runs twice a round,
with few vendors and with many.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from target_basware.masters import FIELDS

from bench.findings import Finding, Goal, at_least, times
from bench.masters import BIN, seed
from bench.measure import Spread, paired, ratios
from bench.place import COMPETITORS, Place, Server, check, interpreter
from bench.processes import Slope, Usage, run

FEW = 100
#: Bank accounts are a set of their own, which the others do not read.
OTHER_SET = "BankAccounts"
DLT, STOCK = "dlt, extract only", "stock singer-sdk tap"
Contestant = Callable[[Server, Path | None], Usage]


@contextmanager
def vendors(place: Place, count: int, suffix: str = "") -> Iterator[Server]:
    """Serve so many vendors, whose names end in `suffix`."""
    options = ("--bearer", place.bearer(), "--vendors", str(count), f"--suffix={suffix}")
    with place.serving("vendors_server", *options) as server:
        yield server


def selection(place: Place, config: Path) -> tuple[Path, list[str]]:
    """Return a catalog with the fields of vendors that target-basware reads, and those fields."""
    found = json.loads(
        subprocess.run(
            [BIN / "tap-d365fo", "--config", config, "--discover"], check=True, capture_output=True
        ).stdout
    )
    found["streams"] = [each for each in found["streams"] if each["tap_stream_id"] == "vendors"]
    (stream,) = found["streams"]
    fields = []
    for entry in stream["metadata"]:
        inside = entry["breadcrumb"]
        own = not inside or (inside[1] in FIELDS["vendors"] and inside[1] != OTHER_SET)
        entry["metadata"]["selected"] = own
        if inside and own:
            fields.append(inside[1])
    file = place.new("catalog.json")
    file.write_text(json.dumps(found))
    return file, fields


class Readers:
    """The contestants, for one selection of fields."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.catalog, self.fields = selection(place, place.config("tap-d365fo"))
        self.names: dict[str, Contestant] = {
            "tap-d365fo": self.ours,
            "raw loop": self.raw,
            STOCK: self.stock,
        }
        #: Those that could not be installed, and why.
        self.missing: dict[str, str] = {}
        if place.size.isolated:
            self._add(DLT, "dlt_rest_api", self.dlt)
            self._add("airbyte-cdk, declarative", "airbyte_declarative", self.airbyte)

    def _add(self, name: str, script: str, contestant: Contestant) -> None:
        try:
            interpreter(COMPETITORS / f"{script}.py")
        except RuntimeError as error:
            self.place.say(f"  {name} is left out: {error}")
            self.missing[name] = str(error)
        else:
            self.names[name] = contestant

    def ours(self, server: Server, output: Path | None) -> Usage:
        """tap-d365fo."""
        config = self.place.config("tap-d365fo", **self.place.dynamics(server))
        return run(
            self.place.plugin("tap-d365fo", config, "--catalog", self.catalog), output=output
        )

    def stock(self, server: Server, output: Path | None) -> Usage:
        """A tap by the SDK's documentation."""
        config = self.place.competitor_config(url=server.url, fields=",".join(self.fields))
        return run(self.place.competitor("stock_tap", "--config", config), output=output)

    def raw(self, server: Server, output: Path | None) -> Usage:
        """The limit."""
        return self._script("raw_read", server, output)

    def dlt(self, server: Server, output: Path | None) -> Usage:
        """dlt's rest_api source."""
        folder = self.place.new("dlt")
        return self._script("dlt_rest_api", server, output, "--folder", folder)

    def airbyte(self, server: Server, output: Path | None) -> Usage:
        """airbyte-cdk's declarative source."""
        folder = self.place.new("airbyte")
        return self._script("airbyte_declarative", server, output, "--folder", folder)

    def _script(self, name: str, server: Server, output: Path | None, *more: str | Path) -> Usage:
        given = ("--url", server.url, "--fields", ",".join(self.fields), *more)
        return run(self.place.competitor(name, *given), output=output)

    def check(self, name: str, server: Server, count: int) -> None:
        """See that a contestant brings every vendor. Raises RuntimeError."""
        output = self.place.new("rows")
        self.names[name](server, output)
        check(delivered(name, output), count, f"vendors that {name} read")
        output.unlink()


def delivered(name: str, output: Path) -> int:
    """Count the vendors that a contestant wrote. Raises RuntimeError where one came twice."""
    if name == DLT:
        return int(output.read_text().split()[-1])
    with output.open() as lines:
        records = (json.loads(line) for line in lines if '"VendorAccountNumber"' in line)
        found = (_row(record) for record in records)
        keys = [row["VendorAccountNumber"] for row in found if "VendorAccountNumber" in row]
    check(len(set(keys)), len(keys), f"different vendors of {name}")
    return len(keys)


def _row(message: dict[str, Any]) -> dict[str, Any]:
    """Return the row of a Singer message, one of Airbyte's, or a bare row."""
    record: dict[str, Any] = message.get("record", message)
    row: dict[str, Any] = record.get("data", record)
    return row


def _slope(read: Contestant, few: Server, many: Server, records: int) -> Slope:
    return Slope(records, read(few, None), read(many, None))


def measure(place: Place) -> Finding:
    """Measure them all."""
    seed(place.sandbox, 3, 1)
    size, readers = place.size, Readers(place)
    with vendors(place, FEW) as few, vendors(place, size.vendors) as many:
        for name in readers.names:
            readers.check(name, many, size.vendors)
        place.say(f"  {size.vendors} vendors, {size.rounds} rounds, {len(readers.names)} readers")
        found = paired(
            {
                name: partial(_slope, read, few, many, size.vendors - FEW)
                for name, read in readers.names.items()
            },
            size.rounds,
        )
    rates = {name: [slope.rate for slope in slopes] for name, slopes in found.items()}
    us = rates["tap-d365fo"]
    what = f"tap-d365fo, {size.vendors:,} vendors, HTTP to stdout"
    goals = [
        at_least(what, goal, least, ratios(us, rates[name]), " x")
        if name in rates
        else Goal(what, goal, "not measured", met=False)
        for name, goal, least in (
            (DLT, "≥ dlt's extract-only rate", 1.0),
            (STOCK, "≥ 3 x stock singer-sdk tap", 3.0),
        )
    ]
    return Finding(
        "vendors",
        "Reading vendors",
        goals,
        ["", "rows/s", "ours is", "CPU ms a 1,000 rows", "ours takes of it", "start s", "MB"],
        [
            [
                name,
                str(Spread.of(rates[name])),
                "" if name == "tap-d365fo" else times(ratios(us, rates[name])),
                str(Spread.of(slope.cpu * 1000 for slope in slopes)),
                ""
                if name == "tap-d365fo"
                else times(
                    ratios(
                        [slope.cpu for slope in found["tap-d365fo"]],
                        [slope.cpu for slope in slopes],
                    )
                ),
                str(Spread.of(slope.few.seconds for slope in slopes)),
                f"{max(slope.many.peak[0] for slope in slopes):.0f}",
            ]
            for name, slopes in found.items()
        ],
        [
            f"{len(readers.fields)} fields of VendorsV3. Each contestant was first seen to bring "
            "every vendor once. CPU: of its process, whatever the machine was busy with. "
            f"start s: the whole run with {FEW} vendors.",
            *(f"{name} is missing: {why}" for name, why in readers.missing.items()),
        ],
    )
