"""Looks at the ledger: what is stuck, in doubt, rejected in masses, silent, or not running."""

from __future__ import annotations

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, select

from singer_delivery import runs as at_work
from singer_delivery.document import HELD, OPEN, Status
from singer_delivery.operator.filters import Filter
from singer_delivery.operator.queries import CHANGED, Listed, entity_of, find, sortable
from singer_delivery.redaction import REDACTOR
from singer_delivery.schema import documents, events, runs
from singer_delivery.trail import Kind as Happened
from singer_delivery.watching.alert import EXAMPLES, Alert, Kind, Severity, member
from singer_delivery.watching.limits import ALL, Limits, Quiet
from singer_delivery.words import cut

#: Characters of a document's reason in an alert.
REASON = 160
#: Runs that are read at once.
PAGE = 100
#: Runs of `rebuild` and the like are nobody's schedule.
OWN_RUNS = "singer-delivery"

STUCK_REMEDY = (
    "Look whether it is in the target system (`singer-delivery show`), and why its answers get "
    "lost; then `singer-delivery replay` or `release` it"
)
DOUBT_REMEDY = (
    "Start its job again: it is read back first. If reading back fails each time, the log says "
    "why: a right that is missing, a system that is down"
)
REJECTED_REMEDY = (
    "`singer-delivery list --status rejected` has the reasons. So many at once are seldom the "
    "documents' fault: look for a mapping, a right or a master record that changed"
)
SILENCE_REMEDY = (
    "See whether invoices wait for transfer in Basware, whether the job runs, and whether "
    "companies or filters leave the legal entity out"
)
DIED_REMEDY = (
    "Nothing is lost, and the next run settles what it left. See why it ended: memory, a time "
    "limit of the scheduler, the machine"
)
LASTS_REMEDY = (
    "Look at its last lines in the log: is it throttled, or does it wait for an answer? SIGTERM "
    "ends it in order"
)
SUCCESS_REMEDY = (
    "`singer-delivery runs` shows how they ended, and the log why. If there are none, look at the "
    "scheduler"
)


def look(connection: Connection, limits: Limits, now: datetime) -> list[Alert]:
    """Return all that is wrong in the ledger. `now` is aware."""
    return [
        *stuck(connection),
        *in_doubt(connection, limits, now),
        *mass_rejection(connection, limits, now),
        *silence(connection, limits, now),
        *schedules(connection, limits, now),
    ]


def stuck(connection: Connection) -> Iterator[Alert]:
    """Yield an alert for each stream with documents that nobody works on any more."""
    found = find(connection, Filter(statuses=(Status.STUCK.value,)))
    for stream, listed in _by_stream(found).items():
        title = f"{_number(listed)} of {stream} gave up: not sent any more until somebody looks"
        alert = Alert(Kind.STUCK, stream, Severity.CRITICAL, title, STUCK_REMEDY)
        yield _about(alert, listed)


def in_doubt(connection: Connection, limits: Limits, now: datetime) -> Iterator[Alert]:
    """Yield an alert for each stream with documents that were sent and have no outcome for long."""
    if not limits.in_doubt_minutes:
        return
    before = now - timedelta(minutes=limits.in_doubt_minutes)
    chosen = Filter(statuses=tuple(sorted(status.value for status in OPEN)), until=before)
    for stream, listed in _by_stream(find(connection, chosen)).items():
        title = (
            f"{_number(listed)} of {stream} sent more than {limits.in_doubt_minutes} minutes ago, "
            "and nobody knows what became of it"
        )
        alert = Alert(Kind.IN_DOUBT, stream, Severity.CRITICAL, title, DOUBT_REMEDY)
        yield _about(alert, listed)


def mass_rejection(connection: Connection, limits: Limits, now: datetime) -> Iterator[Alert]:
    """Yield an alert for each stream, or legal entity of it, that was mostly rejected of late."""
    if not (limits.rejected_hours and limits.rejected_percent):
        return
    since = now - timedelta(hours=limits.rejected_hours)
    for (stream, entity), (rejected, settled) in sorted(_masses(connection, limits, since).items()):
        whose = f"{stream} of {entity}" if entity else stream
        title = (
            f"{rejected} of {settled} {whose} settled in the last {limits.rejected_hours} hours "
            "were rejected"
        )
        chosen = Filter((Status.REJECTED.value,), entity=entity, stream=stream, since=since)
        subject = f"{stream}/{entity}" if entity else stream
        with closing(find(connection, chosen, limit=EXAMPLES)) as found:
            examples = _examples(found)
        alert = Alert(Kind.MASS_REJECTION, subject, Severity.CRITICAL, title, REJECTED_REMEDY)
        yield replace(alert, count=rejected, examples=examples)


def silence(connection: Connection, limits: Limits, now: datetime) -> Iterator[Alert]:
    """Yield an alert for each legal entity of which nothing came for too many of its days."""
    began = connection.execute(select(func.min(runs.c.started_at))).scalar()
    for quiet in limits.silence:
        for stream in limits.silence_streams:
            last = _last(connection, stream, quiet)
            since = _moment(last or began)
            if since and quiet.days and quiet.is_over(since, now):
                whose = stream if quiet.entity == ALL else f"{stream} of {quiet.entity}"
                words = f"since {since:%Y-%m-%d %H:%M} UTC" if last else "ever"
                yield Alert(
                    Kind.SILENCE,
                    stream if quiet.entity == ALL else f"{stream}/{quiet.entity}",
                    Severity.WARNING,
                    f"no {whose} {words} (expected within {quiet})",
                    SILENCE_REMEDY,
                    since=since,
                )


def schedules(connection: Connection, limits: Limits, now: datetime) -> Iterator[Alert]:
    """Yield alerts of plugins whose last run died, lasts too long, or was too long ago."""
    groups = (
        select(runs.c.system, runs.c.plugin)
        .where(~runs.c.plugin.startswith(OWN_RUNS))
        .distinct()
        .order_by(runs.c.system, runs.c.plugin)
    )
    for system, plugin in list(connection.execute(groups)):
        yield from _schedule(connection, system, plugin, limits, now)


def _schedule(
    connection: Connection, system: str, plugin: str, limits: Limits, now: datetime
) -> Iterator[Alert]:
    subject = f"{plugin}@{system}"
    query = select(runs).where(runs.c.system == system, runs.c.plugin == plugin)
    latest = connection.execute(query.order_by(runs.c.started_at.desc()).limit(1)).one()
    if not latest.ended_at and not at_work.alive(connection, [latest.run_id], now):
        title = f"{_words(latest)} ended without a word: it was killed, or its machine went down"
        started = datetime.fromisoformat(latest.started_at)
        yield Alert(Kind.RUN_DIED, subject, Severity.WARNING, title, DIED_REMEDY, since=started)
    yield from _lasting(connection, query, subject, limits, now)
    hours = limits.success_hours
    if not hours:
        return
    first = connection.execute(query.order_by(runs.c.started_at).limit(1)).one()
    success = last_success(connection, system, plugin)
    since = success or datetime.fromisoformat(first.started_at)
    if now - since > timedelta(hours=hours):
        words = f"since {since:%Y-%m-%d %H:%M} UTC" if success else "ever"
        title = f"no run of {plugin} for {system} ended well {words} (expected every {hours} hours)"
        yield Alert(Kind.NO_SUCCESS, subject, Severity.CRITICAL, title, SUCCESS_REMEDY, since=since)


def _lasting(
    connection: Connection, query: Any, subject: str, limits: Limits, now: datetime
) -> Iterator[Alert]:
    hours = limits.longest_run_hours
    if not hours:
        return
    before = sortable(now - timedelta(hours=hours))
    old = query.where(runs.c.ended_at.is_(None), runs.c.started_at < before)
    rows = list(connection.execute(old))
    living = at_work.alive(connection, [row.run_id for row in rows], now)
    if not living:
        return
    first = min(living.values(), key=lambda row: str(row.started_at))
    yield Alert(
        Kind.RUN_LASTS,
        subject,
        Severity.WARNING,
        f"{_words(first)} is at work for more than {hours} hours",
        LASTS_REMEDY,
        since=datetime.fromisoformat(first.started_at),
        count=len(living),
        members=frozenset(member(run_id) for run_id in living),
    )


def last_success(connection: Connection, system: str, plugin: str) -> datetime | None:
    """Return when a run of a plugin for a system last ended well; None for never."""
    query = (
        select(runs.c.run_id, runs.c.ended_at)
        .where(runs.c.system == system, runs.c.plugin == plugin, runs.c.ended_at.is_not(None))
        .order_by(runs.c.started_at.desc())
    )
    # One by one: mostly it is the first, and a run may have hundreds of thousands of entries.
    for start in itertools.count(0, PAGE):
        page = connection.execute(query.limit(PAGE).offset(start)).all()
        for row in page:
            if ending(connection, row.run_id).get("ending") == "complete":
                return datetime.fromisoformat(row.ended_at)
        if len(page) < PAGE:
            break
    return None


def ending(connection: Connection, run_id: str) -> dict[str, Any]:
    """Return what a run noted at its end; nothing where it did not get there."""
    query = select(events.c.detail).where(
        events.c.run_id == run_id, events.c.kind == Happened.ENDED.value
    )
    text = connection.execute(query.limit(1)).scalar()
    found = json.loads(text) if text else {}
    return found if isinstance(found, dict) else {}


def _masses(
    connection: Connection, limits: Limits, since: datetime
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return rejected and settled of each stream, or else each legal entity, with too many."""
    entity = entity_of(connection)
    counted = (
        select(documents.c.stream, entity, documents.c.status, func.count().label("number"))
        .where(
            documents.c.settled_at >= sortable(since),
            documents.c.status.in_(sorted({*HELD, Status.REJECTED})),
        )
        .group_by(documents.c.stream, entity, documents.c.status)
    )
    rejected: Counter[tuple[str, str]] = Counter()
    settled: Counter[tuple[str, str]] = Counter()
    for stream, whose, status, number in connection.execute(counted):
        for name in {(stream, ""), (stream, str(whose or "").lower())}:
            settled[name] += number
            rejected[name] += number if status == Status.REJECTED else 0
    found = {
        name: (number, settled[name])
        for name, number in rejected.items()
        if number >= max(1, limits.rejected_least)
        and number * 100 >= settled[name] * limits.rejected_percent
    }
    whole = {stream for stream, whose in found if not whose}
    return {name: each for name, each in found.items() if not name[1] or name[0] not in whole}


def _last(connection: Connection, stream: str, quiet: Quiet) -> str:
    """Return when something of a stream last happened for a legal entity, or ""."""
    if quiet.entity == ALL:
        query = select(func.max(CHANGED)).where(documents.c.stream == stream)
        return connection.execute(query).scalar() or ""
    with closing(find(connection, Filter(stream=stream, entity=quiet.entity))) as newest:
        return next((one.at for one in newest if one.at), "")


def _about(alert: Alert, listed: Sequence[Listed]) -> Alert:
    """Return the alert about these documents."""
    return replace(
        alert,
        since=min((at for one in listed if (at := _moment(one.at))), default=None),
        count=len(listed),
        members=frozenset(member(*one.place) for one in listed),
        examples=_examples(listed),
    )


def _by_stream(found: Iterable[Listed]) -> dict[str, list[Listed]]:
    groups: dict[str, list[Listed]] = defaultdict(list)
    for one in found:
        groups[one.stream].append(one)
    return dict(sorted(groups.items()))


def _examples(found: Iterable[Listed]) -> list[str]:
    """Return some documents in words: by number, without bank accounts."""
    words = []
    for one, _ in zip(found, range(EXAMPLES), strict=False):
        name = f"{one.entity} {one.number}".strip() if one.number else str(one)
        reason = cut(one.reason, REASON)
        words.append(REDACTOR.text(f"{name}: {reason}" if reason else name))
    return words


def _number(listed: Sequence[Listed]) -> str:
    return "1 document" if len(listed) == 1 else f"{len(listed)} documents"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _words(row: Row[Any]) -> str:
    started = datetime.fromisoformat(row.started_at).astimezone(UTC)
    return (
        f"the run {row.run_id[:12]} of {row.plugin} on {row.host.split()[0]}, started "
        f"{started:%Y-%m-%d %H:%M} UTC,"
    )
