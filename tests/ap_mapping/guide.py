"""The mapping guide's examples: a mapping.yml each, and what records become by it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import simplejson
from ap_mapping import Mapping, parse_mapping
from tap_d365fo.dimensions import DimensionFormats
from target_basware.masters.mappers import MAPPERS
from target_d365fo.accounting_document import from_accounting_document
from target_d365fo.payload import invoice_rows

GUIDE = Path(__file__).parents[2] / "docs" / "mapping.md"
_BLOCK = re.compile(r"```(yaml|json)\n(.*?)```", re.DOTALL)
_FORMAT = re.compile(r"(default|ledger) format `([^`]+)`")
_STREAM = re.compile(r"`(\w+)`\s+record")


@dataclass(frozen=True)
class Example:
    """One section: its mapping, and pairs of what goes in and what comes out, as JSON."""

    title: str
    text: str
    formats: DimensionFormats
    pairs: tuple[tuple[str, dict[str, Any], Any], ...]

    @property
    def mapping(self) -> Mapping:
        return parse_mapping(self.text)

    def outcome(self, stream: str, record: dict[str, Any]) -> Any:
        """What a record becomes: header and lines of an invoice, or entities of Basware."""
        if stream:
            made = MAPPERS[stream](self.mapping, record)
            return plain([each.content for each in made])
        invoice = from_accounting_document(record, self.mapping)
        rows = invoice_rows(invoice, self.formats)
        return plain({"header": rows.header, "lines": list(rows.lines)})


def examples() -> list[Example]:
    """The examples of the guide, in its order."""
    sections = GUIDE.read_text(encoding="utf-8").split("\n## ")[1:]
    return [
        _example(text) for text in sections if "```yaml\nversion" in text or "```yaml\n#" in text
    ]


def _example(text: str) -> Example:
    given = dict(_FORMAT.findall(text))
    formats = DimensionFormats.of(given.get("default", ""), given.get("ledger", "MainAccount"))
    mapping, *records = [(m.group(1), m.group(2), m.start()) for m in _BLOCK.finditer(text)]
    pairs = []
    for (_, before, at), (_, after, _) in zip(records[::2], records[1::2], strict=True):
        streams = _STREAM.findall(text[:at].rpartition("```")[2])
        stream = streams[-1] if streams else ""
        record = simplejson.loads(before, use_decimal=True)
        pairs.append((stream, record, json.loads(after)))
    return Example(text.partition("\n")[0], mapping[1], formats, tuple(pairs))


def plain(value: Any) -> Any:
    """A value as JSON has it."""
    return json.loads(simplejson.dumps(value, use_decimal=True, default=str), parse_float=_number)


def _number(text: str) -> float:
    return float(Decimal(text))
