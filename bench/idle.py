"""What `meltano run` takes when there is nothing to do: our plugins beside plugins that do nothing.

In a project of its own, with the plugins of this environment: ours on an empty sandbox (token, one
page, nothing delivered), a stock tap and target of the SDK without a record, and two programs that
end at once, which is Meltano alone.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from sandbox.seed import small_world

from bench.findings import Finding, at_most
from bench.masters import BIN
from bench.measure import Spread, paired
from bench.place import COMPETITORS, Place
from bench.processes import Command, Usage, run
from bench.vendor_read import vendors

PROJECT = """\
version: 1
send_anonymous_usage_stats: false
project_id: bench
plugins:
  extractors:
  - {{name: tap-basware, namespace: tap_basware, executable: {bin}/tap-basware,
     capabilities: [catalog, discover, state]}}
  - {{name: tap-stock, namespace: tap_stock, executable: {work}/tap-stock,
     capabilities: [catalog, discover, state],
     settings: [{{name: url}}, {{name: fields}}]}}
  - {{name: tap-nothing, namespace: tap_nothing, executable: {work}/nothing}}
  loaders:
  - {{name: target-d365fo, namespace: target_d365fo, executable: {bin}/target-d365fo}}
  - {{name: target-stock, namespace: target_stock, executable: {work}/target-stock,
     settings: [{{name: url}}]}}
  - {{name: target-nothing, namespace: target_nothing, executable: {work}/nothing}}
"""
PAIRS = {
    "our plugins": ("tap-basware", "target-d365fo"),
    "stock singer-sdk plugins": ("tap-stock", "target-stock"),
    "two programs that end at once": ("tap-nothing", "target-nothing"),
}


def project(place: Place) -> Path:
    """Write a Meltano project with all plugins, none of which has to be installed."""
    folder = place.new("meltano")
    folder.mkdir()
    scripts = {
        "nothing": "exec cat > /dev/null",
        **{
            name: f'exec {sys.executable} {COMPETITORS}/{script}.py "$@"'
            for name, script in (("tap-stock", "stock_tap"), ("target-stock", "stock_batch_target"))
        },
    }
    for name, line in scripts.items():
        file = folder / name
        file.write_text(f"#!/bin/sh\n{line}\n")
        file.chmod(0o755)
    (folder / "meltano.yml").write_text(PROJECT.format(bin=BIN, work=folder))
    return folder


def measure(place: Place) -> Finding:
    """Measure the three."""
    place.sandbox.load(small_world(("usmf",)))
    size, folder = place.size, project(place)
    with vendors(place, 0) as server:
        environment = {
            **place.sandbox.environment(),
            "TARGET_D365FO_LEDGER_URL": f"sqlite:///{place.new('ledger.db')}",
            "TARGET_D365FO_MAPPING_FILE": str(place.work / "mapping.yml"),
            "TAP_STOCK_URL": server.url,
            "TAP_STOCK_FIELDS": "dataAreaId,VendorAccountNumber",
            "TARGET_STOCK_URL": server.url,
            "NO_COLOR": "1",
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        }

        def once(tap: str, target: str) -> Usage:
            log = place.new("meltano.log")
            arguments = [BIN / "meltano", "run", "--no-install", tap, target]
            return run(Command(arguments, log, environment, folder))

        place.say(f"  three pairs, once for their caches, and {size.rounds} rounds")
        for pair in PAIRS.values():
            once(*pair)
        found = paired(
            {name: lambda pair=pair: once(*pair) for name, pair in PAIRS.items()}, size.rounds
        )
    seconds = {name: [usage.seconds for usage in taken] for name, taken in found.items()}

    def over(name: str) -> Spread:
        alone = seconds["two programs that end at once"]
        return Spread.of(a - b for a, b in zip(seconds[name], alone, strict=True))

    return Finding(
        "idle",
        "`meltano run` with nothing to do",
        [
            at_most(
                "`meltano run` with nothing to do, over Meltano's own",
                "≤ 1 s",
                1.0,
                over("our plugins"),
                " s",
            )
        ],
        ["", "seconds", "over Meltano's own", "CPU s"],
        [
            [
                name,
                str(Spread.of(seconds[name])),
                "" if name.startswith("two") else str(over(name)),
                str(Spread.of(usage.all_cpu for usage in taken)),
            ]
            for name, taken in found.items()
        ],
        ["CPU s: of Meltano and of both plugins."],
    )
