"""Sales tax group with item sales tax group: the tax codes that both have, and what they come to.

F&O knows no tax rate of an invoice line; it applies the codes that the two groups have in common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from typing import Any, ClassVar

from singer_delivery.errors import SetupError
from singer_sdk import typing as th

from tap_d365fo.client import Row
from tap_d365fo.composers.shape import offered, present, spelled
from tap_d365fo.entity_stream import D365Stream
from tap_d365fo.odata import comparable
from tap_d365fo.reader import Reader

SETTING = "tax_rate_field"
#: The sets that may hold the rates, and the names a rate may have there: documented by name alone,
#: the field Value is seen in clients that others generated from a real environment.
RATE_SETS = ("TaxCodeValuesV2", "TaxCodeValues")
RATE_FIELDS = ("Value", "TaxValue", "TaxPercentage", "Percentage", "Percent", "TaxRate", "Rate")
CODE_FIELDS = ("TaxCodeId", "TaxCode")
FROM_FIELDS = ("FromDate", "TaxFromDate", "ValidFrom")
TO_FIELDS = ("ToDate", "TaxToDate", "ValidTo")
#: Origins (TaxCodes.TaxBase) whose value is not a percentage of the net amount.
NO_PERCENTAGE = frozenset(
    {"PctPerGross", "PctPerTax", "AmountByUnit", "PctGrosOnNet", "PctPerMargin"}
)

Code = tuple[Any, Any]


class TaxCombinations(D365Stream):
    """Each pair of a sales tax group and an item sales tax group that share a tax code."""

    name = "tax_combinations"
    primary_keys = ("dataAreaId", "TaxGroup", "TaxItemGroup")
    requires: ClassVar[tuple[str, ...]] = ("TaxGroupDatas", "TaxItemGroups")
    schema = th.PropertiesList(
        th.Property("dataAreaId", th.StringType, required=True, description="Legal entity."),
        th.Property("TaxGroup", th.StringType, required=True),
        th.Property("TaxItemGroup", th.StringType, required=True),
        th.Property("TaxGroupDescription", th.StringType),
        th.Property("TaxItemGroupName", th.StringType),
        th.Property(
            "TaxCodes",
            th.ArrayType(th.StringType),
            description="Tax codes that are in both groups.",
        ),
        th.Property(
            "Percentage",
            th.NumberType,
            description="Sum of the rates that are valid today, exempt codes as 0; null where a "
            "rate cannot be read or is no percentage of the net amount.",
        ),
        th.Property("ExemptTax", th.BooleanType, description="All of the codes are exempt."),
    ).to_dict()

    def records(self) -> Iterable[Row]:
        """Yield the combinations of every legal entity."""
        yield from combinations(
            self.reader,
            rate_field=self.config.get(SETTING) or "",
            today=datetime.now(tz=UTC).date(),
        )


def combinations(reader: Reader, *, rate_field: str = "", today: date) -> Iterator[Row]:
    """Yield the record of each combination, legal entity by legal entity.

    `rate_field` names the field of the rate instead of RATE_FIELDS; SetupError where it is not
    there.
    """
    rates = TaxRates.read(reader, rate_field=rate_field, today=today)
    groups = _codes(reader, "TaxGroupDatas", "TaxGroupId")
    items = _codes(reader, "TaxItemGroups", "TaxItemGroupCode")
    group_names = _names(reader, "TaxGroups", "TaxGroupCode", "Description")
    item_names = _names(reader, "TaxItemGroupHeadings", "TaxItemGroup", "Name")
    for company, own in groups.items():
        for group, item in product(own.values(), items.get(company, {}).values()):
            shared = [code for code in group.codes if code in item.codes]
            if shared:
                yield {
                    "dataAreaId": group.company,
                    "TaxGroup": group.name,
                    "TaxItemGroup": item.name,
                    "TaxGroupDescription": group_names.get((company, comparable(group.name)), ""),
                    "TaxItemGroupName": item_names.get((company, comparable(item.name)), ""),
                    **_tax(group, item, shared, rates),
                }


def _tax(group: _Group, item: _Group, shared: list[Any], rates: TaxRates) -> Row:
    """Return what the shared codes come to."""
    taxed = [code for code in shared if not (group.codes[code] or item.codes[code])]
    known = [rates.of(comparable(group.company), code) for code in taxed]
    complete = None not in known
    return {
        "TaxCodes": sorted(group.spelling[code] for code in shared),
        "Percentage": sum(filter(None, known), Decimal(0)) if complete else None,
        "ExemptTax": not taxed,
    }


@dataclass
class _Group:
    """A group with its tax codes, by their comparable names: whether the code is exempt there."""

    company: str
    name: str
    codes: dict[Any, bool]
    spelling: dict[Any, str]


def _codes(reader: Reader, entity_set: str, field: str) -> dict[Any, dict[Any, _Group]]:
    """Return the groups of each legal entity with their codes."""
    exempt = present(reader, entity_set, ("ExemptTax",))
    found: defaultdict[Any, dict[Any, _Group]] = defaultdict(dict)
    for row in reader.table(entity_set, select=("dataAreaId", field, "TaxCodeId", *exempt)):
        company, name, code = row["dataAreaId"], row[field], row["TaxCodeId"]
        groups = found[comparable(company)]
        group = groups.setdefault(comparable(name), _Group(company, name, {}, {}))
        group.codes[comparable(code)] = row.get("ExemptTax") == "Yes"
        group.spelling[comparable(code)] = code
    return found


def _names(reader: Reader, entity_set: str, key: str, text: str) -> dict[Code, str]:
    if not reader.has(entity_set, text):
        return {}
    rows = reader.table(entity_set, select=("dataAreaId", key, text))
    return {(comparable(row["dataAreaId"]), comparable(row[key])): row[text] for row in rows}


@dataclass(frozen=True)
class TaxRates:
    """The rate of each tax code today, in percent, by legal entity and code."""

    rates: Mapping[Code, Decimal]

    @classmethod
    def read(cls, reader: Reader, *, rate_field: str, today: date) -> TaxRates:
        """Read the rates; of a code with several (by amount) there is none to give."""
        entity_set = offered(reader, RATE_SETS)
        fields = _rate_fields(reader, entity_set, rate_field) if entity_set else ()
        if not fields:
            return cls({})
        rate, code, start, end = fields
        found: defaultdict[Code, set[Decimal]] = defaultdict(set)
        for row in reader.table(entity_set, select=("dataAreaId", *fields)):
            if _is_valid(row[start], row[end], today):
                key = (comparable(row["dataAreaId"]), comparable(row[code]))
                found[key].add(Decimal(row[rate]))
        unfit = _without_percentage(reader)
        return cls(
            {key: one for key, (one, *more) in found.items() if not more and key not in unfit}
        )

    def of(self, company: Any, code: Any) -> Decimal | None:
        """Return the rate, None where it is not known."""
        return self.rates.get((company, code))


def _rate_fields(reader: Reader, entity_set: str, rate_field: str) -> tuple[str, ...]:
    """Return the fields of rate, code, first and last day; () where one of them is missing."""
    if rate_field and not reader.has(entity_set, rate_field):
        msg = f"{SETTING}: {entity_set} has no field {rate_field!r}"
        raise SetupError(msg)
    others = (CODE_FIELDS, FROM_FIELDS, TO_FIELDS)
    found = (
        rate_field or spelled(reader, entity_set, RATE_FIELDS),
        *(spelled(reader, entity_set, names) for names in others),
    )
    return found if all(found) else ()


def _is_valid(start: str, end: str, today: date) -> bool:
    """Compare dates as F&O writes them; 1900-01-01 stands for none."""
    day = today.isoformat()
    return start[:10] <= day and (end.startswith("1900-01-01") or day <= end[:10])


def _without_percentage(reader: Reader) -> set[Code]:
    if not reader.has("TaxCodes", "TaxBase"):
        return set()
    rows = reader.table("TaxCodes", select=("dataAreaId", "TaxCode", "TaxBase"))
    return {
        (comparable(row["dataAreaId"]), comparable(row["TaxCode"]))
        for row in rows
        if row["TaxBase"] in NO_PERCENTAGE
    }
