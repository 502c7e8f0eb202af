"""Everything that Basware holds: the store behind the API, for handlers, seeds and tests."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sandbox.basware.documents import DocumentStore
from sandbox.basware.master_data import MasterData
from sandbox.basware.notifications import SUB_TYPES, Notifications
from sandbox.basware.p2p import P2P
from sandbox.basware.paging import Continuations
from sandbox.basware.request_status import OutcomeRule, RequestLog
from sandbox.basware.responses import ResponseDesk
from sandbox.basware.storage import Shelf
from sandbox.basware.tokens import TokenAuthority
from sandbox.basware.validation import Schemas

if TYPE_CHECKING:
    from sandbox.basware.documents import Document
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock

DOCUMENTS = "accountingDocuments"


class BaswareState:
    """Basware P2P as its API shows it. Hold `lock` around anything that reads or writes it."""

    def __init__(self, clock: Clock, switches: BaswareSwitches) -> None:
        self.lock = threading.RLock()
        self.clock = clock
        self.switches = switches
        self.urls: dict[str, str] = {}  # origin -> URL, once served
        self.schemas = Schemas()
        self.tokens = TokenAuthority(clock, switches)
        self.continuations = Continuations(clock, switches)
        self.shelf = Shelf(clock, switches)
        self._p2p = P2P(switches)
        self.log = RequestLog(clock, switches, self._p2p)
        self.invoices = DocumentStore(clock, switches, self.schemas)
        self.notifications = Notifications(clock, switches)
        self.desk = ResponseDesk(clock, switches, self.invoices)
        self.master_data = MasterData(clock, switches, self.schemas, self.log, self._p2p)

    def reset(self) -> None:
        """Empty again; tokens and addresses given out so far are worthless."""
        with self.lock:
            self.tokens.revoke_all()
            self.continuations.clear()
            self.shelf.clear()
            self.log.clear()
            self._p2p.clear()
            self.invoices.documents.clear()
            self.master_data.clear()
            self.notifications.clear()

    def load(self, resources: dict[str, list[dict[str, Any]]]) -> None:
        """Store seeded entities by API name: accountingDocuments, vendors, lists/KEY, …

        Raises KeyError for an unknown API, ValueError for an entity that the API cannot hold.
        """
        with self.lock:
            for name, entities in resources.items():
                if name == DOCUMENTS:
                    for entity in entities:
                        self._notify(self.invoices.load(entity))
                else:
                    self.master_data.load(name, entities)

    def document(self, invoice_id: str) -> dict[str, Any]:
        """One invoice as the API gives it. Raises BaswareError 404."""
        with self.lock:
            return self.invoices.as_json(self.invoices.get(invoice_id))

    def documents(self) -> list[dict[str, Any]]:
        """All invoices as the API gives them, in order of arrival."""
        with self.lock:
            return [self.invoices.as_json(each) for each in self.invoices.documents.values()]

    def records(self, name: str) -> list[dict[str, Any]]:
        """All entities of one master-data API (`vendors`, `lists/KEY`), in order of arrival."""
        with self.lock:
            store = self.master_data.stores.get(name)
            return [record.as_json() for record in store.records.values()] if store else []

    def p2p(self, name: str) -> list[dict[str, Any]]:
        """What P2P holds of one master-data API: the records that it took up, as it took them."""
        with self.lock:
            self.log.process_due()
            return [dict(content) for content in self._p2p.records(name)]

    def p2p_resources(self) -> list[str]:
        """The master-data APIs of which P2P holds records."""
        with self.lock:
            self.log.process_due()
            return self._p2p.names()

    # -- what happens in P2P, outside the API

    def retransfer(self, invoice_id: str, **changes: Any) -> dict[str, Any]:
        """Someone in P2P sends the invoice out again, with `changes`; the invoice as it is now."""
        with self.lock:
            self._notify(self.invoices.retransfer(invoice_id, changes))
            return self.document(invoice_id)

    def _notify(self, document: Document) -> None:
        """Tell whoever subscribed to what waits for them (reference 6)."""
        if document.status in SUB_TYPES:
            invoice_id = document.content["invoiceId"]
            self.notifications.happened("AccountingDocuments", document.status, invoice_id)

    def revoke_tokens(self) -> None:
        """Every access token issued so far is refused from now on."""
        self.tokens.revoke_all()

    def forget_continuations(self) -> None:
        """Every continuation token handed out so far is refused from now on."""
        self.continuations.clear()

    def add_outcome_rule(self, **rule: Any) -> OutcomeRule:
        """Let records settle badly in the target system: the fields of `OutcomeRule`."""
        with self.lock:
            self.log.rules.append(OutcomeRule(**rule))
            return self.log.rules[-1]

    def summary(self) -> dict[str, Any]:
        """Counts and sums: what `sandbox inspect` and the reconciliation show.

        `companies`: company -> currency -> status -> {count, gross}; gross in that currency.
        """
        with self.lock:
            documents = list(self.invoices.documents.values())
            return {
                "documents": len(documents),
                "by_status": dict(Counter(document.status for document in documents)),
                "companies": _by_company(documents),
                "records": {
                    name: len(store.records)
                    for name, store in self.master_data.stores.items()
                    if store.records
                },
                "p2p": {name: len(self.p2p(name)) for name in self.p2p_resources()},
                "requests": dict(
                    Counter(request.status() for request in self.log.requests.values())
                ),
            }


def _by_company(documents: list[Document]) -> dict[str, Any]:
    companies: dict[str, Any] = defaultdict(lambda: defaultdict(dict))
    for document in documents:
        content = document.content
        currency = companies[content["companyCode"]][content["currencyCode"]]
        cell = currency.setdefault(document.status, {"count": 0, "gross": Decimal(0)})
        cell["count"] += 1
        cell["gross"] += content.get("grossSum", Decimal(0))
    return companies
