"""The audit trail: what the ledger's own writes leave in it, word for word, and reading it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from singer_delivery import runs
from singer_delivery.chain import GENESIS, link_hash
from singer_delivery.database import writing
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import LedgerError
from singer_delivery.exchanges import Exchange
from singer_delivery.ledger import Ledger
from singer_delivery.payloads import SingerStream
from singer_delivery.runs import Run
from singer_delivery.trail import Event, Kind, Link, Pen

SYSTEM = "https://usmf.example"
NOW = datetime(2026, 1, 5, 10, 0, 0, 250000, tzinfo=UTC)
SINGER = SingerStream("offered_invoices", {"type": "object"}, ["id"])
DOCUMENT = Document(
    *("1", {"n": 1}, "f" * 64),
    natural_key="usmf/V1/1",
    version="7",
    remote_key="BW1",
    label="invoice 1",
    record={"id": "1"},
)
BARE = Document("2", None, "")
EXCHANGE = Exchange(
    *("POST", "/data/$batch", 201, "a" * 64, "b" * 64, "req-1"),
    *(NOW - timedelta(seconds=9), NOW - timedelta(seconds=8)),
)
LOST = Exchange("PUT", "/other", None, "c" * 64, "", "", NOW - timedelta(seconds=7), NOW)


@pytest.fixture
def at_ten(ledger: Ledger) -> Ledger:
    """A ledger whose clock stands, and whose writes are somebody's."""
    ledger._clock = lambda: NOW
    ledger._actor = "officer"
    return ledger


def told(ledger: Ledger, *, after: int = 0) -> list[tuple[str, str, dict[str, Any]]]:
    """Return kind, document and facts of all entries, which are of one system, run and actor."""
    links = ledger.trail.links(after=after)
    about = {(link.system, link.run_id, link.actor) for link in links}
    assert about <= {(SYSTEM, "run-1", "officer")}
    return [(link.kind, f"{link.stream} {link.key}".strip(), link.detail) for link in links]


# What each write of the ledger says


def test_what_came_in_is_told_and_what_it_was_made_into(at_ten: Ledger) -> None:
    at_ten.receive("invoices", [DOCUMENT, BARE], SINGER, "run-1")
    assert told(at_ten) == [
        ("received", "invoices 1", {"source": "offered_invoices", "version": "7"}),
        ("mapped", "invoices 1", {"fingerprint": "f" * 64, "label": "invoice 1"}),
        # Nothing could be made of it, and it is not kept.
        ("received", "invoices 2", {"source": "offered_invoices", "version": ""}),
    ]
    assert [len(link.payload) for link in at_ten.trail.links()] == [64, 0, 0]
    at_ten.receive("invoices", [], SINGER, "run-1")
    assert at_ten.trail.head().number == 3


def test_an_intent_is_told_with_the_facts_that_are_known(at_ten: Ledger) -> None:
    at_ten.intend("invoices", [DOCUMENT, BARE], "run-1")
    facts = {
        "fingerprint": "f" * 64,
        "natural_key": "usmf/V1/1",
        "version": "7",
        "remote_key": "BW1",
        "label": "invoice 1",
    }
    assert told(at_ten) == [("intended", "invoices 1", facts), ("intended", "invoices 2", {})]


def test_an_outcome_is_told_after_the_requests_that_it_took(at_ten: Ledger) -> None:
    outcome = Outcome(
        *(Status.REJECTED, "on \0 hold", "BW9", "req-2"), exchanges=[EXCHANGE, LOST], read_back=True
    )
    at_ten.settle("invoices", DOCUMENT, outcome, "run-1")
    request = {"method": "POST", "path": "/data/$batch", "request_sha256": "a" * 64}
    answer = {"status": 201, "response_sha256": "b" * 64, "request_id": "req-1"}
    lost = {"method": "PUT", "path": "/other", "request_sha256": "c" * 64}
    facts = {
        "status": "rejected",
        "reason": "on \ufffd hold",
        "remote_key": "BW9",
        "request_id": "req-2",
        "fingerprint": "f" * 64,
        "version": "7",
        "natural_key": "usmf/V1/1",
    }
    assert told(at_ten) == [
        ("sent", "invoices 1", request),
        ("answered", "invoices 1", answer),
        ("sent", "invoices 1", lost),
        ("read_back", "invoices 1", {}),
        ("rejected", "invoices 1", facts),
    ]
    ages = [(NOW - link.at).total_seconds() for link in at_ten.trail.links()]
    assert ages == [9, 8, 7, 0, 0]


def test_an_outcome_of_which_little_is_known_is_told_without_blanks(at_ten: Ledger) -> None:
    at_ten.settle("invoices", BARE, Outcome(Status.NOT_SENT), "run-1")
    assert told(at_ten) == [("not_sent", "invoices 2", {"status": "not_sent"})]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (Status.ACCEPTED, Status.DELIVERED, "confirmed"),
        (Status.ACCEPTED, Status.REJECTED, "rejected"),
        (Status.IN_DOUBT, Status.DELIVERED, "delivered"),
    ],
)
def test_what_was_accepted_and_is_held_is_told_as_confirmed(
    at_ten: Ledger, before: Status, after: Status, kind: str
) -> None:
    at_ten.settle("invoices", DOCUMENT, Outcome(before), "run-1")
    entry = at_ten.lookup("invoices", ["1"])["1"]
    at_ten.settle_entry(entry, Outcome(after, exchanges=[LOST]), "run-1")
    first, second = told(at_ten, after=1)
    assert (first[0], second[:2]) == ("sent", (kind, "invoices 1"))
    assert (second[2]["status"], second[2]["fingerprint"]) == (after.value, "f" * 64)


def test_requests_for_many_documents_together_are_told_under_no_key(at_ten: Ledger) -> None:
    at_ten.note_exchanges("vendors", [EXCHANGE, LOST], {"job": "7"}, "run-1")
    request = {"job": "7", "method": "POST", "path": "/data/$batch", "request_sha256": "a" * 64}
    answer = {"status": 201, "response_sha256": "b" * 64, "request_id": "req-1"}
    lost = {"job": "7", "method": "PUT", "path": "/other", "request_sha256": "c" * 64}
    assert told(at_ten) == [
        ("sent", "vendors", request),
        ("answered", "vendors", answer),
        ("sent", "vendors", lost),
    ]
    at_ten.note_exchanges("vendors", [], {}, "run-1")
    assert at_ten.trail.head().number == 3


def test_the_beginning_and_the_end_of_a_run_are_told(at_ten: Ledger) -> None:
    at_ten.begin_run(Run("run-1", SYSTEM, "target-test", versions={"version": "1.2"}))
    at_ten.end_run("run-1", {"ending": "complete"})
    started = {"plugin": "target-test", "host": runs.machine(), "version": "1.2"}
    assert told(at_ten) == [("started", "", started), ("ended", "", {"ending": "complete"})]


def test_a_run_that_takes_over_says_from_whom_and_nothing_of_its_own(at_ten: Ledger) -> None:
    at_ten.intend("invoices", [DOCUMENT], "run-1")
    at_ten.intend("invoices", [BARE], "dead")
    found = at_ten.take_over("invoices", "run-1")
    assert sorted((entry.key, entry.run_id) for entry in found) == [("1", "run-1"), ("2", "run-1")]
    assert told(at_ten, after=2) == [("taken_over", "invoices 2", {"of": "dead"})]


# Writing


def test_an_entry_is_hashed_over_all_that_it_says(ledger: Ledger) -> None:
    event = Event(Kind.POLICY, "s", "k", {"b": 1, "a": "é"}, payload="d" * 64, at=NOW, system="y")
    ledger.trail.record([event, event], run_id="run-1", actor="officer")
    first, second = ledger.trail.links()
    text = '{"a": "\\u00e9", "b": 1}'
    fields = ["1", NOW.isoformat(), "y", "s", "k", "policy", "run-1", "officer", text, "d" * 64]
    assert first == Link(
        *(1, 1, NOW, "y", "s", "k", "policy", "run-1", "officer", text, "d" * 64),
        *(GENESIS, link_hash(1, fields, GENESIS)),
    )
    assert first.detail == {"a": "é", "b": 1}
    assert (second.number, second.previous) == (2, first.hash)
    assert ledger.trail.head() == (2, second.hash, NOW.isoformat())


def test_the_hash_of_an_entry_stays_the_same_in_every_release() -> None:
    fields = ["1", "2026-01-05T10:00:00+00:00", "x", "s", "é", "sent", "r", "a", "{}", ""]
    assert link_hash(1, fields, GENESIS) == (
        "8c9658a3be4104a18c8305d5c30d10b5a597210986340ebed20dd80eed208a83"
    )
    with pytest.raises(LedgerError, match="form 2 of the audit trail is unknown to this version"):
        link_hash(2, fields, GENESIS)


def test_an_entry_without_anything_is_of_nothing_and_of_now(ledger: Ledger) -> None:
    before = datetime.now(UTC)
    ledger.trail.record([Event(Kind.POLICY)])
    ledger.trail.record([])
    [link] = ledger.trail.links()
    about = link.system, link.stream, link.key, link.run_id, link.actor, link.payload
    assert (about, link.detail) == (("",) * 6, {})
    assert before <= link.at <= datetime.now(UTC)


def test_moments_are_kept_in_utc_and_the_head_holds_the_latest(at_ten: Ledger) -> None:
    abroad = timezone(timedelta(hours=2))
    events = [
        Event(Kind.SENT, at=NOW.astimezone(abroad)),
        Event(Kind.SENT, at=NOW.min.replace(tzinfo=UTC)),
    ]
    with writing(at_ten._engine) as connection:
        Pen(connection, now=NOW).write(events, SYSTEM)
        Pen(connection, now=NOW - timedelta(hours=1)).write([Event(Kind.SENT, system="y")], SYSTEM)
    assert [link.at for link in at_ten.trail.links()][::2] == [NOW, NOW - timedelta(hours=1)]
    assert [link.system for link in at_ten.trail.links()] == [SYSTEM, SYSTEM, "y"]
    assert at_ten.trail.head().at == NOW.isoformat()


def test_one_pen_writes_on_where_it_stopped(at_ten: Ledger) -> None:
    with writing(at_ten._engine) as connection:
        pen = Pen(connection, now=NOW)
        for kind in (Kind.SENT, Kind.ANSWERED):
            pen.write([Event(kind)], SYSTEM)
    first, second = at_ten.trail.links()
    assert (second.number, second.previous, second.run_id) == (2, first.hash, "")
    assert at_ten.trail.head() == (2, second.hash, NOW.isoformat())


def test_an_actor_that_no_database_could_hold_is_cut(ledger: Ledger) -> None:
    ledger.trail.record([Event(Kind.POLICY)], actor="\0" + "x" * 300)
    assert ledger.trail.links()[0].actor == "\ufffd" + "x" * 254


def test_a_clock_may_stand_five_minutes_back_and_no_more(at_ten: Ledger) -> None:
    def check(now: datetime) -> None:
        with writing(at_ten._engine) as connection:
            Pen(connection, now=now).check_clock()

    check(datetime(1970, 1, 1, tzinfo=UTC))  # an empty ledger knows no better
    at_ten.settle("invoices", BARE, Outcome(Status.DELIVERED), "run-1")
    check(NOW - timedelta(minutes=5))
    with pytest.raises(LedgerError) as caught:
        check(NOW - timedelta(minutes=5, seconds=1))
    assert str(caught.value) == (
        "the clock of this machine says 2026-01-05 09:54:59 UTC, but the ledger has an entry of "
        "2026-01-05 10:00:00 UTC; nothing is sent before the clock is right"
    )


def test_a_ledger_without_a_head_is_refused_in_words(ledger: Ledger) -> None:
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM chain")
    words = "the head of the audit trail is gone: the ledger was tampered with"
    with pytest.raises(LedgerError, match=f"^{words}$"):
        ledger.trail.record([Event(Kind.POLICY)])


# Reading


def test_entries_are_read_by_page_and_by_document(ledger: Ledger) -> None:
    events = [Event(Kind.SENT, stream, key) for stream in "xy" for key in "abc"]
    ledger.trail.record(events)
    assert [link.number for link in ledger.trail.links(after=2, limit=3)] == [3, 4, 5]
    assert [link.number for link in ledger.trail.of("b")] == [2, 5]
    assert [link.number for link in ledger.trail.of("b", stream="y")] == [5]


def test_facts_that_are_none_read_as_none(ledger: Ledger) -> None:
    ledger.trail.record([Event(Kind.SENT)])
    with ledger._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE events SET detail = '[1]'")
    [link] = ledger.trail.links()
    assert (link.detail, json.loads(link.detail_text)) == ({}, [1])
