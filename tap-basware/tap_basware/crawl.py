"""Reading all pages of a stream's queries, in a way that can be taken up again in the middle."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from singer_delivery.ahead import one_ahead

from tap_basware.client import Page, Record
from tap_basware.errors import UnknownContinuation

logger = logging.getLogger(__name__)

#: How often one crawl starts over because a continuation token was refused.
MAX_RESTARTS = 3


@dataclass(frozen=True)
class Query:
    """One list to read to its end. `constants` are added to each of its records."""

    path: str
    params: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return what a continuation token is bound to, as JSON (reference 2.1)."""
        return {"path": self.path, "params": dict(self.params)}


Pages = Callable[[Query, str | None], Iterator[Page]]


@dataclass
class Crawl:
    """The queries of one run, page by page.

    `kept` is the position that an interrupted run left. With a `replication_key`, the crawl also
    finds the watermark for the next run.
    """

    pages: Pages
    queries: Sequence[Query]
    kept: Mapping[str, Any] | None = None
    replication_key: str | None = None
    restarts: int = 0
    high_water: datetime | None = None
    started_at: datetime | None = None

    def run(self) -> Iterator[tuple[list[Record], dict[str, Any] | None]]:
        """Yield each page's records with the position after them, None at the very end.

        Raises UnknownContinuation when tokens keep being refused, and ApiError.
        """
        start, token = self._resume()
        for index in range(start, len(self.queries)):
            query = self.queries[index]
            for page in self._whole(query, token):
                self._note(page)
                found = [{**record, **query.constants} for record in page.records]
                yield found, self._position(index, page.token)
            token = None

    @property
    def watermark(self) -> datetime | None:
        """The latest change that this crawl has certainly seen all changes up to.

        The order of a list is not documented, so only a complete crawl has one. What changed
        while it ran may have been on a page that had been read before: nothing later than the
        crawl's own start counts.
        """
        if self.high_water is None or self.started_at is None:
            return self.high_water
        return min(self.high_water, self.started_at)

    def _whole(self, query: Query, token: str | None) -> Iterator[Page]:
        while True:
            try:
                yield from one_ahead(self.pages(query, token))
            except UnknownContinuation as error:
                self.restarts += 1
                if self.restarts > MAX_RESTARTS:
                    raise
                logger.warning(
                    "%s: Basware no longer knows the continuation token; "
                    "this list is read again from its start (%s)",
                    query.path,
                    error,
                )
                token = None
            else:
                return

    def _resume(self) -> tuple[int, str | None]:
        kept = self.kept or {}
        for index, query in enumerate(self.queries):
            if kept.get("query") == query.identity():
                self.high_water = moment(kept.get("high_water"))
                self.started_at = moment(kept.get("started_at"))
                token = kept.get("token")
                logger.info("%s: taking up the crawl that was interrupted", query.path)
                return index, str(token) if token else None
        if kept:
            logger.info("the crawl that was interrupted was another one; this one starts anew")
        return 0, None

    def _note(self, page: Page) -> None:
        if self.started_at is None:
            self.started_at = page.served_at
        if self.replication_key:
            # A change time that cannot be read moves no bookmark, so that nothing is skipped.
            times = (moment(record.get(self.replication_key)) for record in page.records)
            known = [time for time in (*times, self.high_water) if time]
            self.high_water = max(known, default=None)

    def _position(self, index: int, token: str | None) -> dict[str, Any] | None:
        if token is None:
            index += 1
        if index >= len(self.queries):
            return None
        position: dict[str, Any] = {"query": self.queries[index].identity()}
        if token:
            position["token"] = token
        if self.replication_key and self.high_water:
            position["high_water"] = stamp(self.high_water)
        if self.replication_key and self.started_at:
            position["started_at"] = stamp(self.started_at)
        return position


def moment(text: Any) -> datetime | None:
    """Return a date or date-time of Basware as aware UTC, None when it is neither.

    Without a time zone it is taken as UTC (reference 1.5).
    """
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    try:
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except OverflowError:  # 0001-01-01 with an offset
        return None


def stamp(when: datetime) -> str:
    """Return an instant in the one form that bookmarks and filters use; sorts as text."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
