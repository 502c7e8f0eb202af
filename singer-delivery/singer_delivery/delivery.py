"""Delivering a batch: every document gets a durable outcome, none is sent twice unread.

    prepare -> commit what came -> survey the target -> commit the intents -> send -> commit
                                                           |                           outcomes
                        in doubt -> read the target back --+-> send again what is not there

What another run has in flight is waited for, and surveyed again. While one batch is sent, the next
one is surveyed and the one after it prepared, unless two of them know a document under the same key
or natural key; `through` tells how far everything has its outcome. The ledger is written by the
thread that offers the batches; only sending, and a survey beside it, run in others.
"""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Any

from singer_delivery.courier import Courier, Sent
from singer_delivery.document import OPEN, Document, Entry, Outcome, Status
from singer_delivery.errors import (
    ApiError,
    BadInput,
    DeliveryError,
    InDoubt,
    LedgerError,
    Refused,
    Rejected,
    SetupError,
)
from singer_delivery.exchanges import recorded
from singer_delivery.ledger import Ledger, latest_holders
from singer_delivery.pace import Pace
from singer_delivery.payloads import SingerStream
from singer_delivery.schema import KEY_LENGTH, storable
from singer_delivery.senders import Parcel, Senders

logger = logging.getLogger(__name__)

#: Records of a batch: they are surveyed together, and their intents are committed together.
BATCH_SIZE = 100
#: Documents that may wait for a connection while the next batch is prepared.
AHEAD = 100
#: Batches that are looked up at a time: each may take several round trips.
LOOKS = 3
#: Seconds after which what is in doubt is read back, although there is more to send.
PATIENCE = 10.0


@dataclass(frozen=True)
class DeliveryOptions:
    """How a batch is delivered. Times in seconds.

    `together` is the least and the most documents of a request; what is between is measured. Only
    for couriers that can send several together. `max_sends` bounds how often one document is sent
    in a run, when reading back shows that it did not arrive, and `max_lost_answers` in how many
    sends in a row, of any runs, its answer may be lost. `read_back_wait` gives the target time to
    finish what was cut off. `claim_wait` is how long a document that another run has in flight is
    waited for. With `keep_records`, the ledger keeps what came in for replay.
    """

    connections: int = 8
    max_sends: int = 3
    read_back_wait: float = 2.0
    max_lost_answers: int = 20
    claim_wait: float = 300.0
    keep_records: bool = True
    together: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        least = min(self.connections, self.max_sends, self.max_lost_answers)
        if least < 1 or self.read_back_wait < 0 or self.claim_wait < 0:
            msg = (
                "max_connections, max_sends and max_lost_answers must be 1 or more, and no wait "
                "below 0"
            )
            raise SetupError(msg)
        if not 1 <= self.together[0] <= self.together[1]:
            msg = (
                f"a request cannot have {self.together[0]} documents at least and "
                f"{self.together[1]} at most: the least must be 1 or more, and not above the most"
            )
            raise SetupError(msg)


@dataclass(frozen=True)
class Surveyed:
    """A wave that is looked at. `seen` holds revisions by key, `late` the outcomes of old versions.

    `look` returns what the courier decides for the others, once it has looked.
    """

    wave: Sequence[Document]
    seen: Mapping[str, int]
    late: Mapping[str, Outcome]
    look: Callable[[], Mapping[str, Outcome | Any]]
    again: Container[str]


@dataclass
class Delivery:
    """Delivers batches of one stream; `tally` counts the outcomes of the run.

    `singer` is the SCHEMA of the records, for replay. `bad_records` are those without a key, and
    `stuck` names what this run gave up. `offered` counts the records that were taken.
    """

    courier: Courier
    ledger: Ledger
    run_id: str
    options: DeliveryOptions = field(default_factory=DeliveryOptions)
    singer: SingerStream | None = None
    stopping: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    tally: Counter[Status] = field(default_factory=Counter)
    bad_records: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    offered: int = 0
    # Keys and natural keys of the documents without a durable outcome, and how many records were
    # taken before their batch; in the order of their batches. A batch that an error broke off
    # stays, as a whole.
    _afoot: dict[str, int] = field(default_factory=dict)
    # Of those documents, why they were skipped by an earlier run, by key.
    _skipped: dict[str, str] = field(default_factory=dict)
    # The revisions of those that are this run's own.
    _fences: dict[str, int] = field(default_factory=dict)
    # The waves that are looked at, and not on their way yet.
    _surveyed: deque[Surveyed] = field(default_factory=deque)
    # What is to be read back, and what other runs are at; since when there is any.
    _doubtful: list[Document] = field(default_factory=list)
    _contested: list[Document] = field(default_factory=list)
    _open_since: float | None = None

    def __post_init__(self) -> None:
        self.adopt(self.options)

    def adopt(self, options: DeliveryOptions) -> None:
        """Go by these options from here on. Only while nothing is under way."""
        self.options = options
        self._pace = Pace(options.connections, *options.together)
        self._senders = self._new_senders()

    def _new_senders(self) -> Senders:
        return Senders(self._send, self._pace, self.stopping)

    @property
    def in_flight(self) -> list[str]:
        """The documents that are being sent at this moment, in words."""
        return [str(document) for document in self._senders.in_flight]

    def settle_leftovers(self) -> None:
        """Read back what an earlier run left in doubt, before anything new is sent."""
        self._confirm_accepted()
        left = self.ledger.take_over(self.courier.stream, self.run_id)
        if left:
            logger.info("%s: reading back %d document(s) in doubt", self.courier.stream, len(left))
            self._settle_left(left)
        self._offer_again()

    def _offer_again(self) -> None:
        """Deliver what was rejected for as long as something stood in its way, which has passed.

        No bookmark would bring it again.
        """
        stream, after = self.courier.stream, ""
        while page := self.ledger.hindered_entries(stream, after=after):
            after = page[-1].key
            try:
                free = self.courier.unhindered(page)
            except ApiError as error:
                logger.warning("%s: what was rejected cannot be looked at now: %s", stream, error)
                return
            records = self.ledger.latest_records(stream, [entry.key for entry in free])
            for entry in free:
                if entry.key not in records:
                    logger.warning(
                        "%s: nothing stands in its way any more, but its record is not kept: it "
                        "has to be read again (run the tap with --full-refresh)",
                        entry,
                    )
            self.run(records.values())

    def _settle_left(self, left: Sequence[Entry]) -> None:
        """Settle what a dead run left, by what the target holds. Raises ApiError."""
        # The target may still be at the last request of a run that has only just died.
        self.sleep(self.options.read_back_wait)
        held, unreadable = self._look(left)
        absent = Outcome(Status.NOT_SENT, "an interrupted run did not get it there", read_back=True)
        for entry in left:
            if error := unreadable.get(entry.key):
                self._settle_unreadable(entry, error)
                continue
            outcome = held.get(entry.key, absent)
            if not self.ledger.settle_entry(entry, outcome, self.run_id):
                continue  # another run has it by now
            if outcome is absent:
                # No STATE covers it: the source offers it again, and it is sent then.
                logger.info("%s: %s; it is sent when offered again", entry, absent.reason)
            else:
                self._report(str(entry), entry.detail, outcome, entry.version)

    def _settle_unreadable(self, entry: Entry, error: ApiError) -> None:
        """Leave it in doubt for the next run, unless that was tried too often."""
        outcome = Outcome(Status.IN_DOUBT, f"reading back failed: {error}")
        if entry.doubts + 1 >= self.options.max_lost_answers:
            outcome = self._giving_up(entry, error)
        if self.ledger.settle_entry(entry, outcome, self.run_id):
            self._report(str(entry), entry.detail, outcome, entry.version)

    def _look(
        self, entries: Sequence[Entry]
    ) -> tuple[Mapping[str, Outcome], Mapping[str, ApiError]]:
        """Read documents back; where the target refuses the question, each one by itself.

        Returns the outcomes of those that the target holds, and the errors of those that cannot
        be asked for, by key. Raises ApiError where the target cannot be asked at all.
        """
        try:
            return _found(self.courier.read_back(entries)), {}
        except Refused as error:
            if len(entries) == 1:
                return {}, {entries[0].key: error}
        held: dict[str, Outcome] = {}
        unreadable: dict[str, ApiError] = {}
        for entry in entries:
            try:
                held |= _found(self.courier.read_back([entry]))
            except Refused as error:
                unreadable[entry.key] = error
        return held, unreadable

    def _confirm_accepted(self) -> None:
        """Settle what the target took in an earlier run; what is in progress stays accepted."""
        after = ""
        while page := self.ledger.accepted_entries(self.courier.stream, after=after):
            after = page[-1].key
            try:
                found = self.courier.confirm(page)
            except ApiError as error:
                logger.warning("%s: cannot be confirmed now: %s", self.courier.stream, error)
                return
            for entry in page:
                if outcome := found.get(entry.key):
                    self.ledger.settle_entry(entry, outcome, self.run_id)
                    self._report(str(entry), entry.detail, outcome, entry.version)

    def run(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Deliver these records; every document ends with a durable outcome.

        Documents that stay in doubt or could not be sent are counted in `tally`. Raises what
        makes going on pointless: AccessDenied, Unavailable, SetupError, LedgerError.
        """
        offered = iter(records)
        while some := list(islice(offered, BATCH_SIZE)):
            self.offer(some)
            if self.stopping():
                break  # what is left was never begun, and is offered again
        self.complete()

    @property
    def through(self) -> int:
        """How many of the records, as they were offered, have a durable outcome up to the last."""
        return next(iter(self._afoot.values()), self.offered)

    def offer(self, batch: Sequence[Mapping[str, Any]]) -> None:
        """Take a batch, and have it on its way in time; `complete` brings it to its end.

        Nothing of it is begun once the run is to stop. Raises what `run` does, after everything in
        flight has come to an end.
        """
        with self._closed_by_errors():
            before = self.offered
            # Until all of its documents are afoot or have an outcome: an error may come before.
            whole = f"batch {before}"
            self._afoot[whole] = before
            for wave in waves(self._prepare(batch)):
                self._forward(wave, before)
            del self._afoot[whole]
            if self._senders.halted or self._kept_waiting:
                self._complete()

    def tend(self, seconds: float) -> bool:
        """Go on with what was offered while there is nothing new; False where all is done.

        Returns as soon as something has happened, or after so many seconds. Raises what `run` does.
        """
        if self._senders.halted or not (self._senders.busy or self._surveyed):
            self.complete()
            return False
        with self._closed_by_errors():
            if self._surveyed:
                self._set_out()
            self._take_in(self._senders.collect(within=seconds))
        return True

    def complete(self) -> None:
        """Give everything that was offered its outcome. Raises what `run` does."""
        with self._closed_by_errors():
            self._complete()
        self._senders.close()

    def break_off(self) -> None:
        """Begin nothing more, and give what is in flight its outcome. Raises what `run` does."""
        if not self._senders.closed:
            self._senders.halt()
            self.complete()

    @contextmanager
    def _closed_by_errors(self) -> Iterator[None]:
        if self._senders.closed:
            self._senders = self._new_senders()
        try:
            yield
        except DeliveryError:
            self._senders.close()
            with suppress(DeliveryError):  # the first one says what is wrong
                self._surveyed.clear()
                self._take_in(self._senders.collect())
                self._withdraw()
            raise
        except BaseException:
            self._senders.close()
            raise

    @property
    def _kept_waiting(self) -> bool:
        """Something in doubt has waited for long enough, while others were sent."""
        if not (self._doubtful or self._contested):
            self._open_since = None
        elif self._open_since is None:
            self._open_since = time.monotonic()
        return self._open_since is not None and time.monotonic() - self._open_since >= PATIENCE

    def _forward(self, wave: Sequence[Document], before: int) -> None:
        """Have a wave sent; returns when most of what was there before is on its way."""
        self._await_same(wave)
        self._set_afoot(wave, before)
        self._survey(wave)
        while self._surveyed and (len(self._surveyed) >= LOOKS or not self._senders.busy):
            self._set_out()
        ahead = 0 if self._senders.alone else AHEAD
        while self._senders.waiting > ahead and not self._senders.halted:
            self._take_in(self._senders.collect())

    def _set_afoot(self, documents: Iterable[Document], before: int) -> None:
        for name in chain.from_iterable(map(_names, documents)):
            self._afoot.setdefault(name, before)

    def _await_same(self, documents: Iterable[Document]) -> None:
        """Complete what is under way where one of these is, under either key: it comes after."""
        if any(name in self._afoot for document in documents for name in _names(document)):
            self._complete()

    def _complete(self) -> None:
        """Give every document that has set out its outcome, as far as it can be had now.

        Raises what makes going on pointless, after everything in flight has settled.
        """
        sends: Counter[str] = Counter()
        surveys: Counter[str] = Counter()
        waited = 0.0
        while True:
            while self._surveyed:
                self._set_out()
            doubtful, contested = self._arrived()
            sends.update(document.key for document in doubtful)
            spent = {key for key, number in sends.items() if number >= self.options.max_sends}
            wave = self._read_back(doubtful, spent)
            if contested:
                surveys.update(document.key for document in contested)
                freed, waited = self._wait_for(contested, waited)
                wave = [*wave, *self._not_restless(freed, surveys)]
            if not wave:
                break
            self._survey(wave, again=frozenset(sends))

    def _arrived(self) -> tuple[list[Document], list[Document]]:
        """Wait until nothing is under way; return what is in doubt, and what others are at."""
        while landed := self._senders.collect():
            self._take_in(landed)
        self._withdraw()
        if fatal := self._senders.outage.fatal:
            raise fatal
        doubtful, contested = self._doubtful, self._contested
        self._doubtful, self._contested = [], []
        return doubtful, contested

    def _withdraw(self) -> None:
        """Settle what waited, and is not begun any more."""
        stopped = Outcome(Status.NOT_SENT, "the run stopped before it was sent")
        self._settle_all([(parcel.document, stopped) for parcel in self._senders.withdraw()])

    def _prepare(self, records: Iterable[Mapping[str, Any]]) -> list[Document]:
        latest: dict[str, Document] = {}
        rejected: dict[str, str] = {}
        before = self.offered
        for record in records:
            self._take_in(self._senders.ready())
            try:
                document, reason = self._read(record)
            except BadInput as problem:
                self.bad_records.append(str(problem))
                self._afoot[f"bad {len(self.bad_records)}"] = before
                continue
            finally:
                self.offered += 1
            earlier = latest.pop(document.key, None)
            if earlier and self.courier.is_older(document, earlier):
                document, reason = earlier, rejected[document.key]
            latest[document.key] = document
            rejected[document.key] = reason
        self._await_same(latest.values())
        self._receive(latest.values())
        refused = {key: reason for key, reason in rejected.items() if reason}
        if refused:
            # Until each has its outcome: another run may be at one of them.
            self._set_afoot([latest[key] for key in refused], before)
            known = self.ledger.lookup(self.courier.stream, refused)
            self._settle_all(
                [
                    (
                        document := latest.pop(key),
                        self._late(document, known) or Outcome(Status.REJECTED, reason),
                    )
                    for key, reason in refused.items()
                ]
            )
        return list(latest.values())

    def _late(self, document: Document, known: Mapping[str, Entry]) -> Outcome | None:
        """Return what becomes of an older version than the one that came last, as by a replay.

        Whatever became of that one: the source waits for the answer to it. Nor does anything
        become of a document while the target is still at an earlier sending of it.
        """
        entry = known.get(document.key)
        if entry and entry.status in OPEN and (busy := self.courier.under_way(entry)):
            return replace(busy, late=True)
        if not (entry and entry.key == document.key and self.courier.is_older(document, entry)):
            return None
        reason = f"an older version: that of {entry.version} came in already, and counts"
        return Outcome(Status.SKIPPED, reason, late=True)

    def _receive(self, received: Iterable[Document]) -> None:
        if self.singer:
            documents = list(received)
            self.ledger.receive(self.courier.stream, documents, self.singer, self.run_id)

    def _read(self, record: Mapping[str, Any]) -> tuple[Document, str]:
        """Return the document of a record and why it is rejected, if so. Raises BadInput."""
        try:
            document, reason = self.courier.prepare(record), ""
        except Rejected as error:
            try:
                document, reason = self.courier.identify(record), str(error)
            except BadInput as problem:
                msg = f"{problem} ({error})"
                raise BadInput(msg) from None
        if not storable(document.key, KEY_LENGTH):
            msg = f"a record of {self.courier.stream} has a key that cannot be stored"
            raise BadInput(msg)
        if not (storable(document.natural_key) and storable(document.version)):
            reason = reason or "its number or version holds characters that cannot be stored"
            document = replace(document, natural_key="", version="", label="")
        if document.label:
            # A later run that settles it has nothing but the ledger to name it by.
            named = {**document.detail, "label": document.label}
            document = replace(document, detail=named)
        if self.singer and self.options.keep_records:
            document = replace(document, record=record)
        return document, reason

    def _not_restless(
        self, freed: Sequence[Document], surveys: Mapping[str, int]
    ) -> list[Document]:
        """Leave those to the next run that others wrote after each of many surveys."""
        going = []
        for document in freed:
            if surveys[document.key] < MAX_SURVEYS:
                going.append(document)
                continue
            self._tell(document, Outcome(Status.NOT_SENT, "other runs kept changing it"))
        return going

    def _wait_for(
        self, contested: Sequence[Document], waited: float
    ) -> tuple[list[Document], float]:
        """Wait while other runs have these in flight; return what is to be surveyed again.

        `waited` is how many seconds were spent so before, for this wave; it comes back with it.
        """
        stream = self.courier.stream
        while True:
            left = self.ledger.take_over(stream, self.run_id)
            if left:
                self._settle_left(left)
            busy = self.ledger.in_flight_elsewhere(stream, contested, self.run_id)
            if not busy:
                return list(contested), waited
            if self.stopping() or waited >= self.options.claim_wait:
                break
            if not waited:
                logger.info(
                    "%s: %d document(s) are in flight in another run; waiting for it",
                    *(stream, len(contested)),
                )
            self.sleep(CLAIM_GLANCE)
            waited += CLAIM_GLANCE
        freed = []
        for document in contested:
            if words := busy.get(document.key):
                # The row is the other run's: only its own words go into it.
                self._tell(document, Outcome(Status.NOT_SENT, f"{words} still has it in flight"))
            else:
                freed.append(document)
        return freed, waited

    def _survey(self, wave: Sequence[Document], *, again: Container[str] = frozenset()) -> None:
        """Begin to look at the target for a wave; `_set_out` goes on from there.

        What is in `again` had its answer lost, perhaps among others': it goes by itself.
        """
        known, seen = self._known(wave)
        wave = self._without_stuck(wave, known)
        self._contested += (contested := self._busy(wave, known))
        wave = [document for document in wave if document not in contested]
        self._skipped |= {
            entry.key: entry.reason for entry in known.values() if entry.status is Status.SKIPPED
        }
        late = {document.key: late for document in wave if (late := self._late(document, known))}
        looked_at = [document for document in wave if document.key not in late]
        look = self._look_beside(looked_at, known) if looked_at else dict
        self._surveyed.append(Surveyed(wave, seen, late, look, again))

    def _look_beside(
        self, wave: Sequence[Document], known: Mapping[str, Entry]
    ) -> Callable[[], Mapping[str, Outcome | Any]]:
        """Have the courier look, beside what is being sent; what is returned waits for the end."""
        if self._senders.alone or not self._senders.busy:
            found = self.courier.survey(wave, known)
            return lambda: found
        errand = self._senders.errand(lambda: self.courier.survey(wave, known))

        def wait() -> Mapping[str, Outcome | Any]:
            while not errand.done():
                self._take_in(self._senders.collect(until=errand))
            return errand.result()

        return wait

    def _set_out(self) -> None:
        """Take the wave that was surveyed first: settle what is not to be sent, intend the rest."""
        surveyed = self._surveyed.popleft()
        judged = {**surveyed.late, **surveyed.look()}
        pairs = [(document, judged[document.key]) for document in surveyed.wave]
        self._settle_unsent([pair for pair in pairs if isinstance(pair[1], Outcome)], surveyed.seen)
        unsettled = [pair for pair in pairs if not isinstance(pair[1], Outcome)]
        pending = self._set_aside(unsettled, surveyed)
        intended = self.ledger.intend(
            self.courier.stream,
            [document for document, _ in pending],
            self.run_id,
            seen=surveyed.seen,
        )
        self._fences |= intended.fences
        self._contested += [one for one, _ in pending if one.key in intended.contested]
        self._senders.put(
            [
                Parcel(one, plan, self.courier.weight(one, plan), one.key in surveyed.again)
                for one, plan in pending
                if one.key not in intended.contested
            ]
        )

    def _set_aside(
        self,
        pending: Sequence[tuple[Document, Any]],
        surveyed: Surveyed,  # noqa: ARG002
    ) -> Sequence[tuple[Document, Any]]:
        """Return what is sent now; a kind of delivery may keep some of it for another way."""
        return pending

    def _settle_unsent(
        self, outcomes: Sequence[tuple[Document, Outcome]], seen: Mapping[str, int]
    ) -> None:
        """Commit what the survey found; what others have written since is contested."""
        fences = {document.key: seen.get(document.key, 0) for document, _ in outcomes}
        overtaken = self._commit(outcomes, fences)
        for document, outcome in outcomes:
            if document.key in overtaken:
                self._contested.append(document)
            else:
                self._tell(document, outcome)

    def _busy(self, wave: Sequence[Document], known: Mapping[str, Entry]) -> list[Document]:
        """Return what another living run has in flight: judging it now would be too early."""
        if not any(e.status in OPEN and e.run_id != self.run_id for e in known.values()):
            return []
        busy = self.ledger.in_flight_elsewhere(self.courier.stream, wave, self.run_id)
        return [document for document in wave if document.key in busy]

    def _known(self, wave: Sequence[Document]) -> tuple[dict[str, Entry], dict[str, int]]:
        """Return what the ledger knows of documents, and the revisions of all that is near them."""
        entries = self.ledger.neighbours(self.courier.stream, wave)
        seen = {entry.key: entry.revision for entry in entries}
        by_key = {entry.key: entry for entry in entries}
        by_natural = latest_holders(entries)
        known = {
            document.key: entry
            for document in wave
            if (entry := by_key.get(document.key) or by_natural.get(document.natural_key))
        }
        return known, seen

    def _without_stuck(
        self, wave: Sequence[Document], known: Mapping[str, Entry]
    ) -> list[Document]:
        """Leave out what was given up and has not changed since; say so each time."""
        going = []
        for document in wave:
            entry = known.get(document.key)
            if (
                entry
                and entry.key == document.key
                and entry.status is Status.STUCK
                and entry.fingerprint == document.fingerprint
            ):
                self.tally[Status.STUCK] += 1
                logger.error("%s: still stuck, and not sent: %s", document, entry.reason)
                self._forget(document)
            else:
                going.append(document)
        return going

    def _take_in(self, landed: Sequence[tuple[Parcel, Sent]]) -> None:
        """Commit what came of documents that were sent."""
        if not landed:
            return
        found = [(parcel.document, self._land(sent)) for parcel, sent in landed]
        doubts = [pair for pair in found if pair[1].status is Status.IN_DOUBT]
        self._enter_doubt(doubts)
        self._doubtful += [document for document, _ in doubts]
        self._settle_all([pair for pair in found if pair[1].status is not Status.IN_DOUBT])

    def _send(self, group: Sequence[Parcel]) -> list[Sent]:
        """Send one request and take note of its exchanges; runs in a thread of its own."""
        if not self.ledger.in_charge:
            return [Sent(LedgerError(OVERDUE))] * len(group)
        if len(group) > 1:
            return self.courier.send_together([(one.document, one.plan) for one in group])
        with recorded() as exchanges:
            try:
                result: Outcome | DeliveryError = self.courier.send(
                    group[0].document, group[0].plan
                )
            except DeliveryError as error:
                result = error
        return [Sent(result, tuple(exchanges))]

    def _land(self, sent: Sent) -> Outcome:
        """Return what came of one send."""
        result = sent.result
        match result:
            case Outcome():
                outcome = result
            case Rejected() | Refused():
                outcome = Outcome(Status.REJECTED, str(result))
            case InDoubt():
                outcome = Outcome(Status.IN_DOUBT, str(result))
            case _:
                outcome = Outcome(Status.NOT_SENT, str(result))
        request_id = outcome.request_id or _request_id(result)
        return replace(outcome, request_id=request_id, exchanges=sent.exchanges)

    def _read_back(self, doubtful: Sequence[Document], spent: Container[str]) -> list[Document]:
        """Settle what the target holds; return what it does not, to be sent again.

        What is in `spent` has been sent as often as a run may.
        """
        if not doubtful:
            return []
        self.sleep(self.options.read_back_wait)
        entries = self.ledger.lookup(self.courier.stream, (document.key for document in doubtful))
        mine = [e for e in entries.values() if e.revision == self._fences.get(e.key)]
        try:
            held, unreadable = self._look(mine)
        except ApiError as error:
            held, unreadable = {}, {entry.key: error for entry in mine}
        absent = []
        for document in doubtful:
            entry = entries[document.key]
            if entry not in mine:
                absent.append(document)  # another run has settled it: survey it again
            elif document.key in unreadable:
                reason = f"reading back failed: {unreadable[document.key]}"
                self._settle(document, Outcome(Status.IN_DOUBT, reason))
            elif document.key in held:
                self._settle(document, held[document.key])
            elif entry.doubts >= self.options.max_lost_answers:
                self._settle(document, self._giving_up(entry))
            elif document.key in spent or self.stopping():
                reason = "the answer was lost each time, and it is not in the target"
                self._settle(document, Outcome(Status.NOT_SENT, reason, read_back=True))
            else:
                absent.append(document)
        return absent

    def _giving_up(self, entry: Entry, error: ApiError | None = None) -> Outcome:
        """Return the end of the trying: whether it is in the target may not even be known."""
        where = f"and reading back failed: {error}" if error else "and it is not in the target"
        times = entry.doubts + (error is not None)
        reason = (
            f"its answers were lost {times} times in a row, {where}; it is not sent "
            "again until its content changes or somebody replays it (singer-delivery replay)"
        )
        return Outcome(Status.STUCK, reason, read_back=error is None)

    def _commit(
        self, outcomes: Sequence[tuple[Document, Outcome]], fences: Mapping[str, int]
    ) -> set[str]:
        """Commit outcomes together; return the keys that other runs have written since `fences`."""
        stream = self.courier.stream
        overtaken = self.ledger.settle_many(stream, outcomes, self.run_id, fences=fences)
        for document, outcome in outcomes:
            if document.key in overtaken:
                logger.info("%s: another run is at it", document)
            elif document.key in fences and not outcome.late:
                self._fences[document.key] = fences[document.key] + 1
        return overtaken

    def _enter_doubt(self, doubts: Sequence[tuple[Document, Outcome]]) -> None:
        """Commit that answers were lost; what became of these documents follows."""
        overtaken = self._commit(doubts, {one.key: self._fences[one.key] for one, _ in doubts})
        for document, outcome in doubts:
            if document.key not in overtaken:
                logger.warning("%s: in doubt, reading back (%s)", document, outcome.reason)

    def _settle(self, document: Document, outcome: Outcome) -> None:
        self._settle_all([(document, outcome)])

    def _settle_all(self, outcomes: Sequence[tuple[Document, Outcome]]) -> None:
        """Commit outcomes together, and tell each."""
        keys = {document.key for document, _ in outcomes}
        overtaken = self._commit(outcomes, {k: f for k, f in self._fences.items() if k in keys})
        for document, outcome in outcomes:
            if document.key in overtaken:
                words = f"another run has taken it over (this one: {outcome.status.value})"
                self._tell(document, Outcome(Status.NOT_SENT, words))
            else:
                self._tell(document, outcome)

    def _tell(self, document: Document, outcome: Outcome) -> None:
        skipped = outcome.status is Status.SKIPPED
        again = skipped and self._skipped.get(document.key) == outcome.reason
        self._report(str(document), document.detail, outcome, document.version, again=again)
        if outcome.status not in OPEN_ENDS:
            self._forget(document)

    def _forget(self, document: Document) -> None:
        """Have it under way no longer: it has its outcome."""
        for name in _names(document):
            self._afoot.pop(name, None)
        self._fences.pop(document.key, None)
        self._skipped.pop(document.key, None)

    def _report(
        self,
        label: str,
        detail: Mapping[str, Any],
        outcome: Outcome,
        version: str,
        *,
        again: bool = False,
    ) -> None:
        """Count an outcome and say it in one line; `again`: an earlier run said the same."""
        self.tally[outcome.status] += 1
        if outcome.status is Status.STUCK:
            self.stuck.append(label)
        loud = logging.INFO if outcome.status in _QUIET else logging.WARNING
        level = logging.DEBUG if again else loud
        logger.log(
            level,
            "%s: %s%s%s",
            label,
            outcome.status.value.replace("_", " "),
            f" as {outcome.remote_key}" if outcome.remote_key else "",
            f": {outcome.reason}" if outcome.reason else "",
            extra={
                "run_id": self.run_id,
                "stream": self.courier.stream,
                "document_version": version,
                "remote_request_id": outcome.request_id,
                **{
                    f"document_{name}": value
                    for name, value in detail.items()
                    if not name.startswith("_")
                },
            },
        )


#: What becomes of a document that has to be offered again.
OPEN_ENDS = frozenset({Status.IN_DOUBT, Status.NOT_SENT})
_QUIET = frozenset({Status.DELIVERED, Status.UNCHANGED, Status.ACCEPTED, Status.SKIPPED})


#: So often one document is surveyed in a run because another run has written it meanwhile.
MAX_SURVEYS = 20
#: Seconds between two looks at what another run has in flight.
CLAIM_GLANCE = 0.5
OVERDUE = (
    "this run was held up for longer than its claims last (claim_lease_seconds), and another may "
    "have taken over its documents; nothing more is sent"
)


def waves(batch: Iterable[Document]) -> Iterator[list[Document]]:
    """Split a batch so that no wave holds one natural key twice, keeping the order of each key.

    The second document under a natural key is then judged after the first one has its outcome.
    """
    rounds: list[list[Document]] = []
    seen: Counter[str] = Counter()
    for document in batch:
        index = seen[document.natural_key] if document.natural_key else 0
        seen[document.natural_key] += 1
        if index == len(rounds):
            rounds.append([])
        rounds[index].append(document)
    yield from rounds


def _names(document: Document) -> set[str]:
    """Return what a document is known by, both kinds of key apart."""
    natural = {f"number {document.natural_key}"} if document.natural_key else set()
    return {f"key {document.key}", *natural}


def _found(outcomes: Mapping[str, Outcome]) -> dict[str, Outcome]:
    return {key: replace(outcome, read_back=True) for key, outcome in outcomes.items()}


def _request_id(error: Outcome | DeliveryError) -> str:
    return (error.request_id or "") if isinstance(error, ApiError) else ""
