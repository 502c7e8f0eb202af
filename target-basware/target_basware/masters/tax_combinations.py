"""Pairs of tax group and item tax group -> taxCodes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected

from target_basware.masters.entity import Entity, Record
from target_basware.masters.external_code import external_code
from target_basware.masters.names import names, padded
from target_basware.masters.reach import active_and_inherited, mapped
from target_basware.masters.row import Row

FIELDS = (
    "dataAreaId",
    "TaxGroup",
    "TaxItemGroup",
    "TaxGroupDescription",
    "TaxItemGroupName",
    "Percentage",
    "ExemptTax",
)


def tax_code_entities(mapping: ApMapping, record: Record) -> Iterator[Entity]:
    """Return one tax code for each Basware code that stands for the pair. Raises Rejected."""
    row = Row(record)
    legal_entity = row.required("dataAreaId").lower()
    for entity in mapped(mapping, [legal_entity]):
        for code in entity.tax_codes_of(row.text("TaxGroup"), row.text("TaxItemGroup")):
            name = _name(row)
            content = {
                "externalCode": external_code("taxCodes", legal_entity, code),
                "taxCode": code,
                "taxCodeNames": names(
                    name, (), entity.masters.languages, instead=padded(code, name, "Tax")
                ),
                "taxPercentage": _percentage(entity, row, code),
                "companies": active_and_inherited(mapping, entity, True),
            }
            yield Entity("taxCodes", content, scope=legal_entity)


def _name(row: Row) -> str:
    group = row.text("TaxGroupDescription") or row.text("TaxGroup")
    item = row.text("TaxItemGroupName") or row.text("TaxItemGroup")
    return ", ".join(filter(None, (group, item)))


def _percentage(entity: EntityMapping, row: Row, code: str) -> Decimal:
    """Return what mapping.yml says, else what F&O says. Raises Rejected when nobody does."""
    for found in (
        entity.tax_codes[code].percentage,
        Decimal(0) if row.yes("ExemptTax") else None,
        row.number("Percentage"),
    ):
        if found is not None:
            return found
    msg = (
        f"Dynamics shows no rate for tax code {code}; write one as percentage under tax_codes in "
        "mapping.yml"
    )
    raise Rejected(msg)
