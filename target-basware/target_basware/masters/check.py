"""Entities against Basware's own rules before they are sent, in words.

One record that breaks a rule makes Basware refuse the whole request (reference 4.3), so it is
cheaper to find it here. No message shows a value: it might be a bank account number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from target_basware.masters.facts import SCALARS, Rule, entity_of, table
from target_basware.masters.glance import keeps_rules
from target_basware.masters.patterns import EMAIL, INT32, is_date


def check_entity(resource: str, content: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an entity, as `field: problem`; empty when nothing is.

    `resource` is one of the APIs ("vendors", "lists/ACC_LIST_1"); raises KeyError for another.
    Optional fields may be null. Unknown properties are reported too.
    """
    entity = entity_of(resource)
    problems = [] if keeps_rules(entity, content) else list(_entity(entity, content, ""))
    if not problems:
        problems += _quantities(resource, content)
        problems += _bank_accounts(resource, content)
    return problems


def _entity(name: str, content: Any, path: str) -> Iterator[str]:
    if not isinstance(content, Mapping):
        yield f"{path}: is no object"
        return
    rules = table()[name]
    for field, value in content.items():
        where = f"{path}.{field}" if path else str(field)
        rule = rules.get(str(field))
        if rule is None:
            yield f"{where}: Basware knows no such field"
        elif value is not None:
            yield from _field(rule, value, where)
    for field, rule in rules.items():
        if rule.required and content.get(field) is None:
            yield f"{path}.{field}: is missing" if path else f"{field}: is missing"


def _field(rule: Rule, value: Any, where: str) -> Iterator[str]:
    if not rule.many:
        yield from _single(rule, value, where)
    elif not isinstance(value, list | tuple):
        yield f"{where}: is no list"
    else:
        for number, item in enumerate(value):
            yield from _single(rule, item, f"{where}[{number}]")


def _single(rule: Rule, value: Any, where: str) -> Iterator[str]:
    if rule.kind not in SCALARS:
        yield from _entity(rule.kind, value, where)
        return
    problem = _scalar(rule, value)
    if problem:
        yield f"{where}: {problem}"


def _scalar(rule: Rule, value: Any) -> str:
    match rule.kind:
        case "string":
            problem = _text(rule, value)
        case "boolean":
            problem = "" if isinstance(value, bool) else "is neither true nor false"
        case "date-time":
            problem = "" if is_date(value) else "is no date like 2026-01-31T00:00:00Z"
        case _:
            problem = _number(rule, value)
    if not problem and rule.values and str(value) not in rule.values:
        problem = f"is not one of {', '.join(rule.values)}"
    return problem


def _text(rule: Rule, value: Any) -> str:
    if not isinstance(value, str):
        return "is no text"
    if rule.length:
        shortest, longest = rule.length
        if len(value) > longest:
            return f"has {len(value)} characters, Basware takes {longest} at most"
        if len(value) < shortest:
            return f"has {len(value)} characters, Basware wants {shortest} at least"
    if rule.email and not EMAIL.fullmatch(value):
        return "is no e-mail address in lower case"
    return ""


def _number(rule: Rule, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return "is no number"
    number = Decimal(str(value))
    if not number.is_finite():
        return "is no number"
    low, high = rule.between or (None, None)
    if rule.kind == "int32":
        if not isinstance(value, int):
            return "is no whole number"
        low, high = (Decimal(limit) for limit in INT32) if low is None else (low, high)
    if low is not None and high is not None and not low <= number <= high:
        return f"is not between {low} and {high}"
    return ""


def _quantities(resource: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Rules that the document states in words only (reference 3.5)."""
    if resource != "matchingOrderLines":
        return
    quantity = Decimal(str(content["quantity"]))
    if quantity <= 0:
        yield "quantity: must be above zero"
    elif content["matchingMode"] in ("Blanket", "Service") and quantity != 1:
        yield f"quantity: must be 1 where matchingMode is {content['matchingMode']}"


def _bank_accounts(resource: str, content: Mapping[str, Any]) -> Iterator[str]:
    """Basware refuses a vendor that has a bank account twice (reference 3.2)."""
    if resource != "vendors":
        return
    seen: set[tuple[str, str]] = set()
    for mean in content.get("paymentMeans") or ():
        for account in mean.get("financialAccounts") or ():
            for identifier in account.get("financialAccountIdentifiers") or ():
                number = "".join(str(identifier.get("id") or "").split()).upper()
                key = (str(identifier["schemeId"]), number)
                if number and key in seen:
                    yield "paymentMeans: the same bank account is there twice"
                seen.add(key)
