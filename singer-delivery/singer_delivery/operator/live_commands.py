"""`reconcile` and `rebuild`: the ledger held against both live systems, and made anew from them."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
import sqlalchemy
from click.core import ParameterSource
from sqlalchemy import Engine

from singer_delivery.database import open_database
from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.identity import describe
from singer_delivery.ledger import Ledger
from singer_delivery.ledger_books import LedgerBooks
from singer_delivery.live import LiveSystem, live_opener
from singer_delivery.operator.access import Desk
from singer_delivery.operator.ledger_address import DEFAULT_URL
from singer_delivery.operator.live_settings import config_files, plugin_settings
from singer_delivery.operator.live_tables import FORMATS, show
from singer_delivery.operator.options import place_options
from singer_delivery.rebuild import Rebuild, Rebuilt, Receiver, Shelf, Source
from singer_delivery.reconcile import GRAINS, Inquiry, Window
from singer_delivery.runs import Run

AGREE, DIFFERENT, BLIND = 0, 1, 2
#: Name, plugin and, where no entry point is registered, place of each live system.
RECEIVER = ("d365fo", "target-d365fo", "target_d365fo.live:open_live")
SOURCE = ("basware", "target-basware", "target_basware.live:open_live")

Command = TypeVar("Command", bound=Callable[..., Any])
Side = tuple[str, str, str]


class Day(click.ParamType[date]):
    """A calendar day."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day, or fail in words."""
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is no day: write 2026-11-23", param, ctx)


class Grains(click.ParamType[tuple[str, ...]]):
    """What sums are told by."""

    name = "entity,currency,day"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the parts, or fail in words."""
        if isinstance(value, tuple):
            return value
        parts = tuple(part.strip().lower() for part in value.split(",") if part.strip())
        for part in parts:
            if part not in GRAINS:
                self.fail(f"{part!r}: sums are told by {', '.join(GRAINS)}", param, ctx)
        return parts


def live_options(command: Command) -> Command:
    """Add what all commands take that look into live systems."""
    options = [
        place_options(RECEIVER[1], SOURCE[1]),
        click.option("--since", type=Day(), default=None, help="Invoices of this day or later."),
        click.option("--until", type=Day(), default=None, help="Invoices of this day or earlier."),
    ]
    decorated: Any = command
    for option in reversed(options):
        decorated = option(decorated)
    result: Command = decorated
    return result


@dataclass
class Office:
    """Both live systems, and the ledger, or ledgers, in which their documents are."""

    receiver: LiveSystem
    source: LiveSystem
    desk: Desk
    source_desk: Desk

    @classmethod
    def open(cls, ledger_url: str, configs: Sequence[str]) -> Office:
        """Find all of it; nothing is read yet. Raises DeliveryError."""
        files = config_files(configs)
        with ThreadPoolExecutor() as pool:  # Meltano takes its seconds for each
            settings = list(
                pool.map(lambda side: plugin_settings(side[1], files), (RECEIVER, SOURCE))
            )
        receiver, own_url = _side(RECEIVER, settings[0])
        source, other_url = _side(SOURCE, settings[1])
        desk = Desk(ledger_url or own_url)
        other = Desk(ledger_url or other_url)
        return cls(receiver, source, desk, desk if other.url == desk.url else other)

    def close(self) -> None:
        """Release the databases."""
        self.desk.close()
        self.source_desk.close()


def given_url(own: str) -> str:
    """Return the ledger's address that was given to the command, or to the group before it."""
    parent = click.get_current_context().parent
    if own or parent is None:
        return own
    is_given = parent.get_parameter_source("ledger_url") not in {None, ParameterSource.DEFAULT}
    return str(parent.params["ledger_url"]) if is_given else ""


def _side(side: Side, settings: Mapping[str, Any]) -> tuple[LiveSystem, str]:
    """Return a live system and the address of its ledger. Raises SetupError."""
    name, plugin, default = side
    variable = f"{plugin.upper().replace('-', '_')}_LEDGER_URL"
    url = settings.get("ledger_url") if settings else os.environ.get(variable)
    return live_opener(name, default)(settings), str(url or DEFAULT_URL)


@contextmanager
def in_words() -> Iterator[None]:
    """Print what prevents looking as one line, and exit with BLIND."""
    try:
        yield
    except DeliveryError as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(BLIND) from None


@click.command()
@live_options
@click.option(
    "--by",
    type=Grains(),
    default="entity,currency",
    show_default=True,
    help="What sums are told by: any of entity, currency, day. Currencies are never added up.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0),
    default=24.0,
    show_default=True,
    help="Hours that an invoice may wait in Basware before it counts as a difference.",
)
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="table", show_default=True
)
@click.option("--differences-only", is_flag=True, help="Leave out the sums.")
def reconcile(
    *,
    ledger_url: str,
    configs: tuple[str, ...],
    since: date | None,
    until: date | None,
    by: tuple[str, ...],
    patience: float,
    form: str,
    differences_only: bool,
) -> None:
    """Hold the ledger against what Basware and Dynamics hold now.

    Nothing is written. Exit code 0: all three agree; 1: they do not; 2: it cannot be told.
    """
    quiet()
    with in_words():
        office = Office.open(given_url(ledger_url), configs)
        try:
            source_engine = office.source_desk.engine
            inquiry = Inquiry(
                LedgerBooks(
                    office.desk.engine,
                    office.receiver.system,
                    office.source.system,
                    source_engine,
                ),
                office.source,
                office.receiver,
                Window(since, until),
                timedelta(hours=patience),
            )
            result = inquiry.run()
        finally:
            office.close()
    for line in show(result, form, by, differences_only=differences_only):
        click.echo(line)
    raise click.exceptions.Exit(AGREE if result.agrees else DIFFERENT)


@click.command()
@live_options
@click.option("--overwrite", is_flag=True, help="Write what the ledger has already, too.")
@click.option("--dry-run", is_flag=True, help="Show what would be written, and write nothing.")
def rebuild(
    *,
    ledger_url: str,
    configs: tuple[str, ...],
    since: date | None,
    until: date | None,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Write what the ledger lacks, from what Basware and Dynamics hold: after it was lost.

    Nothing is sent. Exit code 0: done; 1: something was left out; 2: it could not be done.
    """
    quiet()
    with in_words():
        office = Office.open(given_url(ledger_url), configs)
        try:
            result = _rebuild(office, Window(since, until), overwrite=overwrite, dry_run=dry_run)
        finally:
            office.close()
    _report(result, dry_run=dry_run)
    raise click.exceptions.Exit(DIFFERENT if result.left_out else AGREE)


def _rebuild(office: Office, window: Window, *, overwrite: bool, dry_run: bool) -> Rebuilt:
    receiver, source = office.receiver, office.source
    if not (isinstance(receiver, Receiver) and isinstance(source, Source)):
        msg = (
            "the installed plugins can be looked into, but no ledger can be made of what they hold"
        )
        raise SetupError(msg)
    result = Rebuilt()
    with ExitStack() as stack:
        invoices, responses = (
            stack.enter_context(
                _shelf(desk, system.system, result, overwrite=overwrite, dry_run=dry_run)
            )
            for desk, system in ((office.desk, receiver), (office.source_desk, source))
        )
        Rebuild(receiver, source, invoices, responses).run(window.since, window.until)
    return result


@contextmanager
def _shelf(
    desk: Desk, system: str, result: Rebuilt, *, overwrite: bool, dry_run: bool
) -> Iterator[Shelf]:
    """Give the place for rows of one system, in a run of its own. A lost ledger is made anew."""
    with TemporaryDirectory() as folder:
        # What is only shown leaves no new ledger behind.
        url = f"sqlite:///{folder}/ledger.db" if dry_run and _is_lost(desk.url) else desk.url
        engine = open_database(url)
        with _opened(engine, system, result, overwrite=overwrite, dry_run=dry_run) as shelf:
            yield shelf


def _is_lost(url: str) -> bool:
    parsed = sqlalchemy.make_url(url)
    is_file = parsed.get_backend_name() == "sqlite"
    return is_file and not Path(parsed.database or "").is_file()


@contextmanager
def _opened(
    engine: Engine, system: str, result: Rebuilt, *, overwrite: bool, dry_run: bool
) -> Iterator[Shelf]:
    actor = str(describe(engine))
    ledger = Ledger(engine, system, actor=actor)
    run_id = uuid.uuid4().hex
    say = click.echo if dry_run else _say_nothing
    shelf = Shelf(ledger, system, run_id, actor, overwrite, dry_run, result, say)
    try:
        if dry_run:
            yield shelf
            return
        ledger.begin_run(Run(run_id, system, plugin="singer-delivery rebuild"))
        yield shelf
        ledger.end_run(run_id, {"rebuilt": dict(result.written)})
    finally:
        ledger.close()


def _say_nothing(_line: str) -> None:
    """Say nothing of a row that is written: the trail does."""


def _report(result: Rebuilt, *, dry_run: bool) -> None:
    done = "would be written" if dry_run else "written"
    for stream, count in sorted(result.written.items()):
        click.echo(f"{stream}: {count} {done}")
    if not result.written:
        click.echo("nothing was missing")
    if result.known:
        click.echo(f"{result.known} were there already")
    for words in result.left_out:
        click.echo(f"left out: {words}", err=True)


def quiet() -> None:
    """Keep what plugins log of their settings off the terminal."""
    logging.getLogger("target-d365fo").setLevel(logging.WARNING)
    logging.getLogger("target-basware").setLevel(logging.WARNING)
