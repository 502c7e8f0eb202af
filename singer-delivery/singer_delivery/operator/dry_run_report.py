"""What a dry run found, for people and for programs."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import simplejson

from singer_delivery.dispatch import Part
from singer_delivery.document import Status
from singer_delivery.exact_json import parse_json
from singer_delivery.exchanges import digest
from singer_delivery.operator.filters import (
    ENTITY_NAMES,
    NUMBER_NAMES,
    VENDOR_NAMES,
    Filter,
    fact,
)
from singer_delivery.operator.masking import Mask
from singer_delivery.operator.rendering import plain
from singer_delivery.redaction import mask_ibans
from singer_delivery.rehearsal import Rehearsed

FORMATS = ("text", "json")
#: What each outcome of a rehearsal is called: for programs, in the totals, and of one document.
WOULD: Mapping[Status, tuple[str, str, str]] = {
    Status.DELIVERED: ("send", "would be sent", "would be sent"),
    Status.UNCHANGED: ("unchanged", "there already", "is there already: nothing would be sent"),
    Status.REJECTED: ("reject", "would be rejected", "would be rejected"),
    Status.SKIPPED: ("skip", "would be passed over", "would be passed over"),
    Status.STUCK: ("stuck", "stuck", "is stuck: it would not be sent"),
    Status.NOT_SENT: ("open", "open", "cannot be told yet"),
}
#: Unicode categories of characters that do not stand for themselves, but for a blank or a letter.
STEERING = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
FINE = frozenset({Status.DELIVERED, Status.UNCHANGED, Status.SKIPPED})


@dataclass
class Report:
    """Prints each document as it comes, and totals at the end; without `mask` all is shown."""

    echo: Callable[[str], None]
    form: str
    mask: Mask | None
    chosen: Filter
    brief: bool = False
    tally: Counter[Status] = field(default_factory=Counter)
    sums: defaultdict[tuple[str, str], list[Decimal]] = field(
        default_factory=lambda: defaultdict(list)
    )
    unreadable: int = 0
    objected: int = 0

    @property
    def is_fine(self) -> bool:
        """Whether all of it would be sent, or need not be, and nothing is known against it."""
        missed = self.unreadable or self.objected
        return not missed and all(status in FINE for status in self.tally)

    def add(self, rehearsed: Rehearsed) -> None:
        """Print a document, if it is one of those that are asked for."""
        detail = rehearsed.document.detail
        if not self.chosen.takes(detail, rehearsed.document.scope):
            return
        status = rehearsed.outcome.status
        self.tally[status] += 1
        self.objected += bool(rehearsed.objection)
        if status is Status.DELIVERED and (gross := _amount(detail)) is not None:
            self.sums[fact(detail, ENTITY_NAMES), str(detail.get("currency", ""))].append(gross)
        lines = self._for_programs if self.form == "json" else self._for_people
        for line in lines(rehearsed):
            self.echo(line)

    def end(self, problems: Sequence[str]) -> None:
        """Print what could not be read at all, and the totals."""
        self.unreadable = len(problems)
        if self.form == "json":
            for problem in problems:
                self.echo(as_line({"type": "problem", "words": problem}))
            counts = {WOULD[status][0]: self.tally[status] for status in WOULD}
            sums = [
                {
                    "legal_entity": entity,
                    "currency": currency,
                    "count": len(s),
                    "gross": str(sum(s)),
                }
                for (entity, currency), s in sorted(self.sums.items())
            ]
            total = {
                "type": "total",
                **counts,
                "objected": self.objected,
                "unreadable": len(problems),
                "would_send": sums,
            }
            self.echo(as_line(total))
            return
        for problem in problems:
            self.echo(plain(problem))
        for line in self._totals():
            self.echo(line)

    # For people

    def _for_people(self, rehearsed: Rehearsed) -> Iterator[str]:
        document, outcome = rehearsed.document, rehearsed.outcome
        words = WOULD[outcome.status][2]
        if _replaces(rehearsed):
            words += ", in place of an earlier version"
        yield plain(f"{document} — {words}")
        gross = f"{document.detail.get('gross') or ''} {document.detail.get('currency') or ''}"
        facts = (
            ("legal entity", fact(document.detail, ENTITY_NAMES)),
            ("vendor", fact(document.detail, VENDOR_NAMES)),
            ("amount", gross.strip()),
            ("as", outcome.remote_key),
        )
        yield f"  {plain(', '.join(f'{name} {value}' for name, value in facts if value))}"
        if outcome.reason:
            yield f"  because: {self._words(outcome.reason)}"
        if rehearsed.objection:
            yield f"  would probably be refused: {self._words(rehearsed.objection)}"
        if rehearsed.dispatch and not self.brief:
            yield from self._requests(rehearsed)
        if not self.brief:
            yield ""

    def _requests(self, rehearsed: Rehearsed) -> Iterator[str]:
        dispatch = rehearsed.dispatch
        if dispatch is None:
            return
        if dispatch.whole:
            yield f"  {len(dispatch.parts)} requests in one $batch, all or none:"
        for part in dispatch.parts:
            yield f"  {plain(part.method)} {plain(part.path)}"
            for name, value in part.headers.items():
                yield f"    {plain(name)}: {plain(value)}"
            if part.body:
                text = simplejson.dumps(
                    self._body(part), use_decimal=True, indent=2, ensure_ascii=False
                )
                yield from (f"    {escaped(line)}" for line in text.split("\n"))

    def _totals(self) -> Iterator[str]:
        known = [status for status in WOULD if self.tally[status]]
        counts = ", ".join(f"{self.tally[status]} {WOULD[status][1]}" for status in known)
        total = sum(self.tally.values())
        yield f"{total} document(s): {counts}" if total else "no document was read"
        for (entity, currency), amounts in sorted(self.sums.items()):
            words = f"{entity or '(no legal entity)'}: {len(amounts)} for {sum(amounts)} {currency}"
            yield f"  would be sent to {plain(words)}"
        if self.objected:
            yield f"{self.objected} of those to be sent would probably be refused"
        if self.unreadable:
            yield f"{self.unreadable} could not be read"

    def _words(self, text: str) -> str:
        return plain(mask_ibans(text))

    # For programs

    def _for_programs(self, rehearsed: Rehearsed) -> Iterator[str]:
        document, outcome, dispatch = rehearsed.document, rehearsed.outcome, rehearsed.dispatch
        detail = document.detail
        told: dict[str, Any] = {
            "type": "document",
            "would": WOULD[outcome.status][0],
            "key": document.key,
            "version": document.version,
            "legal_entity": fact(detail, ENTITY_NAMES),
            "vendor": fact(detail, VENDOR_NAMES),
            "number": fact(detail, NUMBER_NAMES),
            "currency": str(detail.get("currency") or ""),
            "gross": str(detail.get("gross") or ""),
            "reference": outcome.remote_key,
            "reason": mask_ibans(outcome.reason),
            "objection": mask_ibans(rehearsed.objection),
        }
        if dispatch and not self.brief:
            told["one_transaction"] = dispatch.whole
            told["requests"] = [self._request(part) for part in dispatch.parts]
        yield as_line(told)

    def _request(self, part: Part) -> dict[str, Any]:
        return {
            "method": part.method,
            "path": part.path,
            "headers": dict(part.headers),
            "sha256": digest(part.body),
            "body": self._body(part),
        }

    def _body(self, part: Part) -> Any:
        content = parse_json(part.body) if part.body else None
        return content if self.mask is None else self.mask.value(content)


def _replaces(rehearsed: Rehearsed) -> bool:
    parts = rehearsed.dispatch.parts if rehearsed.dispatch else ()
    return any(part.method == "DELETE" for part in parts)


def _amount(detail: Mapping[str, Any]) -> Decimal | None:
    try:
        return Decimal(str(detail.get("gross")))
    except InvalidOperation:
        return None


def as_line(value: Any) -> str:
    """Return JSON on one line; a body that nothing was masked in has the bytes that are sent."""
    text: str = simplejson.dumps(value, use_decimal=True, separators=(",", ":"), ensure_ascii=False)
    # Half a surrogate pair, as a rejected record may hold, stays the escape that it came in as.
    return text.encode("utf-8", "backslashreplace").decode()


def escaped(line: str) -> str:
    """Return a line of JSON with what could steer a terminal as JSON escapes it."""
    return "".join(
        f"\\u{ord(c):04x}" if unicodedata.category(c) in STEERING and ord(c) < 0x10000 else c
        for c in line
    )
