"""`doctor`: whether both systems are ready, looked at without writing anything anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click

from singer_delivery.errors import DeliveryError
from singer_delivery.examination import GROUP, Examine, Finding, Verdict
from singer_delivery.live import offered
from singer_delivery.operator.live_settings import config_files, plugin_settings

#: Title, name, plugin and, where no entry point is registered, place of each examination.
SYSTEMS = (
    ("Basware", "basware", "target-basware", "target_basware.doctor:examine"),
    ("Dynamics", "d365fo", "target-d365fo", "target_d365fo.doctor:examine"),
)
#: Looked at where it is set up; nothing is said of it elsewhere.
OPTIONAL = (
    ("Webhook", "basware-webhook", "basware-webhook", "tap_basware.webhook.doctor:examine"),
)
MARKS = {
    Verdict.FINE: "ok     ",
    Verdict.WARNING: "warning",
    Verdict.WRONG: "WRONG  ",
    Verdict.UNKNOWN: "?      ",
}


@click.command()
@click.option(
    "--config",
    "configs",
    multiple=True,
    metavar="PLUGIN=FILE",
    help="Settings of target-d365fo, target-basware or basware-webhook as JSON, instead of "
    "Meltano's or those of the environment.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
def doctor(configs: Sequence[str], form: str) -> None:
    """Check all that both systems have to have, and say what to do; exit code 1 if it is wrong.

    Nothing is written. Warnings concern what not everybody needs; what cannot be seen is marked ?.
    """
    files = config_files(configs)
    found: dict[str, list[Finding]] = {}
    for title, name, plugin, place in (*SYSTEMS, *OPTIONAL):
        for finding in _examined(name, place, plugin, files):
            if title not in found and form == "text":
                click.echo(title)
            found.setdefault(title, []).append(finding)
            if form == "text":
                _print(finding)
    if form == "json":
        click.echo(
            json.dumps({title: [asdict(each) for each in list_] for title, list_ in found.items()})
        )
    wrong = sum(
        finding.verdict is Verdict.WRONG for findings in found.values() for finding in findings
    )
    if form == "text":
        click.echo(f"{wrong} wrong" if wrong else "nothing is wrong")
    if wrong:
        raise click.exceptions.Exit(1)


def _examined(name: str, place: str, plugin: str, files: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a plugin finds; its settings may be the first thing that is wrong."""
    # Who does not use what is optional may not even have it in the project.
    verdict = Verdict.UNKNOWN if name in {each[1] for each in OPTIONAL} else Verdict.WRONG
    try:
        examine: Examine = offered(GROUP, name, place)
        yield from examine(plugin_settings(plugin, files))
    except DeliveryError as error:
        yield Finding("settings", verdict, str(error))


def _print(finding: Finding) -> None:
    click.echo(f"  {MARKS[finding.verdict]}  {finding.about}: {finding.says}")
    if finding.remedy and finding.verdict is not Verdict.FINE:
        click.echo(f"           -> {finding.remedy}")
