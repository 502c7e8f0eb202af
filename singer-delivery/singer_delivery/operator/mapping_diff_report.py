"""What a change of mapping.yml does, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from singer_delivery.document import Document
from singer_delivery.exact_json import parse_json
from singer_delivery.operator.dry_run_report import as_line, escaped
from singer_delivery.operator.filters import NUMBER_NAMES, fact
from singer_delivery.operator.mapping_changes import (
    Compared,
    Comparison,
    FieldChange,
    Kind,
    Pair,
    as_text,
)
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import mask_ibans
from singer_delivery.words import cut

FORMATS = ("text", "json")
#: Of a field, so many pairs of values are printed, and of each so many documents; JSON has all.
VALUES = 10
EXAMPLES = 3
LONGEST = 80
ABSENT = "(not sent)"
WORDS: Mapping[Kind, str] = {
    Kind.DIFFERENT: "would be sent with other contents",
    Kind.NOW_REJECTED: "would be rejected now",
    Kind.NOW_SENT: "would be sent now, rejected before",
    Kind.REASON: "rejected before and after, for another reason",
}


@dataclass
class MappingReport:
    """Prints documents as they come where `details` are wanted, and the changes at the end."""

    echo: Callable[[str], None]
    form: str
    mask: Mask | None
    details: bool = False

    def add(self, one: Compared) -> None:
        """Print one document that differs."""
        if not self.details or one.kind is Kind.SAME:
            return
        if self.form == "json":
            self.echo(as_line(self._told(one)))
            return
        self.echo(plain(f"{one.document} — {WORDS[one.kind]}"))
        for change in one.fields:
            before, after = (escaped(text) or ABSENT for text in _pair(self._shown(change)))
            self.echo(f"  {plain(change.place)}: {before} -> {after}")
        for name, reading in (("before", one.before), ("after", one.after)):
            if reading.reason:
                self.echo(f"  rejected {name}: {plain(mask_ibans(reading.reason))}")

    def end(self, comparison: Comparison, without_record: int) -> None:
        """Print what changes in how many documents."""
        lines = self._json if self.form == "json" else self._text
        if self.details and self.form == "text" and comparison.differing:
            self.echo("")
        for line in lines(comparison, without_record):
            self.echo(line)

    # For people

    def _text(self, comparison: Comparison, without_record: int) -> Iterator[str]:
        yield f"{comparison.differing} of {comparison.total} document(s) would post differently"
        for kind in WORDS:
            if comparison.kinds[kind]:
                yield f"  {comparison.kinds[kind]} {WORDS[kind]}"
        if without_record:
            yield f"{without_record} more could not be compared: their records are not kept"
        for problem in comparison.unreadable:
            yield f"not read: {plain(problem)}"
        for name, pairs in self._fields(comparison).items():
            yield ""
            yield f"{plain(name)}: {_count(pairs)} document(s)"
            yield from self._pairs(pairs)
        for kind in (Kind.NOW_REJECTED, Kind.NOW_SENT, Kind.REASON):
            yield from self._reasons(kind, comparison.reasons[kind])

    def _pairs(self, pairs: Mapping[Pair, Mapping[str, Document]]) -> Iterator[str]:
        ordered = sorted(pairs.items(), key=lambda item: (-len(item[1]), item[0]))
        for (before, after), documents in ordered[:VALUES]:
            words = f"{self._value(before)} -> {self._value(after)}"
            yield f"  {words}: {len(documents)} ({_examples(documents)})"
        if left := ordered[VALUES:]:
            documents_left = {key for _, documents in left for key in documents}
            yield (
                f"  {len(left)} other pairs of values, in {len(documents_left)} document(s): "
                "--details shows them"
            )

    def _reasons(self, kind: Kind, reasons: Mapping[Pair, Mapping[str, Document]]) -> Iterator[str]:
        if not reasons:
            return
        yield ""
        yield f"{WORDS[kind][0].upper()}{WORDS[kind][1:]}: {_count(reasons)} document(s)"
        ordered = sorted(reasons.items(), key=lambda item: (-len(item[1]), item[0]))
        for (before, after), documents in ordered:
            for name, words in (("before", before), ("after", after)):
                if words:
                    yield f"  {name}: {plain(mask_ibans(words))}"
            yield f"    {len(documents)} ({_examples(documents)})"

    def _value(self, text: str) -> str:
        return cut(escaped(text), LONGEST) or ABSENT

    # For programs

    def _json(self, comparison: Comparison, without_record: int) -> Iterator[str]:
        for name, pairs in self._fields(comparison).items():
            values = [
                {
                    "before": _parsed(before),
                    "after": _parsed(after),
                    "documents": len(documents),
                    "keys": list(documents),
                }
                for (before, after), documents in pairs.items()
            ]
            told = {"type": "field", "field": name, "documents": _count(pairs), "values": values}
            yield as_line(told)
        for kind, reasons in comparison.reasons.items():
            for (before, after), documents in reasons.items():
                yield as_line(
                    {
                        "type": kind.value,
                        "reason_before": mask_ibans(before),
                        "reason_after": mask_ibans(after),
                        "documents": len(documents),
                        "keys": list(documents),
                    }
                )
        for problem in comparison.unreadable:
            yield as_line({"type": "problem", "words": problem})
        yield as_line(
            {
                "type": "total",
                "documents": comparison.total,
                "differing": comparison.differing,
                **{kind.value: comparison.kinds[kind] for kind in Kind},
                "without_record": without_record,
                "unreadable": len(comparison.unreadable),
            }
        )

    def _told(self, one: Compared) -> dict[str, Any]:
        shown = [(change, self._shown(change)) for change in one.fields]
        return {
            "type": "document",
            "what": one.kind.value,
            "key": one.document.key,
            "label": str(one.document),
            "number": fact(one.document.detail, NUMBER_NAMES),
            "fields": [
                {"field": change.place, "before": before, "after": after}
                for change, (before, after) in shown
            ],
            "reason_before": mask_ibans(one.before.reason),
            "reason_after": mask_ibans(one.after.reason),
        }

    # Both

    def _shown(self, change: FieldChange) -> tuple[Any, Any]:
        if self.mask is None:
            return change.before, change.after
        return (
            self.mask.path(change.place, change.before),
            self.mask.path(change.place, change.after),
        )

    def _fields(self, comparison: Comparison) -> dict[str, dict[Pair, dict[str, Document]]]:
        """Return the fields that differ, most documents first, with values that may be shown."""
        shown: dict[str, dict[Pair, dict[str, Document]]] = {}
        for name, pairs in comparison.fields.items():
            shown[name] = {}
            for (before, after), documents in pairs.items():
                change = FieldChange(name, name, _parsed(before), _parsed(after))
                shown[name].setdefault(_pair(self._shown(change)), {}).update(documents)
        return dict(sorted(shown.items(), key=lambda item: (-_count(item[1]), item[0])))


def _pair(values: tuple[Any, Any]) -> Pair:
    before, after = values
    return as_text(before), as_text(after)


def _parsed(text: str) -> Any:
    return parse_json(text) if text else None


def _count(pairs: Mapping[Pair, Mapping[str, Document]]) -> int:
    return len({key for documents in pairs.values() for key in documents})


def _examples(documents: Mapping[str, Document]) -> str:
    names = [fact(one.detail, NUMBER_NAMES) or one.key for one in documents.values()]
    return plain(", ".join(sorted(names)[:EXAMPLES])) + (", …" if len(names) > EXAMPLES else "")
