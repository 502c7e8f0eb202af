"""The seam between bulk delivery and a system that takes many idempotent upserts a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from singer_delivery.document import Document, Entry, Outcome
from singer_delivery.errors import Refused


@dataclass(frozen=True)
class Receipt:
    """What the answer to one request says.

    `outcomes` holds, by key, what is known already. All other documents of the request are
    ACCEPTED where there is a `request_id` to ask about them with, else DELIVERED.
    """

    request_id: str = ""
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)


class RecordRefusal(Refused):
    """A request that was refused as a whole because of some of its documents.

    `culprits` holds the reason, by key, of those that the answer names; empty when it names none.
    """

    def __init__(
        self,
        message: str,
        *,
        culprits: Mapping[str, str] | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, status=status, request_id=request_id)
        self.culprits = dict(culprits or {})


class BulkCourier(ABC):
    """One system's way of taking the documents of one resource, many a request.

    Lower ranks are sent, and confirmed within limits, before higher ones. A request holds at most
    `max_records` documents, whose `size` adds up to at most `max_bytes`.
    """

    #: The ledger's name of the resource.
    stream: str
    rank: int
    max_records: int
    max_bytes: int

    @abstractmethod
    def size(self, document: Document) -> int:
        """Return the bytes that a document adds to a request's body."""

    @abstractmethod
    def send(self, documents: Sequence[Document]) -> Receipt:
        """Send all of them in one request; called from several threads.

        Raises RecordRefusal or Refused (the whole request was refused: the culprits are rejected,
        and the others sent again), InDoubt (it is repeated), Unavailable or AccessDenied.
        """

    def merge(self, document: Document, known: Entry | None) -> Document:  # noqa: ARG002
        """Return what to send, given what the ledger knows; it keeps key and fingerprint."""
        return document

    @abstractmethod
    def confirm(self, request_id: str, keys: Collection[str]) -> Mapping[str, Outcome]:
        """Look once at what became of an accepted request; called from several threads.

        Returns final outcomes by key; a key that is missing is still in progress. Raises ApiError
        when it cannot be asked.
        """

    @abstractmethod
    def withdrawal(self, entry: Entry) -> Document | None:
        """Return what withdraws a document that vanished from its source; None for nothing."""

    @abstractmethod
    def withdraw(self, document: Document) -> Receipt:
        """Send one withdrawal; called from several threads. Raises as `send` does."""
