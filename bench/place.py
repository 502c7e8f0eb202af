"""Where a measurement takes place: the sandbox, servers beside it, settings, and a folder.

The sandbox answers what is asked once, such as tokens and $metadata. What is measured comes from
servers of this folder, each a process of its own on loopback without TLS, which cost next to
nothing: `bench.vendors_server`, `bench.invoice_server`, `bench.import_server`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import requests
from sandbox.d365fo import tokens
from sandbox.server import Sandbox

from bench.masters import BIN, ROOT, write_configs
from bench.processes import Command

COMPETITORS = Path(__file__).parent / "competitors"
UV = ROOT / ".uv" / "bin" / "uv"


@dataclass(frozen=True)
class Size:
    """How much is measured: records by measurement, and rounds. Times in seconds."""

    rounds: int = 3
    invoices: int = 1200
    loopback_invoices: int = 1200
    row_invoices: int = 8
    vendors: int = 100_000
    latency: float = 0.1
    throttled_invoices: int = 500
    capacity: float = 25.0
    memory_vendors: int = 1_000_000
    #: Also those that live in an environment of their own.
    isolated: bool = True


SIZES: Mapping[str, Size] = {
    "normal": Size(),
    "small": Size(1, 300, 300, 2, 20_000, 0.05, 150, 25.0, 20_000),
    "tiny": Size(1, 12, 12, 2, 450, 0.01, 30, 15.0, 450, isolated=False),
}


@dataclass(frozen=True)
class Server:
    """One of the servers; `counted` is what it saw since `forget`."""

    url: str

    def forget(self) -> None:
        """Begin anew."""
        requests.post(f"{self.url}/bench", timeout=10).raise_for_status()

    def counted(self) -> dict[str, Any]:
        """Return what came in."""
        answer = requests.get(f"{self.url}/bench", timeout=10)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


class Place:
    """A sandbox that is up, and a folder; `say` prints what is going on."""

    def __init__(self, sandbox: Sandbox, work: Path, size: Size) -> None:
        self.sandbox, self.work, self.size = sandbox, work, size
        self._configs = write_configs(sandbox, work)
        self._number = 0

    def say(self, text: str) -> None:
        """Print a line of progress."""
        print(text, file=sys.stderr, flush=True)

    def new(self, name: str) -> Path:
        """Return a path of that name that nothing has yet."""
        self._number += 1
        return self.work / f"{self._number:04d}-{name}"

    def config(self, plugin: str, **settings: Any) -> Path:
        """Write a plugin's settings, with these changed, to a file of its own."""
        file = self.new(f"{plugin}.json")
        file.write_text(json.dumps({**self.settings(plugin), **settings}))
        return file

    def settings(self, plugin: str) -> dict[str, str]:
        """Return a plugin's settings for the sandbox."""
        found: dict[str, str] = json.loads(self._configs[plugin].read_text())
        return found

    def dynamics(self, server: Server) -> dict[str, str]:
        """Return the settings for Dynamics at a server; its tokens are still the sandbox's."""
        return {"base_url": server.url, "scope": f"{self.sandbox.d365fo_url}/.default"}

    def plugin(self, name: str, config: Path, *more: str | Path) -> Command:
        """Return one of our plugins as a process."""
        return Command([BIN / name, "--config", config, *more], self.new(f"{name}.log"))

    def competitor(self, script: str, *arguments: str | Path) -> Command:
        """Return a competitor as a process, in its own environment where it has one."""
        file = COMPETITORS / f"{script}.py"
        return Command([interpreter(file), file, *arguments], self.new(f"{script}.log"))

    def competitor_config(self, **settings: str) -> Path:
        """Write the settings of a stock tap or target."""
        file = self.new("stock.json")
        file.write_text(json.dumps(settings))
        return file

    @contextmanager
    def serving(self, module: str, *arguments: str, basware: bool = False) -> Iterator[Server]:
        """Run a server of this folder in front of the sandbox's Dynamics, or Basware."""
        upstream = self.sandbox.basware_url if basware else self.sandbox.d365fo_url
        with self.new(f"{module}.log").open("wb") as log, ExitStack() as stack:
            process = stack.enter_context(
                subprocess.Popen(
                    [
                        *[sys.executable, "-m", f"bench.{module}", "--upstream", upstream],
                        *["--ca-file", str(self.sandbox.ca_file), *arguments],
                    ],
                    stdout=subprocess.PIPE,
                    stderr=log,
                    cwd=ROOT,
                    text=True,
                )
            )
            stack.callback(process.terminate)
            assert process.stdout
            port = process.stdout.readline().strip()
            if not port:
                msg = f"bench.{module} did not start: {Path(log.name).read_text()[-2000:]}"
                raise RuntimeError(msg)
            yield Server(f"http://localhost:{port}")

    def bearer(self) -> str:
        """Return a token for the sandbox's Dynamics."""
        answer = requests.post(
            f"{self.sandbox.entra_url}/{tokens.TENANT_ID}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": tokens.CLIENT_ID,
                "client_secret": tokens.CLIENT_SECRET,
                "scope": f"{self.sandbox.d365fo_url}/.default",
            },
            verify=str(self.sandbox.ca_file),
            timeout=10,
        )
        answer.raise_for_status()
        return str(answer.json()["access_token"])


@cache
def interpreter(script: Path) -> str:
    """Return the Python to run a script with: ours, or one with what the script says it needs.

    Raises RuntimeError where its environment cannot be made.
    """
    if "# /// script" not in script.read_text():
        return sys.executable
    uv = str(UV) if UV.exists() else shutil.which("uv")
    if uv is None:
        msg = f"no environment for {script.name}: uv is not installed"
        raise RuntimeError(msg)
    # What is installed here must not be seen by uv, which would take it for the environment meant.
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    for command in (["sync", "--quiet"], ["python", "find"]):
        done = subprocess.run(
            [uv, *command, "--script", script],
            capture_output=True,
            text=True,
            env={**environment, "UV_COMPILE_BYTECODE": "1"},
            check=False,
        )
        if done.returncode:
            msg = f"no environment for {script.name}: {done.stderr.strip()}"
            raise RuntimeError(msg)
    return done.stdout.strip()


def version(script: str, package: str) -> str:
    """Return a package and its version in the environment of a competitor.

    Raises RuntimeError where that cannot be made.
    """
    code = f"import importlib.metadata as m; print({package!r}, m.version({package!r}))"
    python = interpreter(COMPETITORS / f"{script}.py")
    return subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def records_in(file: Path) -> int:
    """Count the Singer RECORD messages of a file."""
    pattern = re.compile(rb'^\{"type": ?"RECORD"')
    with file.open("rb") as lines:
        return sum(1 for line in lines if pattern.match(line))


def check(found: object, expected: object, what: str) -> None:
    """Raise RuntimeError where a contestant did not do what it was measured for."""
    if found != expected:
        msg = f"{what}: {found}, expected {expected}"
        raise RuntimeError(msg)
