"""A report as CSV: a file a table, which a spreadsheet opens without running anything in it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

from singer_delivery.operator.rendering import cell
from singer_delivery.report.tables import Row, Table, Value, bare


def write_sheets(tables: list[Table], folder: Path) -> list[Path]:
    """Write each table into a folder, which is made; return the files. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for table in tables:
        file = folder / f"{table.name}.csv"
        with file.open("w", encoding="utf-8-sig", newline="") as out:
            write_sheet(table, out)
        files.append(file)
    return files


def write_sheet(table: Table, out: TextIO) -> None:
    """Write one table."""
    writer = csv.writer(out)
    writer.writerow(column.name for column in table.columns)
    writer.writerows(map(_cells, table.rows()))


def _cells(row: Row) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: Value) -> str:
    # A negative amount begins like a formula, and is none.
    text = bare(value)
    if text is None:
        return ""
    return cell(text) if isinstance(value, str) else str(text)
