"""What `singer-delivery dry-run` says is what a run then does, and saying it leaves no trace."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from click.testing import Result
from sandbox.d365fo.multipart import Changeset, boundary_of, parse_batch
from sandbox.faults import Fault
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.database import open_database, open_readonly, reading
from singer_delivery.document import Document
from singer_delivery.errors import LedgerError
from singer_delivery.exact_json import encode_json, parse_json
from singer_delivery.runs import Run
from target_d365fo.operations import NUMBER_TO_COME

from tests.live.office import Office
from tests.target_d365fo.conftest import messages

IBAN = "DE89 3704 0044 0532 0130 00"


def told(result: Result) -> list[dict[str, Any]]:
    """What it said, for programs."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found = [parse_json(line) for line in result.stdout.splitlines()]
    assert found[-1]["type"] == "total", result.output
    return found


def documents(result: Result) -> dict[str, dict[str, Any]]:
    """Documents by invoice number."""
    return {each["number"]: each for each in told(result) if each["type"] == "document"}


def traces(office: Office) -> dict[str, str]:
    """The files of the folder with the ledger, by their contents."""
    return {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()
        for file in office.directory.iterdir()
        if file.suffix != ".json"
    }


def wire(office: Office, since: int = 0) -> list[tuple[str, str, bytes]]:
    """Method, path and body of all that Dynamics was told to change, changesets taken apart."""
    found = []
    for each in office.sandbox.journal.requests("d365fo", since=since):
        if each.method == "GET":
            continue
        if not each.path.endswith("$batch"):
            found.append((each.method, each.raw_path, each.body))
            continue
        boundary = boundary_of(each.headers["content-type"])
        assert boundary
        for part in parse_batch(each.body, boundary):
            assert isinstance(part, Changeset)
            for one in part.operations:
                path = one.target.removeprefix(office.sandbox.d365fo_url)
                found.append((one.method, path, one.body))
    return found


def announced(result: Result) -> list[tuple[str, str, bytes]]:
    """The same, as the dry run said it."""
    return [
        (part["method"], part["path"], b"" if part["body"] is None else encode_json(part["body"]))
        for document in documents(result).values()
        for part in document.get("requests", ())
    ]


def in_files(office: Office, *records: dict[str, Any]) -> str:
    """Singer messages of these invoices, as `tap-basware` writes them."""
    return messages("accounting_documents", records, ["invoiceId"])


def test_it_shows_exactly_what_a_run_then_sends(office: Office) -> None:
    result = office.dry_run("--format", "json", "--unmasked")
    assert office.writes(0) == []

    office.post_invoices()

    assert sorted(announced(result)) == sorted(wire(office))
    assert len(wire(office)) == 7
    for document in documents(result).values():
        for part in document.get("requests", ()):
            assert part["sha256"] == hashlib.sha256(encode_json(part["body"])).hexdigest()


def test_it_says_what_becomes_of_each_as_the_run_does(office: Office) -> None:
    result = office.dry_run("--format", "json")
    found = documents(result)

    office.post_invoices()

    assert result.exit_code == 1
    for name in office.documents:
        entry, said = office.entry(name), found[office.documents[name]["invoiceNumber"]]
        assert said["would"] == {"delivered": "send", "rejected": "reject"}[entry.status.value]
        assert said["reason"] == entry.reason
        assert said["reference"] == entry.remote_key


def test_nothing_is_left_behind_where_there_was_nothing(office: Office) -> None:
    result = office.dry_run()

    assert result.exit_code == 1
    assert "there is no ledger yet" in result.stderr
    assert traces(office) == {}
    assert office.writes(0) == []


@pytest.mark.parametrize("crashed", [False, True])
def test_the_ledger_stays_as_it_is_to_the_byte(office: Office, crashed: bool) -> None:
    office.post_invoices()
    if crashed:
        office.leave_in_doubt("plain")
    before, mark = traces(office), office.mark()

    result = office.dry_run("--format", "json")

    assert traces(office) == before
    assert office.writes(mark) == []
    assert {n: d["would"] for n, d in documents(result).items()} == {
        "INV-1": "unchanged",
        "INV-2": "unchanged",
        "CR-1": "unchanged",
        "BAD-1": "reject",
    }
    assert office.held("plain")["processingStatus"] == "WaitingForTransfer"


def test_what_was_changed_takes_the_place_of_the_earlier_version(office: Office) -> None:
    office.post_invoices()
    mark = office.mark()
    again = accounting_document(number="INV-1", rows=[coding_row(net="200.00")])
    text = in_files(office, again)

    result = office.dry_run("--input", "-", "--format", "json", stdin=text)
    shown = office.dry_run("--input", "-", stdin=text)

    assert [part["method"] for part in documents(result)["INV-1"]["requests"]] == [
        "DELETE",
        "POST",
        "POST",
    ]
    assert "would be sent, in place of an earlier version" in shown.stdout
    office.post_these([again])
    assert announced(result) == wire(office, mark)


def test_a_second_invoice_of_one_number_is_judged_after_the_first(office: Office) -> None:
    one, two = (
        accounting_document(number="TWIN", invoice_id=f"b{n}77c1f00d", rows=[coding_row(net="10")])
        for n in (1, 2)
    )

    result = office.dry_run("--input", "-", "--format", "json", stdin=in_files(office, one, two))

    first, second = (d for d in told(result) if d["type"] == "document")
    assert (first["would"], second["would"]) == ("send", "reject")
    office.post_these([one, two])
    ledger = office.ledger()
    reasons = [e.reason for e in ledger.lookup("vendor_invoices", ["b277c1f00d"]).values()]
    ledger.close()
    assert reasons == [second["reason"]]


def test_numbers_that_dynamics_gives_are_said_to_be_still_to_come(office: Office) -> None:
    office.settings["header_reference"] = "number_sequence"
    text = in_files(office, office.documents["two lines"])

    result = office.dry_run("--input", "-", "--format", "json", stdin=text)
    office.post_these([office.documents["two lines"]])

    [document] = documents(result).values()
    assert document["one_transaction"] is False
    assert document["reference"] == ""
    assert NUMBER_TO_COME in document["requests"][1]["body"]["HeaderReference"]
    number = office.entry("two lines").remote_key
    assert [
        (
            method,
            path.replace(NUMBER_TO_COME, number),
            body.replace(NUMBER_TO_COME.encode(), number.encode()),
        )
        for method, path, body in announced(result)
    ] == wire(office)


def test_twins_are_seen_where_dynamics_gives_numbers(office: Office) -> None:
    office.settings["header_reference"] = "number_sequence"
    rows = [
        accounting_document(number=number, invoice_id=f"b{n}77c1f00d", rows=[coding_row(net="10")])
        for n, number in enumerate(["A", "B", "A"])
    ]

    result = office.dry_run("--input", "-", "--format", "json", stdin=in_files(office, *rows))

    assert [d["would"] for d in told(result)[:-1]] == ["send", "send", "reject"]


def test_what_was_given_up_is_stuck(office: Office) -> None:
    office.post_invoices()
    with sqlite3.connect(office.ledger_file) as database:
        database.execute("UPDATE documents SET status = 'stuck', reason = 'lost 20 times'")
    database.close()

    result = office.dry_run("--format", "json")

    assert documents(result)["INV-1"]["would"] == "stuck"
    assert documents(result)["INV-1"]["reason"] == "lost 20 times"
    assert result.exit_code == 1


def test_a_half_is_left_to_a_run(office: Office) -> None:
    office.settings["header_reference"] = "number_sequence"
    document = office.documents["plain"]
    office.sandbox.d365fo.load(
        {
            "VendorInvoiceHeaders": [
                {
                    "dataAreaId": "usmf",
                    "HeaderReference": "N-1",
                    "InvoiceAccount": document["supplierCode"],
                    "InvoiceNumber": "INV-1",
                    "InvoiceDescription": f"{document['invoiceId']} (incomplete)",
                }
            ]
        }
    )

    result = office.dry_run("--format", "json")

    assert documents(result)["INV-1"]["would"] == "open"
    assert "a run settles that first" in documents(result)["INV-1"]["reason"]
    assert office.writes(0) == []


def test_accounts_are_masked_unless_asked_for(office: Office) -> None:
    office.documents["plain"] |= {"text1": f"pay to {IBAN}", "referenceNumber": "RF18539007547034"}
    text = in_files(office, office.documents["plain"])

    for form in ("text", "json"):
        given = ("--input", "-", "--format", form)
        masked = office.dry_run(*given, stdin=text).stdout
        more = office.dry_run(*given, "--mask", "PaymentId", stdin=text).stdout
        plain = office.dry_run(*given, "--unmasked", stdin=text).stdout
        assert IBAN not in masked
        assert "0532 0130" not in masked
        assert "RF18539007547034" in masked
        assert "RF18539007547034" not in more
        assert IBAN in plain


def test_for_people_each_is_a_block_and_the_totals_follow(office: Office) -> None:
    result = office.dry_run("--entity", "USMF", "--number", "INV-2")
    brief = office.dry_run("--quiet")

    head, facts, how, *_ = result.stdout.splitlines()
    assert head.startswith("invoice INV-2 of vendor US-0001 in usmf")
    assert head.endswith("would be sent")
    assert "amount 53.73 USD" in facts
    assert how == "  3 requests in one $batch, all or none:"
    assert '"NetAmount": 30.05' in result.stdout
    assert result.stdout.splitlines()[-2:] == [
        "1 document(s): 1 would be sent",
        "  would be sent to usmf: 1 for 53.73 USD",
    ]
    assert result.exit_code == 0
    assert "NetAmount" not in brief.stdout
    assert "because: tax code 'NONE' has no entry under tax_codes" in brief.stdout
    assert "4 document(s): 3 would be sent, 1 would be rejected" in brief.stdout


def test_one_company_alone_is_read(office: Office) -> None:
    result = office.dry_run("--company", "2000")

    assert result.stdout == "no document was read\n"
    assert result.exit_code == 0


def test_lines_that_are_no_messages_are_told(office: Office) -> None:
    text = "garbage\n" + in_files(office, office.documents["plain"], {"invoiceNumber": "no key"})

    result = office.dry_run("--input", "-", "--quiet", stdin=text)

    assert result.exit_code == 1
    assert "line 1 of the input is not a Singer message" in result.stdout
    assert "without its key invoiceId" in result.stdout
    assert result.stdout.splitlines()[-1] == "2 could not be read"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--input", "missing.jsonl"), "missing.jsonl cannot be read: No such file"),
        (("--input", "-", "--company", "1000"), "give one of them"),
        (("--input", "-"), "stdin has no messages, not even a SCHEMA"),
        (("--ledger-url", "mysql://x/y"), "is not the address of a SQLite or PostgreSQL database"),
        (("--config", "target-d365fo"), "write it like target-d365fo=settings.json"),
    ],
)
def test_what_cannot_be_told_is_2(office: Office, arguments: tuple[str, ...], words: str) -> None:
    result = office.dry_run(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_a_mapping_that_is_none_is_2(office: Office) -> None:
    office.settings["mapping_file"] = str(office.directory / "missing.yml")

    result = office.dry_run()

    assert result.exit_code == 2
    assert "missing.yml: cannot be read" in result.stderr
    assert "Traceback" not in result.output


def test_a_ledger_of_another_version_is_not_brought_up(office: Office) -> None:
    office.ledger().close()
    with sqlite3.connect(office.ledger_file) as database:
        database.execute("UPDATE ledger_version SET version_num = '0002'")
    database.close()

    result = office.dry_run()

    assert result.exit_code == 2
    assert "the ledger has the schema 0002" in result.stderr


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_ledger_opened_for_reading_cannot_be_written(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/a b%20c.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres_url")
    assert open_readonly(url) is None
    open_database(url).dispose()

    engine = open_readonly(url)

    assert engine is not None
    with reading(engine) as connection:
        assert connection.execute(sqlalchemy.text("SELECT count(*) FROM events")).scalar() == 0
    with pytest.raises(LedgerError, match="read"), reading(engine) as connection:
        connection.execute(sqlalchemy.text("DELETE FROM chain"))
    engine.dispose()


def test_json_is_json_and_amounts_keep_their_digits(office: Office) -> None:
    line = next(
        line for line in office.dry_run("--format", "json").stdout.splitlines() if '"INV-2"' in line
    )

    assert '"NetAmount":30.05' in line
    assert json.loads(line)["gross"] == "53.73"


def test_what_dynamics_would_refuse_is_foreseen_for_vendors_and_orders(office: Office) -> None:
    state = office.sandbox.d365fo
    held = state.first("VendorsV3", dataAreaId="usmf", VendorAccountNumber="US-0002")
    assert held
    state.update("VendorsV3", held, {"OnHoldStatus": "Invoice"})
    order = coding_row("10", orderNumber="PO29999999", orderLineNumber="1")
    records = [
        accounting_document(number="HELD", supplier="US-0002"),
        accounting_document(number="UNKNOWN", supplier="US-9999"),
        accounting_document(number="ORDER", rows=[order]),
        accounting_document(number="GOOD"),
    ]
    text = in_files(office, *records)

    result = office.dry_run("--input", "-", "--format", "json", stdin=text)
    words = office.dry_run("--input", "-", "--quiet", stdin=text)

    assert {number: d["objection"] for number, d in documents(result).items()} == {
        "HELD": "vendor US-0002 is on hold for Invoice",
        "UNKNOWN": "there is no vendor US-9999 in legal entity usmf",
        "ORDER": "there is no purchase order PO29999999 in legal entity usmf",
        "GOOD": "",
    }
    assert result.exit_code == 1
    assert "would probably be refused: vendor US-0002 is on hold for Invoice" in words.stdout
    assert words.stdout.splitlines()[-1] == "3 of those to be sent would probably be refused"
    office.post_these(records)
    ledger = office.ledger()
    found = ledger.lookup("vendor_invoices", [record["invoiceId"] for record in records])
    ledger.close()
    assert {e.detail["invoice_number"] for e in found.values() if e.status == "rejected"} == {
        "HELD",
        "UNKNOWN",
        "ORDER",
    }


def test_without_the_right_to_see_vendors_it_says_so(office: Office) -> None:
    fault = Fault("d365fo", "status", status=403, path="/VendorsV3", times=100)
    office.sandbox.faults.add(fault)

    result = office.dry_run("--number", "INV-1")

    assert result.exit_code == 0
    assert "VendorsV3 cannot be read, so nothing is said about it" in result.stderr


def test_many_are_looked_up_by_reading_alone(office: Office) -> None:
    many = [accounting_document(number=f"MANY-{n}", invoice_id=f"{n:032x}") for n in range(60)]

    result = office.dry_run("--input", "-", "--format", "json", stdin=in_files(office, *many))

    assert result.exit_code == 0, result.output
    assert [d["would"] for d in told(result)[:-1]] == ["send"] * 60


def test_half_a_character_rejects_its_invoice_and_no_other(office: Office) -> None:
    broken = [
        accounting_document(number="TEXT", invoice_id="b177c1f00d", text1="x\ud800y"),
        accounting_document(number="N\ud800", invoice_id="b277c1f00d"),
        accounting_document(
            number="LINE", invoice_id="b377c1f00d", rows=[coding_row("1", text="\udfff")]
        ),
    ]
    records = [*broken, office.documents["plain"]]
    text = in_files(office, *records)

    result = office.dry_run("--input", "-", "--format", "json", stdin=text)
    words = office.dry_run("--input", "-", stdin=text)

    assert [d["would"] for d in told(result)[:-1]] == ["reject", "reject", "reject", "send"]
    assert "Comment has a broken character in it" in words.stdout
    assert words.exit_code == result.exit_code == 1
    office.post_these(records)
    ledger = office.ledger()
    found = ledger.lookup("vendor_invoices", [record["invoiceId"] for record in records])
    ledger.close()
    assert [found[r["invoiceId"]].status.value for r in records] == [
        "rejected",
        "rejected",
        "rejected",
        "delivered",
    ]


def test_what_another_run_is_at_cannot_be_told_yet(office: Office) -> None:
    ledger = office.ledger()
    ledger.begin_run(Run("another", office.sandbox.d365fo_url, plugin="target-d365fo"))
    document = Document(office.documents["plain"]["invoiceId"], payload=None, fingerprint="f")
    ledger.intend("vendor_invoices", [document], "another")

    found = documents(office.dry_run("--format", "json"))
    ledger.end_run("another", {})
    ledger.close()

    assert found["INV-1"]["would"] == "open"
    assert "has it in flight" in found["INV-1"]["reason"]
    assert found["INV-2"]["would"] == "send"


def test_texts_are_shown_as_they_are_but_for_what_steers_a_terminal(office: Office) -> None:
    office.documents["plain"]["text1"] = "two  blanks, \x1b[2J and \u202ebidi"
    text = in_files(office, office.documents["plain"])

    shown = office.dry_run("--input", "-", stdin=text).stdout

    assert '"Comment": "two  blanks, \\u001b[2J and \\u202ebidi"' in shown
