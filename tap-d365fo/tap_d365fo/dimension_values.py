"""The values of every financial dimension, those that nothing has used yet included.

FinancialDimensionValues holds what has been used or maintained. A dimension that takes its values
from another entity (departments, projects, ...) may have more of them: those show in the
DimAttribute* set behind it, by value and name alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from hashlib import blake2b
from itertools import chain, groupby, islice
from typing import Any, ClassVar

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import present
from tap_d365fo.composers.value_details import PROPERTIES, ValueDetails
from tap_d365fo.composers.value_sets import SETTING, ValueSource, value_sources
from tap_d365fo.entity_schema import entity_properties
from tap_d365fo.entity_stream import D365Stream
from tap_d365fo.odata import comparable
from tap_d365fo.reader import Reader

SET = "FinancialDimensionValues"
KEYS = ("FinancialDimension", "LegalEntityId", "DimensionValue")
NO_DATE = "1900-01-01T12:00:00Z"
#: Values that are completed at a time.
PAGE = 5000
#: What a value is that F&O has not written down yet.
UNUSED = {
    "GroupDimension": "",
    "IsSuspended": "No",
    "IsBlockedForManualEntry": "No",
    "IsTotal": "No",
    "ActiveFrom": NO_DATE,
    "ActiveTo": NO_DATE,
    "Owner": "",
}


class DimensionValues(D365Stream):
    """Values of FinancialDimensionValues and of the sets behind the dimensions, each once."""

    name = "dimension_values"
    primary_keys = KEYS
    requires: ClassVar[tuple[str, ...]] = (SET, "DimensionAttributes")

    @cached_property
    def schema(self) -> dict[str, Any]:
        """Fields of FinancialDimensionValues, and what is added to them."""
        properties = entity_properties(self.reader.entity(SET), self.reader.metadata.enums)
        source = {"type": "string", "description": "Entity set that the value was read from."}
        return {
            "type": "object",
            "properties": {**properties, "Source": source, **PROPERTIES},
            "required": list(KEYS),
            "description": "Values of financial dimensions, with translations and overrides.",
        }

    def records(self) -> Iterable[Row]:
        """Yield the values dimension by dimension."""
        return values(self.reader, self.config.get(SETTING) or {}, warn=self.logger.warning)


def values(
    reader: Reader, value_sets: Mapping[str, str], *, warn: Callable[[str], None]
) -> Iterator[Row]:
    """Yield the values of every dimension; main accounts are left to their own stream.

    `value_sets` is the setting dimension_value_sets; `warn` is told of dimensions that may have
    more values than can be found. Raises SetupError for a setting that fits no dimension or set.
    """
    sources = value_sources(reader, value_sets)
    for source in sources.values():
        if source.unknown:
            warn(
                f"dimension {source.dimension} takes its values from {source.unknown!r}, which no "
                f"entity set is known for: values that nothing has used yet are missing. Name "
                f"the set in {SETTING}"
            )
    rows = chain.from_iterable(reader.crawl(SET))
    for dimension, stored in groupby(rows, lambda row: comparable(row["FinancialDimension"])):
        yield from _of_dimension(reader, sources.pop(dimension, ValueSource(dimension)), stored)
    for source in sources.values():
        yield from _of_dimension(reader, source, iter(()))


def _of_dimension(reader: Reader, source: ValueSource, stored: Iterable[Row]) -> Iterator[Row]:
    """Yield the values that F&O has written down, then those that only the set behind has."""
    if source.is_main_account:
        return
    details = ValueDetails(reader, source.dimension)
    seen = SeenValues()
    for run in runs(stored):
        if source.entity_set:
            seen.add(run)
        yield from details.add([{**row, "Source": SET} for row in run])
    if source.entity_set:
        for run in runs(_unused(reader, source, seen)):
            yield from details.add(run)


def _unused(reader: Reader, source: ValueSource, seen: SeenValues) -> Iterator[Row]:
    """Yield what only the set behind a dimension has, in the form of the other values."""
    fields = present(reader, source.entity_set, ("dataAreaId", "Value", "Name"))
    unset = {field: UNUSED[field] for field in present(reader, SET, UNUSED)}
    for page in reader.crawl(source.entity_set, select=fields, filter=source.filter):
        for row in page:
            value = {
                "FinancialDimension": source.dimension,
                "LegalEntityId": row.get("dataAreaId", ""),
                "DimensionValue": row["Value"],
                "Description": row.get("Name", ""),
                **unset,
                "Source": source.entity_set,
            }
            if row["Value"] and value not in seen:
                yield value


class SeenValues:
    """The values of one dimension that were read, as 16 bytes each, not as text.

    A set in memory rather than a merge of two ordered crawls: only the server knows its order of
    text. 200,000 values take about 20 MB, given back after each dimension. What is used for the
    first time while it is crawled is found in one set or in the other.
    """

    def __init__(self) -> None:
        self._digests: set[bytes] = set()

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows with LegalEntityId and DimensionValue."""
        self._digests.update(_digest(row["LegalEntityId"], row["DimensionValue"]) for row in rows)

    def __contains__(self, row: Row) -> bool:
        """Tell whether the value was read, for its legal entity or as one that all share."""
        company, value = row["LegalEntityId"], row["DimensionValue"]
        return _digest(company, value) in self._digests or _digest("", value) in self._digests


def _digest(company: str, value: str) -> bytes:
    text = f"{comparable(company)}\0{comparable(value)}"
    return blake2b(text.encode(), digest_size=16).digest()


def runs(rows: Iterable[Row], size: int = PAGE) -> Iterator[list[Row]]:
    """Yield rows in lists of one legal entity, `size` at most."""
    for _, group in groupby(rows, lambda row: comparable(row["LegalEntityId"])):
        while page := list(islice(group, size)):
            yield page
