"""Reading entity sets: whole in key order, by key, or the part that belongs to a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tap_d365fo.bookmark import moment
from tap_d365fo.client import D365Client, Key, Row
from tap_d365fo.crawl import CrawlRequest, KeysetCrawl, OffsetCrawl, page_rows
from tap_d365fo.keyset import KeyOrder, between, typed
from tap_d365fo.metadata import EntitySet, Metadata
from tap_d365fo.odata import and_, comparable

#: Names that parent and child share, or the parent's name -> the child's.
Fields = Sequence[str] | Mapping[str, str]
KEYSET, OFFSET = "keyset", "offset"
PAGE_SIZE = 5000


@dataclass
class Reader:
    """What streams read the environment with; one a tap run, for one thread.

    `companies` are legal entity ids; empty means all that the application's user may see.
    `page_size` are the rows asked for at most; of sets with many fields it is fewer.
    """

    client: D365Client
    metadata: Metadata
    companies: tuple[str, ...] = ()
    page_size: int = PAGE_SIZE
    paging: str = KEYSET
    #: Entity sets whose rows slid in an offset crawl: what was read of them may not be all.
    moved: set[str] = field(default_factory=set)
    #: Entity sets read since `begin`.
    read: set[str] = field(default_factory=set)
    _sets: dict[str, EntitySet] = field(default_factory=dict)
    _tables: dict[tuple[Any, ...], list[Row]] = field(default_factory=dict)
    _scattered: bool = False

    def has(self, entity_set: str, field: str = "") -> bool:
        """Tell whether the environment has this entity set, and this field in it."""
        known = entity_set in self.metadata.sets
        return known and (not field or field in self.entity(entity_set).properties)

    def entity(self, entity_set: str) -> EntitySet:
        """Return what $metadata says of a set; SetupError where there is none."""
        if entity_set not in self._sets:
            self._sets[entity_set] = self.metadata.entity_set(entity_set)
        return self._sets[entity_set]

    def begin(self) -> None:
        """Note from now on which sets are read, for `is_complete`."""
        self.read.clear()

    @property
    def is_complete(self) -> bool:
        """Whether every crawl since `begin` is certain to have seen each row once."""
        return not self.read & self.moved

    def now(self, entity_set: str) -> datetime:
        """Return the server's time; a row of this set is read where no answer has told it yet."""
        if not self.client.knows_time:
            keys = self.entity(entity_set).keys
            self.client.page(entity_set, select=keys, orderby=keys, top=1)
        return self.client.now()

    def latest(self, entity_set: str, field: str) -> datetime | None:
        """Return the latest value of a date-time in the rows of the companies; None without any."""
        request = self._request(entity_set, (), "")
        page = self.client.page(
            entity_set,
            filter=request.company_filter(self.companies),
            select=[field],
            orderby=[f"{field} desc"],
            top=1,
        )
        return moment(page.rows[0].get(field)) if page.rows else None

    def table(
        self,
        entity_set: str,
        *,
        select: Sequence[str] = (),
        filter: str = "",  # noqa: A002
    ) -> list[Row]:
        """Return a small set whole; it is read once a run, and the rows are copies."""
        self.read.add(entity_set)
        wanted = (entity_set, tuple(select), filter)
        if wanted not in self._tables:
            pages = self.crawl(entity_set, select=select, filter=filter)
            self._tables[wanted] = [row for page in pages for row in page]
        return [dict(row) for row in self._tables[wanted]]

    def crawl(
        self,
        entity_set: str,
        *,
        select: Sequence[str] = (),
        filter: str = "",  # noqa: A002
        after: Row | None = None,
    ) -> Iterator[list[Row]]:
        """Yield every row of the companies in pages of key order, whatever moves meanwhile.

        `select` gets the key fields in front; empty, rows have all fields. `after` is the last
        row of a crawl that broke off: the pages are those that follow it.
        """
        self.read.add(entity_set)
        request = self._request(entity_set, select, filter)
        if self.paging == OFFSET:
            yield from self._offset(request)
            return
        for page in KeysetCrawl(request, after=after):
            yield _plain(page, request.select)

    def _offset(self, request: CrawlRequest) -> Iterator[list[Row]]:
        crawl = OffsetCrawl(request)
        for page in crawl:
            yield _plain(page, request.select)
        if crawl.moved:
            self.moved.add(request.entity.name)

    def _request(
        self,
        entity_set: str,
        select: Sequence[str],
        where: str,
        companies: tuple[str, ...] | None = None,
    ) -> CrawlRequest:
        entity = self.entity(entity_set)
        fields = tuple(dict.fromkeys((*entity.keys, *select))) if select else ()
        return CrawlRequest(
            self.client,
            entity,
            KeyOrder.of(entity),
            fields,
            where=f"({where})" if " or " in where else where,
            companies=self.companies if companies is None else companies,
            rows=page_rows(self.page_size, len(fields or entity.properties)),
        )

    def lookup(
        self,
        entity_set: str,
        keys: Iterable[Key],
        select: Sequence[str] = (),
        *,
        filter: str = "",  # noqa: A002
    ) -> Iterator[Row]:
        """Yield the rows with these keys (or leading parts of keys), each once."""
        entity = self.entity(entity_set)
        wanted = [
            {name: typed(value, entity.properties[name]) for name, value in key.items()}
            for key in keys
        ]
        fields = tuple(dict.fromkeys((*entity.keys, *select))) if select else ()
        rows = self.client.lookup(
            entity_set,
            wanted,
            where=f"({filter})" if " or " in filter else filter,
            select=fields,
            orderby=KeyOrder.of(entity).fields,
        )
        for row in rows:
            yield from _plain([row], fields)

    def window(
        self,
        entity_set: str,
        fields: Fields,
        rows: Sequence[Row],
        select: Sequence[str] = (),
        *,
        filter: str = "",  # noqa: A002
    ) -> dict[tuple[Any, ...], list[Row]]:
        """Return the rows of a child set that belong to a page of its parents, grouped.

        `fields` are what parent and child share, most significant first in the parent's key:
        names, or the parent's name -> the child's. Find a parent's group with
        `group_key(row, fields)`.
        """
        names = dict(fields) if isinstance(fields, Mapping) else {name: name for name in fields}
        found: dict[tuple[Any, ...], list[Row]] = {}
        if not rows:
            return found
        wanted = (*names.values(), *select) if select else ()
        for row in self._of_page(entity_set, names, rows, wanted, filter):
            found.setdefault(group_key(row, names.values()), []).append(row)
        return found

    def _of_page(
        self,
        entity_set: str,
        names: Mapping[str, str],
        rows: Sequence[Row],
        select: Sequence[str],
        where: str,
    ) -> Iterator[Row]:
        if self._scattered:
            keys = [{ours: row[theirs] for theirs, ours in names.items()} for row in rows]
            yield from self.lookup(entity_set, keys, select, filter=where)
            return
        types = self.entity(entity_set).properties
        where = and_(f"({where})" if where else "", between(rows[0], rows[-1], names, types))
        for page in self.crawl(entity_set, select=select, filter=where):
            yield from page

    @contextmanager
    def scattered(self) -> Iterator[None]:
        """While open, pages are rows from here and there: `window` asks for each one's children."""
        self._scattered = True
        try:
            yield
        finally:
            self._scattered = False


def group_key(row: Mapping[str, Any], fields: Iterable[str]) -> tuple[Any, ...]:
    """Return the values of these fields as F&O compares them: a key of what `window` returns."""
    return tuple(comparable(row[name]) for name in fields)


def _plain(rows: list[Row], select: Sequence[str]) -> list[Row]:
    """Take what was not asked for off the rows, OData's annotations first. Changes them."""
    if not rows:
        return rows
    wanted = set(select)
    spare = [name for name in rows[0] if "@" in name or (wanted and name not in wanted)]
    for row in rows:
        for name in spare:
            row.pop(name, None)
    return rows
