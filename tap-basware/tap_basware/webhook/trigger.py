"""Starts a run after notifications: one at a time, at most one waiting, again where one failed."""

from __future__ import annotations

import asyncio
import logging
import os
import shlex
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from singer_delivery.errors import SetupError

from tap_basware.webhook.metrics import Metrics

logger = logging.getLogger(__name__)

FIRST_PAUSE = 10.0
LONGEST_PAUSE = 600.0
Command = Sequence[str]


def command_of(text: str) -> list[str]:
    """Return the words of a command line; no shell is involved. Raises SetupError."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        msg = f"run {text!r} cannot be read: {error}"
        raise SetupError(msg) from None
    if not words:
        msg = "run is empty: give a command line such as 'meltano run invoices'"
        raise SetupError(msg)
    return words


@dataclass
class Trigger:
    """Runs a command once for any number of notifications that came before it began.

    It begins with a run: what came before a crash of the receiver may still be waiting. A run that
    fails is repeated after a pause that doubles from 10 s to 10 min. On a stop the command gets
    SIGTERM, and `grace_seconds` to end.
    """

    command: Command
    metrics: Metrics
    delay_seconds: float = 5.0
    grace_seconds: float = 60.0
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _process: asyncio.subprocess.Process | None = None

    def fire(self) -> None:
        """Ask for a run."""
        self._wanted.set()

    async def loop(self) -> None:
        """Run whenever asked to, until cancelled."""
        failures = 0
        self.fire()
        try:
            while True:
                await self._wanted.wait()
                await self.sleep(self.delay_seconds)  # a burst of notifications is one run
                self._wanted.clear()
                failures = 0 if await self._run() else failures + 1
                self.metrics.failures.set(failures)
                if failures:
                    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)
                    logger.warning("the run failed (%d in a row): again in %g s", failures, pause)
                    self.fire()
                    await self.sleep(pause)
        finally:
            await self._stop()

    async def _run(self) -> bool:
        """Run the command to its end; return whether it went well."""
        logger.info("run: %s", shlex.join(self.command))
        try:
            # A group of its own: Ctrl-C at a terminal reaches it through us, and once.
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, start_new_session=True
            )
        except OSError as error:
            logger.error("run: %s cannot be started: %s", self.command[0], error.strerror)
            self.metrics.runs.labels("failed").inc()
            return False
        self.metrics.running.set(1)
        code = await self._process.wait()
        self._process = None
        self.metrics.running.set(0)
        self.metrics.runs.labels("failed" if code else "ended").inc()
        logger.info("run: ended with exit code %d", code)
        return code == 0

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        logger.info("run: being stopped, it has %g s", self.grace_seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(self.grace_seconds):
                await process.wait()
        except TimeoutError:
            logger.warning("run: process %d goes on without us", process.pid)
