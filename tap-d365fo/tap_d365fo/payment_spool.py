"""Settlements found by a crawl, put into the order in which they were created, outside memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NamedTuple, Self

from tap_d365fo.payments import Place, moment, side_of


class Found(NamedTuple):
    """A settlement row: when it was created, its legal entity and RecId, and whose side it is."""

    created: datetime
    company: str
    settlement: int
    side: Place


class SettlementSpool:
    """Holds what is needed of each row in a temporary file that vanishes with it.

    The order is that of CreatedOn, then of the RecIds.
    """

    def __init__(self) -> None:
        # The empty name is a private file of SQLite, deleted when it is closed.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute(
            "CREATE TABLE found (created TEXT, settlement INTEGER, company TEXT, "
            "side_company TEXT, side INTEGER, PRIMARY KEY (created, settlement)) WITHOUT ROWID"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._database.close()

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take the settlement rows of a page."""
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT OR REPLACE INTO found VALUES (?, ?, ?, ?, ?)",
            (
                (
                    moment(row["CreatedOn"]).astimezone(UTC).isoformat(timespec="microseconds"),
                    int(row["SourceKey"]),
                    str(row["dataAreaId"]),
                    *side_of(row),
                )
                for row in rows
            ),
        )
        self._database.execute("COMMIT")

    def batches(self, size: int) -> Iterator[list[Found]]:
        """Yield all rows, oldest first, `size` at a time."""
        rows = self._database.execute(
            "SELECT created, company, settlement, side_company, side FROM found "
            "ORDER BY created, settlement"
        )
        while batch := rows.fetchmany(size):
            yield [
                Found(datetime.fromisoformat(created), company, settlement, (side_company, side))
                for created, company, settlement, side_company, side in batch
            ]
