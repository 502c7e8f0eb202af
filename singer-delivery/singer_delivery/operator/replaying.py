"""The command `replay`: kept records once more as Singer messages, for `… | target-…`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from singer_delivery import payloads
from singer_delivery.document import Status
from singer_delivery.errors import DeliveryError
from singer_delivery.operator import approvals
from singer_delivery.operator.access import Desk
from singer_delivery.operator.approvals import Item, NotApproved, Request
from singer_delivery.operator.filters import Filter, filter_options
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.options import confirmed, mask_option
from singer_delivery.operator.parcels import (
    NoReplay,
    changes,
    edited,
    in_flight,
    latest_payloads,
    not_kept,
    record_message,
    record_of,
    schema_message,
    told,
)
from singer_delivery.operator.queries import (
    Listed,
    Place,
    at_places,
    chunks,
    covers,
    find,
    last_numbers,
    named,
)
from singer_delivery.operator.rendering import plain
from singer_delivery.operator.story import short
from singer_delivery.payloads import SingerStream
from singer_delivery.trail import Event, Kind, Pen

#: So many documents are noted in the ledger together, before their messages go out.
BATCH = 100
#: A document in one of these is what somebody replays by its mere key.
UNDONE = frozenset({Status.REJECTED, Status.STUCK, Status.NOT_SENT, Status.IN_DOUBT})


@click.command()
@click.argument("names", metavar="[KEY|NUMBER]…", nargs=-1)
@filter_options()
@click.option("--all-rejected", is_flag=True, help="All that are rejected.")
@click.option("--stuck", is_flag=True, help="All whose answers were lost too often.")
@click.option(
    "--edit",
    "edit",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="File with the record to send instead (as `payload KEY` prints it).",
)
@click.option("--request", "requesting", is_flag=True, help="Ask for somebody's approval instead.")
@click.option("--reason", default="", help="Why, for whoever approves and for the trail.")
@click.option("--approved", metavar="ID", default="", help="Replay what a request asked for.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@mask_option
@click.pass_obj
def replay(desk: Desk, /, **given: Any) -> None:
    """Write kept records as Singer messages on stdout: singer-delivery replay KEY | target-…

    Stuck and rejected documents are released, so that the target sends them again. All else is
    on stderr. With four eyes on, it takes --request, `approve` by somebody else, and --approved.
    """
    wish = Wish(**given)
    wish.check()
    if wish.approved:
        _replay_approved(desk, wish.approved)
        return
    if not wish.requesting:
        _refuse_alone(desk)
    picked = _picked(desk, wish)
    items = _items(desk, picked, lenient=not wish.names)
    draft = _edited(desk, items, wish.edit, Mask(wish.masked)) if wish.edit else None
    if wish.requesting:
        _request(desk, items, draft, wish.reason)
    else:
        if not wish.names and not wish.yes:
            confirmed(f"Replay {len(items)} document(s)?")
        _send(desk, items, {"reason": wish.reason} if wish.reason else {}, draft)
    if len(items) < len(picked):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class Wish:
    """What a replay is asked for; see the options of the command."""

    names: tuple[str, ...]
    chosen: Filter
    all_rejected: bool
    stuck: bool
    edit: Path | None
    requesting: bool
    reason: str
    approved: str
    yes: bool
    masked: tuple[str, ...]

    def check(self) -> None:
        """Raise DeliveryError for what contradicts itself."""
        choosing = bool(self.names or self.chosen or self.all_rejected or self.stuck)
        if self.approved and (choosing or self.edit or self.requesting):
            msg = "--approved replays what was asked for as it was approved: give nothing else"
            raise DeliveryError(msg)
        if not (choosing or self.approved):
            msg = "say what to replay: KEY…, --all-rejected, --stuck, or filters as for `list`"
            raise DeliveryError(msg)

    @property
    def filter(self) -> Filter:
        """Which documents are meant, besides the names."""
        more = [Status.REJECTED.value] * self.all_rejected + [Status.STUCK.value] * self.stuck
        return replace(self.chosen, statuses=(*self.chosen.statuses, *more))


def _refuse_alone(desk: Desk) -> None:
    with desk.reading() as connection:
        if approvals.four_eyes(connection):
            msg = "four eyes are on: ask with `replay --request …` and have somebody else approve"
            raise NotApproved(msg)


# Which documents


def _picked(desk: Desk, wish: Wish) -> list[Listed]:
    with desk.reading() as connection:
        if wish.names:
            found = [_one(named(connection, name), name, wish.filter) for name in wish.names]
            picked = list({document.place: document for document in found}.values())
        else:
            picked = list(find(connection, wish.filter))
    if not picked:
        msg = "no document is like that: nothing to replay"
        raise NoReplay(msg)
    systems = sorted({document.system for document in picked})
    if len(systems) > 1:
        msg = (
            f"these documents went to {len(systems)} systems ({', '.join(systems)}), and a replay "
            "goes to one: add --system or --stream"
        )
        raise NoReplay(msg)
    return picked


def _one(found: Sequence[Listed], name: str, chosen: Filter) -> Listed:
    """Return the one document that is meant by a name; where several are, the one undone."""
    found = [document for document in found if covers(chosen, document)]
    undone = [document for document in found if document.status in UNDONE]
    for candidates in (found, undone):
        if len(candidates) == 1:
            return candidates[0]
    if not found:
        msg = f"no document is known as {plain(name)}"
        raise NoReplay(msg)
    which = "; ".join(f"{one.stream} {one.key} ({one.status}, {one.system})" for one in found)
    msg = f"{plain(name)} names {len(found)} documents: {which}. Add --stream, or give the key"
    raise NoReplay(msg)


def _items(desk: Desk, picked: Sequence[Listed], *, lenient: bool) -> list[Item]:
    """Return what to replay, in the order of the documents' last events.

    What cannot be is left out with a word where `lenient`, and refused as a whole otherwise.
    """
    places = [document.place for document in picked]
    with desk.reading() as connection:
        digests = latest_payloads(connection, places)
        numbers = last_numbers(connection, places)
        obstacles = _obstacles(connection, picked, digests)
    words = [
        f"{document}: {obstacles[document.place]}"
        for document in picked
        if document.place in obstacles
    ]
    if words and (not lenient or len(words) == len(picked)):
        msg = f"nothing is replayed: {'; '.join(words)}"
        raise NoReplay(msg)
    for line in words:
        _say(f"left out: {line}")
    able = [document.place for document in picked if document.place not in obstacles]
    able.sort(key=lambda place: numbers[place])
    return [Item(place, digests[place], base=digests[place]) for place in able]


def _obstacles(
    connection: Connection, found: Sequence[Listed], digests: Mapping[Place, str]
) -> dict[Place, str]:
    flying = in_flight(connection, found, datetime.now(UTC))
    return not_kept(connection, digests) | {
        place: f"it is in flight now, in run {short(run)}: wait for its end"
        for place, run in flying.items()
    }


@dataclass(frozen=True)
class Draft:
    """An edited record that is not kept yet: that is done together with the event about it."""

    record: dict[str, Any]
    singer: SingerStream

    def keep(self, pen: Pen, item: Item) -> Item:
        """Keep it in place of the document's own record."""
        system, stream, key = item.place
        kept = payloads.keep(pen, system, stream, {key: self.record}, self.singer)
        return replace(item, digest=kept[key], edited=True)


def _edited(desk: Desk, items: Sequence[Item], file: Path, mask: Mask) -> Draft:
    """Read the edited record of one document, and say what is different."""
    if len(items) != 1:
        msg = f"--edit is for one document, and these are {len(items)}"
        raise DeliveryError(msg)
    record, singer = _load(desk, items[0])
    try:
        with click.open_file(str(file), encoding="utf-8") as opened:
            text = opened.read()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"the edited payload cannot be read: {error}"
        raise DeliveryError(msg) from None
    draft = Draft(edited(text, record, singer, mask), singer)
    for change in changes(record, draft.record):
        _say(told(change, mask))
    return draft


# Asking and sending


def _request(desk: Desk, items: Sequence[Item], draft: Draft | None, reason: str) -> None:
    with desk.writing() as pen:
        items = [draft.keep(pen, item) for item in items] if draft else items
        pen.write(
            approvals.asked(
                desk.run_id, desk.identity, action=approvals.REPLAY, reason=reason, items=items
            )
        )
    name = approvals.request_id(desk.run_id)
    _say(
        f"request {name}: replay of {len(items)} document(s). Somebody else runs "
        f"`singer-delivery approve {name}`, then you `singer-delivery replay --approved {name}`"
    )


def _replay_approved(desk: Desk, name: str) -> None:
    """Use an approval up and send what it is about, unless that has changed since."""
    with desk.writing() as pen:
        request = approvals.load(pen.connection, name)
        use = approvals.used(request)
        items = approvals.items(pen.connection, request)
        _check_unchanged(pen, request, items)
        pen.write([use])
    _send(desk, items, {"request": request.id})


def _check_unchanged(pen: Pen, request: Request, items: Sequence[Item]) -> None:
    latest = latest_payloads(pen.connection, (item.place for item in items))
    known = at_places(pen.connection, (item.place for item in items))
    digests = {item.place: item.digest for item in items}
    obstacles = _obstacles(pen.connection, list(known.values()), digests)
    obstacles |= {
        item.place: "it came in with other content since it was asked for: ask again"
        for item in items
        if latest[item.place] != item.base
    }
    if obstacles:
        words = "; ".join(f"{stream} {key}: {why}" for (_, stream, key), why in obstacles.items())
        msg = f"request {request.id} is not replayed: {words}"
        raise NoReplay(msg)


def _send(
    desk: Desk, items: Sequence[Item], detail: Mapping[str, Any], draft: Draft | None = None
) -> None:
    """Note each replay in the ledger, release what waited for it, and write the messages."""
    out = sys.stdout.buffer
    sent_schemas: dict[str, SingerStream] = {}
    for batch in chunks(items, BATCH):
        loaded = [_load(desk, item) for item in batch]
        if draft:
            loaded = [(draft.record, draft.singer)]
        _note(desk, batch, detail, draft)
        for record, singer in loaded:
            if sent_schemas.get(singer.stream) != singer:
                sent_schemas[singer.stream] = singer
                out.write(schema_message(singer))
            out.write(record_message(singer, record))
        out.flush()
    _say(f"{len(items)} document(s) replayed")


def _note(
    desk: Desk, batch: Sequence[Item], detail: Mapping[str, Any], draft: Draft | None
) -> None:
    """Commit that these documents are replayed, and let the target send them. Raises NoReplay."""
    with desk.writing() as pen:
        known = at_places(pen.connection, (item.place for item in batch))
        flying = in_flight(pen.connection, list(known.values()), pen.now)
        if flying:
            words = "; ".join(f"{stream} {key}" for _, stream, key in flying)
            msg = f"in flight now in another run, and not replayed: {words}"
            raise NoReplay(msg)
        kept = [draft.keep(pen, item) for item in batch] if draft else batch
        pen.write([_replayed(item, detail) for item in kept])
    for item in batch:
        if known[item.place].status in {Status.REJECTED, Status.STUCK}:
            system, stream, key = item.place
            desk.ledger(system).release(stream, key, desk.run_id, reason="replayed by an operator")


def _replayed(item: Item, detail: Mapping[str, Any]) -> Event:
    system, stream, key = item.place
    about = {**detail, "edited": item.edited}
    return Event(Kind.REPLAYED, stream, key, about, payload=item.digest, system=system)


def _load(desk: Desk, item: Item) -> tuple[dict[str, Any], SingerStream]:
    system, stream, key = item.place
    found = payloads.load(desk.engine, system, stream, key, item.digest)
    return record_of(found, f"{stream} {key}")


def _say(words: str) -> None:
    click.echo(plain(words), err=True)
