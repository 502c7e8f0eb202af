"""Companies, payment terms, tax codes, exchange rates."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from singer_delivery.errors import Rejected

from tests.target_basware.masters.rows import (
    EXEMPT,
    LEGAL_ENTITY,
    RATE,
    TAXED,
    TEXT,
    Row,
    companies,
    discount,
    mapped,
    one,
    term,
)


def terms(**fields: Any) -> dict[str, Row]:
    found = mapped("payment_terms", term(**fields))
    return {entity.content["paymentTermCode"]: entity.content for entity in found}


def test_a_legal_entity_is_a_company() -> None:
    assert one("legal_entities", LEGAL_ENTITY) == {
        "companyCode": "2000",
        "sourceSystem": "D365FO",
        "name": "Contoso Deutschland",
        "userDefaultLanguage": "de-DE",
        "homeCurrency": "EUR",
        "identifiers": [{"id": "DE 811569869", "schemeId": "EU:VAT"}],
        "addresses": [
            {
                "externalCode": "2000_address",
                "name": "Main address",
                "addressType": "PostalAddress",
                "addressLine1": "Leopoldstraße 1",
                "addressLine2": "Hinterhaus",
                "addressLine3": "2. Stock links",
                "streetName": "Leopoldstraße 1",
                "cityName": "München",
                "countryId": "DE",
                "default": True,
            }
        ],
        "active": True,
    }


def test_a_legal_entity_is_every_company_that_goes_to_it() -> None:
    row = LEGAL_ENTITY | {"LegalEntityId": "usmf", "Ledger": None, "VATNum": "94-31"}
    found = mapped("legal_entities", row)
    assert [entity.content["companyCode"] for entity in found] == ["1000", "1010"]
    assert not any("identifiers" in entity.content for entity in found)
    assert mapped("legal_entities", row | {"LegalEntityId": "frrt"}) == []


def test_company_identifiers_and_countries_are_the_mappings() -> None:
    more = 'company_identifiers: {VATNum: "US:TIN"}, countries: {DEU: AT}, '
    text = TEXT.replace("masters: {order", "masters: {" + more + "order")
    content = one("legal_entities", LEGAL_ENTITY, text)
    assert content["identifiers"] == [{"id": "DE 811569869", "schemeId": "US:TIN"}]
    assert content["addresses"][0]["countryId"] == "AT"


def test_a_term_is_sent_under_every_code_that_stands_for_it() -> None:
    assert set(terms()) == {"30N", "30D"}
    plain = terms()["30N"]
    assert plain["externalCode"] == "usmf_30N"
    assert plain["paymentTermNames"] == [{"language": "en-US", "translation": "Net 30 days"}]
    assert (plain["dueDateCalc"], plain["dueDateDays"], plain["dueDateEom"]) == (1, 30, 0)
    assert "cashDiscount" not in plain
    assert companies(plain) == {"1000": True, "1010": True}


def test_a_term_that_is_not_mapped_is_not_offered() -> None:
    assert terms(Name="Net45") == {}
    assert terms(dataAreaId="frrt") == {}


@pytest.mark.parametrize(
    ("fields", "due"),
    [
        ({"NumberOfDays": 14}, (1, 14, 0, 0)),
        ({"PaymentMethodType": "CurrentMth", "NumberOfDays": 10}, (1, 0, 1, 10)),
        ({"PaymentMethodType": "COD", "NumberOfDays": 0}, (1, 0, 0, 0)),
        ({"PaymentMethodType": "COD"}, (0, None, None, None)),
        ({"PaymentMethodType": "CutOffDate"}, (0, None, None, None)),
        ({"PaymentMethodType": "CurrentQuart"}, (0, None, None, None)),
        ({"NumberOfMonths": 1}, (0, None, None, None)),
        ({"NumberOfDays": -3}, (0, None, None, None)),
        ({"PaymentDayName": "Friday"}, (0, None, None, None)),
        ({"PaymentScheduleName": "3 parts"}, (0, None, None, None)),
    ],
)
def test_a_due_date_is_calculated_where_both_sides_agree_else_entered(
    fields: dict[str, Any], due: tuple[int | None, ...]
) -> None:
    content = terms(**fields)["30N"]
    names = ("dueDateCalc", "dueDateDays", "dueDateEom", "dueDateDays2")
    assert tuple(content.get(name) for name in names) == due


@pytest.mark.parametrize(("policy", "moved"), [("NoUpdate", "0"), ("Next", "1"), ("Previous", "2")])
def test_due_dates_move_to_working_days(policy: str, moved: str) -> None:
    assert terms(VendorDueDateUpdatePolicy=policy)["30N"]["moveDueDatesTo"] == moved


def test_a_cash_discount_becomes_part_of_its_term() -> None:
    content = terms()["30D"]
    assert content["paymentTermNames"][0]["translation"] == "Net 30 days, 2 % within 7 days"
    assert (content["cashDueDateCalc"], content["cashDueDateDays"]) == (1, 7)
    assert content["cashDiscount"] == Decimal(2)


def test_cash_discounts_that_follow_become_steps() -> None:
    first = discount(NextCashDiscountCode="1%D14")
    second = discount(
        CashDiscountCode="1%D14", Percent=1, NumberOfDays=14, NextCashDiscountCode="2%D7"
    )
    content = terms(CashDiscounts=[second, first])["30D"]
    assert content["cashDueDateCalc"] == 2
    rules = content["paymentTermDiscountRules"]
    assert [(r["discountDays"], r["discountPercent"]) for r in rules] == [(7, 2), (14, 1)]
    assert len({rule["externalCode"] for rule in rules}) == 2


@pytest.mark.parametrize("fields", [{"NumberOfMonths": 1}, {"DiscountMethod": "CurrentWeek"}])
def test_a_cash_date_that_basware_cannot_calculate_is_entered(fields: dict[str, Any]) -> None:
    content = terms(CashDiscounts=[discount(**fields)])["30D"]
    assert (content["cashDueDateCalc"], content["cashDiscount"]) == (0, Decimal(2))


def test_a_cash_discount_that_is_not_there_is_told() -> None:
    with pytest.raises(Rejected, match=r"payment term Net30 of usmf: .*'2%D7' is not among those"):
        terms(CashDiscounts=[])


def test_a_pair_of_tax_groups_is_a_tax_code() -> None:
    content = one("tax_combinations", TAXED)
    assert content == {
        "externalCode": "usmf_US07",
        "taxCode": "US07",
        "taxCodeNames": [{"language": "en-US", "translation": "California, Full rate"}],
        "taxPercentage": Decimal("7.25"),
        "companies": [
            {"companyCode": "1000", "active": True, "inherit": False},
            {"companyCode": "1010", "active": True, "inherit": False},
        ],
    }


def test_several_codes_may_stand_for_a_pair_and_none_for_another() -> None:
    codes = [
        entity.content["taxCode"]
        for entity in mapped("tax_combinations", EXEMPT | {"ExemptTax": True})
    ]
    assert codes == ["EX", "EX2"]
    assert mapped("tax_combinations", TAXED | {"TaxItemGroup": "RED"}) == []


def test_the_percentage_of_the_mapping_wins_and_one_must_be_known() -> None:
    text = TEXT.replace("item_sales_tax_group: FULL}", "item_sales_tax_group: FULL, percentage: 8}")
    assert one("tax_combinations", TAXED, text)["taxPercentage"] == 8
    with pytest.raises(Rejected, match=r"US07; write one as percentage under tax_codes in mapping"):
        mapped("tax_combinations", TAXED | {"Percentage": None})


def test_a_rate_is_that_of_one_unit_and_for_those_who_reckon_with_it() -> None:
    (entity,) = mapped("exchange_rates", RATE)
    assert entity.scope == "Default"
    assert entity.content == {
        "externalCode": "Default_EUR_USD_20260101",
        "rate": Decimal("1.0825"),
        "currencyCodeFrom": "EUR",
        "currencyCodeTo": "USD",
        "validFrom": "2026-01-01T00:00:00Z",
        "companies": [
            {"companyCode": "1000", "active": True},
            {"companyCode": "1010", "active": True},
        ],
    }
    assert mapped("exchange_rates", RATE | {"LegalEntities": []}) == []


def test_rates_have_basware_s_currency_codes() -> None:
    content = one("exchange_rates", RATE | {"FromCurrency": "GBP"})
    assert content["currencyCodeFrom"] == "STG"
    assert content["externalCode"] == "Default_GBP_USD_20260101_STG_USD"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ConversionFactor": "Dozen"}, "'Dozen' is not one of One, Ten, Hundred"),
        ({"Rate": Decimal(0)}, "Rate is not above zero"),
        ({"Rate": None}, "exchange rate EUR to USD from 2026-01-01: Rate is missing"),
        ({"FromCurrency": "EURO"}, "currencyCodeFrom: has 4 characters"),
    ],
)
def test_a_rate_that_is_none_is_rejected(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(Rejected, match=words):
        mapped("exchange_rates", RATE | fields)
