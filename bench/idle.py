"""What `meltano run` takes when there is nothing to do: our plugins beside plugins that do nothing.

In a project of its own, with the plugins of this environment: ours on an empty sandbox (token, one
page, nothing delivered), a stock tap and target of the SDK without a record, and two programs that
end at once, which is Meltano alone.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from sandbox.seed import small_world

from bench.findings import Finding, at_most
from bench.masters import BIN
from bench.measure import Spread, paired
from bench.place import COMPETITORS, Place
from bench.processes import Command, Usage, run
from bench.vendor_read import vendors

OURS, STOCK, ALONE = "our plugins", "stock singer-sdk plugins", "two programs that end at once"
PAIRS = {
    OURS: ("tap-basware", "target-d365fo"),
    STOCK: ("tap-stock", "target-stock"),
    ALONE: ("tap-nothing", "target-nothing"),
}


def project(place: Place, stock: Mapping[str, str]) -> Path:
    """Write a Meltano project with all plugins, none of which has to be installed."""
    folder = place.new("meltano")
    folder.mkdir()
    ledger = f"sqlite:///{place.new('ledger.db')}"
    plugins = {
        "tap-basware": (BIN / "tap-basware", place.settings("tap-basware")),
        "tap-stock": (_script(folder, "stock_tap"), stock),
        "tap-nothing": (_program(folder, "nothing", "exec cat > /dev/null"), {}),
        "target-d365fo": (
            BIN / "target-d365fo",
            {**place.settings("target-d365fo"), "ledger_url": ledger},
        ),
        "target-stock": (_script(folder, "stock_batch_target"), {"url": stock["url"]}),
        "target-nothing": (folder / "nothing", {}),
    }
    entries: dict[str, dict[str, Any]] = {
        name: {
            "name": name,
            "namespace": name.replace("-", "_"),
            "executable": str(program),
            "settings": [{"name": setting} for setting in settings],
            "config": dict(settings),
        }
        for name, (program, settings) in plugins.items()
    }
    for name in ("tap-basware", "tap-stock"):
        entries[name]["capabilities"] = ["catalog", "discover", "state"]
    entries["tap-basware"]["select"] = ["accounting_documents.*"]
    content = {
        "project_id": "bench",
        "send_anonymous_usage_stats": False,
        "default_environment": "bench",
        "environments": [{"name": "bench"}],
        "plugins": {
            "extractors": [each for name, each in entries.items() if name.startswith("tap")],
            "loaders": [each for name, each in entries.items() if name.startswith("target")],
        },
    }
    (folder / "meltano.yml").write_text(yaml.safe_dump(content))
    return folder


def _script(folder: Path, name: str) -> Path:
    return _program(folder, name, f'exec {sys.executable} {COMPETITORS}/{name}.py "$@"')


def _program(folder: Path, name: str, line: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)
    return file


def measure(place: Place) -> Finding:
    """Measure the three."""
    place.sandbox.load(small_world(("usmf",)))
    size = place.size
    environment = {"NO_COLOR": "1"}
    with vendors(place, 0) as server:
        stock = {"url": server.url, "fields": "dataAreaId,VendorAccountNumber"}
        folder = project(place, stock)

        def once(tap: str, target: str) -> Usage:
            arguments = (str(BIN / "meltano"), "run", "--no-install", tap, target)
            return run(Command(arguments, place.new("meltano.log"), environment, folder))

        place.say(f"  three pairs, once for their caches, and {size.rounds} rounds")
        for pair in PAIRS.values():
            once(*pair)
        found = paired({name: partial(once, *pair) for name, pair in PAIRS.items()}, size.rounds)
    seconds: dict[str, list[float]] = {
        name: [usage.seconds for usage in taken] for name, taken in found.items()
    }

    def over(name: str, base: str) -> Spread:
        return Spread.of(a - b for a, b in zip(seconds[name], seconds[base], strict=True))

    return Finding(
        "idle",
        "`meltano run` with nothing to do",
        [
            at_most(
                "`meltano run` with nothing to do, over stock plugins with nothing to do",
                "≤ 1 s",
                1.0,
                over(OURS, STOCK),
                " s",
            )
        ],
        ["", "seconds", "over Meltano alone", "CPU s"],
        [
            [
                name,
                str(Spread.of(seconds[name])),
                "" if name == ALONE else str(over(name, ALONE)),
                str(Spread.of(usage.all_cpu for usage in taken)),
            ]
            for name, taken in found.items()
        ],
        [
            "Stock: a tap and a target of the SDK that read one empty page. Meltano alone: two "
            "programs that end at once. CPU s: of Meltano and of both plugins."
        ],
    )
