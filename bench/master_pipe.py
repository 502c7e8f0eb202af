"""Masters from Dynamics to Basware: tap-d365fo | target-basware beside the stock pipe.

A round is a first run of which every vendor has changed since (the ledger knows all of them), then
a run with nothing changed, then the tap alone. The stock pipe sends everything whenever it runs.
Basware and Dynamics are servers that cost next to nothing.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.findings import Finding, at_least, at_most, times
from bench.masters import seed
from bench.measure import Spread, number, paired, ratios
from bench.place import Place, Server, check
from bench.processes import Command, Usage, run
from bench.vendor_read import OTHER_SET, Readers, vendors

#: Vendors that Basware takes in a request.
LIMIT = 200


@dataclass(frozen=True)
class Run:
    """One run of a pipe, with the records that it read and the requests that brought them."""

    usage: Usage
    records: int
    requests: int

    @property
    def rate(self) -> float:
        """Records a second, start included."""
        return self.records / self.usage.seconds


class Pipes:
    """The runs, on one Basware."""

    def __init__(self, place: Place, readers: Readers, basware: Server) -> None:
        self.place, self.readers, self.basware = place, readers, basware
        self.mapping = place.new("mapping.yml")
        mapping = yaml.safe_load((place.work / "mapping.yml").read_text())
        mapping["masters"]["without"] = [OTHER_SET]
        self.mapping.write_text(yaml.safe_dump(mapping))

    def tap(self, dynamics: Server, ledger: Path) -> Command:
        """tap-d365fo as the job runs it."""
        place = self.place
        config = place.config(
            "tap-d365fo", **place.dynamics(dynamics), ledger_url=f"sqlite:///{ledger}"
        )
        return place.plugin("tap-d365fo", config, "--catalog", self.readers.catalog)

    def ours(self, dynamics: Server, ledger: Path, count: int, *, sends: bool) -> Run:
        """Run our pipe; with `sends`, every vendor has to arrive, else none."""
        config = self.place.config(
            "target-basware",
            base_url=self.basware.url,
            ledger_url=f"sqlite:///{ledger}",
            mapping_file=str(self.mapping),
        )
        pipe = (self.tap(dynamics, ledger), self.place.plugin("target-basware", config))
        return self._run(*pipe, count=count, arriving=count if sends else 0)

    def stock(self, dynamics: Server, count: int) -> Run:
        """Run the stock pipe."""
        place, fields = self.place, ",".join(self.readers.fields)
        read = place.competitor_config(url=dynamics.url, fields=fields)
        write = place.competitor_config(url=self.basware.url)
        return self._run(
            place.competitor("stock_tap", "--config", read),
            place.competitor("stock_batch_target", "--config", write),
            count=count,
            arriving=count,
        )

    def _run(self, *pipe: Command, count: int, arriving: int) -> Run:
        self.basware.forget()
        usage = run(*pipe)
        seen = self.basware.counted()
        check((seen["records"], seen["keys"]), (arriving, arriving), "vendors in Basware")
        return Run(usage, count, seen["requests"])


def measure(place: Place) -> Finding:
    """Measure changed and unchanged."""
    seed(place.sandbox, 3, 1)
    size, readers = place.size, Readers(place)
    count = size.vendors
    with (
        vendors(place, count) as before,
        vendors(place, count, " renamed") as after,
        place.serving("import_server", basware=True) as basware,
    ):
        pipes = Pipes(place, readers, basware)
        known = place.new("known.db")
        place.say(f"  {count} vendors become known")
        pipes.ours(before, known, count, sends=True)
        place.say(f"  {count} changed, unchanged, read alone, and stock: {size.rounds} rounds")
        found = paired(
            {
                "tap-d365fo | target-basware": _round(place, pipes, known, after),
                "stock tap | stock BatchSink target": lambda: {
                    "all changed": pipes.stock(after, count)
                },
            },
            size.rounds,
        )
    ours, stock = found.values()
    return _finding(count, list(ours), list(stock))


def _round(
    place: Place, pipes: Pipes, known: Path, dynamics: Server
) -> Callable[[], dict[str, Run]]:
    """Return what runs ours on a ledger that knows all vendors as they were."""
    count = place.size.vendors

    def turn() -> dict[str, Run]:
        ledger = place.new("ledger.db")
        for file in known.parent.glob(f"{known.name}*"):
            shutil.copy(file, ledger.with_name(file.name.replace(known.name, ledger.name)))
        runs = {
            "all changed": pipes.ours(dynamics, ledger, count, sends=True),
            "nothing changed": pipes.ours(dynamics, ledger, count, sends=False),
            "tap alone": Run(run(pipes.tap(dynamics, ledger)), count, 0),
        }
        for file in ledger.parent.glob(f"{ledger.name}*"):
            file.unlink()
        return runs

    return turn


def _finding(count: int, ours: list[dict[str, Run]], stock: list[dict[str, Run]]) -> Finding:
    def rates(rounds: list[dict[str, Run]], name: str) -> list[float]:
        return [each[name].rate for each in rounds]

    changed, plain = rates(ours, "all changed"), rates(stock, "all changed")
    least = math.ceil(count / LIMIT)
    requests = Spread.of(each["all changed"].requests for each in ours)
    what = f"tap-d365fo | target-basware, {count:,} changed records, validated"
    goals = [
        at_least(what, "≥ 3 x the stock pipe", 3.0, ratios(changed, plain), " x"),
        at_most(what, f"requests = the minimum ({least})", least, requests),
        at_least(
            f"second run, nothing changed, {count:,} records",
            "≥ 0.8 x tap alone",
            0.8,
            ratios(rates(ours, "nothing changed"), rates(ours, "tap alone")),
            " x",
        ),
    ]
    rows = [
        [
            *(pipe, name, str(Spread.of(rates(rounds, name)))),
            times(ratios(changed, plain)) if rounds is stock else "",
            " + ".join(
                number(Spread.of(each[name].usage.cpu[at] for each in rounds).median)
                for at in range(len(rounds[0][name].usage.cpu))
            ),
            number(Spread.of(each[name].requests for each in rounds).median),
            ", ".join(f"{peak:.0f}" for peak in rounds[-1][name].usage.peak),
        ]
        for pipe, rounds in (("tap-d365fo | target-basware", ours), ("stock pipe", stock))
        for name in rounds[0]
    ]
    return Finding(
        "masters",
        "Master data from Dynamics to Basware",
        goals,
        ["", "", "rows/s", "ours is", "CPU s", "writes", "MB"],
        rows,
        [
            "rows/s: start included. CPU s: of the tap, and of the target. MB: their peaks.",
            "Ours holds records against its ledger (SQLite in a file), checks them against the "
            "rules of Basware's API, asks what became of each request, and keeps the audit trail; "
            "the stock pipe validates against its schema and posts 200 a request.",
        ],
    )
