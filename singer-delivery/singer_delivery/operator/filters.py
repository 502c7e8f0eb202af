"""Which documents an operator means: the options of list, export and replay."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click

from singer_delivery.document import Status

Command = TypeVar("Command", bound=Callable[..., Any])
#: Names under which couriers keep them in a document's detail.
ENTITY_NAMES = ("legal_entity",)
VENDOR_NAMES = ("vendor", "vendor_account")
NUMBER_NAMES = ("invoice_number",)


@dataclass(frozen=True)
class Filter:
    """Empty parts let everything pass. Times are aware; `until` is not part of it any more."""

    statuses: tuple[str, ...] = ()
    entity: str = ""
    vendor: str = ""
    stream: str = ""
    system: str = ""
    number: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __bool__(self) -> bool:
        return self != Filter()

    @property
    def reads_detail(self) -> bool:
        """Whether a document's detail has a say: the database alone cannot tell."""
        return bool(self.entity or self.vendor or self.number)

    def takes(self, detail: Mapping[str, Any], scope: str = "") -> bool:
        """Judge what stands in a document's detail; the rest is up to the query."""
        return (
            (_is(detail, ENTITY_NAMES, self.entity) or _same(scope, self.entity))
            and _is(detail, VENDOR_NAMES, self.vendor)
            and _is(detail, NUMBER_NAMES, self.number)
        )


def fact(detail: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """Return the first of these facts that a document has, or ""."""
    found = (detail[name] for name in names if detail.get(name) not in (None, ""))
    return str(next(found, ""))


def _is(detail: Mapping[str, Any], names: tuple[str, ...], wanted: str) -> bool:
    return not wanted or _same(fact(detail, names), wanted)


def _same(value: str, wanted: str) -> bool:
    return value.strip().casefold() == wanted.strip().casefold()


class Day(click.ParamType[datetime]):
    """A day or an instant in ISO 8601; UTC where no zone is given. A last day is part of it."""

    name = "date"

    def __init__(self, *, last: bool = False) -> None:
        self._last = last

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the instant at which it starts, or for a last day ends."""
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            self.fail(f"{value!r} is no date: write 2026-11-23 or 2026-11-23T10:15", param, ctx)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        whole_day = len(value.strip()) <= len("2026-11-23")
        return found + timedelta(days=1) if self._last and whole_day else found


def filter_options(*, statuses: bool = True) -> Callable[[Command], Command]:
    """Add the options that make a Filter, handed to the command as `chosen`."""
    options = [
        click.option("--entity", default="", metavar="ID", help="Legal entity, such as USMF."),
        click.option("--vendor", default="", metavar="V", help="Vendor account."),
        click.option("--stream", default="", metavar="S", help="Kind: vendor_invoices, …"),
        click.option("--system", default="", metavar="URL-PART", help="Part of the address."),
        click.option("--number", default="", metavar="INV", help="Invoice number."),
        click.option("--since", type=Day(), default=None, help="From this day on (UTC)."),
        click.option("--until", type=Day(last=True), default=None, help="To this day (UTC)."),
    ]
    if statuses:
        choice = click.Choice([status.value for status in Status], case_sensitive=False)
        words = "Where it stands; may be repeated."
        options.insert(
            0, click.option("--status", "statuses", type=choice, multiple=True, help=words)
        )

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def run(*args: Any, **given: Any) -> Any:
            parts = {name: given.pop(name) for name in _PARTS if name in given}
            return command(*args, chosen=Filter(**parts), **given)

        decorated: Any = run
        for option in reversed(options):
            decorated = option(decorated)
        result: Command = decorated
        return result

    return add


_PARTS = tuple(Filter.__dataclass_fields__)
