"""Many invoices, bad ones among them, repeated runs and a network that fails: no copy anywhere."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from sandbox.demo import reconcile_world
from sandbox.faults import Fault
from sandbox.seed import World, demo_world
from sandbox.server import Sandbox

from tests.pipelines.conftest import Meltano
from tests.pipelines.holdings import Holdings


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    """The demo's world, loaded."""
    world = demo_world()
    sandbox.load(world)
    return world


def copies(holdings: Holdings) -> Counter[tuple[str, str, str]]:
    """Count the vendor invoices per legal entity, vendor and number."""
    return Counter(
        (header["dataAreaId"], header["InvoiceAccount"], header["InvoiceNumber"])
        for header in holdings.headers
    )


def test_200_invoices_with_bad_ones_among_them(
    meltano: Meltano, sandbox: Sandbox, world: World
) -> None:
    assert len(world.expected) >= 200
    assert len(world.documents(outcome="rejected")) >= 7
    meltano.run("run", "invoices")
    result = reconcile_world(sandbox, world)
    assert result.problems == []
    reasons = {number: reason for _, number, reason in result.rejections}
    for document in world.documents(outcome="rejected"):
        expected = world.expected[document["invoiceId"]].reason
        label = document.get("invoiceNumber") or f"(id {document['invoiceId']})"
        assert expected.lower() in reasons[label].lower()
        assert len(reasons[label]) <= 250


def test_five_runs_with_and_without_state_make_no_second_copy(
    meltano: Meltano, sandbox: Sandbox, world: World
) -> None:
    meltano.run("run", "invoices")
    first = Holdings.of(sandbox)
    for lost in ((), ("state",), ("ledger",), ("state", "ledger")):
        if "state" in lost:
            meltano.forget_state()
        if "ledger" in lost:
            meltano.forget_ledger()
        # As if no confirmation had ever arrived: everything is offered again.
        for document in world.documents():
            sandbox.basware.retransfer(document["invoiceId"])
        meltano.run("run", "invoices")
        assert reconcile_world(sandbox, world).problems == []
    after = Holdings.of(sandbox)
    assert set(copies(after).values()) == {1}
    assert after.headers == first.headers
    assert after.lines == first.lines


def test_a_run_with_nothing_new_writes_nothing(
    meltano: Meltano, sandbox: Sandbox, world: World
) -> None:
    meltano.run("run", "invoices")
    sandbox.journal.clear()
    for forget in (False, True):
        if forget:
            meltano.forget_state()
        meltano.run("run", "invoices")
    writes = [
        request
        for request in sandbox.journal.requests()
        if request.method not in {"GET", "HEAD"} and "token" not in request.path
    ]
    assert writes == []


def test_lost_answers_throttling_and_expired_tokens_lose_and_double_nothing(
    meltano: Meltano, sandbox: Sandbox, world: World
) -> None:
    for fault in _bad_day():
        sandbox.faults.add(fault)
    meltano.run("run", "invoices", TARGET_D365FO_READ_BACK_WAIT_SECONDS="0")
    assert reconcile_world(sandbox, world).problems == []


@pytest.mark.parametrize("moment", ["delivering", "confirming"])
def test_a_run_that_is_killed_is_simply_started_again(
    meltano: Meltano, sandbox: Sandbox, world: World, moment: str
) -> None:
    slow = {
        "delivering": Fault("d365fo", "latency", "POST", r"\$batch", seconds=0.1, times=-1),
        "confirming": Fault("basware", "latency", "POST", "Responses", seconds=0.1, times=-1),
    }
    sandbox.faults.add(slow[moment])
    with meltano.started("run", "invoices") as process:
        while process.poll() is None and _done(sandbox, moment) < 40:
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGKILL)
    assert 40 <= _done(sandbox, moment) < 184
    sandbox.faults.clear()
    # Meltano itself thinks for some minutes that the killed run goes on.
    meltano.run("run", "--force", "invoices")
    assert reconcile_world(sandbox, world).problems == []


def _done(sandbox: Sandbox, moment: str) -> int:
    if moment == "delivering":
        return len(sandbox.d365fo.rows("VendorInvoiceHeaders"))
    return len(sandbox.journal.requests("basware", "POST", "transferResponses"))


def _bad_day() -> Iterator[Fault]:
    html = "<html><body><h1>502 Bad Gateway</h1></body></html>"
    batch = r"\$batch"
    yield Fault("d365fo", "reset_after", "POST", batch, skip=10, times=3)
    yield Fault("d365fo", "reset_before", "POST", batch, skip=20, times=3)
    yield Fault("d365fo", "status", "POST", batch, status=502, body=html, skip=40, times=2)
    yield Fault("d365fo", "status", "POST", batch, status=500, skip=50, times=1)
    yield Fault("d365fo", "status", status=401, skip=60, times=1)
    yield Fault("d365fo", "status", status=429, headers={"Retry-After": "1"}, skip=80, times=3)
    yield Fault("basware", "status", status=401, path="accountingDocuments", skip=1)
    yield Fault("basware", "status", status=503, headers={"Retry-After": "1"}, skip=4)
    yield Fault("basware", "reset_after", "POST", "transferResponses", skip=15, times=3)
    yield Fault("basware", "reset_before", "POST", "transferResponses", skip=30, times=3)
    yield Fault("storage", "status", status=502, body=html, times=1)
