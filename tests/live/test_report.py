"""The report with both live systems: its figures are theirs, and what differs shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from singer_delivery.operator.cli import main

from tests.live.office import Office

YEAR = ("--since", "2026-01-01", "--until", "2026-12-31")


def call(office: Office, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", *office.configs(), *YEAR, *arguments])


def ask(office: Office, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = call(office, "--format", "json", *arguments)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def line(found: dict[str, Any], name: str) -> tuple[Any, ...]:
    """Count and amount of Basware, ledger and Dynamics, and the difference."""
    [row] = [row for row in found["tables"]["totals"] if row["line"] == name]
    return tuple(row.values())[3:]


def test_the_totals_are_those_of_both_systems(settled: Office) -> None:
    found = ask(settled)

    assert found["report"]["live"]
    assert found["report"]["sentence"].endswith(
        "3 of 4 invoices are in Dynamics, 1 rejected; Basware, Dynamics and the ledger agree to "
        "the cent."
    )
    gross = ("107.36", "53.73", "-42.90")
    assert {r["gross"] for r in found["tables"]["documents"]} == {*gross, "1.07"}
    assert line(found, "approved") == (4, "119.26", None, None, None, None, None)
    assert line(found, "transferred") == (3, "118.19", 3, "118.19", 3, "118.19", "0.00")
    assert line(found, "posted") == (None, None, None, None, 3, "118.19", None)
    assert line(found, "rejected") == (1, "1.07", 1, "1.07", None, None, None)
    assert line(found, "paid") == (1, "50.05", None, None, 1, "50.05", "0.00")


def test_the_totals_are_of_invoices_dated_in_the_period(settled: Office) -> None:
    today = datetime.now(UTC).date().isoformat()  # of all outcomes, and of no invoice

    found = ask(settled, "--since", today, "--until", today)

    assert found["tables"]["totals"] == []
    assert len(found["tables"]["documents"]) == 4


def test_where_each_invoice_stands_is_said(settled: Office) -> None:
    rows = {row["number"]: row for row in ask(settled)["tables"]["documents"]}

    standing = {number: row["standing"] for number, row in rows.items()}
    assert standing == {
        "INV-1": "paid in part",
        "INV-2": "posted",
        "CR-1": "posted",
        "BAD-1": "rejected",
    }
    assert rows["INV-1"]["posted"]
    assert rows["INV-1"]["paid"]
    assert rows["INV-2"]["paid"] is None
    assert rows["INV-1"]["told"] >= rows["INV-1"]["delivered"] >= rows["INV-1"]["received"]


def test_the_rejected_one_is_told_with_its_remedy(settled: Office) -> None:
    [cause] = ask(settled)["tables"]["causes"]

    assert cause["cause"].startswith("tax code … has no entry")
    assert cause["remedy"] == "add it there, then transfer the invoice again"
    assert (cause["values"], cause["amounts"]) == ("NONE (1)", "1.07 USD")


def test_it_finds_what_reconcile_finds_and_says_so_with_its_exit_code(settled: Office) -> None:
    settled.delete_row("plain")
    [row] = settled.sandbox.d365fo.find("VendInvoiceJourBiEntities", InvoiceId="INV-2")
    settled.sandbox.d365fo.pay_invoice("usmf", str(row.values["LedgerVoucher"]))

    found = ask(settled, code=1)

    told = [(row["kind"], row["number"]) for row in found["tables"]["attention"]]
    known = settled.reconcile(*YEAR).differences
    assert {kind.replace("_", " ") for kind, _ in known} == {"not in ledger", "paid"}
    assert sorted(told) == sorted((kind.replace("_", " "), number) for kind, number in known)
    assert line(found, "paid")[-1] == "53.73"
    assert found["report"]["needs_somebody"] == {"not_in_ledger": 1, "paid": 1}


def test_a_system_that_cannot_be_read_is_said_on_the_page(settled: Office, tmp_path: Path) -> None:
    settled.settings = {"client_secret": "not-the-secret"}
    file = tmp_path / "report.html"

    result = call(settled, "--output", str(file))

    assert result.exit_code == 2, result.output
    text = file.read_text()
    assert "could not be compared" in text
    assert "3 of 4 invoices are in Dynamics" in text
    assert "not-the-secret" not in text + result.output


def test_it_writes_nothing_into_systems_and_ledger(settled: Office, tmp_path: Path) -> None:
    mark = settled.mark()
    before = settled.ledger_file.stat().st_mtime_ns
    call(settled, "--output", str(tmp_path / "report.html"))

    assert settled.writes(mark) == []
    assert settled.ledger_file.stat().st_mtime_ns == before


def test_the_page_holds_the_same_figures(settled: Office, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    assert call(settled, "--output", str(file)).exit_code == 0

    text = file.read_text()
    for figure in ("118.19", "119.26", "50.05", "\u221242.90", "0.00"):
        assert f">{figure}" in text, figure
    assert "All well" in text
