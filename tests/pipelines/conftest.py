"""The real `meltano run`, on this project, against the sandbox of the test."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sandbox.demo import LEDGER_KEEPERS
from sandbox.demo_process import borrow_environments
from sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
MELTANO = str(Path(sys.executable).parent / "meltano")


@dataclass
class Meltano:
    """Meltano with a state database and a ledger of its own."""

    directory: Path
    sandbox: Sandbox
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, expect: int = 0, **extra: str) -> str:
        """Run a command and return what it printed; `extra` are environment variables."""
        done = subprocess.run(
            [MELTANO, *arguments],
            cwd=ROOT,
            env={**self.variables(), **extra},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == expect, done.stdout[-6000:]
        return done.stdout

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command in a session of its own; what is left of it in the end is killed."""
        process = subprocess.Popen(
            [MELTANO, *arguments],
            cwd=ROOT,
            env=self.variables(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def forget_state(self) -> None:
        """Lose Meltano's state, as if its database was gone."""
        for file in self.directory.glob("meltano.db*"):
            file.unlink()

    def forget_ledger(self) -> None:
        """Lose the ledger."""
        for file in self.directory.glob("ledger.db*"):
            file.unlink()

    def variables(self) -> dict[str, str]:
        """The environment of its commands."""
        ledger = f"sqlite:///{self.directory}/ledger.db"
        return {
            **os.environ,
            **self.sandbox.environment(),
            "MELTANO_ENVIRONMENT": "sandbox",
            "MELTANO_DATABASE_URI": f"sqlite:///{self.directory}/meltano.db",
            "MELTANO_SYS_DIR_ROOT": str(self.directory / "system"),
            "MELTANO_AUTO_INSTALL": "false",
            **{f"{plugin}_LEDGER_URL": ledger for plugin in LEDGER_KEEPERS},
            "TAP_D365FO_METADATA_CACHE": str(self.directory / "cache"),
            "NO_COLOR": "1",
            **self.environment,
        }


@pytest.fixture(scope="session")
def installed_plugins() -> Path:
    """Meltano's system folder with the plugins' environments, installed by one worker at a time."""
    system = ROOT / ".meltano"
    system.mkdir(exist_ok=True)
    with (system / "install.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(
            [MELTANO, "--log-level=warning", "install"],
            cwd=ROOT,
            env={**os.environ, "MELTANO_ENVIRONMENT": "sandbox"},
            stdin=subprocess.DEVNULL,
            check=True,
            timeout=600,
        )
    return system


@pytest.fixture(scope="session")
def new_meltano(
    installed_plugins: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Sandbox], Meltano]:
    """Return a Meltano without state or ledger for a sandbox."""

    def new(sandbox: Sandbox) -> Meltano:
        directory = tmp_path_factory.mktemp("meltano")
        borrow_environments(installed_plugins, directory / "system")
        return Meltano(directory, sandbox)

    return new


@pytest.fixture
def meltano(new_meltano: Callable[[Sandbox], Meltano], sandbox: Sandbox) -> Meltano:
    """Meltano without state or ledger, on the sandbox of the test."""
    return new_meltano(sandbox)
