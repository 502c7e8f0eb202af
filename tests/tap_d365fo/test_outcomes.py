from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from singer_delivery.document import Entry, Status
from tap_d365fo.outcomes import transfer_outcome

ENTRY = Entry(
    stream="vendor_invoices",
    key="inv-1",
    natural_key="usmf|US-101|4711",
    version="2026-11-01T00:00:00Z",
    fingerprint="f",
    status=Status.DELIVERED,
    reason="",
    remote_key="BW0000000001",
    request_id="",
    detail={"legal_entity": "usmf", "payment_block": True},
    attempts=1,
    sequence=7,
    run_id="r1",
    settled_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
)


def test_a_delivered_invoice_is_a_success_with_its_voucher() -> None:
    assert transfer_outcome(ENTRY, source_system="D365FO") == {
        "document_id": "inv-1",
        "sequence": 7,
        "version": "2026-11-01T00:00:00Z",
        "success": True,
        "message": "Transferred to legal entity usmf as pending vendor invoice BW0000000001",
        "voucher_number": "BW0000000001",
        "transfer_date": "2026-11-02T09:30:00+00:00",
        "payment_block": True,
        "source_system": "D365FO",
        "legal_entity": "usmf",
        "status": "delivered",
        "run_id": "r1",
    }


def test_an_invoice_that_was_there_already_is_a_success_too() -> None:
    record = transfer_outcome(replace(ENTRY, status=Status.UNCHANGED), source_system="X")

    assert record["success"]
    assert record["message"] == "Already in legal entity usmf as vendor invoice BW0000000001"


def test_a_rejected_invoice_gives_the_reason_to_the_clerk() -> None:
    entry = replace(ENTRY, status=Status.REJECTED, reason="vendor 10045 is on hold for invoices")

    record = transfer_outcome(entry, source_system="X")

    assert not record["success"]
    assert record["voucher_number"] is None
    assert record["message"] == "Legal entity usmf: vendor 10045 is on hold for invoices"


def test_without_a_known_legal_entity_the_reason_stands_alone() -> None:
    entry = replace(ENTRY, status=Status.REJECTED, reason="company 9 is not mapped", detail={})

    record = transfer_outcome(entry, source_system="X")

    assert record["message"] == "company 9 is not mapped"
    assert record["legal_entity"] is None


@pytest.mark.parametrize("length", [0, 26])
def test_a_voucher_that_does_not_fit_is_left_out_not_cut(length: int) -> None:
    record = transfer_outcome(replace(ENTRY, remote_key="9" * length), source_system="X")

    assert record["voucher_number"] is None
