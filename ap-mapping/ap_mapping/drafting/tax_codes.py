"""Tax codes and pairs of tax groups: by the same code, else by the same percentage."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ap_mapping.drafting.entry import Entry, Proposal, block, shown, spread
from ap_mapping.drafting.scene import Scene, normalised
from ap_mapping.stock import TaxPair
from ap_mapping.templates import as_text
from ap_mapping.usage import used_on_rows

SECTION = "tax_codes"


def tax_entries(scene: Scene) -> Iterator[Entry]:
    """Yield proposals and gaps; where Basware has no tax codes at all, those of F&O."""
    found = _percentages(scene)
    if not found:
        yield from _own_codes(scene)
    for code, entities in found.items():
        proposals = {
            entity: _proposal(scene, code, entity, percentages)
            for entity, percentages in entities.items()
        }
        yield from spread(SECTION, code, proposals)


def _percentages(scene: Scene) -> dict[str, dict[str, set[Decimal]]]:
    """Tax code -> legal entity -> what it comes to there, by Basware's list and on invoices."""
    found: dict[str, dict[str, set[Decimal]]] = {}
    for each in sorted(scene.basware.tax_codes, key=lambda one: one.code):
        for entity in scene.entities(sorted(each.companies)):
            told = found.setdefault(each.code, {}).setdefault(entity, set())
            if each.percentage is not None:
                told.add(each.percentage)
    for code, rows in sorted(used_on_rows(scene.basware, "taxCode").items()):
        for invoice, row in rows:
            entity = scene.entity(invoice)
            if entity and (entity not in found.get(code, {}) or not found[code][entity]):
                told = found.setdefault(code, {}).setdefault(entity, set())
                if row.get("taxPercent") is not None:
                    told.add(Decimal(str(row["taxPercent"])))
    return found


def _proposal(scene: Scene, code: str, entity: str, percentages: set[Decimal]) -> Proposal:
    pairs = [pair for pair in scene.dynamics.tax_pairs if pair.legal_entity == entity]
    named = [p for p in pairs if [normalised(c) for c in p.codes] == [normalised(code)]]
    if len(named) == 1:
        return Proposal(_value(named[0]), f"Dynamics has a tax code {named[0].codes[0]}")
    if len(percentages) == 1:
        [percentage] = percentages
        same = [pair for pair in pairs if pair.percentage == percentage]
        if len(same) == 1:
            return Proposal(_value(same[0]), f"both are {as_text(percentage)} %, no other pair is")
        told = f"{as_text(percentage)} %"
    else:
        same, told = [], "its percentage is not known" if not percentages else "several percentages"
    pairs_text = shown(
        f"{p.sales_tax_group} with {p.item_sales_tax_group}"
        + (f" ({as_text(p.percentage)} %)" if p.percentage is not None else "")
        for p in same or pairs
    )
    ask = (
        f"Which sales tax group and item sales tax group stand for {code}? Write "
        "{sales_tax_group: ..., item_sales_tax_group: ...}, or take the line out: invoices with "
        "this code are rejected"
    )
    return Proposal(None, f"{told}, and Dynamics has {pairs_text or 'no pair'}", ask)


def _value(pair: TaxPair) -> str:
    return block(
        {
            "sales_tax_group": pair.sales_tax_group,
            "item_sales_tax_group": pair.item_sales_tax_group,
        }
    )


def _own_codes(scene: Scene) -> Iterator[Entry]:
    """Yield the pairs of F&O under the tax code that stands in no other pair there."""
    proposals: dict[str, dict[str, Proposal]] = {}
    for entity in scene.legal_entities:
        pairs = [pair for pair in scene.dynamics.tax_pairs if pair.legal_entity == entity]
        for pair in pairs:
            if len(pair.codes) == 1 and sum(pair.codes == p.codes for p in pairs) == 1:
                words = "Basware has no tax codes; masters send it under the code of Dynamics"
                proposals.setdefault(pair.codes[0], {})[entity] = Proposal(_value(pair), words)
    for code, by_entity in proposals.items():
        yield from spread(SECTION, code, by_entity)
