"""`singer-delivery`: the operator's command line."""

from __future__ import annotations

import importlib

import click

from singer_delivery.command_line import PlainGroup
from singer_delivery.operator.access import DEFAULT_URL, URL_VARIABLES, Desk
from singer_delivery.operator.deciding import approve, four_eyes, requests
from singer_delivery.operator.erasing import erase
from singer_delivery.operator.exporting import export
from singer_delivery.operator.listing import list_documents
from singer_delivery.operator.proving import anchor, verify
from singer_delivery.operator.replaying import replay
from singer_delivery.operator.showing import payload, show
from singer_delivery.operator.working import claims, list_runs, release

#: Loading what they take, such as that for live systems, is slow, and done when they are called.
LIVE = {
    "doctor": "doctor_command",
    "dry-run": "dry_run_command",
    "mapping-diff": "mapping_diff_command",
    "draft-mapping": "drafting",
    "rebuild": "live_commands",
    "report": "report_command",
    "reconcile": "live_commands",
    "metrics": "metrics_command",
    "watch": "watch_command",
}


class OperatorGroup(PlainGroup):
    """All commands of the operator; those in `LIVE` are loaded when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*super().list_commands(ctx), *LIVE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command."""
        if cmd_name not in LIVE:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"singer_delivery.operator.{LIVE[cmd_name]}")
        found: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return found


@click.group(cls=OperatorGroup)
@click.option(
    "--ledger-url",
    envvar=URL_VARIABLES,
    default=DEFAULT_URL,
    show_default=True,
    help="The ledger_url of the plugins.",
)
@click.version_option(package_name="singer-delivery")
@click.pass_context
def main(ctx: click.Context, ledger_url: str) -> None:
    """Look at the ledger of deliveries, prove it, and put right what is stuck."""
    ctx.obj = desk = Desk(ledger_url)
    ctx.call_on_close(desk.close)


for command in (
    list_documents,
    show,
    payload,
    verify,
    anchor,
    export,
    replay,
    release,
    four_eyes,
    requests,
    approve,
    erase,
    list_runs,
    claims,
):
    main.add_command(command)
