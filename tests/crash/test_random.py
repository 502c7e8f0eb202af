"""Some seeds of the random proof; and proof that it fails where it has to."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.crash import storm
from tests.crash.random_runs import Result, main, run_seeds
from tests.crash.storm import MODES, OFFICES
from tests.crash.truth import Verdict

#: As many as fit into CI; `make crash` runs 1,000.
SEEDS = 6
KEPT = "duplicates: 0, lost: 0, half-written: 0, unconfirmed: 0, wrong amounts: 0"


def test_storms_lose_and_double_nothing() -> None:
    report = run_seeds(range(1, SEEDS + 1), workers=2)
    assert [failure.words() for failure in report.failures] == []
    assert report.line() == f"seeds: {SEEDS}, {KEPT}"
    assert report.kills > 0


def test_a_weakness_is_found() -> None:
    found: list[str] = []
    run_seeds(range(1, 60), workers=2, weaknesses=("skip_read_back",), enough=1, say=found.append)
    words = "\n".join(found)
    assert "duplicates: " in words
    assert "--weaken skip_read_back" in words


def test_a_seed_is_always_the_same_plan() -> None:
    assert [storm.draw(seed) for seed in range(50)] == [storm.draw(seed) for seed in range(50)]


def test_the_seeds_cover_what_they_should() -> None:
    plans = [storm.draw(seed) for seed in range(1, 1001)]
    lost = Counter(plan.chaos.lost_answers for plan in plans)
    assert 450 <= lost[0.1] <= 550
    assert 70 <= lost[0.5] <= 130
    assert {plan.mode for plan in plans} == set(MODES)
    assert min(Counter(plan.offices for plan in plans)[name] for name in OFFICES) > 100
    assert sum(sum(len(each.kills) for each in plan.rounds) >= 2 for plan in plans) > 500
    for what in ("state_lost", "ledger_lost", "edited", "sent_again", "posts", "pays"):
        assert sum(any(getattr(each, what) for each in plan.rounds) for plan in plans) > 100
    apart = [plan for plan in plans if plan.offices == OFFICES[2]]
    assert all(plan.duplicate_check for plan in apart)


def test_a_failure_says_how_to_see_it_again() -> None:
    verdict = Verdict(lost=["invoice CR-001"])
    words = Result(storm.draw(7), verdict, [], 1.0, weaknesses=("skip_read_back",)).words()
    assert "FAILED: seed 7 (" in words
    assert "  lost: invoice CR-001\n" in words
    assert words.endswith(
        "again: python -m tests.crash random --first 7 --seeds 1 --keep --weaken skip_read_back"
    )


def test_an_unknown_weakness_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--weaken", "no_such"])
    assert ended.value.code == 2
    assert "skip_read_back" in capsys.readouterr().err
