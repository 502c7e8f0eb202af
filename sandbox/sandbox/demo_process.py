"""The demo's `meltano run`: several at a time, each with its own folder, all stopped in the end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

LOG_TAIL = 30
_GLANCE = 0.1  # seconds between two looks at the processes


class DemoFailed(Exception):
    """A step of the demo ended with an error; the text says which, and where its log is."""


@dataclass(frozen=True)
class Command:
    """A command in a project; its output goes to the file `log`.

    `program` is one of this environment, `fine` the exit codes that are no failure.
    """

    arguments: tuple[str, ...]
    project: Path
    environment: Mapping[str, str]
    log: Path
    program: str = "meltano"
    fine: tuple[int, ...] = (0,)

    def __str__(self) -> str:
        return " ".join((self.program, *self.arguments))


def run_all(commands: Iterable[Command], progress: Callable[[], Any] = lambda: None) -> None:
    """Run commands at the same time until all have ended; calls `progress` meanwhile.

    Raises DemoFailed for the first that fails, and stops the others, as on any other exception.
    """
    with ExitStack() as stack:
        running = []
        for command in commands:
            process = _start(command)
            stack.callback(_stop, process)
            running.append((command, process))
        while running:
            progress()
            time.sleep(_GLANCE)
            for command, process in running:
                if process.poll() not in {None, *command.fine}:
                    raise DemoFailed(_account(command))
            running = [each for each in running if each[1].poll() is None]


def _start(command: Command) -> subprocess.Popen[bytes]:
    with command.log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603  (our own command line)
            [command.program, *command.arguments],
            cwd=command.project,
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _account(command: Command) -> str:
    tail = "\n".join(command.log.read_text(errors="replace").splitlines()[-LOG_TAIL:])
    return f"{tail}\n`{command}` failed; the whole log is {command.log}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and what it started, if it still runs."""
    if process.poll() is not None:
        return
    for number, patience in ((signal.SIGINT, 10), (signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        os.killpg(process.pid, number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def borrow_environments(system: Path, own: Path) -> None:
    """Make a system folder of Meltano with the plugin environments of another one.

    Runs that go on at the same time would overwrite each other's catalogs in one folder.
    """
    own.mkdir(parents=True, exist_ok=True)
    for environment in system.glob("*/*/venv"):
        plugin = own / environment.parent.relative_to(system)
        plugin.mkdir(parents=True)
        (plugin / "venv").symlink_to(environment.resolve())
