"""The seam between delivery, which is the same everywhere, and a system that is delivered to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.dispatch import Dispatch
from singer_delivery.document import Document, Entry, Outcome
from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.exchanges import Exchange


@dataclass(frozen=True)
class Sent:
    """What came of sending a document, and the requests that it took."""

    result: Outcome | DeliveryError
    exchanges: Sequence[Exchange] = ()


class Courier(ABC):
    """One system's way of delivering the documents of one stream."""

    #: The ledger's name for these documents.
    stream: str

    @abstractmethod
    def prepare(self, record: Mapping[str, Any]) -> Document:
        """Turn a record into a document, without asking anybody.

        Raises Rejected with the reason when the record cannot become one.
        """

    @abstractmethod
    def identify(self, record: Mapping[str, Any]) -> Document:
        """Return key, version, label and detail of a record that `prepare` rejected.

        The payload is None. Raises BadInput when not even the key is there.
        """

    def is_older(self, one: Document, other: Document | Entry) -> bool:  # noqa: ARG002
        """Tell whether one is an earlier version of the other, so that the other counts.

        Without an answer, the one that came last does.
        """
        return False

    def under_way(self, entry: Entry) -> Outcome | None:  # noqa: ARG002
        """Return why a document is left alone for now: the target is still at what was sent of it.

        None for what only reading back can tell, as where nothing is carried out later.
        """
        return None

    @abstractmethod
    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        """Look at the target once for the whole batch and decide what each document needs.

        `known` holds the ledger's entries by document key. Returns, by key, an Outcome
        (UNCHANGED, REJECTED) where nothing is to be sent, else the plan to hand to `send`.
        """

    @abstractmethod
    def send(self, document: Document, plan: Any) -> Outcome:
        """Send one document; called from several threads.

        Raises Rejected or Refused (the document's fault), InDoubt, Unavailable or AccessDenied.
        """

    def send_together(self, pairs: Sequence[tuple[Document, Any]]) -> list[Sent]:
        """Send several documents with their plans in one request; called from several threads.

        Returns what came of each, in their order: each is taken or not by itself, and whole. Only
        for couriers whose deliveries are asked to send several (`DeliveryOptions.together`).
        """
        raise NotImplementedError

    def weight(self, document: Document, plan: Any) -> int:  # noqa: ARG002
        """Return how much a document makes of a request that several share."""
        return 1

    def dispatch(self, document: Document, plan: Any = None) -> Dispatch:  # noqa: ARG002
        """Return what `send` would put on the wire, without asking anybody.

        Without a plan: for a target that holds nothing of the document. Raises InDoubt where the
        target has to be read back first, and SetupError where this cannot be told.
        """
        msg = f"what is sent of {self.stream} cannot be told ahead"
        raise SetupError(msg)

    @abstractmethod
    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        """Return the outcome of those documents that the target holds whole, by key.

        Removes what is there by half. A key that is missing is not in the target.
        """

    def unhindered(self, entries: Sequence[Entry]) -> Sequence[Entry]:  # noqa: ARG002
        """Return those rejected documents whose hindrance has passed, to be delivered now.

        Raises ApiError when it cannot be asked.
        """
        return ()

    def confirm(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:  # noqa: ARG002
        """Return what became of documents that an earlier run left as ACCEPTED, by key.

        A key that is missing is still in progress. Raises ApiError when it cannot be asked.
        """
        return {}
