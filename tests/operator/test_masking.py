"""No bank account leaves a payload for a screen."""

from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.operator.masking import Mask, unmasked
from singer_delivery.redaction import mask_ibans

KEPT: dict[str, Any] = {
    "supplierBankIBAN": "FI2112345600000785",
    "supplierBankBBAN": 12345678901,
    "note": "pay to FI21 1234 5600 0007 85, please",
    "financialAccounts": [{"schemeId": "IBAN", "id": "DE89370400440532013000", "open": True}],
    "sortCode": "20-00-00",
    "rows": [{"text": "DE89370400440532013000"}, {"text": "plain"}],
    "missing": None,
}


def test_accounts_are_masked_by_name_and_by_look() -> None:
    shown = Mask().value(KEPT)
    assert shown == {
        **KEPT,
        "supplierBankIBAN": "…0785",
        "supplierBankBBAN": "…8901",
        "note": "pay to …0785, please",
        "financialAccounts": [{"schemeId": "…", "id": "…3000", "open": True}],
        "rows": [{"text": "…3000"}, {"text": "plain"}],
    }


def test_names_can_be_added() -> None:
    assert Mask(["sort_code"]).value(KEPT)["sortCode"] == "…"


def test_a_field_is_masked_by_any_part_of_its_path() -> None:
    assert Mask().path("bankAccounts[0].id", "123456789") == "…6789"
    assert Mask().path("rows[0].id", "123456789") == "123456789"


@pytest.mark.parametrize("text", ["INV-2026-000123", "2026-11-23 10:15:02", "usmf/US-001/4711"])
def test_what_is_no_account_stays(text: str) -> None:
    assert mask_ibans(text) == text


def test_what_was_left_masked_is_put_back() -> None:
    edited = {**Mask().value(KEPT), "sortCode": "30-00-00"}
    assert unmasked(edited, KEPT, Mask()) == {**KEPT, "sortCode": "30-00-00"}


def test_rows_that_stayed_are_put_back_when_others_went() -> None:
    shown = Mask().value(KEPT)
    edited = {**shown, "rows": shown["rows"][:1]}
    assert unmasked(edited, KEPT, Mask())["rows"] == KEPT["rows"][:1]


def test_a_masked_value_in_another_place_is_refused() -> None:
    with pytest.raises(ValueError, match="…0785"):
        unmasked({**KEPT, "reference": "…0785"}, KEPT, Mask())
