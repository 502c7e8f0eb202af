"""Texts from outside do no harm on a terminal or in a spreadsheet."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from singer_delivery.operator.rendering import cell, columns, moment, plain


def test_a_text_is_one_line_and_steers_no_terminal() -> None:
    assert plain("a\n b\t\x1b[31mred\u202e") == "a b \ufffd[31mred\ufffd"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text) == f"'{text}"


def test_other_cells_stay_as_they_are() -> None:
    assert cell("INV-1 = 5") == "INV-1 = 5"


def test_times_are_utc_whatever_they_were_written_in() -> None:
    assert moment("2026-11-23T12:15:02.5+02:00") == "2026-11-23 10:15:02"
    assert moment(datetime(2026, 11, 23, 10, 15, 2, tzinfo=UTC)) == "2026-11-23 10:15:02"
    assert moment(None) == moment("") == ""


def test_the_longest_columns_give_way() -> None:
    rows = [("1", "a short one", "x" * 300), ("22", "", "期" * 100)]
    lines = columns(("n", "name", "what"), rows, width=60)
    assert lines[0] == "n   name         what"
    assert lines[1].startswith("--  -----------  ---")
    assert lines[2] == f"1   a short one  {'x' * 42}…"
    assert lines[3] == f"22               {'期' * 21}…"


def test_a_table_that_fits_is_left_alone() -> None:
    assert columns(("a", "b"), [("1", "2")]) == ["a  b", "-  -", "1  2"]
