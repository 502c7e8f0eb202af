from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.errors import SetupError
from singer_delivery.watching.limits import EVERY_DAY, parse_silence, passed

FRIDAY_NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
WORKDAYS = frozenset(range(5))


def test_a_weekend_is_no_silence() -> None:
    [quiet] = parse_silence("*=3 mon-fri")
    # Friday 12:00 to Monday 12:00 has one working day.
    assert passed(FRIDAY_NOON, FRIDAY_NOON + timedelta(days=3), WORKDAYS) == timedelta(days=1)
    assert not quiet.is_over(FRIDAY_NOON, FRIDAY_NOON + timedelta(days=5, hours=-1))
    assert quiet.is_over(FRIDAY_NOON, FRIDAY_NOON + timedelta(days=5))
    assert parse_silence("demf=3")[0].is_over(FRIDAY_NOON, FRIDAY_NOON + timedelta(days=3))


def test_weeks_that_begin_on_sunday() -> None:
    [quiet] = parse_silence("Gulf=2 sun-thu")
    assert (quiet.entity, quiet.days, quiet.weekdays) == ("gulf", 2, frozenset({6, 0, 1, 2, 3}))


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1)),
    st.timedeltas(timedelta(), timedelta(days=40)),
    st.frozensets(st.integers(0, 6), min_size=1),
)
def test_every_moment_counts_once(
    begin: datetime, span: timedelta, weekdays: frozenset[int]
) -> None:
    since = begin.replace(tzinfo=UTC)
    parts = [passed(since, since + span, days) for days in (weekdays, EVERY_DAY - weekdays)]
    assert sum(parts, timedelta()) == span
    # A slow look, minute by minute where it can be afforded.
    if span < timedelta(hours=30):
        minutes = int(span / timedelta(minutes=1))
        slow = sum((since + timedelta(minutes=n)).weekday() in weekdays for n in range(minutes))
        assert abs(parts[0] - timedelta(minutes=slow)) <= timedelta(minutes=3)


@pytest.mark.parametrize("text", ["3", "*=x", "*=3 mon", "*=3 mon-foo", "usmf:3", "a=1 b=2"])
def test_what_cannot_be_read_is_said(text: str) -> None:
    with pytest.raises(SetupError, match=r"silence: .* is not like"):
        parse_silence(text)


def test_nothing_is_silent() -> None:
    assert parse_silence("") == []
