"""Texts cut to the room that a field leaves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.words import cut


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("short", "short"),
        ("twelve chars", "twelve chars"),
        ("a longer one, cut", "a longer…"),
        ("just   the\nblanks", "just the…"),
        ("eleven chars cut", "eleven…"),
        ("oneverylongword", "oneverylong…"),
        ("x oneverylongword", "x oneverylo…"),
    ],
)
def test_a_text_is_cut_after_a_word(text: str, expected: str) -> None:
    assert cut(text, 12) == expected


@given(st.text(max_size=400), st.integers(2, 300))
def test_a_cut_text_is_never_too_long(text: str, longest: int) -> None:
    assert len(cut(text, longest)) <= longest
