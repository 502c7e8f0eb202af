"""The whole way of the invoices, from approval to payment, run by real plugin processes.

Two jobs of two systems: invoices into Dynamics and their outcomes back to Basware; people post
and pay; payments back to Basware, twice. One process may die on the way. What died is started
again, as Meltano's next run would, with the state that had arrived or without it, with the ledger
or without it, until everything went through.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from sandbox.server import Sandbox

from tests.crash.plugins import Command, Ended, Runner
from tests.crash.points import CRASH, ON_ITS_WAY, Point, read_events
from tests.crash.world import Clerk, CrashWorld

#: How the headers of pending invoices get their numbers: the setting header_reference.
HEADER_MODES = ("derived", "number_sequence")
#: How invoices are written: in those two ways by OData, or with derived numbers in data packages.
PACKAGE = "package"
MODES = (*HEADER_MODES, PACKAGE)
#: What an import takes in the sandbox, and what is set for it here: one look while it runs.
IMPORT_SECONDS = 0.2
PACKAGE_SETTINGS: Mapping[str, Any] = {
    "load_method": "package",
    "package_poll_seconds": 0.6,
    "package_limit_seconds": 30,
    # Longer than a request may be on its way.
    "package_start_limit_seconds": 3,
}
#: So often a stage may be started again after a crash before that counts as not healing.
MOST_RUNS = 4
#: Seconds after the death of its sender at which a request that was on its way is done.
LATE_BY = 1.5


@dataclass(frozen=True)
class Stage:
    """One tap into one target. Stages with the same `pair` share a Meltano state.

    `job` is the name of the first stage of the Meltano job that this one belongs to.
    """

    name: str
    tap: str
    target: str
    pair: str
    job: str


STAGES = (
    Stage("invoices", "tap-basware", "target-d365fo", "invoices", "invoices"),
    Stage("outcomes", "tap-d365fo", "target-basware", "outcomes", "invoices"),
    Stage("payments", "tap-d365fo-payments", "target-basware", "payments", "payments"),
    Stage("payments-again", "tap-d365fo-payments", "target-basware", "payments", "payments-again"),
)
BY_NAME = {stage.name: stage for stage in STAGES}


@dataclass(frozen=True)
class Aftermath:
    """What comes after a crash, before the same stage starts again.

    `no_state`: Meltano's state is lost. `no_ledger`: the ledger is lost. `outcomes_first`: of the
    job invoices, its second half runs before its first one.
    """

    no_state: bool = False
    no_ledger: bool = False
    outcomes_first: bool = False

    def __str__(self) -> str:
        """Return it as the command line takes it."""
        happens = (name for name, happens in vars(self).items() if happens)
        return "+".join(happens).replace("_", "-") or "nothing"

    @classmethod
    def parse(cls, text: str) -> Aftermath:
        """Read `no-state`, `no-ledger`, `outcomes-first`, joined by `+`, or `nothing`."""
        parts = text.replace("-", "_").split("+")
        return cls(**{name: True for name in parts if name != "nothing"})


NOTHING = Aftermath()


@dataclass
class Passage:
    """What happened on the way: whether the point was reached, every run, and what went wrong."""

    reached: bool = False
    runs: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    events: dict[tuple[str, str], list[str]] = field(default_factory=dict)


class CrashSandbox(Sandbox):
    """Kills the client that asks for it, after its request was done and before it is answered."""

    def _apps(self) -> dict[str, web.Application]:
        apps = super()._apps()
        for name, app in apps.items():
            if name != "control":
                app.middlewares.insert(0, _kill_before_answer)
        return apps


@web.middleware
async def _kill_before_answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if CRASH not in request.headers:
        return await handler(request)
    when, process = request.headers[CRASH].split()
    kill = asyncio.get_running_loop().run_in_executor
    if when == ON_ITS_WAY:
        await request.read()
        await kill(None, _kill, int(process))
        await asyncio.sleep(LATE_BY)
        return await handler(request)
    try:
        return await handler(request)
    finally:
        await kill(None, _kill, int(process))


def _kill(process: int) -> None:
    """Kill a process and wait until it is dead: the answer must not reach it."""
    with suppress(ProcessLookupError):
        handle = os.pidfd_open(process)
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], 10)
        finally:
            os.close(handle)


class Bench:
    """A sandbox, plugin processes, and a folder for their ledger, states and configurations."""

    def __init__(
        self,
        folder: Path,
        world: CrashWorld,
        *,
        mode: str = "derived",
        connections: int = 1,
        together: int = 1,
        patience: int = 0,
        weaknesses: Sequence[str] = (),
    ) -> None:
        """`mode` is one of MODES.

        `connections` and `patience` are the targets' max_connections, read_back_wait_seconds.

        `together` invoices go into one request to Dynamics, where each is a changeset.
        """
        self.folder = folder
        self.world = world
        self.mode = mode
        self.connections = connections
        self.together = together
        self.patience = patience
        self.weaknesses = tuple(weaknesses)
        self.sandbox = CrashSandbox(directory=folder / "server")
        self.runner = Runner()

    def __enter__(self) -> Self:
        for name in ("server", "config", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "mapping.yml").write_text(self.world.mapping, encoding="utf-8")
        self.sandbox.start()
        self._write_configurations()
        self.begin()
        self._select_payments()
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.stop()

    def begin(self) -> None:
        """Start anew: the world as it is in the beginning, neither ledger nor state."""
        self.sandbox.reset()
        self.world.load(self.sandbox, number_sequence=self.mode == "number_sequence")
        self.sandbox.switches.d365fo.package_seconds = IMPORT_SECONDS
        shutil.rmtree(self.run_folder)
        self.run_folder.mkdir()

    @property
    def run_folder(self) -> Path:
        """What is kept from run to run, and what is told about them."""
        return self.folder / "run"

    @property
    def ledger(self) -> Path:
        """The file of the ledger."""
        return self.run_folder / "ledger.db"

    def lose(self, *, state: bool = False, ledger: bool = False) -> None:
        """Let Meltano's state or the ledger get lost."""
        patterns = {"state-*.json": state, "ledger.db*": ledger}
        for pattern, gone in patterns.items():
            for file in self.run_folder.glob(pattern) if gone else ():
                file.unlink()

    def travel(
        self,
        point: Point | None = None,
        *,
        aftermath: Aftermath = NOTHING,
        crashed: Callable[[], Sequence[str]] = lambda: (),
    ) -> Passage:
        """Go all the way, with a crash at `point`, and its `aftermath`.

        `crashed` looks at the systems right after the crash, and says what is wrong.
        """
        passage, clerk = Passage(), Clerk(self.sandbox)
        for stage in STAGES:
            _people(stage, clerk)
            if point is None or point.stage != stage.name:
                self._until_through(stage, passage)
                continue
            ended = self._pass(stage, passage, point)
            killed = ended.tap if point.process == "tap" else ended.target
            passage.reached = killed == -signal.SIGKILL
            if not passage.reached:
                if not ended.well:
                    self._until_through(stage, passage)
                continue
            passage.troubles += [f"right after the crash: {words}" for words in crashed()]
            self.lose(state=aftermath.no_state, ledger=aftermath.no_ledger)
            if aftermath.outcomes_first and stage.name == "invoices":
                self._until_through(BY_NAME["outcomes"], passage)
                passage.troubles += [f"outcomes told early: {words}" for words in crashed()]
            if aftermath.no_ledger:
                # Meltano starts the job, not its second half.
                self._until_through(BY_NAME[stage.job], passage)
            self._until_through(stage, passage)
        return passage

    def _until_through(self, stage: Stage, passage: Passage) -> None:
        for _ in range(MOST_RUNS):
            if self._pass(stage, passage).well:
                return
        passage.troubles.append(f"{stage.name} does not go through in {MOST_RUNS} runs")

    def _pass(self, stage: Stage, passage: Passage, point: Point | None = None) -> Ended:
        """Run a stage once; its state is kept."""
        number = len(passage.runs)
        commands = {
            side: Command(
                "tap-d365fo" if plugin == "tap-d365fo-payments" else plugin,
                self._arguments(stage, plugin),
                events=self.run_folder / f"{number}-{stage.name}-{side}.events",
                log=self.run_folder / f"{number}-{stage.name}-{side}.log",
                deadly=point.number if point and point.process == side else 0,
                weaknesses=self.weaknesses,
            )
            for side, plugin in (("tap", stage.tap), ("target", stage.target))
        }
        ended = self.runner.pipe(commands["tap"], commands["target"])
        for side, command in commands.items():
            passage.events.setdefault((stage.name, side), read_events(command.events))
        passage.runs.append(f"{stage.name}: tap {ended.tap}, target {ended.target}")
        if ended.state:
            self._state(stage).write_text(ended.state)
        return ended

    def _arguments(self, stage: Stage, plugin: str) -> list[str]:
        arguments = [f"--config={self._config(plugin)}"]
        if plugin == "tap-d365fo-payments":
            arguments.append(f"--catalog={self._catalog}")
        if plugin.startswith("tap-") and self._state(stage).exists():
            arguments.append(f"--state={self._state(stage)}")
        return arguments

    def _state(self, stage: Stage) -> Path:
        return self.run_folder / f"state-{stage.pair}.json"

    def _config(self, plugin: str) -> Path:
        return self.folder / "config" / f"{plugin}.json"

    @property
    def _catalog(self) -> Path:
        return self.folder / "config" / "catalog.json"

    def _write_configurations(self) -> None:
        for plugin in ("tap-basware", "tap-d365fo", "target-d365fo", "target-basware"):
            self._config(plugin).write_text(json.dumps(self._settings(plugin)))
        shutil.copy(self._config("tap-d365fo"), self._config("tap-d365fo-payments"))

    def _settings(self, plugin: str) -> Mapping[str, Any]:
        prefix = f"{plugin.replace('-', '_').upper()}_"
        settings: dict[str, Any] = {
            name.removeprefix(prefix).lower(): value
            for name, value in self.sandbox.environment().items()
            if name.startswith(prefix)
        }
        if plugin != "tap-basware":
            settings["ledger_url"] = f"sqlite:///{self.ledger}"
        if plugin == "tap-d365fo":
            settings["metadata_cache"] = str(self.folder / "metadata")
        if plugin.startswith("target-"):
            settings["mapping_file"] = str(self.folder / "mapping.yml")
            settings["max_connections"] = self.connections
            settings["read_back_wait_seconds"] = self.patience
        if plugin == "target-d365fo":
            derived = self.mode == PACKAGE
            settings["header_reference"] = "derived" if derived else self.mode
            settings |= PACKAGE_SETTINGS if derived else {}
            for name in ("min_invoices_per_request", "max_invoices_per_request"):
                settings[name] = self.together
        return settings

    def _select_payments(self) -> None:
        """Discover once, which also warms the cache of $metadata."""
        command = Command(
            "tap-d365fo",
            [f"--config={self._config('tap-d365fo')}", "--discover"],
            self.folder / "discovery.events",
            self.folder / "discovery.log",
        )
        catalog = json.loads(self.runner.alone(command))
        wanted = [s for s in catalog["streams"] if s["tap_stream_id"] == "vendor_payments"]
        for entry in wanted[0]["metadata"]:
            if not entry["breadcrumb"]:
                entry["metadata"]["selected"] = True
        self._catalog.write_text(json.dumps({"streams": wanted}))


def _people(stage: Stage, clerk: Clerk) -> None:
    """Let people in Dynamics do their part before a stage."""
    if stage.name == "payments":
        clerk.post(lambda number: not number.endswith("7"))
        clerk.pay()
    elif stage.name == "payments-again":
        clerk.post()
        for _ in range(2):
            clerk.pay()
