"""The commands `verify` and `anchor`: is the trail what it was?"""

from __future__ import annotations

from pathlib import Path

import click

from singer_delivery.operator.access import Desk
from singer_delivery.operator.rendering import moment, plain
from singer_delivery.trail import Trail
from singer_delivery.verification import append_anchor, read_anchors
from singer_delivery.verification import verify as verify_ledger

ANCHOR_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--anchor",
    "anchors",
    type=ANCHOR_FILE,
    multiple=True,
    help="File with heads that `anchor` noted, which shows a chain cut off or written anew.",
)
@click.pass_obj
def verify(desk: Desk, anchors: tuple[Path, ...]) -> None:
    """Check the audit trail, entry by entry; exit with 1 when one is broken.

    Each entry against the one before, the kept payloads against their digests, where each document
    stands against its last outcome, and the heads in an anchor file against the chain.
    """
    noted = [anchor for path in anchors for anchor in read_anchors(path)]
    verdict = verify_ledger(desk.engine, anchors=noted)
    if not verdict.faults:
        against = f", {len(noted)} anchor(s) met" if noted else ""
        older = f", {verdict.untracked} document(s) are older than it" if verdict.untracked else ""
        click.echo(f"{verdict.events} events, chain intact{against}{older}")
        return
    for fault in verdict.faults:
        where = f"event {fault.number}: " if fault.number else ""
        click.echo(f"{where}{plain(fault.words)}")
    click.echo(f"{verdict.events} events, {len(verdict.faults)} fault(s)")
    raise click.exceptions.Exit(1)


@click.command()
@click.option("--file", "path", type=ANCHOR_FILE, required=True, help="JSON lines; appended to.")
@click.pass_obj
def anchor(desk: Desk, path: Path) -> None:
    """Note the head of the chain in a file, to be kept where the ledger's owner cannot write."""
    head = Trail(desk.engine).head()
    append_anchor(path, head)
    click.echo(f"event {head.number} of {moment(head.at)} noted in {path}")
