"""Plugin processes in a hurry, so that a storm takes seconds, not minutes.

They wait less between attempts, but in full for what a server asks for with Retry-After, and trust
the JSON schemas of the taps, which are the same in every run. Where a `finisher` is given, they do
not wait some seconds before they read back, but until the sandbox has carried out what had arrived.
"""

from __future__ import annotations

import faulthandler
import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

import requests
from singer_delivery import http
from singer_delivery.delivery import Delivery
from singer_delivery.document import Document, Entry
from singer_sdk.sinks import core

from tests.crash import plugins
from tests.crash.plugins import Command, Runner

#: Seconds between attempts, in place of one and more.
PAUSE = 0.01
#: Seconds after which a process that goes round in circles says where, and ends.
PATIENCE = 60.0


@dataclass(frozen=True)
class Finisher:
    """Where the sandbox says that it has carried out what had arrived."""

    control_url: str
    ca_file: str

    def __call__(self) -> None:
        answer = requests.post(f"{self.control_url}/finish", verify=self.ca_file, timeout=30)
        answer.raise_for_status()

    def install(self) -> None:
        """Wait for it before everything that reads back."""
        settle_left, read_back = Delivery._settle_left, Delivery._read_back

        def settled_left(delivery: Delivery, left: Sequence[Entry]) -> None:
            self()
            settle_left(delivery, left)

        def seen(
            delivery: Delivery, doubtful: Sequence[Document], spent: Container[str]
        ) -> list[Document]:
            if doubtful:
                self()
            return read_back(delivery, doubtful, spent)

        Delivery._settle_left, Delivery._read_back = settled_left, seen  # type: ignore[method-assign]


@dataclass
class HurriedRunner(Runner):
    """A runner of such processes."""

    finisher: Finisher | None = None

    def __post_init__(self) -> None:
        # Every process imports the main module again, be it of a test or of the command line:
        # what that needs is there already.
        mains = ["pytest"] if "pytest" in sys.modules else []
        names = [plugins.__name__, __name__, "tests.crash.random_runs", *mains]
        self.context.set_forkserver_preload(names)

    def _start(
        self, command: Command, stdin: Connection | None, stdout: Connection
    ) -> ForkServerProcess:
        process = self.context.Process(target=_become, args=(command, stdin, stdout, self.finisher))
        process.start()
        for connection in (stdin, stdout):
            if connection is not None:
                connection.close()
        return process


def _become(
    command: Command, stdin: Connection | None, stdout: Connection, finisher: Finisher | None
) -> None:
    if finisher:
        finisher.install()
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    vars(http).update(backoff=_pause)
    validator = vars(core)["DEFAULT_JSONSCHEMA_VALIDATOR"]
    validator.check_schema = staticmethod(_trust)
    plugins._become(command, stdin, stdout)


def _pause(_failures: int, *, cap: float) -> float:
    return min(PAUSE, cap)


def _trust(_schema: Any, **_options: Any) -> None:
    return None
