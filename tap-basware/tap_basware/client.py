"""The Basware API as pages, documents and writes, over one session (reference 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import requests
from singer_delivery.errors import AccessDenied, Refused, Unavailable
from singer_delivery.exact_json import decode_json, parse_json
from singer_delivery.http import REDIRECTS, ApiSession
from singer_delivery.plugin import http_options
from singer_delivery.policy import Action, ErrorTable
from singer_delivery.throttle import Gate

from tap_basware.auth import credentials
from tap_basware.errors import UnknownContinuation, explain, request_id
from tap_basware.regions import base_url

CONTINUATION = "x-amz-meta-continuationtoken"
# 400 is the likely answer to a token that is not known (reference 10); 404 and 410 would be others.
TOKEN_REFUSED = frozenset({400, 404, 410})
NOT_FOUND = frozenset({404})

Record = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page of a list; `token` leads to the next one, None at the end.

    `served_at` is the server's own time (aware, UTC), `digest` tells equal pages apart.
    """

    records: list[Record]
    token: str | None = None
    served_at: datetime | None = None
    digest: str = ""


class RefusedRecords(Refused):
    """A write that Basware refused; `errors` are its ErrorEntities (reference 4.3), if any."""

    errors: Sequence[Record] = ()


class BaswareErrors(ErrorTable):
    """Basware's statuses. A PATCH merges, a DELETE removes: saying it twice changes nothing.

    So it can always be asked again, as Basware itself advises for its 503 (reference 4.3).
    """

    def for_response(self, method: str, response: requests.Response) -> Action:
        """Return what this answer asks for."""
        return super().for_response(_as_read(method), response)

    def for_exception(self, method: str, error: requests.RequestException) -> Action:
        """Return what a failure without an answer asks for."""
        return super().for_exception(_as_read(method), error)


def _as_read(method: str) -> str:
    return "GET" if method in {"PATCH", "DELETE"} else method


@dataclass(frozen=True)
class Receipt:
    """What Basware answered to a write; its effect is asynchronous (reference 4.4)."""

    status: int
    request_id: str = ""


@dataclass
class BaswareClient:
    """Reads and writes of one Basware environment; safe to share between threads.

    `storage_hosts` are the hosts that large answers may be redirected to; empty means any.
    """

    session: ApiSession
    storage_hosts: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def connect(
        cls,
        config: Mapping[str, Any],
        scopes: Iterable[str],
        *,
        connections: int = 8,
        gate: Gate | None = None,
    ) -> BaswareClient:
        """Return a client for the settings in `config`; nothing is sent yet.

        Clients that share a `gate` wait together when Basware asks one of them to. Raises
        SetupError when the settings do not add up.
        """
        url = base_url(config)
        options = http_options(config, connections=connections)
        session = ApiSession(
            url,
            credentials(config, url, scopes, options),
            table=BaswareErrors(),
            options=options,
            explain=explain,
            request_id=request_id,
            refusal=_refusal,
            gate=gate or Gate(),
        )
        hosts = frozenset(host.strip().lower() for host in config.get("storage_hosts") or ())
        return cls(session, hosts)

    def page(
        self, path: str, params: Mapping[str, str], envelope: str, token: str | None = None
    ) -> Page:
        """Return one page of a list; 404 is how Basware says that there are no records.

        Raises UnknownContinuation when the token is refused, and ApiError.
        """
        headers = {CONTINUATION: token} if token else {}
        try:
            first, final = self._get(path, params, headers, frozenset() if token else NOT_FOUND)
        except Refused as error:
            if token and error.status in TOKEN_REFUSED:
                raise UnknownContinuation(str(error), status=error.status) from error
            raise
        if final.status_code in {204, 404}:
            return Page([], served_at=served_at(first))
        return Page(
            records(final, envelope),
            # The body of a redirect is a stored object and the token one of its metadata
            # (reference 2.1); should it stand on the redirect itself, that counts as well.
            final.headers.get(CONTINUATION) or first.headers.get(CONTINUATION) or None,
            served_at(first),
            hashlib.blake2b(final.content, digest_size=16).hexdigest(),
        )

    def pages(
        self, path: str, params: Mapping[str, str], envelope: str, token: str | None = None
    ) -> Iterator[Page]:
        """Yield every page from `token` on, each under the same query (reference 2.1).

        Only a missing token is the end: a short or empty page is not.
        """
        turned = PageTurn()
        while True:
            page = self.page(path, params, envelope, token)
            turned.check(path, page)
            yield page
            if page.token is None:
                return
            token = page.token

    def document(self, invoice_id: str) -> Record | None:
        """Return one accounting document, or None when Basware does not have it."""
        path = f"v1/accountingDocuments/{quote(invoice_id, safe='')}"
        _, final = self._get(path, {}, {}, NOT_FOUND)
        if final.status_code == 404:
            return None
        found = records(final, "accountingDocuments", single="invoiceId")
        return found[0] if found else None

    def request_state(self, request: str, *, only_problems: bool = False) -> Record | None:
        """Return what became of a write in P2P, or None while Basware does not list it.

        With `only_problems`, records that went well are left out of it.
        """
        path = f"v1/requestStatus/{quote(request, safe='')}"
        params = {"system": "P2P"}
        if only_problems:
            params["ignoreSuccessfulItems"] = "true"
        _, final = self._get(path, params, {}, NOT_FOUND)
        if final.status_code == 404:
            return None
        found = records(final, "requestStatus", single="requestId")
        return found[0] if found else None

    def post(self, path: str, body: Any = None, *, accept: Iterable[int] = ()) -> Receipt:
        """Write; statuses in `accept` count as an answer.

        Raises RefusedRecords with Basware's own list of errors, and other ApiErrors.
        """
        return self._write("POST", path, body, accept)

    def patch(self, path: str, body: Any, *, accept: Iterable[int] = ()) -> Receipt:
        """Merge into one record; asked again where the answer is lost. Raises as `post` does."""
        return self._write("PATCH", path, body, accept)

    def delete(self, path: str, params: Mapping[str, str]) -> Any:
        """Remove what a query names; return the answer, as JSON. Raises ApiError."""
        try:
            return decode_json(self.session.request("DELETE", path, params=params))
        except AccessDenied as error:
            raise _with_scope(error, scope(path, "delete")) from error

    def acknowledge_requests(self, requests: Sequence[str]) -> None:
        """Take finished requests off Basware's list of errors; one that is off already is fine.

        Raises ApiError.
        """
        path = "v1/requestStatus/acknowledge"
        gone = frozenset({404, 405})
        receipt = self.post(path, {"requestIds": list(requests)}, accept=gone)
        if receipt.status in gone and len(requests) > 1:
            # One of them is done, still in progress or forgotten, and may have stopped the rest.
            for request in requests:
                self.post(path, {"requestIds": [request]}, accept=gone)

    def _write(self, method: str, path: str, body: Any, accept: Iterable[int]) -> Receipt:
        try:
            response = self.session.request(method, path, json_body=body, accept=frozenset(accept))
        except AccessDenied as error:
            raise _with_scope(error, scope(path, "write")) from error
        return Receipt(response.status_code, request_id(response) or "")

    def _get(
        self,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        accept: frozenset[int],
    ) -> tuple[requests.Response, requests.Response]:
        """Return the API's answer and the final one, which differ after a redirect."""
        refusal: Exception | None = None
        for _ in range(2):
            try:
                first = self.session.get(path, params=params, headers=headers, accept=accept)
            except AccessDenied as error:
                raise _with_scope(error, scope(path, "read")) from error
            if first.status_code not in REDIRECTS:
                return first, first
            try:
                final = self.session.fetch_redirect(first, allowed_hosts=self.storage_hosts)
            except (AccessDenied, Refused) as error:
                # A stored answer is good for 15 minutes (reference 2.3), which a long throttling
                # can outlast: ask the API for a new address, once.
                refusal = error
                continue
            if final.status_code in REDIRECTS:
                msg = f"{path}: Basware's redirect leads to another redirect"
                raise Refused(msg, status=final.status_code)
            return first, final
        msg = f"{path}: the storage that Basware redirects to refuses twice: {refusal}"
        raise Unavailable(msg)


#: No list has as many pages; one that does not end is no list.
MAX_PAGES = 1_000_000


@dataclass
class PageTurn:
    """Notices a list that has no end, or goes round in circles: the same page under its token."""

    seen: set[tuple[str, str]] = field(default_factory=set)

    def check(self, path: str, page: Page) -> None:
        """Take note of a page. Raises Refused when it was there before."""
        if page.token is None:
            return
        mark = (page.token, page.digest)
        if mark in self.seen:
            msg = f"{path}: Basware hands out the same page under the same token again and again"
            raise Refused(msg)
        if len(self.seen) >= MAX_PAGES:
            msg = f"{path}: the list does not end after {MAX_PAGES} pages"
            raise Refused(msg)
        self.seen.add(mark)


def _refusal(text: str, answer: requests.Response, request: str | None) -> Refused:
    """Keep what Basware says of each record of a refused write."""
    error = RefusedRecords(text, status=answer.status_code, request_id=request)
    try:
        body = parse_json(answer.content)
    except (ValueError, RecursionError):
        return error
    listed = body.get("errors") if isinstance(body, dict) else None
    if isinstance(listed, list):
        error.errors = [entry for entry in listed if isinstance(entry, dict)]
    return error


def scope(path: str, right: str) -> str:
    """Return the OAuth2 scope that a path needs, e.g. `vendors.read` (reference 1.4)."""
    return f"{path.split('/')[1]}.{right}"


def served_at(response: requests.Response) -> datetime:
    """Return the server's time of an answer, aware UTC; ours where it names none."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return datetime.now(UTC)


def records(response: requests.Response, envelope: str, *, single: str = "") -> list[Record]:
    """Return the records of an answer: a bare array, or an array under `envelope`.

    With `single`, an object that has this key is itself the one record. Raises Refused when the
    body is something else.
    """
    body = decode_json(response)
    match body:
        case None | {} if not body:
            found: Any = []
        case list():
            found = body
        case dict() if single and single in body:
            found = [body]
        case dict() if envelope in body:
            found = body[envelope] or []
        case _:
            found = None
    if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
        msg = f"{_address(response)}: the answer holds no list {envelope!r}; is it Basware's API?"
        raise Refused(msg, status=response.status_code)
    return found


def _address(response: requests.Response) -> str:
    return str(response.url).partition("?")[0]


def _with_scope(error: AccessDenied, needed: str) -> AccessDenied:
    msg = f"{error}; this needs the scope {needed}, check that Basware granted it to the client"
    return AccessDenied(msg, status=error.status, request_id=error.request_id)
