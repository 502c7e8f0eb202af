"""Whatever F&O may hold, a mapper's entities are what Basware takes, or the reason is told."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from sandbox.basware.resources import RESOURCES
from sandbox.basware.validation import Schemas
from singer_delivery.errors import Rejected
from target_basware.masters import FIELDS, KEYS, MAPPERS, Entity, check_entity, label

from tests.target_basware.masters.rows import (
    LEGAL_ENTITY,
    MAPPING,
    NONE,
    RATE,
    TAXED,
    TOMORROW,
    YESTERDAY,
    Row,
    account,
    bank,
    line,
    order,
    receipt,
    term,
    value,
    vendor,
)

ENTITIES = {resource.name: resource.entity for resource in RESOURCES} | {
    "lists": "GenericListEntity"
}
SCHEMAS = Schemas()

NUMBERS = st.one_of(
    st.decimals(-(10**6), 10**6, places=4, allow_nan=False),
    st.integers(-5, 40),
    st.sampled_from([Decimal(0), Decimal("1E+20"), Decimal("1e-16"), Decimal(10) ** 15]),
)
SHORT = st.one_of(
    st.sampled_from(["", "A", "9", "CC-9", "4711", "618160", "605100", "X_Y", "usmf"]),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
)
DATES = st.sampled_from([NONE, YESTERDAY, TOMORROW, "2154-12-31T23:59:59Z", "", "soon"])
YES_NO = st.sampled_from(["Yes", "No", "", None])
#: What a field holds, by its name; texts otherwise.
KNOWN: dict[str, st.SearchStrategy[Any]] = {
    "dataAreaId": st.sampled_from(["usmf", "demf", "frrt", "USMF", ""]),
    "LegalEntityId": st.sampled_from(["usmf", "demf", "", "frrt"]),
    "LegalEntities": st.lists(st.sampled_from(["usmf", "demf", "frrt"]), max_size=3),
    "MainAccountType": st.sampled_from(["Expense", "Total", ""]),
    "FinancialDimension": st.sampled_from(["CostCenter", "Project", "Region", "Purpose", "X"]),
    "TaxGroup": st.sampled_from(["US-CA", "US-EX", ""]),
    "TaxItemGroup": st.sampled_from(["FULL", "EXEMPT", ""]),
    "ExemptTax": st.booleans(),
    "CurrencyCode": st.sampled_from(["USD", "GBP", "US", "", "STG"]),
    "FromCurrency": st.sampled_from(["EUR", "GBP", "X"]),
    "ToCurrency": st.sampled_from(["USD", "EURO"]),
    "ConversionFactor": st.sampled_from(["One", "Hundred", "TenThousand", "", "Dozen"]),
    "DocumentApprovalStatus": st.sampled_from(["Confirmed", "Draft"]),
    "DefaultLedgerDimensionDisplayValue": st.sampled_from(["", "-", "CC\\-9-A", "A", "A-B-C"]),
    "PaymentMethodType": st.sampled_from(["Net", "CurrentMth", "COD", "CutOffDate"]),
    "DiscountMethod": st.sampled_from(["Net", "CurrentMth", "COD"]),
    "CashDiscountCode": st.sampled_from(["2%D7", "1%", ""]),
    "NextCashDiscountCode": st.sampled_from(["2%D7", "1%", ""]),
    "AddressCountryRegionISOCode": st.sampled_from(["US", "", "USA"]),
    "OnHoldStatus": st.sampled_from(["No", "All", "Invoice", "Never", ""]),
    "Language": st.sampled_from(["de", "en-us", "zh-Hans", "", "x-y-z"]),
    "LanguageCode": st.sampled_from(["de", "EN", "??"]),
    "IBAN": st.sampled_from(["", "DE89 3704", "de893704", "X" * 51]),
    "Name": st.sampled_from(["Net30", "EOM", "Net45", "", "N", "ü" * 300]),
}
NUMERIC = {
    "Rate", "Percent", "Percentage", "NumberOfDays", "NumberOfMonths", "OrderedPurchaseQuantity",
    "PurchasePrice", "PurchasePriceQuantity", "LineAmount", "AllowedOverdeliveryPercentage",
    "ReceivedPurchaseQuantity", "RecordId", "LineNumber",
}  # fmt: skip
GOOD: dict[str, Row] = {
    "legal_entities": LEGAL_ENTITY,
    "exchange_rates": RATE,
    "payment_terms": term(),
    "tax_combinations": TAXED,
    "main_accounts": account(),
    "dimension_values": value(),
    "vendors": vendor(BankAccounts=[bank()]),
    "purchase_order_headers": order(),
    "purchase_order_lines": line(ProductReceipts=[receipt()]),
}
CHILDREN: dict[str, tuple[str, ...]] = {
    "Ledger": ("AccountingCurrency",),
    "Order": ("DocumentApprovalStatus", "CurrencyCode", "ArePricesIncludingSalesTax"),
    "Translations": ("Language", "LanguageCode", "Name", "TranslatedDescription"),
    "LegalEntityOverrides": ("LegalEntityId", "IsSuspended", "ActiveFrom", "ActiveTo"),
    "CashDiscounts": (
        "CashDiscountCode", "Description", "Percent", "NumberOfDays", "NumberOfMonths",
        "DiscountMethod", "NextCashDiscountCode",
    ),
    "BankAccounts": (
        "VendorBankAccountId", "BankName", "IBAN", "BankAccountNumber", "SWIFTCode",
        "CurrencyCode", "IsDefaultBankAccount", "ActiveDate", "ExpirationDate",
    ),
    "ProductReceipts": (
        "RecordId", "ProductReceiptNumber", "LineNumber", "ReceivedPurchaseQuantity",
        "PurchaseUnitSymbol", "ProductReceiptDate",
    ),
}  # fmt: skip


def values(field: str) -> st.SearchStrategy[Any]:
    if field in CHILDREN:
        row = st.fixed_dictionaries({name: values(name) for name in CHILDREN[field]})
        one = field in ("Ledger", "Order")
        return st.none() | row if one else st.none() | st.lists(row, max_size=3)
    if field in KNOWN:
        return KNOWN[field]
    if field in NUMERIC:
        return NUMBERS
    if field.startswith(("Is", "DoNot", "Are")):
        return YES_NO
    return DATES if field.startswith("Active") or "Date" in field else SHORT


def rows(stream: str) -> st.SearchStrategy[Row]:
    """A good row, with a few fields that hold anything or are not there."""
    fields = st.lists(st.sampled_from(FIELDS[stream]), max_size=5, unique=True)
    changed = fields.flatmap(
        lambda names: st.fixed_dictionaries({name: values(name) for name in names})
    )
    gone = st.lists(st.sampled_from(FIELDS[stream]), max_size=2)
    return st.builds(
        lambda changes, missing: {
            name: value
            for name, value in (GOOD[stream] | changes).items()
            if name not in missing or name in KEYS[stream]
        },
        changed,
        gone,
    )


def good(entity: Entity) -> bool:
    """Tell whether our own check and the sandbox's, which was drawn apart, agree on it."""
    name = ENTITIES[entity.resource.partition("/")[0]]
    _, complaints = SCHEMAS.read(name, entity.content, refuse_unknown=True)
    return complaints == [] == check_entity(entity.resource, entity.content)


@pytest.mark.parametrize("stream", sorted(MAPPERS))
@given(data=st.data())
def test_entities_are_good_or_the_reason_is_told(stream: str, data: st.DataObject) -> None:
    row = data.draw(rows(stream))
    try:
        entities = list(MAPPERS[stream](MAPPING, row))
    except Rejected as error:
        reason = str(error)
        entities = []
    else:
        reason = ""
    event("told" if reason else "good" if entities else "none")
    assert not reason or len(reason) > 20
    for entity in entities:
        assert good(entity), entity
        assert label(entity.resource, entity.content)
        json.dumps(entity.content, default=str)
    codes = [(e.resource, e.content.get("externalCode")) for e in entities]
    assert len(set(codes)) == len(codes) or stream == "legal_entities"
    if not reason:
        assert entities == list(MAPPERS[stream](MAPPING, dict(reversed(row.items()))))


@pytest.mark.parametrize("stream", sorted(MAPPERS))
def test_the_fields_hold_the_key(stream: str) -> None:
    assert set(KEYS[stream]) <= set(FIELDS[stream])
