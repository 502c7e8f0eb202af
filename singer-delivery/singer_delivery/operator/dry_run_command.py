"""`dry-run`: what a run would send now, document by document, without sending or noting it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from singer_delivery.operator.dry_run_report import FORMATS, Report
from singer_delivery.operator.filters import Filter
from singer_delivery.operator.live_commands import given_url, in_words
from singer_delivery.operator.live_settings import config_files
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.options import mask_option, place_options
from singer_delivery.operator.trying import (
    SOURCE,
    TARGET,
    Lines,
    lines_of,
    listen,
    opened_target,
    quiet,
    target_settings,
    waiting_lines,
)


@click.command("dry-run")
@click.option(
    "--input",
    "source",
    metavar="FILE",
    help="Singer messages of a file, - for stdin, instead of what waits in Basware.",
)
@click.option(
    "--company", "companies", multiple=True, metavar="CODE", help="Read this company only."
)
@click.option("--entity", default="", metavar="ID", help="Print this legal entity, such as USMF.")
@click.option("--vendor", default="", metavar="V", help="Print this vendor account.")
@click.option("--number", default="", metavar="INV", help="Print this invoice number.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True
)
@click.option("--quiet", "brief", is_flag=True, help="Leave the requests out: outcomes and totals.")
@click.option(
    "--unmasked", is_flag=True, help="Show bank accounts and masked fields as they would be sent."
)
@place_options(TARGET[1], SOURCE[1])
@mask_option
def dry_run(
    *,
    source: str | None,
    companies: tuple[str, ...],
    entity: str,
    vendor: str,
    number: str,
    form: str,
    brief: bool,
    unmasked: bool,
    ledger_url: str,
    configs: tuple[str, ...],
    masked: tuple[str, ...],
) -> None:
    """Show what a run would send to Dynamics now, and write nothing anywhere.

    All that is read is judged, as in a run; --entity, --vendor and --number say what is printed.
    Exit code 0: all of it would be sent or is there, and nothing speaks against it; 1: not all;
    2: it cannot be told.
    """
    quiet()
    report = Report(
        click.echo,
        form,
        None if unmasked else Mask(masked),
        Filter(entity=entity, vendor=vendor, number=number),
        brief=brief,
    )
    with (
        in_words(),
        _lines(source, configs, companies) as lines,
        opened_target(target_settings(config_files(configs)), given_url(ledger_url)) as target,
    ):
        target.rehearsed = report.add
        listen(target, lines)
        report.end(target.problems)
        for words in target.blind:
            click.echo(words, err=True)
        if not target.paper.exists:
            click.echo("there is no ledger yet: it was taken for empty", err=True)
    raise click.exceptions.Exit(0 if report.is_fine else 1)


@contextmanager
def _lines(source: str | None, configs: Sequence[str], companies: Sequence[str]) -> Iterator[Lines]:
    if source is None:
        yield waiting_lines(config_files(configs), companies)
        return
    if companies:
        msg = "--company says what is read in Basware, --input that nothing is: give one of them"
        raise click.UsageError(msg)
    with lines_of(source) as lines:
        yield lines
