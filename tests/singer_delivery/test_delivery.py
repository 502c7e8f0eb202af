"""Delivering batches to a system that loses answers, refuses, goes down and dies midway."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_delivery import payloads
from singer_delivery.database import open_database
from singer_delivery.delivery import Delivery, DeliveryOptions, waves
from singer_delivery.document import FINAL, HELD, OPEN, Document, Entry, Outcome, Status
from singer_delivery.errors import (
    AccessDenied,
    DeliveryError,
    Refused,
    SetupError,
    Unavailable,
)
from singer_delivery.ledger import Intended, Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.trail import Link

from tests.singer_delivery.fake_system import (
    Crash,
    FakeCourier,
    FakeSystem,
    Fault,
    Row,
    record,
)

names = (f"https://{number}.example" for number in itertools.count())


@pytest.fixture(scope="module")
def engine() -> Iterator[sqlalchemy.Engine]:
    """One database for all tests here; each works on a system of its own in it."""
    opened = open_database("sqlite://")
    yield opened
    opened.dispose()


class WatchedLedger(Ledger):
    """Tells of its commits, so that a test can kill the process around any of them."""

    event: Callable[[str], None] = staticmethod(lambda _: None)

    def intend(
        self,
        stream: str,
        intents: Sequence[Document],
        run_id: str,
        *,
        seen: Mapping[str, int] | None = None,
    ) -> Intended:
        self.event("about to intend")
        intended = super().intend(stream, intents, run_id, seen=seen)
        self.event("intended")
        return intended

    def settle_many(
        self,
        stream: str,
        outcomes: Sequence[tuple[Document, Outcome]],
        run_id: str,
        *,
        fences: Mapping[str, int] | None = None,
    ) -> set[str]:
        keys = ", ".join(document.key for document, _ in outcomes)
        self.event(f"about to settle {keys}")
        overtaken = super().settle_many(stream, outcomes, run_id, fences=fences)
        self.event(f"settled {keys}")
        return overtaken


@dataclass
class World:
    """A system, its ledger, and runs of a delivery between them."""

    ledger: Ledger
    system: FakeSystem = field(default_factory=FakeSystem)
    options: DeliveryOptions = field(default_factory=lambda: DeliveryOptions(connections=3))
    stopping: bool = False
    naps: list[float] = field(default_factory=list)
    runs: int = 0

    def start(self) -> Delivery:
        """Start a run: what an earlier one left is settled first."""
        self.runs += 1
        self.system.sends.clear()
        delivery = Delivery(
            FakeCourier(self.system),
            self.ledger,
            f"run-{self.runs}",
            self.options,
            stopping=lambda: self.stopping,
            sleep=self.naps.append,
        )
        delivery.settle_leftovers()
        return delivery

    def run(self, *records: dict[str, Any]) -> Delivery:
        """Run one batch in a run of its own."""
        delivery = self.start()
        delivery.run(records)
        return delivery

    def trail(self, key: str) -> list[Link]:
        """Return what the trail tells of a document."""
        system = self.ledger._system
        return [link for link in self.ledger.trail.of(key) if link.system == system]

    def statuses(self, *keys: str) -> dict[str, Status]:
        """Return what the ledger says of these documents."""
        found = self.ledger.lookup("invoices", keys or [row.key for row in self.system.rows])
        return {key: entry.status for key, entry in sorted(found.items())}

    def held(self) -> list[str]:
        """Return the keys of what the system holds."""
        return sorted(row.key for row in self.system.rows)


@pytest.fixture
def world(engine: sqlalchemy.Engine) -> World:
    return World(Ledger(engine, next(names)))


# One document


def test_a_new_document_is_delivered(world: World) -> None:
    delivery = world.run(record("a", "F-1"))
    entry = world.ledger.lookup("invoices", ["a"])["a"]
    assert (entry.status, entry.remote_key, entry.attempts) == (Status.DELIVERED, "R-a", 1)
    assert entry.detail == {"company": "1000", "voucher": "V1", "label": "invoice F-1"}
    assert delivery.tally == {Status.DELIVERED: 1}
    assert world.held() == ["a"]


def test_the_same_document_again_is_unchanged_and_not_sent(world: World) -> None:
    world.run(record("a", "F-1"))
    delivery = world.run(record("a", "F-1"))
    assert delivery.tally == {Status.UNCHANGED: 1}
    assert not world.system.sends


def test_a_changed_document_replaces_the_one_that_is_there(world: World) -> None:
    world.run(record("a", "F-1", content=1))
    world.run(record("a", "F-1", content=2))
    assert world.held() == ["a"]
    assert world.ledger.lookup("invoices", ["a"])["a"].version == "2"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [(Fault.REFUSED, "the vendor is on hold"), (Fault.REJECTED, "the amounts do not add up")],
)
def test_a_rejected_document_keeps_its_reason_and_stops_no_other(
    world: World, fault: Fault, reason: str
) -> None:
    world.system.faults = {"b": [fault]}
    delivery = world.run(*(record(key, key) for key in "abcdefgh"))
    assert delivery.tally == {Status.DELIVERED: 7, Status.REJECTED: 1}
    assert world.ledger.lookup("invoices", ["b"])["b"].reason == reason
    assert world.held() == [*"acdefgh"]


def test_the_systems_request_id_goes_into_the_ledger(world: World) -> None:
    world.system.faults = {"a": [Fault.REFUSED]}
    world.run(record("a"))
    assert world.ledger.lookup("invoices", ["a"])["a"].request_id == "r-2"


def test_a_record_that_cannot_become_a_document_is_rejected_with_its_reason(world: World) -> None:
    delivery = world.run(record("a", unmapped="US99"), record("b"))
    assert world.statuses("a", "b") == {"a": Status.REJECTED, "b": Status.DELIVERED}
    assert "US99" in world.ledger.lookup("invoices", ["a"])["a"].reason
    assert delivery.bad_records == []


def test_a_record_without_a_key_is_named_and_costs_no_other(world: World) -> None:
    delivery = world.run(record(None), record("b"), record("", unmapped="US99"))
    assert delivery.bad_records == [
        "a record of invoices has no id",
        "a record of invoices has no id (the mapping has no tax code US99)",
    ]
    assert world.held() == ["b"]


def test_before_a_lost_document_is_sent_again_the_target_is_looked_at_again(world: World) -> None:
    world.system.faults["a"] = [Fault.LOST_BEFORE]
    delivery = world.start()
    # While we wait, somebody enters an invoice with the same number by hand.
    delivery.sleep = lambda _: world.system.rows.append(Row("by hand", "F-1", "other"))
    delivery.run([record("a", "F-1")])
    assert world.statuses("a") == {"a": Status.REJECTED}
    assert world.held() == ["by hand"]


def test_what_a_courier_keeps_for_itself_is_not_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    kept = Outcome(Status.DELIVERED, detail={"_content": {"lines": [1, 2]}, "voucher": "V1"})
    delivery = world.start()
    delivery._report("a", kept.detail, kept, "1")
    [line] = caplog.records
    assert "document_voucher" in vars(line)
    assert "document__content" not in vars(line)


@pytest.mark.parametrize("key", ["k" * 256, "a\0b", "\ud800"], ids=["long", "NUL", "half a pair"])
def test_a_key_that_no_ledger_can_store_costs_no_other(world: World, key: str) -> None:
    delivery = world.run(record(key), record("b"))
    assert delivery.bad_records == ["a record of invoices has a key that cannot be stored"]
    assert world.held() == ["b"]


@pytest.mark.parametrize(
    "number", ["F\0-1", "\udfff", "F" * 5000], ids=["NUL", "half a pair", "long"]
)
def test_a_number_that_no_ledger_can_store_is_rejected(world: World, number: str) -> None:
    world.run(record("a", number), record("b"))
    assert world.statuses("a", "b") == {"a": Status.REJECTED, "b": Status.DELIVERED}


# What an earlier run left as accepted


class SlowCourier(FakeCourier):
    """Learns later what the system made of a document."""

    verdicts: dict[str, Outcome]
    down = False

    def send(self, document: Document, plan: Any) -> Outcome:
        super().send(document, plan)
        return Outcome(Status.ACCEPTED, request_id=f"r-{document.key}")

    def confirm(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        if self.down:
            msg = "down for a moment"
            raise Unavailable(msg)
        return {e.key: self.verdicts[e.key] for e in entries if e.key in self.verdicts}


def slow(world: World, run: str, verdicts: dict[str, Outcome], *, down: bool = False) -> Delivery:
    courier = SlowCourier(world.system)
    courier.verdicts, courier.down = verdicts, down
    return Delivery(courier, world.ledger, run)


def test_what_is_accepted_is_settled_by_the_next_run(world: World) -> None:
    delivery = slow(world, "run-1", {})
    delivery.run([record(key) for key in "abc"])
    assert delivery.tally == {Status.ACCEPTED: 3}
    verdicts = {"a": Outcome(Status.DELIVERED), "b": Outcome(Status.REJECTED, "too late")}
    following = slow(world, "run-2", verdicts)
    following.settle_leftovers()
    assert world.statuses("a", "b", "c") == {
        "a": Status.DELIVERED,
        "b": Status.REJECTED,
        "c": Status.ACCEPTED,
    }
    assert following.tally == {Status.DELIVERED: 1, Status.REJECTED: 1}
    assert world.ledger.lookup("invoices", "b")["b"].reason == "too late"


def test_what_cannot_be_confirmed_now_stays_accepted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    slow(world, "run-1", {}).run([record("a")])
    following = slow(world, "run-2", {}, down=True)
    following.settle_leftovers()
    assert caplog.messages == ["invoices: cannot be confirmed now: down for a moment"]
    following.run([record("b")])
    assert world.statuses("a", "b") == {"a": Status.ACCEPTED, "b": Status.ACCEPTED}


def test_a_courier_that_knows_no_more_leaves_accepted_as_it_is(world: World) -> None:
    slow(world, "run-1", {}).run([record("a")])
    world.start()
    assert world.statuses("a") == {"a": Status.ACCEPTED}


def test_what_an_earlier_run_left_is_named_by_its_label(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    slow(world, "run-1", {}).run([record("a", "F-1")])
    world.system.faults = {"b": [Fault.CRASH_AFTER], "c": [Fault.CRASH_BEFORE]}
    for number, key in enumerate("bc", start=2):
        with pytest.raises(Crash):
            slow(world, "run-2", {}).run([record(key, f"F-{number}")])
    world.ledger.settle("invoices", Document("d", None, ""), Outcome(Status.ACCEPTED), "old")
    caplog.set_level(logging.INFO)
    delivered = Outcome(Status.DELIVERED)
    slow(world, "run-3", {"a": delivered, "d": delivered}).settle_leftovers()
    assert sorted(caplog.messages) == [
        "d: delivered",
        "invoice F-1: delivered",
        "invoice F-2: delivered as R-b",
        "invoice F-3: an interrupted run did not get it there; it is sent when offered again",
        "invoices: reading back 2 document(s) in doubt",
    ]


# What there is nothing to be done for


class PickyCourier(FakeCourier):
    """Finds that there is nothing to be done: when it looks at the batch, or when it sends."""

    reason = "the invoice is not there"

    def _decide(self, document: Document) -> Outcome | Any:
        looked = document.natural_key.startswith("look")
        return Outcome(Status.SKIPPED, self.reason) if looked else "create"

    def send(self, document: Document, plan: Any) -> Outcome:
        return Outcome(Status.SKIPPED, self.reason)


@pytest.mark.parametrize("number", ["look-1", "send-1"])
def test_what_is_skipped_is_said_once(
    world: World, caplog: pytest.LogCaptureFixture, number: str
) -> None:
    def said(content: int = 1, reason: str = PickyCourier.reason) -> list[tuple[str, str]]:
        caplog.clear()
        courier = PickyCourier(world.system)
        courier.reason = reason
        delivery = Delivery(courier, world.ledger, "run")
        delivery.run([record("a", number, content)])
        assert delivery.tally == {Status.SKIPPED: 1}
        assert world.statuses("a") == {"a": Status.SKIPPED}
        return [(line.levelname, line.getMessage()) for line in caplog.records]

    caplog.set_level(logging.DEBUG, "singer_delivery")
    words = f"invoice {number}: skipped: the invoice is not there"
    assert said() == [("INFO", words)]
    assert said() == [("DEBUG", words)]
    assert said(content=2) == [("DEBUG", words)]
    assert said(reason="it is closed") == [("INFO", f"invoice {number}: skipped: it is closed")]
    assert said() == [("INFO", words)]


# One batch


def test_of_one_key_the_last_record_wins(world: World) -> None:
    world.run(record("a", "F-1", 1), record("b", "F-2"), record("a", "F-1", 2))
    assert world.ledger.lookup("invoices", ["a"])["a"].version == "2"
    assert world.system.sends == {"a": 1, "b": 1}


def test_of_one_number_the_first_document_is_delivered_and_the_second_rejected(
    world: World,
) -> None:
    world.run(record("a", "F-1"), record("b", "F-2"), record("c", "F-1"))
    assert world.statuses("a", "b", "c") == {
        "a": Status.DELIVERED,
        "b": Status.DELIVERED,
        "c": Status.REJECTED,
    }


def test_the_second_of_one_number_is_delivered_when_the_first_is_refused(world: World) -> None:
    world.system.faults = {"a": [Fault.REFUSED]}
    world.run(record("a", "F-1"), record("c", "F-1"))
    assert world.held() == ["c"]


def test_no_more_documents_are_in_flight_than_connections(world: World) -> None:
    world.run(*(record(f"{n}") for n in range(40)))
    assert 1 <= world.system.most_in_flight <= 3
    assert len(world.held()) == 40


def test_an_empty_batch_is_nothing_to_do(world: World) -> None:
    assert world.run().tally == {}


LEAST: dict[str, Any] = {
    "connections": 1,
    "max_sends": 1,
    "max_lost_answers": 1,
    "read_back_wait": 0,
    "claim_wait": 0,
}


@pytest.mark.parametrize("name", LEAST)
def test_limits_that_would_send_nothing_are_refused(name: str) -> None:
    assert DeliveryOptions(**LEAST) == DeliveryOptions(1, 1, 0, 1, 0)
    with pytest.raises(SetupError) as caught:
        DeliveryOptions(**{**LEAST, name: LEAST[name] - 1})
    assert str(caught.value) == (
        "max_connections, max_sends and max_lost_answers must be 1 or more, and no wait below 0"
    )


# In doubt


def test_a_lost_answer_is_settled_by_reading_back_not_by_sending_again(world: World) -> None:
    world.system.faults = {"a": [Fault.LOST_AFTER]}
    assert world.run(record("a"), record("b")).tally == {Status.DELIVERED: 2}
    assert world.system.sends["a"] == 1
    assert world.naps == [2.0]


@pytest.mark.parametrize("fault", [Fault.LOST_BEFORE, Fault.HALF])
def test_what_did_not_arrive_whole_is_sent_again(world: World, fault: Fault) -> None:
    world.system.faults = {"a": [fault, fault]}
    assert world.run(record("a")).tally == {Status.DELIVERED: 1}
    assert world.held() == ["a"]
    assert world.ledger.lookup("invoices", ["a"])["a"].attempts == 3


def test_one_document_is_not_sent_more_often_than_allowed(world: World) -> None:
    world.system.faults = {"a": [Fault.LOST_BEFORE] * 9}
    assert world.run(record("a")).tally == {Status.NOT_SENT: 1}
    assert world.system.sends["a"] == world.options.max_sends
    assert world.run(record("a")).tally == {Status.NOT_SENT: 1}


def test_what_cannot_be_read_back_stays_in_doubt_and_is_settled_by_the_next_run(
    world: World,
) -> None:
    world.system.faults = {"a": [Fault.LOST_AFTER]}
    world.system.reads_down = [False, True]
    delivery = world.run(record("a"))
    assert delivery.tally == {Status.IN_DOUBT: 1}
    assert "reading back failed" in world.ledger.lookup("invoices", ["a"])["a"].reason
    later = world.start()
    assert later.tally == {Status.DELIVERED: 1}
    assert world.statuses("a") == {"a": Status.DELIVERED}
    assert not world.system.sends


def test_a_run_does_not_start_while_leftovers_cannot_be_read(world: World) -> None:
    world.system.faults = {"a": [Fault.CRASH_AFTER]}
    with pytest.raises(Crash):
        world.run(record("a"))
    world.system.reads_down = [True]
    with pytest.raises(Unavailable):
        world.start()
    assert world.statuses("a") == {"a": Status.INTENDED}


def test_a_crash_after_the_request_is_settled_by_the_next_run(world: World) -> None:
    world.system.faults = {"a": [Fault.CRASH_AFTER], "b": [Fault.CRASH_BEFORE]}
    world.options = DeliveryOptions(connections=2)
    with pytest.raises(Crash):
        world.run(record("a"), record("b"))
    world.system.faults.clear()  # the second may not have got as far as its own
    world.start()
    assert world.statuses("a", "b") == {"a": Status.DELIVERED, "b": Status.NOT_SENT}
    world.run(record("a"), record("b"))
    assert world.held() == ["a", "b"]


class DeafCourier(FakeCourier):
    """Cannot ask the system for some documents."""

    deaf: frozenset[str] = frozenset("a")
    asked: list[str]

    def read_back(self, entries: Sequence[Entry]) -> Mapping[str, Outcome]:
        self.asked.append("".join(entry.key for entry in entries))
        if any(entry.key in self.deaf for entry in entries):
            msg = "the filter is malformed"
            raise Refused(msg)
        return super().read_back(entries)


def deaf(world: World, run: str, max_lost_answers: int) -> tuple[Delivery, DeafCourier]:
    courier = DeafCourier(world.system)
    courier.asked = []
    options = DeliveryOptions(max_lost_answers=max_lost_answers, connections=1)
    return Delivery(courier, world.ledger, run, options, sleep=world.naps.append), courier


def test_what_cannot_be_asked_for_holds_up_no_other(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    courier = FakeCourier(world.system)
    left = [courier.prepare(record(key, f"F-{key}")) for key in "abc"]
    world.ledger.intend("invoices", left, "dead")
    world.system.store(left[1])
    caplog.set_level(logging.INFO)
    delivery, asking = deaf(world, "run-1", 2)
    delivery.settle_leftovers()
    assert world.naps == [2.0]
    assert asking.asked == ["abc", "a", "b", "c"]
    assert world.statuses(*"abc") == {
        "a": Status.IN_DOUBT,
        "b": Status.DELIVERED,
        "c": Status.NOT_SENT,
    }
    assert delivery.tally == {Status.IN_DOUBT: 1, Status.DELIVERED: 1}
    known = world.ledger.lookup("invoices", "abc")
    assert known["a"].reason == "reading back failed: the filter is malformed"
    assert {entry.run_id for entry in known.values()} == {"run-1"}
    assert "a: in doubt: reading back failed: the filter is malformed" in caplog.messages
    kinds = {key: [link.kind for link in world.trail(key)[2:]] for key in "abc"}
    assert kinds == {
        "a": ["in_doubt"],
        "b": ["read_back", "delivered"],
        "c": ["read_back", "not_sent"],
    }
    # The next run tries it again, once, and gives it up.
    last, asking = deaf(world, "run-2", 2)
    last.settle_leftovers()
    assert (last.tally, last.stuck, asking.asked) == ({Status.STUCK: 1}, ["a"], ["a"])


def test_what_cannot_be_asked_for_is_given_up_in_words(world: World) -> None:
    document = FakeCourier(world.system).prepare(record("a", "F-1"))
    world.ledger.intend("invoices", [document], "dead")
    delivery, _ = deaf(world, "run-1", 1)
    delivery.settle_leftovers()
    assert world.ledger.lookup("invoices", ["a"])["a"].reason == (
        "its answers were lost 1 times in a row, and reading back failed: the filter is "
        "malformed; it is not sent again until its content changes or somebody replays it "
        "(singer-delivery replay)"
    )
    assert [link.kind for link in world.trail("a")] == ["intended", "taken_over", "stuck"]


def test_one_that_cannot_be_asked_for_after_its_send_leaves_the_others_settled(
    world: World,
) -> None:
    world.system.faults = {key: [Fault.LOST_AFTER] for key in "ab"}
    delivery, asking = deaf(world, "run-1", 20)
    delivery.run([record("a"), record("b")])
    assert world.statuses(*"ab") == {"a": Status.IN_DOUBT, "b": Status.DELIVERED}
    assert world.ledger.lookup("invoices", ["a"])["a"].reason == (
        "reading back failed: the filter is malformed"
    )
    assert asking.asked == ["ab", "a", "b"]
    assert [link.kind for link in world.trail("b")[1:]] == ["in_doubt", "read_back", "delivered"]


def test_a_document_whose_answers_are_lost_too_often_is_given_up_until_it_changes(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.options = DeliveryOptions(max_sends=2, max_lost_answers=3)
    world.system.faults = {"a": [Fault.LOST_BEFORE] * 9}
    first = world.run(record("a", "F-1"))
    assert (first.tally, first.stuck) == ({Status.NOT_SENT: 1}, [])
    assert world.ledger.lookup("invoices", ["a"])["a"].reason == (
        "the answer was lost each time, and it is not in the target"
    )
    assert [link.kind for link in world.trail("a")] == [
        *("intended", "in_doubt", "intended", "in_doubt", "read_back", "not_sent")
    ]
    doubt = world.trail("a")[1].detail
    assert (doubt["reason"], doubt["request_id"]) == ("reset", "r-1")
    second = world.run(record("a", "F-1"), record("b", "F-2"))
    assert second.tally == {Status.STUCK: 1, Status.DELIVERED: 1}
    assert (second.stuck, world.system.sends["a"]) == (["invoice F-1"], 1)
    reason = (
        "its answers were lost 3 times in a row, and it is not in the target; it is not sent "
        "again until its content changes or somebody replays it (singer-delivery replay)"
    )
    assert world.ledger.lookup("invoices", ["a"])["a"].reason == reason
    assert [link.kind for link in world.trail("a")[-2:]] == ["read_back", "stuck"]
    caplog.clear()
    third = world.run(record("a", "F-1"), record("c", "F-3"))
    assert third.tally == {Status.STUCK: 1, Status.DELIVERED: 1}
    assert (third.stuck, world.system.sends["a"]) == ([], 0)
    [line] = [line for line in caplog.records if "F-1" in line.getMessage()]
    assert (line.levelname, line.getMessage()) == (
        "ERROR",
        f"invoice F-1: still stuck, and not sent: {reason}",
    )
    world.system.faults = {}
    assert world.run(record("a", "F-1", content=2)).tally == {Status.DELIVERED: 1}


def test_a_run_that_is_stopped_sends_nothing_again(world: World) -> None:
    world.system.faults = {"a": [Fault.LOST_BEFORE]}
    delivery = world.start()

    def stop(_: float) -> None:
        world.stopping = True

    delivery.sleep = stop
    delivery.run([record("a")])
    assert (delivery.tally, world.system.sends) == ({Status.NOT_SENT: 1}, {"a": 1})


# Overtaken by another run


def overtake(world: World, outcome: Outcome) -> None:
    """Let another run settle what this one is at."""
    document = FakeCourier(world.system).prepare(record("a", "F-1"))
    world.ledger.settle("invoices", document, outcome, "another")


def test_the_outcome_of_the_run_that_took_a_document_over_counts(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(ledger)

    def event(name: str) -> None:
        if name == "a stored":
            overtake(world, Outcome(Status.REJECTED, "by hand"))

    caplog.set_level(logging.INFO)
    world.system.event = event
    delivery = world.run(record("a", "F-1"), record("b", "F-2"))
    assert delivery.tally == {Status.NOT_SENT: 1, Status.DELIVERED: 1}
    entry = world.ledger.lookup("invoices", ["a"])["a"]
    assert (entry.status, entry.run_id) == (Status.REJECTED, "another")
    assert "invoice F-1: another run is at it" in caplog.messages
    [words] = [line for line in caplog.messages if line.startswith("invoice F-1: not sent: ")]
    assert "another run has taken it over" in words
    assert "delivered" in words


def test_what_another_run_settled_while_it_was_in_doubt_is_surveyed_again(world: World) -> None:
    world.system.faults = {"a": [Fault.LOST_AFTER]}
    delivery = world.start()
    delivery.sleep = lambda _: overtake(world, Outcome(Status.REJECTED, "by hand"))
    delivery.run([record("a", "F-1")])
    assert (delivery.tally, world.system.sends) == ({Status.UNCHANGED: 1}, {"a": 1})
    kinds = [link.kind for link in world.trail("a")]
    assert kinds == ["intended", "in_doubt", "rejected", "unchanged"]


def test_a_lost_answer_of_a_document_that_was_taken_over_is_not_told(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    world = World(ledger)

    def event(name: str) -> None:
        if name == "a stored":
            overtake(world, Outcome(Status.REJECTED, "by hand"))

    caplog.set_level(logging.INFO)
    world.system.event = event
    world.system.faults = {"a": [Fault.LOST_AFTER]}
    assert world.run(record("a", "F-1")).tally == {Status.UNCHANGED: 1}
    assert [link.kind for link in world.trail("a")] == ["intended", "rejected", "unchanged"]
    assert not [words for words in caplog.messages if "in doubt" in words]


class RacingCourier(FakeCourier):
    """Is beaten by another run after each survey."""

    surveys: Counter[str]
    race: Callable[[], None]

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        self.surveys.update(document.key for document in batch)
        self.race()
        return super().survey(batch, known)


def racing(world: World, race: Callable[[], None]) -> tuple[Delivery, RacingCourier]:
    courier = RacingCourier(world.system)
    courier.surveys, courier.race = Counter(), race
    return Delivery(courier, world.ledger, "run-1", world.options, sleep=world.naps.append), courier


def test_what_other_runs_keep_changing_is_left_to_the_next_run(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    delivery, courier = racing(world, lambda: overtake(world, Outcome(Status.REJECTED, "no")))
    delivery.run([record("a", "F-1"), record("b", "F-2")])
    assert delivery.tally == {Status.NOT_SENT: 1, Status.DELIVERED: 1}
    assert courier.surveys == {"a": 20, "b": 1}
    assert world.ledger.lookup("invoices", ["a"])["a"].run_id == "another"
    assert "invoice F-1: not sent: other runs kept changing it" in caplog.messages
    assert world.held() == ["b"]


def test_a_survey_is_told_what_is_known_by_key_and_by_number(world: World) -> None:
    class AskingCourier(FakeCourier):
        told: Mapping[str, Entry]

        def survey(
            self, batch: Sequence[Document], known: Mapping[str, Entry]
        ) -> Mapping[str, Outcome | Any]:
            self.told = dict(known)
            return super().survey(batch, known)

    world.run(record("a", "F-1"), record("b", "F-2"))
    courier = AskingCourier(world.system)
    later = Delivery(courier, world.ledger, "run-9")
    later.run([record("a", "F-9"), record("c", "F-2"), record("d", "F-4"), record("e")])
    assert {key: entry.key for key, entry in courier.told.items()} == {"a": "a", "c": "b"}


def test_a_survey_that_another_run_has_overtaken_settles_nothing(world: World) -> None:
    world.run(record("a", "F-1"))
    changes = iter([Outcome(Status.REJECTED, "by hand")])

    def race() -> None:
        for outcome in changes:
            overtake(world, outcome)

    delivery, courier = racing(world, race)
    delivery.run([record("a", "F-1")])
    assert (delivery.tally, courier.surveys) == ({Status.UNCHANGED: 1}, {"a": 2})
    kinds = [link.kind for link in world.trail("a")]
    assert kinds == ["intended", "delivered", "rejected", "unchanged"]


# What is kept and told


@pytest.mark.parametrize("keep", [True, False])
def test_what_came_in_is_noted_before_its_outcome_and_kept_if_wanted(
    world: World, keep: bool
) -> None:
    singer = SingerStream("offers", {"type": "object"}, ["id"])
    options = DeliveryOptions(keep_records=keep)
    delivery = Delivery(FakeCourier(world.system), world.ledger, "run-1", options, singer)
    old, new, bad = record("a", "F-1", 1), record("a", "F-1", 2), record("b", unmapped="US99")
    delivery.run([old, new, bad])
    assert [link.kind for link in world.trail("a")] == [
        *("received", "mapped", "intended", "delivered")
    ]
    assert [link.kind for link in world.trail("b")] == ["received", "rejected"]
    assert {link.run_id for link in world.trail("a")} == {"run-1"}
    engine, system = world.ledger._engine, world.ledger._system
    kept = [payloads.load(engine, system, "invoices", key) for key in "ab"]
    assert [payload and (payload.record, payload.source) for payload in kept] == (
        [(new, "offers"), (bad, "offers")] if keep else [None, None]
    )


def test_a_version_that_no_ledger_can_store_is_rejected_under_its_key(world: World) -> None:
    class OddCourier(FakeCourier):
        def prepare(self, record: Mapping[str, Any]) -> Document:
            return replace(super().prepare(record), version="\0")

    delivery = Delivery(OddCourier(world.system), world.ledger, "run-1")
    delivery.run([record("a", "F-1")])
    entry = world.ledger.lookup("invoices", ["a"])["a"]
    assert (entry.status, entry.natural_key, entry.version, str(entry)) == (
        *(Status.REJECTED, "", "", "a"),
    )
    assert entry.reason == "its number or version holds characters that cannot be stored"


def test_an_outcome_tells_machines_what_it_is_about(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.system.faults = {"a": [Fault.REFUSED], "b": [Fault.REJECTED]}
    world.run(record("a", "F-1", 7), record("b", "F-2"))
    about = {line.getMessage(): vars(line) for line in caplog.records}
    refused = about["invoice F-1: rejected: the vendor is on hold"]
    assert (refused["document_version"], refused["remote_request_id"]) == ("7", "r-2")
    assert refused["levelname"] == "WARNING"
    assert about["invoice F-2: rejected: the amounts do not add up"]["remote_request_id"] == ""


def test_what_is_in_flight_is_named(world: World) -> None:
    seen: list[list[str]] = []
    delivery = world.start()

    def event(name: str) -> None:
        deadline = time.monotonic() + 10
        while name == "a stored" and not delivery.in_flight and time.monotonic() < deadline:
            time.sleep(0.001)
        seen.append(delivery.in_flight)

    world.system.event = event
    delivery.run([record("a", "F-1")])
    assert ["invoice F-1"] in seen
    assert delivery.in_flight == []


def test_what_is_accepted_is_asked_for_page_by_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(world, "run-1", {}).run([record(key) for key in "abcde"])
    following = slow(world, "run-2", {key: Outcome(Status.DELIVERED) for key in "ae"})
    pages = partial(world.ledger.accepted_entries, limit=2)
    monkeypatch.setattr(world.ledger, "accepted_entries", pages)
    following.settle_leftovers()
    assert following.tally == {Status.DELIVERED: 2}
    assert [link.run_id for link in world.trail("e")] == ["run-1", "run-1", "run-2"]


# The system as a whole


def test_without_a_right_nothing_more_is_sent(world: World) -> None:
    world.options = DeliveryOptions(connections=1)
    world.system.faults = {"b": [Fault.DENIED]}
    with pytest.raises(AccessDenied):
        world.run(*(record(key) for key in "abcd"))
    assert world.statuses(*"abcd") == {
        "a": Status.DELIVERED,
        "b": Status.NOT_SENT,
        "c": Status.NOT_SENT,
        "d": Status.NOT_SENT,
    }
    assert world.system.sends == {"a": 1, "b": 1}


def test_what_is_in_flight_when_a_right_is_missing_still_gets_its_outcome(world: World) -> None:
    world.system.faults = {"a": [Fault.DENIED], "c": [Fault.LOST_AFTER]}
    with pytest.raises(AccessDenied):
        world.run(*(record(key) for key in "abcdefgh"))
    statuses = world.statuses(*"abcdefgh")
    assert Status.INTENDED not in statuses.values()
    assert {key for key, status in statuses.items() if status is Status.DELIVERED} <= {
        *world.held()
    }


def test_an_outage_ends_the_run_after_three_documents(world: World) -> None:
    world.options = DeliveryOptions(connections=1)
    world.system.faults = {key: [Fault.DOWN] for key in "abcdef"}
    with pytest.raises(Unavailable):
        world.run(*(record(key) for key in "abcdef"))
    assert sum(world.system.sends.values()) == 3
    assert set(world.statuses(*"abcdef").values()) == {Status.NOT_SENT}


@pytest.mark.parametrize("answer", [[], [Fault.REFUSED]])
def test_documents_that_get_through_show_that_it_is_no_outage(
    world: World, answer: list[Fault]
) -> None:
    world.options = DeliveryOptions(connections=1)
    world.system.faults = {key: [Fault.DOWN] for key in "acegi"}
    world.system.faults |= {key: list(answer) for key in "bdfh"}
    delivery = world.run(*(record(key) for key in "abcdefghi"))
    assert delivery.tally[Status.NOT_SENT] == 5
    assert sum(world.system.sends.values()) == 9


def test_a_survey_that_fails_leaves_nothing_in_doubt(world: World) -> None:
    world.system.read_faults = [Refused("400 malformed filter")]
    with pytest.raises(Refused):
        world.run(record("a"))
    assert world.ledger.lookup("invoices", ["a"]) == {}


def test_a_run_that_is_stopped_finishes_what_is_in_flight_and_starts_nothing(
    world: World,
) -> None:
    world.options = DeliveryOptions(connections=1)

    def stop(event: str) -> None:
        world.stopping = event == "b stored"

    world.system.event = stop
    world.system.faults = {"b": [Fault.LOST_AFTER]}
    delivery = world.run(*(record(key) for key in "abcd"))
    assert world.held() == ["a", "b"]
    assert delivery.tally == {Status.DELIVERED: 2, Status.NOT_SENT: 2}


def test_one_line_a_document_without_its_content(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.system.faults = {"b": [Fault.REFUSED]}
    world.run(record("a", "F-1", iban="DE00"), record("b", "F-2", iban="DE00"))
    lines = sorted(line.getMessage() for line in caplog.records)
    assert lines == [
        "invoice F-1: delivered as R-a",
        "invoice F-2: rejected: the vendor is on hold",
    ]
    assert {line.levelname for line in caplog.records} == {"INFO", "WARNING"}
    fields = vars(caplog.records[0])
    assert (fields["run_id"], fields["stream"], fields["document_company"]) == (
        "run-1",
        "invoices",
        "1000",
    )


# Any sequence of batches, faults and crashes

KEYS = "abcdef"
one_record = st.builds(
    lambda key, number, content, more: record(key, number, content, **more),
    st.sampled_from([*KEYS, None]),
    st.sampled_from(["", "F-1", "F-2", "F-3", "F-4"]),
    st.integers(1, 3),
    st.sampled_from([{}, {}, {}, {"unmapped": "US99"}]),
)


@dataclass(frozen=True)
class PlannedRun:
    """The batches of one run, and what goes wrong in it."""

    batches: list[list[dict[str, Any]]]
    faults: dict[str, list[Fault]]
    reads_fail: list[bool]
    connections: int
    stop_after: int


planned_runs = st.builds(
    PlannedRun,
    st.lists(st.lists(one_record, max_size=6), min_size=1, max_size=3),
    st.dictionaries(
        st.sampled_from(KEYS), st.lists(st.sampled_from(Fault), min_size=1, max_size=4), max_size=4
    ),
    st.lists(st.sampled_from([False, False, False, True]), max_size=6),
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2, 3, 99]),
)


def check_system_and_ledger(world: World) -> None:
    """What must hold at any moment, whatever happened."""
    rows = [row for row in world.system.rows if row.whole]
    assert max(Counter(row.key for row in world.system.rows).values(), default=1) == 1
    numbers = Counter(row.natural_key for row in rows if row.natural_key)
    assert max(numbers.values(), default=1) == 1
    assert max(world.system.sends.values(), default=0) <= world.options.max_sends
    contents = {row.key: row.fingerprint for row in rows}
    known = world.ledger.lookup("invoices", KEYS)
    for key, entry in known.items():
        if entry.status in HELD:
            assert contents[key] == entry.fingerprint
        elif contents.get(key) == entry.fingerprint:
            assert entry.status in OPEN, f"{key} is held, and said to be {entry.status}"
    assert contents.keys() <= known.keys()
    assert [entry.sequence for entry in world.ledger.outcomes("invoices")] == sorted(
        {entry.sequence for entry in known.values() if entry.status in FINAL}
    )


def check_all_settled(world: World, delivery: Delivery, plan: PlannedRun) -> None:
    """What a STATE after these batches rests on: each document has its durable outcome."""
    last = {entry["id"]: entry for batch in plan.batches for entry in batch if entry["id"]}
    known = world.ledger.lookup("invoices", last)
    for key, offered in last.items():
        assert known[key].status in FINAL
        assert known[key].version == str(offered["content"])
    assert delivery.tally.total() >= len(known)


@given(st.lists(planned_runs, min_size=1, max_size=4))
@settings(deadline=None, max_examples=50)
def test_nothing_is_lost_and_nothing_doubled_whatever_happens(
    engine: sqlalchemy.Engine, plans: list[PlannedRun]
) -> None:
    world = World(Ledger(engine, next(names)))
    for plan in plans:
        world.system.faults = {key: list(faults) for key, faults in plan.faults.items()}
        world.options = DeliveryOptions(connections=plan.connections)
        world.system.reads_down = list(plan.reads_fail)
        world.stopping = False
        finished, delivery = False, None
        try:
            delivery = world.start()
            assert world.ledger.open_entries("invoices") == []
            for number, batch in enumerate(plan.batches, start=1):
                world.system.sends.clear()
                delivery.run(batch)
                check_system_and_ledger(world)
                world.stopping = number >= plan.stop_after
            finished = True
        except Crash:
            pass
        except DeliveryError:
            # Only what could not be read back at the start is still as the crash left it.
            assert delivery is None or Status.INTENDED not in world.statuses(*KEYS).values()
        check_system_and_ledger(world)
        if finished and delivery and not delivery.bad_records:
            open_ones = delivery.tally[Status.IN_DOUBT] + delivery.tally[Status.NOT_SENT]
            if not open_ones:
                check_all_settled(world, delivery, plan)
    # At last everything works: what was offered last is held, unless it is rejected.
    world.system.faults, world.system.reads_down, world.stopping = {}, [], False
    final = [record(key, f"last-{key}") for key in KEYS]
    assert world.run(*final).tally[Status.NOT_SENT] == 0
    check_system_and_ledger(world)
    assert world.held() == [*KEYS]


def test_a_crash_at_any_event_loses_and_doubles_nothing(engine: sqlalchemy.Engine) -> None:
    """The process dies at the first event, then at the second, until one run passes untouched."""
    records = [record("a", "1"), record("b", "2"), record("c", "1"), record("d", "", unmapped="x")]
    for moment in itertools.count(1):
        ledger = WatchedLedger(engine, next(names))
        world = World(ledger, options=DeliveryOptions(connections=1))
        world.system.faults = {"a": [Fault.LOST_AFTER], "b": [Fault.LOST_BEFORE]}
        events: list[str] = []

        def die(event: str, events: list[str] = events, moment: int = moment) -> None:
            events.append(event)
            if len(events) == moment:
                raise Crash(event)

        ledger.event = world.system.event = die
        try:
            world.run(*records)
        except Crash:
            check_system_and_ledger(world)
            world.run(*records)
        check_system_and_ledger(world)
        assert world.held() == ["a", "b"], f"after a crash at {events[moment - 1 :][:1]}"
        assert world.statuses(*"abcd") == {
            "a": world.statuses("a")["a"],
            "b": world.statuses("b")["b"],
            "c": Status.REJECTED,
            "d": Status.REJECTED,
        }
        assert {world.statuses(key)[key] for key in "ab"} <= HELD
        if len(events) < moment:
            break
    assert moment > 20


# Waves

documents = st.builds(
    lambda key, number: Document(key, None, "", natural_key=number),
    st.text(max_size=3),
    st.sampled_from(["", "1", "2", "3"]),
)


@given(st.lists(documents, max_size=20))
def test_waves_hold_every_document_once_and_no_number_twice(batch: list[Document]) -> None:
    rounds = list(waves(batch))
    assert sorted(map(id, itertools.chain(*rounds))) == sorted(map(id, batch))
    for wave in rounds:
        numbers = [document.natural_key for document in wave if document.natural_key]
        assert len(numbers) == len(set(numbers))


@given(st.lists(documents, max_size=20))
def test_waves_keep_the_order_of_a_number_and_are_as_few_as_can_be(batch: list[Document]) -> None:
    rounds = list(waves(batch))
    for number in ("1", "2", "3"):
        wanted = [id(document) for document in batch if document.natural_key == number]
        got = [id(d) for wave in rounds for d in wave if d.natural_key == number]
        assert got == wanted
    most = Counter(document.natural_key for document in batch if document.natural_key)
    assert len(rounds) == max([*most.values(), min(len(batch), 1)])
