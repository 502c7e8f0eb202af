"""Several invoices in one request: each a transaction of its own, with an outcome of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.errors import SetupError
from singer_delivery.ledger import Ledger

from tests.target_d365fo.conftest import Dynamics

FOUR: dict[str, Any] = {
    "min_invoices_per_request": 4,
    "max_invoices_per_request": 4,
    "max_connections": 1,
}


def documents(count: int, **more: Any) -> list[dict[str, Any]]:
    rows = [coding_row(net="60.00"), coding_row(net="40.00")]
    return [accounting_document(number=f"INV-{n}", rows=rows, **more) for n in range(count)]


def batches(dynamics: Dynamics) -> list[bytes]:
    found = dynamics.sandbox.journal.requests(system="d365fo", path="batch")
    return [request.body for request in found if b"\r\nPOST " in request.body]


def sizes(dynamics: Dynamics) -> list[int]:
    """How many invoices went in each request."""
    return [body.count(b"VendorInvoiceHeaders?") for body in batches(dynamics)]


def refused(number: int) -> dict[str, Any]:
    """An invoice that Dynamics refuses: nobody knows its vendor."""
    return accounting_document(number=f"BAD-{number}", supplier="US-9999")


def test_they_travel_together_and_are_whole(dynamics: Dynamics) -> None:
    offered = documents(10)

    dynamics.deliver(*offered, **FOUR)

    assert sizes(dynamics) == [4, 4, 2]
    assert len(dynamics.headers()) == 10
    assert len(dynamics.lines()) == 20
    assert {dynamics.status(document) for document in offered} == {"delivered"}


@pytest.mark.parametrize("nested", [True, False])
def test_one_that_is_refused_leaves_the_others(dynamics: Dynamics, nested: bool) -> None:
    dynamics.sandbox.switches.set("d365fo.changeset_error_nested", nested)
    good, bad = documents(6), refused(1)

    dynamics.deliver(good[0], bad, *good[1:], **FOUR)

    assert len(dynamics.headers()) == 6
    assert dynamics.status(bad) == "rejected"
    assert "US-9999" in dynamics.reason(bad)
    assert {dynamics.status(document) for document in good} == {"delivered"}


def test_the_others_go_on_where_a_server_must_be_told_to(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.set("d365fo.batch_continue_on_error", False)
    good, bad = documents(3), refused(1)

    dynamics.deliver(bad, *good, **FOUR)

    assert sizes(dynamics) == [4]
    assert len(dynamics.headers()) == 3


def test_a_request_that_is_refused_whole_is_no_verdict_on_its_invoices(dynamics: Dynamics) -> None:
    dynamics.fault("status", path="batch", status=413, body="Request Entity Too Large")
    offered = documents(4)

    dynamics.deliver(*offered, **FOUR)

    assert sizes(dynamics) == [4, 1, 1, 1, 1]
    assert {dynamics.status(document) for document in offered} == {"delivered"}


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_leaves_each_to_be_read_back(dynamics: Dynamics, kind: str) -> None:
    dynamics.fault(kind, path="batch")
    offered = documents(4)

    dynamics.deliver(*offered, **FOUR)

    # What was not there is sent by itself: perhaps one of them was the cause.
    assert sizes(dynamics) == ([4] if kind == "reset_after" else [4, 1, 1, 1, 1])
    assert len(dynamics.headers()) == 4
    assert {dynamics.status(document) for document in offered} == {"delivered"}


def test_a_part_that_is_to_wait_is_sent_again_without_the_others(dynamics: Dynamics) -> None:
    dynamics.fault("batch_part", method="POST", skip=4, status=429, headers={"Retry-After": "0"})
    offered = documents(4)

    dynamics.deliver(*offered, **FOUR)

    assert sizes(dynamics) == [4, 1]
    assert len(dynamics.headers()) == 4


def test_the_trail_names_the_requests_that_an_invoice_was_in(dynamics: Dynamics) -> None:
    dynamics.fault("batch_part", method="POST", skip=4, status=429, headers={"Retry-After": "0"})
    offered = documents(4)

    dynamics.deliver(*offered, **FOUR)

    ledger = Ledger.open(f"sqlite:///{dynamics.ledger_file}", dynamics.sandbox.d365fo_url)
    sent = {
        document["invoiceId"]: [
            link.detail["request_sha256"]
            for link in ledger.trail.of(document["invoiceId"])
            if link.kind == "sent"
        ]
        for document in offered
    }
    ledger.close()
    assert sorted(map(len, sent.values())) == [1, 1, 1, 2]
    assert len({digests[0] for digests in sent.values()}) == 1


def test_a_changed_invoice_replaces_its_draft_among_others(dynamics: Dynamics) -> None:
    old, *others = documents(4)
    dynamics.deliver(old)
    new = accounting_document(
        number="INV-0", invoice_id=old["invoiceId"], rows=[coding_row(net="7.00")]
    )

    dynamics.deliver(new, *others, **FOUR)

    assert len(dynamics.headers()) == 4
    assert len(dynamics.lines()) == 7
    assert dynamics.status(new) == "delivered"


def test_where_dynamics_numbers_the_headers_nothing_travels_together(dynamics: Dynamics) -> None:
    dynamics.deliver(*documents(5), header_reference="number_sequence", **FOUR)

    assert batches(dynamics) == []
    assert len(dynamics.headers()) == 5


def test_what_forbids_manual_numbers_ends_the_run(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.set("d365fo.manual_header_reference", False)

    error = dynamics.deliver(*documents(4), **FOUR, expect=SetupError)

    assert "allow manual numbers" in error


def test_operations_of_a_request_have_numbers_of_their_own(dynamics: Dynamics) -> None:
    dynamics.deliver(*documents(4), **FOUR)

    numbers = re.findall(rb"Content-ID: (\d+)", batches(dynamics)[0])
    assert len(set(numbers)) == len(numbers) == 12


def test_settings_that_contradict_each_other_are_refused(dynamics: Dynamics) -> None:
    settings = {"min_invoices_per_request": 5, "max_invoices_per_request": 2}

    error = dynamics.deliver(*documents(1), **settings, expect=SetupError)

    assert "5 documents at least and 2 at most" in error
