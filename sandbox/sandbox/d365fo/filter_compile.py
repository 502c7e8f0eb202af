"""A `$filter` tree to a predicate over stored rows, with F&O's rules on types.

Strings compare without case and trailing blanks; `*` in a string compared with eq/ne is a
wildcard; enums know only eq/ne against their typed literal; dates compare as dates.
Lists such as `A eq 'x' and B eq 'y' or A eq …` become one look-up in a set.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from decimal import Decimal, DivisionByZero, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias

from sandbox.d365fo.errors import ODataError, query_error
from sandbox.d365fo.filter_syntax import (
    COMPARISONS,
    Binary,
    Literal,
    Logical,
    Node,
    Property,
    Unary,
    parse,
)
from sandbox.d365fo.model import NAMESPACE
from sandbox.d365fo.values import fold, moment_text, to_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sandbox.d365fo.model import EntitySet, Field, Model

Evaluate: TypeAlias = "Callable[[Mapping[str, Any]], Any]"
Predicate: TypeAlias = "Callable[[Mapping[str, Any]], bool]"

_NUMBERS = ("Int32", "Int64", "Decimal")
_LITERAL_TYPES = {
    "string": ("String", "Edm.String"),
    "number": ("Decimal", "Edm.Decimal"),
    "moment": ("Moment", "Edm.DateTimeOffset"),
    "date": ("Day", "Edm.Date"),
    "guid": ("Guid", "Edm.Guid"),
    "boolean": ("Boolean", "Edm.Boolean"),
    "null": ("Null", "Edm.Null"),
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_KINDS = {"eq": "Equal", "ne": "NotEqual", "gt": "GreaterThan", "ge": "GreaterThanOrEqual"} | {
    "lt": "LessThan",
    "le": "LessThanOrEqual",
}


@dataclass(frozen=True)
class _Operand:
    """A compiled operand: how to get its value, its type, and the literal it came from."""

    evaluate: Evaluate
    kind: str  # a type of the model, or Moment, Day, Null, Boolean
    type_name: str  # as error texts name it
    literal: Literal | None = None


def compile_filter(text: str, entity: EntitySet, model: Model) -> Predicate:
    """A predicate for `text`. Raises ODataError 400 with what the OData layer says."""
    return compile_node(parse(text), entity, model)


def compile_node(node: Node, entity: EntitySet, model: Model) -> Predicate:
    """A predicate for a parsed filter. Raises ODataError as `compile_filter`."""
    return _Compiler(entity, model).predicate(node)


class _Compiler:
    def __init__(self, entity: EntitySet, model: Model) -> None:
        self._entity = entity
        self._model = model

    def predicate(self, node: Node) -> Predicate:
        match node:
            case Logical("or"):
                return self._any(node.operands)
            case Logical():
                parts = [self.predicate(operand) for operand in node.operands]
                return lambda row: all(part(row) for part in parts)
            case Unary("not"):
                inner = self.predicate(node.operand)
                return lambda row: not inner(row)
            case Binary() if node.operator in COMPARISONS:
                return self._comparison(node)
        operand = self._operand(node)
        if operand.kind != "Boolean":
            msg = "The $filter expression must evaluate to a single boolean value."
            raise query_error(msg)
        return operand.evaluate

    def _any(self, nodes: tuple[Node, ...]) -> Predicate:
        wanted: dict[tuple[str, ...], set[tuple[object, ...]]] = {}
        parts = []
        for node in nodes:
            pairs = self._equalities(node)
            if pairs is None:
                parts.append(self.predicate(node))
            else:
                names = tuple(sorted(pairs))
                wanted.setdefault(names, set()).add(tuple(pairs[name] for name in names))
        parts += [_membership(names, values) for names, values in wanted.items()]
        return lambda row: any(part(row) for part in parts)

    def _equalities(self, node: Node) -> dict[str, object] | None:
        """Field -> folded string or number, when `node` is only a conjunction of equalities."""
        operands = (
            node.operands if isinstance(node, Logical) and node.operator == "and" else (node,)
        )
        pairs: dict[str, object] = {}
        for operand in operands:
            match operand:
                case Binary("eq", Property(name), Literal("string", str(value))):
                    if self._field(name).type != "String" or "*" in value or name in pairs:
                        return None
                    pairs[name] = fold(value)
                case Binary("eq", Property(name), Literal("number", value)):
                    if self._field(name).type not in _NUMBERS or name in pairs:
                        return None
                    pairs[name] = value
                case _:
                    return None
        return pairs

    def _comparison(self, node: Binary) -> Predicate:
        left, right = self._operand(node.left), self._operand(node.right)
        if (
            left.literal is not None
            and right.literal is None
            and "*" not in str(left.literal.value)
        ):
            swapped = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
            node = Binary(swapped.get(node.operator, node.operator), node.right, node.left)
            left, right = right, left
        if "Null" in (left.kind, right.kind):
            return _plain(node.operator, left.evaluate, right.evaluate, ordered=False)
        if self._is_enum(left) or self._is_enum(right):
            return self._enum_comparison(node.operator, left, right)
        if left.kind == right.kind == "String":
            return _string_comparison(node.operator, left, right)
        if left.kind in _NUMBERS and right.kind in _NUMBERS:
            return _plain(node.operator, left.evaluate, right.evaluate)
        if left.kind in ("Date", "UtcDateTime"):
            return self._date_comparison(node.operator, left, right)
        if left.kind == right.kind and left.kind in ("Guid", "Boolean", "Moment", "Day"):
            return _plain(node.operator, left.evaluate, right.evaluate)
        raise _incompatible(node.operator, left, right)

    def _is_enum(self, operand: _Operand) -> bool:
        return operand.kind in self._model.enums

    def _enum_comparison(self, name: str, left: _Operand, right: _Operand) -> Predicate:
        if left.kind != right.kind:
            raise _incompatible(name, left, right)
        if name not in ("eq", "ne"):
            msg = f"The operator '{name}' is not supported for the enum type '{left.type_name}'."
            raise query_error(msg)
        return _plain(name, left.evaluate, right.evaluate)

    def _date_comparison(self, name: str, left: _Operand, right: _Operand) -> Predicate:
        if right.kind not in ("Date", "UtcDateTime", "Moment"):
            raise _incompatible(name, left, right)
        if left.kind == "Date":  # stored without a time of day, so compared without it
            return _plain(name, _prefix(left, 10), _prefix(right, 10))
        # Without the closing Z, a fraction of a second sorts where it belongs.
        return _plain(name, _prefix(left, -1), _prefix(right, -1))

    def _operand(self, node: Node) -> _Operand:
        match node:
            case Property(name):
                field = self._field(name)
                return _Operand(operator.itemgetter(name), field.type, field.edm_type)
            case Literal("enum", (str(type_name), str(member))):
                return self._enum_literal(type_name, member, node)
            case Literal():
                return _literal_operand(node)
            case Binary() if node.operator not in COMPARISONS:
                return self._arithmetic(node)
            case Unary("-"):
                inner = self._operand(node.operand)
                if inner.kind not in _NUMBERS:
                    raise _incompatible("-", inner, inner)
                return _Operand(lambda row: -inner.evaluate(row), "Decimal", "Edm.Decimal")
        return _Operand(self.predicate(node), "Boolean", "Edm.Boolean")

    def _field(self, name: str) -> Field:
        field = self._entity.fields.get(name)
        if field is None:
            msg = (
                f"Could not find a property named '{name}' on type '{self._entity.full_type_name}'."
            )
            raise query_error(msg)
        return field

    def _enum_literal(self, type_name: str, member: str, literal: Literal) -> _Operand:
        short = type_name.removeprefix(f"{NAMESPACE}.")
        members = self._model.enums.get(short)
        if members is None or short == type_name:
            raise query_error(f"The type '{type_name}' of the enum literal cannot be found.")
        if member not in members:
            raise query_error(f"The string '{member}' is not a valid enumeration type constant.")
        return _Operand(lambda _: member, short, type_name, literal)

    def _arithmetic(self, node: Binary) -> _Operand:
        left, right = self._operand(node.left), self._operand(node.right)
        if left.kind not in _NUMBERS or right.kind not in _NUMBERS:
            raise _incompatible(node.operator, left, right)
        whole = left.kind != "Decimal" and right.kind != "Decimal"
        calculate = _ARITHMETIC[node.operator, whole]
        first, second = left.evaluate, right.evaluate

        def evaluate(row: Mapping[str, Any]) -> Any:
            try:
                return calculate(first(row), second(row))
            except (ZeroDivisionError, DivisionByZero, InvalidOperation) as error:
                msg = "Attempted to divide by zero."
                raise query_error(msg) from error

        return _Operand(evaluate, "Int64" if whole else "Decimal", "Edm.Decimal")


def _truncated(left: int, right: int) -> int:
    """Whole-number division towards zero."""
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


_ARITHMETIC: dict[tuple[str, bool], Callable[[Any, Any], Any]] = {
    ("add", True): operator.add,
    ("add", False): operator.add,
    ("sub", True): operator.sub,
    ("sub", False): operator.sub,
    ("mul", True): operator.mul,
    ("mul", False): operator.mul,
    ("div", True): _truncated,
    ("div", False): lambda left, right: Decimal(left) / Decimal(right),
    ("divby", True): lambda left, right: Decimal(left) / Decimal(right),
    ("divby", False): lambda left, right: Decimal(left) / Decimal(right),
    ("mod", True): lambda left, right: left - right * _truncated(left, right),
    ("mod", False): lambda left, right: Decimal(left) % Decimal(right),
}


def _literal_operand(literal: Literal) -> _Operand:
    kind, type_name = _LITERAL_TYPES[literal.kind]
    value: Any = literal.value
    if kind == "Moment":
        value = _moment_literal(str(value))
    elif kind == "Guid":
        value = str(value).lower()
    elif isinstance(value, Decimal) and value == value.to_integral_value():
        kind, value = "Int64", int(value)
    return _Operand(lambda _: value, kind, type_name, literal)


def _moment_literal(text: str) -> str:
    try:
        moment = to_moment(text)
    except ValueError as error:
        raise query_error(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.") from error
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment_text(moment)[:-1]}{fraction}Z"


def _membership(names: tuple[str, ...], values: set[tuple[object, ...]]) -> Predicate:
    if len(names) == 1:
        (name,) = names
        singles = {value for (value,) in values}
        return lambda row: _lower(row[name]) in singles
    return lambda row: tuple([_lower(row[name]) for name in names]) in values


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _string_comparison(name: str, left: _Operand, right: _Operand) -> Predicate:
    text = right.literal.value if right.literal else None
    get = left.evaluate
    if isinstance(text, str) and name in ("eq", "ne"):
        if "*" in text:
            matches = _wildcard(text)
            return lambda row: matches(get(row)) is (name == "eq")
        wanted = fold(text)
        return lambda row: (get(row).lower() == wanted) is (name == "eq")
    other = right.evaluate
    return _plain(name, lambda row: fold(get(row)), lambda row: fold(other(row)))


def _wildcard(pattern: str) -> Callable[[str], bool]:
    expression = ".*".join(re.escape(part) for part in pattern.rstrip(" ").split("*"))
    match = re.compile(expression, re.IGNORECASE | re.DOTALL).fullmatch
    return lambda text: match(text) is not None


def _plain(
    name: str,
    left: Evaluate,
    right: Evaluate,
    *,
    ordered: bool = True,
) -> Predicate:
    compare = _COMPARE[name]
    if not ordered and name not in ("eq", "ne"):
        return lambda _: False  # null is neither more nor less than anything
    return lambda row: compare(left(row), right(row))


def _prefix(operand: _Operand, end: int) -> Evaluate:
    if operand.literal is not None:
        constant = operand.evaluate({})[:end]
        return lambda _: constant
    get = operand.evaluate
    return lambda row: get(row)[:end]


def _incompatible(name: str, left: _Operand, right: _Operand) -> ODataError:
    kind = _KINDS.get(name, name.capitalize())
    return query_error(
        "A binary operator with incompatible types was detected. Found operand types "
        f"'{left.type_name}' and '{right.type_name}' for operator kind '{kind}'."
    )
