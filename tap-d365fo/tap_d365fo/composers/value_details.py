"""Translations and legal entity overrides of dimension values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import offered, rows_schema
from tap_d365fo.keyset import equal
from tap_d365fo.reader import Reader, group_key

TRANSLATIONS = ("FinancialDimensionValueTranslations",)
OVERRIDES = (
    "FinancialDimensionValueLegalEntityOverridesV2",
    "FinancialDimensionValueLegalEntityOverrides",
)
#: So many rows of one dimension are read at once; of more, those of each page.
FEW = 5000

PROPERTIES: Mapping[str, Any] = {
    "Translations": rows_schema("LanguageCode and TranslatedDescription of each translation."),
    "LegalEntityOverrides": rows_schema(
        "LegalEntityId, IsSuspended, ActiveFrom and ActiveTo where a legal entity has its own."
    ),
}


class ValueDetails:
    """What hangs on the values of one dimension. Most dimensions have little of it or nothing."""

    def __init__(self, reader: Reader, dimension: str) -> None:
        self._translations = _Children(
            reader,
            offered(reader, TRANSLATIONS),
            dimension,
            value="FinancialDimensionValue",
            fields=("LanguageCode", "TranslatedDescription"),
        )
        self._overrides = _Children(
            reader,
            offered(reader, OVERRIDES),
            dimension,
            value="DimensionValue",
            fields=("LegalEntityId", "IsSuspended", "ActiveFrom", "ActiveTo"),
        )

    def add(self, rows: list[Row]) -> Iterable[Row]:
        """Yield the rows with what hangs on them.

        They come in key order, and from one legal entity: only then do their values span a range.
        """
        translations = self._translations.of(rows)
        overrides = self._overrides.of(rows)
        for row in rows:
            key = group_key(row, ("FinancialDimension", "DimensionValue"))
            yield {
                **row,
                "Translations": translations.get(key, []),
                "LegalEntityOverrides": [
                    {**override, "LegalEntityId": override["LegalEntityId"].lower()}
                    for override in overrides.get(key, [])
                ],
            }


class _Children:
    """The rows of one set that belong to the values of a dimension."""

    def __init__(
        self,
        reader: Reader,
        entity_set: str,
        dimension: str,
        *,
        value: str,
        fields: tuple[str, ...],
    ) -> None:
        self._reader = reader
        self._set = entity_set
        self._link = {"FinancialDimension": "FinancialDimension", "DimensionValue": value}
        self._fields = fields
        of_dimension = equal("FinancialDimension", dimension, "Edm.String")
        count = reader.client.count(entity_set, filter=of_dimension) if entity_set else 0
        self._whole = self._read(of_dimension) if 0 < count <= FEW else {}
        self._many = count > FEW

    def of(self, rows: list[Row]) -> dict[tuple[Any, ...], list[Row]]:
        found = self._whole
        if self._many:
            select = (*self._link.values(), *self._fields)
            found = self._reader.window(self._set, self._link, rows, select=select)
            found = {key: [self._cut(row) for row in group] for key, group in found.items()}
        return found

    def _read(self, where: str) -> dict[tuple[Any, ...], list[Row]]:
        found: dict[tuple[Any, ...], list[Row]] = {}
        select = (*self._link.values(), *self._fields)
        for page in self._reader.crawl(self._set, select=select, filter=where):
            for row in page:
                key = group_key(row, self._link.values())
                found.setdefault(key, []).append(self._cut(row))
        return found

    def _cut(self, row: Row) -> Row:
        return {name: row[name] for name in self._fields}
