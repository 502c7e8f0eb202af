"""What Basware would refuse is found before it is sent, and said in words."""

from __future__ import annotations

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from target_basware.masters import check_entity, label

VENDOR: dict[str, Any] = {
    "externalCode": "V1",
    "vendorCode": "US-101",
    "name": "Fabrikam",
    "paymentMeans": [
        {
            "paymentMeansCode": "A",
            "currencyCode": "USD",
            "financialAccounts": [
                {"financialAccountIdentifiers": [{"schemeId": "IBAN", "id": "GB29NWBK60161331926"}]}
            ],
        }
    ],
    "companies": [{"companyCode": "1000"}],
}
TERM: dict[str, Any] = {
    "externalCode": "T1",
    "paymentTermCode": "30N",
    "paymentTermNames": [{"language": "en-US", "translation": "Net 30"}],
    "validFrom": "2020-01-01",
    "validTo": "2099-12-31T00:00:00+02:00",
    "companies": [{"companyCode": "1000", "inherit": False, "active": True}],
    "dueDateCalc": 1,
    "cashDiscount": Decimal("2.5"),
}
LINE: dict[str, Any] = {
    "externalCode": "L1",
    "orderExternalCode": "O1",
    "lineNumber": "1",
    "quantity": Decimal(1),
    "matchingMode": "Standard",
}


def changed(entity: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**deepcopy(entity), **fields}


@pytest.mark.parametrize(
    ("resource", "content"),
    [("vendors", VENDOR), ("paymentTerms", TERM), ("matchingOrderLines", LINE)],
)
def test_a_good_entity_has_no_problem(resource: str, content: dict[str, Any]) -> None:
    assert check_entity(resource, content) == []
    assert check_entity(resource, changed(content, lastUpdated=None)) == []


@pytest.mark.parametrize(
    ("resource", "content", "problem"),
    [
        ("vendors", changed(VENDOR, name=None), "name: is missing"),
        (
            "vendors",
            changed(VENDOR, name=""),
            "name: has 0 characters, Basware wants 1 at least",
        ),
        (
            "vendors",
            changed(VENDOR, vendorCode="x" * 26),
            "vendorCode: has 26 characters, Basware takes 25 at most",
        ),
        (
            "vendors",
            changed(VENDOR, paymentMeans=[{"paymentMeansCode": "A", "currencyCode": "US"}]),
            "paymentMeans[0].currencyCode: has 2 characters, Basware wants 3 at least",
        ),
        ("vendors", changed(VENDOR, colour="red"), "colour: Basware knows no such field"),
        ("vendors", changed(VENDOR, companies={}), "companies: is no list"),
        ("vendors", changed(VENDOR, companies=["1000"]), "companies[0]: is no object"),
        ("vendors", changed(VENDOR, companies=[{}]), "companies[0].companyCode: is missing"),
        (
            "vendors",
            changed(VENDOR, eligibleForSourcing="No"),
            "eligibleForSourcing: is neither true nor false",
        ),
        ("vendors", changed(VENDOR, name=7), "name: is no text"),
        (
            "vendors",
            changed(VENDOR, orderingDetails={"orderEmail": "No One"}),
            "orderingDetails.orderEmail: is no e-mail address in lower case",
        ),
        ("paymentTerms", changed(TERM, dueDateCalc=2), "dueDateCalc: is not one of 0, 1"),
        ("paymentTerms", changed(TERM, dueDateDays=True), "dueDateDays: is no number"),
        ("paymentTerms", changed(TERM, dueDateDays=Decimal(3)), "dueDateDays: is no whole number"),
        (
            "paymentTerms",
            changed(TERM, dueDateDays=-1),
            "dueDateDays: is not between 0 and 2147483647",
        ),
        ("paymentTerms", changed(TERM, cashDiscount=float("nan")), "cashDiscount: is no number"),
        (
            "paymentTerms",
            changed(TERM, validFrom="31.01.2026"),
            "validFrom: is no date like 2026-01-31T00:00:00Z",
        ),
        (
            "paymentTerms",
            changed(TERM, validFrom="2026-02-30"),
            "validFrom: is no date like 2026-01-31T00:00:00Z",
        ),
        (
            "matchingOrderLines",
            changed(LINE, matchingMode="standard"),
            "matchingMode: is not one of Standard, Blanket, Return, Service",
        ),
        ("matchingOrderLines", changed(LINE, quantity=0), "quantity: must be above zero"),
        (
            "matchingOrderLines",
            changed(LINE, quantity=2, matchingMode="Service"),
            "quantity: must be 1 where matchingMode is Service",
        ),
        (
            "lists/ACC_LIST_1",
            {"externalCode": "x", "listContent": "Colours", "text_26": "a"},
            "text_26: Basware knows no such field",
        ),
    ],
)
def test_a_problem_names_field_and_rule(
    resource: str, content: dict[str, Any], problem: str
) -> None:
    assert problem in check_entity(resource, content)


def test_a_bank_account_that_is_there_twice_is_told_without_its_number() -> None:
    twice = deepcopy(VENDOR)
    accounts = twice["paymentMeans"][0]["financialAccounts"]
    again = {"schemeId": "IBAN", "id": "gb29 nwbk 6016 1331 926"}
    accounts.append({"financialAccountIdentifiers": [again]})
    assert check_entity("vendors", twice) == ["paymentMeans: the same bank account is there twice"]


def test_no_message_shows_a_bank_account_number() -> None:
    number = "GB29NWBK6016133192681234567890123456789012345678901"
    for bad in (number, 29601613319268, [number], {"iban": number}):
        broken = deepcopy(VENDOR)
        accounts = broken["paymentMeans"][0]["financialAccounts"]
        accounts[0]["financialAccountIdentifiers"][0]["id"] = bad
        problems = check_entity("vendors", broken)
        assert problems
        assert "6016133" not in str(problems)


def test_an_api_that_does_not_exist_is_no_resource() -> None:
    with pytest.raises(KeyError):
        check_entity("users", {})


@pytest.mark.parametrize(
    ("resource", "content", "name"),
    [
        ("vendors", VENDOR, "vendor US-101 of company 1000"),
        ("vendors", {}, "vendor"),
        (
            "lists/ACC_LIST_1",
            {"externalCode": "a", "companies": [{"companyCode": str(n)} for n in range(9)]},
            "list entry a of ACC_LIST_1 of company 0, 1, 2 and others",
        ),
        ("matchingOrderLines", LINE, "purchase order line O1 1"),
        (
            "matchingOrders",
            {"orderNumber": "PO1", "companyCode": "1000"},
            "purchase order PO1 of company 1000",
        ),
        ("accounts", {"externalCode": "x", "companies": "?"}, "account x"),
    ],
)
def test_an_entity_has_a_name_for_people(resource: str, content: dict[str, Any], name: str) -> None:
    assert label(resource, content) == name
