"""Tax groups with item tax groups: the codes that both have and what they come to today."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from sandbox.seed import small_world
from sandbox.seed.companies import COMPANIES
from sandbox.seed.terms import TAXES
from sandbox.server import Sandbox
from singer_delivery.errors import SetupError
from tap_d365fo.client import D365Client, Row
from tap_d365fo.metadata import Metadata
from tap_d365fo.reader import Reader
from tap_d365fo.tax_combinations import combinations

from tests.tap_d365fo.masters import metadata_of, without

TODAY = date(2026, 3, 2)
Key = tuple[str, str, str]


@pytest.fixture
def reader(environment: Sandbox, client: D365Client) -> Reader:
    environment.reset()
    environment.load(small_world())
    return Reader(client, metadata_of(environment), page_size=4)


def read(reader: Reader, *, today: date = TODAY, rate_field: str = "") -> dict[Key, Row]:
    rows = list(combinations(reader, rate_field=rate_field, today=today))
    found = {(row["dataAreaId"], row["TaxGroup"], row["TaxItemGroup"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def codes(*codes: str, group: str = "MIX", exempt: tuple[str, ...] = ()) -> dict[str, Any]:
    """A tax group and an item tax group of usmf with these codes."""
    us = {"dataAreaId": "usmf"}
    return {
        "TaxGroupDatas": [
            {**us, "TaxGroupId": group, "TaxCodeId": code, "ExemptTax": _yes(code in exempt)}
            for code in codes
        ],
        "TaxItemGroups": [{**us, "TaxItemGroupCode": group, "TaxCodeId": code} for code in codes],
    }


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


def rate(code: str, value: str, **fields: Any) -> Row:
    return {"dataAreaId": "usmf", "TaxCodeId": code, "Value": value, **fields}


def test_every_tax_of_the_seed_has_its_rate(reader: Reader) -> None:
    found = read(reader)
    expected = {
        (company.legal_entity, tax.tax_group, tax.item_group): tax
        for company in COMPANIES
        for tax in TAXES[company.legal_entity]
    }
    assert set(found) == set(expected)
    for key, tax in expected.items():
        row = found[key]
        assert row["Percentage"] == tax.percent, tax.code
        assert row["ExemptTax"] is (tax.percent == 0)
        assert row["TaxCodes"] == [tax.d365fo_code]
        assert row["TaxGroupDescription"] == tax.tax_group
    assert found["demf", "DE-DOM", "FULL"]["TaxItemGroupName"] == "Full rate"


def test_a_rate_is_that_of_the_day(reader: Reader) -> None:
    key = ("demf", "DE-DOM", "FULL")
    assert read(reader, today=date(2020, 1, 1))[key]["Percentage"] == 19
    assert read(reader, today=date(2019, 12, 31))[key]["Percentage"] == 18
    assert read(reader, today=date(2009, 12, 31))[key]["Percentage"] is None


def test_several_codes_add_up_and_exempt_ones_count_nothing(
    reader: Reader, environment: Sandbox
) -> None:
    environment.d365fo.load(
        {
            **codes("STATE", "CITY", "DUTY", exempt=("DUTY",)),
            "TaxCodeValuesV2": [rate("STATE", "6.25"), rate("CITY", "1.5"), rate("DUTY", "30")],
        }
    )
    row = read(reader)["usmf", "MIX", "MIX"]
    assert row["Percentage"] == Decimal("7.75")
    assert row["TaxCodes"] == ["CITY", "DUTY", "STATE"]
    assert row["ExemptTax"] is False


def test_groups_without_a_common_code_are_no_combination(
    reader: Reader, environment: Sandbox
) -> None:
    environment.d365fo.load(codes("ALONE"))
    found = read(reader)
    assert ("usmf", "MIX", "FULL") not in found
    assert ("usmf", "MIX", "MIX") in found


@pytest.mark.parametrize(
    "more",
    [
        {},
        # By amount: which of the two applies, the invoice decides.
        {
            "TaxCodeValuesV2": [
                rate("ODD", "5", MaximumLimit="100"),
                rate("ODD", "7", MinimumLimit="100"),
            ]
        },
        {"TaxCodeValuesV2": [rate("ODD", "5", FromDate="2027-01-01")]},
        # An amount a unit, not a percentage.
        {
            "TaxCodeValuesV2": [rate("ODD", "5")],
            "TaxCodes": [{"dataAreaId": "usmf", "TaxCode": "ODD", "TaxBase": "AmountByUnit"}],
        },
    ],
    ids=["none", "by amount", "not yet", "by unit"],
)
def test_a_rate_that_is_not_one_percentage_is_not_guessed(
    reader: Reader, environment: Sandbox, more: dict[str, Any]
) -> None:
    environment.d365fo.load({**codes("ODD", "CAST725"), **more})
    row = read(reader)["usmf", "MIX", "MIX"]
    assert row["Percentage"] is None
    assert row["ExemptTax"] is False


def test_intervals_with_one_rate_are_one_rate(reader: Reader, environment: Sandbox) -> None:
    rows = [rate("SAME", "5", MaximumLimit="100"), rate("SAME", "5", MinimumLimit="100")]
    environment.d365fo.load({**codes("SAME"), "TaxCodeValuesV2": rows})
    assert read(reader)["usmf", "MIX", "MIX"]["Percentage"] == 5


def test_without_readable_rates_only_exempt_ones_are_known(reader: Reader) -> None:
    reader.metadata = without(reader.metadata, "TaxCodeValuesV2")
    for row in read(reader).values():
        assert row["Percentage"] == (0 if row["ExemptTax"] else None)


def renamed(metadata: Metadata, old: str, new: str) -> Metadata:
    """Return metadata in which TaxCodeValuesV2 has a field of another name."""
    name = metadata.sets["TaxCodeValuesV2"]
    kind = metadata.types[name]
    fields = {new if field == old else field: edm for field, edm in kind["properties"].items()}
    return Metadata(
        {**metadata.types, name: {**kind, "properties": fields}}, metadata.sets, metadata.enums
    )


def test_a_rate_field_of_an_unknown_name(reader: Reader) -> None:
    metadata = reader.metadata
    reader.metadata = renamed(metadata, "Value", "Satz")
    assert read(reader)["demf", "DE-DOM", "FULL"]["Percentage"] is None
    with pytest.raises(SetupError, match="tax_rate_field: TaxCodeValuesV2 has no field 'Steuer'"):
        read(reader, rate_field="Steuer")


def test_the_setting_names_the_rate_field(reader: Reader) -> None:
    # NonDeductiblePercentage is 0 throughout: the setting is obeyed, not the known name.
    found = read(reader, rate_field="NonDeductiblePercentage")
    assert found["demf", "DE-DOM", "FULL"]["Percentage"] == 0


def test_companies_are_kept_apart(reader: Reader) -> None:
    reader.companies = ("gbsi",)
    assert {company for company, _, _ in read(reader)} == {"gbsi"}
