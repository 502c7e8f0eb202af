"""`list`: which documents, in which order, and how they are told."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from singer_delivery.document import Outcome, Status

from tests.operator.office import DELIVERED, PORTAL, REJECTED, Office, invoice


def keys(office: Office, *options: str) -> list[str]:
    done = office.run("list", "--format", "jsonl", *options)
    return [json.loads(line)["key"] for line in done.stdout.splitlines()]


@pytest.fixture
def full(any_office: Office) -> Office:
    """Three invoices, delivered, rejected and stuck, and a response to the first one."""
    any_office.deliver([invoice("a", "INV-1")])
    any_office.deliver([invoice("b", "INV-2", entity="deMF")], REJECTED)
    any_office.deliver([invoice("c", "50%_off")], Outcome(Status.STUCK, "no answer"))
    any_office.deliver([invoice("a", "INV-1")], stream="transfer_responses", system=PORTAL)
    return any_office


def test_the_latest_change_comes_first(full: Office) -> None:
    assert keys(full, "--stream", "vendor_invoices")[-2:] == ["b", "a"]
    full.deliver([invoice("a", "INV-1", content=2)])
    assert keys(full, "--status", "delivered")[0] == "a"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--status", "rejected"], ["b"]),
        (["--status", "rejected", "--status", "STUCK"], ["b", "c"]),
        (["--entity", "DEMF"], ["b"]),
        (["--vendor", "us-9999", "--stream", "transfer_responses"], ["a"]),
        (["--number", "inv-2"], ["b"]),
        (["--number", "50%_off"], ["c"]),
        (["--number", "50%%off"], []),
        (["--number", "INV"], []),
        (["--system", "PORTAL"], ["a"]),
        (["--since", "2020-01-01", "--status", "rejected"], ["b"]),
        (["--until", "2020-01-01"], []),
        (["--since", "2999-01-01"], []),
    ],
)
def test_a_filter_takes_what_it_says(full: Office, options: list[str], expected: list[str]) -> None:
    assert sorted(keys(full, *options)) == expected


def test_letters_outside_ascii_are_found_in_any_case(office: Office) -> None:
    office.deliver([invoice("a", "ÅRS-1")])
    assert keys(office, "--number", "års-1") == ["a"]


def test_the_last_day_is_part_of_it(office: Office) -> None:
    office.deliver([invoice("a")])
    day = office.events("delivered")[0].at.date().isoformat()
    assert keys(office, "--since", day, "--until", day) == ["a"]


def test_a_date_that_is_none_is_refused(office: Office) -> None:
    done = office.run("list", "--since", "yesterday", code=2)
    assert "'yesterday' is no date: write 2026-11-23" in done.stderr


def test_the_table_is_readable_on_120_columns(office: Office) -> None:
    reason = f"no such vendor\n\x1b[2J{'because ' * 50}, IBAN FI21 1234 5600 0007 85"
    office.deliver([invoice("a", "INV-1")], Outcome(Status.REJECTED, reason))
    header, rule, row = office.run("list").stdout.splitlines()
    assert header.split()[:4] == ["changed", "(UTC)", "status", "stream"]
    assert "rejected" in row
    assert "vendor_invoices" in row
    assert "100.10 EUR" in row
    assert max(map(len, (header, rule, row))) <= 120
    assert "\x1b" not in row


def test_no_account_number_is_in_a_reason(office: Office) -> None:
    office.deliver([invoice("a")], Outcome(Status.REJECTED, "bad IBAN FI21 1234 5600 0007 85"))
    for form in ("table", "csv", "jsonl"):
        told = office.run("list", "--format", form).stdout
        assert "5600 0007" not in told


def test_what_is_not_shown_is_counted(office: Office) -> None:
    office.deliver([invoice(f"k{n:02}") for n in range(60)])
    done = office.run("list")
    assert len(done.stdout.splitlines()) == 52
    assert done.stderr == "10 more; --limit 0 shows all\n"
    assert office.run("list", "--vendor", "US-9999").stderr == done.stderr
    assert office.run("list", "--limit", "60").stderr == ""
    assert len(office.run("list", "--limit", "0").stdout.splitlines()) == 62
    assert len(keys(office)) == 60
    assert len(keys(office, "--limit", "7")) == 7


def test_a_monitor_gets_an_exit_code(office: Office) -> None:
    office.run("list", "--status", "stuck", "--exit-code")
    office.deliver([invoice("a")], Outcome(Status.STUCK))
    office.run("list", "--status", "stuck", "--exit-code", code=1)
    office.run("list", "--status", "stuck", "--exit-code", "--format", "csv", code=1)
    office.run("list", "--status", "rejected", "--exit-code", "--format", "csv")


def test_no_cell_of_a_spreadsheet_is_a_formula(office: Office) -> None:
    number = '=HYPERLINK("http://evil";"x")'
    office.deliver([invoice("a", number)], Outcome(Status.REJECTED, "@SUM(1)"))
    [row] = csv.DictReader(io.StringIO(office.run("list", "--format", "csv").stdout))
    assert (row["number"], row["reason"], row["key"]) == (f"'{number}", "'@SUM(1)", "a")


def test_nothing_found_is_said(office: Office) -> None:
    done = office.run("list")
    assert (done.stdout, done.stderr) == ("", "no document is like that\n")


# The ledger itself


def test_a_ledger_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    file = tmp_path / "none" / "ledger.db"
    words = Office(f"sqlite:///{file}").refused("list")
    assert words.startswith(f"there is no ledger at {file}: give --ledger-url, or set SINGER_")
    assert not file.parent.exists()


def test_a_file_that_is_no_ledger_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    file.write_text("not a database, whatever it is called " * 100)
    assert "file is not a database" in Office(f"sqlite:///{file}").refused("list")


def test_a_password_is_not_told(tmp_path: Path) -> None:
    words = Office("mysql://u:geheim@h/d").refused("list")
    assert "geheim" not in words
    assert "SQLite or PostgreSQL" in words


def test_the_ledger_comes_from_either_variable_or_the_option(office: Office) -> None:
    office.deliver([invoice("a")])
    there, office.url = office.url, "sqlite:////nowhere/ledger.db"
    assert "/nowhere/" in office.refused("list", LEDGER_URL=there)
    office.run("list", SINGER_DELIVERY_LEDGER_URL="", LEDGER_URL=there)
    office.run("--ledger-url", there, "list")


def test_documents_come_back_as_they_were_delivered(office: Office) -> None:
    run = office.deliver([invoice("a", "INV-1")], DELIVERED)
    row = json.loads(office.run("list", "--format", "jsonl").stdout)
    assert row.pop("changed_at").startswith("20")
    assert row == {
        "system": "https://usmf.example",
        "stream": "vendor_invoices",
        "key": "a",
        "status": "delivered",
        "legal_entity": "usmf",
        "vendor": "US-9999",
        "number": "INV-1",
        "amount": "100.10 EUR",
        "remote_key": "BW1",
        "request_id": "req-7",
        "attempts": 1,
        "run_id": run,
        "reason": "",
    }
