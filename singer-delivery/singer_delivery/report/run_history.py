"""The runs of a period: each of them, and summed up by plugin."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Engine, Row, select

from singer_delivery import runs as at_work
from singer_delivery.database import reading
from singer_delivery.operator.queries import sortable
from singer_delivery.operator.rendering import moment
from singer_delivery.operator.working import endings_of, how, outcome_counts
from singer_delivery.report.model import PluginRuns, RunLine
from singer_delivery.report.period import Period
from singer_delivery.schema import runs


@dataclass
class RunHistory:
    """The runs that began in a period, the latest first."""

    lines: list[RunLine]
    plugins: list[PluginRuns]


def run_history(engines: Iterable[Engine], period: Period, now: datetime) -> RunHistory:
    """Read the runs of one ledger, or of several. Raises LedgerError."""
    found = [pair for engine in engines for pair in _read(engine, period, now)]
    found.sort(key=lambda pair: pair[1].started, reverse=True)
    return RunHistory([line for _, line in found], _by_plugin(found))


def _read(engine: Engine, period: Period, now: datetime) -> list[tuple[str, RunLine]]:
    start = datetime.combine(period.since, time(), UTC)
    end = datetime.combine(period.until + timedelta(days=1), time(), UTC)
    with reading(engine) as connection:
        query = select(runs).where(
            runs.c.started_at >= sortable(start), runs.c.started_at < sortable(end)
        )
        rows = list(connection.execute(query))
        living = at_work.alive(connection, (r.run_id for r in rows if not r.ended_at), now)
        endings = endings_of(connection, [row.run_id for row in rows])
        silent = [row.run_id for row in rows if row.run_id not in endings]
        counted = outcome_counts(connection, silent)
        return [
            (
                row.system,
                _line(
                    row,
                    endings.get(row.run_id, {}),
                    counted.get(row.run_id, []),
                    alive=row.run_id in living,
                ),
            )
            for row in rows
        ]


def _line(
    row: Row[Any], ending: Mapping[str, Any], counted: Iterable[tuple[str, int]], *, alive: bool
) -> RunLine:
    counts = Counter(dict(counted)) or _said(ending)
    return RunLine(
        row.run_id,
        row.plugin,
        row.actor,
        row.host.partition(" ")[0],
        moment(row.started_at),
        moment(row.ended_at),
        _seconds(row),
        how(row, ending, alive=alive),
        ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(counts.items())),
    )


def _said(ending: Mapping[str, Any]) -> Counter[str]:
    """Return the outcomes that a run told when it ended, of all streams together."""
    counts: Counter[str] = Counter()
    told = ending.get("counts")
    for each in told.values() if isinstance(told, Mapping) else ():
        if isinstance(each, Mapping):
            counts.update({str(k): n for k, n in each.items() if isinstance(n, int)})
    return counts


def _seconds(row: Row[Any]) -> float | None:
    if not row.ended_at:
        return None
    begun, ended = (datetime.fromisoformat(at) for at in (row.started_at, row.ended_at))
    return max((ended - begun).total_seconds(), 0.0)


def _by_plugin(found: Iterable[tuple[str, RunLine]]) -> list[PluginRuns]:
    grouped: dict[tuple[str, str], list[RunLine]] = defaultdict(list)
    for system, line in found:
        grouped[line.plugin, system].append(line)
    return list(_summed(grouped))


def _summed(grouped: Mapping[tuple[str, str], list[RunLine]]) -> Iterator[PluginRuns]:
    for (plugin, system), lines in sorted(grouped.items()):
        seconds = [line.seconds for line in lines if line.seconds is not None]
        yield PluginRuns(
            plugin,
            system,
            len(lines),
            Counter(line.how for line in lines),
            sum(seconds),
            max(seconds, default=0.0),
            lines[0].started,
        )
