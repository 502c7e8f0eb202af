"""All measurements in one go: `python -m bench [NAME …] [--size normal|small|tiny]`.

Each runs beside what people would use instead, several rounds, and goes into bench/RESULTS.md.
What is not named keeps the result that it has there. The names:

  invoices   target-d365fo beside a raw loop and row by row, far away and on loopback
  vendors    tap-d365fo beside a raw loop, dlt, airbyte-cdk and a stock tap
  masters    tap-d365fo | target-basware beside the stock pipe; everything changed, nothing changed
  throttled  a server of fixed capacity
  idle       `meltano run` with nothing to do
  memory     a million vendors (only when named)
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sandbox.journal import RequestJournal
from sandbox.server import Sandbox

from bench import (
    idle,
    invoice_rate,
    master_pipe,
    memory,
    report,
    throttled,
    vendor_read,
)
from bench.findings import Finding
from bench.masters import ROOT
from bench.place import SIZES, Place, Size, version

MEASURES: dict[str, Callable[[Place], Finding]] = {
    "invoices": invoice_rate.measure,
    "vendors": vendor_read.measure,
    "masters": master_pipe.measure,
    "throttled": throttled.measure,
    "idle": idle.measure,
    "memory": memory.measure,
}
SCRATCH = ROOT / ".bench"
NAMED_ONLY = frozenset({"memory"})
COMPETITORS = {
    "vendors": (("dlt_rest_api", "dlt"), ("airbyte_declarative", "airbyte-cdk")),
}


def main(given: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to measure")
    parser.add_argument("--size", choices=SIZES, default="normal")
    parser.add_argument("--rounds", type=int, metavar="N", help="instead of the size's own")
    parser.add_argument(
        "--results", type=Path, metavar="FOLDER", help="default: bench/, of a smaller size .bench/"
    )
    options = parser.parse_args(given)
    if unknown := set(options.names) - set(MEASURES):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    size = SIZES[options.size]
    if options.rounds:
        size = replace(size, rounds=options.rounds)
    results = options.results or (report.FOLDER if options.size == "normal" else SCRATCH)
    SCRATCH.mkdir(exist_ok=True)
    failed = []
    for name in options.names or [name for name in MEASURES if name not in NAMED_ONLY]:
        try:
            report.save([_measured(name, size, options.size)], results)
        except RuntimeError as error:
            print(f"{name} failed, and keeps its earlier result: {error}", file=sys.stderr)
            failed.append(name)
    print((results / report.PAGE).read_text() if report.load(results) else "no results")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


def _measured(name: str, size: Size, size_name: str) -> Finding:
    """Run one measurement in a place of its own."""
    box = Sandbox()
    # What the servers ask is little; the bodies are of no interest.
    box.journal = RequestJournal(box.clock, max_exchanges=100, max_bytes=2**20)
    # Beside the project: the folder for temporary files may be no disk, and the ledger is on one.
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder, box as sandbox:
        place = Place(sandbox, Path(folder), size)
        place.say(f"{name}:")
        begun, before = time.monotonic(), os.getloadavg()[0]
        found = MEASURES[name](place)
        seconds = time.monotonic() - begun
    return replace(found, run=_conditions(name, place, size_name, seconds, before))


def _conditions(
    name: str, place: Place, size_name: str, seconds: float, before: float
) -> dict[str, str]:
    rounds = "once" if name in NAMED_ONLY else f"{place.size.rounds} rounds"
    return {
        "Measured": f"{datetime.now(UTC):%Y-%m-%d}, size {size_name}, {rounds}, in {seconds:.0f} s",
        "on": report.machine(),
        "load before and after": f"{before:.1f}, {os.getloadavg()[0]:.1f}{_busy(before)}",
        "with": ", ".join([report.versions(), *(_others(name) if place.size.isolated else ())]),
    }


def _busy(load: float) -> str:
    """Return a warning where others were using all processors already."""
    return " (**the machine was busy with other work**)" if load > (os.cpu_count() or 1) else ""


def _others(name: str) -> Iterator[str]:
    """Yield the competitors of a measurement that are here, with their versions."""
    for script, package in COMPETITORS.get(name, ()):
        with suppress(RuntimeError):
            yield version(script, package)


if __name__ == "__main__":
    main()
