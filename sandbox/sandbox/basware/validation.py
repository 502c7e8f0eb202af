"""Entities against the facts in `schemas.json`: what the API takes in, and how seeds are tidied."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from typing import Any

from sandbox.basware.exact_json import stamp

# Upper case is refused by the pattern in Basware's own document.
_EMAIL = re.compile(r"[^@\sA-Z]+@[^@\sA-Z]+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,7})?)?(Z|[+-]\d\d:?\d\d)?)?")
_SCALARS = {"string", "number", "integer", "boolean", "date-time", "any"}


@dataclass(frozen=True)
class Rule:
    """What one field may hold."""

    type: str  # a scalar, or the name of an entity
    many: bool = False
    required: bool = False
    length: tuple[int, int] | None = None
    between: tuple[Decimal, Decimal] | None = None
    pattern: re.Pattern[str] | None = None
    values: frozenset[str] | None = None

    @classmethod
    def parse(cls, fact: str) -> Rule:
        """Read one fact, e.g. `string 1-36 !`; the forms are listed in `schema_facts`."""
        kind, *limits = fact.split(" ")
        given: dict[str, Any] = {}
        for limit in limits:
            if limit == "!":
                given["required"] = True
            elif limit.startswith("~"):
                given["pattern"] = _EMAIL if limit == "~email" else re.compile(limit[1:])
            elif limit.startswith("="):
                given["values"] = frozenset(limit[1:].split("|"))
            elif ".." in limit:
                low, high = limit.split("..")
                given["between"] = (Decimal(low), Decimal(high))
            else:
                shortest, longest = limit.split("-")
                given["length"] = (int(shortest), int(longest))
        return cls(type=kind.strip("[]"), many=kind.startswith("["), **given)


@dataclass
class _Findings:
    messages: list[str] = field(default_factory=list)
    refuse_unknown: bool = False


class Schemas:
    """All entities by name."""

    def __init__(self) -> None:
        facts = json.loads(files("sandbox.basware").joinpath("schemas.json").read_text("utf-8"))
        self._entities: dict[str, dict[str, Rule]] = {
            entity: {name: Rule.parse(fact) for name, fact in fields.items()}
            for entity, fields in facts.items()
        }

    def fields(self, entity: str) -> dict[str, Rule]:
        """The fields of one entity."""
        return self._entities[entity]

    def read(
        self, entity: str, value: object, *, refuse_unknown: bool = False, partial: bool = False
    ) -> tuple[dict[str, Any], list[str]]:
        """`value` without nulls and unknown properties, and what is wrong with it.

        With `partial` nothing is demanded at the top level: a PATCH sends only what changes.
        """
        findings = _Findings(refuse_unknown=refuse_unknown)
        clean = self._object(entity, value, "", findings, partial=partial)
        return clean, findings.messages

    def tidy(self, entity: str, value: dict[str, Any]) -> dict[str, Any]:
        """A seeded `value` in the form the API would have stored: Decimal, text dates, no nulls.

        Raises ValueError for anything that the API itself could not hold.
        """
        clean, messages = self.read(entity, self._convert(entity, value), refuse_unknown=True)
        if messages:
            msg = f"{entity} {value.get('externalCode', value.get('invoiceId', ''))}: {messages}"
            raise ValueError(msg)
        return clean

    def _object(
        self, entity: str, value: object, path: str, findings: _Findings, *, partial: bool = False
    ) -> dict[str, Any]:
        if not isinstance(value, dict):
            findings.messages.append(f"{path or entity}: an object is expected")
            return {}
        rules = self._entities[entity]
        clean: dict[str, Any] = {}
        for name, item in value.items():
            rule = rules.get(name)
            where = f"{path}.{name}" if path else name
            if rule is None:
                if findings.refuse_unknown:
                    findings.messages.append(f"{where}: unknown property")
            elif item is not None:
                clean[name] = self._value(rule, item, where, findings)
        if not partial:
            for name, rule in rules.items():
                if rule.required and name not in clean:
                    where = f"{path}.{name}" if path else name
                    findings.messages.append(f"{where}: required")
        return clean

    def _value(self, rule: Rule, item: object, where: str, findings: _Findings) -> Any:
        if not rule.many:
            return self._single(rule, item, where, findings)
        if not isinstance(item, list):
            findings.messages.append(f"{where}: an array is expected")
            return []
        return [
            self._single(rule, part, f"{where}[{number}]", findings)
            for number, part in enumerate(item)
        ]

    def _single(self, rule: Rule, item: object, where: str, findings: _Findings) -> Any:
        if rule.type not in _SCALARS:
            return self._object(rule.type, item, where, findings)
        complaint = _complaint(rule, item)
        if complaint:
            findings.messages.append(f"{where}: {complaint}")
        return item

    def _convert(self, entity: str, value: dict[str, Any]) -> dict[str, Any]:
        rules = self._entities[entity]
        return {
            name: self._convert_value(rules[name], item) if name in rules else item
            for name, item in value.items()
        }

    def _convert_value(self, rule: Rule, item: Any) -> Any:
        if rule.many and isinstance(item, list | tuple):
            return [self._convert_one(rule, part) for part in item]
        return self._convert_one(rule, item)

    def _convert_one(self, rule: Rule, item: Any) -> Any:
        if rule.type == "number" and isinstance(item, str | float | int):
            return Decimal(str(item))
        if rule.type == "date-time" and isinstance(item, datetime):
            return stamp(item)
        if rule.type == "date-time" and isinstance(item, date):
            return item.isoformat()
        if rule.type not in _SCALARS and isinstance(item, dict):
            return self._convert(rule.type, item)
        return item


def _complaint(rule: Rule, item: object) -> str | None:
    """What is wrong with one scalar, or None."""
    if not _has_type(rule.type, item):
        return f"{rule.type} is expected"
    if rule.length and isinstance(item, str):
        shortest, longest = rule.length
        if not shortest <= len(item) <= longest:
            return f"{len(item)} characters, {shortest} to {longest} are allowed"
    if rule.between and isinstance(item, int | Decimal):
        low, high = rule.between
        if not low <= item <= high:
            return f"{item} is not between {low} and {high}"
    if rule.values and item not in rule.values:
        return f"{item!r} is not one of {', '.join(sorted(rule.values))}"
    if rule.pattern and item != "" and not rule.pattern.fullmatch(str(item)):
        return f"{item!r} does not match the pattern"
    return None


def _has_type(kind: str, item: object) -> bool:
    match kind:
        case "string":
            return isinstance(item, str)
        case "boolean":
            return isinstance(item, bool)
        case "integer":
            return isinstance(item, int) and not isinstance(item, bool)
        case "number":
            return isinstance(item, int | Decimal) and not isinstance(item, bool)
        case "date-time":
            return isinstance(item, str) and parse_moment(item) is not None
    return True


def parse_moment(text: str) -> datetime | None:
    """A date or date-time as Basware accepts it, aware; without a zone it counts as UTC."""
    if not _DATE.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
