"""Values of financial dimensions: every one, once, whatever kind of dimension it is of."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox.seed import small_world
from sandbox.seed.accounts import (
    COMPANY_PROJECT,
    DIMENSION_VALUES,
    EXPIRED_COST_CENTER,
    OVERRIDDEN_COST_CENTER,
    UNUSED_COST_CENTER,
)
from sandbox.server import Sandbox
from singer_delivery.errors import SetupError, Unavailable
from tap_d365fo.client import D365Client, Row
from tap_d365fo.composers import value_details
from tap_d365fo.dimension_values import KEYS, SeenValues, values
from tap_d365fo.reader import Reader

from tests.tap_d365fo.masters import metadata_of, without

FDV = "FinancialDimensionValues"


@pytest.fixture
def reader(environment: Sandbox, client: D365Client) -> Reader:
    """The small world, read page by page: five rows each."""
    environment.reset()
    environment.load(small_world())
    return Reader(client, metadata_of(environment), page_size=5)


def read(reader: Reader, **value_sets: str) -> dict[tuple[str, str, str], Row]:
    """Return the values by key; none may come twice."""
    rows = list(values(reader, value_sets, warn=pytest.fail))
    found = {tuple(row[name] for name in KEYS): row for row in rows}
    assert len(found) == len(rows)
    return found


def add_dimension(environment: Sandbox, name: str, uses: str, **rows: list[Row]) -> None:
    attribute = {"DimensionName": name, "UseValuesFrom": uses}
    environment.d365fo.load({"DimensionAttributes": [attribute], **rows})


class TestSources:
    def test_used_and_unused_values_of_all_dimensions(self, reader: Reader) -> None:
        found = read(reader)
        per_dimension = Counter(dimension for dimension, _, _ in found)
        assert per_dimension == {
            "BusinessUnit": len(DIMENSION_VALUES["BusinessUnit"]),
            "CostCenter": len(DIMENSION_VALUES["CostCenter"]) + 4,
            "Department": len(DIMENSION_VALUES["Department"]),
            "Project": len(DIMENSION_VALUES["Project"]) + 1,
        }
        sources = Counter(row["Source"] for row in found.values())
        assert sources == {FDV: len(found) - 1, "DimAttributeOMCostCenters": 1}

    def test_a_value_that_nothing_has_used_looks_like_the_others(self, reader: Reader) -> None:
        found = read(reader)
        unused = found["CostCenter", "", UNUSED_COST_CENTER]
        assert unused["Description"] == "New warehouse"
        assert (unused["IsSuspended"], unused["ActiveTo"]) == ("No", "1900-01-01T12:00:00Z")
        used = found["CostCenter", "", "CC-01"]
        ours = {"IsBalancing_PSN"}  # localised: not everywhere there
        assert set(used) - ours == set(unused)

    def test_expired_and_company_specific_values_are_told_as_they_are(self, reader: Reader) -> None:
        found = read(reader)
        assert found["CostCenter", "", EXPIRED_COST_CENTER]["ActiveTo"] == "2025-12-31T12:00:00Z"
        project, company = COMPANY_PROJECT
        assert found["Project", company, project]["Description"] == "Tax audit"

    def test_an_entity_per_company_gives_values_per_company(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        rows = [
            {"dataAreaId": company, "Value": value, "Name": f"Job {value}"}
            for company, value in (("demf", "J1"), ("usmf", "J1"), ("usmf", "J2"), ("usmf", "J3"))
        ]
        used = {"FinancialDimension": "Job", "DimensionValue": "j2", "Description": "Used"}
        add_dimension(
            environment,
            "Job",
            "Projects",
            DimAttributeProjTables=rows,
            FinancialDimensionValues=[
                {**used, "LegalEntityId": "USMF"},
                # Told as shared by one version of the entity: not to be doubled either.
                {**used, "LegalEntityId": "", "DimensionValue": "J3"},
            ],
        )
        found = {key: row for key, row in read(reader).items() if key[0] == "Job"}
        assert set(found) == {
            ("Job", "demf", "J1"),
            ("Job", "usmf", "J1"),
            ("Job", "USMF", "j2"),
            ("Job", "", "J3"),
        }
        assert found["Job", "demf", "J1"]["Source"] == "DimAttributeProjTables"

    def test_a_dimension_of_which_nothing_was_used_yet(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        workers = [{"Value": "000001", "Name": "Jodi"}]
        add_dimension(environment, "Worker", "Workers", DimAttributeHcmWorkers=workers)
        assert read(reader)["Worker", "", "000001"]["Description"] == "Jodi"

    def test_custom_lists_share_a_set(self, reader: Reader, environment: Sandbox) -> None:
        tags = [{"Value": "RED", "Name": "Red", "DimensionName": "Colour"}]
        add_dimension(environment, "Colour", "< Custom list >", DimAttributeFinancialTags=tags)
        colours = {key for key in read(reader) if key[0] == "Colour"}
        assert colours == {("Colour", "", "RED")}

    def test_main_accounts_are_left_to_their_stream(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        row = {"FinancialDimension": "MainAccount", "LegalEntityId": "", "DimensionValue": "605100"}
        add_dimension(environment, "MainAccount", "MainAccounts", FinancialDimensionValues=[row])
        assert "MainAccount" not in {dimension for dimension, _, _ in read(reader)}

    def test_only_configured_companies_and_shared_values(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        jobs = [{"dataAreaId": c, "Value": "J1", "Name": "J"} for c in ("demf", "usmf")]
        add_dimension(environment, "Job", "DimAttributeProjTable", DimAttributeProjTables=jobs)
        reader.companies = ("demf",)
        assert {company for _, company, _ in read(reader)} == {"", "demf"}


class TestSettings:
    def test_an_unknown_entity_is_warned_about_and_can_be_named(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        vendors = [{"dataAreaId": "usmf", "Value": "US-0001", "Name": "Fabrikam"}]
        add_dimension(environment, "Partner", "Kreditoren", DimAttributeVendTables=vendors)
        warnings: list[str] = []
        rows = list(values(reader, {}, warn=warnings.append))
        assert "Partner" not in {row["FinancialDimension"] for row in rows}
        [warning] = warnings
        assert "Partner takes its values from 'Kreditoren'" in warning
        assert "dimension_value_sets" in warning
        assert ("Partner", "usmf", "US-0001") in read(reader, partner="DimAttributeVendTables")

    def test_a_set_can_be_switched_off(self, reader: Reader) -> None:
        assert ("CostCenter", "", UNUSED_COST_CENTER) not in read(reader, CostCenter="")

    @pytest.mark.parametrize(
        ("setting", "words"),
        [
            ({"Costcentre": "DimAttributeOMCostCenters"}, "no dimension 'Costcentre'; there are"),
            ({"CostCenter": "CostCenters"}, "dimension CostCenter: .* no entity set 'CostCenters'"),
            ({"CostCenter": "VendorsV3"}, "VendorsV3 has no field Value"),
        ],
    )
    def test_a_wrong_setting_is_named(
        self, reader: Reader, setting: dict[str, str], words: str
    ) -> None:
        with pytest.raises(SetupError, match=f"dimension_value_sets.*{words}"):
            read(reader, **setting)

    def test_a_set_that_the_environment_lacks_is_warned_about(self, reader: Reader) -> None:
        reader.metadata = without(reader.metadata, "DimAttributeOMCostCenters")
        warnings: list[str] = []
        rows = list(values(reader, {}, warn=warnings.append))
        assert UNUSED_COST_CENTER not in {row["DimensionValue"] for row in rows}
        assert [warning[:20] for warning in warnings] == ["dimension CostCenter"]


class TestDetails:
    @pytest.fixture(params=["read whole", "read by page"], autouse=True)
    def few(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        if request.param == "read by page":
            monkeypatch.setattr(value_details, "FEW", 1)

    def test_translations(self, reader: Reader) -> None:
        found = read(reader)
        german = {"LanguageCode": "de-DE", "TranslatedDescription": "Kantine"}
        assert found["CostCenter", "", "013"]["Translations"] == [german]
        assert found["CostCenter", "", "CC-02"]["Translations"] == []
        assert found["BusinessUnit", "", "006"]["Translations"][0]["LanguageCode"] == "de-DE"
        told = sum(len(row["Translations"]) for row in found.values())
        assert told == 10

    def test_translations_of_values_of_several_companies(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        jobs = [
            {"dataAreaId": company, "Value": f"J{number}", "Name": "Job"}
            # In key order the later legal entity's values start below the earlier one's.
            for company, numbers in (("demf", range(3, 9)), ("usmf", range(6)))
            for number in numbers
        ]
        texts = [
            {
                "FinancialDimension": "Job",
                "LanguageCode": language,
                "FinancialDimensionValue": f"J{number}",
                "TranslatedDescription": f"{language} {number}",
            }
            for number in range(9)
            for language in ("de-DE", "sv")
        ]
        add_dimension(
            environment,
            "Job",
            "Projects",
            DimAttributeProjTables=jobs,
            FinancialDimensionValueTranslations=texts,
        )
        for (dimension, _, value), row in read(reader).items():
            if dimension == "Job":
                told = {text["TranslatedDescription"] for text in row["Translations"]}
                assert told == {f"de-DE {value[1:]}", f"sv {value[1:]}"}

    def test_overrides(self, reader: Reader, environment: Sandbox) -> None:
        value, company = OVERRIDDEN_COST_CENTER
        more = {
            "FinancialDimension": "CostCenter",
            "DimensionValue": value,
            "LegalEntityId": "USMF",
        }
        entity_set = "FinancialDimensionValueLegalEntityOverridesV2"
        environment.d365fo.load({entity_set: [{**more, "ActiveTo": "2026-01-31"}]})
        found = read(reader)
        overrides = found["CostCenter", "", value]["LegalEntityOverrides"]
        assert {(o["LegalEntityId"], o["IsSuspended"], o["ActiveTo"][:10]) for o in overrides} == {
            (company, "Yes", "1900-01-01"),
            ("usmf", "No", "2026-01-31"),
        }
        assert found["CostCenter", "", "CC-01"]["LegalEntityOverrides"] == []

    def test_an_environment_without_these_sets(self, reader: Reader) -> None:
        reader.metadata = without(
            reader.metadata,
            "FinancialDimensionValueTranslations",
            "FinancialDimensionValueLegalEntityOverridesV2",
        )
        row = read(reader)["CostCenter", "", "013"]
        assert (row["Translations"], row["LegalEntityOverrides"]) == ([], [])


class Moving(Reader):
    """A reader beside which a value is used for the first time, between two crawls."""

    sandbox: Sandbox

    def crawl(self, entity_set: str, **options: Any) -> Iterator[list[Row]]:
        if entity_set == "DimAttributeOMCostCenters":
            used = {
                "FinancialDimension": "CostCenter",
                "LegalEntityId": "",
                "DimensionValue": UNUSED_COST_CENTER,
            }
            self.sandbox.d365fo.load({FDV: [used]})
        return super().crawl(entity_set, **options)


def test_a_value_that_is_used_meanwhile_is_not_lost(reader: Reader, environment: Sandbox) -> None:
    moving = Moving(reader.client, reader.metadata, page_size=5)
    moving.sandbox = environment
    assert ("CostCenter", "", UNUSED_COST_CENTER) in read(moving)


def test_a_set_that_cannot_be_read_ends_the_crawl(reader: Reader) -> None:
    class Broken(Reader):
        def crawl(self, entity_set: str, **options: Any) -> Iterator[list[Row]]:
            if entity_set == "DimAttributeOMDepartments":
                raise Unavailable("gone")
            return super().crawl(entity_set, **options)

    with pytest.raises(Unavailable):
        read(Broken(reader.client, reader.metadata))


def test_two_hundred_thousand_seen_values_are_small() -> None:
    tracemalloc.start()
    try:
        seen = SeenValues()
        for start in range(0, 200_000, 1000):
            seen.add(
                {"LegalEntityId": "", "DimensionValue": f"V{n:07d}"}
                for n in range(start, start + 1000)
            )
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert {"LegalEntityId": "usmf", "DimensionValue": "v0199999 "} in seen
    assert {"LegalEntityId": "", "DimensionValue": "V0200000"} not in seen
    assert size < 40_000_000  # in fact 20 MB
