"""Two records never share a code in Basware, and a record never changes its code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_basware.masters import external_code

PART = st.text(st.sampled_from('aA1_-. ü\ud800,"\\[]'), max_size=4) | st.text(max_size=40)
PARTS = st.lists(PART, min_size=1, max_size=4)


@given(parts=PARTS)
def test_a_code_fits_and_stays(parts: list[str]) -> None:
    code = external_code("vendors", *parts)
    assert 1 <= len(code) <= 36
    assert code == external_code("vendors", *parts)
    assert code.isascii()


@given(first=PARTS, second=PARTS)
def test_different_parts_have_different_codes(first: list[str], second: list[str]) -> None:
    same = external_code("vendors", *first) == external_code("vendors", *second)
    assert same == (first == second)


ALIKE = st.lists(st.text("a_", min_size=1, max_size=3), min_size=2, max_size=4)


@given(parts=ALIKE, data=st.data())
def test_nor_have_parts_that_read_the_same_in_a_row(parts: list[str], data: st.DataObject) -> None:
    joined = "_".join(parts)
    marks = [at for at, character in enumerate(joined) if character == "_"]
    ends = sorted(data.draw(st.sets(st.sampled_from(marks), min_size=1)))
    starts = [0, *(end + 1 for end in ends)]
    other = [joined[a:b] for a, b in zip(starts, [*ends, len(joined)], strict=True)]
    same = external_code("vendors", *parts) == external_code("vendors", *other)
    assert same == (parts == other)


@pytest.mark.parametrize("other", [("a", "b_c"), ("a_b", "c"), ("a", "b", "", "c"), ("a_b_c",)])
def test_where_one_part_ends_counts(other: tuple[str, ...]) -> None:
    assert external_code("vendors", "a", "b", "c") != external_code("vendors", *other)


def test_a_code_is_readable_where_it_fits() -> None:
    assert external_code("vendors", "usmf", "US-101") == "usmf_US-101"
    assert external_code("vendors", "usmf", "x" * 31) == "usmf_" + "x" * 31


def test_where_it_does_not_fit_it_is_a_uuid_of_its_own_resource() -> None:
    # These are in Basware already: a change would make a second record of each.
    assert external_code("vendors", "usmf", "US_101") == "434fb7e2-091f-537a-ab3c-59bae308aca9"
    assert external_code("accounts", "usmf", "US_101") != external_code("vendors", "usmf", "US_101")


def test_there_is_no_code_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        external_code("vendors")
