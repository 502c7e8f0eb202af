"""A report as one HTML page that needs nothing else: no network, no file beside it."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, TextIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from singer_delivery.operator.queries import chunks
from singer_delivery.operator.rendering import moment, plain
from singer_delivery.report import charts, tables
from singer_delivery.report.causes import Cause
from singer_delivery.report.model import Event, Invoice, Report, RunLine
from singer_delivery.report.tables import Row, Table, amount, shown
from singer_delivery.report.verdict import asks, sentence

#: So much of a long list stands on the page; the CSV has all of it.
MOST_ATTENTION, MOST_OF_CAUSE, MOST_VALUES, MOST_RUNS = 500, 50, 8, 50
INVOICES = 2000
#: Stories are read for so many invoices at a time.
AT_ONCE = 200


@dataclass(frozen=True)
class Cut:
    """The beginning of a list, and how many there are."""

    rows: Sequence[Row]
    total: int

    @property
    def rest(self) -> int:
        """How many are left out."""
        return self.total - len(self.rows)


def write_page(report: Report, out: TextIO, *, limit: int = INVOICES) -> None:
    """Write the page; `limit` is how many invoices it holds one by one, 0 for all."""
    environment = Environment(
        loader=PackageLoader("singer_delivery.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"shown": shown, "amount": amount, "moment": moment}
    style, script = _asset("page.css"), _asset("page.js")
    known = {table.name: table for table in tables.tables(report)}
    count = len(report.invoices)
    given = {
        "report": report,
        "sentence": sentence(report),
        "asks": asks(report),
        "tables": known,
        "attention": _cut(known["attention"], MOST_ATTENTION),
        "documents": _documents(report, limit or count),
        "documents_shown": min(limit or count, count),
        "runs": _cut(known["runs"], MOST_RUNS),
        "troubled": _troubled(report.runs),
        "totals": _grouped(known["totals"].rows()),
        "most_of_cause": MOST_OF_CAUSE,
        "values": _values,
        "bar": charts.bar,
        "volume_chart": _volume_chart(report),
        "busy": any(each.delivered or each.rejected or each.open for each in report.volumes),
        "most_outcome": max(report.outcomes.values(), default=0),
        "style": Markup(style),  # noqa: S704 - our own file
        "script": Markup(script),  # noqa: S704 - our own file
        "policy": _policy(style, script),
    }
    for part in environment.get_template("page.html.jinja").generate(given):
        out.write(part)


def _harmless(value: Any) -> Any:
    """Return a value as it may be shown: text on one line, without what steers a display."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _asset(name: str) -> str:
    return (files("singer_delivery.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy: nothing but the page's own style and script."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _cut(table: Table, most: int) -> Cut:
    rows = list(table.rows())
    return Cut(rows[:most], len(rows))


def _grouped(rows: Iterable[Row]) -> list[tuple[Row, list[Row]]]:
    """Return the lines of totals by legal entity and currency."""
    return [
        (key, list(lines)) for key, lines in itertools.groupby(rows, lambda row: (row[0], row[1]))
    ]


def _documents(report: Report, limit: int) -> Iterator[tuple[Invoice, list[Event]]]:
    """Yield invoices with their stories, which are read as they are written."""
    for chunk in chunks(report.invoices.first(limit), AT_ONCE):
        stories = report.invoices.stories(chunk)
        yield from ((invoice, stories.get(invoice.key, [])) for invoice in chunk)


def _troubled(runs: Sequence[RunLine]) -> list[RunLine]:
    return [run for run in runs if run.how not in {"complete", "at work", "ended"}]


def _values(cause: Cause) -> tuple[list[tuple[str, int]], int]:
    """Return the most frequent values of a cause, and how many others there are.

    Where each document has its own, such as an amount, they say nothing of the cause.
    """
    if len(cause.values) > MOST_VALUES and max(cause.values.values()) == 1:
        return [], 0
    most = Counter(cause.values).most_common(MOST_VALUES)
    return most, len(cause.values) - len(most)


def _volume_chart(report: Report) -> Markup:
    grain = report.period.grain
    sums: Mapping[str, int] = {
        name: sum(getattr(each, name) for each in report.volumes) for name in charts.SERIES
    }
    busiest = max(report.volumes, key=lambda v: v.delivered + v.rejected + v.open, default=None)
    most = busiest.delivered + busiest.rejected + busiest.open if busiest else 0
    words = (
        f"{sums['delivered']:,} got into Dynamics, {sums['rejected']:,} were rejected, "
        f"{sums['open']:,} have no outcome."
    )
    if busiest and most:
        words += f" The most in a {grain}: {most:,}, from {busiest.start}."
    return charts.columns(report.volumes, grain, f"Invoices by {grain} of their outcome", words)
