"""docs/mapping.md: each example is a mapping, and what it says of records is so."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ap_mapping import problems_of
from ap_mapping.cli import main
from click.testing import CliRunner
from singer_delivery.operator.cli import main as operator

from tests.ap_mapping.guide import GUIDE, Example, examples

EXAMPLES = {example.title: example for example in examples()}


def test_there_are_examples_of_what_people_ask_for() -> None:
    assert len(EXAMPLES) == 5
    assert all(example.pairs for example in EXAMPLES.values())
    assert sum(len(example.pairs) for example in EXAMPLES.values()) == 9


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_what_it_says_of_records_is_so(example: Example, tmp_path: Any) -> None:
    file = tmp_path / "mapping.yml"
    file.write_text(example.text, encoding="utf-8")
    assert problems_of(file) == []
    for stream, record, wanted in example.pairs:
        found = example.outcome(stream, record)
        if stream:
            assert_part(wanted, found)
        else:
            assert found == wanted


def assert_part(part: Any, whole: Any) -> None:
    """Compare what is shown of a record; lists are shown whole."""
    if isinstance(part, dict):
        assert part.keys() <= whole.keys()
        for name, value in part.items():
            assert_part(value, whole[name])
    elif isinstance(part, list):
        assert len(part) == len(whole)
        for one, other in zip(part, whole, strict=True):
            assert_part(one, other)
    else:
        assert part == whole


def test_the_commands_and_options_it_names_are_there() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for command in re.findall(r"ap-mapping (\w+)", text):
        assert command in main.commands
    options = {
        option
        for name in ("draft-mapping", "doctor")
        if (found := operator.get_command(None, name))  # type: ignore[arg-type]
        for parameter in found.params
        for option in parameter.opts
    } | {option for each in main.commands.values() for p in each.params for option in p.opts}
    for option in re.findall(r"(?<=[ `])(--[a-z][a-z-]+)", text):
        assert option in options, option
    assert CliRunner().invoke(main, ["--help"]).exit_code == 0
