"""`make dagster`: Dagster's web page on the sandbox, both stopped together.

Everything is written under .sandbox/dagster of the project, which stays for the next time, but for
what the sandbox holds.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from orchestrate.meltano_run import program

#: A copy for the sandbox of what an instance needs; docs/dagster.md explains it.
INSTANCE = Path(__file__).parent / "dagster.yaml"
#: Plugin instances with a ledger, as the prefix of their settings.
LEDGER_KEEPERS = (
    "TAP_D365FO",
    "TAP_D365FO_MASTERS",
    "TAP_D365FO_PAYMENTS",
    "TARGET_D365FO",
    "TARGET_BASWARE",
    "SINGER_DELIVERY",
)
PATIENCE_SECONDS = 60
GRACE_SECONDS = 60


@click.command()
@click.option("--port", default=3000, show_default=True, help="Of the web page.")
@click.option("--world", default="demo", show_default=True, help="What the sandbox is filled with.")
def main(port: int, world: str) -> None:
    """Serve the sandbox and open Dagster on it; Ctrl-C stops both."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell started us without them
        signal.signal(number, signal.default_int_handler)
    project = Path.cwd()
    folder = project / ".sandbox" / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    # The ledger and Meltano's state tell of a sandbox that is gone.
    for file in folder.glob("*.db*"):
        file.unlink()
    home = folder / "home"
    home.mkdir(exist_ok=True)
    shutil.copyfile(INSTANCE, home / "dagster.yaml")
    environment = {**os.environ, **_variables(project, folder, home)}
    try:
        click.echo("Installing the plugins (the first time takes a minute) ...")
        subprocess.run(  # noqa: S603 - our own command line
            [program(), "--log-level=warning", "install"], env=environment, check=True
        )
        serve = (_beside("sandbox"), "serve", "--world", world, "--dir", str(folder / "server"))
        with _running(serve, environment) as sandbox:
            environment |= _settings(folder / "server" / "env", sandbox)
            click.echo(f"Dagster: http://127.0.0.1:{port}   (Ctrl-C stops it and the sandbox)")
            dev = (_beside("dagster"), "dev", "-m", "orchestrate.definitions")
            with _running((*dev, "--host", "127.0.0.1", "--port", str(port)), environment) as web:
                web.wait()
    except KeyboardInterrupt:
        click.echo("stopped")
    except subprocess.CalledProcessError as error:
        msg = f"`meltano install` failed with exit code {error.returncode}: see above"
        raise click.ClickException(msg) from None


def _variables(project: Path, folder: Path, home: Path) -> dict[str, str]:
    ledger = f"sqlite:///{folder}/ledger.db"
    return {
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "MELTANO_ENVIRONMENT": "sandbox",
        "MELTANO_PROJECT_ROOT": str(project),
        "MELTANO_DATABASE_URI": f"sqlite:///{folder}/meltano.db",
        **{f"{plugin}_LEDGER_URL": ledger for plugin in LEDGER_KEEPERS},
        "TAP_BASWARE_NOTED_INBOX_URL": f"sqlite:///{folder}/inbox.db",
    }


def _beside(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _settings(file: Path, server: subprocess.Popen[bytes]) -> dict[str, str]:
    """Return what a served sandbox tells of itself, as soon as it does."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not file.is_file() or not file.stat().st_size:
        if server.poll() is not None or time.monotonic() > until:
            msg = "the sandbox does not start: see above"
            raise click.ClickException(msg)
        time.sleep(0.1)
    lines = shlex.split(file.read_text(encoding="utf-8"))
    return dict(line.partition("=")[::2] for line in lines)


@contextmanager
def _running(
    command: Sequence[str], environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process in a group of its own, which is ended on the way out."""
    process = subprocess.Popen(  # noqa: S603 - our own command line
        command, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGINT, GRACE_SECONDS), (signal.SIGKILL, 5)):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)


if __name__ == "__main__":
    main()
