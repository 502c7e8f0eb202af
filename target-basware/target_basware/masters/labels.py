"""What an entity is called in a message: `vendor US-101 of company 1000`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singer_delivery.words import cut

#: Resource -> what one of its records is called, and the fields that tell it from others.
WORDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "companies": ("company", ("companyCode",)),
    "accounts": ("account", ("accountCode",)),
    "costCenters": ("cost center", ("costCenterCode",)),
    "projects": ("project", ("projectCode",)),
    "lists": ("list entry", ("externalCode",)),
    "taxCodes": ("tax code", ("taxCode",)),
    "paymentTerms": ("payment term", ("paymentTermCode",)),
    "exchangeRates": ("exchange rate", ("currencyCodeFrom", "currencyCodeTo", "validFrom")),
    "vendors": ("vendor", ("vendorCode",)),
    "matchingOrders": ("purchase order", ("orderNumber",)),
    "matchingOrderLines": ("purchase order line", ("orderExternalCode", "lineNumber")),
    "advancedValidations": ("validation", ("interface", "keyValue")),
}
SHOWN_COMPANIES = 3


def label(resource: str, content: Mapping[str, Any]) -> str:
    """Return the name of an entity for people, whatever state it is in."""
    name, _, key = resource.partition("/")
    noun, fields = WORDS.get(name, (name, ("externalCode",)))
    said = [str(content[field]) for field in fields if content.get(field)]
    if not said and content.get("externalCode"):
        said = [str(content["externalCode"])]
    text = " ".join([noun, *said])
    if key:
        text += f" of {key}"
    return cut(text + _companies(content), 120)


def _companies(content: Mapping[str, Any]) -> str:
    found = content.get("companies")
    items = found if isinstance(found, list | tuple) else []
    codes = [str(item.get("companyCode")) for item in items if isinstance(item, Mapping)]
    if not codes and content.get("orderNumber"):
        codes = [str(content.get("companyCode"))]
    if not codes:
        return ""
    shown = ", ".join(codes[:SHOWN_COMPANIES])
    return f" of company {shown}" + (" and others" if len(codes) > SHOWN_COMPANIES else "")
