"""The command `erase`: records that were kept for replay, out of the ledger; the trail stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from sqlalchemy import func, select

from singer_delivery.errors import DeliveryError
from singer_delivery.operator.access import Desk
from singer_delivery.operator.filters import Day
from singer_delivery.operator.options import confirmed
from singer_delivery.operator.rendering import moment
from singer_delivery.payloads import erase as erase_kept
from singer_delivery.schema import payloads

RETENTION_VARIABLE = "SINGER_DELIVERY_PAYLOAD_RETENTION_DAYS"
RETENTION_DAYS = 400


@click.command()
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=0),
    metavar="DAYS",
    help="Received so long ago.",
)
@click.option("--before", type=Day(), help="Received before this day (UTC).")
@click.option("--key", default="", help="Of this document only; alone, all that is kept of it.")
@click.option("--system", default="", metavar="URL", help="Of this system only.")
@click.option("--retention", is_flag=True, help="By retention, without asking.")
@click.option(
    "--retention-days",
    type=click.IntRange(min=0),
    envvar=RETENTION_VARIABLE,
    default=RETENTION_DAYS,
    show_default=True,
    help="What --retention goes by; 0 erases all.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(
    desk: Desk,
    *,
    days: int | None,
    before: datetime | None,
    key: str,
    system: str,
    retention: bool,
    retention_days: int,
    yes: bool,
) -> None:
    """Erase kept records, which can then not be replayed.

    What happened to them stays in the audit trail, and the trail stays verifiable.
    """
    if sum((days is not None, before is not None, retention)) > 1:
        msg = "give one of --older-than, --before and --retention"
        raise DeliveryError(msg)
    age = retention_days if retention else days
    now = datetime.now(UTC)
    if age is not None:
        before = now - timedelta(days=age)
    elif before is None and not key:
        msg = "say what to erase: --older-than DAYS, --before DATE, --key KEY or --retention"
        raise DeliveryError(msg)
    # All of it: a record may have come in while this was typed.
    until = before or now + timedelta(days=1)
    count = _count(desk, until, key, system)
    about = f"{f' of {key}' if key else ''}{f' received before {moment(before)}' if before else ''}"
    if not count:
        click.echo(f"nothing to erase{about}")
        return
    if not (retention or yes):
        confirmed(f"Erase {count} record(s){about}, for good?")
    erased = erase_kept(
        desk.engine, until, key=key, system=system, run_id=desk.run_id, actor=desk.actor, now=now
    )
    click.echo(f"{erased} record(s){about} erased; the audit trail keeps what happened to them")


def _count(desk: Desk, until: datetime, key: str, system: str) -> int:
    conditions = [
        payloads.c.received_at < until.astimezone(UTC).isoformat(),
        payloads.c.erased_at.is_(None),
        *([payloads.c.key == key] if key else []),
        *([payloads.c.system == system] if system else []),
    ]
    with desk.reading() as connection:
        return int(connection.execute(select(func.count()).where(*conditions)).scalar_one())
