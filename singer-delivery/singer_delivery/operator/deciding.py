"""The commands `four-eyes`, `requests` and `approve`: what one person may not do alone."""

from __future__ import annotations

import click

from singer_delivery import payloads
from singer_delivery.errors import DeliveryError
from singer_delivery.operator import approvals
from singer_delivery.operator.access import Desk
from singer_delivery.operator.approvals import SWITCH_OFF, Item, Request
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.options import confirmed, mask_option
from singer_delivery.operator.parcels import changes, record_of, told
from singer_delivery.operator.rendering import plain
from singer_delivery.operator.story import short

#: Documents of a request that are named one by one.
NAMED = 20


@click.command("four-eyes")
@click.argument("switch", type=click.Choice(["on", "off"]), required=False)
@click.option("--reason", default="", help="Why, for whoever approves and for the trail.")
@click.pass_obj
def four_eyes(desk: Desk, switch: str | None, reason: str) -> None:
    """Have a second person approve replays: on, off, or say how it is.

    Anybody switches it on. Switching it off takes a second person's approval as well.
    """
    with desk.reading() as connection:
        is_on = approvals.four_eyes(connection)
    if switch is None or (switch == "on") == is_on:
        click.echo(f"four eyes are {'on' if is_on else 'off'}")
        return
    with desk.writing() as pen:
        if switch == "on":
            pen.write([approvals.policy(on=True)])
            click.echo("four eyes are on: a replay needs a second person's approval")
            return
        pen.write(approvals.asked(desk.run_id, desk.identity, action=SWITCH_OFF, reason=reason))
    name = approvals.request_id(desk.run_id)
    click.echo(f"four eyes stay on until somebody else runs `singer-delivery approve {name}`")


@click.command()
@click.argument("name", metavar="[ID]", required=False)
@click.option("--all", "every", is_flag=True, help="Those that were carried out, too.")
@mask_option
@click.pass_obj
def requests(desk: Desk, name: str | None, *, every: bool, masked: tuple[str, ...]) -> None:
    """List what waits for approval or was approved, or show what one request is about."""
    with desk.reading() as connection:
        found = [approvals.load(connection, name)] if name else approvals.every(connection)
    shown = [request for request in found if every or name or not request.used]
    for request in shown:
        click.echo(plain(approvals.told(request)))
    if name:
        _show_items(desk, found[0], Mask(masked))
    elif not shown:
        click.echo("no request is open", err=True)


@click.command()
@click.argument("name", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@mask_option
@click.pass_obj
def approve(desk: Desk, name: str, *, yes: bool, masked: tuple[str, ...]) -> None:
    """Approve what somebody else asked for, after looking at it."""
    with desk.reading() as connection:
        request = approvals.load(connection, name)
        approvals.approval(request, desk.identity, [])
    click.echo(plain(approvals.told(request)), err=True)
    _show_items(desk, request, Mask(masked))
    if not yes:
        confirmed("Approve it?")
    with desk.writing() as pen:
        request = approvals.load(pen.connection, name)
        about = approvals.items(pen.connection, request)
        pen.write(approvals.approval(request, desk.identity, about))
        if request.action == SWITCH_OFF:
            pen.write([approvals.policy(on=False, request=request.id)])
    if request.action == SWITCH_OFF:
        click.echo(f"approved by {desk.actor}: four eyes are off", err=True)
        return
    click.echo(
        f"approved by {desk.actor}: `singer-delivery replay --approved {request.id} | target-…` "
        "carries it out, once",
        err=True,
    )


def _show_items(desk: Desk, request: Request, mask: Mask) -> None:
    with desk.reading() as connection:
        about = approvals.items(connection, request)
    for item in about[:NAMED]:
        system, stream, key = item.place
        what = f"edited payload {short(item.digest)}" if item.edited else "as it came in"
        click.echo(plain(f"  {stream} {key} to {system}, {what}"), err=True)
        for line in _differences(desk, item, mask):
            click.echo(f"    {line}", err=True)
    if len(about) > NAMED:
        click.echo(f"  {len(about) - NAMED} more", err=True)


def _differences(desk: Desk, item: Item, mask: Mask) -> list[str]:
    if not item.edited:
        return []
    try:
        before, after = (
            record_of(payloads.load(desk.engine, *item.place, digest), item.place[2])[0]
            for digest in (item.base, item.digest)
        )
    except DeliveryError as error:
        return [str(error)]
    return [told(change, mask) for change in changes(before, after)]
