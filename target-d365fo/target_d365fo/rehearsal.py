"""The target as a dry run has it: it reads Dynamics, and cannot write."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import requests
from singer_delivery.document import Document
from singer_delivery.errors import SetupError
from singer_delivery.live import configured
from singer_delivery.rehearsal import Rehearsing
from tap_d365fo.client import D365Client
from tap_d365fo.settings import build_client

from target_d365fo.compare import Row
from target_d365fo.foresight import Foresight
from target_d365fo.judgement import Plan
from target_d365fo.lookup import InvoiceLookup, Pending
from target_d365fo.operations import NUMBER_TO_COME
from target_d365fo.payload import InvoiceRows
from target_d365fo.target import TargetD365FO


def open_rehearsal(config: Mapping[str, Any]) -> Rehearsing:
    """Return the target with these settings; empty: those of the environment. Raises SetupError."""
    return configured(RehearsedD365FO, config)


class ReadingClient(D365Client):
    """An environment that is only read, whoever asks for more."""

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send a GET; raises SetupError for anything else."""
        if method.upper() != "GET":
            msg = f"a dry run only reads: {method} was not sent"
            raise SetupError(msg)
        return super().request(method, url, **kwargs)

    def _read_together(self, urls: Sequence[str]) -> list[list[dict[str, Any]]]:  # noqa: ARG002
        """Have each read sent by itself: together they would be a POST."""
        return []


class PaperLookup(InvoiceLookup):
    """What Dynamics holds, and what it would hold by now if the run were a real one."""

    def __init__(self, client: D365Client, *, posted: bool = True) -> None:
        super().__init__(client, posted=posted)
        self._created: dict[tuple[str, ...], tuple[Pending, tuple[Row, ...]]] = {}
        self._deleted: set[tuple[str, ...]] = set()

    def take(self, document: Document, plan: Plan) -> None:
        """Count an invoice as created, and its earlier versions as deleted."""
        rows: InvoiceRows = document.payload
        # No two of them may look like one.
        number = document.remote_key or f"{NUMBER_TO_COME}-{len(self._created) + 1}"
        reference = {"HeaderReference": number}
        pending = Pending({**rows.header, **reference})
        self._deleted |= {earlier.identity for earlier in plan.replaces}
        self._created[pending.identity] = pending, rows.lines

    def _there(self, pending: Iterable[Pending]) -> list[Pending]:
        left = [one for one in pending if one.identity not in self._deleted]
        return [*left, *(pending for pending, _ in self._created.values())]

    def lines(self, invoices: Iterable[Pending]) -> defaultdict[tuple[str, ...], list[Row]]:
        """Return the lines of pending invoices, by the identity of the invoice."""
        wanted = list(invoices)
        found = super().lines([one for one in wanted if one.identity not in self._created])
        for one in wanted:
            if one.identity in self._created:
                found[one.identity] = list(self._created[one.identity][1])
        return found


class RehearsedD365FO(Rehearsing, TargetD365FO):
    """target-d365fo up to the wire."""

    @cached_property
    def client(self) -> D365Client:
        """The OData client, which does not write."""
        connections = self.config["max_connections"]
        return build_client(self.config, connections=connections, kind=ReadingClient)

    @cached_property
    def invoice_lookup(self) -> PaperLookup:
        """Where invoices are looked for."""
        return PaperLookup(self.client, posted=self.config["posted_lookup"])

    @cached_property
    def foresight(self) -> Foresight:
        """What Dynamics would say."""
        return Foresight(self.client)

    @property
    def blind(self) -> list[str]:
        """What could not be seen with these rights."""
        return self.foresight.blind

    def objections(self, documents: Sequence[Document]) -> Mapping[str, str]:
        """Return what Dynamics would probably refuse documents for, by key."""
        return self.foresight.objections(documents)

    def counts_as_sent(self, document: Document, plan: Any) -> None:
        """Have later invoices of the run find this one."""
        if isinstance(plan, Plan):
            self.invoice_lookup.take(document, plan)
