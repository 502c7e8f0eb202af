"""Several composers as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tap_d365fo.client import Row
from tap_d365fo.entity_stream import Composer
from tap_d365fo.reader import Reader


class InTurn:
    """Adds what each of several composers adds, a page at a time like each of them."""

    def __init__(self, *composers: Composer) -> None:
        self._composers = composers
        self.properties: Mapping[str, Any] = {
            name: schema for each in composers for name, schema in each.properties.items()
        }
        self.needs: tuple[str, ...] = tuple(
            dict.fromkeys(field for each in composers for field in each.needs)
        )

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Return the rows of one page with all that is added."""
        for composer in self._composers:
            rows = list(composer.compose(reader, rows))
        return rows
