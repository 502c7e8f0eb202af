"""News as hooks get it: JSON for machines, a subject and some lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from singer_delivery.redaction import REDACTOR
from singer_delivery.watching.telling import News, Occasion

#: What the runbook calls each kind's section.
ANCHOR = "{runbook}#{kind}"
MARKS = {
    Occasion.RAISED: "",
    Occasion.CHANGED: "more: ",
    Occasion.REMINDER: "still: ",
    Occasion.RESOLVED: "resolved: ",
}


@dataclass(frozen=True)
class Message:
    """One piece of news. `content` is JSON-able; nothing in it is secret, or a bank account."""

    occasion: Occasion
    severity: str
    subject: str
    text: str
    content: dict[str, Any]


@dataclass(frozen=True)
class Letterhead:
    """What all messages of one watcher have in common."""

    source: str
    runbook: str


def message(news: News, head: Letterhead, now: datetime) -> Message:
    """Write down a piece of news; `now` is aware."""
    alert, about = news.alert, news.about
    kind, name = about.name
    severity = about.severity.word
    runbook = ANCHOR.format(runbook=head.runbook, kind=kind.replace("_", "-"))
    content = {
        "version": 1,
        "event": news.occasion.value,
        "kind": kind,
        "subject": name,
        "severity": severity,
        "title": about.title,
        "since": _text(about.since),
        "count": alert.count if alert else 0,
        "examples": list(alert.examples) if alert else [],
        "remedy": alert.remedy if alert else "",
        "runbook": runbook,
        "source": head.source,
        "at": _text(now),
    }
    content = _clean(content)
    mark = MARKS[news.occasion]
    word = "" if news.occasion is Occasion.RESOLVED else f"{severity.upper()}: "
    subject = f"[{head.source}] {word}{mark}{content['title']}"
    return Message(news.occasion, severity, subject, _lines(content), content)


def _lines(content: dict[str, Any]) -> str:
    lines = [f"{content['title']}."]
    if content["event"] == Occasion.RESOLVED:
        return f"This has ended: {lines[0]}\n"
    if content["since"]:
        lines.append(f"Since {content['since'][:16].replace('T', ' ')} UTC.")
    examples: Sequence[str] = content["examples"]
    if examples:
        lines += ["", *(f"- {example}" for example in examples)]
        if content["count"] > len(examples):
            lines.append(f"- and {content['count'] - len(examples)} more")
    lines += ["", f"What to do: {content['remedy']}.", f"More: {content['runbook']}"]
    return "\n".join(lines) + "\n"


def _clean(content: dict[str, Any]) -> dict[str, Any]:
    def cleaned(value: Any) -> Any:
        match value:
            case str():
                return REDACTOR.text(value)
            case list():
                return [cleaned(item) for item in value]
            case _:
                return value

    return {name: cleaned(value) for name, value in content.items()}


def _text(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""
