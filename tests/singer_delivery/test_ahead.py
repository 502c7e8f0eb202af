"""One page ahead: sooner, and otherwise as if nobody had looked."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.ahead import one_ahead

SECONDS = 10.0


class Pages:
    """Numbers the pages that it makes; `failing` is raised in place of that one."""

    def __init__(self, many: int, failing: int | None = None) -> None:
        self.made: list[int] = []
        self._many, self._failing = many, failing
        self.making = threading.Semaphore(0)

    def __iter__(self) -> Iterator[int]:
        for number in range(self._many):
            if number == self._failing:
                msg = f"page {number}"
                raise RuntimeError(msg)
            self.made.append(number)
            self.making.release()
            yield number


@given(st.integers(0, 5), st.none() | st.integers(0, 5))
def test_the_same_pages_and_the_same_end(many: int, failing: int | None) -> None:
    def read(pages: Iterator[int]) -> tuple[list[int], str]:
        found: list[int] = []
        try:
            for page in pages:
                found.append(page)
        except RuntimeError as error:
            return found, str(error)
        return found, ""

    plain = read(iter(Pages(many, failing)))
    assert read(one_ahead(iter(Pages(many, failing)))) == plain


def test_the_next_page_is_made_while_one_is_used_and_no_more() -> None:
    pages = Pages(9)
    ahead = one_ahead(iter(pages))
    for number in range(4):
        assert next(ahead) == number
        for _ in range(2 if number == 0 else 1):
            assert pages.making.acquire(timeout=SECONDS)
        assert pages.made == list(range(number + 2))
    ahead.close()  # type: ignore[attr-defined]
    assert not pages.making.acquire(timeout=0.05)


def test_an_error_comes_when_what_is_before_it_was_used() -> None:
    ahead = one_ahead(iter(Pages(9, failing=1)))
    assert next(ahead) == 0
    with pytest.raises(RuntimeError, match="page 1"):
        next(ahead)


def test_nobody_waits_for_a_page_in_the_making() -> None:
    hold = threading.Event()

    def pages() -> Iterator[int]:
        yield 0
        hold.wait(SECONDS)
        yield 1

    ahead = one_ahead(pages())
    assert next(ahead) == 0
    ahead.close()  # type: ignore[attr-defined]
    (thread,) = [one for one in threading.enumerate() if one.name == "one ahead"]
    assert thread.daemon
    hold.set()
    thread.join(SECONDS)
    assert not thread.is_alive()
