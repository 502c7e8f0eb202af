"""Which of Basware's companies a record of F&O reaches."""

from __future__ import annotations

from collections.abc import Iterable

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping

from target_basware.masters.entity import Content

#: Where Basware demands validity dates and F&O has none. Projects must not start before 2001.
FOR_EVER = ("2001-01-02T00:00:00Z", "2099-12-31T00:00:00Z")


def mapped(mapping: ApMapping, legal_entities: Iterable[str]) -> list[EntityMapping]:
    """Return the mappings of those legal entities that have a company in Basware, each once."""
    wanted = {name.lower() for name in legal_entities}
    return [mapping.for_legal_entity(name) for name in mapping.legal_entities if name in wanted]


def active_in(mapping: ApMapping, entity: EntityMapping, active: bool) -> list[Content]:
    """Return the companies of a legal entity with the flag that shows or hides the record."""
    codes = mapping.company_codes(entity.legal_entity)
    return [{"companyCode": code, "active": active} for code in codes]


def active_and_inherited(mapping: ApMapping, entity: EntityMapping, active: bool) -> list[Content]:
    """Return the same for records that also say whether lower organizations inherit them."""
    inherit = entity.masters.inherit
    return [{**company, "inherit": inherit} for company in active_in(mapping, entity, active)]
