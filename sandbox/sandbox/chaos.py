"""Things that go wrong by chance, by a seed: what `faults` does one at a time, as weather."""

from __future__ import annotations

import asyncio
import random
import re
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

from aiohttp import web

from sandbox.basware import exact_json
from sandbox.basware.paging import HEADER
from sandbox.d365fo import wire
from sandbox.faults import FIRED, handle_for_its_effect, reset_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp.typedefs import Handler

_NEXT_LINK = "@odata.nextLink"
_GATEWAY = "<html><body><h1>{status} from a gateway</h1></body></html>"
#: Names that are made up as they are given out; chance must not depend on them.
_MADE_UP = re.compile(r"[0-9a-fA-F-]{16,}")
_HALF = 0.5
_THROTTLING = ("basware", "d365fo")  # the origins that answer 429


@dataclass(frozen=True)
class ChaosPlan:
    """How often what happens: each is the probability with which it happens to a request.

    The same seed lets the same happen to the n-th request of a kind (origin, method and path),
    whatever other requests come in between. Raises ValueError for no probability.
    """

    seed: int = 0
    lost_answers: float = 0  # done, and then a reset or a gateway's 502 or 504
    resets: float = 0  # a reset before anything is done
    unavailable: float = 0  # 503, without Retry-After
    throttled: float = 0  # a storm of 429 begins; those that follow are part of it
    storm_requests: int = 3  # how many requests a storm without a waiting time lasts
    longest_retry_after: int = 1  # seconds; 0 and this one take turns by chance
    expired_tokens: float = 0  # every token issued so far stops working just now
    repeated_pages: float = 0  # the link to the next page leads to the same page once more
    shuffled_rows: float = 0  # a list without an order comes in another one
    slow: float = 0  # a delay of up to `longest_delay` seconds
    longest_delay: float = 0.05

    def __post_init__(self) -> None:
        """Take numbers as JSON and a command line give them."""
        for each in fields(self):
            value = getattr(self, each.name)
            try:
                number = int(value) if each.type == "int" else float(value)
            except (TypeError, ValueError):
                msg = f"{each.name} is {value!r}, a number is expected"
                raise ValueError(msg) from None
            if number < 0 or (each.name not in _NO_PROBABILITIES and number > 1):
                msg = f"{each.name} is {value}, a probability from 0 to 1 is expected"
                raise ValueError(msg)
            object.__setattr__(self, each.name, number)


_NO_PROBABILITIES = frozenset({"seed", "storm_requests", "longest_retry_after", "longest_delay"})


@dataclass
class _Storm:
    """429 for every request of an origin: for some requests, or until a moment."""

    requests: int
    until: float  # of the monotonic clock
    retry_after: int

    def is_over(self) -> bool:
        """Whether it lasted as long as its answers say."""
        if self.retry_after:
            return time.monotonic() >= self.until
        return self.requests <= 0


@dataclass
class _State:
    """What one plan has done so far."""

    plan: ChaosPlan
    seen: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    storms: dict[str, _Storm] = field(default_factory=dict)
    #: Continuation token of Basware that we gave out -> the one that it stands for ("": none).
    tokens: dict[str, str] = field(default_factory=dict)
    #: Address of a stored answer -> the token with which it was asked for.
    asked: dict[str, str] = field(default_factory=dict)
    repeated: set[str] = field(default_factory=set)  # pages that came twice already


class Chaos:
    """The weather over all origins: calm, until a plan starts it. Thread-safe."""

    def __init__(self, expire_tokens: Mapping[str, Callable[[], None]]) -> None:
        """`expire_tokens`: origin -> what makes the tokens that it takes worthless."""
        self._expire_tokens = expire_tokens
        self._lock = threading.Lock()
        self._state: _State | None = None
        self.happened: Counter[str] = Counter()  # how often what happened since the last start

    def start(self, plan: ChaosPlan) -> None:
        """Let things happen by a plan, from its beginning."""
        with self._lock:
            self._state = _State(plan)
            self.happened = Counter()

    def stop(self) -> None:
        """Calm; continuation tokens that stood for others are unknown from now on."""
        with self._lock:
            self._state = None

    def as_dict(self) -> dict[str, Any]:
        """The plan, None when it is calm, and what happened."""
        with self._lock:
            plan = asdict(self._state.plan) if self._state else None
            return {"plan": plan, "happened": dict(self.happened)}

    async def handle(
        self, system: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        """Answer a request of an origin, with what chance does to it on the way."""
        with self._lock:
            state = self._state
            fate = self._draw(state, system, request) if state else None
        if state is None or fate is None:
            return await handler(request)
        return await self._suffer(state, fate, system, request, handler)

    def _draw(self, state: _State, system: str, request: web.Request) -> _Fate:
        kind = (system, request.method, _MADE_UP.sub("*", request.path))
        state.seen[kind] += 1
        rng = random.Random(f"{state.plan.seed}/{kind}/{state.seen[kind]}")  # noqa: S311
        fate = _Fate.drawn(state.plan, rng)
        storm = state.storms.get(system)
        if fate.starts_storm and (storm is None or storm.is_over()) and system in _THROTTLING:
            wait = rng.choice((0, state.plan.longest_retry_after))
            storm = _Storm(state.plan.storm_requests, time.monotonic() + wait, wait)
            state.storms[system] = storm
        if storm is not None and not storm.is_over():
            fate.retry_after = storm.retry_after
            storm.requests -= 1
        return fate

    async def _suffer(
        self, state: _State, fate: _Fate, system: str, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        if fate.delay:
            self._note(request, "latency")
            await asyncio.sleep(fate.delay)
        if fate.retry_after is not None:
            self._note(request, "throttled")
            return web.Response(status=429, headers={"Retry-After": str(fate.retry_after)})
        if fate.reset_before:
            self._note(request, "reset_before")
            return _reset(request)
        if fate.unavailable:
            self._note(request, "unavailable")
            return _gateway(503)
        if fate.expires_tokens and system in self._expire_tokens:
            self._note(request, "expired_tokens")
            self._expire_tokens[system]()
        if fate.answer_lost:
            return await self._lose(fate, request, handler)
        response = await handler(_as_the_server_knows_it(state, request))
        return self._mix_up(state, fate, system, request, response)

    async def _lose(
        self, fate: _Fate, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        await handle_for_its_effect(handler, request)
        if fate.gateway:
            self._note(request, "lost_answer")
            return _gateway(fate.gateway)
        self._note(request, "reset_after")
        return _reset(request)

    def _note(self, request: web.Request, what: str) -> None:
        request[FIRED] = what
        with self._lock:
            self.happened[what] += 1

    def _mix_up(
        self,
        state: _State,
        fate: _Fate,
        system: str,
        request: web.Request,
        response: web.StreamResponse,
    ) -> web.StreamResponse:
        """Shuffle the rows of an answer, or let its link lead to the same page again."""
        if not isinstance(response, web.Response) or request.method != "GET":
            return response
        if system == "basware" and response.status == 302:
            address = urlsplit(response.headers.get("Location", "")).path
            state.asked[address] = request.headers.get(HEADER, "")
        if response.status != 200:
            return response
        if fate.shuffle is not None and _shuffle(system, request, response, fate.shuffle):
            self._note(request, "shuffled_rows")
        if fate.repeats_page and _repeat(state, system, request, response):
            self._note(request, "repeated_page")
        return response


@dataclass
class _Fate:
    """What happens to one request."""

    delay: float = 0
    starts_storm: bool = False
    retry_after: int | None = None
    reset_before: bool = False
    unavailable: bool = False
    expires_tokens: bool = False
    answer_lost: bool = False
    gateway: int = 0  # the answer in place of the one that was lost; 0: a reset
    repeats_page: bool = False
    shuffle: random.Random | None = None

    @classmethod
    def drawn(cls, plan: ChaosPlan, rng: random.Random) -> _Fate:
        """By chance. Everything is drawn always, so that one rate does not change the others."""
        chances = {
            name: rng.random() < getattr(plan, name)
            for name in (
                "slow", "throttled", "resets", "unavailable", "expired_tokens", "lost_answers",
                "repeated_pages", "shuffled_rows",
            )
        }  # fmt: skip
        delay, by_gateway, status = rng.random(), rng.random() < _HALF, rng.choice((502, 504))
        return cls(
            delay=delay * plan.longest_delay if chances["slow"] else 0,
            starts_storm=chances["throttled"],
            reset_before=chances["resets"],
            unavailable=chances["unavailable"],
            expires_tokens=chances["expired_tokens"],
            answer_lost=chances["lost_answers"],
            gateway=status if by_gateway else 0,
            repeats_page=chances["repeated_pages"],
            shuffle=rng if chances["shuffled_rows"] else None,
        )


def _reset(request: web.Request) -> web.Response:
    reset_connection(request)
    return web.Response(status=500)  # never sent: the connection is gone


def _gateway(status: int) -> web.Response:
    body = _GATEWAY.format(status=status)
    return web.Response(status=status, text=body, content_type="text/html")


def _as_the_server_knows_it(state: _State, request: web.Request) -> web.Request:
    """The request with the continuation token that the server gave out itself."""
    given = request.headers.get(HEADER, "")
    if given not in state.tokens:
        return request
    headers = request.headers.copy()
    del headers[HEADER]
    if state.tokens[given]:
        headers[HEADER] = state.tokens[given]
    return request.clone(headers=headers)


def _shuffle(system: str, request: web.Request, response: web.Response, rng: random.Random) -> bool:
    """Mix the rows of a list that has no order; whether there was anything to mix."""
    if system == "d365fo":
        if "$orderby" in request.query or "$skip" in request.query:
            return False
        loads, dumps = wire.loads, wire.dumps
    else:
        loads, dumps = exact_json.loads, exact_json.dumps
    body = _content(response, loads)
    if not isinstance(body, dict) or _NEXT_LINK in body:
        return False
    lists = [rows for rows in body.values() if isinstance(rows, list) and len(rows) > 1]
    for rows in lists:
        rng.shuffle(rows)
    if lists:
        response.text = dumps(body)
    return bool(lists)


def _repeat(state: _State, system: str, request: web.Request, response: web.Response) -> bool:
    """Let the link to the next page lead to this page again, once; whether there is a link."""
    if system == "d365fo":
        return _repeat_link(state, request, response)
    if HEADER not in response.headers:
        return False
    given = request.headers.get(HEADER, "")
    asked = state.asked.get(request.path, "") if system == "storage" else given
    if asked in state.tokens:  # this is the repetition
        return False
    token = str(uuid4())
    state.tokens[token] = asked
    response.headers[HEADER] = token
    return True


def _repeat_link(state: _State, request: web.Request, response: web.Response) -> bool:
    body = _content(response, wire.loads)
    if not isinstance(body, dict) or _NEXT_LINK not in body or request.raw_path in state.repeated:
        return False
    state.repeated.add(request.raw_path)
    origin = urlsplit(body[_NEXT_LINK])
    body[_NEXT_LINK] = f"{origin.scheme}://{origin.netloc}{request.raw_path}"
    response.text = wire.dumps(body)
    return True


def _content(response: web.Response, loads: Callable[[bytes], Any]) -> Any:
    """What a JSON answer says, None of any other."""
    if response.content_type != "application/json" or not isinstance(response.body, bytes):
        return None
    return loads(response.body)
