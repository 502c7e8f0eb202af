"""The plugins as processes of their own, forked from a server that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING

import alembic.command  # what a new ledger makes a plugin load, which takes half a second
import alembic.config
import alembic.script  # noqa: F401
from tap_basware.tap import TapBasware
from tap_d365fo.tap import TapD365FO
from target_basware.target import TargetBasware
from target_d365fo.target import TargetD365FO

from tests.crash import points, weaknesses

if TYPE_CHECKING:
    from singer_sdk.plugin_base import PluginBase

PLUGINS: Mapping[str, type[PluginBase]] = {
    "tap-basware": TapBasware,
    "tap-d365fo": TapD365FO,
    "target-basware": TargetBasware,
    "target-d365fo": TargetD365FO,
}
#: Seconds after which a process that does not end is killed, and counts as hanging.
PATIENCE = 90.0


@dataclass(frozen=True)
class Command:
    """One plugin with its arguments; it dies at event `deadly`, 0 for never.

    `events` gets a line an event, `log` what it says on standard error.
    """

    plugin: str
    arguments: Sequence[str]
    events: Path
    log: Path
    deadly: int = 0
    weaknesses: Sequence[str] = ()


@dataclass(frozen=True)
class Ended:
    """Exit codes of tap and target (negative: a signal), and the last whole line of the target."""

    tap: int
    target: int
    state: str = ""

    @property
    def well(self) -> bool:
        return self.tap == self.target == 0


@dataclass
class Runner:
    """Runs plugins alone or in a pipe."""

    context: ForkServerContext = field(
        default_factory=lambda: multiprocessing.get_context("forkserver")
    )

    def __post_init__(self) -> None:
        self.context.set_forkserver_preload([__name__, "tests.crash.flow"])

    def alone(self, command: Command) -> str:
        """Run one plugin to its end; return what it printed. Raises RuntimeError when it fails."""
        reader, writer = self.context.Pipe(duplex=False)
        process = self._start(command, None, writer)
        printed = _read(reader)
        if code := _wait(process):
            msg = f"{command.plugin} ended with {code}: {command.log.read_text()[-2000:]}"
            raise RuntimeError(msg)
        return printed

    def pipe(self, tap: Command, target: Command) -> Ended:
        """Run a tap into a target as Meltano does: when one dies, the other has a broken pipe."""
        records, into = self.context.Pipe(duplex=False)
        states, out = self.context.Pipe(duplex=False)
        second = self._start(target, records, out)
        first = self._start(tap, None, into)
        whole, _, _half = _read(states).rpartition("\n")
        codes = _wait(first), _wait(second)
        return Ended(*codes, state=whole.rpartition("\n")[2])

    def _start(
        self, command: Command, stdin: Connection | None, stdout: Connection
    ) -> ForkServerProcess:
        process = self.context.Process(target=_become, args=(command, stdin, stdout))
        process.start()
        # Its own copies are open now; with ours open as well nobody would ever see an end.
        for connection in (stdin, stdout):
            if connection is not None:
                connection.close()
        return process


def _read(reader: Connection) -> str:
    with reader, os.fdopen(os.dup(reader.fileno()), encoding="utf-8", errors="replace") as stream:
        return stream.read()


def _wait(process: ForkServerProcess) -> int:
    process.join(PATIENCE)
    if process.exitcode is None:
        process.kill()
        process.join()
        msg = f"process {process.name} hung for {PATIENCE:.0f} s"
        raise RuntimeError(msg)
    code = process.exitcode
    process.close()
    return code


def _become(command: Command, stdin: Connection | None, stdout: Connection) -> None:
    """Turn this fork into the plugin's process."""
    with Path(os.devnull).open() as nothing:
        os.dup2(stdin.fileno() if stdin else nothing.fileno(), 0)
    os.dup2(stdout.fileno(), 1)
    with command.log.open("a") as log:
        os.dup2(log.fileno(), 2)
    for connection in (stdin, stdout):
        if connection is not None:
            connection.close()
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    points.install(points.Counter(command.events, command.deadly))
    for name in command.weaknesses:
        weaknesses.WEAKNESSES[name].apply()
    sys.argv = [command.plugin, *command.arguments]
    PLUGINS[command.plugin].cli()
