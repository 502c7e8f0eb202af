"""`metrics`: what a monitor wants of deliveries, read from the ledger, for Prometheus."""

from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from singer_delivery.errors import DeliveryError, SetupError
from singer_delivery.operator.access import Desk
from singer_delivery.stopping import PROCESS

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

#: Seconds between two glances at whether to stop.
GLANCE = 3600.0


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the textfile collector of node_exporter, NAME.prom; written whole or not.",
)
@click.option("--listen", type=click.IntRange(0, 65535), metavar="PORT", help="Stay, and serve.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.pass_obj
def metrics(desk: Desk, output: Path | None, listen: int | None, host: str) -> None:
    """Print what a monitor wants of deliveries, in the form of Prometheus.

    All of it is read from the ledger, so nothing is lost with a run's process.
    """
    registry = _registry(desk)
    if listen is not None:
        _serve(registry, listen, host)
        return
    from prometheus_client import generate_latest  # noqa: PLC0415 - see _registry

    text = generate_latest(registry)
    if output is None:
        click.echo(text.decode(), nl=False)
    else:
        write_whole(output, text)


def _registry(desk: Desk) -> CollectorRegistry:
    """Return the registry of the ledger's figures. Raises DeliveryError where there is none."""
    try:
        from singer_delivery.watching.metrics import registry  # noqa: PLC0415
    except ImportError as error:
        msg = f"{error.name} is not installed: install singer-delivery[metrics]"
        raise SetupError(msg) from None
    return registry(desk.engine)


def _serve(registry: CollectorRegistry, port: int, host: str) -> None:
    """Answer Prometheus until SIGTERM or Ctrl-C. Raises DeliveryError."""
    from prometheus_client import start_http_server  # noqa: PLC0415

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: PROCESS.request() and None)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        msg = f"cannot listen on {host}:{port}: {error.strerror or error}"
        raise DeliveryError(msg) from None
    click.echo(f"http://{host}:{server.server_port}/metrics", err=True)
    while not PROCESS.requested:
        PROCESS.sleep(GLANCE)
    server.shutdown()
    thread.join()
    server.server_close()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that others may read, whole or not at all. Raises DeliveryError."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        msg = f"{path} cannot be written: {error.strerror or error}"
        raise DeliveryError(msg) from None
