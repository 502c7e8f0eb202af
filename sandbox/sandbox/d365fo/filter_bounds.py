"""What a `$filter` says about single fields: which rows need not be looked at.

A filter is taken apart into boxes, each an interval for some fields; a row that matches lies in
one of them. What is no comparison of a field with a literal is left out, so boxes hold too many
rows rather than too few, and the filter decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import inf
from typing import TYPE_CHECKING, Any

from sandbox.d365fo.filter_syntax import Binary, Literal, Logical, Node, Property, Unary
from sandbox.d365fo.indexes import EVERYTHING, SortKey, Span
from sandbox.d365fo.values import fold, moment_text, to_moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sandbox.d365fo.model import EntitySet, Model

Box = dict[str, Span]
_MAX_BOXES = 1000
_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "divby", "mod"})
_SIDES = {"eq": "both", "ge": "low", "gt": "low", "le": "high", "lt": "high"}
# How much of a stored date or moment a comparison is sure to look at.
_MOMENT_LENGTH = {"Date": 10, "UtcDateTime": 19}


@dataclass(frozen=True)
class Bounds:
    """The boxes of a filter that its entity set knows the types of."""

    boxes: Sequence[Box]

    def spans(self, fields: tuple[str, ...]) -> list[Span]:
        """Where matching rows lie in the order of these fields (ascending); spans may overlap."""
        return list({(_low(box, fields), _high(box, fields)): None for box in self.boxes})

    def equalities(self) -> dict[tuple[str, ...], set[SortKey]] | None:
        """Fields -> values of which a matching row has one; None when a box has no equality."""
        wanted: dict[tuple[str, ...], set[SortKey]] = {}
        for box in self.boxes:
            fields = tuple(sorted(name for name, span in box.items() if is_one_value(span)))
            if not fields:
                return None
            key = tuple(part for name in fields for part in box[name][0])
            wanted.setdefault(fields, set()).add(key)
        return wanted


def bounds_of(node: Node | None, entity: EntitySet, model: Model, *, company: str = "") -> Bounds:
    """The bounds of a filter that compiles, and of one legal entity when it is given."""
    every: Box = {"dataAreaId": one_value(fold(company))} if company else {}
    boxes = _Boxes(entity, model).of(node) if node is not None else [{}]
    return Bounds(_meet([[every], boxes]))


def may_fail(node: Node) -> bool:
    """Whether a filter can end in an error at a row, so that all rows must be looked at."""
    match node:
        case Logical():
            return any(map(may_fail, node.operands))
        case Unary():
            return may_fail(node.operand)
        case Binary():
            calculates = node.operator in _ARITHMETIC
            return calculates or may_fail(node.left) or may_fail(node.right)
    return False


def one_value(value: object) -> Span:
    """The interval of a single value."""
    return (True, value), (True, value, inf)


def is_one_value(span: Span) -> bool:
    """Whether an interval holds a single value."""
    low, high = span
    return (*low, inf) == high and len(low) == 2


class _Boxes:
    def __init__(self, entity: EntitySet, model: Model) -> None:
        self._entity = entity
        self._model = model

    def of(self, node: Node) -> list[Box]:
        match node:
            case Logical("or"):
                return [box for operand in node.operands for box in self.of(operand)]
            case Logical():
                return _meet([self.of(operand) for operand in node.operands])
            case Binary(name, Property(field), Literal() as literal) if name in _SIDES:
                span = self._span(name, field, literal)
                return [{field: span}] if span else [{}]
        return [{}]

    def _span(self, operator: str, name: str, literal: Literal) -> Span | None:
        """The interval of `name operator literal`, None where nothing is sure."""
        ends = self._ends(self._entity.fields[name].type, operator, literal)
        if ends is None:
            return None
        first, last = ends
        low, high = EVERYTHING
        exact = first == last
        match operator:
            case "ge" | "eq":
                low = (True, first)
            case "gt":
                low = (True, first, inf) if exact else (True, first)
        match operator:
            case "le" | "eq":
                high = (True, last, inf)
            case "lt":
                high = (True, last) if exact else (True, last, inf)
        return low, high

    def _ends(self, kind: str, operator: str, literal: Literal) -> tuple[Any, Any] | None:
        """The least and the greatest sort value that the literal may be equal to."""
        value = literal.value
        match literal.kind, value:
            case "string", str() if operator != "eq" or "*" not in value:
                return fold(value), fold(value)
            case "number", _:
                return value, value
            case "guid", str() if operator == "eq":
                return fold(value), fold(value)
            case "enum", (_, str(member)):
                number = self._model.enums[kind][member]
                return number, number
            case "moment", str() if kind in _MOMENT_LENGTH:
                text = moment_text(to_moment(value))[: _MOMENT_LENGTH[kind]].lower()
                return text, text + "~"
        return None


def _meet(groups: Sequence[list[Box]]) -> list[Box]:
    """The boxes of rows that lie in a box of every group; groups that make too many are left out.

    Boxes that hold nothing are dropped.
    """
    met: list[Box] = [{}]
    for group in sorted(groups, key=len):
        if len(met) * len(group) <= _MAX_BOXES:
            pairs = (_both(one, other) for one, other in product(met, group))
            met = [box for box in pairs if box is not None]
    return met


def _both(one: Box, other: Box) -> Box | None:
    both = dict(one)
    for name, (low, high) in other.items():
        known = both.get(name, EVERYTHING)
        both[name] = max(low, known[0]), min(high, known[1])
        if both[name][0] >= both[name][1]:
            return None
    return both


def _low(box: Box, fields: Sequence[str]) -> SortKey:
    """The least sort key in a box: A >= x and B >= y are not before (x, y)."""
    key: SortKey = ()
    for name in fields:
        low = box.get(name, EVERYTHING)[0]
        key += low
        if len(low) != 2:
            break
    return key


def _high(box: Box, fields: Sequence[str]) -> SortKey:
    """Behind the greatest sort key in a box."""
    key: SortKey = ()
    for name in fields:
        high = box.get(name, EVERYTHING)[1]
        if high[-1] != inf:  # less than a value, and so before all rows with it
            return key + high
        key += high[:-1]
        if len(high) == 1:
            break
    return (*key, inf)
