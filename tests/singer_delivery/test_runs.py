"""Several runs on one ledger: a document is one run's at a time, and a dead run's is anybody's."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy
from singer_delivery import runs
from singer_delivery.bulk import BulkDelivery, BulkOptions
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import Busy, LedgerError
from singer_delivery.ledger import Ledger
from singer_delivery.runs import Lease, Run
from singer_delivery.schema import runs as RUNS  # noqa: N812

from tests.singer_delivery.fake_system import FakeCourier, FakeSystem, record

SYSTEM = "https://usmf.example"
DELIVERED = Outcome(Status.DELIVERED, remote_key="VEN-1")


def invoice(key: str, **changes: Any) -> Document:
    plain = Document(key, None, "f" * 64, natural_key=f"usmf/V1/{key}", version="1")
    return replace(plain, **changes)


@pytest.fixture
def pair(ledger_url: str) -> Iterator[tuple[Ledger, Ledger]]:
    """The ledger as two runs have it, both alive."""
    opened = [Ledger.open(ledger_url, SYSTEM) for _ in range(2)]
    for number, ledger in enumerate(opened):
        ledger.begin_run(Run(f"run-{number}", SYSTEM, "target-test"))
    yield opened[0], opened[1]
    for ledger in opened:
        ledger.close()


def elsewhere(ledger: Ledger, run_id: str, lease_until: datetime) -> None:
    """Let a run be one of another machine, with a lease until then."""
    with ledger._engine.begin() as connection:
        statement = "UPDATE runs SET host = 'another', lease_until = :until WHERE run_id = :run"
        values = {"until": lease_until.isoformat(), "run": run_id}
        connection.execute(sqlalchemy.text(statement), values)


# Claims on documents


def test_what_one_run_has_in_flight_another_cannot_intend(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    mine = first.intend("invoices", [invoice("1"), invoice("2")], "run-0")
    assert mine.fences == {"1": 1, "2": 1}
    other = second.intend("invoices", [invoice("2"), invoice("3")], "run-1")
    assert (dict(other.fences), [*other.contested]) == ({"3": 1}, ["2"])
    assert first.lookup("invoices", ["2"])["2"].run_id == "run-0"
    first.settle("invoices", invoice("2"), DELIVERED, "run-0", fence=1)
    assert not second.intend("invoices", [invoice("2")], "run-1").contested


def test_another_document_with_the_number_of_one_in_flight_waits(
    pair: tuple[Ledger, Ledger],
) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1", natural_key="usmf/V1/7")], "run-0")
    twin = invoice("2", natural_key="usmf/V1/7")
    assert second.intend("invoices", [twin], "run-1").contested["2"].key == "1"
    unnumbered = [invoice("3", natural_key=""), invoice("4", natural_key="")]
    assert not second.intend("invoices", unnumbered, "run-1").contested


def test_what_changed_since_the_survey_is_surveyed_again(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    seen = {entry.key: entry.revision for entry in second.lookup("invoices", ["1"]).values()}
    first.intend("invoices", [invoice("1")], "run-0")
    first.settle("invoices", invoice("1"), DELIVERED, "run-0", fence=1)
    late = second.intend("invoices", [invoice("1")], "run-1", seen=seen)
    assert late.contested["1"].status is Status.DELIVERED
    twin = invoice("2", natural_key=invoice("1").natural_key)
    assert [*second.intend("invoices", [twin], "run-1", seen={}).contested] == ["2"]
    assert not second.intend("invoices", [twin], "run-1", seen={"1": 2}).contested


def test_an_overtaken_run_does_not_write_over_the_other_one(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    fence = first.intend("invoices", [invoice("1")], "run-0").fences["1"]
    elsewhere(first, "run-0", datetime.now(UTC) - timedelta(seconds=1))
    [left] = second.take_over("invoices", "run-1")
    assert not first.settle("invoices", invoice("1"), DELIVERED, "run-0", fence=fence)
    assert second.settle_entry(left, Outcome(Status.NOT_SENT, "absent"), "run-1")
    assert second.lookup("invoices", ["1"])["1"].status is Status.NOT_SENT
    kinds = [link.kind for link in second.trail.of("1")]
    assert kinds == ["intended", "taken_over", "not_sent"]


def test_a_survey_never_writes_over_what_is_in_flight(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1")], "run-0")
    rejected = Outcome(Status.REJECTED, "no such tax code")
    assert not second.settle("invoices", invoice("1"), rejected, "run-1")
    assert not second.settle("invoices", invoice("1"), rejected, "run-1", fence=0)
    assert first.lookup("invoices", ["1"])["1"].status is Status.INTENDED


def test_a_run_settles_its_own_without_knowing_its_revision(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1")], "run-0")
    assert not second.settle("invoices", invoice("1"), DELIVERED, "run-1")
    assert first.settle("invoices", invoice("1"), DELIVERED, "run-0")
    assert second.settle("invoices", invoice("1"), Outcome(Status.UNCHANGED), "run-1")


# Alive or dead


def test_only_what_dead_runs_left_is_taken_over_and_by_one(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1")], "run-0")
    first.intend("invoices", [invoice("2")], "never registered")
    assert [entry.key for entry in second.take_over("invoices", "run-1")] == ["2"]
    assert first.take_over("invoices", "run-0")[0].key == "1"
    first.end_run("run-0", {})
    assert [entry.key for entry in second.take_over("invoices", "run-1", keys=["1"])] == ["1"]


@pytest.mark.parametrize(("seconds", "free"), [(60, False), (-1, True)])
def test_on_another_machine_the_lease_decides(
    pair: tuple[Ledger, Ledger], seconds: int, free: bool
) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1")], "run-0")
    elsewhere(first, "run-0", datetime.now(UTC) + timedelta(seconds=seconds))
    assert bool(second.take_over("invoices", "run-1")) is free


def test_a_run_that_was_killed_is_dead_at_once_however_long_its_lease(ledger_url: str) -> None:
    code = """
        import sys, time
        from singer_delivery.document import Document
        from singer_delivery.ledger import Ledger
        from singer_delivery.runs import Run
        ledger = Ledger.open(sys.argv[1], "https://usmf.example")
        ledger.begin_run(Run("run-9", "https://usmf.example", lease_seconds=3600))
        ledger.intend("invoices", [Document("1", None, "f")], "run-9")
        print("intended", flush=True)
        time.sleep(600)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), ledger_url], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "intended\n"
    ledger = Ledger.open(ledger_url, SYSTEM)
    ledger.begin_run(Run("run-1", SYSTEM))
    assert ledger.take_over("invoices", "run-1") == []
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert [entry.key for entry in ledger.take_over("invoices", "run-1")] == ["1"]
    ledger.close()


def test_another_process_with_the_number_of_a_dead_one_is_not_it(
    pair: tuple[Ledger, Ledger],
) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1")], "run-0")
    with first._engine.begin() as connection:
        changed = "UPDATE runs SET process_started = '1.00' WHERE run_id = 'run-0'"
        connection.execute(sqlalchemy.text(changed))
    assert second.take_over("invoices", "run-1")


# Leases


def test_a_lease_that_was_not_renewed_ends_the_sending(ledger: Ledger) -> None:
    moment = 100.0
    run = Run("run-1", SYSTEM, lease_seconds=60)
    ledger.begin_run(run)
    lease = Lease(ledger._engine, run, now=lambda: datetime.now(UTC), clock=lambda: moment)
    assert lease.valid
    moment = 159.9
    lease.renew()
    moment = 219.8
    assert lease.valid
    moment = 220.0
    assert not lease.valid
    with pytest.raises(LedgerError, match="held up for longer"):
        lease.renew()


def test_a_run_without_its_claims_sends_nothing(
    pair: tuple[Ledger, Ledger], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = pair
    system = FakeSystem()
    delivery = Delivery(FakeCourier(system), first, "run-0")
    assert first._lease is not None
    monkeypatch.setattr(first._lease, "_until", 0.0)
    with pytest.raises(LedgerError, match="claim_lease_seconds"):
        delivery.run([record("a", "1")])
    assert (system.rows, delivery.tally[Status.NOT_SENT]) == ([], 1)


def test_a_living_run_renews_its_lease(ledger: Ledger) -> None:
    ledger.begin_run(Run("run-1", SYSTEM, lease_seconds=0.4))

    def until() -> str:
        with ledger._engine.connect() as connection:
            return str(connection.execute(sqlalchemy.text("SELECT lease_until FROM runs")).scalar())

    first = until()
    for _ in range(100):
        if until() > first:
            break
        threading.Event().wait(0.05)
    assert until() > first


def test_a_run_is_registered_as_what_it_is(ledger: Ledger) -> None:
    now = datetime.now(UTC)
    ledger._clock, ledger._actor = lambda: now, "x" * 300
    ledger.begin_run(Run("run-1", SYSTEM, "target-test", {"b": 1, "a": Decimal("1.5")}, 60))
    with ledger._engine.connect() as connection:
        row = connection.execute(sqlalchemy.select(RUNS)).one()
        living = runs.alive(connection, ["run-1", "run-2"], now)
    process = psutil.Process(os.getpid())
    assert (row.run_id, row.system, row.plugin, row.actor) == (
        *("run-1", SYSTEM, "target-test", "x" * 255),
    )
    assert (row.host, row.pid, row.ended_at) == (runs.machine(), os.getpid(), None)
    assert row.process_started == f"{process.create_time():.2f}"
    assert row.started_at == now.isoformat()
    assert row.detail == '{"a": "1.5", "b": 1}'
    lease = datetime.fromisoformat(row.lease_until) - now
    assert abs(lease - timedelta(seconds=60)) < timedelta(seconds=30)
    assert [*living] == ["run-1"]
    host = socket.gethostname()
    assert runs.words(row) == (
        f"run run-1 of target-test (process {os.getpid()} on {host}, since "
        f"{now.isoformat()[:19]} UTC)"
    )
    ledger.end_run("run-1", {})
    ledger._clock = lambda: now + timedelta(seconds=1)
    ledger.end_run("run-1", {})
    with ledger._engine.connect() as connection:
        assert connection.execute(sqlalchemy.select(RUNS.c.ended_at)).scalar() == now.isoformat()
        assert runs.alive(connection, ["run-1"], now) == {}
        assert runs.alive(connection, [], now) == {}


def test_a_run_without_a_plugin_is_named_all_the_same(ledger: Ledger) -> None:
    ledger.begin_run(Run("0123456789", SYSTEM))
    with ledger._engine.connect() as connection:
        row = connection.execute(sqlalchemy.select(RUNS)).one()
    assert runs.words(row).startswith("run 01234567 of a plugin (process ")
    assert row.detail == "{}"


def test_a_machine_is_told_from_all_others_by_more_than_its_name() -> None:
    name, *more = runs.machine().split()
    assert name == socket.gethostname()
    if Path("/proc/self/ns/pid").is_symlink():
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        assert more == [boot, str(Path("/proc/self/ns/pid").readlink())]


def test_what_ended_and_was_not_waited_for_is_dead() -> None:
    process = subprocess.Popen(["true"])
    try:
        started = psutil.Process(process.pid).create_time()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.005)
        assert not runs._is_running(process.pid, started)
    finally:
        process.wait()
    assert not runs._is_running(process.pid, started)


def test_a_number_and_a_start_tell_whether_it_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pid, started = os.getpid(), psutil.Process(os.getpid()).create_time()
    for apart, same in [(0.0, True), (1.9, True), (2.1, False)]:
        assert runs._is_running(pid, started + apart) is same
        assert runs._is_running(pid, started - apart) is same

    def denied(_: int) -> None:
        raise psutil.AccessDenied

    # Of somebody else's process nothing is known but that it is there.
    monkeypatch.setattr(psutil, "Process", denied)
    assert runs._is_running(pid, 0.0)


def test_a_lease_ends_with_the_moment_that_it_names(pair: tuple[Ledger, Ledger]) -> None:
    first, _ = pair
    now = datetime(2026, 1, 5, 10, tzinfo=UTC)
    elsewhere(first, "run-0", now)
    with first._engine.connect() as connection:
        row = connection.execute(sqlalchemy.select(RUNS).where(RUNS.c.run_id == "run-0")).one()
    assert runs._lives(row, now - timedelta(microseconds=1))
    assert not runs._lives(row, now)


def test_a_lease_is_renewed_from_the_moment_it_was_asked_for(ledger: Ledger) -> None:
    now = datetime.now(UTC)
    ledger.begin_run(Run("run-1", SYSTEM, lease_seconds=600))
    ledger.begin_run(Run("run-2", SYSTEM, lease_seconds=600))
    lease = Lease(ledger._engine, Run("run-1", SYSTEM, lease_seconds=6000), now=lambda: now)
    lease.renew()
    with ledger._engine.connect() as connection:
        rows = connection.execute(sqlalchemy.select(RUNS.c.run_id, RUNS.c.lease_until)).all()
    left = {row.run_id: (datetime.fromisoformat(row.lease_until) - now) for row in rows}
    assert abs(left["run-1"].total_seconds() - 6000) < 60
    assert abs(left["run-2"].total_seconds() - 600) < 60


def test_a_lease_that_cannot_be_renewed_is_said_and_tried_again(
    ledger: Ledger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("run-1", SYSTEM, lease_seconds=0.04)
    tries = threading.Semaphore(0)
    lease = Lease(ledger._engine, run, now=lambda: datetime.now(UTC))

    def renew() -> None:
        tries.release()
        msg = "the disk is full"
        raise LedgerError(msg)

    monkeypatch.setattr(lease, "renew", renew)
    lease.start()
    try:
        for _ in range(3):
            assert tries.acquire(timeout=10)
    finally:
        lease.stop()
    assert set(caplog.messages) == {"the claims of this run were not renewed: the disk is full"}
    assert not lease._thread.is_alive()
    # Nobody has to have started it.
    Lease(ledger._engine, run, now=lambda: datetime.now(UTC)).stop()


def test_a_lease_that_is_over_says_which_setting_it_went_by(ledger: Ledger) -> None:
    lease = Lease(
        ledger._engine,
        Run("run-1", SYSTEM, lease_seconds=0),
        now=lambda: datetime.now(UTC),
    )
    words = r"^this run was held up for longer than its claims last \(claim_lease_seconds\)$"
    with pytest.raises(LedgerError, match=words):
        lease.renew()


# Two deliveries at once


def deliver(ledger: Ledger, system: FakeSystem, run_id: str, **options: Any) -> Delivery:
    options = {"read_back_wait": 0.0, "claim_wait": 30.0, **options}
    return Delivery(FakeCourier(system), ledger, run_id, DeliveryOptions(**options))


def test_two_runs_with_the_same_documents_deliver_each_once(pair: tuple[Ledger, Ledger]) -> None:
    system = FakeSystem()
    records = [record(f"k{n}", f"n{n}") for n in range(30)]
    deliveries = [deliver(ledger, system, f"run-{n}") for n, ledger in enumerate(pair)]
    threads = [threading.Thread(target=each.run, args=[records]) for each in deliveries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.key for row in system.rows) == sorted(r["id"] for r in records)
    for each in deliveries:
        assert each.tally[Status.DELIVERED] + each.tally[Status.UNCHANGED] == 30


def test_two_runs_with_two_documents_of_one_number_deliver_one(
    pair: tuple[Ledger, Ledger],
) -> None:
    system = FakeSystem()
    deliveries = [deliver(ledger, system, f"run-{n}") for n, ledger in enumerate(pair)]
    batches = [[record(f"{side}{n}", f"n{n}") for n in range(20)] for side in "ab"]
    threads = [
        threading.Thread(target=each.run, args=[batch])
        for each, batch in zip(deliveries, batches, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(row.natural_key for row in system.rows) == sorted(f"n{n}" for n in range(20))
    outcomes = sum((each.tally for each in deliveries), start=type(deliveries[0].tally)())
    assert (outcomes[Status.DELIVERED], outcomes[Status.REJECTED]) == (20, 20)


def test_what_the_other_run_never_finishes_is_not_sent_by_this_one(
    pair: tuple[Ledger, Ledger],
) -> None:
    first, second = pair
    first.intend("invoices", [invoice("a")], "run-0")
    system = FakeSystem()
    late = deliver(second, system, "run-1", claim_wait=0.0)
    late.run([record("a", "1"), record("b", "2")])
    assert [row.key for row in system.rows] == ["b"]
    assert (late.tally[Status.DELIVERED], late.tally[Status.NOT_SENT]) == (1, 1)
    assert second.lookup("invoices", ["a"])["a"].run_id == "run-0"


def test_what_a_run_left_that_dies_meanwhile_is_read_back_and_sent(
    pair: tuple[Ledger, Ledger],
) -> None:
    first, second = pair
    first.intend("invoices", [FakeCourier(FakeSystem()).prepare(record("a", "1"))], "run-0")
    system = FakeSystem()
    waiting = deliver(second, system, "run-1")
    waiting.sleep = lambda _: first.end_run("run-0", {})
    waiting.run([record("a", "1")])
    assert [row.key for row in system.rows] == ["a"]
    assert waiting.tally[Status.DELIVERED] == 1
    assert [link.kind for link in second.trail.of("a")] == [
        *("intended", "taken_over", "read_back", "not_sent", "intended", "delivered")
    ]


def test_a_run_waits_so_long_for_another_and_then_goes_on_without_it(
    pair: tuple[Ledger, Ledger], caplog: pytest.LogCaptureFixture
) -> None:
    first, second = pair
    first.intend("invoices", [invoice("a"), invoice("b", natural_key="2")], "run-0")
    system, naps = FakeSystem(), list[float]()
    waiting = deliver(second, system, "run-1", claim_wait=1.5)

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 2:
            first.settle("invoices", invoice("b", natural_key="2"), DELIVERED, "run-0", fence=1)

    waiting.sleep = sleep
    caplog.set_level("INFO")
    waiting.run([record("a", "1"), record("c", "2"), record("d", "4")])
    assert naps == [0.5, 0.5, 0.5]
    assert (waiting.tally[Status.NOT_SENT], waiting.tally[Status.DELIVERED]) == (1, 2)
    assert sorted(row.key for row in system.rows) == ["c", "d"]
    [start] = [words for words in caplog.messages if "waiting" in words]
    assert start == "invoices: 2 document(s) are in flight in another run; waiting for it"
    [end] = [words for words in caplog.messages if "still" in words]
    assert end.startswith("invoice 1: not sent: run run-0 of target-test (process ")
    assert end.endswith(" UTC) still has it in flight")
    assert second.lookup("invoices", ["a"])["a"].revision == 1


def test_a_run_that_is_stopped_waits_for_no_other(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    first.intend("invoices", [invoice("a")], "run-0")
    waiting = deliver(second, FakeSystem(), "run-1")
    waiting.stopping = lambda: True
    waiting.sleep = lambda _: pytest.fail("it waited")
    waiting.run([record("a", "1")])
    assert waiting.tally == {Status.NOT_SENT: 1}


def test_who_has_a_document_in_flight_is_said_by_key_and_number(
    pair: tuple[Ledger, Ledger],
) -> None:
    first, second = pair
    first.intend("invoices", [invoice("1"), invoice("2", natural_key="")], "run-0")
    first.intend("invoices", [invoice("3")], "dead")
    second.intend("invoices", [invoice("4")], "run-1")
    first.settle("invoices", invoice("5"), DELIVERED, "run-0")
    wanted = [
        *(invoice(key) for key in "12345"),
        invoice("6", natural_key=invoice("1").natural_key),
        invoice("7", natural_key=""),
    ]
    found = second.in_flight_elsewhere("invoices", wanted, "run-1")
    assert [*found] == ["1", "2", "6"]
    assert all(words.startswith("run run-0 of target-test (") for words in found.values())
    assert second.in_flight_elsewhere("payments", wanted, "run-1") == {}
    for seconds, keys in [(60, ["1", "2", "6"]), (-1, [])]:
        elsewhere(first, "run-0", datetime.now(UTC) + timedelta(seconds=seconds))
        assert [*second.in_flight_elsewhere("invoices", wanted, "run-1")] == keys


# Claims on bulk resources


def test_one_run_at_a_time_delivers_a_resource_in_bulk(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    assert first.claim("vendors", "run-0") is None
    assert first.claim("vendors", "run-0") is None
    holder = second.claim("vendors", "run-1")
    assert holder is not None
    assert "run run-0 of target-test" in runs.words(holder)
    assert second.claim("accounts", "run-1") is None
    first.end_run("run-0", {})
    assert second.claim("vendors", "run-1") is None


def test_a_bulk_delivery_says_who_is_at_it(pair: tuple[Ledger, Ledger]) -> None:
    first, second = pair
    first.claim("vendors", "run-0")

    def no_courier(_: str) -> Any:
        return None

    bulk = BulkDelivery(no_courier, second, "run-1", BulkOptions(claim_wait=0))
    with pytest.raises(Busy, match="vendors is delivered by run run-0 of target-test"):
        bulk.begin("vendors")
    bulk.close()
