"""The command `export`: the trail or the documents for auditors, however many there are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from singer_delivery.operator.access import Desk
from singer_delivery.operator.filters import Filter, filter_options
from singer_delivery.operator.listing import FIELDS, facts, lines, write_lines
from singer_delivery.operator.queries import Listed, Place, all_in_order, at_places
from singer_delivery.trail import Link, Trail

PAGE = 1000
EVENT_FIELDS = (
    "number",
    "form",
    "at",
    "system",
    "stream",
    "key",
    "kind",
    "run_id",
    "actor",
    "detail",
    "payload",
    "previous",
    "hash",
)


@click.command("export")
@filter_options()
@click.option(
    "--what",
    type=click.Choice(["events", "documents"]),
    default="events",
    help="The audit trail, or where each document stands now.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    default="jsonl",
    help="JSON lines begin with an object that has the head of the chain, and end with a count.",
)
@click.pass_obj
def export(desk: Desk, *, chosen: Filter, what: str, form: str) -> None:
    """Write the audit trail for auditors.

    Times are UTC. The detail of an event is the text that its hash was made of. A cell of CSV that
    a spreadsheet would take for a formula begins with an apostrophe.
    """
    end = Trail(desk.engine).head()
    if form == "jsonl":
        head = {"number": end.number, "hash": end.hash, "at": end.at}
        click.echo(json.dumps({"export": what, "ledger": desk.name, "head": head}))
    if what == "events":
        found = lines(map(event_facts, _events(desk, chosen, end.number)), EVENT_FIELDS, form)
    else:
        found = lines(map(facts, _documents(desk, chosen)), FIELDS, form)
    count = write_lines(found)
    if form == "jsonl":
        click.echo(json.dumps({"exported": count}))


def event_facts(link: Link) -> dict[str, Any]:
    """Return an event for a program, under the names of EVENT_FIELDS."""
    given = {name: getattr(link, name) for name in EVENT_FIELDS if name != "detail"}
    return {**given, "at": link.at.isoformat(), "detail": link.detail_text}


def _events(desk: Desk, chosen: Filter, last: int) -> Iterator[Link]:
    """Yield the events up to the head that stands in the header, page by page."""
    trail, after = Trail(desk.engine), 0
    while after < last and (page := trail.links(after=after, limit=PAGE)):
        after = page[-1].number
        yield from _matching(desk, chosen, (link for link in page if link.number <= last))


def _matching(desk: Desk, chosen: Filter, page: Iterable[Link]) -> list[Link]:
    found = [link for link in page if _passes(link, chosen)]
    if not (chosen.reads_detail or chosen.statuses):
        return found
    with desk.reading() as connection:
        known = at_places(connection, {(link.system, link.stream, link.key) for link in found})
    return [link for link in found if _concerns(known, link, chosen)]


def _passes(link: Link, chosen: Filter) -> bool:
    return (
        (not chosen.since or link.at >= chosen.since)
        and (not chosen.until or link.at < chosen.until)
        and (not chosen.stream or link.stream == chosen.stream)
        and chosen.system.lower() in link.system.lower()
    )


def _concerns(known: Mapping[Place, Listed], link: Link, chosen: Filter) -> bool:
    document = known.get((link.system, link.stream, link.key))
    if document is None or (chosen.statuses and document.status not in chosen.statuses):
        return False
    return chosen.takes(document.detail, document.scope)


def _documents(desk: Desk, chosen: Filter) -> Iterator[Listed]:
    after: Place = ("", "", "")
    while True:
        with desk.reading() as connection:
            page = all_in_order(connection, chosen, after=after, limit=PAGE)
        if not page:
            return
        after = page[-1].place
        yield from (one for one in page if chosen.takes(one.detail, one.scope))
