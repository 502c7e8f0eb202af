"""Invoices by data packages beside $batch: `python -m bench.package [--invoices N[,N…]] ...`.

target-d365fo as a process, once with load_method: batch and once with package, in turn, against
the sandbox in a process of its own, which is as far away as it is told. How long an import waits
for a batch server there, and takes for a row, is told as well; the rest of its time, and all of
that of $batch, is what the sandbox itself takes for the rows.

Prints seconds from start to end, invoices a second, CPU and requests an invoice, and peak memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.masters import BIN
from bench.processes import Command, Usage, run
from bench.throughput import Pretence, Remote, connected, messages, records, serving

WAYS: Mapping[str, Mapping[str, Any]] = {
    "batch": {},
    "package": {"load_method": "package", "package_poll_seconds": 1},
    "package, not held": {
        "load_method": "package",
        "package_poll_seconds": 1,
        "package_on_hold": False,
    },
}


def deliver(remote: Remote, folder: Path, way: str, text: Path, given: Mapping[str, Any]) -> Usage:
    """Run the target over a file of messages, with a new ledger."""
    ledger = folder / f"{uuid.uuid4()}.db"
    config = {**connected(remote, ledger), **WAYS[way], **given}
    file = folder / "config.json"
    file.write_text(json.dumps(config))
    log = folder / f"{uuid.uuid4()}.log"
    return run(Command([BIN / "target-d365fo", "--config", file], log), source=text)


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", default="200,1000,5000", metavar="N[,N…]")
    parser.add_argument("--latency", type=float, default=100.0, metavar="MS")
    parser.add_argument("--queue", type=float, default=0.0, metavar="S", help="before an import")
    parser.add_argument("--row", type=float, default=0.0, metavar="MS", help="of an import")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", default=",".join(("batch", "package")), help="or all")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=JSON", help="setting")
    given = parser.parse_args()
    settings = {name: json.loads(value) for name, value in (s.split("=", 1) for s in given.set)}
    ways = tuple(WAYS) if given.ways == "all" else tuple(given.ways.split(","))
    pretence = Pretence(given.latency / 1000, queue=given.queue, row=given.row / 1000)
    first = 0
    with serving(pretence, sandbox=True) as remote, tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        for count in map(int, given.invoices.split(",")):
            for way in ways * given.rounds:
                text = folder / "invoices.singer"
                text.write_text(messages(records(count, first)))
                first += count
                before = remote.counts()
                usage = deliver(remote, folder, way, text, settings)
                after = remote.counts()
                done, asked = after.invoices - before.invoices, after.requests - before.requests
                assert done == count, f"{done} of {count} invoices arrived"
                print(
                    f"{count:6} invoices, {way:18} {usage.seconds:7.1f} s, "
                    f"{count / usage.seconds:6.1f}/s, {usage.all_cpu * 1000 / count:6.2f} ms CPU "
                    f"and {asked / count:.3f} requests an invoice, {max(usage.peak):.0f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
