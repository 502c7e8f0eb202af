"""The product made weaker on purpose, so that the model can be seen to notice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from singer_delivery.delivery import Delivery
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.ledger import Ledger
from target_d365fo.courier import InvoiceCourier
from target_d365fo.judgement import Plan

from tests.model.basware import WAITING
from tests.model.jobs import Job, Record, Run, Shop


def without_reading_back() -> AbstractContextManager[Any]:
    """Take it for granted that what was sent has arrived."""

    def read_back(_: InvoiceCourier, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        return {entry.key: Outcome(Status.DELIVERED, remote_key=entry.key) for entry in entries}

    return patch.object(InvoiceCourier, "read_back", read_back)


def without_looking() -> AbstractContextManager[Any]:
    """Send whatever is offered, without looking at what Dynamics holds."""

    def survey(_: InvoiceCourier, batch: Sequence[Document], known: Any) -> Mapping[str, Plan]:
        return {document.key: Plan() for document in batch}

    return patch.object(InvoiceCourier, "survey", survey)


def settled_before_sending() -> AbstractContextManager[Any]:
    """Call everything delivered as soon as it is intended."""
    intend = Ledger.intend

    def settle(
        ledger: Ledger, stream: str, documents: Sequence[Document], run_id: str, **more: Any
    ) -> Any:
        entries = intend(ledger, stream, documents, run_id, **more)
        for document in documents:
            ledger.settle(stream, document, Outcome(Status.DELIVERED), run_id)
        return entries

    return patch.object(Ledger, "intend", settle)


def told_before_delivery() -> AbstractContextManager[Any]:
    """Tell Basware about an invoice, and then deliver it."""

    def deliver(run: Run, delivery: Delivery, batch: Sequence[Record]) -> None:
        if run.job is Job.INVOICES:
            for record in batch:
                _tell(run.shop, str(record["invoiceId"]))
                run.process.event()
        delivery.run(batch)

    return patch.object(Run, "deliver", deliver)


def _tell(shop: Shop, key: str) -> None:
    if shop.basware.invoices[key].status in WAITING:
        told = {"externalCode": f"early-{shop.runs}", "success": True, "responseMessage": "there"}
        shop.basware.take(f"v1/accountingDocuments/{key}/transferResponses", told)
