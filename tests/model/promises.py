"""What has to hold, judged by what the two systems hold and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from target_d365fo.halves import INCOMPLETE

from tests.model.basware import TAKEN, Invoice
from tests.model.content import Content
from tests.model.dynamics import Dynamics, Holding
from tests.model.jobs import Shop


class Broken(AssertionError):
    """A promise that does not hold."""


def described(key: str) -> str:
    return f"Basware {key}"


def is_half(held: Holding) -> bool:
    """Tell whether it says of itself that it is not finished, as when written one by one."""
    return held.description.endswith(INCOMPLETE)


def holding_of(dynamics: Dynamics, key: str) -> Holding | None:
    """The invoice that Dynamics holds of a Basware id."""
    found = [held for held in dynamics.holdings() if held.description == described(key)]
    return found[0] if found else None


def is_whole(held: Holding, content: Content) -> bool:
    return (held.place[0], held.vendor, held.number, held.gross, held.nets) == (
        content.legal_entity,
        content.vendor,
        content.number,
        content.gross,
        content.nets,
    )


def is_current(held: Holding, content: Content) -> bool:
    """Tell whether this is what Basware has. A posted invoice is known by its amount."""
    if held.posted:
        known = held.place[0], held.vendor, held.gross
        return known == (content.legal_entity, content.vendor, content.gross)
    return is_whole(held, content)


def check_once(shop: Shop) -> None:
    """No number of a vendor in a legal entity, and no Basware id, is held twice; but for halves."""
    holdings = [held for held in shop.dynamics.holdings() if not is_half(held)]
    for keys in (
        Counter((held.place[0], held.vendor, held.number) for held in holdings),
        Counter(held.description for held in holdings),
    ):
        for key, times in keys.items():
            if times > 1:
                msg = f"Dynamics holds {key} {times} times"
                raise Broken(msg)


def check_whole(shop: Shop) -> None:
    """Every invoice that Dynamics holds is a version of one of Basware's, all of it."""
    invoices = {described(key): invoice for key, invoice in shop.basware.invoices.items()}
    for held in shop.dynamics.holdings():
        invoice = invoices.get(held.description)
        if not invoice or not any(is_whole(held, version) for version in invoice.versions):
            msg = f"Dynamics holds half of {held.description}: {held}"
            raise Broken(msg)


def check_said(shop: Shop, replayed: Collection[str] = ()) -> None:
    """What Basware calls transferred is in Dynamics, in the version that Basware has.

    Of `replayed` invoices an operator sent an older version.
    """
    for key, invoice in shop.basware.invoices.items():
        if invoice.status in TAKEN:
            held = holding_of(shop.dynamics, key)
            if held is None:
                msg = f"Basware says {invoice.status} of {key}, and Dynamics does not hold it"
                raise Broken(msg)
            if key not in replayed and not is_current(held, invoice.content):
                said = f"Basware says {invoice.status} of {key} ({invoice.content})"
                msg = f"{said}, and Dynamics holds {held}"
                raise Broken(msg)
        elif invoice.status == "TransferFailed" and not words(invoice):
            msg = f"Basware says {invoice.status} of {key}, and no word why"
            raise Broken(msg)


def words(invoice: Invoice) -> str:
    """The latest message about a transfer that failed."""
    told = [response for response in invoice.transfer if not response["success"]]
    return str(told[-1]["responseMessage"]) if told else ""


def check_paid(shop: Shop) -> None:
    """Basware has the paid totals of Dynamics, after a payments job that went through."""
    for key, invoice in shop.basware.invoices.items():
        held = holding_of(shop.dynamics, key)
        settled = held and held.posted and shop.dynamics.was_settled(held.place)
        if invoice.payments and not settled:
            msg = f"Basware has payments of {key}, and Dynamics has none"
            raise Broken(msg)
        if invoice.status not in TAKEN or not held or not settled:
            continue
        last = invoice.payments[-1] if invoice.payments else {}
        told = (last.get("paidTotal"), last.get("cashDiscount"))
        true = shop.dynamics.paid_of(held.place)
        if told != true:
            msg = f"Basware has {told} as paid of {key}, Dynamics {true}"
            raise Broken(msg)


def check_settled(shop: Shop) -> None:
    """Every invoice is confirmed, or rejected with words; nothing waits any more."""
    for key, invoice in shop.basware.invoices.items():
        if invoice.status not in TAKEN | {"TransferFailed"}:
            msg = f"{key} is still {invoice.status} in Basware after all jobs went through"
            raise Broken(msg)


def check_rejections(shop: Shop) -> None:
    """Once nothing stands in the way, only duplicates and changes of posted ones are rejected."""
    holdings = shop.dynamics.holdings()
    for key, invoice in shop.basware.invoices.items():
        if invoice.status in TAKEN:
            continue
        content, own = invoice.content, holding_of(shop.dynamics, key)
        changed = own is not None and own.posted and not is_current(own, content)
        twin = any(
            (held.place[0], held.vendor, held.number)
            == (content.legal_entity, content.vendor, content.number)
            and held.description != described(key)
            for held in holdings
        )
        if not (changed or twin):
            msg = f"{key} is rejected without need: {words(invoice)}"
            raise Broken(msg)
