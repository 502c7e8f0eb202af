"""Main accounts and dimension values: shared ones once, with the companies that may use them."""

from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.errors import Rejected
from target_basware.masters import dimension_values, main_accounts

from tests.target_basware.masters.rows import (
    EVER,
    MAPPING,
    NONE,
    TODAY,
    TOMORROW,
    YESTERDAY,
    account,
    companies,
    mapped,
    one,
    value,
)


def of_account(**fields: Any) -> dict[str, bool]:
    (entity,) = main_accounts.account_entities(MAPPING, account(**fields), day=TODAY)
    return companies(entity.content)


def of_value(**fields: Any) -> dict[str, bool]:
    first, *_ = dimension_values.dimension_value_entities(MAPPING, value(**fields), day=TODAY)
    return companies(first.content)


def test_a_chart_of_several_legal_entities_is_one_account_with_all_their_companies() -> None:
    (entity,) = mapped("main_accounts", account())
    assert (entity.resource, entity.scope) == ("accounts", "Shared")
    assert entity.content == {
        "externalCode": "Shared_605100",
        "accountCode": "605100",
        "accountNames": [{"language": "en-US", "translation": "Office supplies"}],
        "companies": [
            {"companyCode": "1000", "active": True, "inherit": False},
            {"companyCode": "1010", "active": True, "inherit": False},
            {"companyCode": "2000", "active": True, "inherit": True},
        ],
    }


@pytest.mark.parametrize(
    ("fields", "active"),
    [
        ({}, True),
        ({"IsSuspended": "Yes"}, False),
        ({"ActiveFrom": TOMORROW}, False),
        ({"ActiveFrom": YESTERDAY, "ActiveTo": TOMORROW}, True),
        ({"ActiveTo": YESTERDAY}, False),
        ({"ActiveTo": "2026-03-02T12:00:00Z"}, True),
        ({"ActiveFrom": EVER, "ActiveTo": NONE}, True),
    ],
)
def test_suspension_and_dates_decide_what_is_active(fields: dict[str, Any], active: bool) -> None:
    assert set(of_account(**fields).values()) == {active}
    assert set(of_value(**fields).values()) == {active}


@pytest.mark.parametrize(
    ("override", "active"),
    [
        ({"IsSuspended": "Yes"}, False),
        ({"IsSuspended": "No"}, True),
        ({"ActiveTo": YESTERDAY}, False),
        ({}, True),
    ],
)
def test_a_legal_entity_can_take_away_for_itself(override: dict[str, Any], active: bool) -> None:
    overrides = [{"LegalEntityId": "USMF", **override}, {"LegalEntityId": "frrt"}]
    assert of_account(LegalEntityOverrides=overrides) == {
        "1000": active,
        "1010": active,
        "2000": True,
    }
    assert of_value(LegalEntityOverrides=overrides)["1000"] is active


def test_an_override_gives_nothing_back_that_is_suspended_for_all() -> None:
    overrides = [{"LegalEntityId": "usmf", "IsSuspended": "No"}]
    assert not any(of_account(IsSuspended="Yes", LegalEntityOverrides=overrides).values())


def test_accounts_closed_to_manual_entry_are_inactive() -> None:
    assert not any(of_account(DoNotAllowManualEntry="Yes").values())


@pytest.mark.parametrize("kind", ["Total", "Reporting"])
def test_accounts_that_nothing_is_posted_to_are_not_sent(kind: str) -> None:
    assert mapped("main_accounts", account(MainAccountType=kind)) == []


def test_an_account_of_foreign_legal_entities_is_not_sent() -> None:
    assert mapped("main_accounts", account(LegalEntities=["frrt"])) == []


def test_an_account_goes_by_the_name_that_invoices_use() -> None:
    content = one("main_accounts", account(MainAccountId="618160"))
    assert (content["externalCode"], content["accountCode"]) == ("Shared_618160_4711", "4711")


def test_an_account_whose_number_means_another_is_rejected_with_the_remedy() -> None:
    with pytest.raises(Rejected, match=r"main account 4711 of chart Shared: .*main_accounts in"):
        mapped("main_accounts", account(MainAccountId="4711"))


def test_an_account_code_that_is_too_long_is_rejected_with_words() -> None:
    with pytest.raises(Rejected) as caught:
        mapped("main_accounts", account(MainAccountId="6" * 26))
    assert str(caught.value) == (
        f"main account {'6' * 26} of chart Shared: accountCode: has 26 characters, Basware takes "
        "25 at most; correct it in Dynamics, or give it another code in mapping.yml"
    )


def test_translations_become_local_names() -> None:
    translations = [{"Language": "de", "Name": "Bürobedarf"}]
    content = one("main_accounts", account(Translations=translations, Name=""))
    assert content["accountNames"] == [
        {"language": "en-US", "translation": "605100"},
        {"language": "de-DE", "translation": "Bürobedarf"},
    ]


def test_a_shared_value_goes_where_each_legal_entity_wants_it() -> None:
    center, entry = mapped("dimension_values", value())
    assert (center.resource, entry.resource) == ("costCenters", "lists/ACC_LIST_2")
    assert center.scope == entry.scope == "CostCenter/"
    assert center.content == {
        "externalCode": "CostCenter_CC-01",
        "costCenterCode": "CC-01",
        "costCenterNames": [{"language": "en-US", "translation": "Sales"}],
        "companies": [
            {"companyCode": "1000", "active": True},
            {"companyCode": "1010", "active": True},
        ],
    }
    assert entry.content == {
        "externalCode": "CostCenter_CC-01",
        "text_3": "CC-01",
        "text_2": "Sales",
        "listContent": "Dimension1",
        "companies": [{"companyCode": "2000", "active": True}],
    }


def test_a_value_of_one_legal_entity_goes_there_alone() -> None:
    content = one("dimension_values", value(LegalEntityId="usmf"))
    assert content["externalCode"] == "CostCenter_usmf_CC-01"
    assert set(companies(content)) == {"1000", "1010"}
    assert mapped("dimension_values", value(LegalEntityId="frrt")) == []


def test_an_alias_is_the_code_in_basware_and_no_other_value_has_its_external_code() -> None:
    alias, _ = mapped("dimension_values", value(DimensionValue="CC-9"))
    assert alias.content["costCenterCode"] == "9"
    own = one("dimension_values", value(LegalEntityId="usmf", DimensionValue="CC-9"))
    assert own["externalCode"] != alias.content["externalCode"]


def test_a_value_whose_code_means_another_is_rejected_where_it_is_its_only_use() -> None:
    with pytest.raises(Rejected, match=r"value 9 of dimension CostCenter: .*mapping\.yml"):
        mapped("dimension_values", value(LegalEntityId="usmf", DimensionValue="9"))


def test_a_project_has_dates_that_basware_takes() -> None:
    row = value(FinancialDimension="Project", DimensionValue="P-1", ActiveFrom=NONE, ActiveTo=EVER)
    (entity,) = mapped("dimension_values", row)
    assert entity.resource == "projects"
    assert entity.content == {
        "externalCode": "Project_P-1",
        "projectCode": "P-1",
        "projectName": "Sales",
        "validFrom": "2001-01-02T00:00:00Z",
        "validUntil": "2099-12-31T00:00:00Z",
        "companies": [
            {"companyCode": "1000", "active": True},
            {"companyCode": "1010", "active": True},
        ],
    }
    dated = row | {"ActiveFrom": "1999-05-01T12:00:00Z", "ActiveTo": "2030-06-30T12:00:00Z"}
    content = one("dimension_values", dated)
    assert content["validFrom"] == "2001-01-02T00:00:00Z"
    assert content["validUntil"] == "2030-06-30T00:00:00Z"


@pytest.mark.parametrize("flag", ["IsBlockedForManualEntry", "IsTotal"])
def test_values_that_nobody_may_enter_are_inactive(flag: str) -> None:
    assert not any(of_value(**{flag: "Yes"}).values())


@pytest.mark.parametrize("dimension", ["Purpose", "Color"])
def test_dimensions_that_are_not_imported_are_left_out(dimension: str) -> None:
    assert mapped("dimension_values", value(FinancialDimension=dimension)) == []


def test_short_list_columns_cut_names_and_refuse_codes() -> None:
    row = value(FinancialDimension="Region", Description="word " * 20)
    content = one("dimension_values", row)
    assert len(content["text_2"]) <= 50
    with pytest.raises(Rejected, match="51 characters, the columns of ACC_LIST_11 take 50"):
        mapped("dimension_values", row | {"DimensionValue": "x" * 51})


@pytest.mark.parametrize(
    ("stream", "row", "words"),
    [
        ("main_accounts", account(LegalEntities="usmf"), "LegalEntities is no list"),
        ("main_accounts", account(ActiveTo="soon"), "ActiveTo is no date like"),
        ("main_accounts", account(ChartOfAccounts=""), "ChartOfAccounts is missing"),
        (
            "dimension_values",
            value(Translations=["de"]),
            r"value CC-01 of dimension CostCenter: Translations\[0\] is no object",
        ),
    ],
)
def test_rows_that_cannot_be_read_are_rejected_with_the_field(
    stream: str, row: dict[str, Any], words: str
) -> None:
    with pytest.raises(Rejected, match=words):
        mapped(stream, row)
