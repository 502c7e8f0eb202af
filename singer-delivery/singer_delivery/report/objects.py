"""A report as one JSON object, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from singer_delivery.report.model import Report
from singer_delivery.report.tables import Table, bare
from singer_delivery.report.verdict import asks, sentence


def write_object(report: Report, tables: Sequence[Table], out: TextIO) -> None:
    """Write the object line by line: a head, then each table as a list of objects."""
    head = {
        "since": report.period.since.isoformat(),
        "until": report.period.until.isoformat(),
        "made_at": report.made_at.isoformat(),
        "ledger": report.ledger,
        "systems": dict(report.systems),
        "live": report.live,
        "blind": report.blind,
        "well": not report.needs_somebody,
        "sentence": sentence(report),
        "needs_somebody": {ask.kind.value: ask.count for ask in asks(report)},
        "invoices": len(report.invoices),
        "rejected": report.rejections,
        "rejected_earlier": report.earlier,
        "notes": report.notes,
    }
    out.write('{"report": ' + json.dumps(head, ensure_ascii=False) + ',\n"tables": {')
    for number, table in enumerate(tables):
        out.write(f"{',' if number else ''}\n{json.dumps(table.name)}: [")
        names = [column.name for column in table.columns]
        for index, row in enumerate(table.rows()):
            record = dict(zip(names, map(bare, row), strict=True))
            out.write(f"{',' if index else ''}\n{json.dumps(record, ensure_ascii=False)}")
        out.write("]")
    out.write("}}\n")
