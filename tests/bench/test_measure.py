"""Figures: rounds, spreads, ratios, goals, and the page."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench import report
from bench.__main__ import MEASURES, main
from bench.findings import Finding, Goal, at_least, at_most, times
from bench.measure import Spread, number, paired, ratios
from bench.processes import Command, Slope, Usage, run


def test_each_round_runs_everybody_and_begins_with_another():
    order: list[str] = []
    taken = paired(
        {name: lambda name=name: order.append(name) or len(order) for name in "abc"}, rounds=4
    )
    assert "".join(order) == "abcbcacababc"
    assert taken["a"] == [1, 6, 8, 10]


def test_ratios_are_of_one_round():
    # The machine was half as fast in the second round; who is faster was the same.
    assert ratios([10.0, 5.0, 9.0], [5.0, 2.5, 5.0]) == Spread(2.0, 1.8, 2.0)


def test_what_is_too_little_to_measure_meets_no_goal():
    quick = Slope(10, Usage(1.0, (0.5,), (50.0,)), Usage(0.9, (0.4,), (50.0,)))
    assert math.isnan(quick.rate)
    assert math.isnan(quick.cpu)
    found = Spread.of([5.0, quick.rate])
    assert str(found) == "not measurable"
    assert not at_least("rows", "≥ 1", 1, found).met
    assert not at_most("rows", "≤ 1", 1, found).met
    assert "not measurable" in times(found)


def test_start_does_not_count():
    slope = Slope(100, Usage(2.0, (1.0, 0.5), (50.0,)), Usage(4.0, (1.5, 1.0), (50.0,)))
    assert slope.rate == 50.0
    assert slope.cpu == 10.0


@pytest.mark.parametrize(
    ("figure", "text"), [(12345.6, "12,346"), (45.67, "45.7"), (0.956, "0.96"), (-3.0, "-3.00")]
)
def test_numbers_have_three_digits(figure: float, text: str):
    assert number(figure) == text


def test_the_page_keeps_what_is_not_measured_again(tmp_path: Path):
    def finding(name: str, measured: str, *, met: bool) -> Finding:
        goal = Goal(f"speed of {name}", "≥ 2 x", measured, met)
        return Finding(name, name.title(), [goal], ["", "rows/s"], [["a | b", measured]])

    report.save([finding("one", "1.5 x", met=False), finding("two", "3 x", met=True)], tmp_path)
    page = report.save([finding("two", "4 x", met=True)], tmp_path).read_text()
    assert "| speed of one | ≥ 2 x | 1.5 x | **not met** |" in page
    assert "| speed of two | ≥ 2 x | 4 x | met |" in page
    assert "3 x" not in page
    assert "| a \\| b | 4 x |" in page


def test_a_process_that_fails_is_no_figure(tmp_path: Path):
    log = tmp_path / "log"
    with pytest.raises(RuntimeError, match=r"ended with \[3\]\nwhy"):
        run(Command(["sh", "-c", "echo why >&2; exit 3"], log))


def test_a_pipe_counts_each_process(tmp_path: Path):
    output = tmp_path / "out"
    usage = run(
        Command(["sh", "-c", "seq 3"], tmp_path / "1"),
        Command(["sort", "-r"], tmp_path / "2"),
        output=output,
    )
    assert output.read_text() == "3\n2\n1\n"
    assert len(usage.cpu) == len(usage.peak) == 2


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["vendor"])
    assert "no such measurement: vendor" in capsys.readouterr().err


def test_one_that_fails_stops_no_other_and_keeps_its_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def finding(name: str, measured: str) -> Finding:
        return Finding(name, name.title(), [Goal(name, "≥ 1", measured, met=True)], [""], [])

    def fails(_: object) -> Finding:
        raise RuntimeError("it did not start")

    report.save([finding("vendors", "earlier")], tmp_path)
    monkeypatch.setitem(MEASURES, "vendors", fails)
    monkeypatch.setitem(MEASURES, "masters", lambda _: finding("masters", "new"))
    with pytest.raises(SystemExit, match="not measured: vendors"):
        main(["vendors", "masters", "--size", "tiny", "--results", str(tmp_path)])
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| vendors | ≥ 1 | earlier | met |" in page
    assert "| masters | ≥ 1 | new | met |" in page
    assert "it did not start" in capsys.readouterr().err
