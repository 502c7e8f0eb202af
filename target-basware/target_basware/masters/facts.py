"""What the entities of Basware's import APIs consist of: the bare facts of its OpenAPI document.

`facts.json` holds a line of text for each field:

    "string 1-36 !"     text of 1 to 36 characters, required
    "number 0..100"     a number in this range; "int32" a whole one
    "int32 =0|1"        one of these values; "string ~email" an e-mail address
    "date-time", "boolean", "VendorPaymentTermEntity", "[VendorCompanyEntity] !"

`text{1..5}` stands for text1 to text5. A contract test proves the table equal to the document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from types import MappingProxyType

#: Resource -> its entity; every list has the same one.
ENTITIES: Mapping[str, str] = MappingProxyType(
    {
        "companies": "CompanyEntity",
        "accounts": "AccountEntity",
        "costCenters": "CostCenterEntity",
        "projects": "ProjectEntityV2",
        "lists": "GenericListEntity",
        "taxCodes": "TaxCodeEntity",
        "paymentTerms": "PaymentTermEntity",
        "exchangeRates": "ExchangeRateEntity",
        "vendors": "VendorEntity",
        "matchingOrders": "OrderEntity",
        "matchingOrderLines": "OrderLineEntity",
        "advancedValidations": "AdvancedValidationEntity",
    }
)
SCALARS = frozenset({"string", "number", "int32", "boolean", "date-time"})


@dataclass(frozen=True)
class Rule:
    """What one field may hold. `kind` is one of `SCALARS` or the name of an entity."""

    kind: str
    many: bool = False
    required: bool = False
    length: tuple[int, int] | None = None
    between: tuple[Decimal, Decimal] | None = None
    values: tuple[str, ...] = ()
    email: bool = False


def entity_of(resource: str) -> str:
    """Return the entity of a resource such as `vendors` or `lists/ACC_LIST_1`. Raises KeyError."""
    name, _, _ = resource.partition("/")
    return ENTITIES[name]


@cache
def table() -> Mapping[str, Mapping[str, Rule]]:
    """Return entity -> field -> rule."""
    return {
        entity: {field: parse(fact) for name, fact in fields.items() for field in _spread(name)}
        for entity, fields in read().items()
    }


def read() -> dict[str, dict[str, str]]:
    """Return the table as it is written."""
    text = files(__package__).joinpath("facts.json").read_text(encoding="utf-8")
    loaded: dict[str, dict[str, str]] = json.loads(text)
    return loaded


def parse(fact: str) -> Rule:
    """Return the rule of one fact."""
    kind, *words = fact.split(" ")
    length = between = None
    values: tuple[str, ...] = ()
    for word in words:
        if word.startswith("="):
            values = tuple(word[1:].split("|"))
        elif ".." in word:
            low, high = word.split("..")
            between = (Decimal(low), Decimal(high))
        elif "-" in word:
            shortest, longest = word.split("-")
            length = (int(shortest), int(longest))
    return Rule(
        kind=kind.strip("[]"),
        many=kind.startswith("["),
        required="!" in words,
        length=length,
        between=between,
        values=values,
        email="~email" in words,
    )


def _spread(name: str) -> Iterator[str]:
    found = re.fullmatch(r"(\w+)\{(\d+)\.\.(\d+)\}", name)
    if found is None:
        yield name
        return
    for number in range(int(found[2]), int(found[3]) + 1):
        yield f"{found[1]}{number}"
