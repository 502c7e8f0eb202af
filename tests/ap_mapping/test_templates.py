"""Templates show fields and do nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from ap_mapping import FieldValue, parse_template
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Basware {invoiceId}", "Basware 4f2a"),
        ("{missing}", ""),
        ("{missing|none}", "none"),
        ("{blank|none}", "none"),
        ("{missing} x {blank}", "x"),
        ("{{{invoiceId}}}", "{4f2a}"),
        ("{amount}", "1200"),
        ("{price}", "0.1"),
        ("{flag}", "false"),
        ("{name}", "Müller & Söhne"),
        ("100 %", "100 %"),
        ("", ""),
    ],
)
def test_rendering(text: str, expected: str) -> None:
    values: dict[str, Any] = {
        "invoiceId": "4f2a",
        "blank": "  ",
        "amount": Decimal("1200.00"),
        "price": Decimal("0.10"),
        "flag": False,
        "name": " Müller & Söhne ",
    }
    assert parse_template(text).render(values) == expected


@pytest.mark.parametrize(
    "text", ["{a.b}", "{a[0]}", "{a!r}", "{a:>10}", "{", "}", "{}", "{1a}", "{a|{b}}"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no placeholder"):
        parse_template(text)


def test_the_names_are_known() -> None:
    assert parse_template("{a} {{b}} {c|d}").names == ("a", "c")


def test_the_result_is_cut_to_length_and_never_ends_in_a_blank() -> None:
    assert parse_template("{a}").render({"a": "abc def"}, max_length=4) == "abc"
    assert FieldValue("a").value({"a": "abc def"}, max_length=4) == "abc"
    assert FieldValue("a").value({"a": 7}, max_length=4) == 7


@given(text=st.text(), value=st.text(), length=st.integers(0, 80))
def test_escaped_text_comes_out_as_it_went_in(text: str, value: str, length: int) -> None:
    template = parse_template(text.replace("{", "{{").replace("}", "}}") + "{v}")
    assert template.render({"v": value}) == (text + value.strip()).strip()
    assert len(template.render({"v": value}, length)) <= length


@given(amount=st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_without_exponent(amount: Decimal) -> None:
    shown = parse_template("{v}").render({"v": amount})
    assert "E" not in shown
    assert Decimal(shown) == amount
