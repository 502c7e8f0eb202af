"""Payment methods, units and invoice types, and remarks on codes that pass as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from ap_mapping.drafting.entry import Entry, Proposal, agreed, gap, scalar, shown, spread
from ap_mapping.drafting.scene import Scene
from ap_mapping.sections import Masters
from ap_mapping.usage import Row, field_of, order_lines, used, used_on_rows

#: So many invoices or vendors have to say the same before it is proposed.
FEWEST = 3


def method_entries(scene: Scene) -> Iterator[Entry]:
    """Yield proposals by the same code, else by the method that the vendors have in F&O."""
    for code, invoices in sorted(used(scene.basware, "paymentMethod").items()):
        if code == Masters().payment_means:
            continue
        by_entity: dict[str, list[Row]] = {}
        for invoice in invoices:
            if entity := scene.entity(invoice):
                by_entity.setdefault(entity, []).append(invoice)
        proposals = {
            entity: _method(scene, code, entity, some) for entity, some in by_entity.items()
        }
        if proposals:
            yield from spread("payment_methods", code, proposals)


def _method(scene: Scene, code: str, entity: str, invoices: list[Row]) -> Proposal:
    there = [name for owner, name in scene.dynamics.methods if owner == entity]
    same = [name for name in there if name.casefold() == code.casefold()]
    if same:
        return Proposal(scalar(same[0]), "the same code on both sides")
    vendors = {v.account: v.method for each in invoices if (v := scene.vendor(each)) and v.method}
    method = agreed(list(vendors.values()))
    if method and len(vendors) >= FEWEST:
        why = f"all {len(vendors)} vendors with it on invoices have this method in Dynamics"
        return Proposal(scalar(method), why)
    counts = Counter(vendors.values())
    told = shown(f"{name} ({count} of its vendors)" for name, count in counts.most_common())
    ask = (
        f"Which method of payment is {code}? Write its name, or null for the vendor's own; or take "
        "the line out: invoices with this method are rejected"
    )
    words = f"Dynamics has {shown(there) or 'none'}"
    return Proposal(None, f"{words}, its vendors have {told}" if told else words, ask)


def unit_entries(scene: Scene) -> Iterator[Entry]:
    """Yield units that F&O spells differently, by the order lines that invoices are matched to."""
    there = scene.dynamics.units or frozenset()
    ordered: dict[str, list[str]] = {}
    for unit, line in order_lines(scene.basware):
        if symbol := scene.dynamics.order_units.get(line):
            ordered.setdefault(unit, []).append(symbol)
    for unit in sorted(used_on_rows(scene.basware, "orderLineUOM")):
        symbol = agreed(ordered.get(unit, []))
        if unit in there or symbol == unit:
            continue
        path = ("units", "values", unit)
        if symbol:
            why = f"the unit of the {len(ordered[unit])} order lines that were looked up"
            yield Entry(path, scalar(symbol), why)
        else:
            words = (
                f"what does Dynamics call the unit {unit}? It has {shown(sorted(there)) or 'none'}"
            )
            yield gap(path, words)


def type_entries(scene: Scene) -> Iterator[Entry]:
    """Yield the types of invoices, with what their signs say."""
    for code, invoices in sorted(used(scene.basware, "invoiceTypeCode").items()):
        path = ("invoice_types", code)
        negative = sum(Decimal(str(each.get("grossSum") or 0)) < 0 for each in invoices)
        count = len(invoices)
        if count >= FEWEST and negative == count:
            yield Entry(path, "{credit_note: true}", f"all {count} invoices with it are negative")
        elif count >= FEWEST and not negative:
            yield Entry(path, "{}", f"none of the {count} invoices with it is negative")
        else:
            words = (
                f"what is it? {negative} of {count} invoices with it are negative. Write {{}} for "
                "an invoice, {credit_note: true} for a credit note; or take the line out: invoices "
                "of this type are rejected"
            )
            yield gap(path, words)


def country_entries(scene: Scene) -> Iterator[Entry]:
    """Yield a gap for each country that F&O shows no ISO code of."""
    for country in sorted(scene.dynamics.countries):
        words = (
            f"which ISO 3166 code, of two letters, has {country}? Dynamics shows none, and Basware "
            "takes no other"
        )
        yield gap(("masters", "countries", country), words)


def remarks(scene: Scene) -> dict[str, list[str]]:
    """Section -> codes on invoices that F&O does not have under the same name."""
    basware, dynamics = scene.basware, scene.dynamics
    vendors = frozenset(each.account.casefold() for each in dynamics.vendors)
    looked: dict[str, tuple[Iterable[str], frozenset[str] | None]] = {
        "main_accounts": (used_on_rows(basware, "accountCode"), dynamics.accounts),
        "vendors": (used(basware, "supplierCode"), vendors or None),
        "currencies": (used(basware, "currencyCode"), dynamics.currencies),
    }
    found = {section: _unknown(codes, known) for section, (codes, known) in looked.items() if known}
    return {
        section: [
            f"Invoices use {shown(codes)}, which Dynamics does not have: list under values what it "
            "calls them, or such invoices are rejected."
        ]
        for section, codes in found.items()
        if codes
    }


def _unknown(codes: Iterable[str], known: frozenset[str]) -> list[str]:
    folded = {each.casefold() for each in known}
    return [code for code in sorted(codes) if code.casefold() not in folded]


def vendor_codes(invoices: Iterable[Row]) -> list[str]:
    """The supplier codes on invoices, each once."""
    return list(dict.fromkeys(filter(None, (field_of(each, "supplierCode") for each in invoices))))
