"""What a look at a ledger finds, in SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy
from singer_delivery.database import open_database, reading
from singer_delivery.document import Outcome, Status
from singer_delivery.ledger import Ledger
from singer_delivery.runs import Run
from singer_delivery.watching.alert import Alert, Kind, Severity
from singer_delivery.watching.ledger_looks import look
from singer_delivery.watching.limits import Limits, parse_silence

from tests.operator.office import DELIVERED, IBAN, REJECTED, SYSTEM, Office, invoice

SUBJECT = f"target-test@{SYSTEM}"


def looked(office: Office, *, later: timedelta = timedelta(), **limits: Any) -> list[Alert]:
    engine = open_database(office.url)
    try:
        with reading(engine) as connection:
            return look(connection, Limits(**limits), datetime.now(UTC) + later)
    finally:
        engine.dispose()


def only(office: Office, kind: Kind, **more: Any) -> list[Alert]:
    return [alert for alert in looked(office, **more) if alert.kind is kind]


def test_all_is_well(office: Office) -> None:
    office.deliver([invoice("1")])
    assert looked(office) == []


def test_stuck_documents_are_named_and_counted_by_stream(any_office: Office) -> None:
    reason = f"its answers were lost; account {IBAN}"
    any_office.deliver([invoice("1", "INV-1"), invoice("2")], Outcome(Status.STUCK, reason))
    any_office.deliver([invoice("3")], Outcome(Status.STUCK), stream="vendor_payments")

    payments, invoices = sorted(looked(any_office), key=lambda alert: alert.count)
    assert (invoices.kind, invoices.subject, invoices.count) == (Kind.STUCK, "vendor_invoices", 2)
    assert (payments.subject, len(payments.members)) == ("vendor_payments", 1)
    assert invoices.severity is Severity.CRITICAL
    assert len(invoices.members) == 2
    assert "usmf INV-1: its answers were lost; account …0785" in invoices.examples
    assert invoices.since is not None
    assert abs(invoices.since - datetime.now(UTC)) < timedelta(minutes=5)


def test_in_doubt_is_told_when_it_lasts(office: Office) -> None:
    office.at_work([invoice("1")]).close()
    assert only(office, Kind.IN_DOUBT) == []
    [alert] = only(office, Kind.IN_DOUBT, later=timedelta(minutes=61))
    assert (alert.count, alert.examples) == (1, ["usmf INV-1"])
    assert only(office, Kind.IN_DOUBT, later=timedelta(days=9), in_doubt_minutes=0) == []


def test_many_rejections_of_one_legal_entity(any_office: Office) -> None:
    good = [invoice(f"g{number}") for number in range(30)]
    bad = [invoice(f"b{number}", entity="DEMF") for number in range(10)]
    any_office.deliver(good)
    any_office.deliver(bad[:9], REJECTED)
    assert only(any_office, Kind.MASS_REJECTION) == []
    any_office.deliver(bad[9:], REJECTED)

    [alert] = only(any_office, Kind.MASS_REJECTION)
    assert (alert.subject, alert.count) == ("vendor_invoices/demf", 10)
    assert "10 of 10 vendor_invoices of demf" in alert.title
    assert len(alert.examples) == 5
    assert only(any_office, Kind.MASS_REJECTION, later=timedelta(hours=25)) == []
    assert only(any_office, Kind.MASS_REJECTION, rejected_least=11) == []


def test_rejections_of_all_are_one_alert(office: Office) -> None:
    office.deliver([invoice(f"a{number}", entity="usmf") for number in range(10)], REJECTED)
    office.deliver([invoice(f"b{number}", entity="demf") for number in range(10)], REJECTED)
    office.deliver([invoice(f"c{number}") for number in range(20)])
    [alert] = only(office, Kind.MASS_REJECTION)
    assert (alert.subject, alert.count) == ("vendor_invoices", 20)
    assert only(office, Kind.MASS_REJECTION, rejected_percent=51)[0].subject.endswith("/demf")


def test_silence_of_all_and_of_one(any_office: Office) -> None:
    any_office.deliver([invoice("1", entity="usmf")])
    assert only(any_office, Kind.SILENCE, silence=parse_silence("*=3, demf=2")) == []

    quiet = {"silence": parse_silence("*=3, demf=2, usmf=2"), "later": timedelta(days=2.5)}
    never, once = only(any_office, Kind.SILENCE, **quiet)
    assert never.title == "no vendor_invoices of demf ever (expected within 2 days)"
    assert once.subject == "vendor_invoices/usmf"
    assert [a.subject for a in only(any_office, Kind.SILENCE, later=timedelta(days=6))] == [
        "vendor_invoices"
    ]


def test_no_success_for_long(office: Office) -> None:
    assert only(office, Kind.NO_SUCCESS) == []
    ledger = Ledger.open(office.url, SYSTEM)
    ledger.begin_run(Run("failing", SYSTEM, "target-test"))
    ledger.end_run("failing", {"ending": "failed"})
    ledger.close()

    [alert] = only(office, Kind.NO_SUCCESS, later=timedelta(hours=25))
    assert alert.subject == SUBJECT
    assert alert.since is not None
    assert "no run of target-test" in alert.title
    assert only(office, Kind.NO_SUCCESS, later=timedelta(hours=25), success_hours=30) == []


def test_a_plugin_that_never_ended_well(office: Office) -> None:
    ledger = Ledger.open(office.url, "https://other.example")
    ledger.begin_run(Run("first", "https://other.example", "target-other"))
    ledger.end_run("first", {"ending": "stopped"})
    ledger.close()
    found = only(office, Kind.NO_SUCCESS, later=timedelta(hours=30), success_hours=26)
    assert any("target-other" in alert.title and " ever " in alert.title for alert in found)


def test_a_run_that_died_until_the_next_one(office: Office) -> None:
    office.at_work([invoice("1")]).close()
    assert only(office, Kind.RUN_DIED) == []  # its process, this one, lives
    engine = open_database(office.url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("UPDATE runs SET pid = 999999999"))
    engine.dispose()

    [alert] = only(office, Kind.RUN_DIED)
    assert (alert.subject, alert.severity) == (SUBJECT, Severity.WARNING)
    office.deliver([])
    assert only(office, Kind.RUN_DIED) == []


def test_a_run_that_lasts(office: Office) -> None:
    ledger = office.at_work([])
    assert only(office, Kind.RUN_LASTS, later=timedelta(hours=11)) == []
    [alert] = only(office, Kind.RUN_LASTS, later=timedelta(hours=13))
    ledger.close()
    assert "is at work for more than 12 hours" in alert.title


def test_what_came_of_replays_of_the_operator_is_no_schedule(office: Office) -> None:
    ledger = Ledger.open(office.url, SYSTEM)
    ledger.begin_run(Run("r", SYSTEM, "singer-delivery rebuild"))
    ledger.end_run("r", {"rebuilt": {}})
    ledger.close()
    found = only(office, Kind.NO_SUCCESS, later=timedelta(days=2))
    assert [alert.subject for alert in found] == [SUBJECT]
    assert DELIVERED.status is Status.DELIVERED
