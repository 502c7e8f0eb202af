"""What invoices take, for docs/sizing.md: `python -m bench.invoices [--invoices N]`.

Delivers N invoices of five coding rows through both pipes of the job `invoices`, as the processes
that Meltano would start, and prints for each pipe the time, the peak memory of either process and
the requests to both systems, then the bytes of the ledger an invoice.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from sandbox.journal import RequestJournal
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox

from bench.masters import BIN, Peak, write_configs

ROWS = 5
PIPES = (("tap-basware", "target-d365fo"), ("tap-d365fo", "target-basware"))


def seed(sandbox: Sandbox, invoices: int) -> None:
    """Load one legal entity, and invoices that wait."""
    world = small_world(("usmf",))
    rows = [coding_row(net="20.00") for _ in range(ROWS)]
    world.add(
        basware={
            "accountingDocuments": [
                accounting_document(number=f"INV-{number:06d}", rows=rows)
                for number in range(invoices)
            ]
        }
    )
    sandbox.load(world)


def run(tap: str, target: str, configs: dict[str, Path], sandbox: Sandbox) -> None:
    """Run one pipe and print what it took. Raises RuntimeError when it fails."""
    sandbox.journal.clear()
    start = time.monotonic()
    first = subprocess.Popen(
        [BIN / tap, "--config", configs[tap]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    second = subprocess.Popen(
        [BIN / target, "--config", configs[target]],
        stdin=first.stdout,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert first.stdout
    first.stdout.close()
    peaks = {tap: Peak(first.pid), target: Peak(second.pid)}
    codes = (second.wait(), first.wait())
    seconds = time.monotonic() - start
    memory = ", ".join(f"{name} {peak.stop():.0f} MB" for name, peak in peaks.items())
    if any(codes):
        msg = f"{tap} and {target} ended with {codes}"
        raise RuntimeError(msg)
    asked = Counter(exchange.system for exchange in sandbox.journal.requests())
    print(f"{tap} | {target}: {seconds:.1f} s; {memory}; requests {dict(asked)}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invoices", type=int, default=1000, metavar="N")
    invoices = parser.parse_args().invoices
    box = Sandbox()
    box.journal = RequestJournal(box.clock, max_exchanges=10**6, max_bytes=4 * 1024**3)
    with tempfile.TemporaryDirectory() as folder, box as sandbox:
        work = Path(folder)
        seed(sandbox, invoices)
        configs = write_configs(sandbox, work)
        for tap, target in PIPES:
            run(tap, target, configs, sandbox)
        size = sum(file.stat().st_size for file in work.glob("ledger.db*"))
        print(f"ledger: {size / 1000 / invoices:.1f} kB an invoice, its response included")


if __name__ == "__main__":
    main()
