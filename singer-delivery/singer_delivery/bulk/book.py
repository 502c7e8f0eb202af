"""Outcomes of a bulk delivery: committed to the ledger, counted, and told where they matter."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.exchanges import Exchange
from singer_delivery.ledger import Ledger

logger = logging.getLogger(__name__)

#: Documents of a stream that were taken with a remark and get a line each; the ledger has all.
REMARKS = 100
#: Statuses that hold back the STATE.
UNFINISHED = frozenset({Status.IN_DOUBT, Status.NOT_SENT})


@dataclass
class Book:
    """Settles, counts by stream and status, and logs a line for what was rejected or remarked."""

    ledger: Ledger
    run_id: str
    tally: Counter[tuple[str, Status]] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)

    def settle(
        self,
        stream: str,
        outcomes: Sequence[tuple[Document, Outcome]],
        exchanges: Sequence[Exchange] = (),
    ) -> None:
        """Commit and count what became of documents of different keys.

        `exchanges` are those that it took for all of them together.
        """
        told = [(document, _with_tries(outcome, document.detail)) for document, outcome in outcomes]
        self.ledger.settle_many(stream, told, self.run_id, exchanges=exchanges)
        for document, outcome in told:
            if outcome.status is not Status.IN_DOUBT:  # it is not the end of it
                self._count(stream, outcome)
                self._tell(stream, document, outcome)

    def settle_accepted(self, outcomes: Sequence[tuple[Entry, Outcome]], *, own: bool) -> None:
        """Commit and count what became of accepted documents; `own`: accepted in this run."""
        told = [(entry, _with_tries(outcome, entry.detail)) for entry, outcome in outcomes]
        self.ledger.settle_entries(told, self.run_id)
        for entry, outcome in told:
            if own:
                self.tally[entry.stream, Status.ACCEPTED] -= 1
            self._count(entry.stream, outcome)
            self._tell(entry.stream, entry, outcome)

    def exchanged(self, stream: str, exchanges: Sequence[Exchange], documents: int) -> None:
        """Commit to the audit trail what was sent and answered for so many documents."""
        self.ledger.note_exchanges(stream, exchanges, {"documents": documents}, self.run_id)

    def not_sent(self, stream: str, documents: Sequence[Document], reason: str) -> None:
        """Commit that documents are certainly not in the target; one line for all of them."""
        if documents:
            outcome = Outcome(Status.NOT_SENT, reason)
            self.ledger.settle_many(stream, [(one, outcome) for one in documents], self.run_id)
            self.count_not_sent(stream, len(documents), reason)

    def count_not_sent(self, stream: str, number: int, reason: str) -> None:
        """Count documents that were not even intended; the ledger need not know them."""
        if number:
            self.tally[stream, Status.NOT_SENT] += number
            logger.warning("%s: %d not sent: %s", stream, number, reason)

    def unfinished(self) -> dict[str, int]:
        """Return how many documents have no outcome, by stream."""
        found: Counter[str] = Counter()
        for (stream, status), number in self.tally.items():
            if status in UNFINISHED and number:
                found[stream] += number
        return dict(found)

    def _count(self, stream: str, outcome: Outcome) -> None:
        self.tally[stream, outcome.status] += 1

    def _tell(self, stream: str, subject: Document | Entry, outcome: Outcome) -> None:
        match outcome.status:
            case Status.REJECTED | Status.SKIPPED:
                pass
            case Status.DELIVERED if outcome.reason:
                self.remarks[stream] += 1
                if self.remarks[stream] > REMARKS:
                    return
            case _:
                return
        skipped = outcome.status is Status.SKIPPED
        logger.log(
            logging.INFO if skipped else logging.WARNING,
            *("%s: %s: %s: %s", stream, subject, outcome.status.value, outcome.reason),
            extra={
                "run_id": self.run_id,
                "stream": stream,
                "remote_request_id": outcome.request_id,
                **{f"document_{k}": v for k, v in subject.detail.items() if not k.startswith("_")},
            },
        )


def _with_tries(outcome: Outcome, detail: Mapping[str, Any]) -> Outcome:
    """Count how often this content was rejected by the target."""
    if outcome.status is not Status.REJECTED or "tries" not in detail:
        return outcome
    return replace(outcome, detail={**outcome.detail, "tries": detail["tries"] + 1})
