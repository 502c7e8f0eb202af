"""Invoices of one header and five lines: a second, CPU and requests, far away and on loopback.

target-d365fo reads what tap-basware wrote, with mapping, ledger and audit trail as in use. The raw
loop sends the same invoices with as many changesets in a `$batch`, as many connections and as many
reads as target-d365fo was last seen to take. Row by row is a target as the SDK's
documentation writes it. What the first invoice takes, start included, is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row

from bench.findings import Finding, Goal, at_least, at_most, times
from bench.measure import Spread, number, paired, ratios
from bench.place import Place, Server, check, records_in
from bench.processes import Slope, Usage, run

LINES = 5
CONNECTIONS = 8


@dataclass(frozen=True)
class Round:
    """What one contestant took in one round, and what the server saw of its longer run."""

    slope: Slope
    many: dict[str, Any]

    @property
    def requests(self) -> float:
        """HTTP requests an invoice, reads included."""
        made: int = self.many["requests"]
        return made / (self.slope.records + 1)

    @property
    def batch(self) -> float:
        """Changesets in a `$batch`, on average."""
        changesets: int = self.many["changesets"]
        batches: int = self.many["batches"]
        return changesets / max(1, batches)


def documents(place: Place, count: int) -> Path:
    """Return a file with so many invoices as tap-basware writes them."""
    world = small_world(("usmf",))
    rows = [coding_row(net="20.00") for _ in range(LINES)]
    invoices = [accounting_document(number=f"INV-{n:06d}", rows=rows) for n in range(count)]
    world.add(basware={"accountingDocuments": invoices})
    place.sandbox.load(world)
    file = place.new("invoices.singer")
    run(place.plugin("tap-basware", place.config("tap-basware")), output=file)
    check(records_in(file), count, "invoices read from Basware")
    return file


def first(place: Place, file: Path, count: int) -> Path:
    """Return a file with the first so many records of another."""
    some = place.new(f"first-{count}.singer")
    with file.open("rb") as given, some.open("wb") as taken:
        for line in given:
            if line.startswith(b'{"type":"RECORD"'):
                count -= 1
                if count < 0:
                    continue
            taken.write(line)
    return some


def deliver(
    server: Server, command: Callable[[Path], Usage], file: Path
) -> tuple[Usage, dict[str, Any]]:
    """Have a contestant deliver a file, and see that each invoice is there once and whole."""
    server.forget()
    usage = command(file)
    counted, count = server.counted(), records_in(file)
    found = (counted["headers"], counted["lines"], counted["refused"])
    check(found, (count, LINES * count, 0), "headers, lines and refusals")
    return usage, counted


def ours(place: Place, server: Server) -> Callable[[Path], Usage]:
    """Return target-d365fo, each time with a ledger of its own."""

    def start(file: Path) -> Usage:
        config = place.config(
            "target-d365fo",
            **place.dynamics(server),
            ledger_url=f"sqlite:///{place.new('ledger.db')}",
            max_connections=CONNECTIONS,
        )
        return run(place.plugin("target-d365fo", config), source=file)

    return start


def row_by_row(place: Place, server: Server) -> Callable[[Path], Usage]:
    """Return the straightforward target of the SDK."""
    config = place.competitor_config(url=server.url)
    return lambda file: run(place.competitor("stock_row_target", "--config", config), source=file)


def raw(place: Place, server: Server, seen: dict[str, Any]) -> Callable[[Path], Usage]:
    """Return the raw loop, with the batching and the reads that the server saw of ours."""
    changesets = max(1, round(seen["changesets"] / max(1, seen["batches"])))

    def start(file: Path) -> Usage:
        reads = round(seen["reads"] * records_in(file) / max(1, seen["headers"]))
        options = ("--changesets", changesets, "--reads", reads, "--connections", CONNECTIONS)
        return run(
            place.competitor("raw_write", "--url", server.url, "--input", file, *map(str, options))
        )

    return start


def compare(place: Place, server: Server, file: Path, *, rows: int) -> dict[str, Sequence[Round]]:
    """Run ours, the raw loop and, with `rows` invoices, row by row, round by round."""
    one, count = first(place, file, 1), records_in(file)
    few_rows = first(place, file, rows + 1)
    latest: list[Round] = []

    def measured(command: Callable[[Path], Usage], many: Path) -> Round:
        few, _ = deliver(server, command, one)
        usage, seen = deliver(server, command, many)
        return Round(Slope(records_in(many) - 1, few, usage), seen)

    def target() -> Round:
        latest[:] = [measured(ours(place, server), file)]
        return latest[0]

    # The raw loop goes after ours, whose batching it takes over: the first round begins with ours.
    contestants: dict[str, Callable[[], Round]] = {
        "target-d365fo": target,
        "raw loop": lambda: measured(raw(place, server, latest[0].many), file),
    }
    if rows:
        contestants["row by row"] = lambda: measured(row_by_row(place, server), few_rows)
    place.say(f"  {count} invoices, {place.size.rounds} rounds")
    return dict(paired(contestants, place.size.rounds))


def _rates(rounds: Sequence[Round]) -> list[float]:
    return [each.slope.rate for each in rounds]


def _cpu(rounds: Sequence[Round]) -> list[float]:
    return [each.slope.cpu for each in rounds]


def _row(where: str, name: str, rounds: Sequence[Round], us: Sequence[Round]) -> list[str]:
    return [
        *(where, name, str(Spread.of(_rates(rounds)))),
        "" if rounds is us else times(ratios(_rates(us), _rates(rounds))),
        str(Spread.of(_cpu(rounds))),
        str(Spread.of(each.requests for each in rounds)),
        number(Spread.of(each.batch for each in rounds).median),
        f"{max(each.slope.many.peak[0] for each in rounds):.0f}",
    ]


def measure(place: Place) -> Finding:
    """Measure both distances."""
    size = place.size
    away_file = documents(place, size.invoices + 1)
    near_file = documents(place, size.loopback_invoices + 1)
    with place.serving("invoice_server", "--latency", str(size.latency)) as server:
        away = compare(place, server, away_file, rows=size.row_invoices)
    with place.serving("invoice_server") as server:
        near = compare(place, server, near_file, rows=0)
    return Finding(
        "invoices",
        "Invoices of 1 header and 5 lines",
        _goals(away, near, size.latency),
        ["round trip", "", "invoices/s", "ours is", "CPU ms", "requests", "a $batch", "MB"],
        [
            *(
                _row(f"{size.latency * 1000:.0f} ms", n, r, away["target-d365fo"])
                for n, r in away.items()
            ),
            *(_row("loopback", n, r, near["target-d365fo"]) for n, r in near.items()),
        ],
        [
            "CPU, requests: per invoice; CPU is all of the process, HTTP included. a $batch: "
            "changesets in one, on average. MB: peak memory.",
            f"{size.invoices} and {size.loopback_invoices} invoices ({size.row_invoices} row by "
            "row); the first one, and start, are not counted. Ledger: SQLite in a file, every "
            "commit on disk.",
        ],
    )


def _goals(
    away: dict[str, Sequence[Round]], near: dict[str, Sequence[Round]], latency: float
) -> list[Goal]:
    us, here = away["target-d365fo"], near["target-d365fo"]
    to_raw = ratios(_rates(us), _rates(away["raw loop"]))
    to_rows = ratios(_rates(us), _rates(away["row by row"]))
    far = f"invoices, {latency * 1000:.0f} ms round trip, {CONNECTIONS} connections"
    return [
        at_least(far, "≥ 80/s", 80, Spread.of(_rates(us)), "/s"),
        at_least(far, "≥ 0.9 x raw loop", 0.9, to_raw, " x"),
        at_least(far, "≥ 40 x row by row", 40, to_rows, " x"),
        at_least(
            "invoices, loopback, ledger and audit included",
            "≥ 0.6 x raw loop",
            0.6,
            ratios(_rates(here), _rates(near["raw loop"])),
            " x",
        ),
        at_most("client CPU per invoice", "≤ 3 ms", 3.0, Spread.of(_cpu(here)), " ms"),
        _request_goal(us, f"at {latency * 1000:.0f} ms"),
        _request_goal(here, "on loopback"),
    ]


def _request_goal(rounds: Sequence[Round], where: str) -> Goal:
    """Return the goal for batched or single changesets, whichever was seen."""
    batched = Spread.of(each.batch for each in rounds).median > 1.5
    most, goal = (0.2, "≤ 0.2 (batched)") if batched else (1 + 1 / 25, "≤ 1 + 1/25 (single)")
    found = Spread.of(each.requests for each in rounds)
    return at_most(f"HTTP requests per invoice, {where}", goal, most, found)
