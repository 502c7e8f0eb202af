"""What Basware's entities consist of, as compact facts: type, length, range, values, required.

`schemas.json` holds them, one line of text a field:

    "string 1-36 !"    text of 1 to 36 characters, required
    "number 0..100"    a number (or "integer") from 0 to 100
    "string ~0|1|2"    text that matches the pattern; "string ~email" an e-mail address
    "string =A|B"      one of these values
    "date-time", "boolean", "LanguageTranslationEntity", "[VendorCompanyEntity] !", "[string]"

`python -m sandbox.basware.schema_facts OPENAPI.json > schemas.json` draws them from Basware's
OpenAPI document; only bare facts are taken over, none of its prose.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

# The entities that the sandbox takes in or gives out; what they refer to comes along.
ROOTS = (
    "AccountEntity",
    "AccountingDocumentEntity",
    "AccountingDocumentsStatusResponseEntity",
    "AdvancedValidationEntity",
    "CompanyEntity",
    "ConsumerLogEventUserView",
    "CostCenterEntity",
    "EnrichmentResponseEntity",
    "ErrorFeedbackEntity",
    "ExchangeRateEntity",
    "ExportedPurchaseOrderEntity",
    "GenericListEntity",
    "OrderEntity",
    "OrderLineEntity",
    "PaymentResponseEntity",
    "PaymentTermEntity",
    "PrebookResponseEntity",
    "ProcessingStatusGetBatchRequest",
    "ProjectEntityV2",
    "TaxCodeEntity",
    "TransferResponseEntity",
    "VendorEntity",
)


def draw_facts(openapi: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Entity name -> field name -> fact, for `ROOTS` and every entity they refer to."""
    schemas = openapi["components"]["schemas"]
    facts: dict[str, dict[str, str]] = {}
    waiting = list(ROOTS)
    while waiting:
        name = waiting.pop()
        if name in facts:
            continue
        schema = schemas[name]
        required = set(schema.get("required", ()))
        fields = schema.get("properties", {})
        facts[name] = {field: _fact(rule, field in required) for field, rule in fields.items()}
        waiting.extend(filter(None, map(_referred, fields.values())))
    return dict(sorted(facts.items()))


def _referred(rule: dict[str, Any]) -> str | None:
    reference = rule.get("$ref") or rule.get("items", {}).get("$ref")
    return reference.rpartition("/")[2] if reference else None


def _fact(rule: dict[str, Any], required: bool) -> str:
    return " ".join([_type(rule), *_limits(rule), *(["!"] if required else [])])


def _type(rule: dict[str, Any]) -> str:
    entity = _referred(rule)
    if rule.get("type") == "array":
        return f"[{entity or rule['items']['type']}]"
    if entity:
        return entity
    if rule.get("format") == "date-time":
        return "date-time"
    return str(rule.get("type", "any"))


def _limits(rule: dict[str, Any]) -> list[str]:
    limits = []
    # booleans and dates carry a length in places; it says nothing about them
    if "maxLength" in rule and _type(rule) == "string":
        limits.append(f"{rule.get('minLength', 0)}-{rule['maxLength']}")
    if "maximum" in rule:
        limits.append(f"{rule.get('minimum', 0)}..{rule['maximum']}")
    if "pattern" in rule:
        limits.append("~email" if "@(" in rule["pattern"] else "~" + rule["pattern"])
    if "enum" in rule:
        limits.append("=" + "|".join(str(value) for value in rule["enum"]))
    return limits


def main() -> None:
    """Print the facts drawn from the OpenAPI document named on the command line."""
    facts = draw_facts(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    sys.stdout.write(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
