"""The texts in the code that a person may see: of errors that are raised, and of the log."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from tests.docs.pages import ROOT

PACKAGES = ("ap-mapping", "singer-delivery", "tap-basware", "tap-d365fo", "target-basware",
            "target-d365fo")  # fmt: skip
#: What stands between the constant parts of a text.
GAP = "\0"


@dataclass(frozen=True)
class Message:
    """A text with `GAP` for what is filled in, and who says it: an error's or a log's name."""

    module: str
    said_by: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}: {self.said_by}: {self.text.replace(GAP, '…')}"


@cache
def all_texts() -> tuple[str, ...]:
    """Return every string in the code, with gaps for what is filled in.

    With those of the sandbox, which speaks the words of the two systems.
    """
    return tuple(
        text
        for _, tree in _modules((*PACKAGES, "sandbox"))
        for node in ast.walk(tree)
        if (text := _text(node))
    )


@cache
def messages() -> tuple[Message, ...]:
    """Return the texts that are raised or logged where they can be told from the code."""
    return tuple(
        Message(module, said_by, text)
        for module, tree in _modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for said_by, text in _said(function)
    )


@cache
def _modules(packages: tuple[str, ...] = PACKAGES) -> tuple[tuple[str, ast.Module], ...]:
    return tuple(
        (str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8")))
        for package in packages
        for path in sorted((ROOT / package).rglob("*.py"))
    )


def _said(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    texts = {
        target.id: text
        for node in ast.walk(function)
        if isinstance(node, ast.Assign) and (text := _text(node.value))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args:
            name = _name(node.func)
            first = node.args[0]
            text = _text(first) or (texts.get(first.id, "") if isinstance(first, ast.Name) else "")
            if name and text:
                yield name, text


def _name(function: ast.expr) -> str:
    match function:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id="logger") | ast.Attribute(attr="logger"), attr=name):
            return f"logger.{name}"
        case _:
            return ""


def _text(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_text(part) or GAP for part in parts)
        case _:
            return ""
