"""`report`: one page, or tables, on what was moved in a period and what needs somebody."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TextIO

import click

from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.operator.access import Desk
from singer_delivery.operator.ledger_address import DEFAULT_URL
from singer_delivery.operator.live_commands import (
    AGREE,
    BLIND,
    DIFFERENT,
    Office,
    given_url,
    in_words,
    live_options,
    quiet,
)
from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import REDACTOR
from singer_delivery.report.gathering import Gathering
from singer_delivery.report.ledgers import Ledgers, ledgers_of
from singer_delivery.report.model import Report
from singer_delivery.report.objects import write_object
from singer_delivery.report.page import INVOICES, write_page
from singer_delivery.report.period import Period, between, named_month
from singer_delivery.report.sheets import write_sheet, write_sheets
from singer_delivery.report.tables import NAMES, tables
from singer_delivery.report.verdict import sentence

STDOUT = "-"


@click.command()
@live_options
@click.option(
    "--month",
    default="",
    metavar="MONTH",
    help="this, last or 2026-11, instead of --since and --until.  [default: this]",
)
@click.option("--ledger-only", is_flag=True, help="Do not look into Basware and Dynamics.")
@click.option(
    "--system",
    "systems",
    multiple=True,
    metavar="URL-PART",
    help="With --ledger-only, which systems, where the ledger knows several. Repeatable.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="Hours that an invoice may wait, or an outcome be untold, before it counts.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "json", "csv"]),
    default="html",
    show_default=True,
    help="A page for people, one object for programs, or a file a table for spreadsheets.",
)
@click.option(
    "--table",
    type=click.Choice(NAMES),
    default=None,
    help="With --format csv, this table alone, as one file.",
)
@click.option(
    "--output",
    default="",
    metavar="FILE",
    help="Where to, - for stdout; for CSV a folder.  [default: report-2026-11.html, or stdout]",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=INVOICES,
    show_default=True,
    help="Invoices that are on the page one by one; 0 for all.",
)
def report(
    *,
    ledger_url: str,
    configs: tuple[str, ...],
    since: date | None,
    until: date | None,
    month: str,
    ledger_only: bool,
    systems: tuple[str, ...],
    patience: float,
    form: str,
    table: str | None,
    output: str,
    limit: int,
) -> None:
    """Write a report on a period: totals, differences, rejections by cause, ages, runs.

    Nothing is written but the report. Exit code 0: all is well, rejected documents included; 1:
    something needs somebody; 2: it could not be made, or both systems not be compared.
    """
    if table and form != "csv":
        msg = "--table is for --format csv"
        raise click.UsageError(msg)
    period = _period(since, until, month)
    quiet()
    with in_words(), ExitStack() as stack:
        gathering = _gathering(
            stack, given_url(ledger_url), configs, systems, period, ledger_only=ledger_only
        )
        gathering.patience = timedelta(hours=patience)
        made = gathering.report()
        place = _write(made, form, table, output, limit)
    if place:
        click.echo(sentence(made))
        click.echo(f"report: {place}")
    if made.blind:
        click.echo(f"Error: {made.blind}", err=True)
    raise click.exceptions.Exit(_code(made))


def _code(made: Report) -> int:
    if made.blind:
        return BLIND
    return DIFFERENT if made.needs_somebody else AGREE


def _period(since: date | None, until: date | None, month: str) -> Period:
    today = datetime.now(UTC).date()
    if month and (since or until):
        msg = "give either --month, or --since and --until"
        raise click.UsageError(msg)
    try:
        return named_month(month, today) if month else between(since, until, today)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _gathering(
    stack: ExitStack,
    url: str,
    configs: Sequence[str],
    systems: Sequence[str],
    period: Period,
    *,
    ledger_only: bool,
) -> Gathering:
    """Return what makes the report: with both live systems, or with the ledger alone.

    A system that cannot be opened is said in the report. Raises LedgerError without a ledger.
    """
    blind = ""
    if not ledger_only:
        try:
            office = Office.open(url, configs)
        except DeliveryError as error:
            blind = REDACTOR.text(plain(error))
        else:
            stack.callback(office.close)
            return Gathering(_ledgers(office), period, office.source, office.receiver)
    desk = Desk(url or DEFAULT_URL)
    stack.callback(desk.close)
    return Gathering(ledgers_of(desk.name, desk.engine, systems), period, blind=blind)


def _ledgers(office: Office) -> Ledgers:
    desk, other = office.desk, office.source_desk
    name = desk.name if other is desk else f"{desk.name} and {other.name}"
    return Ledgers(name, desk.engine, other.engine, office.receiver.system, office.source.system)


def _write(made: Report, form: str, table: str | None, output: str, limit: int) -> str:
    """Write the report; return where it is, "" for stdout. Raises SetupError."""
    known = tables(made)
    try:
        if form == "csv" and not table:
            folder = Path(output or f"report-{made.period.slug}")
            return str(write_sheets(known, folder)[0].parent)
        if table:
            chosen = next(each for each in known if each.name == table)
            return _into(output or STDOUT, lambda out: write_sheet(chosen, out))
        if form == "json":
            return _into(output or STDOUT, lambda out: write_object(made, known, out))
        name = output or f"report-{made.period.slug}.html"
        return _into(name, lambda out: write_page(made, out, limit=limit))
    except OSError as error:
        msg = f"the report cannot be written to {error.filename or output}: {error.strerror}"
        raise SetupError(msg) from None


def _into(output: str, write: Callable[[TextIO], None]) -> str:
    """Write to a file, which is whole or as it was; or to stdout."""
    if output == STDOUT:
        write(sys.stdout)
        return ""
    file = Path(output)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
            write(out)
        draft.chmod(_usual_mode())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return output


def _usual_mode() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
