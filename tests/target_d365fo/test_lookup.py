from __future__ import annotations

import pytest
from target_d365fo.lookup import InvoiceKey, names, names_another


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ("Basware 4711", True),
        ("4711", True),
        ("Basware (4711), by mail", True),
        ("Basware 14711", False),
        ("Basware 4711-2", False),
        ("Basware A4711", False),
        ("", False),
    ],
)
def test_a_description_names_a_document_by_its_whole_id(description: str, named: bool) -> None:
    assert names(description, "4711") is named


@pytest.mark.parametrize(
    ("description", "other"),
    [
        ("Basware 4712", True),
        ("BASWARE 4712", True),
        ("Basware 4711", False),
        ("Office supplies", False),
        ("", False),
    ],
)
def test_a_description_of_our_own_making_names_another(description: str, other: bool) -> None:
    key = InvoiceKey("4711", "usmf", "V", "N", "Basware 4711")

    assert names_another(description, key) is other


def test_without_the_id_in_the_template_nothing_is_named() -> None:
    key = InvoiceKey("4711", "usmf", "V", "N", "Invoice")

    assert not names_another("Invoice", key)
