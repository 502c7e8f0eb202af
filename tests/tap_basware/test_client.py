"""Against the sandbox, over TLS: pages, redirects, and what can go wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from time import monotonic
from typing import Any

import pytest
import requests
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import ForeignOrigin, InDoubt, Refused, Unavailable
from singer_delivery.throttle import Gate
from tap_basware.client import (
    CONTINUATION,
    BaswareClient,
    Page,
    RefusedRecords,
    records,
    scope,
)
from tap_basware.errors import UnknownContinuation

DOCUMENTS = "v1/accountingDocuments"
SCOPES = ["accountingDocuments.read", "vendors.read", "requestStatus.read"]
PutInvoices = Callable[..., list[str]]


@pytest.fixture
def client(config: dict[str, object]) -> BaswareClient:
    return BaswareClient.connect(config, SCOPES)


def read(client: BaswareClient, size: int, token: str | None = None) -> list[Page]:
    pages = client.pages(DOCUMENTS, {"pageSize": str(size)}, "accountingDocuments", token)
    return list(pages)


def ids(pages: list[Page]) -> list[str]:
    return sorted(record["invoiceId"] for page in pages for record in page.records)


def fault(sandbox: Sandbox, kind: str = "status", system: str = "basware", **more: object) -> None:
    path = "/responses/" if system == "storage" else "/v1/accountingDocuments"
    sandbox.faults.add(Fault(system, kind, method="GET", path=path, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("redirect", [True, False])
@pytest.mark.parametrize("token_on_redirect", [True, False])
def test_all_pages_are_read_under_the_same_query(
    sandbox: Sandbox,
    client: BaswareClient,
    invoices: PutInvoices,
    redirect: bool,
    token_on_redirect: bool,
) -> None:
    sandbox.switches.basware.redirect = redirect
    sandbox.switches.basware.token_on_redirect = token_on_redirect
    put = invoices(25)
    pages = read(client, 10)
    assert ids(pages) == put
    assert [len(page.records) for page in pages] == [10, 10, 5]
    asked = sandbox.journal.requests(system="basware", method="GET")
    assert [request.query for request in asked] == [{"pageSize": "10"}] * 3


def test_storage_gets_no_credentials(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    invoices(1)
    read(client, 10)
    [stored] = sandbox.journal.requests(system="storage")
    assert stored.status == 200
    assert not {name.lower() for name in stored.headers} & {"authorization", CONTINUATION}


def test_a_short_page_is_not_the_end(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    sandbox.switches.basware.page_coding_rows = 3
    put = invoices(4, codingRows=[{"externalCode": str(n)} for n in range(2)])
    pages = read(client, 100)
    assert ids(pages) == put
    assert len(pages) == 4


def test_an_empty_list_is_a_404_and_no_error(client: BaswareClient) -> None:
    assert ids(read(client, 10)) == []


@pytest.mark.parametrize("bare", [True, False])
def test_vendors_come_bare_or_wrapped(sandbox: Sandbox, client: BaswareClient, bare: bool) -> None:
    sandbox.switches.basware.bare_vendor_array = bare
    companies = [{"companyCode": "1000"}]
    vendor = {"externalCode": "v1", "vendorCode": "V1", "name": "V", "companies": companies}
    sandbox.basware.load({"vendors": [vendor]})
    page = client.page("v1/vendors", {}, "vendorEntities")
    assert [record["externalCode"] for record in page.records] == ["v1"]


def test_amounts_keep_their_digits(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    invoices(1, grossSum="1234567890.10")
    [page] = read(client, 10)
    assert page.records[0]["grossSum"] == Decimal("1234567890.10")


@pytest.mark.parametrize("status", [400, 404, 410])
def test_a_refused_token_is_told_apart_from_other_refusals(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices, status: int
) -> None:
    invoices(1)
    fault(sandbox, status=status, body="{}")
    with pytest.raises(UnknownContinuation):
        read(client, 10, token="gone")


def test_a_refused_parameter_is_a_refusal_in_words(client: BaswareClient) -> None:
    with pytest.raises(Refused, match=r"pageSize .* not between .*PARAMETER_VALIDATION_ERROR"):
        read(client, 1000)


@pytest.mark.parametrize("system", ["basware", "storage"])
@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "reset_before"},
        {"kind": "reset_after"},
        {"status": 500},
        {"status": 502, "body": "<html><title>502 Bad Gateway</title></html>"},
        {"status": 503},
    ],
    ids=str,
)
def test_a_read_is_asked_again(
    sandbox: Sandbox,
    client: BaswareClient,
    invoices: PutInvoices,
    system: str,
    broken: dict[str, object],
) -> None:
    put = invoices(3)
    client.session.sleep = lambda _: None
    fault(sandbox, system=system, **broken)  # type: ignore[arg-type]
    assert ids(read(client, 10)) == put


def test_a_gateway_that_stays_broken_is_named(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    client.session.sleep = lambda _: None
    body = "<html><title>502 Bad Gateway</title></html>"
    fault(sandbox, status=502, body=body, headers={"Content-Type": "text/html"}, times=-1)
    with pytest.raises(Unavailable, match="502 a web page titled '502 Bad Gateway'"):
        read(client, 10)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices, form: str
) -> None:
    put = invoices(1)
    read(client, 10)
    until = datetime.now(UTC) + timedelta(seconds=2)
    wait = {"seconds": "1", "date": format_datetime(until, usegmt=True)}[form]
    fault(sandbox, status=429, headers={"Retry-After": wait})
    started = monotonic()
    assert ids(read(client, 10)) == put
    assert 0.9 <= monotonic() - started < 4


def test_an_expired_storage_address_is_asked_for_anew(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    put = invoices(2)
    fault(sandbox, system="storage", status=403, body="<Error><Code>AccessDenied</Code></Error>")
    assert ids(read(client, 10)) == put


def test_a_storage_that_keeps_refusing_is_not_a_question_of_credentials(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    invoices(1)
    fault(sandbox, system="storage", status=403, times=-1)
    with pytest.raises(Unavailable, match="storage that Basware redirects to refuses"):
        read(client, 10)


def test_a_redirect_to_a_host_that_is_not_allowed_is_not_followed(
    config: dict[str, object], invoices: PutInvoices
) -> None:
    invoices(1)
    client = BaswareClient.connect({**config, "storage_hosts": ["amazonaws.com"]}, SCOPES)
    with pytest.raises(ForeignOrigin, match="not an allowed storage host"):
        read(client, 10)


def test_a_second_redirect_is_not_followed(
    sandbox: Sandbox, client: BaswareClient, invoices: PutInvoices
) -> None:
    invoices(1)
    fault(sandbox, system="storage", status=302, headers={"Location": "https://localhost/x"})
    with pytest.raises(Refused, match="another redirect"):
        read(client, 10)


def test_one_document_or_none(client: BaswareClient, invoices: PutInvoices) -> None:
    [put] = invoices(1)
    found = client.document(put)
    assert found is not None
    assert found["invoiceNumber"] == "INV-1"
    assert client.document("../tokens") is None


def test_an_unknown_request_has_no_state(client: BaswareClient) -> None:
    assert client.request_state("7d1c8a4e") is None


def answer(body: str) -> requests.Response:
    response = requests.Response()
    response.status_code, response.url = 200, "https://x.example/v1/vendors?secret=1"
    response._content = body.encode()
    return response


@pytest.mark.parametrize("body", ["[]", "{}", "null", '{"vendorEntities": null}'])
def test_an_answer_without_records_is_empty(body: str) -> None:
    assert records(answer(body), "vendorEntities") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"message": "maintenance"}', "holds no list 'vendorEntities'"),
        ('{"vendorEntities": [1]}', "holds no list"),
        ('"text"', "holds no list"),
        ("<html>", "not JSON"),
        ('[{"amount": NaN}]', "not JSON"),
        ('[{"amount": -Infinity}]', "not JSON"),
    ],
)
def test_garbage_is_no_empty_list(body: str, words: str) -> None:
    with pytest.raises(Refused, match=words) as caught:
        records(answer(body), "vendorEntities")
    assert "secret" not in str(caught.value)


def test_a_name_like_nan_is_no_garbage() -> None:
    [record] = records(answer(json.dumps([{"name": "NaN Bakery"}])), "vendorEntities")
    assert record == {"name": "NaN Bakery"}


def test_scopes_follow_the_path() -> None:
    assert scope("v1/lists/ACC_LIST_1", "read") == "lists.read"
    assert scope("v1/accountingDocuments/1/acknowledge", "write") == "accountingDocuments.write"


# -- writing


COMPANY = {"companyCode": "1000", "name": "One", "active": True}
ACCOUNT = {
    "externalCode": "a1",
    "accountCode": "1",
    "accountNames": [{"language": "en-US", "translation": "Cash"}],
    "companies": [{"companyCode": "1000", "inherit": False, "active": True}],
}


@pytest.fixture
def writer(sandbox: Sandbox, config: dict[str, object]) -> BaswareClient:
    sandbox.basware.load({"companies": [COMPANY], "accounts": [ACCOUNT]})
    return BaswareClient.connect(config, ["accounts.write"])


def test_a_refused_write_says_what_is_wrong_with_which_record(writer: BaswareClient) -> None:
    with pytest.raises(RefusedRecords) as caught:
        writer.post("v1/accounts", [ACCOUNT, {**ACCOUNT, "externalCode": "a2", "accountCode": 1}])
    [error] = caught.value.errors
    assert (error["externalCode"], error["code"]) == ("a2", "SCHEMA_VALIDATION_ERROR")
    assert caught.value.status == 400
    assert "accountCode" in str(caught.value)


@pytest.mark.parametrize("body", ["<html></html>", "[1]", '{"errors": "all"}', ""])
def test_a_refusal_in_another_dialect_names_no_records(
    sandbox: Sandbox, writer: BaswareClient, body: str
) -> None:
    sandbox.faults.add(Fault("basware", "status", path="/accounts", status=400, body=body))
    with pytest.raises(RefusedRecords) as caught:
        writer.post("v1/accounts", [ACCOUNT])
    assert caught.value.errors == ()


def test_a_patch_merges(sandbox: Sandbox, writer: BaswareClient) -> None:
    receipt = writer.patch("v1/accounts/a1", {"taxCode": "T1"})
    assert receipt.request_id
    [stored] = sandbox.basware.records("accounts")
    assert (stored["taxCode"], stored["accountCode"]) == ("T1", "1")


@pytest.mark.parametrize(
    "broken",
    [{"kind": "status", "status": 503}, {"kind": "reset_after"}, {"kind": "reset_before"}],
    ids=str,
)
def test_a_patch_is_asked_again(
    sandbox: Sandbox, writer: BaswareClient, broken: dict[str, object]
) -> None:
    sandbox.faults.add(Fault("basware", method="PATCH", **broken))  # type: ignore[arg-type]
    assert writer.patch("v1/accounts/a1", {"taxCode": "T1"}).status == 200
    assert sandbox.basware.records("accounts")[0]["taxCode"] == "T1"


def test_a_post_without_an_answer_is_in_doubt(sandbox: Sandbox, writer: BaswareClient) -> None:
    sandbox.faults.add(Fault("basware", "reset_after", method="POST", path="/accounts"))
    with pytest.raises(InDoubt):
        writer.post("v1/accounts", [ACCOUNT])


def test_clients_that_share_a_gate_wait_together(
    sandbox: Sandbox, config: dict[str, object]
) -> None:
    gate = Gate()
    one, other = (BaswareClient.connect(config, SCOPES, gate=gate) for _ in range(2))
    fault(sandbox, status=429, headers={"Retry-After": "1"})
    one.page(DOCUMENTS, {}, "accountingDocuments")
    assert one.session.gate is other.session.gate


# -- what became of writes


@pytest.fixture
def clerk(config: dict[str, object]) -> BaswareClient:
    return BaswareClient.connect(config, ["requestStatus.read", "requestStatus.write"])


def wrong(sandbox: Sandbox, writer: BaswareClient) -> str:
    """Write one record that P2P refuses, and one that it takes; the request's id."""
    sandbox.basware.add_outcome_rule(status="Error", external_code="a1", message="No", times=1)
    other = {**ACCOUNT, "externalCode": "a2", "accountCode": "2"}
    return writer.post("v1/accounts", [{**ACCOUNT, "taxCode": "T2"}, other]).request_id


def items(state: dict[str, Any] | None) -> list[str]:
    return [item["externalCode"] for item in (state or {})["systems"][0]["items"]]


def test_a_request_can_be_shown_without_what_went_well(
    sandbox: Sandbox, writer: BaswareClient, clerk: BaswareClient
) -> None:
    request = wrong(sandbox, writer)
    assert items(clerk.request_state(request)) == ["a1", "a2"]
    assert items(clerk.request_state(request, only_problems=True)) == ["a1"]


def status(clerk: BaswareClient, request: str) -> str:
    return str((clerk.request_state(request) or {}).get("requestStatus"))


def test_requests_are_acknowledged_together(
    sandbox: Sandbox, writer: BaswareClient, clerk: BaswareClient
) -> None:
    requests = [wrong(sandbox, writer), wrong(sandbox, writer)]
    clerk.acknowledge_requests(requests)
    assert {status(clerk, request) for request in requests} == {"AcknowledgedError"}
    assert len(sandbox.journal.requests(method="POST", path="/acknowledge")) == 1


def test_one_that_is_acknowledged_already_does_not_stop_the_others(
    sandbox: Sandbox, writer: BaswareClient, clerk: BaswareClient
) -> None:
    done, new = wrong(sandbox, writer), wrong(sandbox, writer)
    clerk.acknowledge_requests([done])
    clerk.acknowledge_requests([done])
    clerk.acknowledge_requests([done, new, "forgotten"])
    assert status(clerk, new) == "AcknowledgedError"
