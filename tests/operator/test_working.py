"""`runs`, `claims` and `release`: who is at work, and what waits for an operator."""

from __future__ import annotations

import pytest
import sqlalchemy
from singer_delivery.database import open_database
from singer_delivery.document import Outcome, Status
from singer_delivery.ledger import Ledger

from tests.operator.office import DELIVERED, REJECTED, SYSTEM, Office, invoice


def change(office: Office, statement: str) -> None:
    engine = open_database(office.url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


def test_runs_are_listed_the_latest_first(any_office: Office) -> None:
    first = any_office.deliver([invoice("a"), invoice("b")])
    second = any_office.deliver([invoice("c")], REJECTED)
    _, _, *rows = any_office.run("runs").stdout.splitlines()
    assert [row.split()[0] for row in rows[:2]] == [second[:12], first[:12]]
    assert rows[0].rstrip().endswith("1 rejected")
    assert rows[1].rstrip().endswith("2 delivered")
    assert "complete" in rows[0]
    assert "target-test" in rows[0]
    assert any_office.run("runs", "--limit", "1").stderr == "2 more; --limit 0 shows all\n"


def test_a_run_that_is_at_work_and_one_that_died(office: Office) -> None:
    ledger = office.at_work([invoice("a")])
    assert "at work" in office.run("runs", "--limit", "1").stdout
    change(office, "UPDATE runs SET process_started = '1.0' WHERE ended_at IS NULL")
    assert "died" in office.run("runs", "--limit", "1").stdout
    ledger.close()


def test_claims_say_who_holds_what(any_office: Office) -> None:
    assert any_office.run("claims").stderr == "nobody holds anything\n"
    ledger = any_office.at_work([invoice("a"), invoice("b")])
    run = any_office.entry("a").run_id
    ledger.claim("vendors", run)
    flying, resource = any_office.run("claims").stdout.splitlines()[-2:]
    assert flying.startswith(run[:12])
    assert flying.endswith("2 vendor_invoices without outcome")
    assert resource.startswith(run[:12])
    assert resource.endswith("the resource vendors")
    assert " yes " in resource
    ledger.close()


def test_a_run_that_lives_here_is_not_dropped(office: Office) -> None:
    ledger = office.at_work([invoice("a")])
    run = office.entry("a").run_id
    assert "is at work here, as process" in office.refused("claims", "--drop", run, "--yes")
    assert "no run holds something" in office.refused("claims", "--drop", "nil", "--yes")
    ledger.close()


def test_what_a_dropped_run_held_goes_to_the_next_one(any_office: Office) -> None:
    ledger = any_office.at_work([invoice("a")])
    run = any_office.entry("a").run_id
    ledger.claim("vendors", run)
    ledger.close()
    change(any_office, f"UPDATE runs SET host = 'elsewhere' WHERE run_id = '{run}'")
    other = Ledger.open(any_office.url, SYSTEM)
    assert other.take_over("vendor_invoices", "next") == []
    assert "is not over" in any_office.refused("claims", "--drop", run[:8])
    any_office.run("claims", "--drop", run[:8], "--yes")
    assert other.claim("vendors", "next") is None
    assert [entry.key for entry in other.take_over("vendor_invoices", "next")] == ["a"]
    other.close()
    assert any_office.events("ended")[-1].detail["dropped"] == run
    any_office.run("verify")


@pytest.mark.parametrize("outcome", [REJECTED, Outcome(Status.STUCK, "lost")])
def test_a_released_document_may_be_sent_again(any_office: Office, outcome: Outcome) -> None:
    any_office.deliver([invoice("a", "INV-1")], outcome)
    assert "INV-1 in usmf (a): released" in any_office.run("release", "INV-1").stdout
    assert any_office.entry("a").status is Status.NOT_SENT
    [released] = any_office.events("released")
    assert released.actor
    any_office.run("verify")


def test_what_waits_for_nobody_is_not_released(office: Office) -> None:
    office.deliver([invoice("a")], DELIVERED)
    words = "a is neither stuck nor rejected (vendor_invoices: delivered): nothing to release"
    assert office.refused("release", "a") == words
    assert office.refused("release", "nil") == "nil is not known: nothing to release"
    assert not office.events("released")
