"""The blocks of each page are typed, in their order, into a shell before the sandbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox.server import Sandbox

from tests.docs import pages
from tests.docs.commands import commands
from tests.docs.forks import Programs
from tests.docs.pages import page
from tests.docs.programs import CHECKED
from tests.docs.reader import open_reader

#: Run with the real Meltano, by tests/pipelines/test_getting_started.py.
GETTING_STARTED = "docs/getting-started.md"
PAGES = [
    name
    for name in pages.names()
    if name != GETTING_STARTED and any(block.is_shell for block in page(name).blocks)
]
#: Blocks that say why they are not run (`<!-- not run: … -->`), page by page.
NOT_RUN: dict[str, int] = {
    "CONTRIBUTING.md": 1,
    "docs/dagster.md": 3,
    "docs/deployment.md": 9,
    "docs/dry-run.md": 2,
    "docs/getting-started.md": 2,
    "docs/monitoring.md": 1,
    "docs/operations.md": 1,
    "docs/webhooks.md": 2,
    "orchestrate/README.md": 1,
}
#: Others' programs that may run in a test: they touch the reader's folder alone.
HARMLESS = frozenset({
    ".", "[", "awk", "cat", "cd", "chmod", "cp", "echo", "export", "grep", "head", "jq", "ls",
    "mkdir", "mv", "pwd", "rm", "sed", "set", "sleep", "sort", "source", "tail", "target-jsonl",
    "tee", "test", "touch", "true", "unset", "wait",
})  # fmt: skip


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with Programs(tmp_path_factory.mktemp("p")) as served:
        yield served.bin


@pytest.mark.parametrize("name", PAGES)
def test_a_reader_types_what_stands_there(
    name: str, sandbox: Sandbox, programs: Path, tmp_path: Path
) -> None:
    blocks = [block for block in page(name).blocks if block.is_shell and not block.not_run]
    for block in blocks:
        strange = {each.program for each in commands(block.typed)} - CHECKED - HARMLESS
        assert not strange, (
            f"{block}: {', '.join(sorted(strange))} cannot run in a test: put "
            "<!-- not run: why --> and an empty line before the block"
        )
    reader = open_reader(sandbox, tmp_path / "project", programs)
    for block in blocks:
        reader.type(block)


def test_as_many_blocks_are_not_run_as_are_known() -> None:
    marked = [block for name in pages.names() for block in page(name).blocks if block.not_run]
    assert Counter(block.page for block in marked) == NOT_RUN, [
        f"{block}: {block.not_run}" for block in marked
    ]


@pytest.mark.parametrize("name", pages.names())
def test_a_marker_belongs_to_a_block(name: str) -> None:
    markers = [
        token.content
        for token in page(name).tokens
        if token.type == "html_block" and token.content.startswith(("<!-- not run:", "<!-- exit:"))
    ]
    used = [block.comment for block in page(name).blocks if block.is_shell and block.comment]
    assert [marker for marker in markers if marker not in used] == []
