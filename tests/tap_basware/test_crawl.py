from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.errors import Refused
from tap_basware.client import Page, PageTurn
from tap_basware.crawl import MAX_RESTARTS, Crawl, Query, moment, stamp
from tap_basware.errors import UnknownContinuation

Position = dict[str, Any] | None
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Lists:
    """Lists in pages; tokens are page numbers. A forgotten token is refused."""

    def __init__(self, **lists: list[list[int]]) -> None:
        self.lists = lists
        self.forgotten: set[tuple[str, str]] = set()

    def pages(self, query: Query, token: str | None) -> Iterator[Page]:
        pages = self.lists[query.path]
        for number in range(int(token or 0), len(pages)):
            if (query.path, token) in self.forgotten:
                raise UnknownContinuation("forgotten")
            token = str(number + 1) if number + 1 < len(pages) else None
            yield Page([{"id": n} for n in pages[number]], token, served_at=START)


def crawl(lists: Lists, kept: Position = None) -> Crawl:
    return Crawl(lists.pages, [Query(path, {"pageSize": "2"}) for path in lists.lists], kept)


def ids(steps: list[tuple[list[dict[str, Any]], Position]]) -> list[int]:
    return [record["id"] for records, _ in steps for record in records]


def test_every_list_is_read_to_its_end_one_after_the_other() -> None:
    steps = list(crawl(Lists(a=[[1, 2], [3]], b=[[4]])).run())
    assert ids(steps) == [1, 2, 3, 4]
    assert [position is None for _, position in steps] == [False, False, True]


def test_short_and_empty_pages_are_not_the_end() -> None:
    assert ids(list(crawl(Lists(a=[[1], [], [2]])).run())) == [1, 2]


@given(
    sizes=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4), min_size=1, max_size=3),
    stop=st.integers(1, 12),
)
def test_an_interrupted_crawl_is_taken_up_behind_its_last_position(
    sizes: list[list[int]], stop: int
) -> None:
    numbers = iter(range(100))
    lists = Lists(
        **{f"l{i}": [[next(numbers) for _ in range(n)] for n in s] for i, s in enumerate(sizes)}
    )
    steps = list(crawl(lists).run())
    first = steps[: min(stop, len(steps))]
    kept = first[-1][1]
    rest = list(crawl(lists, kept).run()) if kept else []
    assert ids(first) + ids(rest) == ids(steps)


def test_a_position_of_other_settings_is_not_taken_up() -> None:
    kept = {"query": {"path": "a", "params": {"pageSize": "100"}}, "token": "1"}
    assert ids(list(crawl(Lists(a=[[1], [2]]), kept).run())) == [1, 2]


def test_an_unknown_token_starts_the_list_over(caplog: pytest.LogCaptureFixture) -> None:
    lists = Lists(a=[[1], [2], [3]])
    lists.forgotten.add(("a", "2"))
    kept = {"query": Query("a", {"pageSize": "2"}).identity(), "token": "2"}
    steps = crawl(lists, kept).run()
    assert next(steps)[0] == [{"id": 1}]
    lists.forgotten.clear()
    assert ids(list(steps)) == [2, 3]
    assert "no longer knows the continuation token" in caplog.text


def test_tokens_that_are_never_known_end_in_an_error() -> None:
    lists = Lists(a=[[1], [2]])
    lists.forgotten.add(("a", "1"))
    stubborn = crawl(lists)
    with pytest.raises(UnknownContinuation):
        list(stubborn.run())
    assert stubborn.restarts == MAX_RESTARTS + 1


def test_constants_are_added_to_the_records() -> None:
    query = Query("a", {}, {"listKey": "L1"})
    [(records, _)] = Crawl(Lists(a=[[1]]).pages, [query]).run()
    assert records == [{"id": 1, "listKey": "L1"}]


class TestWatermark:
    def run(self, *changes: str | None, served_at: datetime = START) -> Crawl:
        page = Page([{"changed": c} for c in changes], served_at=served_at)
        done = Crawl(lambda *_: iter([page]), [Query("a", {})], replication_key="changed")
        list(done.run())
        return done

    def test_is_the_latest_change_whatever_its_place_and_spelling(self) -> None:
        found = self.run("2026-01-02T00:00:00Z", "2026-01-02T01:00:00.5+02:00", "2026-01-01")
        assert found.watermark == datetime(2026, 1, 2, tzinfo=UTC)

    def test_is_never_later_than_the_start_of_the_crawl(self) -> None:
        assert self.run("2026-03-01T12:00:01Z").watermark == START

    def test_is_not_moved_by_what_is_no_time(self) -> None:
        assert self.run(None, "yesterday").watermark is None

    def test_travels_with_the_position(self) -> None:
        pages = [Page([{"changed": "2026-01-05"}], "t1", START), Page([], None, START)]
        first = Crawl(lambda *_: iter(pages), [Query("a", {})], replication_key="changed")
        _, kept = next(first.run())
        second = Crawl(
            lambda *_: iter([Page([{"changed": "2026-01-02"}])]),
            [Query("a", {})],
            kept,
            replication_key="changed",
        )
        list(second.run())
        assert second.watermark == datetime(2026, 1, 5, tzinfo=UTC)
        assert second.started_at == START


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-07-02T07:36:13.053Z", datetime(2018, 7, 2, 7, 36, 13, 53000, UTC)),
        ("2018-07-02T07:36:13.0531234+02:00", datetime(2018, 7, 2, 5, 36, 13, 53123, UTC)),
        ("2015-01-01", datetime(2015, 1, 1, tzinfo=UTC)),
        ("0001-01-01", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+02:00", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_moments_of_basware(text: Any, expected: datetime | None) -> None:
    assert moment(text) == expected


@given(st.datetimes(timezones=st.timezones(), min_value=datetime(1900, 1, 1)))
def test_stamps_are_read_back_as_they_are(when: datetime) -> None:
    assert moment(stamp(when)) == when.astimezone(UTC)


def test_pages_that_go_round_in_circles_are_noticed() -> None:
    turned = PageTurn()
    turned.check("a", Page([], "token", digest="1"))
    turned.check("a", Page([], "token", digest="2"))
    with pytest.raises(Refused, match="again and again"):
        turned.check("a", Page([], "token", digest="1"))


def test_pages_without_end_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tap_basware.client.MAX_PAGES", 3)
    turned = PageTurn()
    for number in range(3):
        turned.check("a", Page([], f"token-{number}", digest="1"))
    with pytest.raises(Refused, match="does not end after 3 pages"):
        turned.check("a", Page([], "token-3", digest="1"))
    turned.check("a", Page([], None, digest="1"))
