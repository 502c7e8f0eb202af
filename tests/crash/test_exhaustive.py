"""A bounded sample of the exhaustive proof; and proof that the harness fails where it has to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crash.exhaustive import LAST, Harness, Trial, kind, main, spread
from tests.crash.flow import MODES, STAGES, Aftermath
from tests.crash.points import LATE, Counter, Point, read_events
from tests.crash.weaknesses import WEAKNESSES

#: As many as fit into CI; `make crash` tries all points with 25 invoices.
POINTS = 30
FEW = 6


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    harness = Harness(workers=2, say=lambda _: None)
    with harness.open():
        yield harness


def test_a_crash_at_any_event_loses_and_doubles_nothing(harness: Harness) -> None:
    trials = [trial for mode in MODES for trial in harness.trials(Trial(mode, invoices=FEW))]
    sample = spread(trials, POINTS, seed=1)
    points = [trial.point for trial in sample if trial.point]
    assert {(point.stage, point.process) for point in points} == {
        (stage.name, process) for stage in STAGES for process in ("tap", "target")
    }
    # The last one passes untouched: there is no event behind the last.
    behind = [trial for trial in trials if trial.point and trial.point.what == LAST]
    harness.try_all([*sample, behind[-1]])
    assert [result.words() for result in harness.report.failures] == []
    assert harness.report.points + harness.report.untouched == POINTS + 1
    # It may be one more: whether a repeated run has a STATE to tell depends on the clock.
    assert harness.report.untouched <= 2
    assert harness.report.line().partition(", ")[2] == (
        "duplicates: 0, lost: 0, half-written: 0, unconfirmed: 0, wrong amounts: 0"
    )


@pytest.mark.parametrize("name", sorted(WEAKNESSES))
def test_a_weakness_is_found(harness: Harness, name: str) -> None:
    weakness = WEAKNESSES[name]
    weak, sound = (Harness(workers=2, say=harness.say, pool=harness.pool) for _ in range(2))
    trials = [
        replace(trial, aftermath=Aftermath(outcomes_first=weakness.outcomes_first))
        for trial in weak.trials(Trial("number_sequence", invoices=FEW, weaknesses=(name,)))
        if re.search(weakness.shows, str(trial.point))
    ]
    weak.try_all(trials, enough=1)
    words = "\n".join(result.words() for result in weak.report.failures)
    assert weakness.damage in words
    assert f"--weaken {name}" in words
    # It is the weakness that does it: without it, nothing is wrong at this point.
    sound.try_all([replace(weak.report.failures[0].trial, weaknesses=())])
    assert [result.words() for result in sound.report.failures] == []


def test_a_point_is_read_as_it_is_written() -> None:
    point = Point("outcomes", "target", 17)
    assert Point.parse(str(point)) == point
    for after in (Aftermath(), Aftermath(no_state=True, outcomes_first=True)):
        assert Aftermath.parse(str(after)) == after


def test_a_counter_numbers_events_and_keeps_them(tmp_path: Path) -> None:
    counter = Counter(tmp_path / "events", deadly=2)
    assert [counter.reached(what) for what in ("one", "two", "three")] == [False, True, False]
    assert read_events(tmp_path / "events") == ["one", "two", "three"]


def test_a_sample_has_every_kind_of_event() -> None:
    whats = ["before POST /a", "after POST /b: 200", f"{LATE} POST /a", "unanswered POST /a"]
    trials = [
        Trial("derived", Point(stage.name, "target", number, what))
        for stage in STAGES
        for number, what in enumerate(whats * 9, 1)
    ]
    chosen = [trial.point for trial in spread(trials, 16, seed=4) if trial.point]
    assert len({(point.stage, kind(point)) for point in chosen}) == 16


def test_a_wrong_option_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--mode", "all", "--weaken", "nothing_known"])
    assert end.value.code == 2
    assert "skip_read_back" in capsys.readouterr().err
