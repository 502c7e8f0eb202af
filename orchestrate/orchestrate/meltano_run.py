"""The real `meltano run` as a process: its log line by line, its end, and what it noted."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from singer_delivery.errors import SetupError
from singer_delivery.notes import VARIABLE, Note, read_notes

from orchestrate.configuration import Tenant
from orchestrate.flows import Flow

#: Seconds that Meltano and its plugins get to finish what is in flight: more than grace_seconds.
GRACE_SECONDS = 40
LEVEL = re.compile(r"^\S+ \[(\w+) *\] ")
Say = Callable[[str, str], None]


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what its plugins told of it. `last_lines` are those of its log."""

    code: int
    notes: tuple[Note, ...]
    last_lines: tuple[str, ...]

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs in the ledger."""
        return tuple(note.run_id for note in self.notes if note.run_id)

    @property
    def failures(self) -> tuple[Note, ...]:
        """Why plugins failed."""
        return tuple(note for note in self.notes if note.kind)


def run(tenant: Tenant, flow: Flow, say: Say) -> Ended:
    """Run a flow to its end; `say` gets each line of the log with its level.

    Whatever interrupts it stops the run as well: in flight is finished, the rest not begun.
    """
    suffix = [f"--state-id-suffix={flow.suffix}"] if flow.suffix else []
    with TemporaryDirectory(prefix="orchestrate-") as folder:
        notes = Path(folder) / "notes.jsonl"
        environment = {
            **environment_of(tenant),
            **flow.settings,
            "MELTANO_SYS_DIR_ROOT": str(_own_system(tenant, flow.folder)),
            "MELTANO_AUTO_INSTALL": "false",
            VARIABLE: str(notes),
        }
        code, lines = _follow(["run", *suffix, *flow.blocks], tenant, environment, say)
        return Ended(code, tuple(read_notes(notes)), tuple(lines))


def environment_of(tenant: Tenant) -> dict[str, str]:
    """Return the variables of any command for a tenant."""
    return {
        **os.environ,
        **tenant.variables,
        "MELTANO_ENVIRONMENT": tenant.environment,
        "MELTANO_PROJECT_ROOT": str(tenant.project),
        "NO_COLOR": "1",
    }


def ask(tenant: Tenant, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    """Run a command of Meltano that answers on stdout."""
    return subprocess.run(  # noqa: S603 - our own command line
        [program(), "--log-level=warning", *arguments],
        cwd=tenant.project,
        env=environment_of(tenant),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def setting(tenant: Tenant, plugin: str, name: str) -> str:
    """Return a setting of a plugin, from the environment or else from Meltano, "" for none.

    Raises SetupError; no value is part of a message.
    """
    variable = f"{plugin}_{name}".upper().replace("-", "_")
    given = environment_of(tenant).get(variable)
    if given is None:
        key = json.dumps(sorted(tenant.variables.items()))
        given = _settings(str(tenant.project), tenant.environment, plugin, key).get(name)
    return str(given or "")


@cache
def _settings(project: str, environment: str, plugin: str, variables: str) -> Mapping[str, Any]:
    command = [program(), "config", "--unsafe", "print", plugin, "--format=json"]
    known = {**os.environ, **dict(json.loads(variables)), "MELTANO_ENVIRONMENT": environment}
    done = subprocess.run(  # noqa: S603 - our own command line
        command, cwd=project, env=known, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    try:
        found = json.loads(done.stdout)
    except ValueError:
        msg = (
            f"Meltano does not tell the settings of {plugin} (exit {done.returncode}): `meltano "
            f"--environment={environment} config print {plugin}` shows what is wrong"
        )
        raise SetupError(msg) from None
    return dict(found)


def program() -> str:
    """Return the program meltano: beside this Python, else on the path. Raises SetupError."""
    beside = Path(sys.executable).parent / "meltano"
    found = str(beside) if beside.is_file() else shutil.which("meltano")
    if not found:
        msg = "the program meltano is not found: install it beside Dagster, or put it on the PATH"
        raise SetupError(msg)
    return found


def _follow(
    arguments: list[str], tenant: Tenant, environment: Mapping[str, str], say: Say
) -> tuple[int, list[str]]:
    lines: list[str] = []
    with subprocess.Popen(  # noqa: S603 - our own command line
        [program(), *arguments],
        cwd=tenant.project,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,  # one signal, from here, and not that of a terminal as well
    ) as process:
        try:
            for line in process.stdout or ():
                text = line.rstrip()
                say(_level(text), text)
                lines = [*lines[-39:], text]
            return process.wait(), lines
        finally:
            _stop(process)


def _level(line: str) -> str:
    found = LEVEL.match(line)
    return found[1] if found else "info"


def _stop(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    process.terminate()  # Meltano passes it on
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _own_system(tenant: Tenant, name: str) -> Path:
    """Return a system folder of Meltano for one flow, with the environments of the project's."""
    base = environment_of(tenant).get("MELTANO_SYS_DIR_ROOT")
    system = Path(base) if base else tenant.project / ".meltano"
    own = system / "orchestrate" / tenant.name / name
    try:
        for environment in system.glob("*/*/venv"):
            link = own / environment.parent.relative_to(system) / "venv"
            link.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):  # of an earlier run, or made at the same moment
                link.symlink_to(environment.resolve())
    except OSError as error:
        msg = (
            f"{own} cannot be written ({error.strerror}): Meltano keeps catalogs there; set "
            "MELTANO_SYS_DIR_ROOT to a copy of .meltano where it may write"
        )
        raise SetupError(msg) from None
    if not own.is_dir():
        msg = f"the plugins are not installed in {system}: run `meltano install` there first"
        raise SetupError(msg)
    return own
