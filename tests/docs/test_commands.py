"""Each command that a page names, in a block or in its text, is accepted by its program."""

from __future__ import annotations

import pytest

from tests.docs import pages
from tests.docs.commands import Command, commands
from tests.docs.pages import LANGUAGES, page
from tests.docs.programs import Unacceptable, accept, checkable

PAGES = pages.names()


@pytest.fixture(autouse=True)
def readers_place(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """A folder without any of the files that commands name."""
    monkeypatch.chdir(str(tmp_path))


@pytest.mark.parametrize("name", PAGES)
def test_every_block_names_its_language(name: str) -> None:
    unknown = [f"{block}: {block.language!r}" for block in page(name).blocks
               if block.language not in LANGUAGES]  # fmt: skip
    assert not unknown, (
        f"name the language after the fence, one of {', '.join(sorted(LANGUAGES))}: sh is typed as "
        f"it stands, console has `$ ` before what is typed, text is output: {unknown}"
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_command_in_a_block_is_one(name: str) -> None:
    problems = []
    for block in page(name).blocks:
        if block.is_shell:
            found = commands(block.typed)
            assert found, f"{block}: no command in it"
            problems += [f"{block}: {words}" for words in map(refusal, found) if words]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("name", PAGES)
def test_every_command_in_the_text_is_one(name: str) -> None:
    problems = [
        f"{code}: {words}"
        for code in page(name).codes
        for words in map(refusal, checkable(code.text))
        if words
    ]
    assert not problems, "\n".join(problems)


def refusal(command: Command) -> str:
    try:
        accept(command)
    except Unacceptable as error:
        return f"{command}: {error}"
    return ""


@pytest.mark.parametrize(
    "text",
    [
        "singer-delivery list --status stuck --since 2026-01-01 | head",
        "A=1 .venv/bin/meltano --environment=test invoke singer-delivery doctor",
        "meltano run --full-refresh masters",
        "make demo",
        "sudo -u ap -H .venv/bin/singer-delivery verify",
        "python -m tests.crash exhaustive --limit 50",
    ],
)
def test_what_is_accepted(text: str) -> None:
    assert [refusal(command) for command in commands(text)] == [""] * len(commands(text))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("singer-delivery lst", "No such command 'lst'"),
        ("singer-delivery list --state stuck", "No such option"),
        ("singer-delivery list --status sick", "'sick' is not one of"),
        ("singer-delivery release", "Missing argument"),
        ("tap-basware --confg=ENV", "No such option"),
        ("meltano rum invoices", "No such command"),
        ("meltano run invoice", "no job or plugin 'invoice'"),
        ("meltano --environment=prod run invoices", "no environment 'prod'"),
        ("meltano invoke singer-delivery dokter", "No such command 'dokter'"),
        ("meltano invoke tap-bas --test", "no plugin 'tap-bas'"),
        ("make dmeo", "no target 'dmeo'"),
        ("python -m tests.krash all", "no module tests.krash"),
        ("python -m tests.crash exhaustive --limits 5", "unrecognized arguments: --limits"),
        ("python -m bench.ledger --document", "expected one argument"),
        ("singer-deliver list", "no program of this project"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    assert why in " ".join(refusal(command) for command in commands(text))


def test_shell_text_is_taken_apart() -> None:
    text = 'A=1 x -a "b | c" > f.txt 2>&1 | .venv/bin/y --z \\\n  w  # comment\nq <<END\nno\nEND\nr'
    assert [str(command) for command in commands(text)] == [
        "x -a 'b | c' 2", "y --z w", "q", "r",
    ]  # fmt: skip
