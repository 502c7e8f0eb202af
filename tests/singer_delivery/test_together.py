"""Several documents in a request, slices beside each other: each document as if it were alone."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery import delivery as module
from singer_delivery.courier import Sent
from singer_delivery.database import open_database
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import (
    AccessDenied,
    DeliveryError,
    InDoubt,
    SetupError,
    Unavailable,
)
from singer_delivery.ledger import Ledger
from singer_delivery.senders import MOST_WEIGHT, OUTAGE

from tests.singer_delivery.fake_system import Crash, FakeCourier, FakeSystem, Fault, record

names = (f"https://{number}.together" for number in itertools.count())


@pytest.fixture(scope="module")
def engine() -> Iterator[sqlalchemy.Engine]:
    opened = open_database("sqlite://")
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(engine: sqlalchemy.Engine) -> Ledger:
    return Ledger(engine, next(names))


@dataclass
class SharingCourier(FakeCourier):
    """Takes several documents in a request; `requests` are their keys, `lost` requests by number.

    `heavy` documents weigh a request full. `gate`, once set, is waited for in every request.
    """

    requests: list[tuple[str, ...]] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)
    heavy: frozenset[str] = frozenset()
    gate: threading.Event | None = None
    surveyed: list[tuple[str, ...]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def survey(
        self, batch: Sequence[Document], known: Mapping[str, Entry]
    ) -> Mapping[str, Outcome | Any]:
        self.surveyed.append(tuple(document.key for document in batch))
        return super().survey(batch, known)

    def weight(self, document: Document, plan: Any) -> int:
        return MOST_WEIGHT if document.key in self.heavy else 1

    def send(self, document: Document, plan: Any) -> Outcome:
        self._note(document.key)
        return super().send(document, plan)

    def send_together(self, pairs: Sequence[tuple[Document, Any]]) -> list[Sent]:
        number = self._note(*(document.key for document, _ in pairs))
        sent = [Sent(self._result(*pair)) for pair in pairs]
        if number in self.lost:
            return [Sent(InDoubt("reset"))] * len(pairs)
        return sent

    def _note(self, *keys: str) -> int:
        with self.lock:
            self.requests.append(keys)
            number = len(self.requests)
        if self.gate:
            assert self.gate.wait(10)
        return number

    def _result(self, document: Document, plan: Any) -> Outcome | DeliveryError:
        try:
            return super().send(document, plan)
        except DeliveryError as error:
            return error


def deliver(
    courier: FakeCourier,
    ledger: Ledger,
    keys: str,
    *,
    connections: int = 1,
    together: tuple[int, int] = (3, 3),
    **more: Any,
) -> Delivery:
    options = DeliveryOptions(connections=connections, together=together, read_back_wait=0)
    run = Delivery(courier, ledger, f"run-{keys}", options, sleep=lambda _: None, **more)
    run.run([record(key, f"N-{key}") for key in keys])
    return run


def statuses(ledger: Ledger, keys: str) -> dict[str, str]:
    return {key: entry.status.value for key, entry in ledger.lookup("invoices", keys).items()}


def test_as_many_go_together_as_are_allowed(ledger: Ledger) -> None:
    courier = SharingCourier(FakeSystem())
    run = deliver(courier, ledger, "abcdefg")
    assert courier.requests == [tuple("abc"), tuple("def"), ("g",)]
    assert run.tally == {Status.DELIVERED: 7}


def test_what_is_heavy_goes_alone(ledger: Ledger) -> None:
    courier = SharingCourier(FakeSystem(), heavy=frozenset("b"))
    deliver(courier, ledger, "abcd")
    assert courier.requests == [("a",), ("b",), tuple("cd")]


def test_a_refusal_is_that_of_one(ledger: Ledger) -> None:
    courier = SharingCourier(FakeSystem(faults={"b": [Fault.REFUSED]}))
    run = deliver(courier, ledger, "abc")
    assert run.tally == {Status.DELIVERED: 2, Status.REJECTED: 1}
    assert ledger.lookup("invoices", "b")["b"].reason == "the vendor is on hold"


def test_a_lost_answer_puts_all_of_its_documents_in_doubt_and_each_is_read_back(
    ledger: Ledger,
) -> None:
    system = FakeSystem(faults={"b": [Fault.LOST_BEFORE]})
    courier = SharingCourier(system, lost={1})
    run = deliver(courier, ledger, "abcd")
    # What was not there goes again, by itself: whichever of them it was shall not hurt the others.
    assert courier.requests == [tuple("abc"), ("d",), ("b",)]
    assert run.tally == {Status.DELIVERED: 4}
    assert sorted(row.key for row in system.rows) == list("abcd")


def test_of_a_part_that_is_missing_in_the_answer_only_that_is_in_doubt(ledger: Ledger) -> None:
    system = FakeSystem(faults={"b": [Fault.LOST_AFTER], "c": [Fault.REFUSED]})
    courier = SharingCourier(system)
    run = deliver(courier, ledger, "abc")
    assert courier.requests == [tuple("abc")]
    assert run.tally == {Status.DELIVERED: 2, Status.REJECTED: 1}


def test_an_outage_counts_requests(ledger: Ledger) -> None:
    keys = "abcdefghijkl"
    courier = SharingCourier(FakeSystem(faults={key: [Fault.DOWN] for key in keys}))
    with pytest.raises(Unavailable):
        deliver(courier, ledger, keys)
    assert len(courier.requests) == OUTAGE
    assert set(statuses(ledger, keys).values()) == {"not_sent"}


def test_a_missing_right_ends_the_run_and_the_others_of_the_request_keep_their_outcomes(
    ledger: Ledger,
) -> None:
    courier = SharingCourier(FakeSystem(faults={"b": [Fault.DENIED]}))
    with pytest.raises(AccessDenied):
        deliver(courier, ledger, "abcd")
    found = statuses(ledger, "abcd")
    assert found == {"a": "delivered", "b": "not_sent", "c": "delivered", "d": "not_sent"}


def test_limits_that_contradict_each_other_are_refused() -> None:
    for together in ((0, 1), (3, 2)):
        with pytest.raises(SetupError, match=f"{together[0]} documents at least"):
            DeliveryOptions(together=together)


# Batches


@pytest.fixture
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH_SIZE", 2)


@pytest.mark.usefixtures("short_batches")
def test_the_next_batch_is_surveyed_while_one_is_sent(ledger: Ledger) -> None:
    courier = SharingCourier(FakeSystem(), gate=threading.Event())
    seen = []

    class Watching(SharingCourier):
        def survey(self, batch: Sequence[Document], known: Mapping[str, Entry]) -> Any:
            found = super().survey(batch, known)
            seen.append(len(self.system.rows))
            if len(seen) == 2:
                assert self.gate
                self.gate.set()
            return found

    watching = Watching(courier.system, gate=courier.gate)
    run = deliver(watching, ledger, "abcdef", connections=2, together=(2, 2))
    assert run.tally == {Status.DELIVERED: 6}
    assert watching.surveyed == [tuple("ab"), tuple("cd"), tuple("ef")]
    assert seen[:2] == [0, 0]


@pytest.mark.usefixtures("short_batches")
@pytest.mark.parametrize("connections", [1, 4])
def test_a_later_version_waits_for_the_earlier_one(ledger: Ledger, connections: int) -> None:
    system = FakeSystem()
    courier = SharingCourier(system)
    options = DeliveryOptions(connections=connections, together=(2, 2), read_back_wait=0)
    run = Delivery(courier, ledger, "run", options)
    run.run([record("a", "1"), record("b", "2"), record("c", "3"), record("a", "1", 2)])
    assert courier.requests == [tuple("ab"), tuple("ca")]
    assert run.tally == {Status.DELIVERED: 4}
    assert ledger.lookup("invoices", "a")["a"].version == "2"


@pytest.mark.usefixtures("short_batches")
def test_a_rejection_of_a_later_version_comes_after_the_outcome_of_the_earlier_one(
    ledger: Ledger,
) -> None:
    run = Delivery(
        SharingCourier(FakeSystem()), ledger, "run", DeliveryOptions(connections=3, together=(2, 2))
    )
    bad = record("a", "1", 2, unmapped="FULL")
    run.run([record("a", "1"), record("b", "2"), bad])
    assert ledger.lookup("invoices", "a")["a"].status is Status.REJECTED


@pytest.mark.usefixtures("short_batches")
def test_the_same_number_in_the_next_batch_is_found_there(ledger: Ledger) -> None:
    courier = SharingCourier(FakeSystem())
    run = Delivery(courier, ledger, "run", DeliveryOptions(connections=3, together=(2, 2)))
    run.run([record("a", "1"), record("b", "2"), record("c", "1")])
    assert run.tally == {Status.DELIVERED: 2, Status.REJECTED: 1}
    assert ledger.lookup("invoices", "c")["c"].reason == "number 1 is another invoice"


@pytest.mark.usefixtures("short_batches")
def test_a_stop_leaves_what_was_not_begun(ledger: Ledger) -> None:
    courier = SharingCourier(FakeSystem())
    run = deliver(courier, ledger, "abcdef", stopping=lambda: bool(courier.requests))
    assert run.tally == {Status.DELIVERED: 2}
    assert statuses(ledger, "abcdef") == {"a": "delivered", "b": "delivered"}


@pytest.mark.usefixtures("short_batches")
@given(
    how=st.builds(
        partial(DeliveryOptions, read_back_wait=0),
        connections=st.sampled_from((1, 2, 5)),
        together=st.sampled_from(((1, 1), (1, 3), (2, 2), (4, 4))),
    ),
    offered=st.lists(
        st.tuples(st.sampled_from("abcdef"), st.sampled_from("12345")), min_size=1, max_size=14
    ),
    faults=st.dictionaries(
        st.sampled_from("abcdef"),
        st.lists(
            st.sampled_from((Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.REFUSED, Fault.DOWN)),
            min_size=1,
            max_size=2,
        ),
        max_size=4,
    ),
    lost=st.sets(st.integers(1, 5), max_size=2),
)
def test_whatever_goes_together_every_document_is_there_once_or_not_at_all(
    engine: sqlalchemy.Engine,
    how: DeliveryOptions,
    offered: list[tuple[str, str]],
    faults: dict[str, list[Fault]],
    lost: set[int],
) -> None:
    ledger = Ledger(engine, next(names))
    system = FakeSystem(faults={key: list(some) for key, some in faults.items()})
    courier = SharingCourier(system, lost=lost)
    run = Delivery(courier, ledger, "run", how, sleep=lambda _: None)
    try:
        run.run([record(key, number) for key, number in offered])
    except Unavailable:
        assert sum(some.count(Fault.DOWN) for some in faults.values()) >= OUTAGE
    keys = [row.key for row in system.rows]
    numbers = [row.natural_key for row in system.rows]
    assert len(set(keys)) == len(keys)
    assert len(set(numbers)) == len(numbers)
    for key, entry in ledger.lookup("invoices", "abcdef").items():
        assert entry.status not in {Status.INTENDED}, key
        if entry.status in {Status.DELIVERED, Status.UNCHANGED}:
            assert key in keys
        if entry.status is Status.NOT_SENT:
            assert key not in keys or Status.NOT_SENT in run.tally


def test_a_dying_process_leaves_its_intents(ledger: Ledger) -> None:
    system = FakeSystem(faults={"b": [Fault.CRASH_AFTER]})
    with pytest.raises(Crash):
        deliver(SharingCourier(system), ledger, "abcd", connections=2)
    assert statuses(ledger, "abcd")["b"] == "intended"
    later = Delivery(SharingCourier(system), ledger, "later", DeliveryOptions(read_back_wait=0))
    later.settle_leftovers()
    later.run([record(key, f"N-{key}") for key in "abcd"])
    assert sorted(row.key for row in system.rows) == list("abcd")


def test_refused_is_not_counted_as_an_outage(ledger: Ledger) -> None:
    faults = {key: [Fault.REFUSED] for key in "abcdefghi"}
    run = deliver(SharingCourier(FakeSystem(faults=faults)), ledger, "abcdefghi")
    assert run.tally == {Status.REJECTED: 9}
