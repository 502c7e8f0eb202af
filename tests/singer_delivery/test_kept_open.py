"""A delivery stays open from batch to batch: nothing waits for the slowest, and STATE keeps up."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.delivery import LOOKS, Delivery, DeliveryOptions
from singer_delivery.document import FINAL, Status
from singer_delivery.errors import LedgerError, Unavailable
from singer_delivery.ledger import Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.runs import Run
from singer_delivery.senders import OUTAGE

from tests.singer_delivery.fake_system import FakeCourier, FakeSystem, Fault, record
from tests.singer_delivery.test_target import SCHEMA, Runner, lines, offered, started, state
from tests.singer_delivery.test_target import runner as runner  # noqa: PLC0414 - a fixture
from tests.singer_delivery.tiny_target import SYSTEM


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(f"sqlite:///{tmp_path}/ledger.db", SYSTEM)
    yield opened
    opened.close()


def opened(system: FakeSystem, ledger: Ledger, **more: Any) -> Delivery:
    options = DeliveryOptions(connections=3, read_back_wait=0)
    return Delivery(FakeCourier(system), ledger, "run", options, sleep=lambda _: None, **more)


def some(keys: str) -> list[dict[str, Any]]:
    return [record(key, f"N-{key}") for key in keys]


def holding(key: str) -> tuple[FakeSystem, threading.Event]:
    """Return a system that answers for one document only when it is let go."""
    go = threading.Event()

    def wait(event: str) -> None:
        if event == f"{key} about to be sent":
            assert go.wait(10)

    return FakeSystem(event=wait), go


class Waiting(FakeCourier):
    """Tells the system what is about to be sent, before any of its locks."""

    def send(self, document: Any, plan: Any) -> Any:
        self.system.event(f"{document.key} about to be sent")
        return super().send(document, plan)


def waiting(ledger: Ledger, key: str) -> tuple[Delivery, FakeSystem, threading.Event]:
    system, go = holding(key)
    delivery = opened(system, ledger)
    delivery.courier = Waiting(system)
    return delivery, system, go


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_later_batches_do_not_wait_for_a_slow_document(ledger: Ledger) -> None:
    delivery, system, go = waiting(ledger, "a")
    for batch in ("ab", "cd", "ef"):
        delivery.offer(some(batch))
    while delivery.tally[Status.DELIVERED] < 5:
        assert delivery.tend(0.01)
    assert [row.key for row in system.rows] == list("bcdef")
    assert (delivery.through, delivery.offered) == (0, 6)
    go.set()
    delivery.complete()
    assert delivery.through == 6
    assert delivery.tally == {Status.DELIVERED: 6}


def test_it_counts_as_far_as_everything_has_its_outcome(ledger: Ledger) -> None:
    delivery, _, go = waiting(ledger, "c")
    delivery.offer(some("ab"))
    delivery.offer(some("cd"))
    delivery.offer(some("e"))
    while delivery.tally[Status.DELIVERED] < 4:
        delivery.tend(0.01)
    assert delivery.through == 2
    go.set()
    while delivery.tend(0.01):
        pass
    assert delivery.through == 5


def test_what_is_the_same_in_another_batch_waits_for_its_outcome(ledger: Ledger) -> None:
    delivery, system, go = waiting(ledger, "a")
    delivery.offer(some("a"))
    threading.Timer(0.05, go.set).start()
    delivery.offer([record("a", "N-a", 2), record("b", "N-b")])
    delivery.complete()
    assert system.sends == {"a": 2, "b": 1}
    assert ledger.lookup("invoices", "a")["a"].version == "2"


def test_what_is_in_doubt_is_read_back_in_time_although_more_keeps_coming(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singer_delivery.delivery.PATIENCE", 0.05)
    system = FakeSystem(faults={"a": [Fault.LOST_AFTER]})
    delivery = opened(system, ledger)
    deadline = time.monotonic() + 10
    number = 0
    while delivery.through == 0:
        assert time.monotonic() < deadline
        delivery.offer([record("a" if not number else f"k{number}", f"N-{number}")])
        number += 1
    assert ledger.lookup("invoices", "a")["a"].status is Status.DELIVERED
    assert system.sends["a"] == 1
    delivery.complete()


class Counting(Waiting):
    """Notes how many requests are under way at a time, look-ups too; each takes a moment."""

    lock = threading.Lock()
    under_way = most = looks = most_looks = 0

    def survey(self, batch: Any, known: Any) -> Any:
        with self.lock:
            self.looks += 1
            self.most_looks = max(self.most_looks, self.looks)
        try:
            with self._counted():
                return super().survey(batch, known)
        finally:
            with self.lock:
                self.looks -= 1

    def send(self, document: Any, plan: Any) -> Any:
        with self._counted():
            return super().send(document, plan)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(0.005)
        try:
            yield
        finally:
            with self.lock:
                self.under_way -= 1


def test_several_batches_are_looked_up_at_a_time_and_each_look_takes_a_connection(
    ledger: Ledger,
) -> None:
    system = FakeSystem()
    delivery = opened(system, ledger)
    delivery.courier = courier = Counting(system)
    delivery.adopt(DeliveryOptions(connections=5, read_back_wait=0))
    for first in range(0, 60, 4):
        delivery.offer([record(f"k{n}", f"N-{n}") for n in range(first, first + 4)])
    delivery.complete()
    assert delivery.tally == {Status.DELIVERED: 60}
    assert 1 < courier.most_looks <= LOOKS
    # A look-up does not wait for a request that is under way, only new requests wait for it.
    assert courier.most <= 5 + LOOKS
    assert len(system.rows) == 60


def test_breaking_off_finishes_what_is_in_flight_and_begins_nothing(ledger: Ledger) -> None:
    delivery, system, go = waiting(ledger, "b")
    delivery.adopt(DeliveryOptions(connections=2, read_back_wait=0))
    delivery.offer(some("bcdefgh"))
    eventually(lambda: delivery.in_flight != [])
    before = {row.key for row in system.rows}
    threading.Timer(0.05, go.set).start()
    delivery.break_off()
    assert "b" in {row.key for row in system.rows}
    assert len(system.rows) <= len(before) + 2
    entries = ledger.lookup("invoices", "bcdefgh").values()
    assert {entry.status for entry in entries} <= {Status.DELIVERED, Status.NOT_SENT}
    assert delivery.through in {0, 7}
    delivery.break_off()


def test_a_ledger_that_fails_leaves_no_sender_behind(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = opened(FakeSystem(), ledger)
    delivery.offer(some("abc"))

    def fail(*_: Any, **__: Any) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(ledger, "settle_many", fail)
    with pytest.raises(LedgerError):
        delivery.complete()
    assert not [each for each in threading.enumerate() if each.name.startswith("send-")]
    assert delivery.through == 0


@pytest.mark.parametrize("call", ["receive", "neighbours", "intend"])
def test_a_batch_that_an_error_broke_off_does_not_count_as_done(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    singer = SingerStream("invoices", {}, ("id",))
    delivery = opened(FakeSystem(), ledger, singer=singer)
    delivery.run(some("ab"))

    def fail(*_: Any, **__: Any) -> None:
        raise LedgerError("the disk is full")

    monkeypatch.setattr(ledger, call, fail)
    with pytest.raises(LedgerError):
        delivery.offer(some("cd"))
    assert (delivery.through, delivery.offered) == (2, 4)


def test_what_is_rejected_while_another_run_is_at_it_does_not_count_as_done(
    ledger: Ledger,
) -> None:
    ledger.begin_run(Run("other", SYSTEM))
    delivery = opened(FakeSystem(), ledger)
    [document] = some("a")
    ledger.intend("invoices", [delivery.courier.prepare(document)], "other")
    delivery.offer([{**document, "unmapped": "V9"}, *some("b")])
    delivery.complete()
    assert delivery.tally == {Status.NOT_SENT: 1, Status.DELIVERED: 1}
    assert delivery.through == 0


def test_an_error_does_not_cost_what_is_in_flight_its_outcome(ledger: Ledger) -> None:
    delivery, system, go = waiting(ledger, "a")
    delivery.offer(some("a"))
    eventually(lambda: delivery.in_flight != [])
    system.read_faults = [Unavailable("down for a moment")]
    threading.Timer(0.05, go.set).start()
    with pytest.raises(Unavailable):
        delivery.run(some("bc"))
    assert ledger.lookup("invoices", "a")["a"].status is Status.DELIVERED
    assert (delivery.through, delivery.offered) == (1, 3)


def test_an_outage_is_noticed_while_no_input_comes(ledger: Ledger) -> None:
    keys = "abcdefghijkl"
    delivery = opened(FakeSystem(faults={key: [Fault.DOWN] for key in keys}), ledger)
    delivery.adopt(DeliveryOptions(connections=2, read_back_wait=0))
    delivery.offer(some(keys[:2]))
    deadline = time.monotonic() + 10
    with pytest.raises(Unavailable):  # noqa: PT012 - whichever of them notices
        delivery.offer(some(keys[2:]))
        while delivery.tend(0.01):
            assert time.monotonic() < deadline
    found = {entry.status for entry in ledger.lookup("invoices", keys).values()}
    assert found == {Status.NOT_SENT}


FAULTS = (Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.REFUSED, Fault.DOWN)


@given(
    batches=st.lists(st.text("abcdefgh", min_size=1, max_size=4), min_size=1, max_size=6),
    faults=st.dictionaries(
        st.sampled_from("abcdefgh"), st.lists(st.sampled_from(FAULTS), max_size=2), max_size=4
    ),
    tended=st.sets(st.integers(0, 5)),
)
def test_what_it_counts_as_done_has_a_durable_outcome(
    batches: list[str], faults: dict[str, list[Fault]], tended: set[int]
) -> None:
    ledger = Ledger.open("sqlite://", SYSTEM)
    system = FakeSystem(faults={key: list(them) for key, them in faults.items()})
    delivery = opened(system, ledger)
    keys = "".join(batches)
    try:
        for number, batch in enumerate(batches):
            delivery.offer(some(batch))
            if number in tended:
                delivery.tend(0.001)
            begun = keys[: delivery.offered]
            done = set(begun[: delivery.through]) - set(begun[delivery.through :])
            entries = ledger.lookup("invoices", done)
            assert set(entries) == done
            assert {entry.status for entry in entries.values()} <= FINAL
        delivery.complete()
        entries = ledger.lookup("invoices", keys)
        done = {key for key, entry in entries.items() if entry.status in FINAL}
        assert (delivery.through == len(keys)) == (done == set(keys))
    except Unavailable:
        assert sum(them.count(Fault.DOWN) for them in faults.values()) >= OUTAGE
    held = [row.key for row in system.rows]
    assert len(set(held)) == len(held)
    assert not [each for each in threading.enumerate() if each.name.startswith("send-")]
    ledger.close()


# The target


def told(process: subprocess.Popen[str], *messages: Any) -> None:
    assert process.stdin is not None
    process.stdin.write(lines(*messages))
    process.stdin.flush()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=20)
    return process.returncode, out, err


def test_while_no_input_comes_what_is_under_way_gets_its_outcome_and_the_state_goes_out(
    runner: Runner,
) -> None:
    (runner.folder / "go").touch()
    config = {"ledger_url": runner.ledger_url, "batch_size_rows": 2}
    process = started(runner.folder, config)
    told(process, SCHEMA, offered("b"), offered("c"), state("early"), offered("d"))
    assert process.stdout is not None
    # The input is still open, and what it holds so far ends in the middle of a batch.
    assert json.loads(process.stdout.readline()) == {"at": "early"}
    assert runner.statuses() == {"b": Status.DELIVERED, "c": Status.DELIVERED}
    told(process, state("late"))
    code, out, _ = ended(process)
    assert (code, json.loads(out)) == (0, {"at": "late"})


def test_a_batch_that_is_not_full_does_not_wait_for_a_tap_that_does(runner: Runner) -> None:
    process = started(runner.folder, {"ledger_url": runner.ledger_url})
    told(process, SCHEMA, offered("a"), state("early"), offered("c"))
    # A hundred records would be a batch, and the input stays open: the tap is told to wait, say.
    events = runner.folder / "events"
    eventually(lambda: events.exists() and "c stored" in events.read_text())
    assert process.stdout is not None
    assert json.loads(process.stdout.readline()) == {"at": "early"}
    told(process, offered("d"), state("late"))
    code, out, _ = ended(process)
    assert (code, json.loads(out)) == (0, {"at": "late"})
    assert runner.statuses() == dict.fromkeys("acd", Status.DELIVERED)


def test_a_termination_while_no_input_comes_finishes_what_is_in_flight(runner: Runner) -> None:
    config = {"ledger_url": runner.ledger_url, "batch_size_rows": 2, "max_connections": 2}
    process = started(runner.folder, config)
    told(process, SCHEMA, offered("b"), offered("c"), state("early"))
    eventually((runner.folder / "started").exists)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    (runner.folder / "go").touch()
    code, _, err = ended(process)
    assert code == 1
    assert "Traceback" not in err
    assert runner.statuses()["b"] is Status.DELIVERED


def test_a_line_that_ends_the_run_does_not_cost_what_is_in_flight_its_outcome(
    runner: Runner,
) -> None:
    config = {"ledger_url": runner.ledger_url, "batch_size_rows": 2, "max_connections": 2}
    process = started(runner.folder, config)
    told(process, SCHEMA, offered("b"), offered("c"), state(1))
    eventually((runner.folder / "started").exists)
    told(process, {**SCHEMA, "stream": "unknown"})
    time.sleep(0.1)
    (runner.folder / "go").touch()
    code, _, err = ended(process)
    assert code == 1
    assert "no way to deliver the stream unknown" in err
    assert runner.statuses() == {"b": Status.DELIVERED, "c": Status.DELIVERED}


def test_another_stream_begins_when_the_one_before_has_its_outcomes(runner: Runner) -> None:
    runner.config["batch_size_rows"] = 1
    seen = []

    def watch(event: str) -> None:
        seen.append(event)

    runner.system.event = watch
    vendors = {**SCHEMA, "stream": "vendors"}
    given_lines = [offered("a"), offered("x", stream="vendors"), offered("b")]
    assert runner.run(SCHEMA, vendors, *given_lines, state(3)).exit_code == 0
    stored = [event for event in seen if "about" not in event and event != "read"]
    assert stored == ["a stored", "x stored", "b stored"]
