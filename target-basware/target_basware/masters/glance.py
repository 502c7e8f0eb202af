"""Whether an entity keeps Basware's rules, at a glance: nearly all do.

The rules are made into nested functions once. They say no more than yes or no, and no to whatever
they do not know well: `check` then looks thoroughly, and says in words what is wrong, if anything.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, TypeAlias

from target_basware.masters.facts import Rule, table
from target_basware.masters.patterns import EMAIL, INT32, is_date

Glance: TypeAlias = Callable[[Any], bool]


def keeps_rules(entity: str, content: Any) -> bool:
    """Tell whether an entity certainly keeps the rules of its kind ("VendorEntity")."""
    return _entity(entity)(content)


@cache
def _entity(name: str) -> Glance:
    rules = table()[name]
    required = [field for field, rule in rules.items() if rule.required]
    glances: dict[Any, Glance] = {}

    def keeps(content: Any) -> bool:
        if type(content) is not dict:
            return False
        for field, value in content.items():
            if value is None and field in rules:
                continue
            glance = glances.get(field) or _known(field)
            if not glance(value):
                return False
        for field in required:  # noqa: SIM110 - a generator takes longer than what it looks at
            if content.get(field) is None:
                return False
        return True

    def _known(field: Any) -> Glance:
        # Not before it is needed: an entity may hold others of its own kind.
        rule = rules.get(field)
        glances[field] = _never if rule is None else _field(rule)
        return glances[field]

    return keeps


def _never(_: Any) -> bool:
    return False


def _field(rule: Rule) -> Glance:
    single = _single(rule)
    if not rule.many:
        return single

    def all_keep(value: Any) -> bool:
        return type(value) is list and all(map(single, value))

    return all_keep


def _single(rule: Rule) -> Glance:
    match rule.kind:
        case "string":
            return _text(rule)
        case "boolean" if not rule.values:
            return _is_boolean
        case "date-time" if not rule.values:
            return is_date
        case "number" | "int32":
            return _number(rule)
        case "boolean" | "date-time":
            return _never
    return _entity(rule.kind)


def _is_boolean(value: Any) -> bool:
    return type(value) is bool


def _text(rule: Rule) -> Glance:
    shortest, longest = rule.length or (0, 2**62)
    if rule.email or rule.values:
        email, values = rule.email, rule.values

        def fits(value: Any) -> bool:
            return (
                type(value) is str
                and shortest <= len(value) <= longest
                and (not email or EMAIL.fullmatch(value) is not None)
                and (not values or value in values)
            )

        return fits

    def is_in_length(value: Any) -> bool:
        return type(value) is str and shortest <= len(value) <= longest

    return is_in_length


def _number(rule: Rule) -> Glance:
    low, high = rule.between or (INT32 if rule.kind == "int32" else (None, None))
    kinds = (int,) if rule.kind == "int32" else (int, Decimal)
    values = rule.values

    def fits(value: Any) -> bool:
        return (
            type(value) in kinds
            and (type(value) is int or value.is_finite())
            and (low is None or low <= value <= high)
            and (not values or str(value) in values)
        )

    return fits
