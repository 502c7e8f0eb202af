"""Values that look like OData, SQL or URLs: they find the rows that have them, and no others."""

from __future__ import annotations

import random

import pytest
from sandbox.server import Sandbox
from tap_d365fo.client import D365Client
from tap_d365fo.lookup import WantedKeys
from tap_d365fo.odata import comparable, compare, is_safe_in_path

#: Joined at random, they make values that would end a literal, a key, a query, a path or a line.
FRAGMENTS = [
    "'", "''", "' or 1 eq 1 or '", "') or true", "' eq '", "\"", "`", "\\", "\\'",
    "%27", "%2527", "%", "%%", "&", "&$filter=true", "?", "#", "/", "//", "..", "../", ";", ":",
    ",", "(", ")", "()", "=", "$", "$top=0", "*", "_", "+", " ", "  ", ".", "<", ">", "<!--",
    "null", "true", "eq", "A", "ä", "Ü", "ß", "\u0131", "İ", "日本",
    "\u200b", "\u202e", "\uff07", "\u02bc", "ﬁ",
    "\t", "\n", "\r\n", "\x01", "\x7f", "e\u0301", "😀", "-- ", "/*", "*/", "|", "{0}", "@p",
]  # fmt: skip


def hostile_values(count: int) -> list[str]:
    luck = random.Random(2026)
    values = {f"V{fragment}" for fragment in FRAGMENTS}
    while len(values) < count:
        drawn = luck.choices(FRAGMENTS, k=luck.randint(1, 5))
        values.add("V" + "".join(drawn))
    # F&O's database keeps no blanks at the end, and holds some for equal: of those, one.
    kept = sorted(value.rstrip(" ") for value in values)
    return list({comparable(value): value for value in kept}.values())


VALUES = hostile_values(600)


@pytest.fixture
def vendors(environment: Sandbox) -> list[str]:
    rows = [
        {"dataAreaId": "usmf", "VendorAccountNumber": value, "VendorOrganizationName": value}
        for value in VALUES
    ]
    environment.d365fo.load({"VendorsV3": rows})
    return VALUES


def accounts(rows: list[dict[str, str]]) -> list[str]:
    return [row["VendorAccountNumber"] for row in rows]


def test_a_filter_finds_the_row_and_no_other(vendors: list[str], client: D365Client) -> None:
    for value in vendors:
        if "*" in value:  # a wildcard of F&O's own: see the test below
            continue
        rows = list(client.read("VendorsV3", filter=compare("VendorOrganizationName", "eq", value)))
        assert accounts(rows) == [value]


def test_a_lookup_finds_all_of_them_by_name(vendors: list[str], client: D365Client) -> None:
    keys = [{"dataAreaId": "usmf", "VendorAccountNumber": value} for value in vendors]
    found = list(client.lookup("VendorsV3", keys))
    assert sorted(accounts(found)) == sorted(vendors)


def test_a_lookup_of_one_finds_no_other(vendors: list[str], client: D365Client) -> None:
    for value in vendors:
        key = {"dataAreaId": "usmf", "VendorAccountNumber": value}
        found = list(client.lookup("VendorsV3", [key]))
        assert accounts(found) == [value]
        assert all(WantedKeys([key]).include(row) for row in found)


def test_a_key_finds_the_row_and_no_other(vendors: list[str], client: D365Client) -> None:
    looked_up = 0
    for value in vendors:
        key = {"dataAreaId": "usmf", "VendorAccountNumber": value}
        if not is_safe_in_path(key):
            continue
        row = client.get_row("VendorsV3", key)
        assert row is not None, value
        assert row["VendorAccountNumber"] == value
        looked_up += 1
    assert looked_up > 100


def test_a_value_that_is_not_there_finds_nothing(environment: Sandbox, client: D365Client) -> None:
    before = client.count("VendorsV3")
    assert before
    for value in VALUES:
        key = {"dataAreaId": "usmf", "VendorAccountNumber": value}
        assert list(client.lookup("VendorsV3", [key])) == []
    assert client.count("VendorsV3") == before
