"""Everybody who is measured does what it is measured for: every record, once, whole.

Those that need an environment of their own are seen by `make bench` itself, each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from sandbox.server import Sandbox

from bench.invoice_rate import deliver, documents, ours, raw, row_by_row
from bench.master_pipe import Pipes
from bench.masters import seed
from bench.place import SIZES, Place, Server
from bench.vendor_read import Readers, vendors

INVOICES = 3


@pytest.fixture
def place(sandbox: Sandbox, tmp_path: Path) -> Place:
    return Place(sandbox, tmp_path, SIZES["tiny"])


@pytest.fixture
def dynamics(place: Place) -> Iterator[Server]:
    with place.serving("invoice_server") as server:
        yield server


def test_all_deliver_every_invoice(place: Place, dynamics: Server):
    file = documents(place, INVOICES)
    _, seen = deliver(dynamics, ours(place, dynamics), file)
    assert seen["changesets"] == INVOICES
    assert seen["reads"] > 0
    _, loop = deliver(dynamics, raw(place, dynamics, seen), file)
    assert {name: loop[name] for name in ("changesets", "batches", "reads")} == {
        name: seen[name] for name in ("changesets", "batches", "reads")
    }
    with pytest.raises(RuntimeError, match="3 requests failed"):
        raw(place, dynamics, {**seen, "reads": 0})(file)  # they are there, as nobody forgot them
    _, rows = deliver(dynamics, row_by_row(place, dynamics), file)
    assert rows["requests"] == 6 * INVOICES


def test_all_read_every_vendor_and_the_pipes_bring_them(place: Place):
    seed(place.sandbox, 3, 1)
    readers, count = Readers(place), 250
    assert "airbyte-cdk, declarative" not in readers.names
    with (
        vendors(place, count) as server,
        place.serving("import_server", basware=True) as basware,
    ):
        for name in readers.names:
            readers.check(name, server, count)
        pipes = Pipes(place, readers, basware)
        done = pipes.ours(server, place.new("ledger.db"), count, sends=True)
        assert done.requests == 2
        assert pipes.stock(server, count).requests == 2


def test_pages_by_key_and_by_link_are_the_same_rows(place: Place):
    seed(place.sandbox, 3, 1)
    with vendors(place, 25_000, " renamed") as server:
        url = f"{server.url}/data/VendorsV3?$select=VendorAccountNumber"
        linked = []
        while url:
            page = requests.get(url, timeout=10).json()
            linked += [row["VendorAccountNumber"] for row in page["value"]]
            url = page.get("@odata.nextLink")
        keyed: list[str] = []
        condition = ""
        while condition is not None:
            params = {"$select": "VendorAccountNumber", "$top": "9000", "$filter": condition}
            answer = requests.get(f"{server.url}/data/VendorsV3", params=params, timeout=10)
            rows = [row["VendorAccountNumber"] for row in answer.json()["value"]]
            keyed += rows
            condition = f"VendorAccountNumber gt '{rows[-1]}'" if rows else None
    assert linked == keyed == [f"V{n:07d}" for n in range(25_000)]
