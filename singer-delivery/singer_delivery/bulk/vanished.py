"""What a complete crawl no longer shows, within limits that a mistake does not get past."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from singer_delivery.bulk.courier import BulkCourier
from singer_delivery.bulk.spool import Spool
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.document_rows import WITHDRAWN
from singer_delivery.ledger import Ledger

logger = logging.getLogger(__name__)

PAGE = 500
#: No content has this fingerprint: a record that shows up again is sent again.
FINGERPRINT = "withdrawn"


@dataclass(frozen=True)
class Limits:
    """How much of what is held of a source and resource may vanish in one run."""

    percent: float
    floor: int

    def allow(self, vanished: int, held: int) -> bool:
        """Tell whether so many of those held may be withdrawn."""
        return vanished <= self.floor or vanished * 100 <= self.percent * held


@dataclass(frozen=True)
class Vanishing:
    """Finds what vanished from a source. `max_tries` bounds how often one is tried."""

    ledger: Ledger
    spool: Spool
    limits: Limits
    max_tries: int

    def find(self, source: str, stream: str) -> str:
        """Keep in the spool what vanished; return why it must not be withdrawn, else ""."""
        scopes = self.spool.scopes(source)
        held = vanished = 0
        for page in self._pages(source, stream):
            covered = [key for key, scope in page if scope in scopes]
            gone = self._gone(source, stream, self.spool.unseen(stream, covered))
            self.spool.vanish(stream, source, gone)
            held += len(covered)
            vanished += len(gone)
        if not scopes and self.ledger.count_held(stream, source):
            logger.warning("%s: the crawl was empty; nothing of %s is withdrawn", source, stream)
        if self.limits.allow(vanished, held):
            return ""
        return (
            f"{vanished} of {held} {stream} ({vanished * 100 // held} %) are missing from a "
            f"complete crawl of {source}, and max_vanished_percent allows {self.limits.percent:g} "
            "%: none of them is inactivated. Check the source and its filters; if they are really "
            f"gone, run once with max_vanished_percent {-(-vanished * 100 // held)}"
        )

    def _pages(self, source: str, stream: str) -> Iterator[list[tuple[str, str]]]:
        after = ""
        while page := self.ledger.held_keys(stream, source, after=after, limit=PAGE):
            after = page[-1][0]
            yield page

    def _gone(self, source: str, stream: str, unseen: Collection[str]) -> list[str]:
        entries = self.ledger.lookup(stream, unseen).values()
        gone = [entry for entry in entries if not self._exhausted(entry)]
        # A record that came, but could not be used this time, has not vanished.
        records = [str(entry.detail.get("_record", "")) for entry in gone]
        unmapped = self.spool.refused(source, records)
        return [
            entry.key for entry, record in zip(gone, records, strict=True) if record not in unmapped
        ]

    def _exhausted(self, entry: Entry) -> bool:
        refused = entry.version == WITHDRAWN and entry.status is Status.REJECTED
        return refused and int(entry.detail.get("tries", 0)) >= self.max_tries


def withdrawals(
    ledger: Ledger,
    spool: Spool,
    courier: BulkCourier,
    source: str,
    skip: Callable[[Document, Outcome], None],
) -> Iterator[Document]:
    """Yield what withdraws the vanished documents; `skip` gets those that need nothing."""
    for keys in spool.vanished(courier.stream, source):
        for entry in ledger.lookup(courier.stream, keys).values():
            made = courier.withdrawal(entry)
            if made is None:
                plain = Document(entry.key, None, FINGERPRINT)
                reason = "it vanished from its source, and there is nothing to inactivate"
                skip(_withdrawing(plain, entry), Outcome(Status.SKIPPED, reason))
            else:
                yield _withdrawing(made, entry)


def _withdrawing(document: Document, entry: Entry) -> Document:
    tried = entry.version == WITHDRAWN
    tries = {"tries": entry.detail.get("tries", 0) if tried else 0}
    return replace(
        document,
        key=entry.key,
        version=WITHDRAWN,
        fingerprint=FINGERPRINT,
        label=document.label or str(entry.detail.get("label", "")),
        detail={**entry.detail, **document.detail, **tries},
        source=entry.source,
        scope=entry.scope,
    )
