"""Delivering a batch: every document gets a durable outcome, none is sent twice unread.

    prepare -> survey the target -> commit the intents -> send -> commit each outcome
                                                           |
                        in doubt -> read the target back --+-> send again what is not there

The ledger is written by the thread that runs the batch; only `Courier.send` runs in parallel.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any

from singer_delivery.courier import Courier
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import (
    ApiError,
    BadInput,
    DeliveryError,
    InDoubt,
    Refused,
    Rejected,
    SetupError,
    Unavailable,
)
from singer_delivery.ledger import Ledger
from singer_delivery.schema import KEY_LENGTH, storable

logger = logging.getLogger(__name__)

#: So many documents in a row that could not be sent at all mean that the system is down.
OUTAGE = 3


@dataclass(frozen=True)
class DeliveryOptions:
    """How a batch is delivered. Times in seconds.

    `max_sends` bounds how often one document is sent in a run, when reading back shows that it
    did not arrive. `read_back_wait` gives the target time to finish what was cut off.
    """

    connections: int = 8
    max_sends: int = 3
    read_back_wait: float = 2.0

    def __post_init__(self) -> None:
        if self.connections < 1 or self.max_sends < 1 or self.read_back_wait < 0:
            msg = "max_connections and max_sends must be 1 or more, and no wait below 0"
            raise SetupError(msg)


@dataclass
class Delivery:
    """Delivers batches of one stream; `tally` counts the outcomes of the run."""

    courier: Courier
    ledger: Ledger
    run_id: str
    options: DeliveryOptions = field(default_factory=DeliveryOptions)
    stopping: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = time.sleep
    tally: Counter[Status] = field(default_factory=Counter)
    bad_records: list[str] = field(default_factory=list)
    # Why documents of the current wave were skipped by an earlier run, by key.
    _skipped: dict[str, str] = field(default_factory=dict)

    def settle_leftovers(self) -> None:
        """Read back what an earlier run left in doubt, before anything new is sent."""
        self._confirm_accepted()
        left = self.ledger.open_entries(self.courier.stream)
        if not left:
            return
        logger.info("%s: reading back %d document(s) in doubt", self.courier.stream, len(left))
        held = self.courier.read_back(left)
        absent = Outcome(Status.NOT_SENT, "an interrupted run did not get it there")
        for entry in left:
            outcome = held.get(entry.key, absent)
            self.ledger.settle_entry(entry, outcome, self.run_id)
            if outcome is absent:
                # No STATE covers it: the source offers it again, and it is sent then.
                logger.info("%s: %s; it is sent when offered again", entry, absent.reason)
            else:
                self._report(str(entry), entry.detail, outcome, entry.version)

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
        for wave in waves(self._prepare(records)):
            self._deliver(wave)

    def _prepare(self, records: Iterable[Mapping[str, Any]]) -> list[Document]:
        latest: dict[str, Document] = {}
        rejected: dict[str, str] = {}
        for record in records:
            try:
                document, reason = self._read(record)
            except BadInput as problem:
                self.bad_records.append(str(problem))
                continue
            latest.pop(document.key, None)
            latest[document.key] = document
            rejected[document.key] = reason
        for key, reason in rejected.items():
            if reason:
                self._settle(latest.pop(key), Outcome(Status.REJECTED, reason))
        return list(latest.values())

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
        return document, reason

    def _deliver(self, wave: Sequence[Document]) -> None:
        self._skipped.clear()
        for sends in range(1, self.options.max_sends + 1):
            pending = self._survey(wave)
            if not pending:
                return
            doubtful = self._send_all(pending)
            wave = self._read_back(doubtful, last=sends == self.options.max_sends)

    def _survey(self, wave: Sequence[Document]) -> list[tuple[Document, Any]]:
        """Settle what needs no sending; return the others with their plans."""
        if not wave:
            return []
        known = self._known(wave)
        self._skipped |= {
            entry.key: entry.reason for entry in known.values() if entry.status is Status.SKIPPED
        }
        surveyed = self.courier.survey(wave, known)
        pending: list[tuple[Document, Any]] = []
        for document in wave:
            decision = surveyed[document.key]
            if isinstance(decision, Outcome):
                self._settle(document, decision)
            else:
                pending.append((document, decision))
        return pending

    def _known(self, wave: Sequence[Document]) -> dict[str, Entry]:
        stream = self.courier.stream
        by_natural = self.ledger.lookup_natural(stream, (d.natural_key for d in wave))
        by_key = self.ledger.lookup(stream, (d.key for d in wave))
        return {
            document.key: entry
            for document in wave
            if (entry := by_key.get(document.key) or by_natural.get(document.natural_key))
        }

    def _send_all(self, pending: Sequence[tuple[Document, Any]]) -> list[Document]:
        """Send in parallel; return what is in doubt. Raises after everything in flight settled."""
        self.ledger.intend(self.courier.stream, [document for document, _ in pending], self.run_id)
        doubtful: list[Document] = []
        queue, outage = iter(pending), _Outage()
        with ThreadPoolExecutor(self.options.connections) as pool:
            flying: dict[Future[Outcome], Document] = {}
            while True:
                while len(flying) < self.options.connections and not self._halted(outage):
                    following = next(queue, None)
                    if following is None:
                        break
                    flying[pool.submit(self.courier.send, *following)] = following[0]
                if not flying:
                    break
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    document = flying.pop(future)
                    if self._land(document, future, outage):
                        doubtful.append(document)
        for document, _ in queue:
            self._settle(document, Outcome(Status.NOT_SENT, "the run stopped before it was sent"))
        if outage.fatal:
            raise outage.fatal
        return doubtful

    def _halted(self, outage: _Outage) -> bool:
        return outage.fatal is not None or self.stopping()

    def _land(self, document: Document, future: Future[Outcome], outage: _Outage) -> bool:
        """Commit what came of one send; return whether it is in doubt."""
        try:
            outcome = future.result()
        except (Rejected, Refused) as error:
            outcome = Outcome(Status.REJECTED, str(error), request_id=_request_id(error))
            outage.clear()
        except InDoubt as error:
            outcome = Outcome(Status.IN_DOUBT, str(error), request_id=_request_id(error))
        except Unavailable as error:
            outcome = Outcome(Status.NOT_SENT, str(error), request_id=_request_id(error))
            outage.count(error)
        except DeliveryError as error:
            # Credentials, settings, a foreign address: the same for every other document.
            outcome = Outcome(Status.NOT_SENT, str(error), request_id=_request_id(error))
            outage.fatal = error
        else:
            outage.clear()
        if outcome.status is Status.IN_DOUBT:
            self.ledger.settle(self.courier.stream, document, outcome, self.run_id)
            logger.warning("%s: in doubt, reading back (%s)", document, outcome.reason)
            return True
        self._settle(document, outcome)
        return False

    def _read_back(self, doubtful: Sequence[Document], *, last: bool) -> list[Document]:
        """Settle what the target holds; return what it does not, to be sent again."""
        if not doubtful:
            return []
        self.sleep(self.options.read_back_wait)
        entries = self.ledger.lookup(self.courier.stream, (document.key for document in doubtful))
        try:
            held = self.courier.read_back(list(entries.values()))
        except ApiError as error:
            for document in doubtful:
                self._settle(document, Outcome(Status.IN_DOUBT, f"reading back failed: {error}"))
            return []
        absent = []
        for document in doubtful:
            if document.key in held:
                self._settle(document, held[document.key])
            elif last or self.stopping():
                reason = "the answer was lost each time, and it is not in the target"
                self._settle(document, Outcome(Status.NOT_SENT, reason))
            else:
                absent.append(document)
        return absent

    def _settle(self, document: Document, outcome: Outcome) -> None:
        self.ledger.settle(self.courier.stream, document, outcome, self.run_id)
        skipped = outcome.status is Status.SKIPPED
        again = skipped and self._skipped.get(document.key) == outcome.reason
        self._report(str(document), document.detail, outcome, document.version, again=again)

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


_QUIET = frozenset({Status.DELIVERED, Status.UNCHANGED, Status.ACCEPTED, Status.SKIPPED})


@dataclass
class _Outage:
    """Whether going on makes sense while sends fail."""

    fatal: DeliveryError | None = None
    in_a_row: int = 0

    def count(self, error: Unavailable) -> None:
        self.in_a_row += 1
        if self.in_a_row >= OUTAGE:
            self.fatal = error

    def clear(self) -> None:
        self.in_a_row = 0


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


def _request_id(error: DeliveryError) -> str:
    return (error.request_id or "") if isinstance(error, ApiError) else ""
