"""Which invoices another mapping.yml would send differently, and what differs in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from singer_delivery.exact_json import parse_json

from tests.live.office import ROOT, Office
from tests.live.test_dry_run import IBAN, in_files, traces

OLD = str(ROOT / "mapping.yml")
NUMBERS = {"INV-1", "INV-2", "CR-1"}


@pytest.fixture
def known(office: Office) -> Office:
    """The ledger has the records of all four."""
    office.post_invoices()
    return office


def mapping(office: Office, *changes: tuple[str, str], name: str = "new.yml") -> str:
    """The mapping with some texts replaced."""
    text = Path(OLD).read_text("utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    file = office.directory / name
    file.write_text(text, "utf-8")
    return str(file)


def told(result: Result) -> list[dict[str, Any]]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found = [parse_json(line) for line in result.stdout.splitlines()]
    assert found[-1]["type"] == "total", result.output
    return found


def numbers(office: Office, keys: list[str]) -> set[str]:
    return {d["invoiceNumber"] for d in office.documents.values() if d["invoiceId"] in keys}


def test_the_same_mapping_changes_nothing(known: Office) -> None:
    before, mark = traces(known), known.mark()

    result = known.mapping_diff(OLD, mapping(known, ("# What Basware", "# Words about Basware")))

    assert result.stdout == "0 of 4 document(s) would post differently\n"
    assert result.exit_code == 0
    assert known.writes(mark) == []
    assert {n: d for n, d in traces(known).items() if n != "new.yml"} == before


def test_what_differs_is_told_by_field_and_value(known: Office) -> None:
    new = mapping(
        known,
        ("US07: {sales_tax_group: US-CA, item", "US07: {sales_tax_group: US-NY, item"),
        ("30N: Net30", "30N: null"),
    )

    result = known.mapping_diff(OLD, new, "--format", "json")

    fields = {each["field"]: each for each in told(result) if each["type"] == "field"}
    assert fields.keys() == {
        "VendorInvoiceHeaders.SalesTaxGroup",
        "VendorInvoiceHeaders.TermsOfPayment",
        "VendorInvoiceLines.SalesTaxGroup",
    }
    [term] = fields["VendorInvoiceHeaders.TermsOfPayment"]["values"]
    assert (term["before"], term["after"], term["documents"]) == ("Net30", None, 3)
    assert numbers(known, term["keys"]) == NUMBERS
    [line] = fields["VendorInvoiceLines.SalesTaxGroup"]["values"]
    assert (line["before"], line["after"], line["documents"]) == ("US-CA", "US-NY", 3)
    assert told(result)[-1] == {
        "type": "total",
        "documents": 4,
        "differing": 3,
        "same": 1,
        "different": 3,
        "now_rejected": 0,
        "now_sent": 0,
        "other_reason": 0,
        "without_record": 0,
        "unreadable": 0,
    }
    assert result.exit_code == 1


def test_what_would_be_sent_is_what_a_run_with_the_new_mapping_sends(office: Office) -> None:
    """The promise behind all of it: the fields as told are those that Dynamics then has."""
    new = mapping(
        office, ('description: "Basware', 'description: "BW'), ("30N: Net30", "30N: Net14")
    )
    result = office.mapping_diff(OLD, new, "--waiting", "--format", "json")
    fields = {each["field"]: each["values"] for each in told(result) if each["type"] == "field"}

    office.settings["mapping_file"] = new
    office.post_invoices()

    headers = office.sandbox.d365fo.rows("VendorInvoiceHeaders")
    assert {h["InvoiceDescription"] for h in headers} == {
        value["after"] for value in fields["VendorInvoiceHeaders.InvoiceDescription"]
    }
    assert {h["TermsOfPayment"] for h in headers} == {"Net14"}
    assert fields.keys() == {
        "VendorInvoiceHeaders.InvoiceDescription",
        "VendorInvoiceHeaders.TermsOfPayment",
    }


def test_new_and_gone_holes_are_told_with_their_reasons(known: Office) -> None:
    new = mapping(
        known,
        (
            "tax_codes:\n  US07",
            "tax_codes:\n  NONE: {sales_tax_group: US-CA, item_sales_tax_group: FULL}\n  US07",
        ),
        ("  CR: {credit_note: true}\n", ""),
    )

    result = known.mapping_diff(OLD, new)

    assert "2 of 4 document(s) would post differently" in result.stdout
    assert "1 would be rejected now" in result.stdout
    assert "1 would be sent now, rejected before" in result.stdout
    assert "after: invoice type 'CR' has no entry under invoice_types" in result.stdout
    assert "before: tax code 'NONE' has no entry under tax_codes" in result.stdout
    assert "1 (CR-1)" in result.stdout
    assert result.exit_code == 1


def test_details_name_the_line(known: Office) -> None:
    new = mapping(
        known, ("US07: {sales_tax_group: US-CA, item", "US07: {sales_tax_group: US-NY, item")
    )

    result = known.mapping_diff(OLD, new, "--details", "--number", "INV-2")

    assert result.stdout.splitlines()[:5] == [
        f"invoice INV-2 of vendor US-0001 in usmf ({known.documents['two lines']['invoiceId']}) "
        "— would be sent with other contents",
        '  VendorInvoiceHeaders.SalesTaxGroup: "US-CA" -> "US-NY"',
        '  VendorInvoiceLines[1].SalesTaxGroup: "US-CA" -> "US-NY"',
        '  VendorInvoiceLines[2].SalesTaxGroup: "US-CA" -> "US-NY"',
        "",
    ]
    assert "1 of 1 document(s)" in result.stdout


def test_the_old_mapping_may_come_from_git(known: Office) -> None:
    new = mapping(known, ("30N: Net30", "30N: Net60"))

    result = known.mapping_diff("-", new, stdin=Path(OLD).read_text("utf-8"))

    assert '"Net30" -> "Net60": 3' in result.stdout


def test_messages_at_hand_serve_as_well(office: Office) -> None:
    new = mapping(office, ("30N: Net30", "30N: Net60"))
    text = in_files(office, *office.documents.values(), {"invoiceNumber": "no key"})

    result = office.mapping_diff(OLD, new, "--input", "-", "--number", "INV-1", stdin=text)

    assert "1 of 1 document(s) would post differently" in result.stdout
    assert "not read: line 6 of the input has a record of stream accounting_documents" in (
        result.stdout
    )


def test_recent_is_how_many_and_what_is_erased_is_counted(known: Office) -> None:
    new = mapping(known, ("30N: Net30", "30N: Net60"))
    assert (
        told(known.mapping_diff(OLD, new, "--recent", "2", "--format", "json"))[-1]["documents"]
        == 2
    )
    ledger = known.ledger()
    ledger.erase(timedelta(days=-1), "run")
    ledger.close()

    result = known.mapping_diff(OLD, new)

    assert "0 of 0 document(s)" in result.stdout
    assert "4 more could not be compared: their records are not kept" in result.stdout


def test_days_choose_among_what_is_in_the_ledger(known: Office) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()

    result = known.mapping_diff(OLD, OLD, "--since", tomorrow)

    assert result.stdout == "0 of 0 document(s) would post differently\n"


def test_many_values_are_summed_up_in_words_and_whole_in_json(office: Office) -> None:
    document = office.documents["plain"]
    many = [
        {**document, "invoiceId": f"b{n}77c1f00d", "invoiceNumber": f"N-{n}"} for n in range(14)
    ]
    new = mapping(office, ('description: "Basware', 'description: "BW'))
    given = (OLD, new, "--input", "-")
    text = in_files(office, *many)

    words = office.mapping_diff(*given, stdin=text).stdout
    [field, _] = told(office.mapping_diff(*given, "--format", "json", stdin=text))

    assert "4 other pairs of values, in 4 document(s): --details shows them" in words
    assert len(field["values"]) == 14


def test_accounts_in_values_are_masked(office: Office) -> None:
    office.documents["plain"]["text1"] = IBAN
    new = mapping(office, ('Comment: "{text1}"', 'Comment: "Note {text1}"'))
    given = (OLD, new, "--input", "-", "--details")
    text = in_files(office, office.documents["plain"])

    for form in ("text", "json"):
        assert IBAN not in office.mapping_diff(*given, "--format", form, stdin=text).output
        shown = office.mapping_diff(*given, "--format", form, "--unmasked", stdin=text).output
        assert f"Note {IBAN}" in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((OLD, "missing.yml", "--waiting"), "missing.yml: cannot be read"),
        ((OLD, OLD), "there is no ledger yet"),
        (("-", "-"), "- only once"),
        ((OLD, OLD, "--waiting", "--input", "x"), "give one of"),
        ((OLD, OLD, "--waiting", "--since", "2026-01-01"), "among what is in the ledger"),
    ],
)
def test_what_cannot_be_told_is_2(office: Office, arguments: tuple[str, ...], words: str) -> None:
    result = office.mapping_diff(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_field_that_dynamics_does_not_have_is_2(known: Office) -> None:
    new = mapping(known, ("  fields: {}", '  fields: {NoSuchField: "x"}'))

    result = known.mapping_diff(OLD, new)

    assert result.exit_code == 2
    assert "line.fields" in result.stderr
    assert "NoSuchField" in result.stderr
