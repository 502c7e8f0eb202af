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
from bench.vendor_read import DLT, Readers, delivered, vendors

INVOICES = 3
SINGER = '{"type":"RECORD","stream":"vendors","record":{"VendorAccountNumber":"V1"}}'
AIRBYTE = '{"type":"RECORD","record":{"data":{"VendorAccountNumber":"V1"},"stream":"vendors"}}'


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


def test_both_pipes_bring_every_vendor(place: Place):
    seed(place.sandbox, 3, 1)
    readers, count = Readers(place), 250
    assert "airbyte-cdk, declarative" not in readers.names
    with (
        vendors(place, count) as server,
        place.serving("import_server", basware=True) as basware,
    ):
        readers.check("raw loop", server, count)
        pipes = Pipes(place, readers, basware)
        done = pipes.ours(server, place.new("ledger.db"), count, sends=True)
        assert done.requests == 2
        assert pipes.stock(server, count).requests == 2


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("tap-d365fo", ['{"type":"SCHEMA","schema":{"VendorAccountNumber":{}}}', SINGER]),
        ("airbyte-cdk, declarative", ['{"type":"LOG","log":{"message":"begun"}}', AIRBYTE]),
        ("raw loop", ['{"VendorAccountNumber": "V1"}']),
        (DLT, ["1"]),
    ],
)
def test_rows_are_counted_once_in_whatever_wrapping(name: str, lines: list[str], tmp_path: Path):
    output = tmp_path / "rows"
    output.write_text("\n".join(lines) + "\n")
    assert delivered(name, output) == 1


def test_a_row_that_comes_twice_is_found_out(tmp_path: Path):
    output = tmp_path / "rows"
    output.write_text(f"{SINGER}\n{SINGER}\n")
    with pytest.raises(RuntimeError, match="different vendors of tap-d365fo: 1, expected 2"):
        delivered("tap-d365fo", output)


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
