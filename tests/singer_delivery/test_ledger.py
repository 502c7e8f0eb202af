"""The ledger on real databases: what is committed survives, and outcomes appear in order."""

from __future__ import annotations

import builtins
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from alembic import command
from alembic.config import Config
from singer_delivery.database import VERSION_TABLE
from singer_delivery.document import Document, Entry, Outcome, Status
from singer_delivery.errors import LedgerError
from singer_delivery.ledger import Ledger
from singer_delivery.payloads import SingerStream, load
from singer_delivery.runs import Run

SYSTEM = "https://usmf.example"
DELIVERED = Outcome(Status.DELIVERED, remote_key="VEN-1")
REJECTED = Outcome(Status.REJECTED, "the vendor is on hold")


def invoice(key: str, **changes: Any) -> Document:
    plain = Document(key, None, "f" * 64, natural_key=f"usmf/V1/{key}", version="1")
    return replace(plain, **changes)


@contextmanager
def opened(url: str, system: str = SYSTEM) -> Iterator[Ledger]:
    ledger = Ledger.open(url, system)
    yield ledger
    ledger.close()


def other_process(code: str, url: str, *arguments: str) -> subprocess.Popen[str]:
    """Start Python with a ledger open on the same database."""
    start = """
        import os, sys
        from singer_delivery.document import Document, Outcome, Status
        from singer_delivery.ledger import Ledger
    """
    program = textwrap.dedent(start) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", program, url, *arguments],
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


# What is known of a document


def test_an_intent_is_known_until_its_outcome(ledger: Ledger) -> None:
    ledger.intend("invoices", [invoice("1"), invoice("2")], "run-1")
    assert [entry.key for entry in ledger.open_entries("invoices")] == ["1", "2"]
    ledger.settle("invoices", invoice("1"), DELIVERED, "run-1")
    assert [entry.key for entry in ledger.open_entries("invoices")] == ["2"]
    entry = ledger.lookup("invoices", ["1"])["1"]
    assert (entry.status, entry.remote_key, entry.attempts) == (Status.DELIVERED, "VEN-1", 1)


def test_a_document_in_doubt_stays_open(ledger: Ledger) -> None:
    ledger.intend("invoices", [invoice("1")], "run-1")
    ledger.settle("invoices", invoice("1"), Outcome(Status.IN_DOUBT, "reset"), "run-1")
    (entry,) = ledger.open_entries("invoices")
    assert (entry.status, entry.reason, entry.settled_at) == (Status.IN_DOUBT, "reset", None)
    ledger.settle_entry(entry, replace(DELIVERED, detail={"voucher": "9"}), "run-2")
    settled = ledger.lookup("invoices", ["1"])["1"]
    assert ledger.open_entries("invoices") == []
    assert (settled.run_id, settled.detail, settled.remote_key) == (
        "run-2",
        {"voucher": "9"},
        "VEN-1",
    )


def test_what_another_runner_settled_meanwhile_is_not_overwritten(ledger: Ledger) -> None:
    ledger.intend("invoices", [invoice("1")], "run-1")
    (left,) = ledger.open_entries("invoices")
    ledger.settle("invoices", invoice("1"), DELIVERED, "run-1")
    ledger.settle_entry(left, Outcome(Status.NOT_SENT), "run-2")
    assert ledger.lookup("invoices", ["1"])["1"].status is Status.DELIVERED


def test_attempts_count_the_intents_only(ledger: Ledger) -> None:
    for run in ("run-1", "run-2"):
        ledger.intend("invoices", [invoice("1")], run)
        ledger.settle("invoices", invoice("1"), Outcome(Status.NOT_SENT, "down"), run)
    ledger.settle("invoices", invoice("2"), REJECTED, "run-2")
    known = ledger.lookup("invoices", ["1", "2", "3"])
    assert {key: entry.attempts for key, entry in known.items()} == {"1": 2, "2": 0}


def test_everything_told_about_a_document_comes_back(ledger_url: str) -> None:
    document = invoice(
        "Ünïcode / 'quoted' \\ 100%",
        version="2026-11-23T10:00:00Z",
        remote_key="BW1",
        detail={"company": "1000", "lines": [1, {"x": None}], "gross": Decimal("1.10"), "é": True},
    )
    outcome = Outcome(Status.REJECTED, "zu spät; 期限切れ", "", "req-1", {"company": "2000"})
    now = datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC)
    with opened(ledger_url) as ledger:
        ledger._clock = lambda: now
        ledger.intend("invoices", [document], "run-1")
        ledger.settle("invoices", document, outcome, "run-1")
    with opened(ledger_url) as again:
        assert again.lookup("invoices", [document.key])[document.key] == Entry(
            stream="invoices",
            key=document.key,
            natural_key=document.natural_key,
            version=document.version,
            fingerprint=document.fingerprint,
            status=Status.REJECTED,
            reason=outcome.reason,
            remote_key="BW1",
            request_id="req-1",
            detail={"company": "2000", "lines": [1, {"x": None}], "gross": "1.10", "é": True},
            attempts=1,
            sequence=int(now.timestamp() * 1000),
            run_id="run-1",
            settled_at=now,
            revision=2,
            intended_at=now,
        )


def test_words_that_a_database_cannot_hold_do_not_stop_an_outcome(ledger: Ledger) -> None:
    outcome = Outcome(Status.REJECTED, "bad \0 text \ud800", request_id="\0")
    ledger.settle("invoices", invoice("1"), outcome, "run-1")
    assert ledger.lookup("invoices", ["1"])["1"].reason.startswith("bad \ufffd text")


def test_a_rejected_change_does_not_make_the_ledger_forget_what_is_held(ledger: Ledger) -> None:
    ledger.settle("invoices", invoice("1"), DELIVERED, "run-1")
    unreadable = invoice("1", natural_key="", version="2")
    ledger.settle("invoices", unreadable, REJECTED, "run-2")
    entry = ledger.lookup("invoices", ["1"])["1"]
    assert (entry.status, entry.version) == (Status.REJECTED, "2")
    assert (entry.remote_key, entry.natural_key) == ("VEN-1", "usmf/V1/1")


def test_a_document_is_known_by_the_latest_of_its_keys(ledger: Ledger) -> None:
    moment = datetime(2026, 1, 5, 10, tzinfo=UTC)
    ledger._clock = lambda: moment
    first = invoice("1", natural_key="usmf/V1/A", source="vendors", scope="usmf")
    ledger.intend("invoices", [first], "run-1")
    ledger.settle("invoices", first, DELIVERED, "run-1")
    ledger._clock = lambda: moment + timedelta(hours=1)
    second = replace(first, natural_key="usmf/V1/B", source="suppliers", scope="dat")
    ledger.settle("invoices", second, replace(DELIVERED, remote_key="VEN-2"), "run-2")
    entry = ledger.lookup("invoices", ["1"])["1"]
    assert (entry.natural_key, entry.remote_key) == ("usmf/V1/B", "VEN-2")
    assert (entry.source, entry.scope, entry.revision) == ("suppliers", "dat", 3)
    assert [*ledger.lookup_natural("invoices", ["usmf/V1/A", "usmf/V1/B"])] == ["usmf/V1/B"]
    with ledger._engine.connect() as connection:
        query = sqlalchemy.text("SELECT intended_at FROM documents")
        assert connection.execute(query).scalar() == moment.isoformat()
    again = moment + timedelta(hours=2)
    ledger._clock = lambda: again
    ledger.intend("invoices", [second], "run-3")
    with ledger._engine.connect() as connection:
        assert connection.execute(query).scalar() == again.isoformat()
    # Until there is a newer one, the number of its last outcome is its own.
    assert ledger.lookup("invoices", ["1"])["1"].sequence == entry.sequence > 0


# Many at once, what is only accepted, what is held


def test_many_outcomes_are_committed_together_and_numbered_without_gaps(ledger: Ledger) -> None:
    ledger.settle("invoices", invoice("0"), DELIVERED, "run-1")
    outcomes = [
        (invoice("b"), REJECTED),
        (invoice("c"), Outcome(Status.ACCEPTED, request_id="r-1")),
        (invoice("a"), replace(DELIVERED, remote_key="A")),
        (invoice("d"), Outcome(Status.NOT_SENT, "down")),
    ]
    ledger.settle_many("invoices", outcomes, "run-1")
    first = ledger.outcomes("invoices")[0].sequence
    assert [(e.key, e.sequence - first) for e in ledger.outcomes("invoices")] == [
        *[("0", 0), ("a", 1), ("b", 2)]
    ]
    known = ledger.lookup("invoices", "abcd")
    assert [known[key].status for key in "abcd"] == [
        *[Status.DELIVERED, Status.REJECTED, Status.ACCEPTED, Status.NOT_SENT]
    ]
    assert (known["a"].remote_key, known["c"].request_id) == ("A", "r-1")
    assert known["c"].settled_at is None
    ledger.settle_many("invoices", [], "run-1")


def test_the_first_block_of_a_ledger_is_numbered_from_now(ledger: Ledger) -> None:
    ledger.settle_many("invoices", [(invoice(key), DELIVERED) for key in "abc"], "run-1")
    ledger.settle("invoices", invoice("d"), DELIVERED, "run-1")
    numbers = [entry.sequence for entry in ledger.outcomes("invoices")]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert abs(numbers[0] - time.time() * 1000) < 600_000


def test_a_skipped_document_is_an_outcome(ledger: Ledger) -> None:
    ledger.settle("invoices", invoice("1"), Outcome(Status.SKIPPED, "never in Basware"), "run-1")
    (entry,) = ledger.outcomes("invoices")
    assert (entry.status, entry.reason) == (Status.SKIPPED, "never in Basware")


def test_what_is_accepted_is_found_by_page_and_by_request(ledger: Ledger) -> None:
    for key, request_id in zip("cabd", ("r-2", "r-1", "r-2", "r-1"), strict=True):
        accepted = Outcome(Status.ACCEPTED, request_id=request_id)
        ledger.settle("invoices", invoice(key), accepted, "run-1")
    ledger.settle("invoices", invoice("e"), DELIVERED, "run-1")
    assert [e.key for e in ledger.accepted_entries("invoices", limit=3)] == ["a", "b", "c"]
    assert [e.key for e in ledger.accepted_entries("invoices", after="c")] == ["d"]
    assert list(ledger.accepted_requests("invoices")) == [
        *[("r-1", "a"), ("r-1", "d"), ("r-2", "b"), ("r-2", "c")]
    ]
    assert ledger.unsettled_streams() == ["invoices"]
    assert ledger.lookup_natural("invoices", ["usmf/V1/a"])["usmf/V1/a"].key == "a"


def test_only_what_is_open_and_belongs_to_the_same_request_is_settled(ledger: Ledger) -> None:
    def accept(request_id: str) -> list[Entry]:
        outcome = Outcome(Status.ACCEPTED, request_id=request_id)
        ledger.settle_many("invoices", [(invoice(key), outcome) for key in "ab"], "run-1")
        return ledger.accepted_entries("invoices")

    earlier = accept("r-1")
    later = accept("r-2")
    ledger.settle_entries([(entry, REJECTED) for entry in earlier], "run-2")
    assert len(ledger.accepted_entries("invoices")) == 2
    ledger.settle_entries([(entry, DELIVERED) for entry in later], "run-2")
    ledger.settle_entries([(entry, REJECTED) for entry in later], "run-3")
    settled = ledger.outcomes("invoices")
    assert [(e.key, e.status, e.run_id, e.remote_key) for e in settled] == [
        ("a", Status.DELIVERED, "run-2", "VEN-1"),
        ("b", Status.DELIVERED, "run-2", "VEN-1"),
    ]
    assert settled[1].sequence == settled[0].sequence + 1


def test_what_is_held_of_a_source_comes_by_page_in_key_order(ledger: Ledger) -> None:
    def settle(key: str, outcome: Outcome, source: str = "vendors", **more: Any) -> None:
        ledger.settle("v", invoice(key, source=source, scope="usmf", **more), outcome, "run-1")

    taken = [DELIVERED, Outcome(Status.UNCHANGED), Outcome(Status.ACCEPTED, request_id="r")]
    for key, outcome in zip("cab", taken, strict=True):
        settle(key, outcome)
    settle("rejected", REJECTED)
    settle("unsent", Outcome(Status.NOT_SENT))
    settle("withdrawn", DELIVERED, version="withdrawn")
    settle("elsewhere", DELIVERED, source="orders")
    settle("gone there, too", DELIVERED)
    settle("gone there, too", Outcome(Status.SKIPPED, "not there"), version="withdrawn")
    settle("not withdrawn", DELIVERED)
    settle("not withdrawn", REJECTED, version="withdrawn")
    held = ledger.held("v", "vendors")
    assert [entry.key for entry in held] == ["a", "b", "c", "not withdrawn"]
    assert (held[0].source, held[0].scope) == ("vendors", "usmf")
    assert [e.key for e in ledger.held("v", "vendors", after="a", limit=2)] == ["b", "c"]
    assert ledger.held_keys("v", "vendors", after="b") == [("c", "usmf"), ("not withdrawn", "usmf")]
    assert ledger.count_held("v", "vendors") == 4
    assert ledger.held_sources() == [("orders", "v"), ("vendors", "v")]


def test_a_rejected_or_lost_change_leaves_a_document_held(ledger: Ledger) -> None:
    ledger.settle("v", invoice("a", source="vendors", scope="usmf"), DELIVERED, "run-1")
    # A document that is rejected early may not know where it came from.
    ledger.settle("v", invoice("a", version="2"), REJECTED, "run-2")
    (entry,) = ledger.held("v", "vendors")
    assert (entry.status, entry.scope) == (Status.REJECTED, "usmf")
    ledger.intend("v", [invoice("a", version="3"), invoice("new", source="vendors")], "run-3")
    assert ledger.count_held("v", "vendors") == 1
    # The second one may have arrived.
    assert ledger.abandon("v", "interrupted", "run-4") == 2
    assert ledger.count_held("v", "vendors") == 2
    assert ledger.open_entries("v") == []
    assert {e.status for e in ledger.lookup("v", ["a", "new"]).values()} == {Status.NOT_SENT}


def test_a_ledger_of_the_first_schema_keeps_what_it_holds(ledger_url: str) -> None:
    old = {
        **dict.fromkeys(("natural_key", "version", "reason", "remote_key", "request_id"), ""),
        "system": SYSTEM,
        "stream": "invoices",
        "fingerprint": "f",
        "detail": '{"a": 1}',
        "attempts": 1,
        "run_id": "run-1",
        "intended_at": None,
        "settled_at": None,
    }
    engine = sqlalchemy.create_engine(ledger_url)
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", "singer_delivery:migrations")
        config.attributes |= {"connection": connection, "version_table": VERSION_TABLE}
        command.upgrade(config, "0001")
        names = [*old, "key", "status", "sequence"]
        values = ", ".join(f":{name}" for name in names)
        insert = f"INSERT INTO documents ({', '.join(names)}) VALUES ({values})"
        for number, status in enumerate(("delivered", "unchanged", "rejected"), start=5):
            row = {**old, "key": status, "status": status, "sequence": number}
            connection.execute(sqlalchemy.text(insert), row)
        connection.execute(
            sqlalchemy.text("INSERT INTO sequences VALUES (:system, 7)"), {"system": SYSTEM}
        )
    engine.dispose()
    with opened(ledger_url) as ledger:
        found = ledger.outcomes("invoices")
        assert [(e.key, e.sequence, e.source, e.scope, e.detail) for e in found] == [
            *[("delivered", 5, "", "", {"a": 1}), ("unchanged", 6, "", "", {"a": 1})],
            ("rejected", 7, "", "", {"a": 1}),
        ]
        assert ledger.count_held("invoices", "") == 2
        ledger.settle("invoices", invoice("new", source="s"), DELIVERED, "run-2")
        assert [entry.key for entry in ledger.outcomes("invoices", after=7)] == ["new"]
    with opened(ledger_url) as ledger:
        assert len(ledger.outcomes("invoices")) == 4


# Natural keys


def test_the_natural_key_finds_what_is_held_or_may_be(ledger: Ledger) -> None:
    def same_number(key: str) -> Document:
        return invoice(key, natural_key="usmf/V1/F-1")

    ledger.settle("invoices", same_number("rejected"), REJECTED, "run-1")
    ledger.settle("invoices", same_number("lost"), Outcome(Status.NOT_SENT), "run-1")
    assert ledger.lookup_natural("invoices", ["usmf/V1/F-1"]) == {}
    ledger.intend("invoices", [same_number("doubtful")], "run-1")
    assert ledger.lookup_natural("invoices", ["usmf/V1/F-1"])["usmf/V1/F-1"].key == "doubtful"
    ledger.settle("invoices", same_number("first"), DELIVERED, "run-1")
    ledger.settle("invoices", same_number("latest"), Outcome(Status.UNCHANGED), "run-1")
    assert ledger.lookup_natural("invoices", ["usmf/V1/F-1"])["usmf/V1/F-1"].key == "latest"


def test_a_document_that_never_arrived_is_not_found_though_its_answer_was_lost(
    ledger: Ledger,
) -> None:
    document = invoice("doubtful", natural_key="usmf/V1/F-1")
    ledger.settle("invoices", document, Outcome(Status.IN_DOUBT), "run-1")
    assert ledger.lookup_natural("invoices", ["usmf/V1/F-1"])

    ledger.settle("invoices", document, Outcome(Status.NOT_SENT, read_back=True), "run-1")

    assert ledger.lookup_natural("invoices", ["usmf/V1/F-1"]) == {}


@pytest.mark.parametrize("status", [Status.REJECTED, Status.NOT_SENT, Status.STUCK])
def test_a_document_whose_earlier_version_arrived_is_found(ledger: Ledger, status: Status) -> None:
    document = invoice("changed", natural_key="usmf/V1/F-1")
    ledger.settle("invoices", document, DELIVERED, "run-1")
    ledger.settle("invoices", document, Outcome(status), "run-1")

    assert ledger.lookup_natural("invoices", ["usmf/V1/F-1"])["usmf/V1/F-1"].key == "changed"


def test_documents_without_a_natural_key_are_not_alike(ledger: Ledger) -> None:
    ledger.settle("invoices", invoice("1", natural_key=""), DELIVERED, "run-1")
    assert ledger.lookup_natural("invoices", [""]) == {}


def test_ten_thousand_keys_are_looked_up_at_once(ledger: Ledger) -> None:
    ledger.intend("invoices", [invoice(f"{n:05}") for n in range(0, 10_000, 50)], "run-1")
    keys = [f"{n:05}" for n in range(10_000)]
    assert sorted(ledger.lookup("invoices", keys)) == keys[::50]
    natural = ledger.lookup_natural("invoices", [f"usmf/V1/{key}" for key in keys])
    assert len(natural) == 200


# Outcomes in order


def test_outcomes_come_in_the_order_of_their_settling_a_page_at_a_time(ledger: Ledger) -> None:
    for key in "cab":
        ledger.settle("invoices", invoice(key), DELIVERED, "run-1")
    ledger.intend("invoices", [invoice("open")], "run-1")
    ledger.settle("invoices", invoice("a"), REJECTED, "run-2")
    first = ledger.outcomes("invoices")[0].sequence
    assert [(e.key, e.sequence - first) for e in ledger.outcomes("invoices")] == [
        ("c", 0),
        ("b", 2),
        ("a", 3),
    ]
    assert [e.key for e in ledger.outcomes("invoices", after=first, limit=1)] == ["b"]
    assert ledger.outcomes("invoices", after=first + 3) == []
    # What is sent again has no outcome until it has its next one.
    ledger.intend("invoices", [invoice("b")], "run-3")
    assert [e.key for e in ledger.outcomes("invoices")] == ["c", "a"]


def test_a_ledger_that_replaces_a_lost_one_goes_on_above_it(tmp_path: Path) -> None:
    last = 0
    for name in ("lost", "new"):
        with opened(f"sqlite:///{tmp_path}/{name}.db") as ledger:
            for key in "ab":
                ledger.settle("invoices", invoice(key), DELIVERED, "run-1")
                time.sleep(0.002)
            # A reader with the bookmark from before sees all of them.
            assert len(ledger.outcomes("invoices", after=last)) == 2
            last = ledger.outcomes("invoices")[-1].sequence


def test_a_ledger_restored_from_a_backup_goes_on_above_what_was_read(tmp_path: Path) -> None:
    file, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
    now = datetime(2026, 11, 23, 10, tzinfo=UTC)
    with opened(f"sqlite:///{file}") as ledger:
        ledger._clock = lambda: now
        ledger.settle("invoices", invoice("1"), DELIVERED, "run-1")
    backup.write_bytes(file.read_bytes())
    with opened(f"sqlite:///{file}") as ledger:
        ledger._clock = lambda: now
        for key in "2345":
            ledger.settle("invoices", invoice(key), DELIVERED, "run-1")
        bookmark = ledger.outcomes("invoices")[-1].sequence
    with opened(f"sqlite:///{backup}") as ledger:
        ledger._clock = lambda: now + timedelta(minutes=2)
        ledger.settle("invoices", invoice("6"), DELIVERED, "run-2")
        assert [entry.key for entry in ledger.outcomes("invoices", after=bookmark)] == ["6"]


def test_two_systems_and_two_streams_do_not_mix(ledger_url: str) -> None:
    with opened(ledger_url) as production, opened(ledger_url, "https://sandbox.example") as sandbox:
        production.settle("invoices", invoice("1"), DELIVERED, "run-1")
        production.intend("payments", [invoice("1")], "run-1")
        sandbox.settle("invoices", invoice("1"), REJECTED, "run-2")
        assert production.lookup("invoices", ["1"])["1"].status is Status.DELIVERED
        assert sandbox.lookup("invoices", ["1"])["1"].status is Status.REJECTED
        assert sandbox.open_entries("payments") == []
        assert sandbox.lookup_natural("invoices", ["usmf/V1/1"]) == {}
        assert len(production.outcomes("invoices")) == 1
        assert len(sandbox.outcomes("invoices")) == 1


def read_while(ledger: Ledger, busy: Any) -> list[int]:
    """Read outcomes as a tap would, each time from the last one seen, until nobody writes."""
    seen: list[int] = []
    while True:
        last_round = not busy()
        seen += [e.sequence for e in ledger.outcomes("invoices", after=seen[-1] if seen else 0)]
        if last_round:
            return seen


def test_a_reader_beside_writing_threads_misses_nothing(ledger_url: str) -> None:
    with opened(ledger_url) as ledger, ThreadPoolExecutor(4) as pool:
        written = [
            pool.submit(ledger.settle, "invoices", invoice(f"{n}"), DELIVERED, "run")
            for n in range(80)
        ]
        seen = read_while(ledger, lambda: not all(future.done() for future in written))
        for future in written:
            future.result()
    assert seen == list(range(seen[0], seen[0] + 80))


def test_a_reader_beside_writing_processes_misses_nothing(ledger_url: str) -> None:
    settle = """
        ledger = Ledger.open(sys.argv[1], "https://usmf.example")
        for n in range(60):
            document = Document(f"{sys.argv[2]}-{n}", None, "")
            ledger.settle("invoices", document, Outcome(Status.DELIVERED), "run")
    """
    with opened(ledger_url) as ledger:
        writers = [other_process(settle, ledger_url, name) for name in ("a", "b")]
        seen = read_while(ledger, lambda: any(writer.poll() is None for writer in writers))
        for writer in writers:
            assert writer.communicate()[1] == ""
    assert seen == list(range(seen[0], seen[0] + 120))


# Crashes and neighbours


def test_intents_survive_the_death_of_their_process(ledger_url: str) -> None:
    die = """
        ledger = Ledger.open(sys.argv[1], "https://usmf.example")
        ledger.intend("invoices", [Document(f"{n}", None, "") for n in range(3)], "run-1")
        ledger.settle("invoices", Document("1", None, ""), Outcome(Status.DELIVERED), "run-1")
        os.kill(os.getpid(), 9)
    """
    died = other_process(die, ledger_url)
    died.communicate()
    assert died.returncode == -9
    with opened(ledger_url) as ledger:
        assert [entry.key for entry in ledger.open_entries("invoices")] == ["0", "2"]
        assert ledger.lookup("invoices", ["1"])["1"].status is Status.DELIVERED


def test_runners_that_open_an_empty_database_together_all_get_it(ledger_url: str) -> None:
    together = threading.Barrier(3)

    def run(key: str) -> None:
        together.wait()
        with opened(ledger_url) as ledger:
            ledger.settle("invoices", invoice(key), DELIVERED, "run")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, "abc"))
    with opened(ledger_url) as ledger:
        assert sorted(ledger.lookup("invoices", "abc")) == ["a", "b", "c"]


def test_a_migration_in_postgresql_waits_for_another_runners(postgres_url: str) -> None:
    engine = sqlalchemy.create_engine(postgres_url)
    with ThreadPoolExecutor(1) as pool, engine.begin() as first:
        first.exec_driver_sql("SELECT pg_advisory_xact_lock(4203187)")
        second = pool.submit(Ledger.open, postgres_url, SYSTEM)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not first.exec_driver_sql(waiting).scalar():
            assert not second.done()
        first.commit()
        second.result().close()
    engine.dispose()


def test_opening_a_sqlite_ledger_waits_for_a_runner_that_is_creating_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with ThreadPoolExecutor(1) as pool:
        creating = sqlite3.connect(path, isolation_level=None)
        creating.execute("BEGIN IMMEDIATE")
        creating.execute("CREATE TABLE other (x)")
        second = pool.submit(Ledger.open, f"sqlite:///{path}", SYSTEM)
        with pytest.raises(TimeoutError):
            second.result(0.05)
        creating.execute("COMMIT")
        creating.close()
        second.result().close()


def test_two_runners_that_intend_the_same_documents_do_not_lock_each_other_out(
    ledger_url: str,
) -> None:
    documents = [invoice(f"{n}") for n in range(200)]
    with opened(ledger_url) as one, opened(ledger_url) as other:
        together = threading.Barrier(2)

        def intend(ledger: Ledger, order: list[Document]) -> None:
            together.wait()
            ledger.intend("invoices", order, "run")

        with ThreadPoolExecutor(2) as pool:
            for future in [
                pool.submit(intend, one, documents),
                pool.submit(intend, other, documents[::-1]),
            ]:
                future.result()
        assert {entry.attempts for entry in one.open_entries("invoices")} == {2}


def test_a_sqlite_ledger_survives_a_power_cut(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/ledger.db") as ledger, ledger._engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_the_ledger_can_live_beside_another_programs_tables(ledger_url: str) -> None:
    with opened(ledger_url) as ledger, ledger._engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('somebody else')")
    with opened(ledger_url) as ledger:
        assert ledger.open_entries("invoices") == []


def test_a_new_ledger_is_one_line_in_the_log(tmp_path: Path) -> None:
    # Alembic logs while it is imported: this takes a process that has not done so yet.
    code = """
        import logging
        logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
        Ledger.open(sys.argv[1], "https://usmf.example").close()
    """
    process = other_process(code, f"sqlite:///{tmp_path}/ledger.db")
    _, log = process.communicate(timeout=60)
    assert (process.returncode, log.splitlines()) == (
        0,
        ["singer_delivery.database ledger: schema (new) -> 0006"],
    )


def test_missing_folders_of_a_sqlite_ledger_are_made(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/state/of/things/ledger.db"):
        assert (tmp_path / "state/of/things/ledger.db").exists()


# Lost answers in a row


def doubts(ledger: Ledger) -> int:
    return ledger.lookup("invoices", ["1"])["1"].doubts


@pytest.mark.parametrize("by_entry", [False, True], ids=["by document", "by entry"])
def test_lost_answers_are_counted_until_the_target_says_something(
    ledger: Ledger, by_entry: bool
) -> None:
    def settle(status: Status) -> int:
        if by_entry:
            entry = ledger.lookup("invoices", ["1"])["1"]
            ledger.settle_entry(entry, Outcome(status), "run-1")
        else:
            ledger.settle("invoices", invoice("1"), Outcome(status), "run-1")
        return doubts(ledger)

    ledger.intend("invoices", [invoice("1")], "run-1")
    assert doubts(ledger) == 0
    assert [settle(Status.IN_DOUBT), settle(Status.NOT_SENT), settle(Status.IN_DOUBT)] == [1, 1, 2]
    ledger.intend("invoices", [invoice("1")], "run-1")
    assert doubts(ledger) == 2
    assert settle(Status.STUCK) == 2
    assert settle(Status.REJECTED) == 0
    for status in (Status.DELIVERED, Status.UNCHANGED, Status.SKIPPED, Status.ACCEPTED):
        assert (settle(Status.IN_DOUBT), settle(status)) == (1, 0)


def test_another_content_has_lost_no_answers_yet(ledger: Ledger) -> None:
    for _ in range(3):
        ledger.settle("invoices", invoice("1"), Outcome(Status.IN_DOUBT), "run-1")
    assert doubts(ledger) == 3
    ledger.intend("invoices", [invoice("1", fingerprint="0" * 64)], "run-1")
    assert doubts(ledger) == 0


@pytest.mark.parametrize("status", [Status.STUCK, Status.NOT_SENT, Status.REJECTED])
def test_what_an_operator_releases_may_be_sent_again(ledger: Ledger, status: Status) -> None:
    ledger.settle("invoices", invoice("1"), Outcome(Status.IN_DOUBT), "run-1")
    ledger.settle("invoices", invoice("1"), Outcome(status, "no"), "run-1")
    before = ledger.lookup("invoices", ["1"])["1"]
    assert ledger.release("invoices", "1", "run-2", reason="the bank \0 was closed")
    after = ledger.lookup("invoices", ["1"])["1"]
    assert after == replace(
        before,
        status=Status.NOT_SENT,
        doubts=0,
        run_id="run-2",
        reason="the bank \ufffd was closed",
        revision=before.revision + 1,
    )
    link = ledger.trail.of("1")[-1]
    assert (link.kind, link.system, link.stream, link.run_id, link.detail) == (
        *("released", SYSTEM, "invoices", "run-2"),
        {"reason": "the bank \0 was closed"},
    )


@pytest.mark.parametrize(
    "status",
    [
        *(Status.INTENDED, Status.IN_DOUBT, Status.ACCEPTED, Status.DELIVERED),
        *(Status.UNCHANGED, Status.SKIPPED),
    ],
)
def test_what_is_held_or_may_be_cannot_be_released(ledger: Ledger, status: Status) -> None:
    ledger.settle("invoices", invoice("1"), Outcome(status), "run-1")
    before = ledger.lookup("invoices", ["1"])
    assert not ledger.release("invoices", "1", "run-2")
    assert ledger.lookup("invoices", ["1"]) == before
    assert len(ledger.trail.of("1")) == 1


def test_only_the_named_document_is_released(ledger_url: str) -> None:
    with opened(ledger_url) as ledger, opened(ledger_url, "https://sandbox.example") as sandbox:
        for one, stream, key in [
            *[(ledger, "invoices", "1"), (ledger, "invoices", "2")],
            *[(ledger, "payments", "1"), (sandbox, "invoices", "1")],
        ]:
            one.settle(stream, invoice(key), REJECTED, "run-1")
        assert not ledger.release("invoices", "3", "run-2")
        assert ledger.release("invoices", "1", "run-2")
        assert ledger.lookup("invoices", ["1"])["1"].reason == "released by an operator"
        untouched = [
            *(ledger.lookup("invoices", ["2"])["2"], ledger.lookup("payments", ["1"])["1"]),
            sandbox.lookup("invoices", ["1"])["1"],
        ]
        assert {entry.status for entry in untouched} == {Status.REJECTED}


# Whose is what


def test_no_question_to_a_ledger_reaches_another_stream_or_system(ledger_url: str) -> None:
    statuses = (Status.INTENDED, Status.IN_DOUBT, Status.ACCEPTED, Status.DELIVERED)
    with opened(ledger_url) as ledger, opened(ledger_url, "https://sandbox.example") as sandbox:
        for one, stream in [(ledger, "x"), (ledger, "y"), (sandbox, "x"), (sandbox, "z")]:
            name = f"{one._system[8]}{stream}"
            for number, status in enumerate(statuses):
                key = f"{name}{number}"
                outcome = Outcome(status, request_id=f"r-{name}")
                one.settle(stream, invoice(key, source=f"of {stream}"), outcome, f"dead {name}")
        assert {e.key for e in ledger.open_entries("x")} == {"ux0", "ux1"}
        assert [e.key for e in ledger.accepted_entries("x")] == ["ux2"]
        assert list(ledger.accepted_requests("x")) == [("r-ux", "ux2")]
        assert [e.key for e in ledger.held("x", "of x")] == ["ux1", "ux2", "ux3"]
        assert [key for key, _ in ledger.held_keys("x", "of x")] == ["ux1", "ux2", "ux3"]
        assert ledger.held_keys("x", "of x", limit=1) == [("ux1", "")]
        assert ledger.held_keys("x", "of y") == []
        assert (ledger.count_held("x", "of x"), ledger.count_held("x", "of y")) == (3, 0)
        assert ledger.count_held("y", "of x") == 0
        assert ledger.held_sources() == [("of x", "x"), ("of y", "y")]
        assert ledger.unsettled_streams() == ["x", "y"]
        assert [e.key for e in ledger.outcomes("x")] == ["ux3"]
        assert not ledger.lookup("x", ["uy0", "sx0"])
        assert not ledger.lookup_natural("x", ["usmf/V1/uy0", "usmf/V1/sx0"])
        assert {e.key for e in ledger.neighbours("x", [invoice("uy0"), invoice("ux0")])} == {"ux0"}
        assert {e.key for e in ledger.take_over("x", "run-2")} == {"ux0", "ux1"}
        for one, stream in [(ledger, "y"), (sandbox, "x"), (sandbox, "z")]:
            assert {e.revision for e in one.open_entries(stream)} == {1}
            assert {e.run_id[:4] for e in one.open_entries(stream)} == {"dead"}
        assert ledger.abandon("y", "interrupted", "run-2") == 2
        assert len(sandbox.open_entries("x")) == 2


def test_no_write_reaches_the_same_key_of_another_stream_or_system(ledger_url: str) -> None:
    with opened(ledger_url) as ledger, opened(ledger_url, "https://sandbox.example") as sandbox:
        others = [(ledger, "y", "1"), (ledger, "x", "2"), (sandbox, "x", "1")]
        for one, stream, key in [(ledger, "x", "1"), *others]:
            one.settle(stream, invoice(key), Outcome(Status.IN_DOUBT, "reset"), "dead")
        before = [one.lookup(stream, [key]) for one, stream, key in others]
        [entry] = ledger.take_over("x", "run-1", keys=["1"])
        assert ledger.settle_entry(entry, Outcome(Status.STUCK), "run-1")
        assert ledger.release("x", "1", "run-2")
        assert [one.lookup(stream, [key]) for one, stream, key in others] == before
        assert ledger.lookup("x", ["1"])["1"].revision == 4


def test_streams_without_anything_open_are_settled_and_without_source_not_held(
    ledger: Ledger,
) -> None:
    ledger.settle("a", invoice("1"), DELIVERED, "run-1")
    ledger.settle("b", invoice("1", source="vendors"), REJECTED, "run-1")
    assert (ledger.unsettled_streams(), ledger.held_sources()) == ([], [])
    unsettled = {"d": Status.INTENDED, "c": Status.ACCEPTED, "e": Status.IN_DOUBT}
    for stream, status in unsettled.items():
        ledger.settle(stream, invoice("1"), Outcome(status), "run-1")
        ledger.settle(stream, invoice("2"), Outcome(status), "run-1")
    assert ledger.unsettled_streams() == ["c", "d", "e"]


def test_outcomes_of_two_streams_are_settled_together(ledger: Ledger) -> None:
    for stream in "xy":
        ledger.settle(stream, invoice("1"), Outcome(Status.ACCEPTED), "run-1")
        ledger.settle(stream, invoice("2"), Outcome(Status.ACCEPTED), "run-1")
    entries = [entry for stream in "xy" for entry in ledger.accepted_entries(stream)]
    ledger.settle("y", invoice("1"), REJECTED, "run-2")
    late = ledger.settle_entries([(entry, DELIVERED) for entry in entries], "run-3")
    assert late == {("y", "1")}
    found = {(s, e.key): e for s in "xy" for e in ledger.lookup(s, ["1", "2"]).values()}
    assert {at: (entry.status, entry.run_id) for at, entry in found.items()} == {
        ("x", "1"): (Status.DELIVERED, "run-3"),
        ("x", "2"): (Status.DELIVERED, "run-3"),
        ("y", "1"): (Status.REJECTED, "run-2"),
        ("y", "2"): (Status.DELIVERED, "run-3"),
    }
    assert ledger.settle_entries([], "run-4") == set()
    # All of them late: nothing is written.
    end = ledger.trail.head()
    assert len(ledger.settle_entries([(entry, REJECTED) for entry in entries], "run-4")) == 4
    assert ledger.trail.head() == end


def test_what_was_overtaken_meanwhile_is_not_abandoned(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.intend("v", [invoice(key, source="vendors") for key in "abc"], "dead")
    taken = ledger.take_over("v", "run-1")
    ledger.settle("v", invoice("b"), REJECTED, "run-2")
    monkeypatch.setattr(ledger, "take_over", lambda stream, run_id: taken)
    assert ledger.abandon("v", "interrupted", "run-1") == 2
    known = ledger.lookup("v", "abc")
    assert [known[key].status for key in "abc"] == [
        *(Status.NOT_SENT, Status.REJECTED, Status.NOT_SENT)
    ]
    assert (known["a"].reason, known["a"].run_id) == ("interrupted", "run-1")
    assert ledger.held_keys("v", "vendors") == [("a", ""), ("c", "")]


def test_an_entry_keeps_what_its_outcome_does_not_say(ledger: Ledger) -> None:
    now = datetime(2026, 1, 5, 10, tzinfo=UTC)
    ledger._clock = lambda: now
    document = invoice("1", detail={"a": 1, "b": 1}, source="vendors")
    accepted = Outcome(Status.ACCEPTED, "taken", "VEN-1", "r-1")
    ledger.settle("invoices", document, accepted, "run-1")
    entry = ledger.lookup("invoices", ["1"])["1"]
    late = Outcome(Status.REJECTED, "no \0", "", "r-2", {"b": 2})
    assert ledger.settle_entry(entry, late, "run-2")
    after = ledger.lookup("invoices", ["1"])["1"]
    assert after == replace(
        entry,
        status=Status.REJECTED,
        reason="no \ufffd",
        request_id="r-2",
        detail={"a": 1, "b": 2},
        run_id="run-2",
        revision=2,
        settled_at=now,
        sequence=int(now.timestamp() * 1000),
    )
    assert ledger.settle_entry(after, Outcome(Status.NOT_SENT, remote_key="VEN-2"), "run-3")
    last = ledger.lookup("invoices", ["1"])["1"]
    assert (last.sequence, last.settled_at, last.remote_key) == (after.sequence, None, "VEN-2")
    assert ledger.count_held("invoices", "vendors") == 1


# Claims and kept records


def test_the_claims_of_a_dead_run_are_free_and_only_those(ledger_url: str) -> None:
    with opened(ledger_url) as ledger, opened(ledger_url, "https://sandbox.example") as sandbox:
        for one, run in ((ledger, "run-1"), (ledger, "run-2"), (sandbox, "run-3")):
            one.begin_run(Run(run, one._system))
        assert ledger.claim("vendors", "dead") is None
        assert ledger.claim("accounts", "run-2") is None
        assert sandbox.claim("vendors", "run-3") is None
        # Nobody is told that the dead one has it.
        assert ledger.claim("vendors", "run-1") is None
        for name, holder in (("vendors", "run-1"), ("accounts", "run-2")):
            found = ledger.claim(name, "run-9")
            assert found is not None
            assert found.run_id == holder
        assert sandbox.claim("vendors", "run-3") is None
        ledger.end_run("run-1", {})
        assert ledger.claim("accounts", "run-9") is not None
        with ledger._engine.connect() as connection:
            query = "SELECT name, run_id FROM claims ORDER BY run_id"
            left = [tuple(row) for row in connection.exec_driver_sql(query)]
        assert left == [("accounts", "run-2"), ("vendors", "run-3")]
        assert ledger.claim("vendors", "run-9") is None
        assert sandbox.claim("vendors", "run-9") is not None


def test_old_records_of_this_system_are_erased(ledger_url: str) -> None:
    now = datetime(2026, 1, 5, 10, tzinfo=UTC)
    singer = SingerStream("invoices", {}, ["id"])
    with opened(ledger_url) as ledger, opened(ledger_url, "https://sandbox.example") as sandbox:
        for one, key, days in [(ledger, "old", 11), (sandbox, "old", 11), (ledger, "new", 9)]:
            one._clock = lambda days=days: now - timedelta(days=days)  # type: ignore[misc]
            one.receive("invoices", [invoice(key, record={"id": key})], singer, "run-1")
        ledger._clock, ledger._actor = (lambda: now), "officer"
        assert ledger.erase(timedelta(days=10), "run-2") == 1
        engine = ledger._engine
        left = {
            (system, key): payload.record is not None
            for system in (SYSTEM, "https://sandbox.example")
            for key in ("old", "new")
            if (payload := load(engine, system, "invoices", key))
        }
        assert left == {
            (SYSTEM, "old"): False,
            (SYSTEM, "new"): True,
            ("https://sandbox.example", "old"): True,
        }
        link = ledger.trail.links()[-1]
        assert (link.kind, link.run_id, link.actor, link.at) == ("erased", "run-2", "officer", now)


# What cannot be used, in words


def unusable(url: str) -> str:
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url, SYSTEM)
    text = str(caught.value)
    assert "s3cret" not in text
    assert "\n" not in text
    assert caught.value.__cause__ is None
    return text


def test_a_ledger_written_by_a_newer_version(ledger_url: str) -> None:
    with opened(ledger_url) as ledger, ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_version SET version_num = '9999'")
    assert "newer version (schema 9999" in unusable(ledger_url)


@pytest.mark.parametrize(
    "url",
    [
        *["", "ledger.db", "/var/lib/ledger.db", "sqlite", "sqlite:ledger.db", "C:\\ledger.db"],
        *["postgresql://u:s3cret@host:port/db", "https://u:s3cret@host/db", "mysql://u:s3cret@h/d"],
        *["mssql+pyodbc://u:s3cret@h/d", "foo://u:s3cret@h/d", "host=h password=s3cret"],
    ],
)
def test_what_is_not_the_address_of_a_ledger(url: str) -> None:
    assert "ledger_url is not the address of a SQLite or PostgreSQL database" in unusable(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is a letter to my aunt " * 100)
    assert "file is not a database" in unusable(f"sqlite:///{tmp_path}/ledger.db")


def test_a_database_cut_in_half(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with opened(f"sqlite:///{path}") as ledger:
        ledger.intend("invoices", [invoice(f"{n}") for n in range(500)], "run")
    path.write_bytes(path.read_bytes()[:5000])
    assert "malformed" in unusable(f"sqlite:///{path}")


def test_a_reader_of_a_sqlite_ledger_does_not_wait_for_a_writer(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    ledger = Ledger.open(f"sqlite:///{file}", "https://a.example")
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        # A read that waited would end in LedgerError.
        assert ledger.lookup("invoices", ["a"]) == {}
        assert ledger.outcomes("invoices") == []
    ledger.close()


def test_a_file_that_may_only_be_read_can_be_read_and_takes_no_intent(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.settle("invoices", invoice("1"), DELIVERED, "run")
    with opened(f"sqlite:///file:{tmp_path}/ledger.db?mode=ro&uri=true") as ledger:
        assert [entry.key for entry in ledger.outcomes("invoices")] == ["1"]
        with pytest.raises(LedgerError, match=r"readonly database; nothing more is sent"):
            ledger.intend("invoices", [invoice("2")], "run")
    assert not Path("file:").exists()


def test_a_ledger_that_another_program_keeps_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("singer_delivery.engines.SQLITE_BUSY_SECONDS", 0.1)
    file = tmp_path / "ledger.db"
    with opened(f"sqlite:///{file}") as ledger, closing(sqlite3.connect(file)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match=r"is locked; nothing more is sent \(another program"):
            ledger.intend("invoices", [invoice("1")], "run")


def test_nobody_else_can_read_a_new_ledger(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger.intend("invoices", [invoice("1")], "run")
        assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used" in unusable(f"sqlite:///{tmp_path}/file/ledger.db")
    assert "unable to open database file" in unusable(f"sqlite:///{tmp_path}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "unable to open database file" in unusable(f"sqlite:///{tmp_path}/ledger.db")


def test_a_full_disk_in_the_middle_of_a_run(tmp_path: Path) -> None:
    with opened(f"sqlite:///{tmp_path}/ledger.db") as ledger:
        ledger._engine.dispose()
        sqlalchemy.event.listen(
            ledger._engine,
            "connect",
            lambda connection, _: connection.execute("PRAGMA max_page_count = 30").close(),
        )
        with pytest.raises(LedgerError, match=r"database or disk is full; nothing more is sent"):
            ledger.intend("invoices", [invoice(f"{n}") for n in range(5000)], "run")
        assert ledger.open_entries("invoices") == []


def test_a_postgresql_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the driver comes with singer-delivery[postgres]")
    for scheme in ("postgresql", "postgres", "postgresql+psycopg"):
        url = f"{scheme}://user:s3cret@/db?host={tmp_path}&password=s3cret2"
        text = unusable(url)
        assert "No such file or directory" in text
        assert "user:***@" in text


def test_a_missing_driver_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without_psycopg(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".", maxsplit=1)[0] == "psycopg":
            raise ModuleNotFoundError(name=name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_psycopg)
    text = unusable("postgresql://user:s3cret@host/db")
    assert "install singer-delivery[postgres]" in text
