"""The commands `runs`, `claims` and `release`: who is at work, and what waits for an operator."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
CLAIMS_HEADER = ("run", "plugin", "host", "alive", "since (UTC)", "system", "holds")


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
        endings, counts = _endings(connection, names), _counts(connection, names)
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
            _how(row, endings.get(row.run_id, {}), alive=row.run_id in living),
            ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts[row.run_id]),
        )
        for row in found
    ]
    for line in columns(RUNS_HEADER, rows):
        click.echo(line)
    if total > len(found):
        click.echo(f"{total - len(found)} more; --limit 0 shows all", err=True)


def _how(row: Row[Any], ending: Mapping[str, Any], *, alive: bool) -> str:
    if row.ended_at:
        words = ending.get("result") or ending.get("error") or ending.get("reason")
        code = ending.get("exit_code", ending.get("exit"))
        return (
            plain(words) if words else "ended" if code is None else f"ended with exit code {code}"
        )
    return "at work" if alive else "died"


def _endings(connection: Connection, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for chunk in chunks(sorted(names)):
        query = select(events.c.run_id, events.c.detail).where(
            events.c.run_id.in_(chunk), events.c.kind == Kind.ENDED
        )
        found |= {row.run_id: json.loads(row.detail) for row in connection.execute(query)}
    return found


def _counts(connection: Connection, names: Iterable[str]) -> Mapping[str, list[tuple[str, int]]]:
    """Return how many outcomes of each kind a run has, by run."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    kinds = sorted(kind for kind in STANDING if kind != Kind.INTENDED)
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
        held = _held(connection)
    if drop:
        _drop(desk, drop, held, yes=yes)
        return
    for line in columns(CLAIMS_HEADER, held_rows(held)) if held else []:
        click.echo(line)
    if not held:
        click.echo("nobody holds anything", err=True)


Held = dict[str, dict[str, Any]]


def _held(connection: Connection) -> Held:
    """Return what runs hold, by run id: row of the run, whether it lives, and words."""
    holds: dict[str, list[str]] = defaultdict(list)
    systems: dict[str, str] = {}
    in_flight = (
        select(
            documents.c.run_id, documents.c.system, documents.c.stream, func.count().label("number")
        )
        .where(documents.c.status.in_(sorted(OPEN)))
        .group_by(documents.c.run_id, documents.c.system, documents.c.stream)
    )
    for row in connection.execute(in_flight):
        holds[row.run_id].append(f"{row.number} {row.stream} in flight")
        systems[row.run_id] = row.system
    for row in connection.execute(select(claimed)):
        holds[row.run_id].append(f"resource {row.name} since {moment(row.claimed_at)}")
        systems[row.run_id] = row.system
    living = at_work.alive(connection, holds, datetime.now(UTC))
    known = {
        row.run_id: row
        for chunk in chunks(sorted(holds))
        for row in connection.execute(select(runs).where(runs.c.run_id.in_(chunk)))
    }
    return {
        run: {
            "row": known.get(run),
            "alive": run in living,
            "system": systems[run],
            "holds": sorted(holds[run]),
        }
        for run in sorted(holds)
    }


def held_rows(held: Held) -> list[tuple[str, ...]]:
    """Return the rows of the table of claims."""
    return [
        (
            short(run),
            one["row"].plugin if one["row"] else "",
            one["row"].host.split()[0] if one["row"] else "",
            "yes" if one["alive"] else "no",
            moment(one["row"].started_at) if one["row"] else "",
            one["system"],
            ", ".join(one["holds"]),
        )
        for run, one in held.items()
    ]


def _drop(desk: Desk, name: str, held: Held, *, yes: bool) -> None:
    matching = [run for run in held if run.startswith(name)]
    if len(matching) != 1:
        what = "several runs hold" if matching else "no run holds"
        msg = f"{what} something whose id begins with {plain(name)}"
        raise DeliveryError(msg)
    [run] = matching
    row = held[run]["row"]
    if held[run]["alive"] and row is not None and row.host == at_work.machine():
        msg = f"run {short(run)} is at work here, as process {row.pid}: stop that first"
        raise DeliveryError(msg)
    if held[run]["alive"] and not yes:
        confirmed(
            f"The lease of run {short(run)} on {row.host.split()[0]} (process {row.pid}) is not "
            "over. Is that process certainly gone?"
        )
    with desk.writing() as pen:
        pen.connection.execute(claimed.delete().where(claimed.c.run_id == run))
        at_work.end(pen.connection, run, pen.now)
        detail = {"dropped": run, "result": "dropped by an operator"}
        pen.write([Event(Kind.ENDED, detail=detail)], held[run]["system"])
    click.echo(f"run {short(run)} holds nothing any more; its documents go to the next run")


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
