"""Memory of tap-d365fo | target-basware with a million vendors, all new, and with a tenth of them.

Flat is what does not grow with the number of records.
"""

from __future__ import annotations

from bench.findings import Finding, Goal
from bench.master_pipe import Pipes, Run
from bench.masters import seed
from bench.place import Place
from bench.vendor_read import Readers, vendors

MOST_MB = 150


def measure(place: Place) -> Finding:
    """Measure both amounts, once: what grows does so whatever the machine is busy with."""
    seed(place.sandbox, 3, 1)
    readers = Readers(place)
    many = place.size.memory_vendors
    runs: dict[int, Run] = {}
    with place.serving("import_server", basware=True) as basware:
        pipes = Pipes(place, readers, basware)
        for count in (many // 10, many):
            place.say(f"  {count} new vendors")
            with vendors(place, count) as dynamics:
                ledger = place.new("ledger.db")
                runs[count] = pipes.ours(dynamics, ledger, count, sends=True)
                for file in ledger.parent.glob(f"{ledger.name}*"):
                    file.unlink()
    goals = []
    for at, plugin in enumerate(("tap-d365fo", "target-basware")):
        tenth, whole = (runs[count].usage.peak[at] for count in (many // 10, many))
        goals.append(
            Goal(
                f"memory of {plugin}, {many:,} master rows",
                f"flat, ≤ {MOST_MB} MB",
                f"{whole:.0f} MB ({tenth:.0f} MB with a tenth)",
                whole <= MOST_MB and whole <= 1.1 * tenth + 5,
            )
        )
    return Finding(
        "memory",
        f"Memory at {many:,} master rows",
        goals,
        ["vendors", "tap-d365fo MB", "target-basware MB", "rows/s", "writes"],
        [
            [
                f"{count:,}",
                *(f"{peak:.0f}" for peak in done.usage.peak),
                f"{done.rate:,.0f}",
                f"{done.requests:,}",
            ]
            for count, done in runs.items()
        ],
        ["The peak of the resident set of each process. Flat: at most a tenth and 5 MB more."],
    )
