"""The invoices that Basware has notified us of, read one by one by their id."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from singer_delivery.errors import Refused
from singer_delivery.secrets.references import reveal

from tap_basware.client import Record
from tap_basware.inbox import Inbox, Noted
from tap_basware.notification import ACCOUNTING_DOCUMENTS
from tap_basware.streams import BaswareStream

INBOX = "inbox"
#: Notifications taken from the inbox at a time; STATE is written after them.
PAGE = 100


class NotedDocuments(BaswareStream):
    """Reads what the inbox names, instead of the list.

    A notification is a hint: the document's own status decides. The bookmark is a position in the
    inbox, with the identity of the inbox that it belongs to.
    """

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[Record]:  # noqa: ARG002
        """Yield the documents noted since the last run. Raises InboxError and ApiError."""
        with closing(self._inbox()) as inbox:
            position = self._position(inbox)
            while noted := inbox.after(position, limit=PAGE):
                yield from map(self._with_keys, self._documents(noted))
                # The SDK has written the last of them when it comes back here.
                position = noted[-1].position
                self.stream_state[INBOX] = {"id": inbox.identity, "position": position}
                self.state_manager.is_flushed = False
                self._write_state_message()
                if len(noted) < PAGE:
                    return

    def probe(self) -> int:
        """Open the inbox, and read one record at most. Raises InboxError and ApiError."""
        self._inbox().close()
        return super().probe()

    def _inbox(self) -> Inbox:
        return Inbox.open(reveal(self.config["inbox_url"], "inbox_url"))

    def _position(self, inbox: Inbox) -> int:
        kept = self.stream_state.get(INBOX) or {}
        if kept.get("id") in (None, inbox.identity):
            return int(kept.get("position") or 0)
        self.logger.warning("this is another inbox than in the last run: it is read from its start")
        return 0

    def _documents(self, noted: Sequence[Noted]) -> Iterator[Record]:
        ids = dict.fromkeys(
            each.document_id for each in noted if each.task_type == ACCOUNTING_DOCUMENTS
        )
        for invoice_id in ids:
            document = self._document(invoice_id)
            if document is None:
                self.logger.info("document %s was noted, but Basware does not have it", invoice_id)
            elif self._is_wanted(document):
                yield document
            else:
                status = document.get("processingStatus")
                self.logger.info("document %s was noted, but is %s now", invoice_id, status)

    def _document(self, invoice_id: str) -> Record | None:
        try:
            return self._tap.client.document(invoice_id)
        except Refused as error:
            # It would be refused in the next run as well; the list has it, if there is one.
            self.logger.warning("document %s was noted, but cannot be read: %s", invoice_id, error)
            return None

    def _is_wanted(self, document: Record) -> bool:
        """Tell whether the list would have it, under the same settings."""
        statuses, companies = (
            self.config.get("processing_statuses"),
            self.config.get("company_codes"),
        )
        mode = self.config.get("p2p_processing_mode") or "Standard"
        return (
            (not statuses or document.get("processingStatus") in statuses)
            and (not companies or document.get("companyCode") in companies)
            and (document.get("p2pProcessingMode") or "Standard") == mode
        )
