"""The Dynamics of the measurements: it refuses what would flatter, and counts manners."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
import requests
from sandbox.server import Sandbox
from tap_d365fo.batch import Operation, decode_batch, encode_batch

from bench.competitors.raw_write import batch
from bench.invoice_server import Capacity
from bench.place import SIZES, Place, Server

RECORD = {
    "invoiceId": "abc",
    "supplierCode": "US-0001",
    "invoiceNumber": "INV-1",
    **dict.fromkeys(("invoiceDate", "voucherDate", "dueDate"), "2026-02-16T00:00:00Z"),
    "currencyCode": "USD",
    "grossSum": 21.45,
    "taxSum1": 1.45,
    "codingRows": [{"rowIndex": 1, "accountCode": "605100", "netTotal": 20.0}],
}


@pytest.fixture(scope="module")
def servers(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(sandbox_server, tmp_path_factory.mktemp("bench"), SIZES["tiny"])


@pytest.fixture(scope="module")
def server(servers: Place) -> Iterator[Server]:
    with servers.serving("invoice_server") as found:
        yield found


def post(
    server: Server, *records: dict[str, object], through: requests.Session | None = None
) -> requests.Response:
    content_type, body = batch(server.url, list(records))
    headers = {"Content-Type": content_type}
    send = through.post if through else requests.post
    return send(f"{server.url}/data/$batch", data=body, headers=headers, timeout=10)


def test_an_invoice_is_taken_whole_and_once(server: Server):
    server.forget()
    assert post(server, RECORD, {**RECORD, "invoiceId": "def"}).text.count("201 Created") == 4
    again = post(server, RECORD)
    assert "201 Created" not in again.text
    assert again.text.count("400 Bad Request") == 1
    seen = server.counted()
    assert (seen["headers"], seen["lines"], seen["refused"]) == (2, 2, 1)
    assert (seen["batches"], seen["changesets"], seen["largest"]) == (2, 3, 2)


def test_a_changeset_is_carried_out_whole_or_not_at_all(server: Server):
    server.forget()
    content_type, body = batch(server.url, [RECORD])
    reference = re.search(r'"HeaderReference":"(\w+)"', body)
    assert reference
    header, line = body.split("/data/VendorInvoiceLines", 1)
    broken = f"{header}/data/VendorInvoiceLines{line.replace(reference[1], 'X' * 20)}"
    url, headers = f"{server.url}/data/$batch", {"Content-Type": content_type}
    answer = requests.post(url, data=broken, headers=headers, timeout=10)
    assert (answer.text.count("201 Created"), answer.text.count("400 Bad")) == (0, 1)
    assert (server.counted()["headers"], server.counted()["lines"]) == (0, 0)
    assert post(server, RECORD).text.count("201 Created") == 2


def test_reads_that_share_a_request_are_one_request_that_reads(server: Server):
    server.forget()
    url = f"{server.url}/data/VendorInvoiceHeaders?$filter=InvoiceNumber eq '1'"
    content_type, body = encode_batch([Operation("GET", url)] * 3)
    answer = requests.post(
        f"{server.url}/data/$batch", data=body, headers={"Content-Type": content_type}, timeout=10
    )
    parts = [
        part
        for group in decode_batch(answer.headers["Content-Type"], answer.content)
        for part in group
    ]
    assert [(part.status, part.body) for part in parts] == [(200, b'{"value":[]}')] * 3
    seen = server.counted()
    assert (seen["requests"], seen["reads"], seen["batches"]) == (1, 1, 0)


def test_a_line_needs_its_header(server: Server):
    server.forget()
    url = f"{server.url}/data/VendorInvoiceLines"
    answer = requests.post(url, data=json.dumps({"HeaderReference": "X"}), timeout=10)
    assert answer.status_code == 400
    assert server.counted()["lines"] == 0


def test_who_does_not_wait_is_counted(servers: Place):
    with servers.serving("invoice_server", "--capacity", "0.5") as server:
        refused = post(server, RECORD)
        assert refused.status_code == 429
        assert refused.headers["Retry-After"] == "2"
        with requests.Session() as session:
            for _ in range(3):
                post(server, RECORD, through=session)
        seen = server.counted()
    assert (seen["headers"], seen["throttled"]) == (0, 4)
    # The first of another connection may have been on its way; those behind it were not.
    assert (seen["early"], seen["crossing"]) == (2, 1)
    assert 0 < seen["latest"] < 2


def test_capacity_is_earned_and_saved_for_two_seconds():
    capacity = Capacity(8, now=100.0)
    assert capacity.wait(100.0) == 1
    assert capacity.wait(100.125) == 0
    capacity.left -= 9
    assert capacity.wait(100.125) == 2
    assert capacity.wait(150.0) == 0
    assert capacity.left == 16


def test_who_was_told_may_not_come_back_before_its_time():
    capacity = Capacity(8, now=0.0)
    capacity.close(told=10.0, seconds=1)
    assert capacity.manners("two", 9.9) == "crossing"
    assert capacity.manners("two", 10.1) == "crossing"
    assert capacity.manners("two", 10.2) == "early"
    assert capacity.manners("three", 10.5) == "early"
    assert capacity.manners("one", 11.0) == ""
