"""The facts that `check_entity` knows, drawn from Basware's OpenAPI document.

`python -m tests.target_basware.masters.openapi_facts > facts.json` writes the table anew.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

from target_basware.masters.facts import ENTITIES

from tests.reference import OPENAPI, REFERENCE

Facts = dict[str, dict[str, str]]


def drawn(openapi: dict[str, Any]) -> Facts:
    """Entity -> field -> fact, for the entities of `ENTITIES` and those within them."""
    schemas = openapi["components"]["schemas"]
    facts: Facts = {}
    waiting = list(ENTITIES.values())
    while waiting:
        name = waiting.pop()
        if name in facts:
            continue
        schema = schemas[name]
        assert schema["additionalProperties"] is False, name
        required = set(schema.get("required", ()))
        facts[name] = {
            field: _fact(rule) + " !" * (field in required)
            for field, rule in schema["properties"].items()
        }
        waiting += [inner for rule in schema["properties"].values() if (inner := _inner(rule))]
    return facts


def _inner(rule: dict[str, Any]) -> str:
    reference = rule.get("$ref") or rule.get("items", {}).get("$ref") or ""
    return str(reference).rpartition("/")[2]


def _fact(rule: dict[str, Any]) -> str:
    inner = _inner(rule)
    if rule.get("type") == "array":
        return f"[{inner}]"
    if inner:
        return inner
    kind = {"date-time": "date-time", "int32": "int32"}.get(rule.get("format", ""), rule["type"])
    words = [kind]
    if kind == "string" and "maxLength" in rule:
        words.append(f"{rule.get('minLength', 0)}-{rule['maxLength']}")
    if "maximum" in rule:
        words.append(f"{rule['minimum']}..{rule['maximum']}")
    if "pattern" in rule:
        words.append("~email" if "@(" in rule["pattern"] else f"={rule['pattern']}")
    if "enum" in rule:
        words.append("=" + "|".join(rule["enum"]))
    return " ".join(words)


def folded(facts: Facts) -> Facts:
    """Write text1 to text10 with the same fact as text{1..10}."""
    return {name: _folded(fields) for name, fields in sorted(facts.items())}


def _folded(fields: dict[str, str]) -> dict[str, str]:
    counted: dict[tuple[str, str], list[int]] = {}
    for field, fact in fields.items():
        found = re.fullmatch(r"(.*?)([1-9]\d*)", field)
        stem, number = (found[1], int(found[2])) if found else (field, 0)
        counted.setdefault((stem, fact), []).append(number)
    result = {}
    for (stem, fact), numbers in counted.items():
        if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
            result[f"{stem}{{{numbers[0]}..{numbers[-1]}}}"] = fact
        else:
            result |= {f"{stem}{number or ''}": fact for number in numbers}
    return result


if __name__ == "__main__":
    document = json.loads((REFERENCE / OPENAPI).read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps(folded(drawn(document)), indent=1) + "\n")
