from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import pytest
from sandbox.server import Sandbox
from tap_basware.client import BaswareClient
from tap_basware.tap import TapBasware

Config = dict[str, Any]


@dataclass
class Output:
    """What a tap wrote."""

    messages: list[dict[str, Any]]

    def records(self, stream: str = "accounting_documents") -> list[dict[str, Any]]:
        return [
            m["record"] for m in self.messages if m["type"] == "RECORD" and m["stream"] == stream
        ]

    @property
    def states(self) -> list[dict[str, Any]]:
        return [m["value"] for m in self.messages if m["type"] == "STATE"]

    def bookmark(self, stream: str = "accounting_documents") -> dict[str, Any]:
        found: dict[str, Any] = self.states[-1]["bookmarks"][stream]
        return found


@pytest.fixture(autouse=True, scope="class")
def close_clients() -> Iterator[None]:
    """Close every connection that a test opened, before the sandbox stops."""
    opened: list[BaswareClient] = []
    connect = BaswareClient.connect

    def remember(*args: Any, **kwargs: Any) -> BaswareClient:
        opened.append(connect(*args, **kwargs))
        return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaswareClient, "connect", remember)
        yield
    for client in opened:
        client.session.close()


@pytest.fixture
def config(sandbox: Sandbox) -> Config:
    return {
        "base_url": sandbox.basware_url,
        "client_id": "basware-client",
        "client_secret": "basware-secret",
        "ca_file": str(sandbox.ca_file),
        "max_attempts": 2,
        "start_date": "2000-01-01",
    }


@pytest.fixture
def make_tap(config: Config) -> Callable[..., TapBasware]:
    def make(
        *, streams: Sequence[str] = (), state: dict[str, Any] | None = None, **settings: Any
    ) -> TapBasware:
        tap = TapBasware(config={**config, **settings}, state=state)
        for name, stream in tap.streams.items():
            stream.selected = name in (streams or ("accounting_documents",))
        return tap

    return make


@pytest.fixture
def sync(make_tap: Callable[..., TapBasware]) -> Callable[..., Output]:
    """Run a tap to its end, or to the error that it raises, and return what it wrote."""

    def run(*, fails_with: type[Exception] | None = None, **kwargs: Any) -> Output:
        tap, written = make_tap(**kwargs), io.StringIO()
        with redirect_stdout(written):
            if fails_with is None:
                tap.sync_all()
            else:
                with pytest.raises(fails_with):
                    tap.sync_all()
        return Output([json.loads(line) for line in written.getvalue().splitlines()])

    return run


@pytest.fixture
def invoices(sandbox: Sandbox) -> Callable[..., list[str]]:
    """Put invoices into Basware; returns their ids."""

    def put(count: int, **fields: Any) -> list[str]:
        numbers = range(len(sandbox.basware.documents()) + 1, 1_000_000)
        documents = [
            {
                "invoiceId": f"invoice-{number:04}",
                "invoiceNumber": f"INV-{number}",
                "companyCode": "1000",
                "supplierCode": "S1",
                "currencyCode": "EUR",
                "grossSum": f"{number}.10",
                **fields,
            }
            for number, _ in zip(numbers, range(count), strict=False)
        ]
        sandbox.basware.load({"accountingDocuments": documents})
        return [document["invoiceId"] for document in documents]

    return put
