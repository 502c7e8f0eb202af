"""The `$filter` that F&O understands, checked before it is sent: grammar, fields, types.

F&O knows `eq ne gt ge lt le and or not add sub mul div divby mod` and parentheses; no functions,
no `in`, no `has`; enums as typed literals with eq and ne only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from tap_d365fo.metadata import EntitySet

COMPARISONS = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
ARITHMETIC = ({"add", "sub"}, {"mul", "div", "divby", "mod"})
OPERATORS = COMPARISONS | {"and", "or", "not"}.union(*ARITHMETIC)
FUNCTIONS = frozenset({"contains", "startswith", "endswith", "substringof"})
SIGNS = {"=": "eq", "==": "eq", "!=": "ne", "<>": "ne", ">": "gt", ">=": "ge", "<": "lt"}
SIGNS |= {"<=": "le", "&&": "and", "||": "or", "!": "not"}
#: Groups of Edm types that compare with each other.
KINDS = {
    "Edm.String": "text",
    "Edm.Boolean": "boolean",
    "Edm.Guid": "guid",
    "Edm.DateTimeOffset": "moment",
    "Edm.Date": "date",
    **dict.fromkeys(
        ("Edm.Byte", "Edm.Int16", "Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double"), "number"
    ),
}
WORDS = {
    "text": "a text in single quotes",
    "number": "a number without quotes",
    "moment": "a moment without quotes, e.g. 2024-01-31T00:00:00Z",
    "date": "a date without quotes, e.g. 2024-01-31",
    "guid": "a GUID without quotes",
    "boolean": "true or false",
}
_TOKENS = re.compile(
    r"""(?P<space>\s+)
      |(?P<enum>[A-Za-z_][\w.]*'(?:[^']|'')*')
      |(?P<text>'(?:[^']|'')*')
      |(?P<guid>[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})
      |(?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,12})?)?(?:Z|[+-]\d\d:\d\d))
      |(?P<date>\d{4}-\d\d-\d\d)
      |(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      |(?P<name>[A-Za-z_@$][\w.]*)
      |(?P<sign>[()])
      |(?P<foreign>==|!=|<>|>=|<=|&&|\|\||[=<>!])
      |(?P<other>[^'])""",
    re.VERBOSE,
)


class FilterProblem(ValueError):
    """What is wrong with a filter; `position` counts characters from 1."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(f"position {position}: {problem}")
        self.position = position


class Token(NamedTuple):
    """A piece of a filter; `at` counts from 0."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Operand:
    """One side of a comparison: `kind` is one of WORDS, null, condition, or an enum's full name."""

    kind: str
    token: Token
    field: str = ""


def check_filter(text: str, entity: EntitySet, enums: Mapping[str, Mapping[str, int]]) -> None:
    """Raise FilterProblem for a filter that F&O would refuse, or take for something else."""
    if text.lstrip().startswith("$filter"):
        raise FilterProblem(1, "give the condition alone, without $filter=")
    try:
        _Parser(_tokens(text), entity, enums).check()
    except RecursionError:
        raise FilterProblem(1, "it is nested too deeply") from None


def _tokens(text: str) -> list[Token]:
    tokens = []
    at = 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            _fail(at, "a quote is never closed (inside a text, double it: '')")
        kind, found = str(match.lastgroup), match.group()
        if kind == "foreign":
            _fail(at, f"{found!r} is no operator; write {SIGNS[found]}")
        if kind != "space":
            tokens.append(Token(kind, found, at))
        at = match.end()
    return [*tokens, Token("end", "", len(text))]


def _fail(at: int, problem: str) -> NoReturn:
    raise FilterProblem(at + 1, problem)


class _Parser:
    """Recursive descent over the grammar; types are checked on the way."""

    def __init__(
        self, tokens: list[Token], entity: EntitySet, enums: Mapping[str, Mapping[str, int]]
    ) -> None:
        self._tokens, self._entity, self._enums = tokens, entity, enums
        self._next = 0

    def check(self) -> None:
        self._condition(self._or())
        token = self._token
        if token.text == ")":
            _fail(token.at, "this parenthesis closes none")
        if token.kind != "end":
            raise self._unexpected(token)

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        self._next += 1
        return self._tokens[self._next - 1]

    def _or(self) -> Operand:
        return self._chain("or", self._and)

    def _and(self) -> Operand:
        return self._chain("and", self._comparison)

    def _chain(self, word: str, part: Callable[[], Operand]) -> Operand:
        left = part()
        while self._token.text == word:
            self._condition(left)
            token = self._take()
            self._condition(part())
            left = Operand("condition", token)
        return left

    def _comparison(self) -> Operand:
        if self._token.text == "not":
            token = self._take()
            self._condition(self._comparison())
            return Operand("condition", token)
        left = self._calculation(0)
        if self._token.kind == "name" and self._token.text in COMPARISONS:
            operator = self._take()
            self._comparable(left, operator, self._calculation(0))
            return Operand("condition", operator)
        return left

    def _calculation(self, level: int) -> Operand:
        if level == len(ARITHMETIC):
            return self._primary()
        left = self._calculation(level + 1)
        while self._token.kind == "name" and self._token.text in ARITHMETIC[level]:
            operator = self._take()
            for side in (left, self._calculation(level + 1)):
                if side.kind != "number":
                    _fail(side.token.at, f"{operator.text} calculates with numbers only")
            left = Operand("number", operator)
        return left

    def _primary(self) -> Operand:
        token = self._take()
        match token.kind:
            case "sign" if token.text == "(":
                inside = self._or()
                if self._token.text != ")":
                    if self._token.kind != "end":
                        raise self._unexpected(self._token)
                    _fail(token.at, "this parenthesis is never closed")
                self._take()
                return inside
            case "enum":
                return self._enum(token)
            case "name":
                return self._name(token)
            case "text" | "number" | "moment" | "date" | "guid":
                return Operand(token.kind, token)
        raise self._unexpected(token)

    def _name(self, token: Token) -> Operand:
        if token.text in {"true", "false"}:
            return Operand("boolean", token)
        if token.text == "null":
            return Operand("null", token)
        if self._token.text == "(":
            self._no_function(token)
        if token.text not in self._entity.properties:
            near = difflib.get_close_matches(token.text, self._entity.properties, 1, 0.75)
            hint = f"; did you mean {near[0]}" if near else ""
            _fail(token.at, f"{self._entity.name} has no field {token.text} (case counts){hint}")
        edm_type = self._entity.properties[token.text]
        return Operand(KINDS.get(edm_type, edm_type), token, token.text)

    def _no_function(self, token: Token) -> NoReturn:
        remedy = "write the condition with eq, ne, gt, ge, lt, le"
        if token.text.lower() in FUNCTIONS:
            remedy = "write a wildcard: Name eq '*text*', 'text*' or '*text'"
        _fail(token.at, f"F&O filters have no function {token.text}(); {remedy}")

    def _enum(self, token: Token) -> Operand:
        name, _, quoted = token.text.partition("'")
        member = quoted[:-1]
        if name not in self._enums:
            near = [known for known in self._enums if known.rpartition(".")[2] == name]
            hint = f"; write {near[0]}'{member}'" if near else ""
            _fail(token.at, f"there is no enum {name}{hint}")
        if member not in self._enums[name]:
            members = _some(self._enums[name])
            _fail(token.at, f"{name.rpartition('.')[2]} has no member {member!r}, only {members}")
        return Operand(name, token)

    def _condition(self, operand: Operand) -> None:
        if operand.kind in {"condition", "boolean"}:
            return
        known = self._refused_operator(self._token)
        if known:
            _fail(self._token.at, known)
        _fail(operand.token.at, f"{operand.token.text} is not compared with anything")

    def _refused_operator(self, token: Token) -> str:
        match token.text:
            case "in":
                return "F&O has no operator in; write (Field eq 'a' or Field eq 'b')"
            case "has":
                return "F&O has no operator has; write eq with one member of the enum"
            case text if text != text.lower() and text.lower() in OPERATORS:
                return f"operators are lower-case: {text.lower()}"
        return ""

    def _unexpected(self, token: Token) -> FilterProblem:
        problem = "the filter ends where a field or a value is expected"
        if token.kind != "end":
            problem = self._refused_operator(token) or f"{token.text} is not expected here"
        return FilterProblem(token.at + 1, problem)

    def _comparable(self, left: Operand, operator: Token, right: Operand) -> None:
        field, value = (left, right) if left.field or not right.field else (right, left)
        if field.kind in self._enums:
            self._check_enum(field, operator, value)
        elif "null" in (field.kind, value.kind):
            if operator.text not in {"eq", "ne"}:
                _fail(operator.at, "null compares with eq and ne only")
        elif field.kind != value.kind:
            expected = WORDS.get(field.kind, field.kind)
            what = f"{field.field} ({self._entity.properties[field.field]})" if field.field else ""
            _fail(value.token.at, f"{what or 'this'} compares with {expected}")

    def _check_enum(self, field: Operand, operator: Token, value: Operand) -> None:
        members = self._enums.get(field.kind, {})
        literal = f"{field.kind}'{next(iter(members), 'Member')}'"
        if operator.text not in {"eq", "ne"}:
            _fail(
                operator.at,
                f"{field.field or field.kind} is an enum: only eq and ne, with or between members",
            )
        if value.kind not in {field.kind, "null"}:
            _fail(
                value.token.at,
                f"{field.field} is an enum: write e.g. {literal} (members: {_some(members)})",
            )


def _some(members: Mapping[str, int], limit: int = 12) -> str:
    names = list(members)
    return ", ".join(names[:limit]) + (", …" if len(names) > limit else "")
