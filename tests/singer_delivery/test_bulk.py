"""Bulk deliveries to a register that refuses, loses answers, goes down and takes its time."""

from __future__ import annotations

import itertools
import logging
import math
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy
from hypothesis import given, settings
from hypothesis import strategies as st
from singer_delivery.bulk import BulkDelivery, BulkOptions, RecordRefusal
from singer_delivery.bulk.sending import BLIND_REFUSALS
from singer_delivery.bulk.summary import summary
from singer_delivery.database import open_database
from singer_delivery.document import TAKEN, Document, Outcome, Status
from singer_delivery.document_rows import WITHDRAWN
from singer_delivery.errors import (
    AccessDenied,
    BadInput,
    DeliveryError,
    InDoubt,
    LedgerError,
    Refused,
    SetupError,
    Unavailable,
)
from singer_delivery.ledger import Ledger

from tests.singer_delivery.fake_bulk import Register, RegisterCourier, document

DELIVERED, UNCHANGED, REJECTED = Status.DELIVERED, Status.UNCHANGED, Status.REJECTED
ACCEPTED, NOT_SENT, SKIPPED = Status.ACCEPTED, Status.NOT_SENT, Status.SKIPPED
RANKS = {"companies": 0, "accounts": 1, "vendors": 2, "orders": 3}


@pytest.fixture(scope="module")
def engine() -> Iterator[sqlalchemy.Engine]:
    """One database for all tests here; each works on a system of its own in it."""
    opened = open_database("sqlite://")
    yield opened
    opened.dispose()


@dataclass
class World:
    """A register, its ledger, and runs between them on a clock that only sleeping moves."""

    ledger: Ledger
    register: Register = field(default_factory=Register)
    options: dict[str, Any] = field(default_factory=lambda: {"connections": 2})
    limits: dict[str, int] = field(default_factory=dict)
    stopping: bool = False
    unreadable: int = 0
    now: float = 0
    runs: int = 0

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.01)

    def courier(self, stream: str) -> RegisterCourier:
        if stream not in RANKS:
            msg = f"no way to deliver {stream}"
            raise SetupError(msg)
        return RegisterCourier(self.register, stream, RANKS[stream], **self.limits)

    def start(self) -> BulkDelivery:
        self.runs += 1
        self.register.requests.clear()
        self.register.withdrawals.clear()
        return BulkDelivery(
            self.courier,
            self.ledger,
            f"run-{self.runs}",
            BulkOptions(**self.options),
            stopping=lambda: self.stopping,
            unreadable=lambda: self.unreadable,
            sleep=self.sleep,
            clock=lambda: self.now,
        )

    def run(self, *documents: Document, complete: str = "", stream: str = "accounts") -> Any:
        """Deliver documents of one resource in a run of their own."""
        bulk = self.start()
        for one in documents:
            bulk.take(stream, one)
        if complete:
            bulk.complete(complete)
        bulk.flush()
        return bulk

    def statuses(self, stream: str = "accounts") -> dict[str, str]:
        keys = [f"{letter}{n}" for letter in ("", "k") for n in range(600)]
        found = self.ledger.lookup(stream, [*keys, *"abcdefgh", "eternal"])
        return {key: str(entry.status) for key, entry in sorted(found.items())}


@pytest.fixture
def world(engine: sqlalchemy.Engine) -> World:
    return World(Ledger(engine, f"https://{uuid.uuid4().hex}.example"))


def several(count: int, **more: Any) -> list[Document]:
    return [document(f"{n}", **more) for n in range(count)]


def tally(bulk: BulkDelivery, stream: str = "accounts") -> dict[Status, int]:
    return {status: n for (name, status), n in bulk.tally.items() if n and name == stream}


# What is sent


def test_everything_is_sent_in_full_requests(world: World) -> None:
    world.limits = {"max_records": 4}
    bulk = world.run(*several(10))
    assert sorted(world.register.sizes(), reverse=True) == [4, 4, 2]
    assert len(world.register.held("accounts")) == 10
    assert tally(bulk) == {DELIVERED: 10}
    assert bulk.requests == {"accounts": 3}
    assert bulk.problems == []


def test_requests_are_packed_by_their_bytes(world: World) -> None:
    each = world.courier("accounts").size(document("0"))
    world.limits = {"max_bytes": 3 * each}
    world.run(*several(7))
    assert sorted(world.register.sizes(), reverse=True) == [3, 3, 1]


def test_a_document_larger_than_a_request_is_rejected_in_words(world: World) -> None:
    world.limits = {"max_bytes": 100}
    bulk = world.run(document("a"), document("b", content="x" * 100), document("c"))
    assert world.register.held("accounts") == ["a", "c"]
    assert "a request may have 100" in world.ledger.lookup("accounts", ["b"])["b"].reason
    assert tally(bulk) == {DELIVERED: 2, REJECTED: 1}
    assert bulk.problems == []


def test_the_second_run_sends_nothing(world: World) -> None:
    world.run(*several(10))
    bulk = world.run(*several(10))
    assert tally(bulk) == {UNCHANGED: 10}
    assert world.register.requests == []


def test_exactly_what_changed_is_sent(world: World) -> None:
    world.run(*several(1200))
    bulk = world.run(*several(1200)[:-1], document("7", content=2), document("1199", content=2))
    assert sorted(world.register.requests[0][1]) == ["1199", "7"]
    assert tally(bulk)[DELIVERED] == 2


def test_the_last_content_of_a_key_wins_at_its_first_place(world: World) -> None:
    world.options["connections"] = 1
    filler = [document(f"k{n}") for n in range(600)]
    world.run(document("a"), document("b"), *filler, document("a", content=2))
    assert world.register.requests[0][1][:2] == ["a", "b"]
    assert world.register.rows["accounts"]["a"]["content"] == 2
    assert sum(world.register.sizes()) == 602


def test_content_that_changes_back_within_a_run_is_not_sent(world: World) -> None:
    world.run(document("a"))
    bulk = world.start()
    bulk.take("accounts", document("a", content=2))
    assert bulk.pending
    bulk.take("accounts", document("a"))
    for n in range(600):
        bulk.take("accounts", document(f"k{n}"))
    bulk.flush()
    assert sum(world.register.sizes()) == 600


def test_ranks_are_sent_in_order_whatever_order_records_come_in(world: World) -> None:
    bulk = world.start()
    for stream in ("orders", "vendors", "companies", "accounts"):
        for one in several(3):
            bulk.take(stream, one)
    bulk.flush()
    assert [stream for stream, _ in world.register.requests] == [*RANKS]


def test_a_rank_is_confirmed_before_the_next_one_is_sent(world: World) -> None:
    world.register.asynchronous, world.register.looks = True, 3
    events: list[str] = []
    world.register.failing = lambda batch: events.append(f"sent {batch[0].key}")
    world.register.asking = lambda request_id: events.append(f"asked {request_id}")
    bulk = world.start()
    bulk.take("vendors", document("v"))
    bulk.take("companies", document("c"))
    bulk.flush()
    assert events == ["sent c", *["asked r-1"] * 3, "sent v", *["asked r-2"] * 3]
    assert tally(bulk, "vendors") == {DELIVERED: 1}


def test_what_the_ledger_knows_is_merged_into_what_is_sent(world: World) -> None:
    world.run(document("a", payload={"companies": ["1000", "2000"]}))
    fewer = document("a", payload={"companies": ["1000"]})
    world.run(fewer)
    assert world.register.rows["accounts"]["a"]["gone"] == ["2000"]
    entry = world.ledger.lookup("accounts", ["a"])["a"]
    assert entry.fingerprint == fewer.fingerprint
    assert entry.detail["companies"] == ["1000", "2000"]
    world.run(fewer)
    assert world.register.requests == []


def test_an_unchanged_record_that_comes_from_elsewhere_belongs_there(world: World) -> None:
    world.run(document("a", source="old", scope="x"), document("b", source="old", scope="x"))
    world.run(document("a", source="new", scope="y"), document("b", source="old", scope="x"))
    assert world.register.requests == []
    entry = world.ledger.lookup("accounts", ["a"])["a"]
    assert (entry.source, entry.scope, entry.status) == ("new", "y", DELIVERED)
    assert world.ledger.count_held("accounts", "old") == 1


def test_a_key_that_cannot_be_stored_is_bad_input(world: World) -> None:
    bulk = world.start()
    for key in ("k" * 256, "a\0", "\ud800"):
        with pytest.raises(BadInput, match="a key that cannot be stored"):
            bulk.take("accounts", Document(key, {}, "f"))
    bulk.take("accounts", document("b", scope="\0"))
    bulk.flush()
    assert world.statuses() == {"b": "rejected"}


def test_a_resource_without_a_courier_ends_the_run(world: World) -> None:
    bulk = world.start()
    with pytest.raises(SetupError, match="no way to deliver nothing"):
        bulk.take("nothing", document("a"))
    bulk.close()


@pytest.mark.parametrize(
    "wrong", [{"connections": 0}, {"max_sends": 0}, {"max_tries": 0}, {"confirm_wait": -1}]
)
def test_options_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(SetupError):
        BulkOptions(**wrong)


# Refusals


@pytest.mark.parametrize("named", [True, False])
def test_a_bad_record_never_sinks_the_others(world: World, named: bool) -> None:
    world.register.named = named
    world.register.invalid = {"7": "the code is too long", "499": "the name is missing"}
    bulk = world.run(*several(500))
    assert len(world.register.held("accounts")) == 498
    assert tally(bulk) == {DELIVERED: 498, REJECTED: 2}
    entries = world.ledger.lookup("accounts", ["7", "499"])
    assert entries["7"].reason == "the code is too long"
    assert entries["499"].reason == "the name is missing"
    assert bulk.problems == []
    if named:
        assert len(world.register.requests) == 2
    else:
        # Each culprit costs two requests a level.
        assert len(world.register.requests) <= 1 + 2 * 2 * math.ceil(math.log2(500))
        assert entries["7"].request_id == "r-400"


def test_culprits_that_are_not_in_the_request_are_searched_for(world: World) -> None:
    world.register.invalid = {"2": "wrong"}

    def refuse(batch: Sequence[Document]) -> None:
        if "2" in [one.key for one in batch]:
            raise RecordRefusal("400", culprits={"somebody else": "wrong"}, status=400)

    world.register.failing = refuse
    bulk = world.run(*several(8))
    assert tally(bulk) == {DELIVERED: 7, REJECTED: 1}


@given(
    st.integers(1, 60), st.sets(st.integers(0, 59), max_size=6), st.booleans(), st.integers(1, 20)
)
@settings(max_examples=60, deadline=None)
def test_exactly_the_bad_records_are_rejected(
    engine: sqlalchemy.Engine, count: int, bad: set[int], named: bool, most: int
) -> None:
    world = World(Ledger(engine, f"https://{uuid.uuid4().hex}.example"))
    world.limits = {"max_records": most}
    world.register.named = named
    world.register.invalid = {f"{n}": "no" for n in bad}
    bulk = world.run(*several(count))
    rejected = {key for key, status in world.statuses().items() if status == "rejected"}
    assert rejected == {f"{n}" for n in bad if n < count}
    assert len(world.register.held("accounts")) == count - len(rejected)
    assert bulk.rejected == len(rejected)


def test_a_resource_that_is_refused_altogether_is_not_asked_about_every_record(
    world: World,
) -> None:
    world.limits = {"max_records": 100}

    def refuse(batch: Sequence[Document]) -> None:
        msg = "no such resource"
        raise Refused(msg, status=404)

    world.register.failing = refuse
    bulk = world.run(*several(550))
    assert len(world.register.requests) < 4 * BLIND_REFUSALS
    assert tally(bulk)[REJECTED] + tally(bulk)[NOT_SENT] == 550
    assert bulk.problems == [f"{tally(bulk)[NOT_SENT]} of accounts"]


def test_a_rejected_record_is_offered_so_often_and_then_only_counted(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.options["max_tries"] = 3
    world.register.invalid = {"a": "company 1000 is unknown"}
    for _ in range(3):
        bulk = world.run(document("a", label="account a"))
        assert tally(bulk) == {REJECTED: 1}
    for _ in range(2):
        bulk = world.run(document("a", label="account a"))
        assert world.register.requests == []
        assert (bulk.still_rejected["accounts"], bulk.rejected, bulk.problems) == (1, 1, [])
    caplog.clear()
    bulk.sum_up()
    assert "1 record(s) are STILL REJECTED, unchanged after 3 tries" in caplog.text
    assert "account a" in caplog.text
    world.register.invalid = {}
    world.run(document("a", content=2))
    assert world.statuses() == {"a": "delivered"}


def test_more_tries_are_given_by_the_setting(world: World) -> None:
    world.options["max_tries"] = 1
    world.register.invalid = {"a": "not yet"}
    world.run(document("a"))
    world.register.invalid = {}
    world.run(document("a"))
    assert world.statuses() == {"a": "rejected"}
    world.options["max_tries"] = 2
    world.run(document("a"))
    assert world.statuses() == {"a": "delivered"}


def test_a_record_that_cannot_be_used_is_settled_with_its_reason(world: World) -> None:
    world.run(document("a", payload={"companies": ["1000"]}))
    bulk = world.start()
    bulk.reject("accounts", Document("a", None, "", source="main_accounts"), "no tax code US99")
    assert not bulk.pending
    bulk.flush()
    entry = world.ledger.lookup("accounts", ["a"])["a"]
    assert (entry.status, entry.reason) == (REJECTED, "no tax code US99")
    # What Basware holds of it is not forgotten.
    assert entry.detail["companies"] == ["1000"]
    assert world.ledger.count_held("accounts", "main_accounts") == 1


def test_the_rejection_of_the_latest_record_stops_an_earlier_one(world: World) -> None:
    bulk = world.start()
    bulk.take("accounts", document("a"))
    assert bulk.pending
    bulk.reject("accounts", document("a"), "no tax code US99")
    bulk.flush()
    assert world.register.requests == []
    assert world.statuses() == {"a": "rejected"}


# Lost answers, outages, rights


@pytest.mark.parametrize("stored", [True, False])
def test_a_lost_answer_is_repeated(world: World, stored: bool) -> None:
    lost = iter([InDoubt("timeout"), InDoubt("timeout"), None])

    def lose(batch: Sequence[Document]) -> None:
        if error := next(lost):
            raise error

    setattr(world.register, "losing" if stored else "failing", lose)
    bulk = world.run(*several(5))
    assert world.register.sizes() == [5, 5, 5]
    assert tally(bulk) == {DELIVERED: 5}
    assert world.now >= 3


def test_an_answer_lost_each_time_is_not_sent_and_sent_again_by_the_next_run(
    world: World,
) -> None:
    def lose(batch: Sequence[Document]) -> None:
        raise InDoubt("timeout", request_id="r-7")

    world.register.losing = lose
    bulk = world.run(*several(5))
    assert world.register.sizes() == [5, 5, 5]
    assert tally(bulk) == {NOT_SENT: 5}
    assert bulk.problems == ["5 of accounts"]
    # The register may hold them: should they vanish, they are withdrawn.
    assert world.ledger.count_held("accounts", "main_accounts") == 5
    world.register.losing = lambda _: None
    assert tally(world.run(*several(5))) == {DELIVERED: 5}


def test_three_requests_without_a_connection_end_the_run(world: World) -> None:
    world.limits, world.options["connections"] = {"max_records": 2}, 1
    answers = iter([None])

    def down(batch: Sequence[Document]) -> None:
        if next(answers, 1):
            raise Unavailable("no connection")

    world.register.failing = down
    bulk = world.start()
    for one in several(20):
        bulk.take("accounts", one)
    with pytest.raises(Unavailable):
        bulk.flush()
    assert len(world.register.requests) == 4
    assert tally(bulk) == {DELIVERED: 2, NOT_SENT: 18}
    world.register.failing = lambda _: None
    assert tally(world.run(*several(20))) == {UNCHANGED: 2, DELIVERED: 18}


def test_a_missing_right_ends_the_run(world: World) -> None:
    world.options["connections"] = 1
    world.limits = {"max_records": 2}

    def deny(batch: Sequence[Document]) -> None:
        raise AccessDenied("the scope accounts.write is missing", status=403)

    world.register.failing = deny
    bulk = world.start()
    for stream in ("accounts", "vendors"):
        for one in several(6):
            bulk.take(stream, one)
    with pytest.raises(AccessDenied):
        bulk.flush()
    assert len(world.register.requests) == 1
    assert tally(bulk) == {NOT_SENT: 6}
    assert tally(bulk, "vendors") == {NOT_SENT: 6}


def test_a_stop_finishes_what_flies_and_starts_nothing_new(world: World) -> None:
    world.options["connections"] = 1
    world.limits = {"max_records": 2}
    world.register.asynchronous = True
    world.run(document("gone"), document("a"))

    def stop(batch: Sequence[Document]) -> None:
        world.stopping = True

    world.register.failing = stop
    bulk = world.run(*several(6), document("a"), complete="main_accounts")
    assert len(world.register.requests) == 1
    assert tally(bulk) == {ACCEPTED: 2, NOT_SENT: 4, UNCHANGED: 1}
    assert world.register.withdrawals == []


def test_a_mistake_in_a_courier_is_not_hidden_and_leaves_no_threads(world: World) -> None:
    def fail(batch: Sequence[Document]) -> None:
        raise ZeroDivisionError

    world.register.failing = fail
    bulk = world.start()
    bulk.take("accounts", document("a"))
    with pytest.raises(ZeroDivisionError):
        bulk.flush()
    assert world.statuses() == {"a": "intended"}
    world.register.failing = lambda _: None
    world.run(document("a"))
    assert world.statuses() == {"a": "delivered"}


def test_what_an_interrupted_run_left_is_settled_even_if_nothing_comes_for_it(
    world: World,
) -> None:
    world.ledger.intend("accounts", [document("a")], "run-0")
    world.ledger.intend("elsewhere", [document("a")], "run-0")
    world.run(document("c"), stream="companies")
    assert world.statuses() == {"a": "not_sent"}
    assert world.statuses("elsewhere") == {"a": "intended"}


def test_not_more_requests_fly_than_there_are_connections(world: World) -> None:
    world.options["connections"], world.limits = 3, {"max_records": 1}
    flying: Counter[str] = Counter()
    most = []
    barrier_free = RegisterCourier.send

    def watched(self: RegisterCourier, batch: Sequence[Document]) -> Any:
        flying["now"] += 1
        most.append(flying["now"])
        try:
            return barrier_free(self, batch)
        finally:
            flying["now"] -= 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RegisterCourier, "send", watched)
        world.run(*several(30))
    assert max(most) <= 3


# Confirmation


def test_what_was_accepted_is_settled_by_what_the_target_makes_of_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.register.asynchronous = True
    world.register.verdicts = {
        "1": Outcome(REJECTED, "unknown company", detail={"request_status": "Error"}),
        "2": Outcome(DELIVERED, "saved with a warning"),
        "3": Outcome(UNCHANGED, "the same content already"),
    }
    bulk = world.run(*several(5, label="account"))
    assert tally(bulk) == {DELIVERED: 3, REJECTED: 1, UNCHANGED: 1}
    entry = world.ledger.lookup("accounts", ["1"])["1"]
    assert (entry.status, entry.reason, entry.request_id) == (REJECTED, "unknown company", "r-1")
    assert entry.detail["tries"] == 1
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "accounts: account: rejected: unknown company",
        "accounts: account: delivered: saved with a warning",
    ]


def test_a_confirmation_that_never_comes_is_waited_for_once_and_left_to_the_next_run(
    world: World,
) -> None:
    world.register.asynchronous, world.register.looks = True, 10_000
    bulk = world.start()
    for stream in RANKS:
        bulk.take(stream, document("a"))
    bulk.flush()
    # The first rank has its time, the later ones theirs together.
    assert 60 <= world.now <= 125
    assert max(world.register.looked.values()) < 25
    assert tally(bulk) == {ACCEPTED: 1}
    assert bulk.problems == []

    world.register.looks = 0
    before = world.now
    bulk = world.run(document("a"))
    assert world.now == before
    assert tally(bulk) == {DELIVERED: 1, UNCHANGED: 1}
    assert world.statuses("orders") == {"a": "delivered"}
    assert world.register.requests == []


def test_a_document_still_in_progress_is_not_sent_again_until_it_changes(world: World) -> None:
    world.register.asynchronous, world.register.looks = True, 10_000
    world.options["confirm_wait"] = 0
    world.run(document("a"))
    bulk = world.run(document("a"))
    assert (world.register.requests, tally(bulk)) == ([], {UNCHANGED: 1})
    assert world.statuses() == {"a": "accepted"}
    world.run(document("a", content=2))
    assert world.register.sizes() == [1]


def test_the_verdict_on_an_earlier_version_does_not_settle_the_newer_one(world: World) -> None:
    world.register.asynchronous, world.register.looks = True, 2
    world.options["confirm_wait"] = 0
    world.run(document("a"))
    (first,) = world.ledger.accepted_entries("accounts")
    world.options["confirm_wait"] = 60
    bulk = world.start()
    world.register.looks = 3
    bulk.take("accounts", document("a", content=2))
    world.register.requests.append(("other", []))  # so that the new request has another id

    def ask(request_id: str) -> None:
        old = request_id == first.request_id
        world.register.verdicts = {"a": Outcome(REJECTED, "old")} if old else {}

    world.register.asking = ask
    bulk.flush()
    assert world.statuses() == {"a": "delivered"}


def test_a_rejection_found_out_later_is_told_by_the_next_run(world: World) -> None:
    world.register.asynchronous, world.register.looks = True, 10_000
    world.options["confirm_wait"] = 0
    world.run(document("a"), document("b"))
    world.register.looks = 0
    world.register.verdicts = {"a": Outcome(REJECTED, "unknown"), "b": Outcome(ACCEPTED)}
    bulk = world.run(document("a"), document("b"))
    # It is sent again at once: the verdict was there before the record came.
    assert world.register.requests == [("accounts", ["a"])]
    assert world.statuses()["b"] == "accepted"
    assert tally(bulk)[UNCHANGED] == 1


@pytest.mark.parametrize(
    ("error", "looks"),
    [(Unavailable("down"), 3), (AccessDenied("requestStatus.read is missing"), 1)],
)
def test_a_target_that_cannot_be_asked_is_left_alone(
    world: World, error: DeliveryError, looks: int
) -> None:
    asked = []

    def fail(request_id: str) -> None:
        asked.append(request_id)
        raise error

    world.register.asynchronous, world.register.asking = True, fail
    bulk = world.run(document("a"))
    assert len(asked) == looks
    assert (tally(bulk), bulk.problems) == ({ACCEPTED: 1}, [])


def test_without_confirmation_accepted_is_delivered(world: World) -> None:
    world.register.asynchronous, world.register.looks = True, 10_000
    world.options["confirm_wait"] = 0
    world.run(document("a"))
    world.options["confirm"] = False
    bulk = world.run(document("b"))
    assert world.statuses() == {"a": "delivered", "b": "delivered"}
    assert not world.ledger.accepted_entries("accounts")
    assert tally(bulk) == {DELIVERED: 2}


# What vanished


def crawl(world: World, *keys: str, **more: Any) -> BulkDelivery:
    bulk: BulkDelivery = world.run(
        *(document(key, **more) for key in keys), complete="main_accounts"
    )
    return bulk


def test_what_vanished_is_withdrawn_once_and_sent_again_when_it_is_back(world: World) -> None:
    crawl(world, *"abc")
    bulk = crawl(world, *"ac")
    assert world.register.withdrawals == ["b"]
    assert world.register.inactive == {"b"}
    assert tally(bulk) == {UNCHANGED: 2, DELIVERED: 1}
    entry = world.ledger.lookup("accounts", ["b"])["b"]
    assert (entry.version, entry.status) == (WITHDRAWN, DELIVERED)
    crawl(world, *"ac")
    assert world.register.withdrawals == []
    crawl(world, *"abc")
    assert world.register.requests == [("accounts", ["b"])]
    assert world.register.inactive == set()
    crawl(world, *"ac")
    assert world.register.withdrawals == ["b"]


def test_without_a_complete_crawl_nothing_is_withdrawn(world: World) -> None:
    crawl(world, *"abc")
    world.run(document("a"))
    world.run(document("a"), complete="vendors")
    bulk = world.start()
    bulk.complete("main_accounts")  # some taps announce a version before its records
    bulk.take("accounts", document("a"))
    bulk.flush()
    assert world.register.inactive == set()


def test_an_empty_crawl_withdraws_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    crawl(world, *"abc")
    bulk = crawl(world)
    assert world.register.withdrawals == []
    assert "the crawl was empty" in caplog.text
    assert bulk.problems == []


def test_only_scopes_that_the_crawl_showed_count(world: World) -> None:
    one = [document(key, scope="usmf") for key in "ab"]
    other = [document(key, scope="dat") for key in "cd"]
    world.run(*one, *other, complete="main_accounts")
    world.run(one[0], complete="main_accounts")
    assert world.register.withdrawals == ["b"]


def test_a_rejected_record_has_not_vanished(world: World) -> None:
    crawl(world, *"abc")
    bulk = world.start()
    bulk.take("accounts", document("a"))
    bulk.reject("accounts", document("b"), "no tax code US99")
    bulk.complete("main_accounts")
    bulk.flush()
    assert world.register.withdrawals == ["c"]


def test_no_part_of_a_record_that_could_not_be_used_has_vanished(world: World) -> None:
    detail = {"_record": '["7"]'}
    world.run(document("a", detail=detail), document("b"), complete="main_accounts")
    bulk = world.start()
    bulk.take("accounts", document("b"))
    bulk.reject("accounts", document("another name", detail=detail), "no dimension is mapped")
    bulk.complete("main_accounts")
    bulk.flush()
    assert world.register.withdrawals == []


def test_a_line_that_could_not_be_read_may_be_what_is_missing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    crawl(world, *"abc")
    world.unreadable = 1
    crawl(world, *"ab")
    assert world.register.withdrawals == []
    assert "nothing is inactivated in this run" in caplog.text


def test_more_than_the_limit_is_refused_in_words(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.options |= {"vanish_floor": 2, "vanish_limit_percent": 10}
    crawl(world, *(f"{n}" for n in range(100)))
    bulk = crawl(world, *(f"{n}" for n in range(89)))
    assert world.register.withdrawals == []
    assert bulk.problems == ["what vanished of accounts"]
    assert "11 of 100 accounts (11 %) are missing" in caplog.text
    assert "run once with max_vanished_percent 11" in caplog.text
    world.options["vanish_limit_percent"] = 11
    bulk = crawl(world, *(f"{n}" for n in range(89)))
    assert (len(world.register.withdrawals), bulk.problems) == (11, [])


def test_a_few_may_always_vanish(world: World) -> None:
    crawl(world, *"abc")
    assert crawl(world, "a").problems == []
    assert sorted(world.register.withdrawals) == ["b", "c"]


def test_nothing_is_withdrawn_where_that_is_not_wanted(world: World) -> None:
    world.options["withdraw"] = False
    crawl(world, *"abc")
    bulk = world.start()
    bulk.take("accounts", document("a"))
    bulk.complete("main_accounts")
    assert not bulk.pending
    bulk.flush()
    assert world.register.withdrawals == []


def test_what_needs_no_withdrawal_is_said_once(world: World) -> None:
    crawl(world, "a", "eternal")
    bulk = crawl(world, "a")
    assert tally(bulk) == {UNCHANGED: 1, SKIPPED: 1}
    assert tally(crawl(world, "a")) == {UNCHANGED: 1}
    crawl(world, "a", "eternal")
    assert world.register.requests == [("accounts", ["eternal"])]


def test_higher_ranks_are_withdrawn_first(world: World) -> None:
    def offer(*keys: str) -> None:
        bulk = world.start()
        for stream in ("vendors", "companies", "orders"):
            for key in keys:
                bulk.take(stream, document(f"{stream} {key}", source=stream))
            bulk.complete(stream)
        bulk.flush()

    world.options["connections"] = 1
    offer("a", "b")
    offer("a")
    assert world.register.withdrawals == ["orders b", "vendors b", "companies b"]


def test_a_withdrawal_that_is_refused_is_tried_again_so_often(world: World) -> None:
    world.options["max_tries"] = 2
    crawl(world, *"ab")
    world.register.invalid = {"b": "it is in use"}
    assert tally(crawl(world, "a")) == {UNCHANGED: 1, REJECTED: 1}
    assert tally(crawl(world, "a"))[REJECTED] == 1
    crawl(world, "a")
    assert world.register.withdrawals == []
    assert world.ledger.lookup("accounts", ["b"])["b"].reason == "it is in use"


def test_a_withdrawal_that_turned_out_wrong_is_tried_again(world: World) -> None:
    crawl(world, *"ab")
    world.register.asynchronous = True
    world.register.verdicts = {"b": Outcome(REJECTED, "locked for the moment")}
    crawl(world, "a")
    assert world.statuses()["b"] == "rejected"
    world.register.verdicts = {}
    crawl(world, "a")
    assert (world.register.withdrawals, world.statuses()["b"]) == (["b"], "delivered")


def test_a_rejected_change_does_not_keep_a_record_from_being_withdrawn(world: World) -> None:
    crawl(world, *"ab")
    world.register.invalid = {"b": "the name is too long"}
    world.run(document("a"), document("b", content=2), complete="main_accounts")
    assert world.statuses()["b"] == "rejected"
    world.register.invalid = {}
    crawl(world, "a")
    assert world.register.withdrawals == ["b"]


def test_what_never_arrived_is_not_withdrawn(world: World) -> None:
    world.register.invalid = {"b": "the name is too long"}
    crawl(world, *"ab")
    crawl(world, "a")
    assert world.register.withdrawals == []


@pytest.mark.parametrize("error", [InDoubt("timeout"), Unavailable("down")])
def test_a_withdrawal_that_got_lost_holds_back_the_state(world: World, error: Exception) -> None:
    crawl(world, *"ab")

    def fail(batch: Sequence[Document]) -> None:
        raise error

    world.register.failing = fail
    bulk = crawl(world, "a")
    assert bulk.problems == ["1 of accounts"]
    world.register.failing = lambda _: None
    assert crawl(world, "a").problems == []
    assert world.register.inactive == {"b"}


# The whole, in any order


steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(1, 2)), max_size=10),
        st.booleans(),
        st.sampled_from(["", "refuse c", "lose", "down", "reject d later"]),
    ),
    min_size=1,
    max_size=5,
)


@given(steps, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_the_register_holds_the_latest_crawl_once_things_work_again(
    engine: sqlalchemy.Engine, runs: list[Any], most: int
) -> None:
    world = World(Ledger(engine, f"https://{uuid.uuid4().hex}.example"))
    world.limits = {"max_records": most}
    for offered, complete, trouble in runs:
        counter = itertools.count()
        register = world.register
        register.invalid = {"c": "no"} if trouble == "refuse c" else {}
        register.asynchronous = trouble == "reject d later"
        register.verdicts = {"d": Outcome(REJECTED, "later")}

        def fail(
            batch: Sequence[Document],
            trouble: str = trouble,
            counter: Iterator[int] = counter,
        ) -> None:
            if trouble == "down" and next(counter) > 1:
                raise Unavailable("down")

        def lose(
            batch: Sequence[Document],
            trouble: str = trouble,
            counter: Iterator[int] = counter,
        ) -> None:
            if trouble == "lose" and next(counter) % 2:
                raise InDoubt("lost")

        register.failing, register.losing = fail, lose
        bulk = world.start()
        for key, content in offered:
            bulk.take("accounts", document(key, content=content))
        if complete:
            bulk.complete("main_accounts")
        try:
            bulk.flush()
        except Unavailable:
            assert trouble == "down"
    world.register.__init__(rows=world.register.rows, inactive=world.register.inactive)  # type: ignore[misc]
    world.options["max_tries"] = 99
    final = {"a": 1, "b": 2, "c": 1}
    world.run(*(document(k, content=n) for k, n in final.items()), complete="main_accounts")
    held = world.register.rows["accounts"]
    assert {key: held[key]["content"] for key in held if key not in world.register.inactive} == (
        final
    )
    bulk = world.run(*(document(k, content=n) for k, n in final.items()), complete="main_accounts")
    assert (world.register.requests, world.register.withdrawals) == ([], [])
    assert all(status in TAKEN for status in tally(bulk))


# Logs


@pytest.mark.parametrize(
    ("counts", "more", "words"),
    [
        (
            {DELIVERED: 31},
            {"requests": 1, "fewest": 1},
            "31 delivered in 1 request (the fewest possible: 1)",
        ),
        (
            {UNCHANGED: 2, ACCEPTED: 4, DELIVERED: 3, REJECTED: 1},
            {"requests": 5, "fewest": 1},
            "4 accepted, 3 delivered in 5 requests (the fewest possible: 1), 2 unchanged, "
            "1 rejected",
        ),
        (
            {REJECTED: 1},
            {"requests": 1, "fewest": 1},
            "nothing taken in 1 request (the fewest possible: 1), 1 rejected",
        ),
        ({UNCHANGED: 33}, {}, "33 unchanged, nothing sent"),
        ({UNCHANGED: 3}, {"still_rejected": 2}, "3 unchanged, 2 still rejected, nothing sent"),
        ({}, {}, "nothing sent"),
        ({NOT_SENT: 5, UNCHANGED: 1}, {}, "5 not sent, 1 unchanged"),
        ({DELIVERED: 2}, {}, "2 delivered"),
        ({DELIVERED: 1}, {"inactivations": 1}, "1 delivered, 1 inactivation among them"),
        ({REJECTED: 2}, {"inactivations": 2}, "2 rejected, 2 inactivations among them"),
    ],
)
def test_the_summary_in_words(counts: dict[Status, int], more: dict[str, int], words: str) -> None:
    assert summary(counts, **more) == words


def test_a_run_that_finds_nothing_changed_says_so(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.run(*several(33))
    caplog.set_level(logging.INFO)
    world.run(*several(33)).sum_up()
    assert caplog.messages == ["accounts: 33 unchanged, nothing sent (run run-2)"]


def test_what_is_delivered_is_counted_not_listed(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.limits = {"max_records": 100}
    bulk = world.run(*several(1000))
    bulk.sum_up()
    assert [record.getMessage() for record in caplog.records] == [
        "accounts: 1000 to be sent",
        "accounts: 1000 delivered in 10 requests (the fewest possible: 10) (run run-1)",
    ]


def test_remarks_of_thousands_do_not_flood_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world.register.asynchronous = True
    world.register.verdicts = {f"{n}": Outcome(DELIVERED, "with a warning") for n in range(500)}
    world.run(*several(500))
    assert len(caplog.records) <= 105


def test_a_ledger_that_cannot_be_written_ends_the_run_before_anything_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk = world.start()
    bulk.take("accounts", document("a"))

    def full(*arguments: Any) -> None:
        msg = "database or disk is full"
        raise LedgerError(msg)

    monkeypatch.setattr(world.ledger, "intend", full)
    with pytest.raises(LedgerError):
        bulk.flush()
    assert world.register.requests == []


def test_both_databases_carry_a_whole_life(ledger: Ledger) -> None:
    world = World(ledger)
    world.register.asynchronous, world.register.looks = True, 2
    world.register.invalid = {"3": "wrong"}
    bulk = world.run(*several(700), complete="main_accounts")
    assert tally(bulk) == {DELIVERED: 699, REJECTED: 1}
    world.register.looks, world.options["confirm_wait"] = 10_000, 0
    crawl(world, *(f"{n}" for n in range(690)))
    assert len(world.register.withdrawals) == 10
    world.register.looks = 0
    bulk = crawl(world, *(f"{n}" for n in range(690)))
    assert tally(bulk) == {DELIVERED: 10, UNCHANGED: 689, REJECTED: 1}
    assert ledger.count_held("accounts", "main_accounts") == 689
