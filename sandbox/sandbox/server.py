"""Both systems in one process, each origin on a port of its own, all over TLS on loopback."""

from __future__ import annotations

import asyncio
import select
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Self

from aiohttp import web

from sandbox.basware import tokens as basware_tokens
from sandbox.basware.app import create_app as create_basware_app
from sandbox.basware.app import create_storage_app
from sandbox.basware.notifications import trusting
from sandbox.basware.state import BaswareState
from sandbox.chaos import Chaos
from sandbox.clock import Clock
from sandbox.control import create_control_app
from sandbox.d365fo import tokens as d365fo_tokens
from sandbox.d365fo.app import create_app as create_d365fo_app
from sandbox.d365fo.app import create_entra_app
from sandbox.d365fo.data_management import DataManagement, create_store_app
from sandbox.d365fo.state import D365State
from sandbox.faults import FaultQueue, fault_middleware
from sandbox.journal import RequestJournal, journal_middleware
from sandbox.switches import Switches
from sandbox.tls import make_ca

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

    from sandbox.seed.world import World

HOST = "localhost"
#: Longest wait for bytes that have arrived to be read.
FINISH_SECONDS = 5.0
# Their ports are in this order.
ORIGINS = ("basware", "storage", "entra", "d365fo", "control", "blobs")


class Sandbox:
    """The sandbox: `with Sandbox() as sandbox: requests.get(sandbox.basware_url + …)`.

    The servers run in a thread of their own; `basware` and `d365fo` are the stores behind them,
    for tests to look into. With `port_base` n the origins listen on n, n+1, …; 0 takes free ports.
    """

    def __init__(self, *, port_base: int = 0, directory: Path | None = None) -> None:
        self.clock = Clock()
        self.faults = FaultQueue()
        self.switches = Switches()
        self.journal = RequestJournal(self.clock)
        self.basware = BaswareState(self.clock, self.switches.basware)
        self.d365fo = D365State(self.clock, self.switches.d365fo)
        self.data_management = DataManagement(self.d365fo, lambda: self.url("blobs"))
        self.chaos = Chaos(
            {"basware": self.basware.revoke_tokens, "d365fo": self.d365fo.revoke_tokens}
        )
        self._own_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix="sandbox-"))
        self._ca = make_ca(self.directory)
        self._port_base = port_base
        self._sockets: dict[str, socket.socket] = {}
        self._runners: list[web.AppRunner] = []

    @property
    def ca_file(self) -> Path:
        """The certificate to trust: `verify=` of requests, REQUESTS_CA_BUNDLE, …"""
        return self._ca.ca_file

    @property
    def server_file(self) -> Path:
        """Certificate and private key for another server on this machine, e.g. a webhook."""
        return self._ca.server_file

    def url(self, origin: str) -> str:
        """`https://localhost:port` of one of `ORIGINS`, once started."""
        return f"https://{HOST}:{self._sockets[origin].getsockname()[1]}"

    @property
    def basware_url(self) -> str:
        """Where Basware's API is."""
        return self.url("basware")

    @property
    def storage_url(self) -> str:
        """Where Basware redirects large answers to."""
        return self.url("storage")

    @property
    def entra_url(self) -> str:
        """The token authority of Dynamics."""
        return self.url("entra")

    @property
    def d365fo_url(self) -> str:
        """The Dynamics environment."""
        return self.url("d365fo")

    @property
    def control_url(self) -> str:
        """The origin that seeds, inspects and breaks the others."""
        return self.url("control")

    def environment(self) -> dict[str, str]:
        """The plugins' settings for this sandbox, as environment variables."""
        settings = {
            "SANDBOX_CONTROL_URL": self.control_url,
            "SANDBOX_CA_FILE": str(self.ca_file.resolve()),
        }
        for plugin in ("TAP", "TARGET"):
            settings |= {
                f"{plugin}_BASWARE_BASE_URL": self.basware_url,
                f"{plugin}_BASWARE_CLIENT_ID": basware_tokens.CLIENT_ID,
                f"{plugin}_BASWARE_CLIENT_SECRET": f"plain:{basware_tokens.CLIENT_SECRET}",
                f"{plugin}_BASWARE_CA_FILE": str(self.ca_file.resolve()),
                f"{plugin}_D365FO_BASE_URL": self.d365fo_url,
                f"{plugin}_D365FO_AUTHORITY": self.entra_url,
                f"{plugin}_D365FO_TENANT_ID": d365fo_tokens.TENANT_ID,
                f"{plugin}_D365FO_CLIENT_ID": d365fo_tokens.CLIENT_ID,
                f"{plugin}_D365FO_CLIENT_SECRET": f"plain:{d365fo_tokens.CLIENT_SECRET}",
                f"{plugin}_D365FO_CA_FILE": str(self.ca_file.resolve()),
            }
        return settings

    def start(self) -> Self:
        """Listen on every origin. Raises OSError when a port is taken."""
        try:
            for number, origin in enumerate(ORIGINS):
                self._sockets[origin] = _listen(self._port_base and self._port_base + number)
        except OSError:
            for listener in self._sockets.values():
                listener.close()
            self._remove_directory()
            raise
        self.basware.urls = {origin: self.url(origin) for origin in ORIGINS}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)
        self._thread.start()
        try:
            self._call(self._serve())
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Close every origin and remove what was written to a directory of our own."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for listener in self._sockets.values():
            listener.close()
        self._remove_directory()

    def reset(self) -> None:
        """As freshly started, on the same ports: empty stores, no faults, default switches."""
        self.faults.clear()
        self.chaos.stop()
        self.switches.reset()
        self.clock.reset()
        self.basware.reset()
        self.data_management.clear()
        self.d365fo.reset()
        self.journal.clear()

    def load(self, world: World) -> None:
        """Replace what both systems hold with `world`."""
        self.basware.reset()
        self.d365fo.reset()
        self.basware.load(world.basware)
        self.d365fo.load(world.d365fo, default_company=world.default_company)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _apps(self) -> dict[str, web.Application]:
        return {
            "basware": create_basware_app(self.basware),
            "storage": create_storage_app(self.basware),
            "entra": create_entra_app(self),
            "d365fo": create_d365fo_app(self),
            "control": create_control_app(self),
            "blobs": create_store_app(self.data_management),
        }

    def _remove_directory(self) -> None:
        if self._own_directory:
            shutil.rmtree(self.directory)

    async def _serve(self) -> None:
        await self.basware.notifications.open(trusting(str(self.ca_file)))
        for origin, app in self._apps().items():
            if origin != "control":
                # outermost first: the journal also sees what the faults did
                app.middlewares[:0] = [
                    journal_middleware(self.journal, origin),
                    fault_middleware(self.faults, self.chaos, origin),
                ]
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
            await runner.setup()
            self._runners.append(runner)
            site = web.SockSite(
                runner, self._sockets[origin], ssl_context=self._ca.server_context, backlog=512
            )
            await site.start()

    async def finish(self) -> None:
        """Return when all that had arrived is carried out, also for clients that are gone.

        It stands for the time after which nothing of a dead client happens any more.
        """
        deadline = asyncio.get_running_loop().time() + FINISH_SECONDS
        while self._has_unread() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.001)
        for _ in range(10):  # from the last byte to the handler
            await asyncio.sleep(0)
        arrived = self.journal.in_hand
        while arrived & self.journal.in_hand:
            await asyncio.sleep(0.001)

    def _has_unread(self) -> bool:
        sockets = [each.get_extra_info("socket") for each in self._transports("control") if each]
        files = [file for each in sockets if each and (file := each.fileno()) >= 0]
        return bool(select.select(files, [], [], 0)[0])

    def settle_notifications(self) -> None:
        """Return when every notification that is due has been sent, or given up."""
        self._call(self.basware.notifications.settle())

    async def _close(self) -> None:
        await self.basware.notifications.close()
        transports = self._transports()
        for runner in self._runners:
            await runner.cleanup()
        # A client that keeps its connection would otherwise hold the TLS transport open.
        for transport in transports:
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)

    def _transports(self, *without: str) -> list[asyncio.Transport | None]:
        return [
            handler.transport
            for origin, runner in zip(ORIGINS, self._runners, strict=False)
            if runner.server and origin not in without
            for handler in runner.server.connections
        ]

    def _call(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener
