"""ExchangeRates -> exchangeRates: one unit of the from-currency in the to-currency."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected

from target_basware.masters.entity import Content, Entity, Record
from target_basware.masters.external_code import external_code
from target_basware.masters.reach import active_in, mapped
from target_basware.masters.row import Row

FIELDS = (
    "RateTypeName",
    "FromCurrency",
    "ToCurrency",
    "StartDate",
    "Rate",
    "ConversionFactor",
    "LegalEntities",
)
#: ConversionFactor -> how many places the rate moves to the right.
PLACES = {"": 0, "One": 0, "Ten": 1, "Hundred": 2, "Thousand": 3, "TenThousand": 4}


def exchange_rate_entities(mapping: ApMapping, record: Record) -> Iterator[Entity]:
    """Return the rate for the companies that reckon with it. Raises Rejected.

    Legal entities that call the currencies differently in Basware get a record of their own.
    """
    row = Row(record)
    kind, day = row.required("RateTypeName"), row.day("StartDate")
    pair = (row.required("FromCurrency"), row.required("ToCurrency"))
    companies: dict[tuple[str, str], list[Content]] = {}
    for entity in mapped(mapping, row.texts("LegalEntities")):
        for source in entity.currencies.basware(pair[0]):
            for target in entity.currencies.basware(pair[1]):
                found = active_in(mapping, entity, True)
                companies.setdefault((source, target), []).extend(found)
    rate = _one_unit(row)
    start = day.isoformat() if day else "1900-01-01"
    for (source, target), items in companies.items():
        own = () if (source, target) == pair else (source, target)
        content = {
            "externalCode": external_code(
                "exchangeRates", kind, *pair, start.replace("-", ""), *own
            ),
            "rate": rate,
            "currencyCodeFrom": source,
            "currencyCodeTo": target,
            "validFrom": f"{start}T00:00:00Z",
            "companies": items,
        }
        yield Entity("exchangeRates", content, scope=kind)


def _one_unit(row: Row) -> Decimal:
    """Return the rate of one unit; F&O quotes it for as many as the factor says."""
    factor = row.text("ConversionFactor")
    if factor not in PLACES:
        known = ", ".join(filter(None, PLACES))
        msg = f"ConversionFactor {factor[:20]!r} is not one of {known}"
        raise Rejected(msg)
    rate = row.required_number("Rate").scaleb(-PLACES[factor])
    if rate <= 0:
        msg = "its Rate is not above zero"
        raise Rejected(msg)
    return rate
