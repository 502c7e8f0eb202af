"""Faults: what a client of any origin sees, and what the system behind it did."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests
from sandbox.faults import Fault, FaultQueue
from sandbox.server import Sandbox

ACCOUNT = {
    "externalCode": "a-1",
    "accountCode": "1",
    "accountNames": [{"language": "en-US", "translation": "One"}],
    "companies": [],
}
Call = Callable[..., requests.Response]


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    def send(
        method: str = "GET", path: str = "/v1/accounts", **options: object
    ) -> requests.Response:
        return requests.request(
            method,
            sandbox.basware_url + path,
            auth=("basware-user", "basware-password"),
            verify=str(sandbox.ca_file),
            timeout=5,
            **options,
        )

    return send


def test_a_status_comes_with_headers_and_body_and_only_as_often_as_asked(
    call: Call, sandbox: Sandbox
) -> None:
    html = "<html>Bad Gateway</html>"
    sandbox.faults.add(
        Fault("basware", "status", status=502, body=html, headers={"Retry-After": "2"}, times=2)
    )
    answers = [call() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [502, 502, 404]
    assert (answers[0].text, answers[0].headers["Retry-After"]) == (html, "2")


def test_a_fault_waits_for_its_request(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("basware", "status", method="POST", path="/v1/acc"))
    sandbox.faults.add(Fault("basware", "status", path=r"pageSize=7$", status=503, skip=1))
    assert call().status_code == 404
    assert call(params={"pageSize": 7}).status_code == 404  # skipped
    assert call(params={"pageSize": 7}).status_code == 503
    assert call("POST", json=[ACCOUNT]).status_code == 500
    assert call("POST", json=[ACCOUNT]).status_code == 200
    assert sandbox.faults.pending() == []


def test_a_reset_before_leaves_nothing_behind(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("basware", "reset_before", method="POST"))
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        call("POST", json=[ACCOUNT])
    assert sandbox.basware.records("accounts") == []


def test_a_reset_after_loses_the_answer_but_not_the_write(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("basware", "reset_after", method="POST"))
    with pytest.raises(requests.ConnectionError, match="Connection aborted"):
        call("POST", json=[ACCOUNT])
    assert [record["externalCode"] for record in sandbox.basware.records("accounts")] == ["a-1"]
    [exchange] = sandbox.journal.requests("basware")
    assert (exchange.status, exchange.fault) == (0, "reset_after")


def test_latency_adds_to_what_happens_next(call: Call, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("basware", "latency", seconds=0.05))
    sandbox.faults.add(Fault("basware", "status", status=503))
    started = time.perf_counter()
    assert call().status_code == 503
    assert time.perf_counter() - started >= 0.05


@pytest.mark.parametrize("origin", ["storage", "entra", "d365fo"])
def test_every_origin_has_its_own_faults(sandbox: Sandbox, origin: str) -> None:
    sandbox.faults.add(Fault(origin, "status", status=418))
    url = sandbox.url(origin) + "/anything"
    verify = str(sandbox.ca_file)
    assert requests.get(url, verify=verify, timeout=5).status_code == 418
    assert requests.get(url, verify=verify, timeout=5).status_code != 418


def test_a_batch_part_is_left_to_the_batch() -> None:
    queue = FaultQueue()
    queue.add(Fault("d365fo", "batch_part", path="Headers", status=503))
    assert queue.take("d365fo", "POST", "/data/VendorInvoiceHeaders") == []
    taken = queue.take_batch_part("POST", "VendorInvoiceHeaders")
    assert taken is not None
    assert taken.status == 503
    assert queue.take_batch_part("POST", "VendorInvoiceHeaders") is None


@pytest.mark.parametrize(
    "fields",
    [
        {"system": "sap", "kind": "status"},
        {"system": "basware", "kind": "fire"},
        {"system": "basware", "kind": "status", "path": "("},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"sap|fire|regular expression"):
        Fault(**fields)
