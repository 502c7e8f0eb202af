"""Which entity set holds the values that a financial dimension takes from another entity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from singer_delivery.errors import SetupError

from tap_d365fo.client import Row
from tap_d365fo.keyset import equal
from tap_d365fo.odata import comparable
from tap_d365fo.reader import Reader

SETTING = "dimension_value_sets"
PREFIX = "dimattribute"
CUSTOM_LISTS = "DimAttributeFinancialTags"

#: What DimensionAttributes.UseValuesFrom says -> the set behind it. Inferred: the documentation
#: gives the sets' names and one example of a text. The setting dimension_value_sets overrides it.
VALUE_SETS: Mapping[str, str] = {
    "businessunits": "DimAttributeOMBusinessUnits",
    "costcenters": "DimAttributeOMCostCenters",
    "departments": "DimAttributeOMDepartments",
    "valuestreams": "DimAttributeOMValueStreams",
    "legalentities": "DimAttributeCompanyInfos",
    "companies": "DimAttributeCompanyInfos",
    "projects": "DimAttributeProjTables",
    "projectgroups": "DimAttributeProjGroups",
    "projectcontracts": "DimAttributeProjInvoicesTable",
    "workers": "DimAttributeHcmWorkers",
    "employees": "DimAttributeHcmWorkers",
    "jobs": "DimAttributeHcmJobs",
    "positions": "DimAttributeHcmPositions",
    "customers": "DimAttributeCustTables",
    "customergroups": "DimAttributeCustGroups",
    "vendors": "DimAttributeVendTables",
    "vendorgroups": "DimAttributeVendGroups",
    "items": "DimAttributeInventTables",
    "itemgroups": "DimAttributeInventItemGroups",
    "fixedassets": "DimAttributeAssetTables",
    "fixedassetgroups": "DimAttributeAssetGroups",
    "bankaccounts": "DimAttributeBankAccountTables",
    "campaigns": "DimAttributeSmmCampaignsTable",
    "prospects": "DimAttributeSmmBusRelsTable",
    "resources": "DimAttributeWrkCtrTables",
    "resourcegroups": "DimAttributeWrkCtrResourceGroups",
    "channels": "DimAttributeRetailChannels",
    "stores": "DimAttributeRetailStores",
    "terminals": "DimAttributeRetailTerminals",
    "expensepurposes": "DimAttributeTrvTravelTxts",
    "taxbranches": "DimAttributeTaxBranches",
    "customlists": CUSTOM_LISTS,
    "customdimensions": CUSTOM_LISTS,
}
#: Main accounts have a stream of their own; as values of a dimension they would be doubled.
MAIN_ACCOUNTS = "mainaccounts"


@dataclass(frozen=True)
class ValueSource:
    """Where the values of a dimension are, besides FinancialDimensionValues.

    `entity_set` is "" where there is no such set, `filter` what of it belongs to the dimension.
    """

    dimension: str
    entity_set: str = ""
    filter: str = ""
    is_main_account: bool = False
    #: What DimensionAttributes says and nothing is known for, "" where all is clear.
    unknown: str = ""


def value_sources(reader: Reader, overrides: Mapping[str, str]) -> dict[str, ValueSource]:
    """Return the source of each dimension of the environment by its comparable name.

    `overrides` is the setting dimension_value_sets: dimension -> entity set, "" for none. Raises
    SetupError where it names a dimension or a set that the environment does not have.
    """
    given = {comparable(dimension): name for dimension, name in overrides.items()}
    attributes = {comparable(row["DimensionName"]): row for row in _attributes(reader)}
    for dimension in overrides:
        if comparable(dimension) not in attributes:
            names = ", ".join(sorted(row["DimensionName"] for row in attributes.values()))
            msg = f"{SETTING}: there is no dimension {dimension!r}; there are {names or 'none'}"
            raise SetupError(msg)
    return {key: _source(reader, row, given.get(key)) for key, row in attributes.items()}


def _attributes(reader: Reader) -> list[Row]:
    return reader.table("DimensionAttributes", select=("DimensionName", "UseValuesFrom"))


def _source(reader: Reader, attribute: Row, override: str | None) -> ValueSource:
    dimension, uses = attribute["DimensionName"], attribute["UseValuesFrom"]
    if override is None and _word(uses) == MAIN_ACCOUNTS:
        return ValueSource(dimension, is_main_account=True)
    entity_set = _derived(reader, uses) if override is None else override
    if override:
        _check(reader, dimension, override)
    if not entity_set or not reader.has(entity_set):
        return ValueSource(dimension, unknown=uses if override is None else "")
    # Custom lists share one set; the others belong to the dimension as a whole.
    of_list = reader.has(entity_set, "DimensionName")
    own = equal("DimensionName", dimension, "Edm.String") if of_list else ""
    return ValueSource(dimension, entity_set, own)


def _check(reader: Reader, dimension: str, entity_set: str) -> None:
    try:
        found = reader.entity(entity_set)
    except SetupError as error:
        msg = f"{SETTING}, dimension {dimension}: {error}"
        raise SetupError(msg) from None
    if "Value" not in found.properties:
        msg = f"{SETTING}, dimension {dimension}: {entity_set} has no field Value"
        raise SetupError(msg)


def _derived(reader: Reader, uses: str) -> str:
    """Return the set for a text of UseValuesFrom: well known, or named after the entity."""
    word = _word(uses)
    if word in VALUE_SETS:
        return VALUE_SETS[word]
    sets = (name for name in reader.metadata.sets if name.casefold().startswith(PREFIX))
    return next((name for name in sets if _word(name) == word), "")


def _word(text: str) -> str:
    """Return a text as it is compared: letters only, without the prefix, in the plural."""
    letters = re.sub(r"[^a-z]", "", text.casefold()).removeprefix(PREFIX)
    if letters.endswith("y"):
        letters = f"{letters[:-1]}ie"
    return letters if letters.endswith("s") or not letters else f"{letters}s"
