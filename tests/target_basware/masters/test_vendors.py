"""Vendors: everything about them in one record, and no bank account where it does not belong."""

from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.errors import Rejected
from target_basware.masters import vendors

from tests.target_basware.masters.rows import (
    MAPPING,
    TEXT,
    TODAY,
    TOMORROW,
    YESTERDAY,
    Row,
    bank,
    mapped,
    one,
    vendor,
)


def numbers(*banks: Row, **fields: Any) -> list[str]:
    """The account numbers that Basware gets, in their order."""
    row = vendor(BankAccounts=list(banks), **fields)
    (entity,) = vendors.vendor_entities(MAPPING, row, day=TODAY)
    (means,) = entity.content["paymentMeans"]
    return [
        identifier["id"]
        for account in means.get("financialAccounts", [])
        for identifier in account["financialAccountIdentifiers"]
    ]


def test_a_vendor_with_everything() -> None:
    row = vendor(
        OurAccountNumber="C-77",
        TaxExemptNumber="51-7501983",
        DUNSNumber="123456789",
        AddressDescription="Headquarters",
        AddressStreet="1 Pine Street",
        AddressCity="Seattle",
        AddressZipCode="98101",
        AddressStateId="WA",
        AddressCountryRegionId="USA",
        AddressCountryRegionISOCode="US",
        PrimaryEmailAddress="ap@fabrikam.example",
        PrimaryPhoneNumber="555",
        BankAccountId="MAIN",
        BankAccounts=[bank(IBAN="DE89 3704 0044 0532 0130 00", CurrentCurrencyCode="GBP")],
    )
    assert one("vendors", row) == {
        "externalCode": "usmf_US-101",
        "vendorCode": "US-101",
        "name": "Fabrikam Inc.",
        "sourceSystem": "D365FO",
        "supplierAssignedAccountId": "C-77",
        "identifiers": [
            {"id": "51-7501983", "schemeId": "VAT"},
            {"id": "123456789", "schemeId": "DUNS"},
        ],
        "addresses": [
            {
                "externalCode": "usmf_US-101_address",
                "name": "Headquarters",
                "addressType": "PostalAddress",
                "addressLine1": "1 Pine Street",
                "streetName": "1 Pine Street",
                "cityName": "Seattle",
                "postalZone": "98101",
                "countrySubEntity": "WA",
                "countryId": "US",
                "default": True,
            }
        ],
        "contacts": [
            {
                "name": "Primary contact",
                "role": "PrimaryContact",
                "email": "ap@fabrikam.example",
                "telephone": "555",
            }
        ],
        "paymentMeans": [
            {
                "paymentMeansCode": "BankTransfer",
                "currencyCode": "USD",
                "default": True,
                "financialAccounts": [
                    {
                        "financialInstitution": {
                            "name": "First Bank",
                            "id": "CHASUS33",
                            "schemeId": "BIC",
                        },
                        "financialAccountIdentifiers": [
                            {
                                "schemeId": "IBAN",
                                "id": "DE89370400440532013000",
                                "default": True,
                                "currencyCode": "STG",
                            }
                        ],
                    }
                ],
            }
        ],
        "paymentTerms": {"paymentTermCode": "30N"},
        "processingStatus": {"active": True, "paymentDenied": False},
        "companies": [
            {"companyCode": "1000", "inheritToChildUnits": False},
            {"companyCode": "1010", "inheritToChildUnits": False},
        ],
    }


@pytest.mark.parametrize(
    ("hold", "active", "denied"),
    [
        ("No", True, False),
        ("", True, False),
        ("Never", True, False),  # never put on hold for inactivity
        ("Requisition", True, False),
        ("PurchOrder", True, False),
        ("Payment", True, True),
        ("Invoice", False, False),
        ("All", False, True),
    ],
)
def test_holds_become_the_two_flags_that_basware_has(hold: str, active: bool, denied: bool) -> None:
    status = one("vendors", vendor(OnHoldStatus=hold))["processingStatus"]
    assert status == {"active": active, "paymentDenied": denied}


def test_what_a_hold_does_is_the_mappings() -> None:
    text = TEXT.replace("masters: {order", "masters: {inactive_on_hold: [All], order")
    assert one("vendors", vendor(OnHoldStatus="Invoice"), text)["processingStatus"]["active"]


def test_a_vendor_without_a_name_is_rejected_with_the_remedy() -> None:
    with pytest.raises(Rejected) as caught:
        mapped("vendors", vendor(VendorOrganizationName=" ", VendorSearchName="FABRIKAM"))
    assert str(caught.value) == (
        "vendor US-101 of usmf: it has no name (VendorOrganizationName); enter one in Dynamics"
    )


def test_a_person_is_called_by_its_names() -> None:
    row = vendor(VendorOrganizationName="", PersonFirstName="Ada", PersonLastName="Lovelace")
    assert one("vendors", row)["name"] == "Ada Lovelace"


def test_a_wrong_currency_is_rejected_with_words() -> None:
    with pytest.raises(Rejected, match=r"US-101 of usmf: .*currencyCode: has 2 characters"):
        mapped("vendors", vendor(CurrencyCode="US"))


def test_an_account_number_that_is_too_long_is_rejected_without_it() -> None:
    number = "9876543210" * 6
    with pytest.raises(Rejected, match="has 60 characters") as caught:
        mapped("vendors", vendor(BankAccounts=[bank(BankAccountNumber=number)]))
    assert number[:10] not in str(caught.value)


def test_bank_accounts_come_default_first_and_in_order_whatever_order_they_arrive_in() -> None:
    banks = [bank(VendorBankAccountId=name, BankAccountNumber=name * 3) for name in "BCA"]
    assert numbers(*banks) == ["AAA", "BBB", "CCC"]
    assert numbers(*banks, BankAccountId="c") == ["CCC", "AAA", "BBB"]
    banks[0]["IsDefaultBankAccount"] = "Yes"
    assert numbers(*reversed(banks)) == ["BBB", "AAA", "CCC"]


def test_of_a_bank_account_that_is_there_twice_the_first_counts() -> None:
    banks = [
        bank(VendorBankAccountId="1", IBAN="DE89 3704"),
        bank(VendorBankAccountId="2", IBAN="de893704"),
        bank(VendorBankAccountId="3", BankAccountNumber="DE89 3704"),
        bank(VendorBankAccountId="4"),
    ]
    assert numbers(*banks) == ["DE893704", "1234567890"]


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        ({}, True),
        ({"ExpirationDate": YESTERDAY}, False),
        ({"ExpirationDate": TOMORROW}, True),
        ({"ActiveDate": TOMORROW}, False),
        ({"ActiveDate": YESTERDAY}, True),
        ({"BankAccountNumber": "", "IBAN": ""}, False),
    ],
)
def test_bank_accounts_out_of_force_or_without_number_are_left_out(
    fields: dict[str, Any], there: bool
) -> None:
    assert bool(numbers(bank(**fields))) is there


def test_a_bank_without_bic_is_no_institution() -> None:
    row = vendor(BankAccounts=[bank(SWIFTCode="")])
    (account,) = one("vendors", row)["paymentMeans"][0]["financialAccounts"]
    assert set(account) == {"financialAccountIdentifiers"}


@pytest.mark.parametrize("missing", [{"BankAccounts": None}, {}])
def test_bank_accounts_that_could_not_be_read_are_not_cleared(missing: Row) -> None:
    row = vendor()
    del row["BankAccounts"]
    with pytest.raises(Rejected) as caught:
        mapped("vendors", row | missing)
    assert str(caught.value) == (
        "vendor US-101 of usmf: BankAccounts could not be read, and Basware would lose those it "
        "has: select BankAccounts and grant the right to VendorBankAccounts in Dynamics, or list "
        "BankAccounts under masters.without in mapping.yml if this tenant does not send them"
    )


@pytest.mark.parametrize("accounts", [None, [], [bank()]])
def test_a_tenant_may_do_without_bank_accounts(accounts: Any) -> None:
    text = TEXT.replace("masters: {order", "masters: {without: [BankAccounts], order")
    (means,) = one("vendors", vendor(BankAccounts=accounts), text)["paymentMeans"]
    assert "financialAccounts" not in means
    assert means["currencyCode"] == "USD"


def test_a_vendor_without_bank_accounts_is_sent_without() -> None:
    assert "financialAccounts" not in one("vendors", vendor(BankAccounts=[]))["paymentMeans"][0]


def test_a_term_or_method_that_cannot_come_back_is_not_given() -> None:
    row = vendor(DefaultPaymentTermsName="Net77", DefaultVendorPaymentMethodName="GIRO")
    content = one("vendors", row)
    assert "paymentTerms" not in content
    assert content["paymentMeans"][0]["paymentMeansCode"] == "DEFAULT"


def test_a_vendor_with_a_cash_discount_has_the_term_with_it() -> None:
    content = one("vendors", vendor(CashDiscountCode="2%D7"))
    assert content["paymentTerms"] == {"paymentTermCode": "30D"}


def test_one_time_vendors_can_be_left_out() -> None:
    one_time = {"IsOneTimeVendor": "Yes"}
    assert mapped("vendors", vendor(**one_time))
    assert mapped("vendors", vendor(dataAreaId="demf", **one_time)) == []


def test_vendors_of_foreign_legal_entities_are_left_out() -> None:
    assert mapped("vendors", vendor(dataAreaId="frrt")) == []


def test_a_vendor_goes_by_the_code_that_invoices_use() -> None:
    content = one("vendors", vendor(VendorAccountNumber="US-107", AddressCity="Seattle"))
    assert (content["externalCode"], content["vendorCode"]) == ("usmf_US-107_OLD-7", "OLD-7")
    assert content["addresses"][0]["externalCode"] == "usmf_US-107_OLD-7_address"
    with pytest.raises(Rejected, match="under vendors in mapping"):
        mapped("vendors", vendor(VendorAccountNumber="OLD-7"))


def test_half_an_e_mail_address_is_not_sent() -> None:
    row = vendor(PrimaryEmailAddress="a" * 200 + "@b.example", PrimaryURL="www.b.example")
    (contact,) = one("vendors", row)["contacts"]
    assert "email" not in contact
    assert contact["website"] == "www.b.example"
