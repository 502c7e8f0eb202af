"""`sandbox`: serve both systems, and talk to a served one through its control origin."""

from __future__ import annotations

import os
import shlex
import signal
import ssl
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import click

from sandbox.basware.exact_json import dumps, loads
from sandbox.control import WORLDS
from sandbox.demo import main as run_demo
from sandbox.faults import KINDS, SYSTEMS
from sandbox.inspection import render_basware, render_d365fo
from sandbox.server import ORIGINS, Sandbox

if TYPE_CHECKING:
    from types import FrameType

ENV_FILE = "env"
_DIRECTORY = ".sandbox"


@click.group()
def main() -> None:
    """Basware and Dynamics 365 F&O on loopback."""


@main.command()
@click.option("--world", type=click.Choice(list(WORLDS)), default="demo", show_default=True)
@click.option(
    "--port-base",
    type=click.IntRange(0, 65535 - len(ORIGINS)),
    default=0,
    help="First of five ports; 0 takes free ones.",
)
@click.option(
    "--dir", "directory", type=click.Path(path_type=Path), default=_DIRECTORY, show_default=True
)
@click.option(
    "--env-file", type=click.Path(path_type=Path), help=f"Default: {ENV_FILE} in the directory."
)
def serve(world: str, port_base: int, directory: Path, env_file: Path | None) -> None:
    """Serve both systems until interrupted; write the CA and a file of plugin settings."""
    stopped = _stop_signal()
    try:
        sandbox = Sandbox(port_base=port_base, directory=directory).start()
    except OSError as error:
        msg = f"ports {port_base} to {port_base + len(ORIGINS) - 1}: {error.strerror}"
        raise click.ClickException(msg) from error
    env_file = env_file or directory / ENV_FILE
    try:
        sandbox.load(WORLDS[world]())
        env_file.write_text(_shell(sandbox.environment()), encoding="utf-8")
        for origin in ORIGINS:
            click.echo(f"{origin:8} {sandbox.url(origin)}")
        click.echo(f"CA       {sandbox.ca_file}")
        click.echo(f"settings {env_file}   (set -a; . {env_file}; set +a)")
        click.echo(f"world    {world}; Ctrl-C stops")
        stopped.wait()
    finally:
        sandbox.stop()
        env_file.unlink(missing_ok=True)
    click.echo("stopped")


def _stop_signal() -> threading.Event:
    """An event that SIGINT or SIGTERM sets, in place of ending the process at once."""
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return stopped


def _shell(settings: dict[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


@main.command()
@click.option(
    "--project",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=".",
    help="The folder of meltano.yml.  [default: here]",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Where to keep logs and ledger; emptied first.  [default: .sandbox/demo of the project]",
)
@click.option("--invoices", default=200, show_default=True)
@click.option(
    "--install/--no-install", default=True, show_default=True, help="Install the plugins first."
)
def demo(project: Path, directory: Path | None, invoices: int, *, install: bool) -> None:
    """Run the whole pipeline against a fresh sandbox and print the reconciliation."""
    project = project.resolve()
    sys.exit(
        run_demo(project, directory or project / _DIRECTORY / "demo", invoices, install=install)
    )


@main.command()
@click.argument("world", type=click.Choice(list(WORLDS)), default="demo")
def seed(world: str) -> None:
    """Replace what both systems hold with a world."""
    _control("POST", "/seed", {"world": world})
    click.echo(f"both systems hold the {world} world")


@main.command()
@click.argument("system", type=click.Choice(["basware", "d365fo"]), required=False)
@click.option("--json", "as_json", is_flag=True, help="Everything, as JSON.")
def inspect(system: str | None, *, as_json: bool) -> None:
    """Show what the systems hold: documents by status, counts and sums per company."""
    systems = [system] if system else ["basware", "d365fo"]
    if as_json:
        held = {name: _control("GET", f"/state/{name}?full=true") for name in systems}
        click.echo(dumps(held[system] if system else held))
        return
    renderers = {"basware": render_basware, "d365fo": render_d365fo}
    for name in systems:
        click.echo(renderers[name](_control("GET", f"/state/{name}")))


@main.group()
def fault() -> None:
    """Let something go wrong."""


@fault.command("add")
@click.argument("system", type=click.Choice(SYSTEMS))
@click.argument("kind", type=click.Choice(KINDS))
@click.option("--method", help="Only requests with this method.")
@click.option("--path", help="Only requests whose path and query this expression finds.")
@click.option("--status", default=500, show_default=True)
@click.option("--header", "headers", multiple=True, help="Name: value, e.g. 'Retry-After: 2'.")
@click.option("--body", default="", help="Body of the answer, e.g. a gateway's HTML.")
@click.option("--seconds", type=float, default=0, help="For latency.")
@click.option("--times", default=1, show_default=True, help="-1 = always.")
@click.option("--skip", default=0, help="Let this many requests pass first.")
def add_fault(headers: tuple[str, ...], **fields: Any) -> None:
    """Queue a fault: latency, a status, or a connection reset before or after the commit."""
    pairs = (header.partition(":") for header in headers)
    fields["headers"] = {name.strip(): text.strip() for name, _, text in pairs}
    _show_faults(_control("POST", "/faults", fields))


@fault.command("list")
def list_faults() -> None:
    """Show the faults that have not happened yet."""
    _show_faults(_control("GET", "/faults"))


@fault.command("clear")
def clear_faults() -> None:
    """Forget every fault."""
    _control("DELETE", "/faults")


def _show_faults(faults: list[dict[str, Any]]) -> None:
    if not faults:
        click.echo("no fault is waiting to happen")
    for waiting in faults:
        click.echo("  ".join(f"{name}={value}" for name, value in waiting.items() if value))


@main.group()
def chaos() -> None:
    """Let things go wrong by chance, by a seed."""


@chaos.command("start")
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
def start_chaos(settings: tuple[str, ...]) -> None:
    """Start it: seed=7 lost_answers=0.1 throttled=0.05; what is not named does not happen."""
    pairs = dict(setting.partition("=")[::2] for setting in settings)
    _show_chaos(_control("PUT", "/chaos", pairs))


@chaos.command("show")
def show_chaos() -> None:
    """Show the plan, and how often what happened."""
    _show_chaos(_control("GET", "/chaos"))


@chaos.command("stop")
def stop_chaos() -> None:
    """Calm."""
    _show_chaos(_control("DELETE", "/chaos"))


def _show_chaos(answer: dict[str, Any]) -> None:
    for name, value in (answer["plan"] or {"calm": "yes"}).items():
        click.echo(f"{name}={value}")
    for name, count in answer["happened"].items():
        click.echo(f"  {count} x {name}")


@main.command()
@click.argument("settings", nargs=-1, metavar="[NAME=VALUE]...")
def switch(settings: tuple[str, ...]) -> None:
    """Set switches (basware.redirect=false); without any, show them all."""
    pairs = dict(setting.partition("=")[::2] for setting in settings)
    answer = _control("PATCH", "/switches", pairs) if pairs else _control("GET", "/switches")
    for group, values in answer.items():
        for name, value in values.items():
            if not pairs or f"{group}.{name}" in pairs:
                click.echo(f"{group}.{name}={value}")


@main.command()
@click.option("--system", type=click.Choice(SYSTEMS))
@click.option("--path", help="Only requests whose path contains this.")
def requests(system: str | None, path: str | None) -> None:
    """Show the requests that the origins have received."""
    wanted = {name: text for name, text in (("system", system), ("path", path)) if text}
    answer = _control("GET", f"/requests?{urlencode(wanted)}")
    for each in answer["requests"]:
        note = f"  {each['fault']}" if each["fault"] else ""
        click.echo(
            f"{each['moment']} {each['system']:8} {each['status'] or '---'} "
            f"{each['method']:6} {each['path']}{note}"
        )
    if answer["dropped"]:
        click.echo(f"({answer['dropped']} older ones are no longer kept)")


@main.command()
@click.argument("name")
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
def act(name: str, arguments: tuple[str, ...]) -> None:
    """Do what happens outside the APIs: retransfer, post_invoice, pay_invoices, …

    Several invoices are one argument: invoices=APIN-usmf-000001:50.00,APIN-usmf-000002
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    click.echo(dumps(_control("POST", f"/actions/{name}", given)["result"]))


def _control(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Call the control origin of the served sandbox. Raises ClickException with the remedy."""
    url, ca_file = _served()
    data = None if body is None else dumps(_exact(body)).encode()
    request = Request(url + path, data=data, method=method)  # noqa: S310 - https, checked below
    try:
        context = ssl.create_default_context(cafile=ca_file)
        with urlopen(request, context=context, timeout=60) as answer:  # noqa: S310
            return loads(answer.read() or b"null")
    except HTTPError as error:
        raise click.ClickException(loads(error.read())["error"]) from error
    except (URLError, OSError) as error:
        raise click.ClickException(
            f"no sandbox answers at {url}; start it: sandbox serve"
        ) from error


def _served() -> tuple[str, str]:
    """URL and CA of the served sandbox: from the environment, else from the file it wrote."""
    settings = dict(os.environ)
    file = Path(_DIRECTORY) / ENV_FILE
    if "SANDBOX_CONTROL_URL" not in settings and file.exists():
        lines = shlex.split(file.read_text(encoding="utf-8"))
        settings |= dict(line.partition("=")[::2] for line in lines)
    try:
        return settings["SANDBOX_CONTROL_URL"], settings["SANDBOX_CA_FILE"]
    except KeyError as error:
        msg = f"no sandbox is served: {file} and SANDBOX_CONTROL_URL are absent; sandbox serve"
        raise click.ClickException(msg) from error


def _exact(body: dict[str, Any]) -> dict[str, Any]:
    # the encoder takes no floats
    return {
        name: Decimal(str(value)) if isinstance(value, float) else value
        for name, value in body.items()
    }
