"""Values of financial dimensions -> costCenters, projects or lists, as mapping.yml says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

from ap_mapping import Dimension, EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected
from singer_delivery.words import cut

from target_basware.masters.entity import Content, Entity, Record, filled
from target_basware.masters.external_code import external_code
from target_basware.masters.names import names, padded
from target_basware.masters.reach import FOR_EVER, active_in, mapped
from target_basware.masters.row import Row
from target_basware.masters.validity import today, usable

FIELDS = (
    "FinancialDimension",
    "LegalEntityId",
    "DimensionValue",
    "Description",
    "IsSuspended",
    "IsBlockedForManualEntry",
    "IsTotal",
    "ActiveFrom",
    "ActiveTo",
    "Source",
    "Translations",
    "LegalEntityOverrides",
)
LONGEST_PROJECT_NAME = 100
#: Lists with short text columns; the others take 250 characters (reference 3.3).
SHORT_LISTS = frozenset(f"ACC_LIST_{number}" for number in range(11, 21))
SHORT_TEXT, LONG_TEXT = 50, 250


@dataclass
class _Use:
    """How Basware uses a value: as which code of which API, and in which companies."""

    dimension: Dimension
    entity: EntityMapping
    companies: list[Content] = field(default_factory=list)


def dimension_value_entities(
    mapping: ApMapping, record: Record, *, day: date | None = None
) -> Iterator[Entity]:
    """Return the entities of a value: one for each API and code that it has in Basware.

    A shared value reaches all mapped companies, another one those of its legal entity. None for
    a dimension that mapping.yml does not know or does not import. `day` is today by UTC.
    Raises Rejected.
    """
    row = Row(record)
    name, value = row.required("FinancialDimension"), row.required("DimensionValue")
    legal_entity = row.text("LegalEntityId").lower()
    for (resource, code), use in _uses(mapping, row, day or today()).items():
        parts = [name, legal_entity, value] if legal_entity else [name, value]
        if code != value:
            # Four parts always, so that no alias looks like a value of a legal entity.
            parts = [name, legal_entity, value, code]
        content = {
            "externalCode": external_code(resource, *parts),
            **_SHAPES[resource.partition("/")[0]](row, code, use),
            "companies": use.companies,
        }
        yield Entity(resource, content, scope=f"{name}/{legal_entity}")


def _uses(mapping: ApMapping, row: Row, day: date) -> dict[tuple[str, str], _Use]:
    legal_entity = row.text("LegalEntityId").lower()
    open_ = not any(row.yes(flag) for flag in ("IsBlockedForManualEntry", "IsTotal"))
    uses: dict[tuple[str, str], _Use] = {}
    nameless = False
    for entity in mapped(mapping, [legal_entity] if legal_entity else mapping.legal_entities):
        dimension = entity.dimension(row.text("FinancialDimension"))
        if dimension is None or dimension.import_api is None:
            continue
        active = open_ and usable(row, entity.legal_entity, day)
        codes = dimension.codes.basware(row.text("DimensionValue"))
        nameless = nameless or not codes
        for code in codes:
            use = uses.setdefault((dimension.import_api, code), _Use(dimension, entity))
            use.companies += active_in(mapping, entity, active)
    if nameless and not uses:
        msg = "it stands for another value under dimensions in mapping.yml; list a code for it"
        raise Rejected(msg)
    return uses


def _names(row: Row, use: _Use) -> list[Content]:
    noun = row.text("FinancialDimension")
    return names(
        row.text("Description"),
        [
            (t.text("LanguageCode"), t.text("TranslatedDescription"))
            for t in row.rows("Translations")
        ],
        use.entity.masters.languages,
        instead=padded(row.text("DimensionValue"), row.text("Description"), noun),
    )


def _cost_center(row: Row, code: str, use: _Use) -> Content:
    return {"costCenterCode": code, "costCenterNames": _names(row, use)}


def _project(row: Row, code: str, use: _Use) -> Content:
    """Return the fields of a project; Basware wants dates, and none before 2001."""
    start, end = row.day("ActiveFrom"), row.day("ActiveTo")
    name = _names(row, use)[0]["translation"]
    return {
        "projectCode": code,
        "projectName": cut(name, LONGEST_PROJECT_NAME),
        "validFrom": max(f"{start}T00:00:00Z", FOR_EVER[0]) if start else FOR_EVER[0],
        "validUntil": f"{end}T00:00:00Z" if end else FOR_EVER[1],
    }


def _list_entry(row: Row, code: str, use: _Use) -> Content:
    dimension = use.dimension
    key = (dimension.import_api or "").partition("/")[2]
    longest = SHORT_TEXT if key in SHORT_LISTS else LONG_TEXT
    if len(code) > longest:
        msg = f"its code has {len(code)} characters, the columns of {key} take {longest}"
        raise Rejected(msg)
    columns: Content = {}
    if dimension.name_column:
        columns[dimension.name_column] = cut(_names(row, use)[0]["translation"], longest)
    return columns | {dimension.code_column: code} | filled(listContent=dimension.list_content)


_SHAPES: dict[str, Callable[[Row, str, _Use], Content]] = {
    "costCenters": _cost_center,
    "projects": _project,
    "lists": _list_entry,
}
