"""Several runs on one Dynamics, in every order of their remote calls.

The sandbox's Dynamics is asked without a network. Each run is a thread that stops before each of
its calls; a schedule says which of them goes on.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from sandbox.clock import Clock
from sandbox.d365fo.errors import ODataError
from sandbox.d365fo.operations import Answer, Operation, error_answer, execute
from sandbox.d365fo.query import Caller
from sandbox.d365fo.state import D365State
from sandbox.d365fo.switches import D365Switches
from sandbox.seed import small_world
from tap_d365fo.client import D365Client

URL = "https://localhost:1"
PAUSE = "pause"
HEADERS, LINES = "VendorInvoiceHeaders", "VendorInvoiceLines"


class Direct(BaseAdapter):
    """Answers requests from the sandbox's store; `before` is called ahead of each."""

    def __init__(self, state: D365State, before: Callable[[str], None]) -> None:
        super().__init__()
        self._state = state
        self._before = before

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Carry out one request."""
        method, path = str(request.method), str(request.path_url)
        self._before(f"{method} {path}")
        body = request.body or b""
        operation = Operation(
            method,
            path,
            {name.lower(): str(value) for name, value in request.headers.items()},
            body if isinstance(body, bytes) else body.encode(),
        )
        try:
            answer = execute(self._state, Caller(URL), operation, frozenset())
        except ODataError as error:
            answer = error_answer(self._state, error)
        return _response(request, answer)

    def close(self) -> None:
        """Nothing is open."""


def _response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    response = requests.Response()
    response.status_code = answer.status
    response.headers = CaseInsensitiveDict(answer.headers)
    response.raw = io.BytesIO(answer.body.encode())
    response.request = request
    response.url = str(request.url)
    return response


class Environment:
    """One Dynamics of the small world, whose invoices can be taken away again."""

    def __init__(self) -> None:
        world = small_world(["usmf"])
        self.state = D365State(Clock(), D365Switches())
        self.state.load(world.d365fo, default_company=world.default_company)

    def client(self, before: Callable[[str], None] = lambda _: None) -> D365Client:
        """Return a client whose calls go straight to the store."""
        client = D365Client(f"{URL}/data", sleep=lambda _: None)
        client._session.mount("https://", Direct(self.state, before))
        client._session.trust_env = False  # looking for proxies takes longer than the calls
        return client

    def clear(self) -> None:
        """Take all pending invoices away."""
        with self.state.store.transaction():
            for name in (LINES, HEADERS):
                for record in self.state.records(name):
                    self.state.delete(name, record)

    def invoices(self) -> list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]:
        """Return the headers with their lines."""
        lines = self.state.rows(LINES)
        return [
            (header, [line for line in lines if line["HeaderReference"] == header[REFERENCE]])
            for header in self.state.rows(HEADERS)
        ]


REFERENCE = "HeaderReference"


@dataclass
class Schedule:
    """Which run goes on at each step: `choices` first, then always the first that can.

    `open` keeps how many runs could have gone on, `trace` what was called.
    """

    choices: Sequence[int] = ()
    choose: Callable[[int], int] = lambda _: 0
    open: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)

    def next(self, waiting: int) -> int:
        """Return which of the waiting runs goes on."""
        step = len(self.taken)
        choice = self.choices[step] if step < len(self.choices) else self.choose(waiting)
        self.open.append(waiting)
        self.taken.append(choice)
        return choice


class _Run(threading.Thread):
    """A run that asks before each of its calls; `result` is what it returned or raised."""

    def __init__(self, name: str, work: Callable[[Callable[[str], None]], Any]) -> None:
        super().__init__(name=name, daemon=True)
        self.calling = ""
        self.result: Any = None
        self._work = work
        self._stopped, self._go = threading.Semaphore(0), threading.Semaphore(0)

    def run(self) -> None:
        """Do the work."""
        try:
            self.result = self._work(self._before)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.result = error
        self.calling = ""
        self._stopped.release()

    def _before(self, call: str) -> None:
        self.calling = call
        self._stopped.release()
        self._go.acquire()

    def wait(self) -> None:
        """Return when it stands before its next call, or has ended."""
        assert self._stopped.acquire(timeout=30), f"{self.name} hangs"

    def step(self) -> None:
        """Let it make its call, and come to the next one."""
        self._go.release()
        self.wait()


Work = Callable[[Callable[[str], None]], Any]


def play(schedule: Schedule, works: Mapping[str, Work]) -> dict[str, Any]:
    """Run these works by a schedule; return what each returned or raised."""
    runs = [_Run(name, work) for name, work in works.items()]
    for run in runs:
        run.start()
        run.wait()
    while calling := [run for run in runs if run.calling]:
        # A pause lasts longer than what the others do meanwhile.
        waiting = [run for run in calling if run.calling != PAUSE] or calling
        run = waiting[schedule.next(len(waiting))]
        schedule.trace.append(f"{run.name}: {run.calling.partition('?')[0]}")
        run.step()
    for run in runs:
        run.join()
    return {run.name: run.result for run in runs}


def every_order() -> Iterator[Schedule]:
    """Yield schedules until every order has been played; each must be played when it comes."""
    choices: list[int] | None = []
    while choices is not None:
        schedule = Schedule(choices)
        yield schedule
        choices = _following(schedule)


def _following(schedule: Schedule) -> list[int] | None:
    for step in reversed(range(len(schedule.taken))):
        if schedule.taken[step] + 1 < schedule.open[step]:
            return [*schedule.taken[:step], schedule.taken[step] + 1]
    return None
