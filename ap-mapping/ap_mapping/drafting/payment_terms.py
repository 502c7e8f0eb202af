"""Payment terms: by the same code, else by what they come to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ap_mapping.drafting.entry import Entry, Proposal, agreed, block, scalar, shown, spread
from ap_mapping.drafting.scene import Scene
from ap_mapping.stock import CashDiscount, PaymentTerms, Terms
from ap_mapping.templates import as_text
from ap_mapping.usage import used

SECTION = "payment_terms"
#: Vendors that have to have the same term before it is proposed for nothing but that.
FEWEST_VENDORS = 3


def term_entries(scene: Scene) -> Iterator[Entry]:
    """Yield proposals and gaps; where Basware has no terms at all, those of F&O."""
    found = _terms(scene)
    if not found:
        yield from _own_terms(scene)
    for code, entities in found.items():
        proposals = {
            entity: _proposal(scene, code, entity, told) for entity, told in entities.items()
        }
        yield from spread(SECTION, code, proposals)


def _terms(scene: Scene) -> dict[str, dict[str, Terms | None]]:
    """Term -> legal entity -> what it comes to, by Basware's list, else on invoices."""
    found: dict[str, dict[str, Terms | None]] = {}
    for each in sorted(scene.basware.payment_terms, key=lambda one: one.code):
        for entity in scene.entities(sorted(each.companies)):
            found.setdefault(each.code, {})[entity] = each.terms
    for code, invoices in sorted(used(scene.basware, "paymentTermCode").items()):
        by_entity: dict[str, list[Terms]] = {}
        for invoice in invoices:
            if entity := scene.entity(invoice):
                by_entity.setdefault(entity, []).append(terms_on(invoice))
        for entity, told in by_entity.items():
            same = told[0] if all(each == told[0] for each in told) else None
            found.setdefault(code, {}).setdefault(entity, same)
    return found


def terms_on(invoice: Mapping[str, Any]) -> Terms:
    """The days and the discount that the dates on an invoice come to."""
    start = _day(invoice.get("baseLineDate") or invoice.get("invoiceDate"))
    due, cash = _day(invoice.get("dueDate")), _day(invoice.get("cashDate"))
    percent = Decimal(str(invoice.get("cashPercent") or 0))
    discount = (percent, (cash - start).days) if start and cash and percent else None
    return Terms((due - start).days if start and due else None, discount)


def _day(moment: Any) -> date | None:
    try:
        return date.fromisoformat(str(moment)[:10])
    except ValueError:
        return None


def _proposal(scene: Scene, code: str, entity: str, told: Terms | None) -> Proposal:
    terms = [each for each in scene.dynamics.terms if each.legal_entity == entity]
    term, why = _term(scene, code, entity, terms, told)
    if term is None:
        ask = (
            f"Which term of payment is {code}? Write its name, or null for the vendor's own; or "
            "take the line out: invoices with this term are rejected"
        )
        there = shown(map(_told, terms)) or "none"
        return Proposal(None, f"{why}; Dynamics has {there}", ask)
    if told is None or told.discount is None:
        return Proposal(scalar(term), why)
    return _with_discount(scene, entity, term, told.discount, why)


def _term(
    scene: Scene, code: str, entity: str, terms: list[PaymentTerms], told: Terms | None
) -> tuple[str | None, str]:
    same = [each.name for each in terms if each.name.casefold() == code.casefold()]
    if same:
        return same[0], "the same code on both sides"
    days = told.days if told else None
    own = _of_vendors(scene, code, entity)
    if days is None:
        term = agreed(own)
        if term and len(own) >= FEWEST_VENDORS:
            return term, f"all {len(own)} vendors with it on invoices have this term in Dynamics"
        return None, "after how many days it is due could not be seen"
    same = [each.name for each in terms if each.days == days]
    if len(same) == 1:
        return same[0], f"both are due after {days} days, no other term is"
    term = agreed([name for name in own if name in same])
    if term:
        return term, f"both are due after {days} days, and vendors with it have this term"
    words = "several terms are" if same else "no term of Dynamics is"
    return None, f"it is due after {days} days, {words}"


def _of_vendors(scene: Scene, code: str, entity: str) -> list[str]:
    """The terms in F&O of the vendors whose invoices have a term, one for each vendor."""
    invoices = used(scene.basware, "paymentTermCode").get(code, ())
    vendors = {
        vendor.account: vendor.term
        for invoice in invoices
        if scene.entity(invoice) == entity and (vendor := scene.vendor(invoice)) and vendor.term
    }
    return list(vendors.values())


def _with_discount(
    scene: Scene, entity: str, term: str, discount: tuple[Decimal, int], why: str
) -> Proposal:
    percent, days = discount
    there = [each for each in scene.dynamics.discounts if each.legal_entity == entity]
    same = [each for each in there if (each.percent, each.days) == (percent, days)]
    told = f"{as_text(percent)} % within {days} days"
    if len(same) == 1:
        value = block({"term": term, "cash_discount": same[0].code})
        return Proposal(value, f"{why}; both grant {told}")
    ask = (
        f"Which cash discount is {told}? Write {{term: {scalar(term)}, cash_discount: ...}}, or "
        "the term alone"
    )
    words = f"the term is probably {term}, {why}; Dynamics has the cash discounts"
    return Proposal(None, f"{words} {shown(map(_granted, there)) or '(none)'}", ask)


def _told(term: PaymentTerms) -> str:
    return term.name if term.days is None else f"{term.name} ({term.days} days)"


def _granted(discount: CashDiscount) -> str:
    return f"{discount.code} ({as_text(discount.percent)} %, {discount.days} days)"


def _own_terms(scene: Scene) -> Iterator[Entry]:
    words = "Basware has no terms; masters send it under the name of Dynamics"
    proposals: dict[str, dict[str, Proposal]] = {}
    for each in scene.dynamics.terms:
        if each.legal_entity in scene.legal_entities:
            own = Proposal(scalar(each.name), words)
            proposals.setdefault(each.name, {})[each.legal_entity] = own
    for code, by_entity in proposals.items():
        yield from spread(SECTION, code, by_entity)
