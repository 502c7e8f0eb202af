"""Defects on purpose, put into a plugin's process: with any of them the harness has to fail."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from singer_delivery.ledger import Ledger
from sqlalchemy import text
from target_d365fo.courier import InvoiceCourier
from target_d365fo.lookup import Found, InvoiceLookup

INVOICES = "vendor_invoices"


@dataclass(frozen=True)
class Weakness:
    """What is wrong, in one line, and what makes it so in this process.

    `shows` matches the points at which it does `damage`, with the outcomes told before the
    invoices start again where `outcomes_first` says so; where Dynamics numbers the headers.
    """

    words: str
    apply: Callable[[], None]
    damage: str
    shows: str
    outcomes_first: bool = False


def _replace(owner: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        if not hasattr(owner, name):
            msg = f"{owner.__name__} has no {name} any more: adapt this weakness"
            raise LookupError(msg)
        setattr(owner, name, method)


def _skip_read_back() -> None:
    def find(_: InvoiceLookup, keys: Sequence[Any], **_rest: Any) -> dict[str, Found]:
        return {key.document_id: Found() for key in keys}

    def read_back(*_: Any) -> dict[str, Any]:
        return {}

    _replace(InvoiceLookup, find=find)
    _replace(InvoiceCourier, read_back=read_back)


def _confirm_before_delivery() -> None:
    intend = Ledger.intend

    def confirm(ledger: Ledger, stream: str, *rest: Any, **named: Any) -> Any:
        intended = intend(ledger, stream, *rest, **named)
        if stream == INVOICES:
            _mark_delivered(ledger)
        return intended

    _replace(Ledger, intend=confirm)


def _mark_delivered(ledger: Ledger) -> None:
    with ledger._engine.begin() as connection:
        open_ones = text("SELECT key FROM documents WHERE stream = :stream AND status = 'intended'")
        keys = connection.execute(open_ones, {"stream": INVOICES}).scalars().all()
        first = int(time.time() * 1000)
        for number, key in enumerate(keys, first):
            connection.execute(
                text(
                    "UPDATE documents SET status = 'delivered', sequence = :number, "
                    "settled_at = intended_at, remote_key = 'told' "
                    "WHERE stream = :stream AND key = :key"
                ),
                {"number": number, "stream": INVOICES, "key": key},
            )


def _send_before_intent() -> None:
    """Take the intent back once it is made; the outcome is what the ledger gets first."""
    intend = Ledger.intend

    def forget(ledger: Ledger, stream: str, *rest: Any, **named: Any) -> Any:
        intended = intend(ledger, stream, *rest, **named)
        with ledger._engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE documents SET status = 'not_sent', run_id = '' "
                    "WHERE stream = :stream AND status = 'intended'"
                ),
                {"stream": stream},
            )
        return intended

    _replace(Ledger, intend=forget)


WEAKNESSES: Mapping[str, Weakness] = {
    "skip_read_back": Weakness(
        "nothing is looked for in Dynamics, neither before sending nor after a lost answer",
        _skip_read_back,
        damage="is held 2 times",
        shows="invoices/target.*unanswered POST /data/VendorInvoiceHeaders",
    ),
    "confirm_before_delivery": Weakness(
        "an invoice counts as delivered as soon as it is about to be sent",
        _confirm_before_delivery,
        damage="unconfirmed",
        shows="invoices/target.*before POST /data/VendorInvoiceHeaders",
        outcomes_first=True,
    ),
    "send_before_intent": Weakness(
        "the ledger does not know that an invoice is about to be sent",
        _send_before_intent,
        damage="the ledger does not know",
        shows="invoices/target.*unanswered POST /data/VendorInvoiceHeaders",
    ),
}
