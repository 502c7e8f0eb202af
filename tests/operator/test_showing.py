"""`show` and `payload`: one document, its relatives, and all that happened to them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from singer_delivery.document import Outcome, Status
from singer_delivery.payloads import SingerStream

from tests.operator.office import IBAN, PORTAL, REJECTED, Office, invoice

OUTCOMES = SingerStream("transfer_outcomes", {"type": "object"}, ["document_id"])
PAYMENTS = SingerStream("vendor_payments", {"type": "object"}, ["settlement_id"])


@pytest.fixture
def family(any_office: Office) -> Office:
    """An invoice, its response, two payments (one before its id was known), and a stranger."""
    office = any_office
    office.deliver([invoice("inv-a", "INV-1")])
    response = replace(
        invoice("inv-a", "INV-1"), natural_key="", detail={"legal_entity": "usmf"}, label=""
    )
    to_portal: dict[str, Any] = {"system": PORTAL, "singer": OUTCOMES}
    office.deliver([response], stream="transfer_responses", **to_portal)
    early, late = (
        replace(
            invoice(f"usmf/{number}"),
            natural_key="usmf/US-9999/INV-1/V1",
            detail={
                "invoice_number": "INV-1",
                "legal_entity": "usmf",
                "vendor_account": "us-9999",
            },
            label=f"payment {number}",
        )
        for number in (1, 2)
    )
    paid: dict[str, Any] = {"stream": "payment_responses", "system": PORTAL, "singer": PAYMENTS}
    office.deliver([early], Outcome(Status.SKIPPED, "not a Basware invoice"), **paid)
    known = Outcome(Status.DELIVERED, detail={"document_id": "inv-a"})
    office.deliver([late], known, **paid)
    office.deliver([invoice("inv-b", "INV-2")])
    return office


@pytest.mark.parametrize("name", ["inv-a", "INV-1", "usmf/2"])
def test_an_invoice_is_shown_with_its_response_and_its_payments(family: Office, name: str) -> None:
    told = json.loads(family.run("show", name, "--json").stdout)
    places = [(one["stream"], one["key"], one["status"]) for one in told["documents"]]
    assert places == [
        ("vendor_invoices", "inv-a", "delivered"),
        ("transfer_responses", "inv-a", "delivered"),
        ("payment_responses", "usmf/1", "skipped"),
        ("payment_responses", "usmf/2", "delivered"),
    ]
    numbers = [event["number"] for event in told["events"]]
    assert numbers == sorted(numbers)
    assert {event["key"] for event in told["events"]} == {"inv-a", "usmf/1", "usmf/2"}


def test_a_payment_whose_invoice_was_never_named_belongs_to_it(family: Office) -> None:
    alone = replace(
        invoice("usmf/9"),
        natural_key="usmf/US-9999/INV-2/V2",
        detail={"invoice_number": "INV-2", "legal_entity": "usmf", "vendor_account": "US-9999"},
    )
    family.deliver([alone], Outcome(Status.SKIPPED), stream="payment_responses", system=PORTAL)
    told = json.loads(family.run("show", "INV-2", "--json").stdout)
    assert [one["key"] for one in told["documents"]] == ["inv-b", "usmf/9"]


def test_the_history_is_in_plain_words(office: Office) -> None:
    office.deliver([invoice("inv-a", "INV-1")], REJECTED)
    run = office.deliver([invoice("inv-a", "INV-1", content=2)])
    told = office.run("show", "INV-1").stdout
    assert "invoice INV-1 in usmf (inv-a) — delivered" in told
    assert "legal entity usmf, vendor US-9999, number INV-1, amount 100.10 EUR" in told
    assert "rejected: vendor US-9999 is not known" in told
    assert "delivered as BW1 (request id req-7)" in told
    assert f"{run[:12]}  target-test by svc on " in told
    assert told.count("received from accounting_documents (payload ") == 2
    assert told.count(", kept\n") == 2


def test_payloads_are_shown_on_demand_without_accounts(office: Office) -> None:
    office.deliver([invoice("inv-a", "INV-1")])
    assert "codingRows" not in office.run("show", "inv-a").stdout
    for options in (["show", "inv-a", "--payload"], ["show", "inv-a", "--payload", "--json"]):
        told = office.run(*options, "--mask", "netsum").stdout
        assert '"supplierBankIBAN": "…0785"' in told
        assert '"grossSum": 100.10' in told
        assert '"netSum": "…"' in told
        assert IBAN not in told


def test_an_erased_payload_is_told_as_erased(office: Office) -> None:
    office.deliver([invoice("inv-a", "INV-1")])
    office.run("erase", "--key", "inv-a", "--yes")
    told = office.run("show", "inv-a", "--payload").stdout
    assert ", erased 20" in told
    assert told.rstrip().endswith("erased")


def test_a_number_of_two_vendors_is_not_one_document(office: Office) -> None:
    office.deliver([invoice("inv-a", "INV-1"), invoice("inv-b", "INV-1", entity="demf")])
    words = office.refused("show", "INV-1")
    assert "is the number of several documents" in words
    assert "inv-a (vendor_invoices, usmf US-9999); inv-b (vendor_invoices, demf US-9999)" in words
    office.run("show", "inv-a")


def test_what_nobody_knows_is_said(office: Office) -> None:
    assert office.refused("show", "nil") == "no document has the key or the number nil"
    assert office.refused("payload", "nil") == "nil is not known"


def test_the_payload_to_edit_is_the_latest_one_received(office: Office) -> None:
    office.deliver([invoice("inv-a", "INV-1")])
    office.deliver([invoice("inv-a", "INV-1", content=2)])
    told = json.loads(office.run("payload", "inv-a").stdout)
    assert (told["content"], told["supplierBankIBAN"]) == (2, "…0785")
    assert '"grossSum": 100.10' in office.run("payload", "INV-1").stdout


def test_of_several_payloads_one_has_to_be_chosen(family: Office) -> None:
    assert "transfer_responses inv-a; vendor_invoices inv-a" in family.refused("payload", "inv-a")
    family.run("payload", "inv-a", "--stream", "transfer_responses")
