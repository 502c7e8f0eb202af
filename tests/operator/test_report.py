"""The report: its figures, what it says of bad and hostile values, its exit codes."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.database import open_database, writing
from singer_delivery.differences import Kind
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.report import charts
from singer_delivery.report.ages import BY_DAY, BY_THE_CLOCK, age, spoken
from singer_delivery.report.causes import Refusal, grouped
from singer_delivery.report.gathering import Gathering
from singer_delivery.report.invoice_book import STANDINGS
from singer_delivery.report.ledgers import Ledgers
from singer_delivery.report.model import MEANING, Standing
from singer_delivery.report.period import Period, between, month_of, named_month
from singer_delivery.report.tables import NAMES, Form, amount, shown
from singer_delivery.report.verdict import ASKS
from singer_delivery.schema import documents
from sqlalchemy import select

from tests.operator.office import IBAN, PORTAL, REJECTED, SYSTEM, Office, invoice

TODAY = datetime.now(UTC).date()


def ask(office: Office, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Make the report of the ledger as JSON."""
    done = office.run(
        "report", "--ledger-only", "--month", "this", "--format", "json", *arguments, code=code
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def page_of(office: Office, file: Path, *arguments: str, code: int = 0) -> str:
    office.run("report", "--ledger-only", "--output", str(file), *arguments, code=code)
    return file.read_text(encoding="utf-8")


def tell(office: Office, *documents: Document, success: bool = True) -> None:
    """Note that Basware was told of invoices."""
    for one in documents:
        sequence = office.entry(one.key).sequence
        detail = {"sequence": sequence, "success": success}
        answer = Document(one.key, None, f"{sequence}", label="response", detail=detail)
        office.deliver([answer], stream="transfer_responses", system=PORTAL)


def of(document: Document, **detail: Any) -> Document:
    return replace(document, detail={**document.detail, **detail})


# Figures


def test_sums_are_told_by_legal_entity_and_currency(any_office: Office) -> None:
    any_office.deliver(
        [
            of(invoice("1"), gross="100.10"),
            of(invoice("2"), gross="-40.05"),
            of(invoice("3", entity="demf"), gross="7", currency="USD"),
        ]
    )
    any_office.deliver([of(invoice("4"), gross="1.00")], REJECTED, intended=False)

    totals = ask(any_office)["tables"]["totals"]

    assert [(t["legal_entity"], t["currency"], t["line"]) for t in totals] == [
        ("demf", "USD", "transferred"),
        ("usmf", "EUR", "rejected"),
        ("usmf", "EUR", "transferred"),
    ]
    assert [(t["ledger_count"], t["ledger_amount"]) for t in totals] == [
        (1, "7.00"),
        (1, "1.00"),
        (2, "60.05"),
    ]
    assert all(t["basware_amount"] is None and t["difference"] is None for t in totals)


def test_nothing_is_added_up_over_currencies(office: Office) -> None:
    office.deliver([invoice("1"), of(invoice("2", entity="demf"), currency="EUR")])
    office.deliver([of(invoice("3", entity="demf"), currency="USD")])

    totals = ask(office)["tables"]["totals"]

    over_all = [t for t in totals if t["legal_entity"] == "all"]
    assert [(t["currency"], t["ledger_amount"]) for t in over_all] == [("EUR", "200.20")]


def test_an_invoice_belongs_to_the_period_of_its_date_or_of_its_outcome(office: Office) -> None:
    before = (TODAY.replace(day=1) - timedelta(days=40)).isoformat()
    office.deliver([of(invoice("old"), invoice_date=before)])

    found = ask(office)
    assert found["tables"]["totals"] == []
    assert found["report"]["invoices"] == 1
    assert sum(row["delivered"] for row in found["tables"]["volume"]) == 1

    days = ("--since", before, "--until", before)
    done = office.run("report", "--ledger-only", *days, "--format", "json")
    found = json.loads(done.stdout)
    assert [t["ledger_amount"] for t in found["tables"]["totals"]] == ["100.10"]
    assert sum(row["delivered"] for row in found["tables"]["volume"]) == 0


def test_runs_are_told_with_how_they_ended(any_office: Office) -> None:
    any_office.deliver([invoice("1")])
    any_office.at_work([invoice("2")]).close()

    found = ask(any_office, code=1)

    [summed] = found["tables"]["plugins"]
    assert (summed["plugin"], summed["runs"]) == ("target-test", 3)
    assert summed["complete"] == 2
    assert {run["how"] for run in found["tables"]["runs"]} == {"complete", "at work"}


def test_masters_are_counted_by_kind_and_refusals_grouped(any_office: Office) -> None:
    records = [Document(f"v{n}", None, "f", scope="usmf", label=f"vendor v{n}") for n in range(5)]
    any_office.deliver(records[:2], stream="vendors", system=PORTAL)
    for one in records[2:]:
        words = f"{one.label}: it has no name (VendorOrganizationName); enter one in Dynamics"
        refused = Outcome(Status.REJECTED, words)
        any_office.deliver([one], refused, stream="vendors", system=PORTAL, intended=False)
    any_office.deliver([invoice("1")])

    found = ask(any_office)

    [row] = found["tables"]["records"]
    assert (row["kind"], row["total"], row["accepted"], row["rejected"]) == ("vendors", 5, 2, 3)
    assert row["changed"] == 5
    [cause] = found["tables"]["record_causes"]
    assert (cause["documents"], cause["remedy"]) == (3, "enter one in Dynamics")


def test_first_read_to_delivered_is_measured(office: Office) -> None:
    office.deliver([invoice("1")])
    office.deliver([invoice("2")], REJECTED, intended=False)

    first, back, *_ = ask(office)["tables"]["ages"]

    assert (first["invoices"], first["unknown"]) == (1, 0)
    assert (back["invoices"], back["unknown"]) == (0, 1)


# What needs somebody


def test_all_well_is_exit_code_0_also_with_rejections(office: Office) -> None:
    office.deliver([invoice("1")])
    office.deliver([invoice("2")], REJECTED, intended=False)

    found = ask(office)

    assert found["report"]["well"]
    assert "1 of 2 invoices is in Dynamics, 1 rejected" in found["report"]["sentence"]


@pytest.mark.parametrize("status", [Status.STUCK, Status.IN_DOUBT, Status.ACCEPTED])
def test_what_has_no_outcome_is_exit_code_1(office: Office, status: Status) -> None:
    office.deliver([invoice("1", "INV-9")], Outcome(status, "no answer"))

    found = ask(office, code=1)

    [row] = found["tables"]["attention"]
    assert row["number"] == "INV-9"
    assert "no answer" in row["words"]


def test_stuck_masters_need_somebody(office: Office) -> None:
    office.deliver([invoice("1")])
    vendor = Document("v1", None, "f", label="vendor v1")
    office.deliver([vendor], Outcome(Status.STUCK, "timeout"), stream="vendors", system=PORTAL)

    assert ask(office, code=1)["report"]["needs_somebody"] == {"stuck": 1}


def test_what_basware_was_not_told_counts_once_patience_is_over(office: Office) -> None:
    good, bad = invoice("1"), invoice("2")
    office.deliver([good])
    office.deliver([bad], REJECTED, intended=False)
    assert ask(office)["tables"]["attention"] == []

    backdate(office, 3)
    since = ("--since", str(TODAY - timedelta(days=9)), "--until", str(TODAY))
    done = office.run("report", "--ledger-only", *since, "--format", "json", code=1)
    kinds = {row["kind"] for row in json.loads(done.stdout)["tables"]["attention"]}
    assert kinds == {"unconfirmed", "unexplained"}
    office.run("report", "--ledger-only", *since, "--format", "json", "--patience", "90")

    tell(office, good)
    tell(office, bad, success=False)
    office.run("report", "--ledger-only", *since, "--format", "json")


def test_no_ledger_is_exit_code_2(tmp_path: Path) -> None:
    office = Office(f"sqlite:///{tmp_path}/none.db")
    done = office.run("report", "--ledger-only", code=2)
    assert "there is no ledger" in done.stderr


def test_a_folder_that_is_not_there_is_said(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "missing" / "report.html"
    done = office.run("report", "--ledger-only", "--output", str(file), code=2)
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.output


def test_two_ledgers_are_read_as_one(office: Office, tmp_path: Path) -> None:
    """One ledger for each target, as where they run on two hosts."""
    one = invoice("1")
    office.deliver([one])
    other = Office(f"sqlite:///{tmp_path}/other.db")
    detail = {"sequence": office.entry("1").sequence, "success": True}
    answer = Document("1", None, "f", label="response", detail=detail)
    other.deliver([answer], stream="transfer_responses", system=PORTAL)
    engines = [open_database(each.url) for each in (office, other)]

    made = Gathering(Ledgers("both", *engines, SYSTEM, PORTAL), month_of(TODAY)).report()

    [told] = made.invoices
    assert told.moments.told is not None
    assert len(made.runs) == 3
    assert not made.needs_somebody
    words = [event.words for event in made.invoices.stories([told])["1"]]
    assert words[0].startswith("received")
    assert words[-1].startswith("answer to Basware: delivered")
    for engine in engines:
        engine.dispose()


def test_several_systems_have_to_be_told_apart(office: Office) -> None:
    office.deliver([invoice("1")])
    office.deliver([invoice("2")], system="https://other.example")

    done = office.run("report", "--ledger-only", code=2)
    assert "choose one with --system" in done.stderr
    assert ask(office, "--system", "other")["report"]["invoices"] == 1


def test_without_settings_of_the_systems_the_ledger_speaks_and_it_is_said(
    office: Office, tmp_path: Path
) -> None:
    office.deliver([invoice("1")])
    file = tmp_path / "report.html"
    broken = tmp_path / "broken.json"
    broken.write_text("{}")

    configs = [f"--config={name}={broken}" for name in ("target-d365fo", "target-basware")]
    done = office.run("report", *configs, "--output", str(file), code=2)

    text = file.read_text()
    assert "could not be compared" in text
    assert "Not compared" in text
    assert "1 of 1 invoice is in Dynamics" in done.stdout


# Empty, hostile, many


def test_an_empty_ledger_makes_a_page(office: Office, tmp_path: Path) -> None:
    text = page_of(office, tmp_path / "report.html")
    assert "there were no invoices" in text
    assert "All well" in text


HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}\x1b[31m\u202e"


def hostile(office: Office) -> None:
    odd = of(invoice("<b>key</b>", HOSTILE), vendor=HOSTILE, legal_entity=HOSTILE, currency="<i>")
    office.deliver([odd], Outcome(Status.REJECTED, f"{HOSTILE} {IBAN}"), intended=False)
    office.deliver([replace(odd, key="2")], Outcome(Status.STUCK, HOSTILE))
    office.deliver([Document("v", None, "f", label=HOSTILE, scope=HOSTILE)], stream="<u>vendors")


def test_values_from_outside_are_text(office: Office, tmp_path: Path) -> None:
    hostile(office)
    text = page_of(office, tmp_path / "report.html", code=1)

    assert "<script>alert" not in text
    assert "<b>key" not in text
    assert "<u>vendors" not in text
    assert "<i>" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "{{7*7}}" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert text.count("<script>") == 1


def test_bank_accounts_are_in_none_of_it(office: Office, tmp_path: Path) -> None:
    hostile(office)
    text = page_of(office, tmp_path / "report.html", code=1)
    office.run(
        "report", "--ledger-only", "--format", "csv", "--output", str(tmp_path / "csv"), code=1
    )
    sheets = "".join(file.read_text() for file in (tmp_path / "csv").iterdir())
    for said in (text, sheets, json.dumps(ask(office, code=1))):
        assert IBAN not in said
        assert IBAN[-4:] in said


def test_no_cell_of_a_spreadsheet_is_a_formula(office: Office, tmp_path: Path) -> None:
    formula = "=HYPERLINK(1)"
    odd = of(invoice("+1", formula), vendor="@x", gross="-5.00")
    office.deliver([odd], Outcome(Status.REJECTED, "-2+3"), intended=False)

    folder = tmp_path / "csv"
    office.run("report", "--ledger-only", "--format", "csv", "--output", str(folder))

    assert {file.stem for file in folder.iterdir()} == set(NAMES)
    for file in folder.iterdir():
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"))):
            for value in row:
                assert not value.startswith(("=", "+", "@")), (file.name, value)
                assert not value.startswith("-") or Decimal(value) == Decimal("-5.00")


def test_one_table_goes_to_stdout(office: Office) -> None:
    office.deliver([invoice("1")])
    done = office.run("report", "--ledger-only", "--format", "csv", "--table", "documents")
    [row] = csv.DictReader(io.StringIO(done.stdout))
    assert (row["number"], row["gross"], row["standing"]) == ("INV-1", "100.10", "delivered")


def test_what_is_left_off_the_page_is_said(office: Office, tmp_path: Path) -> None:
    office.deliver([invoice(f"{n:03}") for n in range(60)])
    office.deliver([invoice("bad")], REJECTED, intended=False)

    text = page_of(office, tmp_path / "report.html", "--limit", "5")

    assert text.count('<details class="doc">') == 5
    assert "This page holds 5 of 61 invoices" in text
    assert text.index("INV-bad") < text.index("INV-000")
    everything = page_of(office, tmp_path / "all.html", "--limit", "0")
    assert everything.count('<details class="doc">') == 61


def test_a_failed_report_leaves_the_earlier_one(office: Office, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    page_of(office, file)
    before = file.read_text()
    hidden = list(tmp_path.glob(".report*"))
    office.run("report", "--ledger-only", "--system", "x", "--output", str(tmp_path), code=2)
    assert file.read_text() == before
    assert hidden == []


def test_month_and_days_exclude_each_other(office: Office) -> None:
    wrong = [
        ("--month", "last", "--since", "2026-01-01"),
        ("--month", "nonsense"),
        ("--since", "2026-02-02", "--until", "2026-02-01"),
        ("--table", "runs"),
    ]
    for arguments in wrong:
        done = office.run("report", "--ledger-only", *arguments, code=2)
        assert "Error" in done.stderr


def backdate(office: Office, days: int) -> None:
    """Let all outcomes have been so many days ago."""
    engine = open_database(office.url)
    with writing(engine) as connection:
        for row in connection.execute(select(documents.c.key, documents.c.settled_at)).all():
            then = datetime.fromisoformat(row.settled_at) - timedelta(days=days)
            connection.execute(
                documents.update()
                .where(documents.c.key == row.key)
                .values(settled_at=then.isoformat())
            )
    engine.dispose()


# Causes


def refusal(key: str, reason: str, **more: Any) -> Refusal:
    return Refusal(key, key, reason, currency="EUR", gross=Decimal("1.10"), **more)


def test_forty_documents_with_one_cause_are_one_group() -> None:
    found = grouped(
        (
            refusal(
                f"{n:032x}",
                f"tax code 'US{n % 2}' has no entry under tax_codes in mapping.yml (legal entity "
                f"{entity}); add it there, then transfer the invoice again",
                entity=entity,
            )
            for n, entity in enumerate(["usmf", "demf"] * 20)
        ),
        "",
    )
    [cause] = found
    assert len(cause.refusals) == 40
    assert cause.words == (
        "tax code … has no entry under tax_codes in mapping.yml (legal entity …)"
    )
    assert cause.remedy == "add it there, then transfer the invoice again"
    assert cause.values == {"US0": 20, "US1": 20}
    assert cause.sums == {"EUR": Decimal("44.00")}
    assert cause.entities == ["demf", "usmf"]


def test_different_causes_stay_apart_and_the_most_frequent_is_first() -> None:
    reasons = ["vendor 1 is on hold", "vendor 2 is on hold", "vendor 3 is not known"]
    found = grouped((refusal(str(n), each) for n, each in enumerate(reasons)), "look")
    assert [(cause.words, len(cause.refusals)) for cause in found] == [
        ("vendor … is on hold", 2),
        ("vendor … is not known", 1),
    ]
    assert {cause.remedy for cause in found} == {"look"}


def test_the_name_of_a_field_is_part_of_the_cause() -> None:
    reasons = [
        "The value 'XX1' in field 'Currency' is not found in the related table 'Currencies'",
        "The value 'XX2' in field 'Currency' is not found in the related table 'Currencies'",
        "The value '6815' in field 'Main account' is not found in the related table 'Accounts'",
    ]
    found = grouped((refusal(str(n), each) for n, each in enumerate(reasons)), "look")
    assert [(cause.words, len(cause.refusals)) for cause in found] == [
        ("The value … in field 'Currency' is not found in the related table 'Currencies'", 2),
        ("The value … in field 'Main account' is not found in the related table 'Accounts'", 1),
    ]


@given(st.lists(st.text(), max_size=20))
def test_every_refusal_is_in_one_group_whatever_it_says(reasons: list[str]) -> None:
    found = grouped((refusal(str(n), each) for n, each in enumerate(reasons)), "look")
    assert sum(len(cause.refusals) for cause in found) == len(reasons)
    assert all(cause.words and cause.remedy for cause in found)


# Periods, ages, amounts


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2026-02", Period(date(2026, 2, 1), date(2026, 2, 28))),
        ("this", Period(date(2026, 3, 1), date(2026, 3, 31))),
        ("last", Period(date(2026, 2, 1), date(2026, 2, 28))),
    ],
)
def test_months_have_names(text: str, period: Period) -> None:
    assert named_month(text, date(2026, 3, 31)) == period


def test_periods_in_words() -> None:
    assert str(month_of(date(2026, 11, 23))) == "November 2026"
    assert str(between(date(2026, 11, 1), None, date(2026, 11, 23))) == "1 to 23 November 2026"
    assert str(Period(date(2025, 12, 30), date(2026, 1, 2))) == "30 December 2025 to 2 January 2026"
    assert str(Period(date(2026, 1, 2), date(2026, 1, 2))) == "2 January 2026"
    assert between(None, date(2026, 2, 3), TODAY).since == date(2026, 2, 1)


days = st.dates(date(1990, 1, 1), date(2100, 1, 1))


@given(days, st.integers(0, 1500))
def test_every_day_of_a_period_is_in_one_column(since: date, length: int) -> None:
    period = Period(since, since + timedelta(days=length))
    starts = period.starts()
    assert len(set(starts)) == len(starts) <= 62
    for number in range(0, length + 1, max(1, length // 50)):
        assert period.start_of(since + timedelta(days=number)) in starts


@given(st.lists(st.none() | st.integers(-5, 100).map(lambda n: timedelta(hours=n)), max_size=30))
def test_durations_are_counted_once(found: list[timedelta | None]) -> None:
    for scale in (BY_THE_CLOCK, BY_DAY):
        made = age("s", "m", scale, found)
        assert sum(made.counts) + made.missing == len(found)
        assert (made.at(50) is None) == (not made.durations)
        if made.durations:
            assert made.at(50) <= made.at(90) <= made.at(100) == made.durations[-1]  # type: ignore[operator]


def test_durations_in_words() -> None:
    minute = timedelta(minutes=1)
    assert spoken(minute / 2) == "30 s"
    assert spoken(61 * minute) == "1 h 1 min"
    assert spoken(timedelta(days=1, hours=2)) == "1 day 2 h"
    assert spoken(timedelta(days=3), whole_days=True) == "3 days"


@pytest.mark.parametrize(
    ("value", "words"),
    [("1234.5", "1,234.50"), ("-0.05", "\u22120.05"), ("7", "7.00"), ("1.2345", "1.2345")],
)
def test_amounts_are_never_rounded(value: str, words: str) -> None:
    assert amount(Decimal(value)) == words
    assert shown(Decimal(value), Form.AMOUNT) == words


@given(st.integers(0, 10**9))
def test_scales_are_round_and_have_few_lines(most: int) -> None:
    step = charts.tick(most)
    assert str(step).strip("0") in {"1", "2", "5"}
    assert most <= step * 5


def test_every_kind_of_difference_says_what_to_do() -> None:
    assert set(ASKS) == set(Kind)


def test_every_status_has_a_standing_and_every_standing_a_meaning() -> None:
    assert set(STANDINGS) == set(Status)
    assert set(MEANING) == set(Standing)
