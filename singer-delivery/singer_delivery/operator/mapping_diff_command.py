"""`mapping-diff`: which invoices would be sent differently after a change of mapping.yml."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from singer_delivery import payloads
from singer_delivery.courier import Courier
from singer_delivery.database import open_readonly, reading
from singer_delivery.delivery import Delivery
from singer_delivery.errors import BadInput, LedgerError
from singer_delivery.operator.filters import Filter, filter_options
from singer_delivery.operator.live_commands import given_url, in_words
from singer_delivery.operator.live_settings import config_files
from singer_delivery.operator.mapping_changes import Compared, Comparison, Reading
from singer_delivery.operator.mapping_diff_report import FORMATS, MappingReport
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.options import mask_option, place_options
from singer_delivery.operator.parcels import latest_payloads
from singer_delivery.operator.queries import find
from singer_delivery.operator.trying import (
    SOURCE,
    TARGET,
    lines_of,
    listen,
    opened_target,
    quiet,
    target_settings,
    waiting_lines,
)
from singer_delivery.payloads import SingerStream
from singer_delivery.rehearsal import Rehearsing

Record = Mapping[str, Any]


@click.command("mapping-diff")
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@filter_options(statuses=False)
@click.option(
    "--recent",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="So many documents of the ledger, the latest first.",
)
@click.option("--waiting", is_flag=True, help="What waits in Basware, instead of the ledger's.")
@click.option(
    "--input", "source", metavar="FILE", help="Singer messages of a file, - for stdin, instead."
)
@click.option("--details", is_flag=True, help="Each document with all that differs in it.")
@click.option(
    "--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True
)
@click.option("--unmasked", is_flag=True, help="Show bank accounts and masked fields as they are.")
@place_options(TARGET[1], SOURCE[1])
@mask_option
def mapping_diff(
    *,
    old: str,
    new: str,
    chosen: Filter,
    recent: int,
    waiting: bool,
    source: str | None,
    details: bool,
    form: str,
    unmasked: bool,
    ledger_url: str,
    configs: tuple[str, ...],
    masked: tuple[str, ...],
) -> None:
    """Map recent invoices with two mapping files, OLD and NEW (- for stdin), and compare.

    They come from the records kept in the ledger. Nothing is sent or written. Exit code 0: all
    of them would be sent alike; 1: some would not; 2: it cannot be told.
    """
    quiet()
    _check(chosen, [old, new, source], waiting=waiting)
    comparison = Comparison()
    report = MappingReport(click.echo, form, None if unmasked else Mask(masked), details=details)
    with in_words(), ExitStack() as stack:
        files = config_files(configs)
        settings = target_settings(files)
        url = given_url(ledger_url)
        before, after = (
            stack.enter_context(
                opened_target(settings, url, stack.enter_context(_mapping_file(name)))
            )
            for name in (old, new)
        )
        desk = _Desk(before, after, comparison, chosen, report.add)
        if waiting:
            desk.compare_lines(waiting_lines(files, ()))
        elif source is not None:
            desk.compare_lines(stack.enter_context(lines_of(source)))
        else:
            desk.compare_kept(recent)
        report.end(comparison, desk.without_record)
    raise click.exceptions.Exit(1 if comparison.differing or comparison.unreadable else 0)


def _check(chosen: Filter, files: list[str | None], *, waiting: bool) -> None:
    source = files[-1]
    if (waiting and source is not None) or files.count("-") > 1:
        msg = "give one of --waiting and --input, and - only once"
        raise click.UsageError(msg)
    of_ledger = chosen.since or chosen.until or chosen.stream or chosen.system
    if of_ledger and (waiting or source is not None):
        msg = "--since, --until, --stream and --system choose among what is in the ledger"
        raise click.UsageError(msg)


@contextmanager
def _mapping_file(name: str) -> Iterator[str]:
    """Give a mapping the name of a file, which stdin has not."""
    if name != "-":
        yield name
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / "stdin.yml"
        with click.open_file("-", "rb") as given:
            file.write_bytes(given.read())
        yield str(file)


class _Desk:
    """Both mappings, and the records that they are tried on."""

    def __init__(
        self,
        before: Rehearsing,
        after: Rehearsing,
        comparison: Comparison,
        chosen: Filter,
        tell: Callable[[Compared], None],
    ) -> None:
        self._targets = before, after
        self._comparison = comparison
        self._chosen = chosen
        self._tell = tell
        self._couriers: dict[str, tuple[Courier, Courier]] = {}
        self.without_record = 0

    def compare_lines(self, lines: Iterable[str]) -> None:
        """Compare the records of Singer messages, as a run would get them."""
        _, after = self._targets

        def take(delivery: Delivery, records: Iterable[Record]) -> None:
            if delivery.singer is not None:
                for record in records:
                    self._compare(delivery.singer, record)

        after.take = take
        listen(after, lines)
        self._comparison.unreadable += after.problems

    def compare_kept(self, recent: int) -> None:
        """Compare the records that the latest documents of the ledger came in as."""
        target = self._targets[1]
        engine = open_readonly(target.ledger_url)
        if engine is None:
            msg = "there is no ledger yet, and so no record in it: use --waiting or --input"
            raise LedgerError(msg)
        try:
            with reading(engine) as connection:
                found = find(connection, self._chosen)
                places = [
                    each.place
                    for each in islice(
                        (one for one in found if one.system == target.system), recent
                    )
                ]
                digests = latest_payloads(connection, places)
            for place, digest in digests.items():
                kept = payloads.load(engine, *place, digest) if digest else None
                if kept is None or kept.record is None or kept.singer is None:
                    self.without_record += 1
                else:
                    self._compare(kept.singer, kept.record, picked=True)
        finally:
            engine.dispose()

    def _compare(self, singer: SingerStream, record: Record, *, picked: bool = False) -> None:
        before, after = self._both(singer)
        try:
            one = Compared.of(Reading.of(before, record), Reading.of(after, record))
        except BadInput as problem:
            self._comparison.unreadable.append(str(problem))
            return
        if picked or self._chosen.takes(one.document.detail, one.document.scope):
            self._comparison.add(one)
            self._tell(one)

    def _both(self, singer: SingerStream) -> tuple[Courier, Courier]:
        if singer.stream not in self._couriers:
            before, after = (target.courier_for_stream(singer) for target in self._targets)
            self._couriers[singer.stream] = before, after
        return self._couriers[singer.stream]
