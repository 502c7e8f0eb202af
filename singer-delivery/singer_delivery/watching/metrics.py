"""The ledger's figures for Prometheus, read anew for each scrape (extra `metrics`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine, func, select

from singer_delivery import runs as at_work
from singer_delivery.database import reading
from singer_delivery.document import HELD, OPEN, Status
from singer_delivery.errors import LedgerError
from singer_delivery.operator.queries import CHANGED, entity_of
from singer_delivery.schema import documents, runs
from singer_delivery.watching.ledger_looks import OWN_RUNS, ending, last_success

#: Where nothing more is to be done.
SETTLED = frozenset({*HELD, Status.REJECTED, Status.SKIPPED})
FLOW = ("system", "stream", "entity")
RUN = ("system", "plugin")


def registry(engine: Engine) -> CollectorRegistry:
    """Return a registry that reads this ledger whenever it is asked."""
    made = CollectorRegistry(auto_describe=False)
    made.register(LedgerCollector(engine))
    return made


class LedgerCollector(Collector):
    """What stands in a ledger: documents by outcome, the oldest that waits, and the runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        """Name nothing ahead: it would take a read."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield all figures; only `singer_delivery_up` where the ledger cannot be read."""
        up = GaugeMetricFamily("singer_delivery_up", "Whether the ledger can be read.")
        try:
            with reading(self._engine) as connection:
                found = [*_documents(connection), *_runs(connection)]
        except LedgerError:
            up.add_metric((), 0)
            yield up
            return
        up.add_metric((), 1)
        yield up
        yield from found


def _documents(connection: Connection) -> list[Metric]:
    number = GaugeMetricFamily(
        "singer_delivery_documents",
        "Documents in the ledger, by where they stand.",
        labels=(*FLOW, "status"),
    )
    delivered = GaugeMetricFamily(
        "singer_delivery_last_delivered_timestamp_seconds",
        "When a document was last delivered, or found there already.",
        labels=FLOW,
    )
    waiting = GaugeMetricFamily(
        "singer_delivery_oldest_waiting_timestamp_seconds",
        "Since when the document waits that waits longest without an outcome, or is stuck.",
        labels=(*FLOW, "status"),
    )
    entity = entity_of(connection)
    place = documents.c.system, documents.c.stream, entity, documents.c.status
    query = select(
        *place,
        func.count().label("number"),
        func.max(documents.c.settled_at).label("latest"),
        func.min(func.nullif(CHANGED, "")).label("oldest"),
    ).group_by(*place)
    latest: dict[tuple[str, str, str], float] = {}
    for row in connection.execute(query):
        flow = row.system, row.stream, row.entity or ""
        number.add_metric((*flow, row.status), row.number)
        if row.status in HELD and row.latest:
            latest[flow] = max(latest.get(flow, 0.0), _seconds(row.latest))
        if row.status not in SETTLED and row.oldest:
            waiting.add_metric((*flow, row.status), _seconds(row.oldest))
    for flow, moment in latest.items():
        delivered.add_metric(flow, moment)
    return [number, delivered, waiting]


def _runs(connection: Connection) -> list[Metric]:
    gauges = {
        name: GaugeMetricFamily(f"singer_delivery_{name}", words, labels=RUN)
        for name, words in RUN_GAUGES.items()
    }
    now = datetime.now(UTC)
    groups = select(runs.c.system, runs.c.plugin).where(~runs.c.plugin.startswith(OWN_RUNS))
    for system, plugin in list(connection.execute(groups.distinct())):
        for name, value in _of_runs(connection, system, plugin, now).items():
            gauges[name].add_metric((system, plugin), value)
    return list(gauges.values())


RUN_GAUGES = {
    "last_success_timestamp_seconds": "When a run last ended well.",
    "last_run_timestamp_seconds": "When the latest run that has ended did so.",
    "last_run_seconds": "How long that one took.",
    "last_run_success": "Whether it ended well.",
    "last_run_http_requests": "Requests that it made, tries again included.",
    "last_run_http_throttled": "Answers that asked it to wait.",
    "runs_at_work": "Runs that are at work now.",
    "runs_died": "Runs that ended without a word and still hold what they had in flight.",
}


def _of_runs(
    connection: Connection, system: str, plugin: str, now: datetime
) -> Mapping[str, float]:
    query = select(runs).where(runs.c.system == system, runs.c.plugin == plugin)
    open_runs = connection.execute(query.where(runs.c.ended_at.is_(None))).all()
    living = at_work.alive(connection, [row.run_id for row in open_runs], now)
    found: dict[str, float] = {
        "runs_at_work": len(living),
        "runs_died": _left_behind(connection, {r.run_id for r in open_runs} - living.keys()),
    }
    if success := last_success(connection, system, plugin):
        found["last_success_timestamp_seconds"] = success.timestamp()
    over = query.where(runs.c.ended_at.is_not(None)).order_by(runs.c.started_at.desc())
    last = connection.execute(over.limit(1)).one_or_none()
    if last is not None:
        said: Mapping[str, Any] = ending(connection, last.run_id)
        found["last_run_timestamp_seconds"] = _seconds(last.ended_at)
        found["last_run_seconds"] = _seconds(last.ended_at) - _seconds(last.started_at)
        found["last_run_success"] = float(said.get("ending") == "complete")
        for name, number in (said.get("http") or {}).items():
            if f"last_run_http_{name}" in RUN_GAUGES:
                found[f"last_run_http_{name}"] = float(number)
    return found


def _left_behind(connection: Connection, dead: set[str]) -> int:
    """Return how many of these runs have documents that nobody has taken over yet."""
    holding = select(documents.c.run_id).where(documents.c.status.in_(sorted(OPEN))).distinct()
    return len(dead & {row.run_id for row in connection.execute(holding)})


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
