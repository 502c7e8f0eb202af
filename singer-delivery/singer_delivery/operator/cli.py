"""`singer-delivery`: the operator's command line.

A command is loaded when it is called: what it takes, such as SQLAlchemy or that for live systems,
is slow to load.
"""

from __future__ import annotations

import importlib

import click

from singer_delivery.command_line import PlainGroup
from singer_delivery.operator.ledger_address import DEFAULT_URL, URL_VARIABLES

#: By name: where a command is, and what it does in a few words.
COMMANDS = {
    "anchor": ("proving:anchor", "Note the head of the chain in a file, to be kept elsewhere"),
    "approve": ("deciding:approve", "Approve what somebody else asked for"),
    "claims": ("working:claims", "List what runs hold: documents in flight, and resources"),
    "doctor": ("doctor_command:doctor", "Check what both systems have to have"),
    "draft-mapping": ("drafting:draft_mapping", "Draft mapping.yml from what both systems have"),
    "dry-run": ("dry_run_command:dry_run", "Show what a run would send to Dynamics now"),
    "erase": ("erasing:erase", "Erase kept records, which can then not be replayed"),
    "export": ("exporting:export", "Write the audit trail for auditors"),
    "four-eyes": ("deciding:four_eyes", "Have a second person approve replays"),
    "list": ("listing:list_documents", "List documents, those that changed last first"),
    "mapping-diff": ("mapping_diff_command:mapping_diff", "Map recent invoices with two mappings"),
    "metrics": ("metrics_command:metrics", "Print what a monitor wants of deliveries"),
    "payload": ("showing:payload", "Print the record that a document was last received as"),
    "rebuild": ("live_commands:rebuild", "Write what the ledger lacks, from both systems"),
    "reconcile": ("live_commands:reconcile", "Hold the ledger against what both systems hold"),
    "release": ("working:release", "Let stuck or rejected documents be sent again"),
    "replay": ("replaying:replay", "Write kept records as Singer messages on stdout"),
    "report": ("report_command:report", "Write a report on a period"),
    "requests": ("deciding:requests", "List what waits for approval or was approved"),
    "runs": ("working:list_runs", "List the runs of the plugins, the latest first"),
    "show": ("showing:show", "Show a document with its whole history"),
    "verify": ("proving:verify", "Check the audit trail, entry by entry"),
    "watch": ("watch_command:watch", "Look for what somebody has to know of, and tell it"),
}


class OperatorGroup(PlainGroup):
    """All commands of the operator, each loaded when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        found: click.Command = getattr(
            importlib.import_module(f"singer_delivery.operator.{module}"), name
        )
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write what there is, without loading it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


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
    from singer_delivery.operator.access import Desk  # noqa: PLC0415 - of a command that is called

    ctx.obj = desk = Desk(ledger_url)
    ctx.call_on_close(desk.close)
