"""The command `list`: documents by status, entity, vendor, date."""

from __future__ import annotations

import csv
import io
import itertools
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from singer_delivery.operator.access import Desk
from singer_delivery.operator.filters import Filter, filter_options
from singer_delivery.operator.queries import Listed, count, find
from singer_delivery.operator.rendering import cell, columns, moment
from singer_delivery.redaction import mask_ibans

TABLE_LIMIT = 50
HEADER = (
    "changed (UTC)",
    "status",
    "stream",
    "entity",
    "vendor",
    "number",
    "amount",
    "key",
    "what",
)
FIELDS = (
    "system",
    "stream",
    "key",
    "status",
    "changed_at",
    "legal_entity",
    "vendor",
    "number",
    "amount",
    "remote_key",
    "request_id",
    "attempts",
    "run_id",
    "reason",
)


@click.command("list")
@filter_options()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "jsonl"]),
    default="table",
    help="Table for people, the others for programs.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=None,
    help=f"At most so many; 0 for all. A table has {TABLE_LIMIT} unless told otherwise.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 1 when there is any, for monitors.")
@click.pass_obj
def list_documents(
    desk: Desk, *, chosen: Filter, form: str, limit: int | None, exit_code: bool
) -> None:
    """List documents, those that changed last first."""
    limit = (TABLE_LIMIT if form == "table" else 0) if limit is None else limit
    with desk.reading() as connection:
        found = find(connection, chosen, limit=limit)
        printed = _print(itertools.islice(found, limit or None), form)
        more = 0
        if limit and printed == limit:
            rest = sum(1 for _ in found)
            more = rest if chosen.reads_detail else count(connection, chosen) - printed
    if more:
        click.echo(f"{more} more; --limit 0 shows all", err=True)
    elif not printed and form == "table":
        click.echo("no document is like that", err=True)
    if exit_code and printed:
        raise click.exceptions.Exit(1)


def _print(shown: Iterable[Listed], form: str) -> int:
    """Print documents and return how many there were."""
    if form == "table":
        rows = [_row(document) for document in shown]
        for line in columns(HEADER, rows) if rows else []:
            click.echo(line)
        return len(rows)
    return write_lines(lines(map(facts, shown), FIELDS, form)) - (form == "csv")


def write_lines(found: Iterable[str]) -> int:
    """Write lines to stdout and return how many there were; click.echo would flush each one."""
    number = 0
    for number, line in enumerate(found, start=1):  # noqa: B007
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
    return number


def _row(document: Listed) -> tuple[str, ...]:
    return (
        moment(document.at),
        document.status.replace("_", " "),
        document.stream,
        document.entity,
        document.vendor,
        document.number,
        document.amount,
        document.key,
        mask_ibans(document.reason) or (f"as {document.remote_key}" if document.remote_key else ""),
    )


def facts(document: Listed) -> dict[str, Any]:
    """Return a document for a program, under the names of FIELDS."""
    return {
        "system": document.system,
        "stream": document.stream,
        "key": document.key,
        "status": document.status,
        "changed_at": document.at or None,
        "legal_entity": document.entity,
        "vendor": document.vendor,
        "number": document.number,
        "amount": document.amount,
        "remote_key": document.remote_key,
        "request_id": document.request_id,
        "attempts": document.attempts,
        "run_id": document.run_id,
        "reason": mask_ibans(document.reason),
    }


def lines(rows: Iterable[dict[str, Any]], fields: tuple[str, ...], form: str) -> Iterator[str]:
    """Yield rows as JSON lines, or as CSV with a header in which no cell is a formula."""
    if form == "jsonl":
        yield from (json.dumps(row, ensure_ascii=False) for row in rows)
        return
    yield _csv(fields)
    for row in rows:
        yield _csv("" if row[name] is None else cell(str(row[name])) for name in fields)


def _csv(values: Iterable[str]) -> str:
    # Only what is part of the line terminator is quoted by csv.
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(values)
    return line.getvalue().removesuffix("\r\n")
