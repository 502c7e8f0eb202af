"""What a run of an entity stream tells, and what it leaves in the state."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import DeliveryError
from tap_d365fo import changes
from tap_d365fo.bookmark import Bookmark, Position, moment, read_from
from tap_d365fo.client import D365Client

from .tap_run import Output, broken_run, discover, run, select

Sync = Callable[..., Output]


@pytest.fixture(scope="session")
def metadata_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metadata")


@pytest.fixture
def config(config: dict[str, Any], metadata_folder: Path, tmp_path: Path) -> dict[str, Any]:
    return {
        **config,
        "metadata_cache": str(metadata_folder),
        "ledger_url": f"sqlite:///{tmp_path}/ledger.db",
    }


@pytest.fixture
def sync(config: dict[str, Any]) -> Sync:
    """Discover, select streams (and fields), and run."""

    def synced(
        *streams: str,
        state: dict[str, Any] | None = None,
        fields: dict[str, Iterable[str]] | None = None,
        **settings: Any,
    ) -> Output:
        changed = {**config, **settings}
        return run(changed, select(discover(changed), *streams, fields=fields), state)

    return synced


def accounts(output: Output) -> list[str]:
    return [f"{r['dataAreaId']}/{r['VendorAccountNumber']}" for r in output.records("vendors")]


def requests(sandbox: Sandbox, pattern: str) -> list[str]:
    sent = (unquote(request.raw_path) for request in sandbox.journal.requests("d365fo"))
    return [path for path in sent if re.search(pattern, path)]


@contextmanager
def at(sandbox: Sandbox, moment: datetime) -> Iterator[None]:
    """While open, the environment stamps rows with this time."""
    sandbox.clock.set(moment)
    try:
        yield
    finally:
        sandbox.clock.reset()


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def environment(sandbox: Sandbox, now: datetime) -> Sandbox:
    """Thirty vendors in each of two legal entities, written six hours ago."""
    with at(sandbox, now - timedelta(hours=6)):
        sandbox.d365fo.load(
            {
                "Companies": [{"DataArea": company} for company in ("demf", "usmf")],
                "VendorsV3": [
                    {"dataAreaId": company, "VendorAccountNumber": f"V-{number:03}"}
                    for company in ("demf", "usmf")
                    for number in range(30)
                ],
            },
            default_company="usmf",
        )
    return sandbox


def change(sandbox: Sandbox, account: str, moment: datetime, company: str = "usmf") -> None:
    """Change a vendor at this time."""
    with at(sandbox, moment):
        key = {"dataAreaId": company, "VendorAccountNumber": account}
        record = sandbox.d365fo.find_key("VendorsV3", key)
        assert record
        sandbox.d365fo.update("VendorsV3", record, {"VendorOrganizationName": str(moment)})


# Whole crawls


def test_a_whole_crawl_ends_with_its_version(sync: Sync) -> None:
    output = sync("vendor_groups", "vendors", fields={"vendors": ["VendorGroupId"]})

    version = output.of("ACTIVATE_VERSION")[-1]["version"]
    records = [m for m in output.of("RECORD") if m["stream"] == "vendors"]
    assert len(records) == 60
    assert {m["version"] for m in records} == {version}
    assert output.activated == ["vendors", "vendor_groups"]
    assert [m["type"] for m in output.messages].index("ACTIVATE_VERSION") > 60
    assert set(records[0]["record"]) == {"dataAreaId", "VendorAccountNumber", "VendorGroupId"}


def test_versions_can_be_turned_off(sync: Sync) -> None:
    output = sync("vendors", activate_versions=False)

    assert output.activated == []
    assert all("version" not in message for message in output.of("RECORD"))


def test_a_crawl_that_breaks_off_says_nothing_of_what_is_gone(
    sync: Sync, environment: Sandbox
) -> None:
    environment.faults.add(
        Fault("d365fo", "status", path=r"/VendorsV3\?.*filter", status=403, times=-1)
    )
    with pytest.raises(DeliveryError):
        sync("vendors", page_size=10)


def test_an_offset_crawl_that_moved_says_nothing_of_what_is_gone(
    sync: Sync, environment: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_after_first_page(environment, monkeypatch)

    output = sync("vendors", paging="offset", page_size=10)

    assert output.activated == []
    assert len(accounts(output)) >= 59
    assert "last_full" not in output.state["bookmarks"]["vendors"]


def delete_after_first_page(environment: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = D365Client.page

    def page(self: D365Client, entity_set: str, **options: Any) -> Any:
        found = plain(self, entity_set, **options)
        record = environment.d365fo.find_key(
            "VendorsV3", {"dataAreaId": "demf", "VendorAccountNumber": "V-000"}
        )
        if entity_set == "VendorsV3" and len(found.rows) > 5 and record:
            environment.d365fo.delete("VendorsV3", record)
        return found

    monkeypatch.setattr(D365Client, "page", page)


def test_amounts_keep_their_digits(sync: Sync, environment: Sandbox) -> None:
    rate = "12345678901.0123456789"
    environment.d365fo.load(
        {
            "ExchangeRates": [
                {
                    "RateTypeName": "Default",
                    "FromCurrency": "EUR",
                    "ToCurrency": "USD",
                    "StartDate": "2026-01-31",
                    "Rate": Decimal(rate),
                }
            ]
        }
    )
    output = sync("exchange_rates", fields={"exchange_rates": ["Rate"]})

    (record,) = output.records("exchange_rates")
    assert record["StartDate"] == "2026-01-31T12:00:00Z"
    assert rate in json.dumps(record) or str(record["Rate"])[:12] == rate[:12]


# Fields, companies, filters


def test_only_what_is_selected_is_asked_for(sync: Sync, environment: Sandbox) -> None:
    sync("vendors", fields={"vendors": ["VendorGroupId"]})

    (url, *_) = requests(environment, r"/VendorsV3\?.*select")
    assert "$select=dataAreaId,VendorAccountNumber,VendorGroupId&" in url + "&"
    assert requests(environment, "VendorBankAccounts") == []


def test_what_a_composer_needs_is_read_and_not_told(sync: Sync, environment: Sandbox) -> None:
    environment.d365fo.load(
        {
            "VendorBankAccounts": [
                {
                    "dataAreaId": "usmf",
                    "VendorAccountNumber": "V-003",
                    "VendorBankAccountId": "main",
                }
            ]
        }
    )
    output = sync("vendors", fields={"vendors": ["BankAccounts"]})

    banked = [r for r in output.records("vendors") if r["BankAccounts"]]
    assert [record["VendorAccountNumber"] for record in banked] == ["V-003"]
    assert set(banked[0]) == {"dataAreaId", "VendorAccountNumber", "BankAccounts"}


def test_one_company(sync: Sync) -> None:
    output = sync("vendors", companies=["DEMF"])

    assert {account[:4] for account in accounts(output)} == {"demf"}
    assert len(accounts(output)) == 30


def test_a_filter_of_the_settings(sync: Sync) -> None:
    where = "VendorAccountNumber le 'V-004' or VendorAccountNumber eq 'V-02*'"

    output = sync("vendors", filters={"vendors": where}, page_size=3)

    assert len(accounts(output)) == 2 * 15


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (
            {"vendors": "contains(VendorAccountNumber,'1')"},
            "filters: vendors, position 1: F&O filters have no function contains",
        ),
        ({"vendors": "OnHoldStatus eq 'No'"}, "position 17: OnHoldStatus is an enum"),
        ({"sellers": "x eq 1"}, "there is no stream 'sellers'"),
        ({"dimension_values": "x eq 1"}, "takes no filter"),
    ],
)
def test_a_filter_that_dynamics_would_not_take_is_refused_before_it_is_sent(
    sync: Sync, environment: Sandbox, filters: dict[str, str], words: str
) -> None:
    with pytest.raises(DeliveryError, match=re.escape(words)):
        sync("vendors", filters=filters)

    assert requests(environment, "VendorsV3") == []


# What changed, as other sets tell


def test_only_changed_vendors_are_read_again(
    sync: Sync, environment: Sandbox, now: datetime
) -> None:
    change(environment, "V-001", now - timedelta(hours=3))
    first = sync("vendors")
    change(environment, "V-007", now)
    change(environment, "V-008", now - timedelta(hours=3, minutes=9), "demf")
    change(environment, "V-009", now - timedelta(hours=3, minutes=11), "demf")

    second = sync("vendors", state=first.state)

    assert len(accounts(first)) == 60
    assert sorted(accounts(second)) == ["demf/V-008", "usmf/V-001", "usmf/V-007"]
    assert second.activated == []
    assert {m["version"] for m in second.of("RECORD")} == {first.of("RECORD")[0]["version"]}


def test_a_bookmark_leaves_time_for_what_is_not_committed(
    sync: Sync, environment: Sandbox, now: datetime
) -> None:
    change(environment, "V-001", now)

    marks = sync("vendors").state["bookmarks"]["vendors"]["watermarks"]
    mark = moment(marks["VendTableBiEntities"])

    assert mark
    assert abs(mark - (now - timedelta(seconds=300))) < timedelta(seconds=60)


def test_children_of_changed_vendors_come_with_them(
    sync: Sync, environment: Sandbox, now: datetime
) -> None:
    change(environment, "V-003", now - timedelta(hours=3))
    state = sync("vendors").state
    for account in ("V-007", "V-020"):
        change(environment, account, now)
        bank = {"dataAreaId": "usmf", "VendorAccountNumber": account, "VendorBankAccountId": "1"}
        environment.d365fo.load({"VendorBankAccounts": [bank]})

    output = sync("vendors", state=state)

    banks = {
        record["VendorAccountNumber"]: [
            bank["VendorBankAccountId"] for bank in record["BankAccounts"]
        ]
        for record in output.records("vendors")
    }
    assert banks == {"V-003": [], "V-007": ["1"], "V-020": ["1"]}


@pytest.mark.parametrize(
    "later",
    [
        {"full_refresh_hours": 0},
        {"companies": ["usmf"]},
        {"filters": {"vendors": "VendorAccountNumber ne 'V-000'"}},
    ],
)
def test_when_a_whole_crawl_is_due_again(
    sync: Sync, environment: Sandbox, now: datetime, later: dict[str, Any]
) -> None:
    change(environment, "V-001", now - timedelta(hours=1))
    state = sync("vendors").state

    assert len(accounts(sync("vendors", state=state))) == 1
    assert sync("vendors", state=state, **later).activated == ["vendors"]


def test_an_old_crawl_is_repeated(sync: Sync, environment: Sandbox, now: datetime) -> None:
    change(environment, "V-001", now - timedelta(hours=1))
    state = sync("vendors").state
    marks = state["bookmarks"]["vendors"]
    marks["last_full"] = (now - timedelta(hours=25)).isoformat()

    assert sync("vendors", state=state).activated == ["vendors"]


@pytest.mark.parametrize(
    "state",
    [
        {"replication_key": "x", "replication_key_value": "2020-01-01T00:00:00Z"},
        {"scope": "other", "watermarks": {"VendTableBiEntities": "2026-01-01T00:00:00Z"}},
        {"watermarks": "broken", "last_full": 7, "position": [], "scope": None},
    ],
)
def test_a_state_from_elsewhere_is_no_obstacle(sync: Sync, state: dict[str, Any]) -> None:
    for stream in ("vendors", "vendor_transactions"):
        output = sync(stream, state={"bookmarks": {stream: dict(state)}})
        assert output.activated == [stream]


def test_much_change_is_read_whole(
    sync: Sync, environment: Sandbox, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "MAX_CHANGED", 3)
    change(environment, "V-001", now - timedelta(hours=1))
    state = sync("vendors").state
    for number in range(2, 7):
        change(environment, f"V-{number:03}", now)

    assert sync("vendors", state=state).activated == ["vendors"]


def test_order_lines_follow_their_own_changes_and_their_receipts(
    sync: Sync, environment: Sandbox, now: datetime
) -> None:
    order = {"dataAreaId": "usmf", "PurchaseOrderNumber": "PO1"}
    lines = [{**order, "LineNumber": n, "InventoryLotId": f"L{n}"} for n in range(1, 6)]
    receipt = {
        "dataAreaId": "usmf",
        "RecordId": 1,
        "PurchaseOrderNumber": "PO1",
        "PurchaseOrderLineNumber": 2,
        "ProductReceiptDate": now.date().isoformat(),
    }
    with at(environment, now - timedelta(hours=3)):
        environment.d365fo.load({"PurchaseOrderLinesV2": lines[:4]})
    with at(environment, now - timedelta(hours=1)):
        environment.d365fo.load(
            {"PurchaseOrderLinesV2": lines[4:], "ProductReceiptLinesV2": [receipt]}
        )
    first = sync("purchase_order_lines")

    second = sync("purchase_order_lines", state=first.state)

    assert len(first.records("purchase_order_lines")) == 5
    again = {record["LineNumber"] for record in second.records("purchase_order_lines")}
    assert again == {2, 5}


# Streams with a timestamp of their own


def load_transactions(sandbox: Sandbox, at: datetime, count: int = 10, first: int = 1) -> None:
    sandbox.d365fo.load(
        {
            "VendTransBiEntities": [
                {
                    "dataAreaId": company,
                    "SourceKey": 5637144576 + number,
                    "SysModifiedDateTime": (at + timedelta(seconds=number)).isoformat(),
                }
                for company in ("demf", "usmf")
                for number in range(first, first + count)
            ]
        }
    )


def transactions(output: Output) -> list[tuple[str, int]]:
    records = output.records("vendor_transactions")
    return [(record["dataAreaId"], record["SourceKey"] - 5637144576) for record in records]


def test_transactions_are_read_from_the_bookmark_on(
    sync: Sync, environment: Sandbox, now: datetime
) -> None:
    load_transactions(environment, now - timedelta(hours=3))
    first = sync("vendor_transactions")
    load_transactions(environment, now, count=2, first=20)

    second = sync("vendor_transactions", state=first.state, overlap_minutes=0)
    third = sync("vendor_transactions", state=second.state)

    assert first.activated == ["vendor_transactions"]
    assert len(transactions(first)) == 20
    new = [(company, number) for company in ("demf", "usmf") for number in (20, 21)]
    assert transactions(second) == [("demf", 10), *new[:2], ("usmf", 10), *new[2:]]
    assert second.activated == third.activated == []
    assert transactions(third) == new
    assert first.of("SCHEMA")[0]["bookmark_properties"] == ["SysModifiedDateTime"]


def test_a_broken_run_goes_on_where_it_was(
    sync: Sync, environment: Sandbox, now: datetime, config: dict[str, Any]
) -> None:
    load_transactions(environment, now - timedelta(hours=3))
    fault = Fault("d365fo", "status", path=r"VendTrans.*filter", status=403, times=-1, skip=2)
    environment.faults.add(fault)
    catalog = select(discover(config), "vendor_transactions")
    first = broken_run(config | {"page_size": 4}, catalog)
    environment.faults.clear()
    load_transactions(environment, now, count=1, first=30)
    assert "watermarks" not in first.state["bookmarks"]["vendor_transactions"]

    second = sync("vendor_transactions", state=first.state, page_size=4)
    third = sync("vendor_transactions", state=second.state, page_size=4)

    both = transactions(first) + transactions(second)
    everything = {(c, n) for c in ("demf", "usmf") for n in (*range(1, 11), 30)}
    assert len(transactions(first)) == 10
    assert set(both) == everything
    assert len(both) == len(everything)
    assert second.activated == []
    assert "position" not in second.state["bookmarks"]["vendor_transactions"]
    assert set(transactions(third)) == {("demf", 30), ("usmf", 30)}


def test_the_start_date_bounds_the_first_run(
    sync: Sync, environment: Sandbox, now: datetime
) -> None:
    load_transactions(environment, now - timedelta(days=3))
    load_transactions(environment, now - timedelta(hours=3), count=1, first=50)
    start = (now - timedelta(days=1)).isoformat()

    output = sync("vendor_transactions", start_date=start)

    assert transactions(output) == [("demf", 50), ("usmf", 50)]
    assert output.activated == []


# Bookmarks


def test_a_bookmark_survives_json() -> None:
    at = datetime(2026, 1, 31, 10, 0, 0, 123000, tzinfo=UTC)
    state: dict[str, Any] = {}
    bookmark = Bookmark(state, "s")
    bookmark.crawled({"A": at}, at, 7)
    position = Position({"K": Decimal("1.50"), "L": 3}, None, at, at, 7)
    bookmark.paused(position)

    read = Bookmark(json.loads(json.dumps(state)), "s")

    assert read.watermarks == {"A": at}
    assert read.last_full == at.replace(microsecond=0)
    assert read.version == 7
    assert read.position == Position({"K": "1.50", "L": 3}, None, at, at, 7)
    assert Bookmark(state, "t").watermarks == {}
    read.advanced({"A": at - timedelta(hours=1), "B": at})
    assert read.watermarks == {"A": at, "B": at}
    assert read.position is None
    assert read.last_full


def test_the_whole_day_of_a_date_is_read_again() -> None:
    overlap = timedelta(minutes=10)
    day = datetime(2026, 1, 31, 12, tzinfo=UTC)

    assert read_from(day, overlap) == datetime(2026, 1, 31, tzinfo=UTC)
    assert read_from(day + timedelta(seconds=1), overlap) == day - overlap + timedelta(seconds=1)
