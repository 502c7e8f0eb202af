"""The OData client of one F&O environment: reads, writes and atomic changesets."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import islice, zip_longest
from typing import Any

import requests
from singer_delivery.errors import InDoubt, Refused
from singer_delivery.exact_json import decode_json
from singer_delivery.http import ApiSession
from singer_delivery.policy import ErrorTable

from tap_d365fo import odata
from tap_d365fo.batch import Changeset, Operation, PartResponse
from tap_d365fo.changesets import ChangesetResult, ChangesetSender
from tap_d365fo.errors import (
    BusinessRefusal,
    FinOpsErrorTable,
    explain,
    is_absence,
    is_missing_for_update,
    refusal,
)
from tap_d365fo.lookup import WantedKeys
from tap_d365fo.reads import ReadSender

#: From so many reads on they go in one request: fewer are not worth another kind of request.
READS_TOGETHER = 3

Key = Mapping[str, Any]
Row = dict[str, Any]

#: Without it F&O silently shows the service user's default company alone.
ALL_COMPANIES = {"cross-company": "true"}
#: No read has as many pages; one that does not end is none.
MAX_PAGES = 1_000_000


@dataclass(frozen=True)
class Page:
    """Rows of one answer; `more` when the server has others that it was asked for."""

    rows: list[Row]
    more: bool


@dataclass(frozen=True)
class LookUp:
    """Keys whose rows are wanted, and how they are read; see `D365Client.lookup`."""

    entity_set: str
    keys: Sequence[Key]
    where: str = ""
    select: Sequence[str] = ()
    orderby: Sequence[str] = ()
    cross_company: bool = True

    @cached_property
    def wanted(self) -> WantedKeys:
        """The keys, to compare rows with."""
        return WantedKeys(self.keys)


@dataclass
class D365Client(ApiSession):
    """An F&O environment; `base_url` ends in `/data`. Safe to share between threads.

    `max_lookup_rows` and `max_url_length` bound the filters of `lookup`.
    """

    table: ErrorTable = field(default_factory=FinOpsErrorTable)
    explain: Callable[[requests.Response], str] = explain
    request_id: Callable[[requests.Response], str | None] = lambda response: response.headers.get(
        "ms-dyn-aid"
    )
    refusal: Callable[[str, requests.Response, str | None], Refused] = refusal
    max_lookup_rows: int = 40
    max_url_length: int = 6000
    _clock: tuple[datetime, float] | None = field(default=None, init=False, repr=False)
    _takes_reads_together: bool = field(default=True, init=False, repr=False)

    @property
    def environment(self) -> str:
        """The environment's origin, e.g. `https://contoso.operations.dynamics.com`."""
        return str(self.origin)

    def request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send one request under a client request id of its own; see ApiSession.request."""
        headers = {
            "x-ms-client-request-id": str(uuid.uuid4()),
            "OData-Version": "4.0",
            "OData-MaxVersion": "4.0",
            **(kwargs.pop("headers", None) or {}),
        }
        response = super().request(method, url, headers=headers, **kwargs)
        self._note_time(response)
        return response

    def _note_time(self, response: requests.Response) -> None:
        """Keep the server's time when it took the request, beside our own clock's."""
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        if date.tzinfo is not None:
            self._clock = (date - response.elapsed, time.monotonic())

    @property
    def knows_time(self) -> bool:
        """Whether an answer has told the server's time yet."""
        return self._clock is not None

    def now(self) -> datetime:
        """Return the server's time (UTC), as far as its answers have told it; else our own."""
        if self._clock is None:
            return datetime.now(UTC)
        date, noted = self._clock
        return date.astimezone(UTC) + timedelta(seconds=time.monotonic() - noted)

    def url(
        self,
        entity_set: str,
        key: Key | None = None,
        options: Mapping[str, str | Sequence[str]] = ALL_COMPANIES,
    ) -> str:
        """Return the absolute URL of a set, or of one of its rows, with its query options."""
        path = f"{self.base_url}/{entity_set}{odata.key_predicate(key) if key else ''}"
        query = odata.query_string(options)
        return f"{path}?{query}" if query else path

    def read(
        self,
        entity_set: str,
        *,
        filter: str = "",  # noqa: A002
        select: Sequence[str] = (),
        orderby: Sequence[str] = (),
        expand: Sequence[str] = (),
        top: int | None = None,
        cross_company: bool = True,
    ) -> Iterator[Row]:
        """Yield the rows of a set, page by page; fractions are Decimal.

        F&O pages by offset: give the key fields as `orderby`, or rows that move are lost or
        doubled. Without `cross_company` only the service user's default company is seen.
        """
        options = {
            "$filter": filter,
            "$select": select,
            "$orderby": orderby,
            "$expand": expand,
            "$top": "" if top is None else str(top),
            **(ALL_COMPANIES if cross_company else {}),
        }
        yield from islice(self._pages(entity_set, self.url(entity_set, options=options)), top)

    def _pages(self, entity_set: str, url: str | None) -> Iterator[Row]:
        seen: set[str] = set()
        while url:
            if url in seen:
                msg = f"{self.environment} leads in a circle through the pages of {entity_set}"
                raise Refused(msg)
            if len(seen) >= MAX_PAGES:
                msg = f"{entity_set} of {self.environment} does not end after {MAX_PAGES} pages"
                raise Refused(msg)
            seen.add(url)
            body = self._page_body(entity_set, url)
            yield from body["value"]
            url = body.get("@odata.nextLink")

    def _page_body(self, entity_set: str, url: str) -> dict[str, Any]:
        body = decode_json(self.get(url))
        if not isinstance(body, dict) or not isinstance(body.get("value"), list):
            msg = f"{self.environment} answered a read of {entity_set} with something else"
            raise Refused(msg)
        return body

    def page(
        self,
        entity_set: str,
        *,
        filter: str = "",  # noqa: A002
        select: Sequence[str] = (),
        orderby: Sequence[str] = (),
        top: int,
        skip: int = 0,
    ) -> Page:
        """Return at most `top` rows of all companies with one request; the server may give less.

        A `select` that would make the URL too long is left out: the rows then have all fields.
        """
        options: dict[str, str | Sequence[str]] = {
            "$filter": filter,
            "$select": select,
            "$orderby": orderby,
            "$top": str(top),
            "$skip": str(skip) if skip else "",
            **ALL_COMPANIES,
        }
        url = self.url(entity_set, options=options)
        if select and len(url) > self.max_url_length:
            url = self.url(entity_set, options=options | {"$select": ""})
        body = self._page_body(entity_set, url)
        rows = body["value"]
        return Page(rows, more=bool(body.get("@odata.nextLink")) or len(rows) >= top)

    def lookup(
        self,
        entity_set: str,
        keys: Iterable[Key],
        *,
        where: str = "",
        select: Sequence[str] = (),
        orderby: Sequence[str] = (),
        cross_company: bool = True,
    ) -> Iterator[Row]:
        """Yield every row that has the values of one of `keys`, with few, short requests.

        `where` narrows further. Values compare as in `WantedKeys`; each row comes once, by its
        ETag: several requests can find it, for two keys of its own or for another's wildcard.
        """
        asked = LookUp(entity_set, list(keys), where, select, orderby, cross_company)
        rows = (row for url in self._look_up_urls(asked) for row in self._pages(entity_set, url))
        yield from asked.wanted.found(rows)

    def _look_up_urls(self, asked: LookUp) -> Iterator[str]:
        """Yield the first page of each read that a look-up takes."""
        wanted = asked.wanted
        fields = tuple(dict.fromkeys((*asked.select, *wanted.fields))) if asked.select else ()
        company = ALL_COMPANIES if asked.cross_company else {}
        options = {"$select": fields, "$orderby": asked.orderby}
        longest = {**options, **ALL_COMPANIES, "$filter": "x"}
        filters = odata.any_of(
            wanted.keys,
            where=asked.where,
            max_rows=self.max_lookup_rows,
            max_chars=self.max_url_length - len(self.url(asked.entity_set, options=longest)),
        )
        for text in filters:
            yield self.url(asked.entity_set, options={"$filter": text, **options, **company})

    def look_up_all(self, look_ups: Sequence[LookUp]) -> list[list[Row]]:
        """Return the rows of each of several look-ups, as `lookup` does, read in their order.

        From `READS_TOGETHER` reads on they go in one `$batch`; where an environment does not take
        that, or a part of it fails, what is left is read one by one.
        """
        reads = [
            (number, asked.entity_set, url)
            for number, asked in enumerate(look_ups)
            for url in self._look_up_urls(asked)
        ]
        together = self._read_together([url for *_, url in reads])
        rows: list[list[Row]] = [[] for _ in look_ups]
        for (number, entity_set, url), body in zip_longest(reads, together):
            rows[number] += body if body is not None else self._pages(entity_set, url)
        return [
            list(asked.wanted.found(found)) for asked, found in zip(look_ups, rows, strict=True)
        ]

    def _read_together(self, urls: Sequence[str]) -> list[list[Row]]:
        """Return the rows of the first of these reads, as far as each is whole; perhaps of none.

        What comes after one that is not has to be read again: it was to be read later.
        """
        if len(urls) < READS_TOGETHER or not self._takes_reads_together:
            return []
        try:
            answers = ReadSender(self).send(urls)
        except Refused:
            self._takes_reads_together = False
            return []
        return answers

    def get_row(self, entity_set: str, key: Key, *, select: Sequence[str] = ()) -> Row | None:
        """Return the row with this key in any company, or None where there is none."""
        if not odata.is_safe_in_path(key):
            return next(self.lookup(entity_set, [key], select=select), None)
        url = self.url(entity_set, key, {"$select": select, **ALL_COMPANIES})
        response = self._unless_absent("GET", url)
        return None if response is None else dict(decode_json(response))

    def _unless_absent(self, method: str, url: str) -> requests.Response | None:
        """Send a request for one row; None where the answer says that there is none."""
        response = self.request(method, url, accept=frozenset({404}))
        if response.status_code != 404:
            return response
        if is_absence(response):
            return None
        msg = f"{method} {url.partition('?')[0]}: 404 {self.explain(response)}"
        raise Refused(msg, status=404, request_id=self.request_id(response))

    def count(self, entity_set: str, *, filter: str = "") -> int:  # noqa: A002
        """Return the number of rows in all companies."""
        url = self.url(f"{entity_set}/$count", options={"$filter": filter, **ALL_COMPANIES})
        text = self.get(url, headers={"Accept": "*/*"}).content.decode("utf-8-sig").strip()
        if not text.isdigit():
            msg = f"{self.environment} answered a count of {entity_set} with something else"
            raise Refused(msg)
        return int(text)

    def create(self, entity_set: str, row: Mapping[str, Any]) -> Row:
        """Create a row and return it as F&O filled it; its company is the row's `dataAreaId`.

        Raises BusinessRefusal, Refused, Unavailable, AccessDenied or InDoubt.
        """
        response = self.request("POST", self.url(entity_set), json_body=row)
        if not response.content:
            return {}
        try:
            return dict(decode_json(response))
        except (Refused, TypeError, ValueError) as error:
            # It says success, and then something unreadable: the row is probably there.
            msg = f"{self.environment}: the answer to a create in {entity_set} is cut off: {error}"
            raise InDoubt(msg, status=response.status_code) from None

    def update(self, entity_set: str, key: Key, changes: Mapping[str, Any]) -> None:
        """Change fields of an existing row; F&O has no upsert: see `is_missing_for_update`."""
        self.request("PATCH", self.url(entity_set, key), json_body=changes)

    def delete(self, entity_set: str, key: Key) -> bool:
        """Delete a row; return False where it was not there (any more)."""
        try:
            return self._unless_absent("DELETE", self.url(entity_set, key)) is not None
        except BusinessRefusal as error:
            if is_missing_for_update(error.problem):
                return False
            raise

    def creation(self, entity_set: str, row: Mapping[str, Any]) -> Operation:
        """Return the operation that creates a row, for a changeset."""
        return Operation("POST", self.url(entity_set), dict(row))

    def change(self, entity_set: str, key: Key, changes: Mapping[str, Any]) -> Operation:
        """Return the operation that changes a row, for a changeset."""
        return Operation("PATCH", self.url(entity_set, key), dict(changes))

    def deletion(self, entity_set: str, key: Key) -> Operation:
        """Return the operation that deletes a row, for a changeset."""
        return Operation("DELETE", self.url(entity_set, key))

    def changeset(self, operations: Sequence[Operation]) -> tuple[PartResponse, ...]:
        """Carry out one changeset and return the answers in the order of its operations.

        Raises BusinessRefusal, Refused, Unavailable, AccessDenied or InDoubt.
        """
        result = self.batch([Changeset(tuple(operations))])[0]
        if result.error:
            raise result.error
        return result.responses

    def batch(self, changesets: Sequence[Changeset]) -> list[ChangesetResult]:
        """Carry out changesets, each one whole or not at all, and return what became of each.

        Few changesets a request and several requests at a time is what Microsoft advises.
        """
        return ChangesetSender(self).send(changesets)
