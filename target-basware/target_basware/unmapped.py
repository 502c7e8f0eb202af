"""What invoices use that mapping.yml has no entry for, found before a run rejects them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ap_mapping import EntityMapping, MappingHole
from ap_mapping import Mapping as ApMapping
from ap_mapping.usage import field_of, may_carry_dimension

#: Kind of code -> where it stands in a document, and what looks it up in the mapping.
HEADER: Mapping[str, tuple[str, Callable[[EntityMapping, str], Any]]] = {
    "paymentTerms": ("paymentTermCode", EntityMapping.payment_term),
    "payment methods": ("paymentMethod", EntityMapping.payment_method),
    "invoice types": ("invoiceTypeCode", EntityMapping.invoice_type),
}
TAX = "taxCodes"
COMPANIES = "companies"
FIELDS = "coding fields"
#: Every kind that is looked at.
KINDS = (COMPANIES, TAX, *HEADER, FIELDS)

Document = Mapping[str, Any]


def unmapped(mapping: ApMapping, documents: Iterable[Document]) -> dict[str, set[str]]:
    """Return what has no entry, by kind: codes with their legal entity, or coding fields.

    A coding field counts that has values and is read by nothing in the mapping: they get lost.
    """
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for document in documents:
        try:
            entity = mapping.for_legal_entity(
                mapping.legal_entity(field_of(document, "companyCode"))
            )
        except MappingHole as hole:
            found[COMPANIES].add(hole.key)
            continue
        for kind, code in _holes(entity, document):
            found[kind].add(f"{code} ({entity.legal_entity})")
        rows = document.get("codingRows") or ()
        names = {name for row in rows for name in row if may_carry_dimension(name) and row[name]}
        lost = names - fields_read(entity)
        found[FIELDS] |= {f"{name} ({entity.legal_entity})" for name in lost}
    return found


def _holes(entity: EntityMapping, document: Document) -> Iterator[tuple[str, str]]:
    for kind, (field, look_up) in HEADER.items():
        try:
            look_up(entity, field_of(document, field))
        except MappingHole as hole:
            yield kind, hole.key
    for row in document.get("codingRows") or ():
        try:
            entity.tax_groups(field_of(row, "taxCode"))
        except MappingHole as hole:
            yield TAX, hole.key


def fields_read(entity: EntityMapping) -> set[str]:
    """Return the fields of a coding row that some part of the mapping reads."""
    line = entity.line
    choices = (line.quantity, line.unit, line.item_number, line.purchase_order)
    codes = [entity.main_accounts, *(each.codes for each in entity.dimensions)]
    if entity.procurement and entity.procurement.codes:
        codes.append(entity.procurement.codes)
    shown = [each for each in (line.description, *line.fields.values()) if each]
    return {
        *(each.field for each in codes),
        *filter(None, choices),
        *(name for each in shown for name in each.names),
    }
