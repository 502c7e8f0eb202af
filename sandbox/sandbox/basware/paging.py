"""Pages of a list and the continuation tokens between them (reference 2.1)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from sandbox.basware.errors import bad_parameter, not_found
from sandbox.basware.validation import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock

HEADER = "x-amz-meta-continuationtoken"


@dataclass(frozen=True)
class Query:
    """The parameters of one GET. Names are matched without case, as an ASP.NET server does."""

    path: str
    parameters: tuple[tuple[str, str], ...]
    token: str | None

    @classmethod
    def of(cls, path: str, parameters: Iterable[tuple[str, str]], token: str | None) -> Query:
        """From a request's path, query pairs and continuation header."""
        pairs = sorted((name.lower(), text) for name, text in parameters)
        return cls(path, tuple(pairs), token or None)

    def get(self, name: str) -> str | None:
        """A parameter's text; an empty one counts as absent."""
        return dict(self.parameters).get(name.lower()) or None

    def required(self, name: str) -> str:
        """A parameter's text. Raises 400 when absent."""
        text = self.get(name)
        if text is None:
            raise bad_parameter(f"{name} is required")
        return text

    def moment(self, name: str) -> datetime | None:
        """A date or date-time. Raises 400 when it is neither."""
        text = self.get(name)
        if text is None:
            return None
        moment = parse_moment(text)
        if moment is None:
            raise bad_parameter(f"{name} {text!r} is no date-time")
        return moment

    def page_size(self, default: int, largest: int) -> int:
        """`pageSize`. Raises 400 outside 1 to `largest`."""
        text = self.get("pageSize") or str(default)
        if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
            raise bad_parameter(f"pageSize {text!r} is not between 1 and {largest}")
        return int(text)

    def flag(self, name: str) -> bool:
        """A true/false parameter, false when absent. Raises 400 when it is neither."""
        text = (self.get(name) or "false").lower()
        if text not in {"true", "false"}:
            raise bad_parameter(f"{name} {text!r} is neither true nor false")
        return text == "true"


@dataclass(frozen=True)
class _Continuation:
    path: str
    parameters: tuple[tuple[str, str], ...]
    keys: Sequence[str]  # shared by all continuations of one crawl
    offset: int
    expires: datetime


class Continuations:
    """The tokens that are out. A token may be used again while it lives. Thread-safe."""

    def __init__(self, clock: Clock, switches: BaswareSwitches) -> None:
        self._clock = clock
        self._switches = switches
        self._lock = threading.Lock()
        self._open: dict[str, _Continuation] = {}

    def clear(self) -> None:
        """Forget every token, as Basware may at any time."""
        with self._lock:
            self._open.clear()

    def resume(self, query: Query) -> tuple[Sequence[str], int]:
        """Keys and offset behind the query's token. Raises 400 for a wrong one."""
        with self._lock:
            found = self._open.get(query.token or "")
        if found is None or found.expires <= self._clock.peek():
            raise bad_parameter("continuation token is unknown or has expired")
        if (found.path, found.parameters) != (query.path, query.parameters):
            raise bad_parameter("continuation token belongs to another query")
        return found.keys, found.offset

    def issue(self, query: Query, keys: Sequence[str], offset: int) -> str:
        """A token for what comes from `offset` on."""
        lifetime = timedelta(seconds=self._switches.continuation_lifetime)
        token = str(uuid4())
        now = self._clock.peek()
        with self._lock:
            self._drop_expired(now)
            self._open[token] = _Continuation(
                query.path, query.parameters, keys, offset, now + lifetime
            )
        return token

    def _drop_expired(self, now: datetime) -> None:
        # insertion order is expiry order, unless the lifetime was changed on the way
        for token, found in list(islice(self._open.items(), 2)):
            if found.expires <= now:
                del self._open[token]


@dataclass(frozen=True)
class Page:
    """One page and the token for the next; None at the end."""

    items: list[dict[str, Any]]
    token: str | None


def turn_page(
    continuations: Continuations,
    query: Query,
    *,
    size: int,
    select: Callable[[], Sequence[str]],
    fetch: Callable[[str], dict[str, Any] | None],
    weigh: Callable[[dict[str, Any]], int] = lambda _item: 0,
    heaviest: int = 0,
) -> Page:
    """The page that `query` asks for. Raises 404 when it is empty: Basware's "no records".

    `select` finds the keys of the whole list, once; `fetch` gives an item, or None when it no
    longer belongs to the list. A page ends before the item that would take it past `heaviest`.
    """
    keys, offset = (select(), 0) if query.token is None else continuations.resume(query)
    items: list[dict[str, Any]] = []
    weight = 0
    while offset < len(keys) and len(items) < size:
        item = fetch(keys[offset])
        if item is not None:
            weight += weigh(item)
            if items and weight > heaviest:
                break
            items.append(item)
        offset += 1
    if not items:
        raise not_found()
    more = offset < len(keys)
    return Page(items, continuations.issue(query, keys, offset) if more else None)
