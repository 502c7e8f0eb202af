"""The project's programs for a real shell: each start is a fork of a server that has loaded all.

`Programs` fills a folder for PATH. A program in it hands its streams, folder, environment and
arguments to the server, which runs it in a fork, and ends with its exit code. Meltano and make are
stand-ins there: what they are told is checked against the project; of `meltano invoke` the program
behind the plugin is run.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.docs.commands import Command
from tests.docs.programs import OURS, Unacceptable, accept, click_command, executable

ROOT = Path(__file__).parents[2]
STAND_INS = ("make", "meltano", "python", "uv")
#: What somebody types where a secret is asked for.
SECRET = b"typed by hand"
#: They go on until they are stopped, or take minutes; parsed, and not started.
PATIENT = {("sandbox", "serve"), ("sandbox", "demo")}
CLIENT = """#!{python} -IS
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
words = dict(program=os.path.basename(sys.argv[0]), arguments=sys.argv[1:], cwd=os.getcwd(),
             environment=dict(os.environ))
socket.send_fds(server, [b"+"], [0, 1, 2])
server.sendall(json.dumps(words).encode())
server.shutdown(socket.SHUT_WR)
sys.exit(int(server.recv(16) or b"70"))
"""


class Programs:
    """The server, and the folder of its clients."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        self._address = str(folder / "socket")
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        for name in (*OURS, *STAND_INS):
            client = self.bin / name
            client.write_text(CLIENT.format(python=sys.executable, address=self._address))
            client.chmod(0o755)
        (self.bin / "target-jsonl").write_text("#!/bin/sh\nexec cat > output.jsonl\n")
        (self.bin / "target-jsonl").chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, self._address],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()


def serve(address: str) -> None:
    """Fork for each client, until SIGTERM."""
    for point in OURS.values():
        click_command(point)
    click_command("meltano.cli:cli")
    logging.getLogger("meltano").setLevel(logging.WARNING)
    import alembic.command
    import alembic.script  # noqa: F401 - what a new ledger loads

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listener.accept()
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                _answer(connection)
            connection.close()


def _answer(connection: socket.socket) -> None:
    """In the fork: become the program; does not return."""
    code = 70
    try:
        _, streams, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as incoming:
            wanted = json.loads(incoming.read())
        _become(streams, wanted)
        code = run(wanted["program"], wanted["arguments"])
    except Exception:  # noqa: BLE001 - as the interpreter would
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(BrokenPipeError, ValueError):
                stream.flush()
        connection.sendall(str(code).encode())
        os._exit(code)


def _become(streams: Sequence[int], wanted: dict[str, object]) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    if wanted["program"] == "singer-secrets" and os.path.samestat(
        os.fstat(0), Path(os.devnull).stat()
    ):
        reader, writer = os.pipe()
        os.write(writer, SECRET)
        os.close(writer)
        os.dup2(reader, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    os.chdir(str(wanted["cwd"]))
    os.environ.clear()
    os.environ.update(dict(wanted["environment"]))  # type: ignore[call-overload]


def run(program: str, arguments: list[str]) -> int:
    """Run a program, and return its exit code."""
    if program not in OURS or (program, *arguments[:1]) in PATIENT:
        return _checked(program, arguments)
    sys.argv = [program, *arguments]
    try:
        click_command(OURS[program])(arguments, program)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except BrokenPipeError:
        return 141
    return 0


def _checked(program: str, arguments: list[str]) -> int:
    command = Command(program, tuple(arguments))
    try:
        accept(command)
    except Unacceptable as error:
        sys.stderr.write(f"{command}: {error}\n")
        return 64
    return _invoked(arguments) if program == "meltano" else 0


def _invoked(arguments: list[str]) -> int:
    """What `meltano invoke` starts, with the settings of the environment; 0 for anything else."""
    if "invoke" not in arguments:
        return 0
    plugin, *rest = arguments[arguments.index("invoke") + 1 :]
    program = executable(plugin.partition(":")[0])
    if program.startswith(("tap-", "target-")):
        rest = ["--config=ENV", *rest]
    return run(program, rest)


if __name__ == "__main__":
    serve(sys.argv[1])
