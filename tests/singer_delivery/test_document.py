"""Fingerprints: equal for equal content however it is spelled, different for anything else."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from singer_delivery import document
from singer_delivery.document import fingerprint

finite = st.decimals(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


def same(one: Any, other: Any) -> bool:
    """Equality that keeps true and 1 apart, as JSON does."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(values)
def test_key_order_does_not_matter(value: Any) -> None:
    assert fingerprint(value) == fingerprint(shuffled(value))


@given(values | st.text(st.characters(codec="utf-8")))
def test_the_quick_text_is_the_one_that_was_always_hashed(value: Any) -> None:
    canonical = document._canonical(value)
    assert document._SORTED.encode(canonical) == document._spelled_out(canonical)


@given(values, values)
def test_two_contents_have_one_fingerprint_only_when_they_are_equal(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == same(one, other)


@given(finite, st.integers(0, 6))
def test_trailing_zeros_do_not_matter(amount: Decimal, zeros: int) -> None:
    sign, digits, exponent = amount.as_tuple()
    padded = Decimal((sign, digits + (0,) * zeros, int(exponent) - zeros))
    assert fingerprint(padded) == fingerprint(amount)


@given(finite, finite)
def test_amounts_differ_to_the_last_digit(one: Decimal, other: Decimal) -> None:
    assume(one != other)
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "spellings",
    [
        [1, 1.0, Decimal("1.00"), Decimal("1E0"), Decimal("0.1E+1")],
        [0, -0.0, Decimal("0.00"), Decimal("-0"), Decimal("0E+9")],
        [1000, 1e3, Decimal("1E+3")],
        [0.1, Decimal("0.10")],
        [
            datetime(2026, 11, 23, 12, tzinfo=UTC),
            datetime(2026, 11, 23, 13, tzinfo=timezone(timedelta(hours=1))),
        ],
        [(1, 2), [1, 2]],
    ],
)
def test_spellings_of_one_value(spellings: list[Any]) -> None:
    assert len({fingerprint({"value": value}) for value in spellings}) == 1


def test_kinds_of_values_are_kept_apart() -> None:
    kinds: list[Any] = [
        *[1, "1", True, None, "", "None", 0, False, [], {}, [1], {"number": "1E0"}],
        *[{"number": 1}, date(2026, 1, 2), datetime(2026, 1, 2), "a", ["a"], {"a": None}],
    ]
    assert len({fingerprint(kind) for kind in kinds}) == len(kinds)


def test_large_numbers_are_exact_and_huge_exponents_short() -> None:
    assert fingerprint(10**40 + 1) != fingerprint(10**40 + 2)
    assert fingerprint(Decimal("1E+999999")) != fingerprint(Decimal("1E+999998"))


def test_half_a_surrogate_pair_is_content_like_any_other() -> None:
    assert fingerprint(json.loads('"\\ud800"')) != fingerprint(json.loads('"\\ud801"'))


def test_a_fingerprint_is_64_hex_digits_and_stays_the_same_in_every_release() -> None:
    content = {"invoice": "F-1", "gross": Decimal("119.00"), "lines": [{"net": Decimal("100")}]}
    assert fingerprint(content) == (
        "e6f9d46810b4aba1e1c8c09d828861395afd0248788f11bc5ecbe43d93db7a5d"
    )


def test_the_fingerprint_of_words_and_local_times_stays_the_same_too() -> None:
    content = {"name": "Größe 期", "at": datetime(2026, 1, 5, 10), "day": date(2026, 1, 5)}
    written = '{".at":"2026-01-05T10:00:00",".day":"2026-01-05",".name":"Größe 期"}'
    assert fingerprint(content) == hashlib.sha256(written.encode()).hexdigest()


def test_what_is_not_json_has_no_fingerprint() -> None:
    with pytest.raises(TypeError, match="set has no canonical form"):
        fingerprint({"lines": {1, 2}})
