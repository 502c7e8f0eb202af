from __future__ import annotations

import uuid
from typing import Any

import pytest
from singer_delivery.errors import Rejected
from target_basware.response import transfer_response

DELIVERED = {
    "document_id": "i1",
    "version": "7",
    "success": True,
    "message": "Posted",
    "voucher_number": "V-1",
    "transfer_date": "2026-01-31T12:00:00Z",
    "source_system": "D365FO",
    "payment_block": True,
}


def test_a_success_says_everything() -> None:
    response = transfer_response(DELIVERED)
    assert uuid.UUID(response.pop("externalCode"))
    assert response == {
        "success": True,
        "responseMessage": "Posted",
        "sourceSystem": "D365FO",
        "voucherNumber1": "V-1",
        "transferDate": "2026-01-31T12:00:00Z",
        "paymentBlock": True,
    }


def test_a_failure_says_why_and_has_no_voucher() -> None:
    response = transfer_response({**DELIVERED, "success": False, "message": "Vendor unknown"})
    del response["externalCode"]
    assert response == {
        "success": False,
        "responseMessage": "Vendor unknown",
        "sourceSystem": "D365FO",
        "paymentBlock": True,
    }


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"success": True, "voucher_number": "V-1"}, "Transferred as V-1."),
        ({"success": True, "message": " "}, "Transferred."),
        ({"success": False}, "Transfer failed; the receiving system gave no reason."),
    ],
)
def test_a_message_is_always_there(record: dict[str, Any], message: str) -> None:
    response = transfer_response({"document_id": "i1", **record}, source_system="ERP1")
    assert response["responseMessage"] == message
    assert response["sourceSystem"] == "ERP1"
    assert response["paymentBlock"] is False


def test_the_external_code_is_what_is_said() -> None:
    code = transfer_response(DELIVERED)["externalCode"]
    assert len(code) == 36
    assert transfer_response({**DELIVERED, "sequence": 9, "run_id": "x"})["externalCode"] == code
    for change in (
        {"document_id": "i2"},
        {"version": "8"},
        {"success": False},
        {"message": "Posted again"},
        {"voucher_number": "V-2"},
    ):
        assert transfer_response({**DELIVERED, **change})["externalCode"] != code


def test_the_external_code_is_the_same_in_every_release() -> None:
    # Another code for the same statement would be a second response in Basware.
    code = transfer_response(DELIVERED)["externalCode"]
    assert code == "5daa036a-999a-59b7-aa33-c9591aa7976c"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"document_id": ""}, "no Basware invoiceId"),
        ({"document_id": None}, "no Basware invoiceId"),
        ({"document_id": "x" * 37}, "no Basware invoiceId"),
        ({"success": "yes"}, "success is 'yes'; it has to be true or false"),
        ({"success": None}, "success is"),
        ({"payment_block": 1}, "payment_block is '1'"),
        ({"voucher_number": "9" * 26}, "longer than the 25"),
        ({"transfer_date": "today"}, "transfer_date 'today' is not a date"),
    ],
)
def test_what_cannot_be_said_is_rejected_in_words(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        transfer_response({**DELIVERED, **change})


def test_half_a_surrogate_pair_is_no_obstacle() -> None:
    response = transfer_response({**DELIVERED, "message": "half \ud83d pair"})
    assert response["responseMessage"] == "half ? pair"
