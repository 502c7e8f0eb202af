"""Loading what waits into the fewest requests that keep it in order.

Each document is merged with what the ledger knows of it, sized, and packed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from singer_delivery.bulk.book import Book
from singer_delivery.bulk.courier import BulkCourier
from singer_delivery.bulk.intake import tries, with_known
from singer_delivery.bulk.sending import Shipment
from singer_delivery.bulk.spool import Spool
from singer_delivery.document import Document, Entry, Outcome, Status, revised
from singer_delivery.errors import Rejected

logger = logging.getLogger(__name__)

T = TypeVar("T")


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
    return revised(
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


@dataclass
class Pack(Generic[T]):
    """What goes into one request; `size` is the sum of its items' sizes, in bytes."""

    items: list[T] = field(default_factory=list)
    size: int = 0


def packs(sized: Iterable[tuple[T, int]], *, max_records: int, max_bytes: int) -> Iterator[Pack[T]]:
    """Yield packs filled one after the other, each as full as the limits allow.

    No other way of cutting the same order into packs needs fewer of them. An item that is larger
    than `max_bytes` gets a pack of its own. Takes no more items than the pack being filled needs.
    """
    pack: Pack[T] = Pack()
    for item, size in sized:
        full = len(pack.items) == max_records or pack.size + size > max_bytes
        if pack.items and full:
            yield pack
            pack = Pack()
        pack.items.append(item)
        pack.size += size
        if len(pack.items) == max_records:
            yield pack
            pack = Pack()
    if pack.items:
        yield pack


def fewest(records: int, size: int, *, max_records: int, max_bytes: int) -> int:
    """Return a number of requests that no packing of these can go below."""
    return max(-(-records // max_records), -(-size // max_bytes))
