"""Crawls while rows move: what the pages hold, against what the sandbox holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import Refused, SetupError
from tap_d365fo.client import D365Client, Page
from tap_d365fo.crawl import MAX_CELLS, page_rows
from tap_d365fo.keyset import KeyOrder
from tap_d365fo.metadata import EntitySet, Metadata, MetadataCache
from tap_d365fo.reader import OFFSET, Reader, group_key

MANY = 20_000
PAGE = 1000


@pytest.fixture(scope="module")
def known() -> dict[str, Metadata]:
    """What $metadata says, read once for the module."""
    return {}


@pytest.fixture
def reader(
    client: D365Client, known: dict[str, Metadata], tmp_path: Any, sandbox: Sandbox
) -> Reader:
    if not known:
        known["sandbox"] = MetadataCache(tmp_path).load(client)
    sandbox.d365fo.reset()
    client.credentials.renew(client.credentials.header())  # type: ignore[union-attr]
    return Reader(client, known["sandbox"])


def vendor(number: int, company: str = "usmf") -> dict[str, Any]:
    return {"dataAreaId": company, "VendorAccountNumber": f"V{number:06}"}


def keys(pages: Iterable[list[dict[str, Any]]], *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in fields) for page in pages for row in page]


class Moves:
    """Inserts, deletes and changes vendors on both sides of a cursor."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.state = sandbox.d365fo
        self.touched: set[tuple[str, str]] = set()

    def around(self, company: str, account: str) -> None:
        at = int(account[1:])
        for odd in (at - 101, at - 1, at + 1, at + 301):
            self._insert(vendor(odd, company))
        for even in (at - 200, at - 40, at - 8, at - 6, at - 4, at, at + 10, at + 500):
            self._delete(vendor(even, company))
        for even in (at - 20, at + 20):
            record = self.state.find_key("VendorsV3", vendor(even, company))
            if record:
                self.state.update("VendorsV3", record, {"VendorOrganizationName": "changed"})

    def _insert(self, key: dict[str, Any]) -> None:
        if self.state.find_key("VendorsV3", key) is None:
            self.state.insert("VendorsV3", key)
            self.touched.add(tuple(key.values()))

    def _delete(self, key: dict[str, Any]) -> None:
        record = self.state.find_key("VendorsV3", key)
        if record:
            self.state.delete("VendorsV3", record)
            self.touched.add(tuple(key.values()))


@pytest.fixture
def vendors(sandbox: Sandbox, reader: Reader) -> set[tuple[str, str]]:
    """20,000 vendors with even numbers in two legal entities."""
    rows = [
        vendor(number, company)
        for company, numbers in (("usmf", range(0, 30_000, 2)), ("zzmf", range(0, 10_000, 2)))
        for number in numbers
    ]
    sandbox.d365fo.load({"VendorsV3": rows})
    reader.page_size = PAGE
    assert len(rows) == MANY
    return {(row["dataAreaId"], row["VendorAccountNumber"]) for row in rows}


def crawl_while_rows_move(
    sandbox: Sandbox, reader: Reader
) -> tuple[Counter[tuple[str, str]], set[tuple[str, str]]]:
    """Return how often each vendor was read, and which were inserted or deleted meanwhile."""
    moves = Moves(sandbox)
    seen: Counter[tuple[str, str]] = Counter()
    for page in reader.crawl("VendorsV3", select=["VendorAccountNumber"]):
        accounts = [(row["dataAreaId"], row["VendorAccountNumber"]) for row in page]
        seen.update(accounts)
        moves.around(*accounts[-1])
    return seen, moves.touched


@pytest.mark.parametrize("companies", [(), ("zzmf", "usmf")], ids=["all", "configured"])
def test_rows_that_move_between_pages_are_neither_lost_nor_doubled(
    sandbox: Sandbox,
    reader: Reader,
    vendors: set[tuple[str, str]],
    companies: tuple[str, ...],
) -> None:
    reader.companies = companies

    seen, touched = crawl_while_rows_move(sandbox, reader)

    assert len(touched) > 100
    assert vendors - touched - seen.keys() == set()
    assert [account for account, times in seen.items() if times > 1] == []
    assert reader.is_complete


def test_an_offset_crawl_notices_that_rows_moved(
    sandbox: Sandbox, reader: Reader, vendors: set[tuple[str, str]]
) -> None:
    reader.paging = OFFSET

    seen, touched = crawl_while_rows_move(sandbox, reader)

    assert vendors - touched - seen.keys() or max(seen.values()) > 1
    assert not reader.is_complete


@pytest.mark.parametrize("move", ["insert", "delete"])
def test_an_offset_crawl_notices_one_row_in_front_of_the_cursor(
    sandbox: Sandbox, reader: Reader, move: str
) -> None:
    sandbox.d365fo.load({"VendorsV3": [vendor(n) for n in range(0, 60, 2)]})
    reader.paging, reader.page_size = OFFSET, 10
    pages = reader.crawl("VendorsV3", select=["VendorAccountNumber"])
    next(pages)

    if move == "insert":
        sandbox.d365fo.insert("VendorsV3", vendor(1))
    else:
        record = sandbox.d365fo.find_key("VendorsV3", vendor(0))
        assert record
        sandbox.d365fo.delete("VendorsV3", record)
    list(pages)

    assert not reader.is_complete
    reader.begin()
    assert reader.is_complete
    assert reader.table("VendorsV3", select=["VendorAccountNumber"])
    assert not reader.is_complete


def test_an_offset_crawl_of_rows_that_stay_is_complete(sandbox: Sandbox, reader: Reader) -> None:
    sandbox.d365fo.load({"VendorsV3": [vendor(n) for n in range(60)]})
    sandbox.d365fo.switches.page_size = 7
    reader.paging, reader.page_size = OFFSET, 10

    found = keys(reader.crawl("VendorsV3", select=["dataAreaId"]), "VendorAccountNumber")

    assert found == [(vendor(n)["VendorAccountNumber"],) for n in range(60)]
    assert reader.is_complete


@pytest.mark.parametrize("server_page", [1000, 7, 2])
@pytest.mark.parametrize("size", [1, 3, 10])
def test_whoever_makes_the_smaller_page(
    sandbox: Sandbox, reader: Reader, server_page: int, size: int
) -> None:
    companies = ("aa", "bb", "cc")
    sandbox.d365fo.load({"VendorsV3": [vendor(n, c) for c in companies for n in range(10)]})
    sandbox.d365fo.switches.page_size = server_page
    reader.page_size = max(size, 2)

    found = keys(
        reader.crawl("VendorsV3", select=["dataAreaId"]), "dataAreaId", "VendorAccountNumber"
    )

    assert found == [tuple(vendor(n, c).values()) for c in companies for n in range(10)]


def test_a_set_that_fits_one_page_costs_one_request(sandbox: Sandbox, reader: Reader) -> None:
    sandbox.d365fo.load({"VendorsV3": [vendor(n, c) for c in ("aa", "bb") for n in range(10)]})
    before = len(sandbox.journal.requests("d365fo"))

    assert len(keys(reader.crawl("VendorsV3"), "dataAreaId")) == 20
    assert len(sandbox.journal.requests("d365fo")) - before == 1


def test_only_the_companies_that_are_configured(sandbox: Sandbox, reader: Reader) -> None:
    sandbox.d365fo.load(
        {
            "VendorsV3": [vendor(n, c) for c in ("aa", "bb", "cc") for n in range(5)],
            "LegalEntities": [{"LegalEntityId": c} for c in ("aa", "bb", "cc")],
            "FinancialDimensionValues": [
                {"FinancialDimension": "D", "LegalEntityId": c, "DimensionValue": "1"}
                for c in ("", "aa", "bb")
            ],
        }
    )
    reader.companies, reader.page_size = ("CC", "aa", "nowhere"), 2

    vendors = keys(reader.crawl("VendorsV3"), "dataAreaId")
    entities = keys(reader.crawl("LegalEntities"), "LegalEntityId")
    values = keys(reader.crawl("FinancialDimensionValues"), "LegalEntityId")

    assert Counter(vendors) == {("aa",): 5, ("cc",): 5}
    assert entities == [("aa",), ("cc",)]
    assert values == [("",), ("aa",)]


def test_enums_in_the_key(sandbox: Sandbox, reader: Reader) -> None:
    kinds = ["DataEntityDefaultDimensionFormat", "DataEntityLedgerDimensionFormat"]
    kinds += ["DataEntityBudgetRegisterDimensionFormat", "DataEntityBudgetPlanningDimensionFormat"]
    members = reader.metadata.enums["Microsoft.Dynamics.DataEntities.DimensionHierarchyType"]
    kinds = [kind for kind in members if kind in kinds] or list(members)[:4]
    rows = [
        {"DimensionFormatName": name, "DimensionFormatType": kind}
        for name in ("a", "b", "c*")
        for kind in kinds
    ]
    sandbox.d365fo.load({"DimensionIntegrationFormats": rows})
    reader.page_size = 3

    found = keys(
        reader.crawl("DimensionIntegrationFormats"), "DimensionFormatName", "DimensionFormatType"
    )

    assert len(found) == len(rows)
    assert set(found) == {tuple(row.values()) for row in rows}


def test_dates_and_numbers_in_the_key(sandbox: Sandbox, reader: Reader) -> None:
    days = [f"2026-01-{day:02}" for day in range(1, 10)]
    pair = {"RateTypeName": "Default", "FromCurrency": "EUR", "ToCurrency": "USD"}
    lines = [Decimal(n) / 4 for n in range(9)]
    order = {"dataAreaId": "usmf", "PurchaseOrderNumber": "PO*1"}
    sandbox.d365fo.load(
        {
            "ExchangeRates": [{**pair, "StartDate": day} for day in days],
            "VendorPaymentJournalLines": [
                {"dataAreaId": "usmf", "JournalBatchNumber": "J'1*", "LineNumber": n} for n in lines
            ],
            "PurchaseOrderLinesV2": [{**order, "LineNumber": n} for n in range(9)],
            "ProductReceiptLinesV2": [
                {"dataAreaId": "usmf", "RecordId": 5637144576 + n} for n in range(9)
            ],
        }
    )
    reader.page_size = 2

    assert keys(reader.crawl("ExchangeRates"), "StartDate") == [(f"{d}T12:00:00Z",) for d in days]
    assert keys(reader.crawl("VendorPaymentJournalLines"), "LineNumber") == [(n,) for n in lines]
    assert keys(reader.crawl("PurchaseOrderLinesV2"), "LineNumber") == [(n,) for n in range(9)]
    assert len(keys(reader.crawl("ProductReceiptLinesV2"), "RecordId")) == 9


def test_a_key_that_is_none_loses_no_row(sandbox: Sandbox, reader: Reader) -> None:
    sets = {"dataAreaId": "usmf", "HeaderReference": "H1"}
    names = [f"file {n}" for n in range(4)]
    sandbox.d365fo.load(
        {
            "VendorInvoiceDocumentAttachments": [
                {"dataAreaId": "usmf", "HeaderReference": "H0", "FileName": "first"},
                *({**sets, "FileName": name} for name in names),
            ]
        }
    )
    reader.page_size = 5

    found = keys(reader.crawl("VendorInvoiceDocumentAttachments"), "FileName")
    assert set(found) == {("first",), *((name,) for name in names)}

    reader.page_size = 2
    with pytest.raises(Refused, match="more rows than a page of 2 have the same"):
        list(reader.crawl("VendorInvoiceDocumentAttachments"))


def test_a_server_that_does_not_compare_texts_is_named_with_the_setting(
    sandbox: Sandbox, reader: Reader
) -> None:
    sandbox.d365fo.load({"VendorsV3": [vendor(n) for n in range(10)]})
    sandbox.faults.add(Fault("d365fo", "status", path=r"%20ge%20|\+ge\+", status=400, times=-1))
    reader.page_size = 4

    with pytest.raises(Refused, match="set paging to offset"):
        list(reader.crawl("VendorsV3"))


def test_a_server_that_sorts_in_another_way_than_it_compares_is_no_endless_crawl(
    sandbox: Sandbox, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.d365fo.load({"VendorsV3": [vendor(n) for n in range(10)]})
    plain = D365Client.page

    def page(self: D365Client, entity_set: str, **options: Any) -> Page:
        return plain(self, entity_set, **options | {"filter": ""})

    monkeypatch.setattr(D365Client, "page", page)
    reader.page_size = 4

    with pytest.raises(Refused, match="compares it in another way than it sorts"):
        list(reader.crawl("VendorsV3"))


def test_a_set_without_key_is_refused() -> None:
    metadata = Metadata(
        {"n.T": {"keys": [], "properties": {"A": "Edm.String"}, "base": ""}}, {"Ts": "n.T"}
    )
    reader = Reader(client=None, metadata=metadata)  # type: ignore[arg-type]

    with pytest.raises(Refused, match="has no key"):
        next(reader.crawl("Ts"))


def test_a_table_is_read_once_and_its_rows_are_copies(sandbox: Sandbox, reader: Reader) -> None:
    sandbox.d365fo.load({"VendorGroups": [{"dataAreaId": "usmf", "VendorGroupId": "10"}]})
    before = len(sandbox.journal.requests("d365fo"))

    reader.table("VendorGroups")[0]["VendorGroupId"] = "spoiled"

    assert reader.table("VendorGroups")[0]["VendorGroupId"] == "10"
    assert len(sandbox.journal.requests("d365fo")) - before == 1


def test_what_the_environment_has(reader: Reader) -> None:
    assert reader.has("VendorsV3")
    assert reader.has("VendorsV3", "VendorAccountNumber")
    assert not reader.has("VendorsV3", "Nothing")
    assert not reader.has("Nothing", "Field")
    with pytest.raises(SetupError, match="no entity set 'Nothing'"):
        next(reader.crawl("Nothing"))


def bank_account(number: int, name: str, company: str = "usmf") -> dict[str, Any]:
    return {**vendor(number, company), "VendorBankAccountId": name}


def test_the_children_of_a_page_are_read_together(sandbox: Sandbox, reader: Reader) -> None:
    parents = [vendor(n, c) for c in ("aa", "bb", "cc") for n in range(10)]
    accounts = [bank_account(n, b, c) for c in ("aa", "bb", "cc") for n in (3, 4, 9) for b in "xy"]
    accounts.append({**bank_account(5, "z", "bb"), "VendorAccountNumber": "v000005"})
    sandbox.d365fo.load({"VendorsV3": parents, "VendorBankAccounts": accounts})
    link = ("dataAreaId", "VendorAccountNumber")
    page = parents[8:22]
    before = len(sandbox.journal.requests("d365fo"))

    found = reader.window("VendorBankAccounts", link, page, ["VendorBankAccountId"])

    assert len(sandbox.journal.requests("d365fo")) - before == 1
    groups = {key: [row["VendorBankAccountId"] for row in rows] for key, rows in found.items()}
    both = ["x", "y"]
    assert groups == {
        group_key(vendor(9, "aa"), link): both,
        group_key(vendor(3, "bb"), link): both,
        group_key(vendor(4, "bb"), link): both,
        group_key(vendor(5, "bb"), link): ["z"],
        group_key(vendor(9, "bb"), link): both,
    }
    assert reader.window("VendorBankAccounts", link, []) == {}


def test_the_children_of_rows_from_here_and_there(sandbox: Sandbox, reader: Reader) -> None:
    numbers = range(0, 1000, 10)
    sandbox.d365fo.load({"VendorBankAccounts": [bank_account(n, "x") for n in numbers]})
    link = {"dataAreaId": "dataAreaId", "VendorAccountNumber": "VendorAccountNumber"}

    with reader.scattered():
        found = reader.window("VendorBankAccounts", link, [vendor(500), vendor(20), vendor(5)])

    assert set(found) == {group_key(vendor(n), link) for n in (500, 20)}


def test_keys_of_every_type_are_looked_up(sandbox: Sandbox, reader: Reader) -> None:
    pair = {"RateTypeName": "Default", "FromCurrency": "EUR", "ToCurrency": "USD"}
    kind = next(
        iter(reader.metadata.enums["Microsoft.Dynamics.DataEntities.DimensionHierarchyType"])
    )
    rates = [{**pair, "StartDate": f"2026-01-{day:02}T12:00:00Z"} for day in range(1, 9)]
    formats = [{"DimensionFormatName": name, "DimensionFormatType": kind} for name in "abc"]
    sandbox.d365fo.load({"ExchangeRates": rates, "DimensionIntegrationFormats": formats})

    assert keys([list(reader.lookup("ExchangeRates", rates[3:5]))], "StartDate") == [
        ("2026-01-04T12:00:00Z",),
        ("2026-01-05T12:00:00Z",),
    ]
    assert len(list(reader.lookup("DimensionIntegrationFormats", formats[:2]))) == 2
    assert len(list(reader.lookup("ExchangeRates", [{"RateTypeName": "default"}]))) == 8


def test_rows_have_what_was_asked_for_and_no_annotations(sandbox: Sandbox, reader: Reader) -> None:
    sandbox.d365fo.load({"VendorsV3": [vendor(1)]})

    (some,) = next(reader.crawl("VendorsV3", select=["VendorGroupId"]))
    (every,) = next(reader.crawl("VendorsV3"))
    fields = reader.entity("VendorsV3").properties
    (wide,) = next(reader.crawl("VendorsV3", select=list(fields)[:250]))

    assert set(some) == {"dataAreaId", "VendorAccountNumber", "VendorGroupId"}
    assert set(every) == set(fields)
    assert set(wide) == {*list(fields)[:250], "dataAreaId", "VendorAccountNumber"}


def test_a_page_of_wide_rows_has_fewer_of_them() -> None:
    assert page_rows(5000, 10) == 5000
    assert page_rows(5000, 280) == MAX_CELLS // 280
    assert page_rows(50, 280) == 50


def test_the_time_is_that_of_the_server(reader: Reader, client: D365Client) -> None:
    now = reader.now("VendorsV3")

    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
    client._clock = (now - timedelta(hours=3), client._clock[1])  # type: ignore[index]
    assert datetime.now(UTC) - reader.now("VendorsV3") > timedelta(hours=2)


def test_an_empty_set_has_no_latest_change(sandbox: Sandbox, reader: Reader) -> None:
    assert reader.latest("VendTableBiEntities", "SysModifiedDateTime") is None
    sandbox.d365fo.load({"VendTableBiEntities": [{"dataAreaId": "usmf", "AccountNum": "1"}]})
    assert reader.latest("VendTableBiEntities", "SysModifiedDateTime") is not None


def test_a_type_that_lies_is_refused_in_words() -> None:
    entity = EntitySet("T", ("K",), {"K": "Edm.DateTimeOffset"})
    with pytest.raises(Refused, match="gave 'soon' for a field of type"):
        KeyOrder.of(entity).from_on([{"K": "soon"}])
