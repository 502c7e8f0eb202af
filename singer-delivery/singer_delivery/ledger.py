"""The ledger: which document was intended, sent and settled, durably and before the wire.

An intent is committed before anything is sent; an outcome is committed as soon as it is known.
What is intended without an outcome after a crash is in doubt, and is settled by reading the
target back. Each change of a document is committed together with its entries in the audit trail.

Several runs may share a ledger. What one has intended is its own while it lives, and every write
of a document raises its revision: who does not know the latest one has been overtaken.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy
from sqlalchemy import (
    Connection,
    Engine,
    Row,
    func,
    select,
)

from singer_delivery import document_rows, payloads, recollections, runs
from singer_delivery.database import open_database, reading, writing
from singer_delivery.document import (
    FINAL,
    HINDRANCE,
    OPEN,
    TAKEN,
    UNSENT,
    Document,
    Entry,
    Holding,
    Outcome,
    Status,
)
from singer_delivery.document_events import events_of, exchanges_of, intent_of
from singer_delivery.document_rows import (
    ENTRIES_OF_KEYS,
    ENTRIES_OF_NATURAL_KEYS,
    HOLDERS_OF_KEYS,
    HOLDERS_OF_NATURAL_KEYS,
    NEXT_SEQUENCES,
    RELEASE,
    SETTLE_ENTRY,
    SETTLE_NAMELESS_ENTRY,
    STANDINGS,
    STATUSES,
    STILL_HELD,
    TAKE_OVER,
    WRITERS,
    Holder,
    Standing,
    Written,
    entry_of,
)
from singer_delivery.exchanges import Exchange
from singer_delivery.identity import describe
from singer_delivery.payloads import SingerStream
from singer_delivery.recollections import Recollection
from singer_delivery.runs import Lease, Run
from singer_delivery.schema import claims, documents, storable_text
from singer_delivery.statements import Question
from singer_delivery.trail import Event, Kind, Pen, Trail

#: SQLite takes 32,766 variables a statement, PostgreSQL's protocol 65,535.
CHUNK = 500

#: Milliseconds that sequences may be behind the clock: no backup is restored in less.
LAG = 60_000
#: What an operator may let be sent again.
RELEASABLE = UNSENT | {Status.REJECTED}


def utc_now() -> datetime:
    """Return the current instant, aware."""
    return datetime.now(UTC)


def latest_holders(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Return, by natural key, the document that the target holds or may hold under it.

    One of which only an earlier version got there counts where there is no other.
    """

    def rank(entry: Entry) -> tuple[bool, datetime, int]:
        return entry.status in TAKEN | OPEN, *_moment(entry)

    held = [
        entry
        for entry in entries
        if entry.natural_key and (entry.held is Holding.ONCE or entry.status in TAKEN | OPEN)
    ]
    return {entry.natural_key: entry for entry in sorted(held, key=rank)}


def _moment(entry: Entry) -> tuple[datetime, int]:
    """Return when an entry was settled or, before that, about to be sent, for their order."""
    moments = [moment for moment in (entry.settled_at, entry.intended_at) if moment]
    return max(moments, default=datetime.min.replace(tzinfo=UTC)), entry.sequence


@dataclass(frozen=True)
class Intended:
    """What came of an intent.

    `fences` holds the revision of each document that is this run's now. `contested` holds, by
    key, the entry that stands in the way of a document: another run's, or one that changed since
    the target was surveyed.
    """

    fences: Mapping[str, int] = field(default_factory=dict)
    contested: Mapping[str, Entry] = field(default_factory=dict)


class Ledger:
    """The documents delivered to one remote system. Safe to share between threads."""

    def __init__(
        self,
        engine: Engine,
        system: str,
        *,
        clock: Callable[[], datetime] = utc_now,
        actor: str = "",
    ) -> None:
        """`system` is the remote system's origin: a sandbox and production never mix.

        `actor` says who acts, for the audit trail: without it, whoever the system says it is.
        """
        self._engine = engine
        self._system = system
        self._clock = clock
        self._actor = actor
        self._lease: Lease | None = None

    @classmethod
    def open(cls, url: str, system: str, *, actor: str = "") -> Ledger:
        """Open, create or migrate the ledger at an SQLAlchemy URL. Raises LedgerError."""
        engine = open_database(url)
        return cls(engine, system, actor=actor or str(describe(engine)))

    @property
    def trail(self) -> Trail:
        """The audit trail, of all systems in this ledger."""
        return Trail(self._engine)

    def close(self) -> None:
        """Release the database."""
        if self._lease:
            self._lease.stop()
        self._engine.dispose()

    # Runs

    def begin_run(self, run: Run) -> None:
        """Note who is at work; what this run intends is its own until it ends or dies.

        Raises LedgerError where the clock stands before what the ledger holds already.
        """
        with self._writing(run.run_id) as pen:
            pen.check_clock()
            runs.register(pen.connection, run, pen.actor, pen.now)
            detail = {"plugin": run.plugin, "host": runs.machine(), **run.versions}
            pen.write([Event(Kind.STARTED, detail=detail)], self._system)
        if self._lease:
            self._lease.stop()
        self._lease = Lease(self._engine, run, now=self._clock)
        self._lease.start()

    def end_run(self, run_id: str, detail: Mapping[str, Any]) -> None:
        """Note that the run is over and what it came to; what it left open is anybody's."""
        if self._lease:
            self._lease.stop()
        with self._writing(run_id) as pen:
            runs.end(pen.connection, run_id, pen.now)
            pen.connection.execute(claims.delete().where(claims.c.run_id == run_id))
            pen.write([Event(Kind.ENDED, detail=detail)], self._system)

    @property
    def in_charge(self) -> bool:
        """This run's claims hold: no other can have taken over what is its own."""
        return self._lease is None or self._lease.valid

    def claim(self, name: str, run_id: str) -> Row[Any] | None:
        """Take up what one run at a time may do; return the living run that does it already."""
        mine = {"system": self._system, "name": name}
        with self._writing(run_id) as pen:
            query = select(claims.c.run_id).where(
                claims.c.system == self._system, claims.c.name == name
            )
            holder = pen.connection.execute(query).scalar_one_or_none()
            if holder == run_id:
                return None
            if holder:
                other = runs.alive(pen.connection, [holder], pen.now).get(holder)
                if other:
                    return other
                pen.connection.execute(
                    claims.delete().where(claims.c.system == self._system, claims.c.name == name)
                )
            moment = pen.now.isoformat()
            values = {**mine, "run_id": run_id, "claimed_at": moment}
            pen.connection.execute(claims.insert().values(**values))
            return None

    def erase(self, older_than: timedelta, run_id: str) -> int:
        """Erase kept records of this system that are older; return how many."""
        now = self._clock()
        return payloads.erase(
            *(self._engine, now - older_than),
            system=self._system,
            run_id=run_id,
            actor=self._actor,
            now=now,
        )

    # What is known

    def lookup(self, stream: str, keys: Iterable[str]) -> dict[str, Entry]:
        """Return what is known of these records, by key."""
        with reading(self._engine) as connection:
            found = self._among(connection, stream, ENTRIES_OF_KEYS, keys)
        return {entry.key: entry for entry in found}

    def standings(self, stream: str, keys: Iterable[str]) -> dict[str, Standing]:
        """Return, by key, no more than tells whether something has changed."""
        found = {}
        with reading(self._engine) as connection:
            for chunk in _chunks(set(keys)):
                rows = STANDINGS.ask(connection, chunk, system=self._system, stream=stream)
                for key, status, fingerprint, source, scope, held in rows:
                    standing = Standing(STATUSES[status], fingerprint, source, scope, bool(held))
                    found[key] = standing
        return found

    def lookup_natural(self, stream: str, natural_keys: Iterable[str]) -> dict[str, Entry]:
        """Return, by natural key, the document that the target holds or may hold under it."""
        wanted = (key for key in natural_keys if key)
        with reading(self._engine) as connection:
            found = self._among(connection, stream, ENTRIES_OF_NATURAL_KEYS, wanted)
        return latest_holders(found)

    def neighbours(self, stream: str, around: Sequence[Document]) -> list[Entry]:
        """Return all that is known under the keys and the natural keys of documents."""
        with reading(self._engine) as connection:
            return self._neighbours(connection, stream, around)

    def open_entries(self, stream: str) -> list[Entry]:
        """Return the documents that are in flight or in doubt, of all runs."""
        query = self._select(stream).where(documents.c.status.in_(sorted(OPEN)))
        with reading(self._engine) as connection:
            return [entry_of(row) for row in connection.execute(query)]

    def accepted_entries(self, stream: str, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Return a page, in key order, of documents that were taken and not confirmed yet."""
        accepted = documents.c.status == Status.ACCEPTED.value
        return self._page(self._select(stream).where(accepted), after, limit)

    def hindered_entries(self, stream: str, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Return a page, in key order, of documents that were rejected for what may pass."""
        hindered = (
            documents.c.status == Status.REJECTED.value,
            documents.c.detail.contains(f'"{HINDRANCE}"', autoescape=True),
        )
        return self._page(self._select(stream).where(*hindered), after, limit)

    def latest_records(self, stream: str, keys: Iterable[str]) -> dict[str, Mapping[str, Any]]:
        """Return, by key, the records that these were last received as, where they are kept."""
        return payloads.latest_records(self._engine, self._system, stream, keys)

    def recall(self, source: str, records: Iterable[str]) -> dict[str, Recollection]:
        """Return, by record, what records of a source became when they were mapped last."""
        return recollections.recall(self._engine, self._system, source, records)

    def remember(self, source: str, records: Mapping[str, Recollection]) -> None:
        """Keep what records became."""
        recollections.remember(self._engine, self._system, source, records)

    def accepted_requests(self, stream: str) -> Iterator[tuple[str, str]]:
        """Yield request id and key of documents that were taken and not confirmed, by request."""
        query = (
            select(documents.c.request_id, documents.c.key)
            .where(
                documents.c.system == self._system,
                documents.c.stream == stream,
                documents.c.status == Status.ACCEPTED.value,
            )
            .order_by(documents.c.request_id, documents.c.key)
        )
        with reading(self._engine) as connection:
            for row in connection.execution_options(yield_per=CHUNK).execute(query):
                yield row.request_id, row.key

    def held(self, stream: str, source: str, *, after: str = "", limit: int = 1000) -> list[Entry]:
        """Return a page, in key order, of what the target holds of a source and may withdraw."""
        query = self._select(stream).where(documents.c.source == source, STILL_HELD)
        return self._page(query, after, limit)

    def held_keys(
        self, stream: str, source: str, *, after: str = "", limit: int = 1000
    ) -> list[tuple[str, str]]:
        """Return key and scope only of what `held` returns."""
        query = (
            select(documents.c.key, documents.c.scope)
            .where(
                documents.c.system == self._system,
                documents.c.stream == stream,
                documents.c.source == source,
                STILL_HELD,
                documents.c.key > after,
            )
            .order_by(documents.c.key)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [(row.key, row.scope) for row in connection.execute(query)]

    def count_held(self, stream: str, source: str) -> int:
        """Return how many documents `held` goes through."""
        query = select(func.count()).where(
            documents.c.system == self._system,
            documents.c.stream == stream,
            documents.c.source == source,
            STILL_HELD,
        )
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def held_sources(self) -> list[tuple[str, str]]:
        """Return (source, stream) of all that the target holds and may have to withdraw."""
        query = (
            select(documents.c.source, documents.c.stream)
            .where(documents.c.system == self._system, documents.c.source != "", STILL_HELD)
            .distinct()
        )
        with reading(self._engine) as connection:
            return sorted((row.source, row.stream) for row in connection.execute(query))

    def unsettled_streams(self) -> list[str]:
        """Return the streams with documents that are intended, in doubt or only accepted."""
        query = (
            select(documents.c.stream)
            .where(
                documents.c.system == self._system,
                documents.c.status.in_(sorted(OPEN | {Status.ACCEPTED})),
            )
            .distinct()
        )
        with reading(self._engine) as connection:
            return sorted(connection.execute(query).scalars())

    def outcomes(self, stream: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        """Return settled documents in the order of their latest outcome, from `after` on."""
        query = (
            self._select(stream)
            .where(documents.c.sequence > after, documents.c.status.in_(sorted(FINAL)))
            .order_by(documents.c.sequence)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [entry_of(row) for row in connection.execute(query)]

    # What happens

    def receive(
        self, stream: str, received: Sequence[Document], singer: SingerStream, run_id: str
    ) -> None:
        """Commit that documents came in, and keep the records that they were made of."""
        if not received:
            return
        records = {one.key: one.record for one in received if one.record is not None}
        with self._writing(run_id) as pen:
            kept = payloads.keep(pen, self._system, stream, records, singer)
            happened = []
            for document in received:
                came = {"source": singer.stream, "version": document.version}
                digest = kept.get(document.key, "")
                happened.append(Event(Kind.RECEIVED, stream, document.key, came, digest))
                if document.payload is not None:
                    detail = {"fingerprint": document.fingerprint, "label": document.label}
                    happened.append(Event(Kind.MAPPED, stream, document.key, detail))
            pen.write(happened, self._system)

    def intend(
        self,
        stream: str,
        intents: Sequence[Document],
        run_id: str,
        *,
        seen: Mapping[str, int] | None = None,
    ) -> Intended:
        """Commit that these documents are about to be sent; returns when it is durable.

        Left out are those that another living run has in flight under the same key or natural
        key. `seen` holds the revisions, by key, of all entries that were known when the target
        was surveyed: with it, documents whose entries changed since are left out as well. Raises
        LedgerError where the clock stands before what the ledger holds already.
        """
        if not intents:
            return Intended()
        with self._writing(run_id) as pen:
            pen.check_clock()
            current = self._holders(pen.connection, stream, intents)
            obstacles = self._contested(pen, current, intents, run_id, seen)
            taken = [document for document in intents if document.key not in obstacles]
            intent = Written.of_intent(self._clock())
            system = self._system
            rows = [intent.row(system, stream, document, run_id) for document in taken]
            document_rows.write(pen.connection, rows)
            pen.write(
                [intent_of(stream, document) for document in taken],
                self._system,
            )
            known = {holder.key: holder.revision for holder in current}
            fences = {document.key: known.get(document.key, 0) + 1 for document in taken}
            contested: dict[str, Entry] = {}
            if obstacles:
                among = self._among(pen.connection, stream, ENTRIES_OF_KEYS, obstacles.values())
                entries = {entry.key: entry for entry in among}
                contested = {key: entries[other] for key, other in obstacles.items()}
            return Intended(fences, contested)

    def _holders(
        self, connection: Connection, stream: str, intents: Sequence[Document]
    ) -> list[Holder]:
        """Return who has what there is under the keys and the natural keys of documents."""
        naturals = {document.natural_key for document in intents if document.natural_key}
        found: dict[str, Holder] = {}
        for question, wanted in (
            (HOLDERS_OF_KEYS, {document.key for document in intents}),
            (HOLDERS_OF_NATURAL_KEYS, naturals),
        ):
            for chunk in _chunks(wanted):
                rows = question.ask(connection, chunk, system=self._system, stream=stream)
                for key, natural_key, status, run_of, revision in rows:
                    found[key] = Holder(key, natural_key, STATUSES[status], run_of, revision)
        return list(found.values())

    def _neighbours(
        self, connection: Connection, stream: str, intents: Sequence[Document]
    ) -> list[Entry]:
        """Return what there is under the keys and the natural keys of documents."""
        keys = (document.key for document in intents)
        found = self._among(connection, stream, ENTRIES_OF_KEYS, keys)
        naturals = (document.natural_key for document in intents if document.natural_key)
        found += self._among(connection, stream, ENTRIES_OF_NATURAL_KEYS, naturals)
        return list({entry.key: entry for entry in found}.values())

    def _contested(
        self,
        pen: Pen,
        current: Sequence[Holder],
        intents: Sequence[Document],
        run_id: str,
        seen: Mapping[str, int] | None,
    ) -> dict[str, str]:
        """Return, by key, the key of the entry that stands in the way of a document."""
        others = {h.run_id for h in current if h.status in OPEN and h.run_id != run_id}
        living = runs.alive(pen.connection, others, pen.now)
        blocking = {
            holder.key
            for holder in current
            if (holder.status in OPEN and holder.run_id in living)
            or (seen is not None and holder.revision != seen.get(holder.key, 0))
        }
        if not blocking:
            return {}
        by_natural: dict[str, list[str]] = defaultdict(list)
        for holder in current:
            if holder.status in TAKEN | OPEN:
                by_natural[holder.natural_key].append(holder.key)
        contested = {}
        for document in intents:
            twins = by_natural.get(document.natural_key, []) if document.natural_key else []
            candidates = (document.key, *(key for key in twins if key != document.key))
            obstacle = next((key for key in candidates if key in blocking), None)
            if obstacle is not None:
                contested[document.key] = obstacle
        return contested

    def settle(
        self,
        stream: str,
        document: Document,
        outcome: Outcome,
        run_id: str,
        *,
        fence: int | None = None,
    ) -> bool:
        """Commit the outcome of a document; False where another run has overtaken this one."""
        fences = {} if fence is None else {document.key: fence}
        return not self.settle_many(stream, [(document, outcome)], run_id, fences=fences)

    def settle_many(
        self,
        stream: str,
        outcomes: Sequence[tuple[Document, Outcome]],
        run_id: str,
        *,
        fences: Mapping[str, int] | None = None,
        exchanges: Sequence[Exchange] = (),
    ) -> set[str]:
        """Commit the outcomes of documents of different keys, all or none.

        `exchanges` are what was sent and answered for all of them together, for the audit trail.
        `fences` holds the revisions that documents are to have, 0 where there is none of it yet.
        Returns the keys of those that others have written since, or that a living run has in
        flight: they stay as they are. So do those of late outcomes, which only the trail has.
        """
        if not outcomes:
            return set()
        with self._writing(run_id) as pen:
            known = {document.key: None for document, _ in outcomes} | dict(fences or {})
            overtaken = self._overtaken(pen, stream, known, run_id)
            settled = sorted(
                (pair for pair in outcomes if pair[0].key not in overtaken),
                key=lambda pair: pair[0].key,
            )
            numbers = self._sequences(pen.connection, [outcome for _, outcome in settled])
            rows, happened = [], exchanges_of(stream, exchanges, {"documents": len(outcomes)})
            for (document, outcome), number in zip(settled, numbers, strict=True):
                happened += events_of(stream, document, outcome)
                if not outcome.late:
                    written = Written.of_outcome(outcome, document.detail, number, self._clock())
                    rows.append(written.row(self._system, stream, document, run_id))
            document_rows.write(pen.connection, rows)
            pen.write(happened, self._system)
            return overtaken

    def note_exchanges(
        self,
        stream: str,
        exchanges: Sequence[Exchange],
        detail: Mapping[str, Any],
        run_id: str,
    ) -> None:
        """Commit to the audit trail what was sent and answered for several documents together."""
        if exchanges:
            with self._writing(run_id) as pen:
                pen.write(exchanges_of(stream, exchanges, detail), self._system)

    def settle_entry(self, entry: Entry, outcome: Outcome, run_id: str) -> bool:
        """Commit the outcome of a document that was left in doubt or accepted.

        False where it was written since its entry was read, and stays as it is.
        """
        return not self.settle_entries([(entry, outcome)], run_id)

    def settle_entries(
        self, outcomes: Sequence[tuple[Entry, Outcome]], run_id: str, *, held: bool = False
    ) -> set[tuple[str, str]]:
        """Commit the outcomes of documents that were left in doubt or accepted, all or none.

        With `held`, the target may hold them whatever their outcomes say. Returns stream and key
        of those that were written since their entries were read: they stay as they are.
        """
        if not outcomes:
            return set()
        with self._writing(run_id) as pen:
            overtaken = set()
            for stream in {entry.stream for entry, _ in outcomes}:
                fences: dict[str, int | None] = {
                    e.key: e.revision for e, _ in outcomes if e.stream == stream
                }
                late = self._overtaken(pen, stream, fences, run_id)
                overtaken |= {(stream, key) for key in late}
            settled = [pair for pair in outcomes if (pair[0].stream, pair[0].key) not in overtaken]
            numbers = self._sequences(pen.connection, [outcome for _, outcome in settled])
            rows, happened = [], []
            least = Holding.PERHAPS if held else Holding.NEVER
            for (entry, outcome), number in zip(settled, numbers, strict=True):
                written = Written.of_outcome(outcome, entry.detail, number, self._clock())
                rows.append(
                    (
                        *(written.status, written.reason, written.request_id, written.detail),
                        *(written.settled_at, run_id, written.doubts, written.remote_key),
                        *(outcome.natural_key, number, int(max(written.held, least))),
                        *(self._system, entry.stream, entry.key),
                    )
                )
                happened += events_of(entry.stream, entry, outcome)
            if any(outcome.natural_key for _, outcome in settled):
                SETTLE_ENTRY.run(pen.connection, rows)
            else:
                SETTLE_NAMELESS_ENTRY.run(pen.connection, [(*r[:8], *r[9:]) for r in rows])
            pen.write(happened, self._system)
            return overtaken

    def take_over(self, stream: str, run_id: str, keys: Sequence[str] | None = None) -> list[Entry]:
        """Make what dead runs left in flight or in doubt this run's own, and return it.

        Another run that does the same at this moment gets what is left; of `keys` only, if given.
        """
        with self._writing(run_id) as pen:
            query = self._select(stream).where(documents.c.status.in_(sorted(OPEN)))
            found = [entry_of(row) for row in pen.connection.execute(query)]
            if keys is not None:
                found = [entry for entry in found if entry.key in set(keys)]
            others = {entry.run_id for entry in found if entry.run_id != run_id}
            living = runs.alive(pen.connection, others, pen.now)
            left = [entry for entry in found if entry.run_id not in living]
            mine = [
                {"system": self._system, "stream": stream, "key": entry.key, "run_id": run_id}
                for entry in left
            ]
            if not mine:
                return []
            pen.connection.execute(TAKE_OVER, mine)
            pen.write(
                [
                    Event(Kind.TAKEN_OVER, stream, entry.key, {"of": entry.run_id})
                    for entry in left
                    if entry.run_id != run_id
                ],
                self._system,
            )
        return list(self.lookup(stream, (entry.key for entry in left)).values())

    def in_flight_elsewhere(
        self, stream: str, wanted: Sequence[Document], run_id: str
    ) -> dict[str, str]:
        """Return, by key, which living run has a document in flight, in words.

        Under the document's own key, or under its natural key.
        """
        with reading(self._engine) as connection:
            around = self._neighbours(connection, stream, wanted)
            open_ones = [e for e in around if e.status in OPEN and e.run_id != run_id]
            living = runs.alive(connection, {e.run_id for e in open_ones}, self._clock())
        found = {}
        for document in wanted:
            for entry in open_ones:
                same = document.natural_key and entry.natural_key == document.natural_key
                if entry.run_id in living and (entry.key == document.key or same):
                    found[document.key] = runs.words(living[entry.run_id])
        return found

    def abandon(self, stream: str, reason: str, run_id: str) -> int:
        """Make what dead runs left open NOT_SENT; return how many documents that were.

        Only for documents that may be sent twice: the target may hold them.
        """
        left = self.take_over(stream, run_id)
        outcome = Outcome(Status.NOT_SENT, reason)
        late = self.settle_entries([(entry, outcome) for entry in left], run_id, held=True)
        return len(left) - len(late)

    def release(self, stream: str, key: str, run_id: str, *, reason: str = "") -> bool:
        """Let a stuck or rejected document be sent again when it is offered; False for others."""
        with self._writing(run_id) as pen:
            query = self._select(stream).where(documents.c.key == key)
            row = pen.connection.execute(query).one_or_none()
            if row is None or Status(row.status) not in RELEASABLE:
                return False
            words = reason or "released by an operator"
            about = {"system": self._system, "stream": stream, "key": key}
            values = {**about, "run_id": run_id, "reason": storable_text(words)}
            pen.connection.execute(RELEASE, values)
            pen.write([Event(Kind.RELEASED, stream, key, {"reason": words})], self._system)
            return True

    # Inside

    def _overtaken(
        self, pen: Pen, stream: str, fences: Mapping[str, int | None], run_id: str
    ) -> set[str]:
        """Return those keys whose documents have another revision than their fence.

        Without a fence, those that another living run has in flight.
        """
        found: dict[str, tuple[int, bool, str]] = {}
        for chunk in _chunks(fences):
            rows = WRITERS.ask(pen.connection, chunk, system=self._system, stream=stream)
            for key, revision, status, run_of in rows:
                found[key] = (revision, STATUSES[status] in OPEN, run_of)
        others = {run_of for _, is_open, run_of in found.values() if is_open and run_of != run_id}
        living = runs.alive(pen.connection, others, pen.now)
        overtaken = set()
        for key, fence in fences.items():
            revision, is_open, run_of = found.get(key, (0, False, ""))
            late = revision != fence if fence is not None else is_open and run_of in living
            if late:
                overtaken.add(key)
        return overtaken

    def _sequences(self, connection: Connection, outcomes: Sequence[Outcome]) -> list[int]:
        """Return the number of each final outcome, and 0 for the others."""
        final = [outcome.status in FINAL and not outcome.late for outcome in outcomes]
        count = sum(final)
        if not count:
            return [0] * len(outcomes)
        # A ledger that replaces a lost one, or is restored from a backup, goes on above it (nobody
        # settles a document every millisecond for long): a reader's bookmark from before would
        # hide its outcomes otherwise.
        first = int(self._clock().timestamp() * 1000) + count - 1
        behind = first - LAG
        values = {"system": self._system, "first": first, "behind": behind, "count": count}
        last = int(connection.execute(NEXT_SEQUENCES, values).scalar_one())
        numbers = iter(range(last - count + 1, last + 1))
        return [next(numbers) if each else 0 for each in final]

    def _among(
        self, connection: Connection, stream: str, question: Question, values: Iterable[str]
    ) -> list[Entry]:
        found: list[Entry] = []
        for chunk in _chunks(set(values)):
            rows = question.ask(connection, chunk, system=self._system, stream=stream)
            found += map(entry_of, rows)
        return found

    def _page(self, query: sqlalchemy.Select[Any], after: str, limit: int) -> list[Entry]:
        page = query.where(documents.c.key > after).order_by(documents.c.key).limit(limit)
        with reading(self._engine) as connection:
            return [entry_of(row) for row in connection.execute(page)]

    def _select(self, stream: str) -> sqlalchemy.Select[Any]:
        return select(documents).where(
            documents.c.system == self._system, documents.c.stream == stream
        )

    @contextmanager
    def _writing(self, run_id: str) -> Iterator[Pen]:
        with writing(self._engine) as connection:
            yield Pen(connection, now=self._clock(), run_id=run_id, actor=self._actor)


def _chunks(keys: Iterable[str]) -> Iterator[list[str]]:
    wanted = sorted(keys)
    for start in range(0, len(wanted), CHUNK):
        yield wanted[start : start + CHUNK]
