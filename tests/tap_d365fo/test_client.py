from __future__ import annotations

import json
from decimal import Decimal

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, ForeignOrigin, InDoubt, Refused, Unavailable
from tap_d365fo import odata
from tap_d365fo.client import D365Client
from tap_d365fo.errors import BusinessRefusal, is_duplicate_key, is_missing_for_update

from .conftest import VENDORS, Connect

KEY = ("dataAreaId", "VendorAccountNumber")
HEADER = {
    "dataAreaId": "demf",
    "HeaderReference": "BW1",
    "InvoiceAccount": "V-001",
    "InvoiceNumber": "4711",
    "ImportedAmount": Decimal("10.50"),
}
HEADER_KEY = {"dataAreaId": "demf", "HeaderReference": "BW1"}


def vendor(company: str, number: str) -> dict[str, str]:
    return {"dataAreaId": company, "VendorAccountNumber": number}


def page_of(*rows: dict[str, str], following: str) -> str:
    return json.dumps({"value": rows, "@odata.nextLink": following})


# Reading


def test_a_read_sees_all_companies_page_by_page(client: D365Client, environment: Sandbox) -> None:
    environment.switches.set("d365fo.page_size", 7)

    rows = list(client.read("VendorsV3", select=KEY, orderby=KEY))

    assert len({(row["dataAreaId"], row["VendorAccountNumber"]) for row in rows}) == 2 * VENDORS
    assert len(environment.journal.requests("d365fo", path="VendorsV3")) == 9


def test_without_cross_company_only_the_default_company_is_seen(client: D365Client) -> None:
    rows = client.read("VendorsV3", select=KEY, orderby=KEY, cross_company=False)

    assert {row["dataAreaId"] for row in rows} == {"usmf"}


def test_top_ends_the_read(client: D365Client, environment: Sandbox) -> None:
    environment.switches.set("d365fo.page_size", 2)

    assert len(list(client.read("VendorsV3", orderby=KEY, top=3))) == 3


def test_a_next_link_to_another_host_gets_no_token(
    client: D365Client, environment: Sandbox
) -> None:
    page = page_of(following="https://evil.example/data/VendorsV3?$skip=1")
    environment.faults.add(Fault("d365fo", "status", status=200, body=page))

    with pytest.raises(ForeignOrigin):
        list(client.read("VendorsV3"))


def test_pages_that_lead_in_a_circle_end(client: D365Client, environment: Sandbox) -> None:
    page = page_of(following=client.url("VendorsV3"))
    environment.faults.add(Fault("d365fo", "status", status=200, body=page, times=-1))

    with pytest.raises(Refused, match="in a circle"):
        list(client.read("VendorsV3"))


def test_pages_without_end_end(
    client: D365Client, environment: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tap_d365fo.client.MAX_PAGES", 3)
    for number in range(5):
        page = page_of(following=client.url(f"VendorsV3?$skiptoken={number}"))
        environment.faults.add(Fault("d365fo", "status", status=200, body=page))

    with pytest.raises(Refused, match="does not end after 3 pages"):
        list(client.read("VendorsV3"))


@pytest.mark.parametrize("body", ["<html>sign in</html>", "[]", '{"value": 1}'])
def test_something_else_than_a_page_is_said(
    client: D365Client, environment: Sandbox, body: str
) -> None:
    environment.faults.add(Fault("d365fo", "status", status=200, body=body))

    with pytest.raises(Refused):
        list(client.read("VendorsV3"))


def test_fractions_are_decimal(client: D365Client) -> None:
    client.create("VendorInvoiceHeaders", HEADER)

    row = client.get_row("VendorInvoiceHeaders", HEADER_KEY)

    assert row is not None
    assert row["ImportedAmount"] == Decimal("10.50")
    assert not isinstance(row["ImportedAmount"], float)


def test_a_row_is_got_by_its_key_in_any_company(client: D365Client) -> None:
    row = client.get_row("VendorsV3", vendor("demf", "V-003"), select=KEY)

    assert row is not None
    assert row["VendorAccountNumber"] == "V-003"
    assert client.get_row("VendorsV3", vendor("demf", "none")) is None


@pytest.mark.parametrize("number", ["A/1", "A*", "A&B", "50%", "A+B#?", "O'Brien"])
def test_awkward_keys_are_found_and_only_they(
    client: D365Client, environment: Sandbox, number: str
) -> None:
    rows = [vendor("usmf", number), vendor("usmf", "A9"), vendor("demf", number)]
    environment.d365fo.load({"VendorsV3": rows}, default_company="usmf")

    row = client.get_row("VendorsV3", vendor("usmf", number), select=KEY)

    assert row is not None
    assert (row["dataAreaId"], row["VendorAccountNumber"]) == ("usmf", number)
    assert client.get_row("VendorsV3", vendor("usmf", f"{number}-")) is None


def test_a_lookup_asks_for_many_keys_with_few_reads(connect: Connect, environment: Sandbox) -> None:
    client = connect(max_lookup_rows=10)
    keys = [vendor("demf", f"v-{number:03}") for number in range(VENDORS)]

    rows = list(client.lookup("VendorsV3", [*keys, vendor("usmf", "V*")], select=KEY))

    assert len(rows) == VENDORS
    assert {row["dataAreaId"] for row in rows} == {"demf"}
    assert len(environment.journal.requests("d365fo", path="VendorsV3")) == 4


def test_no_url_of_a_lookup_exceeds_the_limit(connect: Connect, environment: Sandbox) -> None:
    client = connect(max_url_length=500)
    keys = [vendor("demf", f"V-{number:03}") for number in range(VENDORS)]
    where = odata.compare("VendorAccountNumber", "ne", "X")

    rows = list(client.lookup("VendorsV3", keys, where=where, select=KEY, orderby=KEY))

    assert len(rows) == VENDORS
    requests = environment.journal.requests("d365fo", path="VendorsV3")
    assert max(len(f"{client.environment}{request.raw_path}") for request in requests) <= 500


def test_a_count_is_of_all_companies(client: D365Client) -> None:
    assert client.count("VendorsV3") == 2 * VENDORS
    assert client.count("VendorsV3", filter=odata.eq("dataAreaId", "demf")) == VENDORS


def test_a_set_that_does_not_exist_is_said(client: D365Client) -> None:
    with pytest.raises(Refused, match="'vendors'"):
        list(client.read("vendors"))
    with pytest.raises(Refused, match="'vendors'"):
        client.get_row("vendors", {"Id": "1"})


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_404_of_a_gateway_is_not_taken_for_a_missing_row(
    client: D365Client, environment: Sandbox, method: str
) -> None:
    page = "<html><title>404 Web Site not found</title></html>"
    environment.faults.add(Fault("d365fo", "status", status=404, body=page))
    call = client.get_row if method == "GET" else client.delete

    with pytest.raises(Refused, match="404 Web Site not found"):
        call("VendorInvoiceHeaders", HEADER_KEY)


@pytest.mark.parametrize("where", ["https://login.example/common", "/signin"])
def test_a_redirect_to_a_sign_in_page_is_no_success(
    client: D365Client, environment: Sandbox, where: str
) -> None:
    environment.faults.add(
        Fault("d365fo", "status", status=302, headers={"Location": where}, times=3)
    )

    with pytest.raises(AccessDenied, match="exact address"):
        client.count("VendorsV3")
    with pytest.raises(AccessDenied, match="exact address"):
        client.create("VendorInvoiceHeaders", HEADER)
    with pytest.raises(AccessDenied, match="exact address"):
        client.changeset([client.creation("VendorInvoiceHeaders", HEADER)])


# Faults


@pytest.mark.parametrize(
    "fault",
    [
        Fault("d365fo", "status", status=502, body="<html>Bad Gateway</html>"),
        Fault("d365fo", "status", status=500),
        Fault("d365fo", "status", status=429, headers={"Retry-After": "0"}),
        Fault("d365fo", "status", status=401),
        Fault("d365fo", "reset_before"),
        Fault("d365fo", "reset_after"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_a_read_is_asked_again(client: D365Client, environment: Sandbox, fault: Fault) -> None:
    environment.faults.add(fault)

    assert client.count("VendorsV3") == 2 * VENDORS


def test_a_token_that_was_revoked_in_mid_run_is_replaced(
    client: D365Client, environment: Sandbox
) -> None:
    client.count("VendorsV3")
    environment.d365fo.directory.revoke_all()

    assert client.count("VendorsV3") == 2 * VENDORS
    assert len(environment.journal.requests("entra", method="POST")) == 2


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_create_without_an_answer_is_in_doubt_and_not_repeated(
    client: D365Client, environment: Sandbox, kind: str
) -> None:
    environment.faults.add(Fault("d365fo", kind, method="POST"))

    with pytest.raises(InDoubt):
        client.create("VendorInvoiceHeaders", HEADER)

    there = len(environment.d365fo.rows("VendorInvoiceHeaders"))
    assert there == (kind == "reset_after")


def test_a_create_whose_answer_is_unreadable_is_in_doubt(
    client: D365Client, environment: Sandbox
) -> None:
    environment.faults.add(Fault("d365fo", "status", method="POST", status=201, body="{"))

    with pytest.raises(InDoubt):
        client.create("VendorInvoiceHeaders", HEADER)


def test_a_server_that_stays_away_is_unavailable_for_reads(
    client: D365Client, environment: Sandbox
) -> None:
    environment.faults.add(Fault("d365fo", "status", status=503, times=-1))

    with pytest.raises(Unavailable):
        client.count("VendorsV3")


# Writing


def test_a_row_is_created_changed_and_deleted_in_another_company(
    client: D365Client, environment: Sandbox
) -> None:
    created = client.create("VendorInvoiceHeaders", HEADER)
    client.update("VendorInvoiceHeaders", HEADER_KEY, {"InvoiceDescription": "changed"})

    (row,) = environment.d365fo.rows("VendorInvoiceHeaders")
    assert created["HeaderReference"] == "BW1"
    assert row["InvoiceDescription"] == "changed"
    assert client.delete("VendorInvoiceHeaders", HEADER_KEY) is True
    assert client.delete("VendorInvoiceHeaders", HEADER_KEY) is False
    assert environment.d365fo.rows("VendorInvoiceHeaders") == []


def test_the_server_numbers_what_has_no_number(client: D365Client) -> None:
    row = {name: value for name, value in HEADER.items() if name != "HeaderReference"}

    assert client.create("VendorInvoiceHeaders", row)["HeaderReference"]


@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_row_gives_the_reason(
    client: D365Client, environment: Sandbox, status: int
) -> None:
    environment.switches.set("d365fo.business_error_status", status)

    with pytest.raises(BusinessRefusal) as caught:
        client.create("VendorInvoiceHeaders", {**HEADER, "InvoiceAccount": "nobody"})

    assert caught.value.problem.text == (
        "The value 'nobody' in field 'Invoice account' is not found in the related table 'Vendors'."
    )
    assert caught.value.request_id


def test_a_key_that_is_taken_and_one_that_is_missing_are_told_apart(client: D365Client) -> None:
    client.create("VendorInvoiceHeaders", HEADER)

    with pytest.raises(BusinessRefusal) as taken:
        client.create("VendorInvoiceHeaders", {**HEADER, "InvoiceNumber": "other"})
    with pytest.raises(BusinessRefusal) as missing:
        client.update("VendorsV3", vendor("usmf", "none"), {"VendorSearchName": "x"})

    assert is_duplicate_key(taken.value.problem)
    assert is_missing_for_update(missing.value.problem)


def test_an_unknown_property_is_refused_but_by_no_business_rule(client: D365Client) -> None:
    with pytest.raises(Refused, match="NoSuchField") as caught:
        client.create("VendorInvoiceHeaders", {**HEADER, "NoSuchField": 1})

    assert not isinstance(caught.value, BusinessRefusal)


# Changesets


def test_a_changeset_is_written_whole(client: D365Client, environment: Sandbox) -> None:
    client.create("VendorInvoiceHeaders", HEADER)
    second = {**HEADER, "HeaderReference": "BW2", "InvoiceNumber": "4712"}

    parts = client.changeset(
        [
            client.deletion("VendorInvoiceHeaders", HEADER_KEY),
            client.creation("VendorInvoiceHeaders", second),
            client.change(
                "VendorInvoiceHeaders",
                {**HEADER_KEY, "HeaderReference": "BW2"},
                {"InvoiceDescription": "x"},
            ),
        ]
    )

    assert [part.status for part in parts] == [204, 201, 204]
    assert parts[1].headers["ms-dyn-aid"]
    (row,) = environment.d365fo.rows("VendorInvoiceHeaders")
    assert (row["HeaderReference"], row["InvoiceDescription"]) == ("BW2", "x")


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize("status", [400, 500])
def test_a_refused_changeset_leaves_nothing(
    client: D365Client, environment: Sandbox, nested: bool, status: int
) -> None:
    environment.switches.set("d365fo.changeset_error_nested", nested)
    environment.switches.set("d365fo.batch_error_status", status)
    bad = {**HEADER, "HeaderReference": "BW2", "InvoiceAccount": "nobody"}

    with pytest.raises(BusinessRefusal, match="nobody"):
        client.changeset(
            [
                client.creation("VendorInvoiceHeaders", HEADER),
                client.creation("VendorInvoiceHeaders", bad),
            ]
        )

    assert environment.d365fo.rows("VendorInvoiceHeaders") == []


def test_a_throttled_part_is_sent_again_whole(client: D365Client, environment: Sandbox) -> None:
    environment.faults.add(Fault("d365fo", "batch_part", status=429, headers={"Retry-After": "0"}))

    parts = client.changeset([client.creation("VendorInvoiceHeaders", HEADER)])

    assert [part.status for part in parts] == [201]
    assert len(environment.d365fo.rows("VendorInvoiceHeaders")) == 1
    assert len(environment.journal.requests("d365fo", path="$batch")) == 2


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_batch_without_an_answer_is_in_doubt_and_not_repeated(
    client: D365Client, environment: Sandbox, kind: str
) -> None:
    environment.faults.add(Fault("d365fo", kind, method="POST", path=r"\$batch"))

    with pytest.raises(InDoubt):
        client.changeset([client.creation("VendorInvoiceHeaders", HEADER)])

    there = len(environment.d365fo.rows("VendorInvoiceHeaders"))
    assert there == (kind == "reset_after")


def test_every_request_has_an_id_of_its_own(client: D365Client, environment: Sandbox) -> None:
    client.count("VendorsV3")
    client.count("VendorsV3")

    ids = {
        request.headers["x-ms-client-request-id"]
        for request in environment.journal.requests("d365fo")
    }
    assert len(ids) == 2
