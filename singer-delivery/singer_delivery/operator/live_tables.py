"""A reconciliation as a table for people, or as CSV or JSON lines for machines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from singer_delivery.differences import Difference, plain
from singer_delivery.operator.rendering import cell
from singer_delivery.operator.rendering import plain as one_line
from singer_delivery.reconcile import (
    COLUMNS,
    GRAINS,
    Group,
    Reconciliation,
    Sums,
    by_currency,
    totals,
)

#: Heading of each column of sums.
HEADINGS = (
    "Basware offered",
    "waiting",
    "confirmed",
    "rejected",
    "ledger delivered",
    "ledger rejected",
    "Dynamics pending",
    "Dynamics posted",
    "Dynamics paid",
    "Basware shows paid",
)
DIFFERENCE_FIELDS = ("kind", "document_id", "legal_entity", "number", "words")


def show(
    result: Reconciliation, form: str, by: Sequence[str], *, differences_only: bool
) -> Iterator[str]:
    """Yield the lines of a reconciliation in one of FORMATS."""
    groups = {} if differences_only else result.by(by)
    yield from FORMATS[form](result, groups, by)


def _table(
    result: Reconciliation, groups: Mapping[Group, Sums], by: Sequence[str]
) -> Iterator[str]:
    if groups:
        wanted = [n for n, name in enumerate(GRAINS) if name in {*by, "currency"}]
        rows = [[*(group[n] or "?" for n in wanted), *_cells(s)] for group, s in groups.items()]
        for currency, sums in by_currency(groups):
            named = [currency if GRAINS[n] == "currency" else "" for n in wanted]
            named[0] = f"total {named[0]}".strip()
            rows.append([*named, *_cells(sums)])
        yield from _columns([*("" for _ in wanted), *HEADINGS], rows, left=len(wanted))
        counts = totals(groups.values())
        yield ""
        yield (
            f"{counts['offered'].count} invoices offered, {counts['ledger_delivered'].count} "
            f"delivered, {counts['pending'].count + counts['posted'].count} in Dynamics"
        )
    if result.foreign:
        yield f"{result.foreign} other invoices in Dynamics are none of Basware's"
    if result.others:
        yield f"{result.others} invoices in Basware had their way without us, and are in no sum"
    yield from (f"note: {one_line(note)}" for note in result.notes)
    if result.differences:
        yield ""
        yield f"Differences ({len(result.differences)}):"
        yield from (f"  {d.kind.value}: {one_line(d)}" for d in result.differences)
    yield ""
    yield f"reconciled: {'yes' if result.agrees else 'no'}"


def _cells(sums: Sums) -> list[str]:
    return [_cell(sums[name].count, sums[name].total) for name in COLUMNS]


def _cell(count: int, total: Decimal) -> str:
    """Return "3 = 1,234.50"."""
    if not count:
        return "-"
    digits = plain(total)
    whole, point, fraction = digits.partition(".")
    return f"{count} = {int(whole):,}{point}{fraction}" if whole != "-0" else f"{count} = {digits}"


def _columns(heading: list[str], rows: list[list[str]], *, left: int) -> Iterator[str]:
    table = [[one_line(each) for each in row] for row in (heading, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        shown = [
            text.ljust(width) if n < left else text.rjust(width)
            for n, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(shown).rstrip()


def _csv(result: Reconciliation, groups: Mapping[Group, Sums], _by: Sequence[str]) -> Iterator[str]:
    """One table for both: `type` tells sums from differences, so that a spreadsheet can filter."""
    numbers = [f"{name}_{what}" for name in COLUMNS for what in ("count", "sum")]
    names = ["type", "legal_entity", "currency", "day", *numbers, "kind", "document_id", "number"]
    names.append("words")
    yield _csv_line(names)
    for group, sums in groups.items():
        figures = [v for n in COLUMNS for v in (str(sums[n].count), plain(sums[n].total))]
        yield _csv_line(["sums", *map(cell, group), *figures, "", "", "", ""])
    for d in result.differences:
        texts = [cell(one_line(text)) for text in (d.document_id, d.number, d.words)]
        empty = ["", "", *("" for _ in numbers)]
        yield _csv_line(["difference", cell(d.legal_entity), *empty, d.kind.value, *texts])


def _csv_line(values: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(values)
    return out.getvalue()


def _jsonl(
    result: Reconciliation, groups: Mapping[Group, Sums], _by: Sequence[str]
) -> Iterator[str]:
    for group, sums in groups.items():
        names = ("legal_entity", "currency", "day")
        figures = {
            name: {"count": sums[name].count, "sum": plain(sums[name].total)} for name in COLUMNS
        }
        yield _json({"type": "sums", **dict(zip(names, group, strict=True)), **figures})
    for difference in result.differences:
        yield _json({"type": "difference", **_fields(difference)})
    yield _json(
        {
            "type": "verdict",
            "agrees": result.agrees,
            "differences": len(result.differences),
            "documents": result.documents,
            "foreign": result.foreign,
            "others": result.others,
            "notes": result.notes,
        }
    )


def _fields(difference: Difference) -> dict[str, str]:
    return {name: str(getattr(difference, name)) for name in DIFFERENCE_FIELDS}


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


Renderer = Callable[[Reconciliation, Mapping[Group, Sums], Sequence[str]], Iterator[str]]
FORMATS: Mapping[str, Renderer] = {"table": _table, "csv": _csv, "jsonl": _jsonl}
