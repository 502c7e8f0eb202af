"""`replay`: kept records as Singer messages, noted in the ledger before they go out."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from singer_delivery.document import Outcome, Status
from singer_delivery.payloads import SingerStream

from tests.operator.office import (
    IBAN,
    INVOICES,
    PORTAL,
    REJECTED,
    Office,
    invoice,
    record,
)

STUCK = Outcome(Status.STUCK, "the answer was lost 20 times")


def keys(messages: list[dict[str, object]]) -> list[object]:
    return [m["record"]["invoiceId"] for m in messages if m["type"] == "RECORD"]  # type: ignore[index]


def test_a_rejected_document_goes_out_as_it_came_in(any_office: Office) -> None:
    any_office.deliver([invoice("a")], REJECTED)
    done = any_office.run("replay", "a")
    schema, sent = done.stdout.splitlines()
    assert json.loads(schema) == {
        "type": "SCHEMA",
        "stream": "accounting_documents",
        "schema": INVOICES.schema,
        "key_properties": ["invoiceId"],
    }
    told = json.loads(sent, parse_float=Decimal)
    assert told == {
        "type": "RECORD",
        "stream": "accounting_documents",
        "record": record("a", "INV-a"),
    }
    assert '"grossSum":100.10' in sent
    assert done.stderr == "1 document(s) replayed\n"


def test_a_replay_is_noted_and_the_document_released(any_office: Office) -> None:
    any_office.deliver([invoice("a")], REJECTED)
    [received] = any_office.events("received")
    any_office.run("replay", "a", "--reason", "mapping corrected")
    [replayed] = any_office.events("replayed")
    assert (replayed.key, replayed.payload) == ("a", received.payload)
    assert replayed.detail == {"edited": False, "reason": "mapping corrected"}
    assert replayed.actor.endswith("claimed to be alice)") or "PostgreSQL login" in replayed.actor
    assert any_office.entry("a").status is Status.NOT_SENT
    any_office.run("verify")


def test_a_delivered_document_stays_what_it_is(office: Office) -> None:
    office.deliver([invoice("a")])
    assert keys(office.messages("replay", "a")) == ["a"]
    assert office.entry("a").status is Status.DELIVERED


def test_documents_go_out_in_the_order_of_their_last_events(office: Office) -> None:
    for key in ("c", "a", "b"):
        office.deliver([invoice(key)], REJECTED)
    office.deliver([invoice("c", content=2)], REJECTED)
    office.deliver([invoice("d")])
    messages = office.messages("replay", "--all-rejected", "--yes")
    assert [m["type"] for m in messages] == ["SCHEMA", "RECORD", "RECORD", "RECORD"]
    assert keys(messages) == ["a", "b", "c"]
    assert messages[-1]["record"]["content"] == 2


def test_stuck_documents_and_filters(office: Office) -> None:
    office.deliver([invoice("a")], STUCK)
    office.deliver([invoice("b", entity="demf")], REJECTED)
    office.deliver([invoice("c")], REJECTED)
    assert keys(office.messages("replay", "--stuck", "--yes")) == ["a"]
    assert keys(office.messages("replay", "--entity", "demf", "--yes")) == ["b"]
    more = ("replay", "--all-rejected", "--entity", "usmf", "--yes")
    assert keys(office.messages(*more)) == ["c"]


def test_many_documents_are_all_replayed(office: Office) -> None:
    office.deliver([invoice(f"k{n:03}") for n in range(250)], REJECTED)
    messages = office.messages("replay", "--all-rejected", "--yes")
    assert (len(messages), len(set(keys(messages)))) == (251, 250)
    assert len(office.events("replayed")) == 250


def test_a_changed_schema_is_told_before_its_records(office: Office) -> None:
    wider = SingerStream(INVOICES.stream, {"type": "object", "properties": {}}, ["invoiceId"])
    office.deliver([invoice("a")], REJECTED)
    office.deliver([invoice("b")], REJECTED, singer=wider)
    messages = office.messages("replay", "a", "b")
    assert [m["type"] for m in messages] == ["SCHEMA", "RECORD", "SCHEMA", "RECORD"]


# Which one is meant


def test_of_an_invoice_and_its_response_the_undone_one_is_meant(office: Office) -> None:
    office.deliver([invoice("a", "INV-1")], REJECTED)
    office.deliver([invoice("a", "INV-1")], stream="transfer_responses", system=PORTAL)
    office.messages("replay", "INV-1")
    assert office.events("replayed")[0].stream == "vendor_invoices"


def test_where_both_are_done_one_has_to_be_chosen(office: Office) -> None:
    office.deliver([invoice("a")])
    office.deliver([invoice("a")], stream="transfer_responses", system=PORTAL)
    words = office.refused("replay", "a")
    assert "a names 2 documents: transfer_responses a (delivered, https://portal.example)" in words
    assert keys(office.messages("replay", "a", "--stream", "vendor_invoices")) == ["a"]


def test_one_replay_goes_to_one_system(office: Office) -> None:
    office.deliver([invoice("a")], REJECTED)
    office.deliver([invoice("b")], REJECTED, stream="transfer_responses", system=PORTAL)
    words = office.refused("replay", "--all-rejected", "--yes")
    assert "went to 2 systems" in words
    assert not office.events("replayed")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "say what to replay"),
        (["nil"], "no document is known as nil"),
        (["--stuck", "--yes"], "no document is like that"),
        (["a", "--approved", "1"], "give nothing else"),
        (["--approved", "nil"], "there is no request nil"),
        (["a", "--edit", "/nowhere/x.json"], "cannot be read"),
        (["--all-rejected"], "add --yes"),
    ],
)
def test_what_makes_no_sense_is_refused(office: Office, arguments: list[str], words: str) -> None:
    office.deliver([invoice("a")], REJECTED)
    assert words in office.refused("replay", *arguments)
    assert not office.events("replayed")


# What cannot be replayed


def test_an_erased_record_is_refused(office: Office) -> None:
    office.deliver([invoice("a")], REJECTED)
    office.run("erase", "--key", "a", "--yes")
    assert "its record was erased on 20" in office.refused("replay", "a")


def test_a_record_that_was_never_kept_is_refused(office: Office) -> None:
    office.deliver([replace(invoice("a"), record=None)], REJECTED)
    assert "its record was never kept" in office.refused("replay", "a")


def test_a_later_record_that_was_not_kept_is_not_replaced_by_an_older_one(office: Office) -> None:
    office.deliver([invoice("a")], REJECTED)
    office.deliver([replace(invoice("a", content=2), record=None)], REJECTED)
    assert "its record was never kept" in office.refused("replay", "a")


def test_of_several_named_ones_all_or_none(office: Office) -> None:
    office.deliver([invoice("a"), replace(invoice("b"), record=None)], REJECTED)
    office.refused("replay", "a", "b")
    assert not office.events("replayed")


def test_of_a_filter_what_cannot_be_is_left_out_loudly(office: Office) -> None:
    office.deliver([invoice("a"), replace(invoice("b"), record=None)], REJECTED)
    done = office.run("replay", "--all-rejected", "--yes", code=1)
    assert len(done.stdout.splitlines()) == 2
    assert "left out: vendor_invoices invoice INV-b in usmf (b): its record was" in done.stderr


def test_what_is_in_flight_is_refused_and_what_a_dead_run_left_is_not(any_office: Office) -> None:
    any_office.deliver([invoice("a")], REJECTED)
    ledger = any_office.at_work([invoice("a")])
    assert "it is in flight now, in run " in any_office.refused("replay", "a")
    ledger.close()
    ledger.end_run(any_office.entry("a").run_id, {})
    ledger.close()
    assert keys(any_office.messages("replay", "a")) == ["a"]


# Edited


def test_an_edited_record_goes_out_and_is_kept(any_office: Office, tmp_path: Path) -> None:
    office = any_office
    office.deliver([invoice("a")], REJECTED)
    file = tmp_path / "edited.json"
    file.write_text(office.run("payload", "a").stdout.replace("US-9999", "US-0001"))
    done = office.run("replay", "a", "--edit", str(file))
    sent = json.loads(done.stdout.splitlines()[1], parse_float=Decimal)["record"]
    assert sent == {**record("a", "INV-a"), "supplierCode": "US-0001"}
    assert 'supplierCode: "US-9999" -> "US-0001"' in done.stderr
    [received], [replayed] = office.events("received"), office.events("replayed")
    assert replayed.payload not in {"", received.payload}
    assert replayed.detail["edited"] is True
    office.run("verify")
    office.deliver([invoice("a", supplierCode="US-0001")])
    assert office.events("received")[-1].payload == replayed.payload


def test_an_edit_is_not_what_a_later_replay_repeats(office: Office) -> None:
    office.deliver([invoice("a")], REJECTED)
    edited = json.dumps({"invoiceId": "a"})
    office.messages("replay", "a", "--edit", "-", typed=edited)
    messages = office.messages("replay", "a")
    assert messages[1]["record"]["supplierCode"] == "US-9999"


def test_no_account_number_is_in_the_differences(office: Office) -> None:
    office.deliver([invoice("a")], REJECTED)
    edited = json.dumps(
        {**record("a", "INV-a"), "supplierBankIBAN": "DE89370400440532013000"}, default=str
    )
    done = office.run("replay", "a", "--edit", "-", typed=edited)
    assert 'supplierBankIBAN: "…0785" -> "…3000"' in done.stderr
    assert IBAN not in done.stderr
    assert "DE8937" in done.stdout


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("[]", "is not a JSON object"),
        ("{", "is not a JSON object"),
        ('{"invoiceId": "b"}', "has another invoiceId"),
        ("{}", "has another invoiceId"),
        ('{"invoiceId": "a", "note": "…0785"}', "has the masked value …0785"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(office: Office, typed: str, words: str) -> None:
    office.deliver([invoice("a")], REJECTED)
    assert words in office.refused("replay", "a", "--edit", "-", typed=typed)
    assert not office.events("replayed")


def test_an_edit_without_a_change_is_refused(office: Office) -> None:
    office.deliver([invoice("a")], REJECTED)
    same = office.run("payload", "a").stdout
    assert "is the same as the kept one" in office.refused("replay", "a", "--edit", "-", typed=same)


def test_one_edit_is_for_one_document(office: Office) -> None:
    office.deliver([invoice("a"), invoice("b")], REJECTED)
    assert "these are 2" in office.refused("replay", "a", "b", "--edit", "-", typed="{}")
