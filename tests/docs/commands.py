"""Shell text as the simple commands in it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
#: What ends a command, and what a redirection begins with.
ENDS = frozenset({"|", "||", "&&", ";", "&", "(", ")", ";;", "|&"})
REDIRECTIONS = frozenset({">", ">>", "<", "<<<", ">&", "<<", "&>"})
#: Words that may stand before a command.
PREFIXES = frozenset({"exec", "nice", "sudo", "then", "do", "if", "!", "time", "else", "while"})
#: Options of sudo that another word belongs to.
SUDO_WITH_VALUE = frozenset({"-u", "-g", "-D"})
#: The folders that an installation has its commands in.
FOLDERS = (".venv/bin/", "./.venv/bin/", ".uv/bin/", "/opt/basware-d365fo/.venv/bin/")


@dataclass(frozen=True)
class Command:
    """One simple command, without assignments and redirections."""

    program: str
    arguments: tuple[str, ...]
    assigned: tuple[str, ...] = ()

    def __str__(self) -> str:
        return shlex.join((self.program, *self.arguments))


def commands(text: str) -> list[Command]:
    """Return the commands of a shell text in their order; here-documents are skipped.

    Raises ValueError for quotes that do not close.
    """
    return [command for line in _lines(text) for command in _split(line)]


def _lines(text: str) -> Iterator[str]:
    """Logical lines: continued ones joined, here-documents left out."""
    waiting, end = "", ""
    for line in text.splitlines():
        if end:
            end = "" if line.strip() == end else end
            continue
        waiting += line
        if waiting.endswith("\\"):
            waiting = waiting[:-1] + " "
        elif not _open_quote(waiting):
            here = re.search(r"<<-?\s*['\"]?(\w+)['\"]?", waiting)
            end = here[1] if here else ""
            yield waiting
            waiting = ""
        else:
            waiting += "\n"
    if waiting:
        yield waiting


def _open_quote(text: str) -> bool:
    try:
        _words(text)
    except ValueError:
        return True
    return False


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def _split(line: str) -> Iterator[Command]:
    words: list[str] = []
    for word in (*_words(line), ";"):
        if word not in ENDS:
            words.append(word)
        elif words:
            if command := _command(words):
                yield command
            words = []


def _command(words: list[str]) -> Command | None:
    kept, skip = [], False
    for word in words:
        if skip or word in REDIRECTIONS:
            skip = not skip
        else:
            kept.append(word)
    assigned = []
    while kept and (ASSIGNMENT.match(kept[0]) or kept[0] in PREFIXES):
        assigned.append(kept.pop(0))
        while assigned[-1] == "sudo" and kept and kept[0].startswith("-"):
            del kept[: 2 if kept[0] in SUDO_WITH_VALUE else 1]
    if not kept:
        return None
    program = kept[0]
    for folder in FOLDERS:
        program = program.removeprefix(folder)
    return Command(program, tuple(kept[1:]), tuple(assigned))
