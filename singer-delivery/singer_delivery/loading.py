"""Loading what waits into requests: merged with what the ledger knows, sized, packed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from singer_delivery.bulk_book import Book
from singer_delivery.bulk_courier import BulkCourier
from singer_delivery.bulk_sending import Shipment
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import Rejected
from singer_delivery.intake import tries, with_known
from singer_delivery.packing import fewest, packs
from singer_delivery.spool import Spool

logger = logging.getLogger(__name__)


@dataclass
class Loading:
    """Makes shipments of what waits in the spool; `rejected` counts what cannot be sent."""

    book: Book
    spool: Spool
    rejected: Counter[str] = field(default_factory=Counter)
    _records: Counter[str] = field(default_factory=Counter)
    _bytes: Counter[str] = field(default_factory=Counter)

    def shipments(self, couriers: Iterable[BulkCourier]) -> Iterator[Shipment]:
        """Yield full requests, resource by resource, reading no further than they need."""
        for courier in couriers:
            logger.info("%s: %d to be sent", courier.stream, self.spool.count(courier.stream))
            sized = self._sized(courier)
            for pack in packs(sized, max_records=courier.max_records, max_bytes=courier.max_bytes):
                yield Shipment(courier, pack.items, pack.size)

    def fewest(self, courier: BulkCourier) -> int:
        """Return how many requests the limits ask for at least, for what was loaded."""
        return fewest(
            *(self._records[courier.stream], self._bytes[courier.stream]),
            max_records=courier.max_records,
            max_bytes=courier.max_bytes,
        )

    def _sized(self, courier: BulkCourier) -> Iterator[tuple[Document, int]]:
        """Yield what is to be sent with its bytes; settle what cannot be."""
        stream = courier.stream
        for page in self.spool.pages(stream):
            known = self.book.ledger.lookup(stream, (document.key for document in page))
            rejected = []
            for document in page:
                entry = known.get(document.key)
                try:
                    merged = _merged(courier, document, entry)
                    size = _fitting(courier, merged)
                except Rejected as error:
                    outcome = Outcome(Status.REJECTED, str(error))
                    rejected.append((with_known(document, entry), outcome))
                    continue
                self._records[stream] += 1
                self._bytes[stream] += size
                yield merged, size
            self.rejected[stream] += len(rejected)
            self.book.settle(stream, rejected)


def _merged(courier: BulkCourier, document: Document, known: Entry | None) -> Document:
    """Return what is sent, and kept in the ledger. May raise Rejected."""
    merged = courier.merge(document, known)
    same = known is not None and known.fingerprint == document.fingerprint
    kept = {"tries": tries(known) if same else 0}
    named = {"label": document.label} if document.label else {}
    return replace(
        merged,
        key=document.key,
        fingerprint=document.fingerprint,
        source=document.source,
        scope=document.scope,
        detail={**document.detail, **merged.detail, **kept, **named},
    )


def _fitting(courier: BulkCourier, document: Document) -> int:
    size = courier.size(document)
    if size > courier.max_bytes:
        msg = f"it takes {size:,} bytes, and a request may have {courier.max_bytes:,}"
        raise Rejected(msg)
    return size
