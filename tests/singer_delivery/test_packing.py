"""Packs are full, within their limits, and no fewer would do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.bulk.loading import fewest, packs

sizes = st.lists(st.integers(1, 12), max_size=40)


def fewest_in_order(given_sizes: list[int], max_records: int, max_bytes: int) -> int:
    """Return the least number of cuts of this order, tried out."""
    best = [0] + [len(given_sizes)] * len(given_sizes)
    for end in range(1, len(given_sizes) + 1):
        for start in range(max(0, end - max_records), end):
            if sum(given_sizes[start:end]) <= max_bytes:
                best[end] = min(best[end], best[start] + 1)
    return best[-1]


@given(sizes, st.integers(1, 6), st.integers(12, 30))
def test_every_document_once_in_order_within_the_limits_in_the_fewest_requests(
    given_sizes: list[int], max_records: int, max_bytes: int
) -> None:
    numbered = list(enumerate(given_sizes))
    made = list(packs(iter(numbered), max_records=max_records, max_bytes=max_bytes))
    assert [item for pack in made for item in pack.items] == list(range(len(given_sizes)))
    for pack in made:
        assert 1 <= len(pack.items) <= max_records
        assert pack.size == sum(given_sizes[item] for item in pack.items) <= max_bytes
    assert len(made) == fewest_in_order(given_sizes, max_records, max_bytes)
    least = fewest(len(given_sizes), sum(given_sizes), max_records=max_records, max_bytes=max_bytes)
    assert least <= len(made)


def test_what_is_too_large_travels_alone() -> None:
    made = packs([("a", 1), ("b", 99), ("c", 1)], max_records=5, max_bytes=10)
    assert [pack.items for pack in made] == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize(("records", "requests"), [(0, 0), (1, 1), (500, 1), (501, 2), (1000, 2)])
def test_equal_documents_fill_every_request(records: int, requests: int) -> None:
    given_sizes = [(n, 100) for n in range(records)]
    made = list(packs(given_sizes, max_records=500, max_bytes=1_000_000))
    assert len(made) == requests
    assert fewest(records, records * 100, max_records=500, max_bytes=1_000_000) == requests


def test_no_more_is_read_than_a_pack_needs() -> None:
    source = iter([(n, 1) for n in range(10)])
    first = next(packs(source, max_records=3, max_bytes=100))
    assert first.items == [0, 1, 2]
    assert next(source) == (3, 1)
