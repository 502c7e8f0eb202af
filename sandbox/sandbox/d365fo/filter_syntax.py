"""The grammar of `$filter` as F&O understands it: text to a tree, nothing about entities yet.

Comparison, `and or not`, arithmetic (`add sub mul div divby mod`), parentheses and literals; no
functions, no `in`, no `has`. See `filter_compile` for what the tree means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from sandbox.d365fo.errors import ODataError, query_error

if TYPE_CHECKING:
    from collections.abc import Callable

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_REFUSED_OPERATORS = frozenset({"in", "has"})
_MAX_DEPTH = 50  # of parentheses and `not`; OData libraries have such a limit too


@dataclass(frozen=True)
class Property:
    """A field of the entity."""

    name: str


@dataclass(frozen=True)
class Literal:
    """`kind` is string, number, moment, date, guid, boolean, null or enum.

    `value` is the text or number; of an enum it is (type name, member name).
    """

    kind: str
    value: str | Decimal | bool | tuple[str, str] | None


@dataclass(frozen=True)
class Binary:
    """A comparison or an arithmetic operation."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Logical:
    """`and` or `or` over two or more operands."""

    operator: str
    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Unary:
    """`not` or `-`."""

    operator: str
    operand: Node


Node = Property | Literal | Binary | Logical | Unary


class Token(NamedTuple):
    """A piece of the text: its kind, its text, where it starts."""

    kind: str
    text: str
    position: int


_TOKENS = re.compile(
    r"""(?P<space>[ \t]+)
      |(?P<enum>[A-Za-z_][\w.]*'(?:[^']|'')*')
      |(?P<string>'(?:[^']|'')*')
      |(?P<guid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})
      |(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:\d\d))
      |(?P<date>\d{4}-\d\d-\d\d)
      |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      |(?P<name>[A-Za-z_][\w.]*)
      |(?P<sign>[()/,=-])""",
    re.VERBOSE,
)


def parse(text: str) -> Node:
    """The tree of a `$filter` value (already URL-decoded). Raises ODataError 400."""
    return _Parser(text).whole()


def tokenize(text: str) -> list[Token]:
    """Tokens, blanks left out, ending with an `end` token. Raises ODataError 400."""
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise syntax_error(position, text)
        if match.lastgroup != "space":
            tokens.append(Token(str(match.lastgroup), match.group(), position))
        position = match.end()
    return [*tokens, Token("end", "", len(text))]


def syntax_error(position: int, text: str) -> ODataError:
    """What the parser of the OData library says."""
    return query_error(f"Syntax error at position {position} in '{text}'.")


def unquote(text: str) -> str:
    """The string inside `'…'`, in which a doubled quote is one."""
    return text[1:-1].replace("''", "'")


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._or()
        if self._now.kind != "end":
            raise syntax_error(self._now.position, self._text)
        return node

    @property
    def _now(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._now
        self._at += 1
        return token

    def _word(self, *words: str) -> str | None:
        """Consume the next token if it is one of the operators `words`."""
        token = self._now
        if token.kind == "name" and token.text in words:
            return self._take().text
        return None

    def _or(self) -> Node:
        return self._logical("or", self._and)

    def _and(self) -> Node:
        return self._logical("and", self._comparison)

    def _logical(self, operator: str, operand: Callable[[], Node]) -> Node:
        operands = [operand()]
        while self._word(operator):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else Logical(operator, tuple(operands))

    def _comparison(self) -> Node:
        left = self._sum()
        operator = self._word(*COMPARISONS)
        if operator is not None:
            return Binary(operator, left, self._sum())
        if self._now.kind == "name" and self._now.text in _REFUSED_OPERATORS:
            raise syntax_error(self._now.position, self._text)
        return left

    def _sum(self) -> Node:
        left = self._product()
        while operator := self._word("add", "sub"):
            left = Binary(operator, left, self._product())
        return left

    def _product(self) -> Node:
        left = self._unary()
        while operator := self._word("mul", "div", "divby", "mod"):
            left = Binary(operator, left, self._unary())
        return left

    def _unary(self) -> Node:
        # `not` binds tighter than a comparison: not (A eq 1), like in the specification.
        if self._word("not"):
            return Unary("not", self._deeper(self._unary))
        if self._now.text == "-":
            self._take()
            return Unary("-", self._deeper(self._unary))
        return self._primary()

    def _deeper(self, parse_inner: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            msg = "The recursion limit of the filter expression was exceeded."
            raise query_error(msg)
        node = parse_inner()
        self._depth -= 1
        return node

    def _primary(self) -> Node:
        token = self._take()
        if token.text == "(" and token.kind == "sign":
            node = self._deeper(self._or)
            if self._take().text != ")":
                raise syntax_error(token.position, self._text)
            return node
        if token.kind == "name":
            return self._name(token)
        if token.kind in ("end", "sign"):
            raise syntax_error(token.position, self._text)
        return literal_of(token)

    def _name(self, token: Token) -> Node:
        if token.text in ("true", "false"):
            return Literal("boolean", token.text == "true")
        if token.text == "null":
            return Literal("null", None)
        if self._now.text == "(":
            msg = (
                f"An unknown function with name '{token.text}' was found. This may also be a "
                "function import or a key lookup on a navigation property, which is not allowed."
            )
            raise query_error(msg)
        if self._now.text == "/":
            raise syntax_error(self._now.position, self._text)
        return Property(token.text)


def literal_of(token: Token) -> Literal:
    """The literal that a token stands for."""
    if token.kind == "string":
        return Literal("string", unquote(token.text))
    if token.kind == "number":
        return Literal("number", Decimal(token.text))
    if token.kind == "enum":
        type_name, quote, member = token.text.partition("'")
        return Literal("enum", (type_name, unquote(quote + member)))
    return Literal(token.kind, token.text)
