"""What streams add to their rows: each record stands for itself afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.seed import small_world
from sandbox.seed.accounts import SUSPENDED_IN_ONE
from sandbox.server import Sandbox
from singer_delivery.errors import SetupError
from tap_d365fo.client import D365Client, Row
from tap_d365fo.composers import (
    AccountCompanies,
    BankAccounts,
    CashDiscounts,
    CompanyLedger,
    InTurn,
    LineOrders,
    ProductReceipts,
    RateCompanies,
)
from tap_d365fo.entity_stream import Composer
from tap_d365fo.metadata import EntitySet
from tap_d365fo.reader import Reader

from tests.tap_d365fo.masters import composed, metadata_of, without

ORDER = ("DocumentApprovalStatus", "CurrencyCode", "ArePricesIncludingSalesTax")


@pytest.fixture
def reader(environment: Sandbox, client: D365Client) -> Reader:
    """The small world, read page by page: three rows each."""
    environment.reset()
    environment.load(small_world())
    return Reader(client, metadata_of(environment), page_size=3)


def by(rows: list[Row], *fields: str) -> dict[Any, Row]:
    found = {tuple(row[field] for field in fields): row for row in rows}
    assert len(found) == len(rows)
    return found


class TestVendors:
    def test_have_their_own_bank_accounts(self, reader: Reader, environment: Sandbox) -> None:
        vendors = composed(reader, "VendorsV3", BankAccounts())
        assert len(vendors) == 24
        stored = environment.d365fo.rows("VendorBankAccounts")
        for vendor in vendors:
            key = ("dataAreaId", "VendorAccountNumber")
            own = [row for row in stored if all(row[name] == vendor[name] for name in key)]
            assert own
            for account, row in zip(vendor["BankAccounts"], own, strict=True):
                assert account == {name: row[name] for name in account}
                assert account["BankAccountNumber"]

    def test_may_have_two_or_none(self, reader: Reader, environment: Sandbox) -> None:
        [only] = environment.d365fo.find("VendorBankAccounts", VendorAccountNumber="US-0001")
        environment.d365fo.delete("VendorBankAccounts", only)
        found = by(composed(reader, "VendorsV3", BankAccounts()), "VendorAccountNumber")
        assert found["US-0001",]["BankAccounts"] == []
        accounts = found["US-0002",]["BankAccounts"]
        assert [account["VendorBankAccountId"] for account in accounts] == ["MAIN", "SECOND"]

    def test_without_the_set_nothing_is_said_about_bank_accounts(self, reader: Reader) -> None:
        reader.metadata = without(reader.metadata, "VendorBankAccounts")
        found = composed(reader, "VendorsV3", BankAccounts())
        assert {row["BankAccounts"] for row in found} == {None}

    def test_a_page_of_vendors_asks_once_for_accounts(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        reader.page_size = 5000
        environment.journal.clear()
        composed(reader, "VendorsV3", BankAccounts())
        paths = [exchange.path for exchange in environment.journal.requests("d365fo")]
        assert sum("VendorBankAccounts" in path for path in paths) <= 2


class TestPurchaseOrderLines:
    def test_have_what_was_received_of_them(self, reader: Reader, environment: Sandbox) -> None:
        key = {"dataAreaId": "usmf", "PurchaseOrderNumber": "PO100000001"}
        receipt = environment.d365fo.find("ProductReceiptLinesV2", PurchaseOrderLineNumber=2, **key)
        again = {**receipt[0].values, "RecordId": 1, "ProductReceiptNumber": "GR-EARLIER"}
        environment.d365fo.load({"ProductReceiptLinesV2": [again]})
        lines = composed(reader, "PurchaseOrderLinesV2", ProductReceipts())
        found = by(lines, "dataAreaId", "PurchaseOrderNumber", "LineNumber")
        assert len(found) == 16
        numbers = {
            line: [r["ProductReceiptNumber"] for r in row["ProductReceipts"]]
            for (_, order, line), row in found.items()
            if order == "PO100000001"
        }
        once = "GR100000001"
        assert numbers == {1: [once], 2: ["GR-EARLIER", once], 3: [once]}
        for row in lines:
            for item in row["ProductReceipts"]:
                assert item["PurchaseOrderLineNumber"] == row["LineNumber"]
                assert item["dataAreaId"] == row["dataAreaId"]

    def test_know_their_order(self, reader: Reader, environment: Sandbox) -> None:
        draft = environment.d365fo.first(
            "PurchaseOrderHeadersV2", dataAreaId="usmf", PurchaseOrderNumber="PO100000001"
        )
        assert draft is not None
        environment.d365fo.update(
            "PurchaseOrderHeadersV2",
            draft,
            {"DocumentApprovalStatus": "Draft", "ArePricesIncludingSalesTax": "Yes"},
        )
        lines = composed(reader, "PurchaseOrderLinesV2", LineOrders())
        assert len(lines) == 16
        stored = {
            (row["dataAreaId"], row["PurchaseOrderNumber"]): row
            for row in environment.d365fo.rows("PurchaseOrderHeadersV2")
        }
        for line in lines:
            order = stored[line["dataAreaId"], line["PurchaseOrderNumber"]]
            assert line["Order"] == {name: order[name] for name in ORDER}
        drafts = [line for line in lines if line["Order"]["DocumentApprovalStatus"] == "Draft"]
        assert {line["PurchaseOrderNumber"] for line in drafts} == {"PO100000001"}
        assert len(drafts) == 3

    def test_from_here_and_there_know_their_order_and_receipts(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        composer = InTurn(ProductReceipts(), LineOrders())
        whole = composed(reader, "PurchaseOrderLinesV2", composer)
        rows = [
            {name: value for name, value in row.items() if name not in composer.properties}
            for row in (whole[0], whole[1], whole[-1])
        ]
        environment.journal.clear()
        with reader.scattered():
            found = list(composer.compose(reader, rows))
        assert found == [whole[0], whole[1], whole[-1]]
        # The two lines of one order ask for it once.
        asked = [
            exchange.path
            for exchange in environment.journal.requests("d365fo")
            if "PurchaseOrderHeadersV2" in exchange.path
        ]
        assert len(asked) == 1

    def test_a_page_asks_once_for_orders(self, reader: Reader, environment: Sandbox) -> None:
        reader.page_size = 5000
        environment.journal.clear()
        composed(reader, "PurchaseOrderLinesV2", LineOrders())
        paths = [exchange.path for exchange in environment.journal.requests("d365fo")]
        assert sum("PurchaseOrderHeadersV2" in path for path in paths) <= 2

    def test_an_order_that_cannot_be_read_is_null(
        self, reader: Reader, environment: Sandbox
    ) -> None:
        gone = environment.d365fo.first("PurchaseOrderHeadersV2", PurchaseOrderNumber="PO100000001")
        assert gone is not None
        environment.d365fo.delete("PurchaseOrderHeadersV2", gone)
        lines = composed(reader, "PurchaseOrderLinesV2", LineOrders())
        orphans = {row["PurchaseOrderNumber"] for row in lines if row["Order"] is None}
        assert orphans == {"PO100000001"}
        reader.metadata = without(reader.metadata, "PurchaseOrderHeadersV2")
        lines = composed(reader, "PurchaseOrderLinesV2", LineOrders())
        assert [row["Order"] for row in lines] == [None] * 16


class TestMainAccounts:
    def test_belong_to_the_legal_entities_of_their_chart(self, reader: Reader) -> None:
        found = composed(reader, "MainAccounts", AccountCompanies())
        charts = {row["ChartOfAccounts"]: sorted(row["LegalEntities"]) for row in found}
        assert charts == {"Shared": ["gbsi", "jpmf", "usmf"], "SKR04": ["demf"]}

    def test_have_their_names_in_other_languages(self, reader: Reader) -> None:
        found = by(composed(reader, "MainAccounts", AccountCompanies()), "MainAccountId")
        assert found["6815",]["Translations"] == [{"Language": "en-US", "Name": "Office supplies"}]
        assert found["605100",]["Translations"] == [{"Language": "de-DE", "Name": "Bürobedarf"}]
        assert found["110110",]["Translations"] == []

    def test_say_where_one_legal_entity_has_its_own_word(self, reader: Reader) -> None:
        found = composed(reader, "MainAccounts", AccountCompanies())
        [override] = [row for row in found if row["LegalEntityOverrides"]]
        chart, account, company = SUSPENDED_IN_ONE
        assert (override["ChartOfAccounts"], override["MainAccountId"]) == (chart, account)
        [own] = override["LegalEntityOverrides"]
        assert own["LegalEntityId"] == company
        assert own["IsSuspended"] == "Yes"

    def test_of_configured_companies_only(self, reader: Reader) -> None:
        reader.companies = ("GBSI",)
        found = composed(reader, "MainAccounts", AccountCompanies())
        assert {tuple(row["LegalEntities"]) for row in found} == {("gbsi",), ()}

    def test_other_names_of_sets_and_fields_do_as_well(self, reader: Reader) -> None:
        renamed = StandIn(
            {
                "Ledgers": ["LegalEntityId", "ChartOfAccounts"],
                "MainAccountTranslations": [
                    "ChartOfAccounts",
                    "MainAccountId",
                    "LanguageId",
                    "Name",
                ],
                "MainAccountLegalEntityOverrides": [
                    "ChartOfAccounts",
                    "MainAccountId",
                    "LegalEntityId",
                    "IsSuspended",
                ],
            },
            {
                "Ledgers": [{"LegalEntityId": "USMF", "ChartOfAccounts": "Shared"}],
                "MainAccountTranslations": [{"LanguageId": "sv", "Name": "Hyra"}],
                "MainAccountLegalEntityOverrides": [{"LegalEntityId": "USMF", "IsSuspended": "No"}],
            },
        )
        row = {"ChartOfAccounts": "SHARED", "MainAccountId": "1"}
        assert list(AccountCompanies().compose(renamed, [row])) == [
            {
                **row,
                "LegalEntities": ["usmf"],
                "Translations": [{"Language": "sv", "Name": "Hyra"}],
                "LegalEntityOverrides": [{"LegalEntityId": "usmf", "IsSuspended": "No"}],
            }
        ]

    def test_sets_with_unknown_fields_are_left_alone(self, reader: Reader) -> None:
        bare = StandIn(
            {
                "Ledgers": ["LegalEntityId", "ChartOfAccounts"],
                "AccountTranslations": ["ChartOfAccounts", "MainAccount", "Language"],
            },
            {"Ledgers": []},
        )
        row = {"ChartOfAccounts": "Shared", "MainAccountId": "1"}
        [found] = AccountCompanies().compose(bare, [row])
        assert (found["Translations"], found["LegalEntityOverrides"]) == ([], [])

    def test_without_ledgers_nobody_knows_whose_they_are(self, reader: Reader) -> None:
        reader.metadata = without(reader.metadata, "Ledgers")
        with pytest.raises(SetupError, match="no entity set 'Ledgers'"):
            composed(reader, "MainAccounts", AccountCompanies())


class StandIn(Reader):
    """A reader with these sets and fields; a window finds all rows of a set, for one parent."""

    def __init__(self, fields: dict[str, list[str]], rows: dict[str, list[Row]]) -> None:
        self.fields, self.rows, self.companies = fields, rows, ()

    def has(self, entity_set: str, field: str = "") -> bool:
        return entity_set in self.fields and (not field or field in self.fields[entity_set])

    def entity(self, entity_set: str) -> EntitySet:
        raise NotImplementedError

    def table(self, entity_set: str, **_: Any) -> list[Row]:
        return self.rows[entity_set]

    def window(self, entity_set: str, fields: Any, rows: Any, select: Any = (), **_: Any) -> Any:
        assert set(select) <= set(self.fields[entity_set])
        return {("shared", "1"): self.rows[entity_set]}


def test_legal_entities_have_their_ledger(reader: Reader, environment: Sandbox) -> None:
    environment.d365fo.load({"LegalEntities": [{"LegalEntityId": "frsi", "Name": "Not live"}]})
    found = by(composed(reader, "LegalEntities", CompanyLedger()), "LegalEntityId")
    assert found["frsi",]["Ledger"] is None
    assert found["demf",]["Ledger"] == {
        "AccountingCurrency": "EUR",
        "ReportingCurrency": "USD",
        "ChartOfAccounts": "SKR04",
        "ExchangeRateType": "Default",
    }


def test_exchange_rates_know_who_converts_by_them(reader: Reader, environment: Sandbox) -> None:
    spot = {"RateTypeName": "Spot", "FromCurrency": "USD", "ToCurrency": "EUR", "Rate": 92}
    environment.d365fo.load({"ExchangeRates": [spot]})
    rates = composed(reader, "ExchangeRates", RateCompanies())
    used = {(row["RateTypeName"], row["ToCurrency"]): row["LegalEntities"] for row in rates}
    assert used == {
        ("Default", "USD"): ["usmf"],
        ("Default", "EUR"): ["demf"],
        ("Default", "GBP"): ["gbsi"],
        ("Default", "JPY"): ["jpmf"],
        ("Spot", "EUR"): [],
    }


def test_payment_terms_have_the_discounts_of_their_legal_entity(
    reader: Reader, environment: Sandbox
) -> None:
    more = {"dataAreaId": "demf", "CashDiscountCode": "3%D10", "Percent": "3"}
    environment.d365fo.load({"CashDiscounts": [more]})
    terms = composed(reader, "PaymentTerms", CashDiscounts())
    codes = {
        row["dataAreaId"]: [item["CashDiscountCode"] for item in row["CashDiscounts"]]
        for row in terms
    }
    assert codes == {
        "usmf": ["2%D7"],
        "gbsi": ["2%D7"],
        "jpmf": ["2%D7"],
        "demf": ["2%D7", "3%D10"],
    }


@pytest.mark.parametrize(
    "composer",
    [
        BankAccounts(),
        ProductReceipts(),
        LineOrders(),
        InTurn(ProductReceipts(), LineOrders()),
        AccountCompanies(),
        CompanyLedger(),
        RateCompanies(),
        CashDiscounts(),
    ],
    ids=lambda composer: type(composer).__name__,
)
def test_a_composer_adds_what_it_declares(reader: Reader, composer: Composer) -> None:
    sets = {
        "BankAccounts": "VendorsV3",
        "ProductReceipts": "PurchaseOrderLinesV2",
        "LineOrders": "PurchaseOrderLinesV2",
        "InTurn": "PurchaseOrderLinesV2",
        "AccountCompanies": "MainAccounts",
        "CompanyLedger": "LegalEntities",
        "RateCompanies": "ExchangeRates",
        "CashDiscounts": "PaymentTerms",
    }
    name = sets[type(composer).__name__]
    # Only what it needs is selected, as when a user has chosen no other fields.
    rows = composed(reader, name, composer, select=composer.needs)
    keys = set(reader.entity(name).keys)
    assert {frozenset(row) for row in rows} == {
        frozenset({*keys, *composer.needs, *composer.properties})
    }
