"""Companies of Basware and legal entities: by the same code, else by the same name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ap_mapping.drafting.entry import Entry, block, gap, shown
from ap_mapping.drafting.scene import normalised
from ap_mapping.stock import BaswareStock, DynamicsStock
from ap_mapping.usage import used

SECTION = "companies"


def company_entries(
    basware: BaswareStock, dynamics: DynamicsStock, taken: Mapping[str, str]
) -> Iterator[Entry]:
    """Yield a proposal or a gap for each company; `taken` are those that are mapped already."""
    names = company_names(basware)
    known = ", ".join(dynamics.legal_entities) or "none could be read"
    if not names and not taken:
        yield gap(
            (SECTION,),
            "Basware shows no companies. List each of its company codes with the legal entity that "
            f"receives its invoices, such as 1000: {{legal_entity: usmf}}. There are: {known}",
        )
    for code, name in sorted(names.items()):
        if code in taken:
            continue
        entity, why = _legal_entity(code, name, dynamics)
        if entity:
            yield Entry((SECTION, code), block({"legal_entity": entity}), why)
        else:
            words = (
                f"which legal entity receives the invoices of {_called(name)}? {why} Write "
                f"{{legal_entity: ...}}, one of {known}; or take the line out: its invoices are "
                "rejected"
            )
            yield gap((SECTION, code), words)


def company_names(basware: BaswareStock) -> dict[str, str]:
    """Company code -> name, of those that Basware lists and those on invoices."""
    names = dict(basware.companies)
    for code, invoices in sorted(used(basware, "companyCode").items()):
        told = (str(each.get("companyName") or "") for each in invoices)
        names.setdefault(code, next(filter(None, told), ""))
    return names


def _legal_entity(code: str, name: str, dynamics: DynamicsStock) -> tuple[str, str]:
    """The legal entity and what that rests on; "" and why there is none."""
    if code.lower() in dynamics.legal_entities:
        return code.lower(), "the same code on both sides"
    wanted = normalised(name)
    same = [
        entity
        for entity, other in dynamics.legal_entities.items()
        if wanted and normalised(other) == wanted
    ]
    if len(same) == 1:
        return same[0], f"the same name on both sides, {name}"
    if same:
        return "", f"{shown(same)} have this name."
    return "", "None has this code or name."


def _called(name: str) -> str:
    return f'"{name}"' if name else "this company"
