"""Retry-After in both forms, back-off, and the gate that all workers pass."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.stopping import Stop
from singer_delivery.throttle import Gate, backoff, retry_after


def answer(**headers: str) -> requests.Response:
    response = requests.Response()
    response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return response


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("0", 0),
        ("1.5", 1.5),
        ("-5", 0),
        ("nan", 0),
        ("", None),
        ("soon", None),
        ("Mon, 23 Nov 2026 10:00:42 GMT", 42),
        ("Monday, 23-Nov-26 10:00:42 GMT", 42),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0),
        ("Mon, 23 Nov 2026 11:00:42 +0100", 42),
        ("Mon, 23 Nov 2026 10:00:42 -0000", 42),
        ("Mon, 99 Nov 2026 10:00:42 GMT", None),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_of_the_server(
    value: str, seconds: float | None
) -> None:
    response = answer(Retry_After=value, Date="Mon, 23 Nov 2026 10:00:00 GMT")
    assert retry_after(response) == seconds


def test_a_date_without_the_servers_own_is_measured_against_the_local_clock() -> None:
    assert retry_after(answer(Retry_After="Mon, 23 Nov 2009 10:00:00 GMT")) == 0
    assert (retry_after(answer(Retry_After="Mon, 23 Nov 2099 10:00:00 GMT")) or 0) > 3600
    assert retry_after(answer()) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ Nov \d+ \d+:\d+:\d+ [+-]\d+"))
def test_no_retry_after_is_too_strange_to_read(value: str) -> None:
    seconds = retry_after(answer(Retry_After=value, Date=value))
    assert seconds is None or seconds >= 0


@given(st.integers(1, 1000), st.floats(0.1, 300))
def test_backoff_grows_up_to_its_cap_and_is_never_nothing(failures: int, cap: float) -> None:
    full = min(cap, 2.0 ** (failures - 1))
    assert full / 2 <= backoff(failures, cap=cap) <= full


def test_the_gate_keeps_everybody_out_until_the_longest_wait_is_over() -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += min(seconds, 4)  # woken up early

    gate = Gate(lambda: now[0], sleep)
    gate.pass_through()
    assert slept == []
    gate.close_for(10)
    gate.close_for(3)
    gate.pass_through()
    assert slept == [10, 6, 2]
    gate.pass_through()
    assert now[0] == 110


@pytest.mark.parametrize("seconds", [0.001, 0.5, 1.0])
def test_a_short_wait_is_a_wait(seconds: float) -> None:
    now, slept = [100.0], []

    def sleep(for_so_long: float) -> None:
        slept.append(for_so_long)
        now[0] += for_so_long

    gate = Gate(lambda: now[0], sleep)
    gate.close_for(seconds)
    assert gate.pass_through() is True
    assert slept == [pytest.approx(seconds)]
    assert gate.pass_through() is True
    assert len(slept) == 1


def test_a_gate_is_open_at_first_whatever_the_clock_says() -> None:
    slept: list[float] = []
    assert Gate(lambda: 0.0, slept.append).pass_through() is True
    assert slept == []


def test_a_stop_is_no_reason_to_keep_anybody_out() -> None:
    now, stop = [100.0], Stop()

    def sleep(for_so_long: float) -> None:
        stop.request()
        now[0] += 4

    gate = Gate(lambda: now[0], sleep)
    gate.close_for(10)
    assert gate.pass_through(stop) is False
    assert now == [104]
    assert gate.pass_through(stop) is False
    assert now == [104]  # nobody waits any more
    now[0] += 6
    assert gate.pass_through(stop) is True
