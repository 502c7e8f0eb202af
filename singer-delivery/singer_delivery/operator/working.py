"""The commands `runs`, `claims` and `release`: who is at work, and what waits for an operator."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
from sqlalchemy import Connection, Row, func, select

from singer_delivery import runs as at_work
from singer_delivery.document import OPEN
from singer_delivery.errors import DeliveryError
from singer_delivery.operator.access import Desk
from singer_delivery.operator.filters import Filter
from singer_delivery.operator.options import confirmed
from singer_delivery.operator.queries import chunks, covers, named
from singer_delivery.operator.rendering import columns, moment, plain
from singer_delivery.operator.story import short
from singer_delivery.schema import claims as claimed
from singer_delivery.schema import documents, events, runs
from singer_delivery.trail import STANDING, Event, Kind

RUNS_HEADER = ("run", "plugin", "who", "host", "started (UTC)", "ended (UTC)", "how", "outcomes")
CLAIMS_HEADER = ("run", "plugin", "host", "since (UTC)", "alive", "system", "holds")


@click.command("runs")
@click.option("--limit", type=click.IntRange(min=0), default=20, show_default=True)
@click.pass_obj
def list_runs(desk: Desk, limit: int) -> None:
    """List the runs of the plugins, the latest first: who, where, when, and what came of them."""
    with desk.reading() as connection:
        query = select(runs).order_by(runs.c.started_at.desc(), runs.c.run_id)
        found = list(connection.execute(query.limit(limit or None)))
        total = connection.execute(select(func.count()).select_from(runs)).scalar_one()
        names = [row.run_id for row in found]
        living = at_work.alive(connection, names, datetime.now(UTC))
        endings, counts = endings_of(connection, names), outcome_counts(connection, names)
    if not found:
        click.echo("no run has been here", err=True)
        return
    rows = [
        (
            short(row.run_id),
            row.plugin,
            row.actor,
            row.host.split()[0],
            moment(row.started_at),
            moment(row.ended_at),
            how(row, endings.get(row.run_id, {}), alive=row.run_id in living),
            ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts[row.run_id]),
        )
        for row in found
    ]
    for line in columns(RUNS_HEADER, rows):
        click.echo(line)
    if total > len(found):
        click.echo(f"{total - len(found)} more; --limit 0 shows all", err=True)


def how(row: Row[Any], ending: Mapping[str, Any], *, alive: bool) -> str:
    """Return how a run ended, or that it is at work."""
    if row.ended_at:
        return plain(ending.get("ending") or "ended")
    return "at work" if alive else "died"


def endings_of(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return what runs said when they ended, by run."""
    found: dict[str, dict[str, Any]] = {}
    for chunk in chunks(sorted(names)):
        query = select(events.c.run_id, events.c.detail).where(
            events.c.run_id.in_(chunk), events.c.kind == Kind.ENDED
        )
        found |= {row.run_id: json.loads(row.detail) for row in connection.execute(query)}
    return found


def outcome_counts(
    connection: Connection, names: Iterable[str]
) -> Mapping[str, list[tuple[str, int]]]:
    """Return how many outcomes of each kind a run has, by run."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    kinds = sorted(set(STANDING) - {Kind.INTENDED, Kind.RELEASED})
    for chunk in chunks(sorted(names)):
        query = (
            select(events.c.run_id, events.c.kind, func.count().label("number"))
            .where(events.c.run_id.in_(chunk), events.c.kind.in_(kinds))
            .group_by(events.c.run_id, events.c.kind)
            .order_by(events.c.kind)
        )
        for row in connection.execute(query):
            found[row.run_id].append((row.kind, row.number))
    return found


@dataclass(frozen=True)
class Holder:
    """A run that holds something: `holds` has system and words. `row` is None for one unknown."""

    run_id: str
    row: Row[Any] | None
    alive: bool
    holds: Sequence[tuple[str, str]]

    def told(self) -> list[tuple[str, ...]]:
        """Return rows of the table of claims."""
        about = ("", "", "")
        if self.row is not None:
            about = (self.row.plugin, self.row.host.split()[0], moment(self.row.started_at))
        alive = "yes" if self.alive else "no"
        return [(short(self.run_id), *about, alive, system, words) for system, words in self.holds]


@click.command()
@click.option("--drop", metavar="RUN", default="", help="Let go of what a dead run holds.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def claims(desk: Desk, *, drop: str, yes: bool) -> None:
    """List what runs hold: documents in flight, and resources that one run at a time delivers.

    What a dead run holds goes to the next run by itself, across machines when its lease is over.
    --drop does not wait for that: only when it is certain that the run's process is gone.
    """
    with desk.reading() as connection:
        holders = _holders(connection)
    if drop:
        _drop(desk, drop, holders, yes=yes)
    elif holders:
        for line in columns(CLAIMS_HEADER, [row for holder in holders for row in holder.told()]):
            click.echo(line)
    else:
        click.echo("nobody holds anything", err=True)


def _holders(connection: Connection) -> list[Holder]:
    holds: dict[str, list[tuple[str, str]]] = defaultdict(list)
    place = documents.c.run_id, documents.c.system, documents.c.stream
    in_flight = (
        select(*place, func.count().label("number"))
        .where(documents.c.status.in_(sorted(OPEN)))
        .group_by(*place)
        .order_by(*place)
    )
    for row in connection.execute(in_flight):
        holds[row.run_id].append((row.system, f"{row.number} {row.stream} without outcome"))
    for row in connection.execute(select(claimed).order_by(claimed.c.name)):
        holds[row.run_id].append((row.system, f"the resource {row.name}"))
    living = at_work.alive(connection, holds, datetime.now(UTC))
    known = {
        row.run_id: row
        for chunk in chunks(sorted(holds))
        for row in connection.execute(select(runs).where(runs.c.run_id.in_(chunk)))
    }
    return [Holder(run, known.get(run), run in living, holds[run]) for run in sorted(holds)]


def _drop(desk: Desk, name: str, holders: Sequence[Holder], *, yes: bool) -> None:
    matching = [holder for holder in holders if holder.run_id.startswith(name)]
    if len(matching) != 1:
        what = "several runs hold" if matching else "no run holds"
        msg = f"{what} something whose id begins with {plain(name)}"
        raise DeliveryError(msg)
    [holder] = matching
    run, row = short(holder.run_id), holder.row
    if holder.alive and row is not None:
        if row.host == at_work.machine():
            msg = f"run {run} is at work here, as process {row.pid}: stop that first"
            raise DeliveryError(msg)
        if not yes:
            confirmed(
                f"The lease of run {run} on {row.host.split()[0]} (process {row.pid}) is not over. "
                "Is that process certainly gone?"
            )
    with desk.writing() as pen:
        pen.connection.execute(claimed.delete().where(claimed.c.run_id == holder.run_id))
        at_work.end(pen.connection, holder.run_id, pen.now)
        detail = {"dropped": holder.run_id, "ending": "dropped by an operator"}
        pen.write([Event(Kind.ENDED, detail=detail)], holder.holds[0][0])
    click.echo(f"run {run} holds nothing any more; its documents go to the next run")


@click.command()
@click.argument("name", metavar="KEY|NUMBER")
@click.option("--stream", default="", metavar="S", help="Kind: vendor_invoices, …")
@click.option("--system", default="", metavar="URL-PART", help="Part of the address.")
@click.option("--reason", default="", help="Why, for the trail.")
@click.pass_obj
def release(desk: Desk, name: str, *, stream: str, system: str, reason: str) -> None:
    """Let stuck or rejected documents be sent again when they are offered again."""
    chosen = Filter(stream=stream, system=system)
    with desk.reading() as connection:
        found = [one for one in named(connection, name) if covers(chosen, one)]
    waiting = [one for one in found if one.status in {"stuck", "rejected"}]
    if not waiting:
        where = ", ".join(f"{one.stream}: {one.status}" for one in found)
        known = f"is neither stuck nor rejected ({where})" if found else "is not known"
        msg = f"{plain(name)} {known}: nothing to release"
        raise DeliveryError(msg)
    for one in waiting:
        words = reason or "released by an operator"
        if desk.ledger(one.system).release(one.stream, one.key, desk.run_id, reason=words):
            click.echo(plain(f"{one}: released; it is sent when it is offered again, or replayed"))
