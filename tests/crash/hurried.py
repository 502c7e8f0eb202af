"""Plugin processes in a hurry, so that a storm takes seconds, not minutes.

They wait less between attempts, but in full for what a server asks for with Retry-After, and trust
the JSON schemas of the taps, which are the same in every run.
"""

from __future__ import annotations

import faulthandler
import sys
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Any

from singer_delivery import http
from singer_sdk.sinks import core

from tests.crash import plugins
from tests.crash.plugins import Command, Runner

#: Seconds between attempts, in place of one and more.
PAUSE = 0.01
#: Seconds after which a process that goes round in circles says where, and ends.
PATIENCE = 60.0


class HurriedRunner(Runner):
    """A runner of such processes."""

    def __post_init__(self) -> None:
        # Every process imports the main module again, be it of a test or of the command line:
        # what that needs is there already.
        mains = ["pytest"] if "pytest" in sys.modules else []
        names = [plugins.__name__, __name__, "tests.crash.random_runs", *mains]
        self.context.set_forkserver_preload(names)

    def _start(
        self, command: Command, stdin: Connection | None, stdout: Connection
    ) -> ForkServerProcess:
        process = self.context.Process(target=_become, args=(command, stdin, stdout))
        process.start()
        for connection in (stdin, stdout):
            if connection is not None:
                connection.close()
        return process


def _become(command: Command, stdin: Connection | None, stdout: Connection) -> None:
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    vars(http).update(backoff=_pause)
    validator = vars(core)["DEFAULT_JSONSCHEMA_VALIDATOR"]
    validator.check_schema = staticmethod(_trust)
    plugins._become(command, stdin, stdout)


def _pause(_failures: int, *, cap: float) -> float:
    return min(PAUSE, cap)


def _trust(_schema: Any, **_options: Any) -> None:
    return None
