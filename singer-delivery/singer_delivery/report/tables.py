"""The figures of a report as tables: what the page shows, and what CSV and JSON hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import partial
from typing import Any

from singer_delivery.differences import Difference
from singer_delivery.operator.rendering import moment, plain
from singer_delivery.reconcile import Sums
from singer_delivery.redaction import mask_ibans
from singer_delivery.report.causes import Cause
from singer_delivery.report.model import MEANING, Invoice, Report, Standing
from singer_delivery.report.verdict import ASKS

Value = str | int | Decimal | date | datetime | None
Row = Sequence[Value]


class Form(StrEnum):
    """How a column is written: amounts and counts are right-aligned."""

    TEXT = "text"
    COUNT = "count"
    AMOUNT = "amount"
    DAY = "day"
    MOMENT = "moment"


@dataclass(frozen=True)
class Column:
    """`name` for programs, `title` for people."""

    name: str
    title: str
    form: Form = Form.TEXT


@dataclass(frozen=True)
class Table:
    """Rows under a name; they are made when they are asked for."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: Callable[[], Iterable[Row]]


def _columns(*given: str) -> tuple[Column, ...]:
    """Return columns written as `name Title:form`."""
    found = []
    for text in given:
        name, _, rest = text.partition(" ")
        title, _, form = rest.partition(":")
        found.append(Column(name, title, Form(form or "text")))
    return tuple(found)


TOTALS = _columns(
    "legal_entity Legal entity",
    "currency Currency",
    "line What",
    "basware_count Basware:count",
    "basware_amount Amount:amount",
    "ledger_count Ledger:count",
    "ledger_amount Amount:amount",
    "dynamics_count Dynamics:count",
    "dynamics_amount Amount:amount",
    "difference Difference:amount",
)
ATTENTION = _columns(
    "kind Kind",
    "legal_entity Legal entity",
    "number Invoice",
    "document_id Document",
    "words What is wrong, and what to do",
)
CAUSES = _columns(
    "cause Cause",
    "documents Documents:count",
    "remedy What to do",
    "legal_entities Legal entities",
    "amounts Amounts",
    "values Values",
)
REJECTED = _columns(
    "cause Cause",
    "kind Kind",
    "legal_entity Legal entity",
    "number Document",
    "vendor Vendor",
    "currency Currency",
    "gross Gross:amount",
    "document_id Document id",
    "reason Reason",
)
OUTCOMES = _columns("outcome Outcome", "invoices Invoices:count", "meaning Which means")
VOLUME = _columns(
    "start From:day",
    "delivered In Dynamics:count",
    "rejected Rejected:count",
    "open No outcome yet:count",
)
AGES = _columns(
    "step Step",
    "measured Measured",
    "invoices Invoices:count",
    "median Half within",
    "percent_90 Nine of ten within",
    "longest Longest",
    "unknown Not known:count",
)
SPREAD = _columns("step Step", "within Within", "invoices Invoices:count")
RECORDS = _columns(
    "system System",
    "kind Kind",
    "total In all:count",
    "accepted Taken:count",
    "rejected Rejected:count",
    "open Without outcome:count",
    "stuck Stuck:count",
    "changed Changed in the period:count",
)
PLUGINS = _columns(
    "plugin Plugin",
    "system System",
    "runs Runs:count",
    "complete Complete:count",
    "others Ended otherwise",
    "average_seconds Average s:count",
    "longest_seconds Longest s:count",
    "last Last start (UTC)",
)
RUNS = _columns(
    "run Run",
    "plugin Plugin",
    "started Started (UTC)",
    "ended Ended (UTC)",
    "seconds Seconds:count",
    "how Ended how",
    "outcomes Outcomes",
    "who Who",
    "host Host",
)
DOCUMENTS = _columns(
    "number Invoice",
    "legal_entity Legal entity",
    "vendor Vendor",
    "invoice_date Invoice date:day",
    "currency Currency",
    "gross Gross:amount",
    "standing Stands",
    "needs Needs somebody",
    "reference In Dynamics as",
    "outcome_day Outcome of:day",
    "received First read (UTC):moment",
    "delivered In Dynamics (UTC):moment",
    "told Basware told (UTC):moment",
    "posted Posted:day",
    "paid First paid:day",
    "reason Reason",
    "document_id Document id",
)


def totals(report: Report) -> Iterator[Row]:
    """Yield the lines of each legal entity and currency, then the total of each currency."""
    groups = report.reconciliation.by(("entity", "currency"))
    for (entity, currency, _), sums in groups.items():
        yield from _lines(entity or "(unknown)", currency, sums, live=report.live)
    by_currency = report.reconciliation.by(("currency",))
    for (_, currency, _), sums in by_currency.items():
        if sum(group[1] == currency for group in groups) > 1:
            yield from _lines("all", currency, sums, live=report.live)


#: Line, then the columns of the reconciliation that each witness has for it.
LINES: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("approved", ("offered",), (), ()),
    ("waiting", ("waiting",), (), ()),
    ("rejected", ("rejected",), ("ledger_rejected",), ()),
    ("transferred", ("confirmed",), ("ledger_delivered",), ("pending", "posted")),
    ("not yet posted", (), (), ("pending",)),
    ("posted", (), (), ("posted",)),
    ("paid", ("shown_paid",), (), ("paid",)),
)


def _lines(entity: str, currency: str, sums: Sums, *, live: bool) -> Iterator[Row]:
    for line, *witnesses in LINES:
        seen = [
            (
                sum(sums[name].count for name in names),
                sum((sums[name].total for name in names), Decimal(0)),
            )
            if names and (live or names[0].startswith("ledger"))
            else (None, None)
            for names in witnesses
        ]
        if not any(count for count, _ in seen) and line not in {"transferred", "approved"}:
            continue
        if all(count is None for count, _ in seen):
            continue
        basware, dynamics = seen[0][1], seen[2][1]
        gap = dynamics - basware if basware is not None and dynamics is not None else None
        yield (entity, currency, line, *(value for pair in seen for value in pair), gap)


def attention(report: Report) -> Iterator[Row]:
    """Yield what needs somebody, the most urgent kinds first."""
    for each in ordered(report):
        words = mask_ibans(plain(each.words))
        kind = each.kind.value.replace("_", " ")
        yield kind, each.legal_entity, each.number, each.document_id, words


def ordered(report: Report) -> list[Difference]:
    """Return differences and what has no outcome, the most urgent kinds first."""
    rank = {kind: number for number, kind in enumerate(ASKS)}
    found = [*report.differences, *report.without_outcome]
    return sorted(found, key=lambda each: (rank[each.kind], each.legal_entity, each.number))


def causes(found: Iterable[Cause]) -> Iterator[Row]:
    """Yield each cause with its count, sums by currency, and the values that differed."""
    for cause in found:
        sums = ", ".join(f"{amount(value)} {name}" for name, value in sorted(cause.sums.items()))
        values = ", ".join(f"{value} ({count})" for value, count in cause.values.most_common())
        yield (
            cause.words,
            len(cause.refusals),
            cause.remedy,
            ", ".join(cause.entities),
            sums,
            values,
        )


def rejected(found: Iterable[Cause]) -> Iterator[Row]:
    """Yield each rejected document under its cause."""
    for cause in found:
        for each in cause.refusals:
            yield (
                cause.words,
                each.stream or "invoice",
                each.entity,
                mask_ibans(plain(each.label)),
                each.vendor,
                each.currency,
                each.gross,
                each.key,
                mask_ibans(plain(each.reason)),
            )


def outcomes(report: Report) -> Iterator[Row]:
    """Yield how many invoices stand where."""
    for standing in Standing:
        if count := report.outcomes[standing]:
            yield standing.value, count, MEANING[standing]


def volume(report: Report) -> Iterator[Row]:
    """Yield the outcomes of each day, week or month."""
    for each in report.volumes:
        yield each.start, each.delivered, each.rejected, each.open


def ages(report: Report) -> Iterator[Row]:
    """Yield how long each step took."""
    for each in report.ages:
        known = len(each.durations)
        spoken = (each.spoken(50), each.spoken(90), each.spoken(100))
        yield each.step, each.measured, known, *spoken, each.missing


def spread(report: Report) -> Iterator[Row]:
    """Yield how many invoices took how long."""
    for each in report.ages:
        for name, count in zip(each.scale.names, each.counts, strict=True):
            yield each.step, name, count


def records(report: Report) -> Iterator[Row]:
    """Yield how many records of each kind stand where."""
    for each in report.records:
        counts = each.counts
        taken = sum(counts[s] for s in ("delivered", "unchanged", "accepted", "skipped"))
        without = sum(counts[s] for s in ("intended", "in_doubt", "not_sent"))
        numbers = (counts.total(), taken, counts["rejected"], without, counts["stuck"])
        yield each.system, each.stream, *numbers, each.changed


def plugins(report: Report) -> Iterator[Row]:
    """Yield the runs of each plugin, summed up."""
    for each in report.plugins:
        others = [
            f"{count} {how}" for how, count in sorted(each.endings.items()) if how != "complete"
        ]
        yield (
            each.plugin,
            each.system,
            each.count,
            each.endings["complete"],
            ", ".join(others),
            round(each.seconds / each.count),
            round(each.longest),
            each.last,
        )


def runs(report: Report) -> Iterator[Row]:
    """Yield each run, the latest first."""
    for each in report.runs:
        seconds = None if each.seconds is None else round(each.seconds)
        times = (each.started, each.ended, seconds)
        yield each.run_id, each.plugin, *times, each.how, each.outcomes, each.actor, each.host


def document(each: Invoice) -> Row:
    """Return an invoice as a row."""
    return (
        each.number,
        each.entity,
        each.vendor,
        each.day,
        each.currency,
        each.gross,
        each.standing.value,
        ", ".join(each.needs),
        each.reference,
        each.settled,
        *each.moments,
        each.reason,
        each.key,
    )


# As text


def amount(value: Decimal) -> str:
    """Return an amount for people: 1,234.50, with all the digits that it has."""
    return f"{value:,.{_decimals(value)}f}".replace("-", "\u2212")


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return max(2, -exponent) if isinstance(exponent, int) else 2


def shown(value: Value, form: Form) -> str:
    """Return a value for people."""
    match value:
        case None:
            return ""
        case Decimal():
            return amount(value)
        case int() if form == Form.COUNT:
            return f"{value:,}"
        case datetime():
            return moment(value)
        case _:
            return plain(value)


def bare(value: Value) -> Any:
    """Return a value for programs: amounts as text in digits, days and instants in ISO 8601."""
    match value:
        case Decimal():
            return f"{value:.{_decimals(value)}f}"
        case date():
            return value.isoformat()
        case str():
            return plain(value)
        case _:
            return value


#: Name, title, columns and rows of each, in the order in which they are told.
TABLES: tuple[tuple[str, str, tuple[Column, ...], Callable[[Report], Iterable[Row]]], ...] = (
    ("totals", "Totals", TOTALS, totals),
    ("attention", "What needs somebody", ATTENTION, attention),
    ("causes", "Rejected invoices by cause", CAUSES, lambda made: causes(made.rejected)),
    ("rejected", "Rejected invoices", REJECTED, lambda made: rejected(made.rejected)),
    ("outcomes", "Where invoices stand", OUTCOMES, outcomes),
    ("volume", "Volume", VOLUME, volume),
    ("ages", "How long it took", AGES, ages),
    ("age_spread", "How long it took, in ranges", SPREAD, spread),
    ("records", "Masters and other records", RECORDS, records),
    (
        "record_causes",
        "Rejected records by cause",
        CAUSES,
        lambda made: causes(made.rejected_records),
    ),
    (
        "rejected_records",
        "Rejected records",
        REJECTED,
        lambda made: rejected(made.rejected_records),
    ),
    ("plugins", "Runs by plugin", PLUGINS, plugins),
    ("runs", "Runs", RUNS, runs),
    ("documents", "Invoices", DOCUMENTS, lambda made: map(document, made.invoices)),
)
NAMES = tuple(name for name, *_ in TABLES)


def tables(report: Report) -> list[Table]:
    """Return all tables of a report; their rows are made when they are asked for."""
    return [
        Table(name, title, columns, partial(rows, report)) for name, title, columns, rows in TABLES
    ]
