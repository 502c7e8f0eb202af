"""Pipelines of processes as Meltano would start them, and what each process took.

Processor time is what the operating system counted for the process, so that a server beside it on
the machine does not appear in it; memory is the peak of its resident set.
"""

from __future__ import annotations

import math
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from bench.masters import Peak

#: What takes longer has come to a standstill.
LONGEST_SECONDS = 3600.0


@dataclass(frozen=True)
class Command:
    """A process; `environment` adds to ours, and its standard error goes to `log`."""

    arguments: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True)
class Usage:
    """What a pipeline took: seconds in all, and of each process CPU seconds and peak MB."""

    seconds: float
    cpu: tuple[float, ...]
    peak: tuple[float, ...]

    @property
    def all_cpu(self) -> float:
        """CPU seconds of all processes together."""
        return sum(self.cpu)


@dataclass(frozen=True)
class Slope:
    """Two runs of one contestant, of few records and of many: what is between is the records'."""

    records: int
    few: Usage
    many: Usage

    @property
    def rate(self) -> float:
        """Records a second, start not counted; NaN where the records took no time to be seen."""
        seconds = self.many.seconds - self.few.seconds
        return self.records / seconds if seconds > 0 else math.nan

    @property
    def cpu(self) -> float:
        """CPU milliseconds a record, start not counted; NaN as for `rate`."""
        seconds = self.many.all_cpu - self.few.all_cpu
        return seconds * 1000 / self.records if seconds > 0 else math.nan


def run(*commands: Command, source: Path | None = None, output: Path | None = None) -> Usage:
    """Run a pipeline: from the file `source` or nothing, to the file `output` or nowhere.

    Raises RuntimeError with the end of the logs where a process fails, or does not end.
    """
    start = time.monotonic()
    nothing = Path(os.devnull)
    with (source or nothing).open("rb") as given, (output or nothing).open("wb") as taken:
        processes = _start(commands, given, taken)
    watchdog = threading.Timer(LONGEST_SECONDS, _kill, [processes])
    watchdog.start()
    peaks = [Peak(process.pid) for process in processes]
    used = [os.wait4(process.pid, 0) for process in processes]
    seconds = time.monotonic() - start
    watchdog.cancel()
    for process, (_, status, _) in zip(processes, used, strict=True):
        process.returncode = os.waitstatus_to_exitcode(status)
    usage = Usage(
        seconds,
        tuple(spent.ru_utime + spent.ru_stime for _, _, spent in used),
        tuple(peak.stop() for peak in peaks),
    )
    if codes := [process.returncode for process in processes if process.returncode]:
        tails = "\n".join(each.log.read_text(errors="replace")[-2000:] for each in commands)
        msg = f"{[str(each.arguments[0]) for each in commands]} ended with {codes}\n{tails}"
        raise RuntimeError(msg)
    return usage


def _kill(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()


def _start(
    commands: Sequence[Command], given: IO[bytes], taken: IO[bytes]
) -> list[subprocess.Popen[bytes]]:
    processes: list[subprocess.Popen[bytes]] = []
    for number, command in enumerate(commands):
        last = number == len(commands) - 1
        with command.log.open("wb") as log:
            process = subprocess.Popen(
                command.arguments,
                stdin=processes[-1].stdout if processes else given,
                stdout=taken if last else subprocess.PIPE,
                stderr=log,
                env={**os.environ, **command.environment},
                cwd=command.folder,
            )
        if processes and (pipe := processes[-1].stdout):
            pipe.close()
        processes.append(process)
    return processes
