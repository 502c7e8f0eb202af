"""The Markdown pages of the project, taken apart: blocks, inline code, headings, links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
#: `sh` is typed as it stands; `console` is what a terminal showed, with `$ ` before what was typed.
SHELLS = frozenset({"sh", "console"})
#: What else a block may be; output of programs and pictures of letters are `text`.
LANGUAGES = SHELLS | {
    "text", "yaml", "json", "jsonc", "python", "toml", "ini", "sql", "csv", "html", "xml", "dotenv",
    "dockerfile", "diff", "nginx", "promql", "email", "crontab", "mermaid",
}  # fmt: skip
#: Before a block: why a test does not run it. It is checked all the same.
NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+?) -->", re.DOTALL)
#: Before a block: its last command ends with this exit code.
EXIT = re.compile(r"<!-- exit: (?P<code>\d+)\b.*?-->")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block; `line` counts from 1; `comment` is the one right before it."""

    page: str
    line: int
    language: str
    text: str
    comment: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS

    @property
    def not_run(self) -> str:
        """Why it is not run; empty where it is."""
        found = NOT_RUN.search(self.comment)
        return " ".join(found["reason"].split()) if found else ""

    @property
    def exit_code(self) -> int:
        found = EXIT.search(self.comment)
        return int(found["code"]) if found else 0

    @property
    def typed(self) -> str:
        """What a reader types: all of `sh`, of `console` what follows the prompts."""
        if self.language != "console":
            return self.text
        lines = (line for line in self.text.splitlines() if line.startswith("$ "))
        return "".join(f"{line[2:]}\n" for line in lines)


@dataclass(frozen=True)
class Code:
    """Inline code."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line} `{self.text}`"


class Page:
    """A page, by its path in the project."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.path = ROOT / name
        self.text = self.path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @cached_property
    def blocks(self) -> list[Block]:
        found, comment = [], ""
        for token in self.tokens:
            if token.type in {"fence", "code_block"}:
                assert token.map is not None
                language = (token.info.split() or [""])[0] if token.type == "fence" else ""
                found.append(Block(self.name, token.map[0] + 1, language, token.content, comment))
            comment = token.content if token.type == "html_block" else ""
        return found

    @cached_property
    def codes(self) -> list[Code]:
        return [
            Code(self.name, line, child.content)
            for line, child in self._children()
            if child.type == "code_inline"
        ]

    @cached_property
    def links(self) -> list[tuple[int, str]]:
        """Line and address of each link and picture."""
        return [
            (line, str(child.attrs.get("href") or child.attrs["src"]))
            for line, child in self._children()
            if child.type in {"link_open", "image"}
        ]

    @cached_property
    def anchors(self) -> set[str]:
        """What GitHub calls the headings in addresses."""
        anchors: set[str] = set()
        for before, token in zip(self.tokens, self.tokens[1:], strict=False):
            if before.type == "heading_open":
                text = "".join(child.content for child in token.children or ())
                name = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
                number = next(n for n in range(99) if (f"{name}-{n}" if n else name) not in anchors)
                anchors.add(f"{name}-{number}" if number else name)
        return anchors

    def tables(self, header: str) -> list[list[str]]:
        """Rows of all tables whose first column is headed so; cells as Markdown."""
        rows, inside = [], False
        for line in self.text.splitlines():
            cells = _cells(line)
            if not cells:
                inside = False
            elif cells[0] == header:
                inside = True
            elif inside and not set(line) <= set("|-: "):
                rows.append(cells)
        return rows

    def _children(self) -> Iterator[tuple[int, Token]]:
        for token in self.tokens:
            first = token.map[0] + 1 if token.map else 0
            for child in token.children or ():
                yield first, child
                first += child.type in {"softbreak", "hardbreak"}


def _cells(line: str) -> list[str]:
    if not line.startswith("|"):
        return []
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


@lru_cache
def page(name: str) -> Page:
    """Return a page, read once."""
    return Page(name)


def names() -> list[str]:
    """Return all pages: those at the top, in docs/ and the README of each package."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/README.md")]
    names = {str(path.relative_to(ROOT)) for path in found}
    return sorted(name for name in names if not name.startswith("."))
