"""Whole crawls of an entity set in pages of key order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from singer_delivery.errors import Refused

from tap_d365fo.client import D365Client, Page, Row
from tap_d365fo.keyset import COMPANY, KeyOrder, equal
from tap_d365fo.metadata import EntitySet
from tap_d365fo.odata import and_, comparable, compare, or_

#: Fields (rows x columns) of one page at most, so that a page of a wide set stays small too.
MAX_CELLS = 200_000
MIN_ROWS = 100


@dataclass(frozen=True)
class CrawlRequest:
    """What to read: rows of `companies` (empty: all) that match `where`, at most `rows` a page."""

    client: D365Client
    entity: EntitySet
    order: KeyOrder
    select: tuple[str, ...] = ()
    where: str = ""
    companies: tuple[str, ...] = ()
    rows: int = 5000

    def fetch(self, *conditions: str, skip: int = 0, top: int | None = None) -> Page:
        """Return one page in key order."""
        return self.client.page(
            self.entity.name,
            filter=and_(*conditions),
            select=self.select,
            orderby=self.order.fields,
            top=top or self.rows,
            skip=skip,
        )

    @property
    def by_company(self) -> bool:
        """Whether rows of one legal entity stand together, so that it can be read by itself."""
        return COMPANY in self.order.ordered

    def company_filter(self, companies: Sequence[str]) -> str:
        """Return the filter for rows of these legal entities; shared rows stay in."""
        field = company_field(self.entity)
        if not companies or not field:
            return ""
        shared = [] if field == COMPANY else [""]
        kind = self.entity.properties[field]
        return or_(*(equal(field, company, kind) for company in (*companies, *shared)))


def company_field(entity: EntitySet) -> str:
    """Return the field that tells a row's legal entity, "" where rows belong to none."""
    if COMPANY in entity.properties:
        return COMPANY
    return "LegalEntityId" if "LegalEntityId" in entity.keys else ""


def page_rows(page_size: int, columns: int) -> int:
    """Return how many rows to ask for when each has so many fields."""
    return min(page_size, max(MIN_ROWS, MAX_CELLS // max(1, columns)))


class KeysetCrawl:
    """Pages that go on after the last key: rows that move meanwhile are neither lost nor doubled.

    Iterate once. `last` are the rows at the end of what was read, to go on from another time.
    """

    def __init__(self, request: CrawlRequest, *, after: Row | None = None) -> None:
        self._request = request
        self.last: list[Row] = [after] if after else []

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield pages until the end."""
        if self._request.by_company:
            yield from self._by_company()
        else:
            where = self._request.company_filter(self._request.companies)
            yield from self._pages(and_(self._request.where, where))

    def _by_company(self) -> Iterator[list[Row]]:
        """Read on across legal entities; one that fills a page is read to its end by itself.

        `dataAreaId eq` lets the database seek; a set that fits one page costs one request.
        """
        request = self._request
        given = request.company_filter(request.companies)
        unread = {comparable(company) for company in request.companies}
        if self.last:
            yield from self._company()
        while not self.last or not request.companies or unread:
            after = compare(COMPANY, "gt", self.last[-1][COMPANY]) if self.last else ""
            page = self._fetch(and_(request.where, given, after))
            if after and page.rows and page.rows[0][COMPANY] == self.last[-1][COMPANY]:
                raise self._no_progress()
            if page.rows:
                self.last = _end(request.order, page.rows)
                yield page.rows
            if not page.more:
                return
            yield from self._company()
            unread -= {comparable(row[COMPANY]) for row in page.rows}

    def _company(self) -> Iterator[list[Row]]:
        """Read the legal entity of the last row to its end."""
        fixed = equal(COMPANY, self.last[-1][COMPANY], "Edm.String")
        yield from self._pages(and_(self._request.where, fixed), within=(COMPANY,))

    def _pages(self, where: str, within: Sequence[str] = ()) -> Iterator[list[Row]]:
        order = self._request.order
        while True:
            on = order.from_on(self.last, within=within) if self.last else ""
            page = self._fetch(and_(where, on))
            new = _without(order, page.rows, self.last)
            if page.more and self._stands_still(new):
                raise self._no_progress()
            if new:
                self.last = _end(order, [*self.last, *new])
                yield new
            if not page.more:
                return

    def _stands_still(self, new: Sequence[Row]) -> bool:
        values = self._request.order.values
        return not new or (bool(self.last) and values(new[-1]) == values(self.last[-1]))

    def _no_progress(self) -> Refused:
        keys = ", ".join(self._request.order.fields)
        return Refused(
            f"{self._request.entity.name} cannot be read on after its key ({keys}): more rows "
            f"than a page of {self._request.rows} have the same one, or the environment "
            "compares it in another way than it sorts; set paging to offset, or a larger page_size"
        )

    def _fetch(self, condition: str) -> Page:
        try:
            return self._request.fetch(condition)
        except Refused as error:
            # The first page had the same filter without the key.
            if error.status not in {400, 500, 501} or not self.last:
                raise
            keys = ", ".join(self._request.order.fields)
            msg = (
                f"{self._request.entity.name}: the environment does not compare the key ({keys}) "
                f"with ge and gt, which paging by key needs; set paging to offset ({error})"
            )
            raise Refused(msg, status=error.status, request_id=error.request_id) from None


def _end(order: KeyOrder, rows: Sequence[Row]) -> list[Row]:
    """Return copies of the rows at the end that share the last position."""
    position = order.position(rows[-1])
    start = len(rows) - 1
    while start and order.position(rows[start - 1]) == position:
        start -= 1
    return [dict(row) for row in rows[start:]]


def _without(order: KeyOrder, rows: list[Row], last: Sequence[Row]) -> list[Row]:
    """Return the rows of a page that were not at the end of what was read before it.

    A row that changed meanwhile is still the same row. Only where a key has more rows than
    before, and so is none, their content tells them apart.
    """
    if not last or order.unordered:
        return rows
    key = order.values(last[-1])
    count = 0
    while count < len(rows) and order.values(rows[count]) == key:
        count += 1
    fresh = [row for row in rows[:count] if row not in last] if count > len(last) else []
    return [*fresh, *rows[count:]]


class OffsetCrawl:
    """Pages by offset, for a server that does not compare keys; `moved` tells that rows slid.

    Each page begins with the last row of the one before it: another row there means that rows
    were inserted or deleted in front of it, and so that some were lost or doubled.
    """

    def __init__(self, request: CrawlRequest) -> None:
        self._request = request
        self.moved = False

    def __iter__(self) -> Iterator[list[Row]]:
        """Yield pages until the end."""
        request = self._request
        where = and_(request.where, request.company_filter(request.companies))
        last: Row | None = None
        offset = 0
        while True:
            start = offset - 1 if last else 0
            page = request.fetch(where, skip=start, top=request.rows + offset - start)
            same = bool(last and page.rows) and self._same(page.rows[0], last)
            self.moved = self.moved or (last is not None and not same)
            new = page.rows[1:] if same else page.rows
            if new:
                last = dict(new[-1])
                offset = start + len(page.rows)
                yield new
            if not page.more:
                return
            if not new:
                self.moved = True
                return

    def _same(self, one: Row, other: Row | None) -> bool:
        return other is not None and self._request.order.values(one) == self._request.order.values(
            other
        )
