"""How many connections, and how many documents in a request, follow from what is measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.pace import CALM, CAUTION, Pace


def served(pace: Pace, answers: int, seconds: Callable[[int, int], float]) -> Pace:
    """Have requests answered; `seconds` says how long, of documents and connections."""
    for _ in range(answers):
        pace.answered(pace.together, seconds(pace.together, pace.connections))
    return pace


def far_away(documents: int, _: int) -> float:
    """A round trip of 100 ms, 2 ms of work for a document, on many servers."""
    return 0.1 + 0.002 * documents


def overloaded(documents: int, connections: int) -> float:
    """One server takes 20 ms for a document, whoever asks."""
    return 0.02 * documents * connections


def test_connections_double_with_each_round_trip() -> None:
    pace, seen = Pace(8), []
    for _ in range(3):
        seen.append(pace.connections)
        served(pace, pace.connections, far_away)
    assert [*seen, pace.connections] == [2, 4, 8, 8]


def test_a_single_connection_stays_one() -> None:
    assert served(Pace(1), 9, far_away).connections == 1


def test_documents_share_a_request_where_the_round_trip_takes_the_time() -> None:
    pace = served(Pace(8, 1, 10), 8 * 8, far_away)
    assert (pace.connections, pace.together) == (8, 10)


def test_each_goes_alone_where_the_server_takes_the_time() -> None:
    assert served(Pace(8, 1, 10), 8 * 20, overloaded).together == 1


def test_a_server_that_becomes_slow_gets_smaller_requests_again() -> None:
    pace = served(Pace(8, 1, 10), 8 * 8, far_away)
    smallest = min(served(pace, 8, overloaded).together for _ in range(4 * CALM))
    assert smallest == 1


def test_a_server_that_asks_to_wait_is_asked_by_half_and_by_more_only_slowly() -> None:
    pace = served(Pace(8, 1, 10), 8 * 8, far_away)
    pace.throttled()
    assert (pace.connections, pace.together) == (4, 10)
    served(pace, 4 * CAUTION - 1, far_away)
    assert pace.connections == 4
    served(pace, 1, far_away)
    assert pace.connections == 5
    for _ in range(9):
        pace.throttled()
    assert (pace.connections, pace.together) == (1, 10)


def test_after_a_lost_answer_each_goes_alone_for_a_while() -> None:
    pace = served(Pace(8, 1, 10), 8 * 8, far_away)
    pace.lost()
    assert pace.together == 1
    assert served(pace, 8 * (CALM - 1), far_away).together == 1
    assert served(pace, 8 * (CALM + 9), far_away).together == 10


def test_answers_to_other_sizes_say_nothing() -> None:
    pace = served(Pace(2, 1, 10), 2, far_away)
    for _ in range(50):
        pace.answered(7, 9.0)
    assert pace.together == 1


def test_with_one_size_there_is_nothing_to_measure() -> None:
    assert served(Pace(4, 5, 5), 99, overloaded).together == 5


@given(
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(0, 12),
    st.lists(st.sampled_from(("answered", "throttled", "lost")), max_size=200),
    st.floats(0.001, 9),
)
def test_it_never_leaves_what_the_settings_allow(
    connections: int, least: int, more: int, events: list[str], seconds: float
) -> None:
    pace = Pace(connections, least, least + more)
    for event in events:
        if event == "answered":
            pace.answered(pace.together, seconds)
        else:
            getattr(pace, event)()
        assert 1 <= pace.connections <= connections
        assert least <= pace.together <= least + more


@pytest.mark.parametrize("most", [1, 2, 3, 7, 10, 100])
def test_the_most_is_reached(most: int) -> None:
    assert served(Pace(2, 1, most), 36, lambda *_: 0.1).together == most
