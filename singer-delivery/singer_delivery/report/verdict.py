"""The state of a period in a sentence, and what needs somebody first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from singer_delivery.differences import Kind
from singer_delivery.report.model import IN_DYNAMICS, Report, Standing

#: What each kind of difference is called, and what it asks for, in the order of urgency.
ASKS: dict[Kind, tuple[str, str]] = {
    Kind.DUPLICATE: ("held twice in Dynamics", "keep one of them, delete or credit the other"),
    Kind.MISSING: ("delivered, and gone from Dynamics", "find out who deleted it there"),
    Kind.AMOUNTS: ("amounts that differ", "compare both sides before anything is paid"),
    Kind.HALF: ("held by half in Dynamics", "do not post it; delete it there"),
    Kind.CONTRADICTED: ("failed in Basware, held in Dynamics", "decide which side is right"),
    Kind.NOT_IN_LEDGER: ("in Dynamics, unknown to the ledger", "run singer-delivery rebuild"),
    Kind.UNFOUNDED: ("transferred says Basware, not in Dynamics", "look where it went"),
    Kind.PAID: ("payments that differ", "run the payments job; then compare"),
    Kind.STUCK: ("stuck", "look in Dynamics, then replay or release it"),
    Kind.IN_DOUBT: ("in doubt", "start the job again: it is read back first"),
    Kind.UNCONFIRMED: ("not confirmed to Basware", "run the invoices job"),
    Kind.UNEXPLAINED: ("rejected, and Basware shows no reason", "run the invoices job"),
    Kind.WAITING: ("waiting for too long", "see whether the jobs run"),
    Kind.OPEN: ("taken by Basware, not confirmed yet", "the next run asks again"),
}


@dataclass(frozen=True)
class Ask:
    """One kind of thing that somebody has to look at."""

    kind: Kind
    count: int
    what: str
    todo: str


def asks(report: Report) -> list[Ask]:
    """Return what needs somebody, the most urgent first."""
    counts = Counter(each.kind for each in (*report.differences, *report.without_outcome))
    return [Ask(kind, counts[kind], *ASKS[kind]) for kind in ASKS if counts[kind]]


def sentence(report: Report) -> str:
    """Return the state of the period, as one sentence for a controller."""
    total = sum(report.outcomes.values())
    if not total:
        return f"{report.period}: there were no invoices.{_blind(report)}"
    arrived = sum(report.outcomes[standing] for standing in IN_DYNAMICS)
    parts = [f"{arrived:,} of {_many(total, 'invoice')} {_verb(arrived)} in Dynamics"]
    others = [
        f"{report.outcomes[standing]:,} {standing.value}"
        for standing in (Standing.REJECTED, Standing.WAITING, Standing.NOT_SENT)
        if report.outcomes[standing]
    ]
    return f"{report.period}: {', '.join([*parts, *others])}; {_agreement(report)}{_blind(report)}"


def _agreement(report: Report) -> str:
    problems = len(report.differences) + len(report.without_outcome)
    if problems:
        return f"{_many(problems, 'thing')} {'needs' if problems == 1 else 'need'} somebody."
    if report.live:
        return "Basware, Dynamics and the ledger agree to the cent."
    return "the ledger has nothing that needs somebody."


def _blind(report: Report) -> str:
    if report.blind:
        return " Basware and Dynamics could not be compared."
    return "" if report.live else " Basware and Dynamics were not asked."


def _verb(count: int) -> str:
    return "is" if count == 1 else "are"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
