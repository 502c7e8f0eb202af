"""What P2P makes of the records that Basware's API took, one by one, when it gets to them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
from sandbox.server import Sandbox

Record = dict[str, Any]
Post = Callable[..., requests.Response]

IBAN = "DE44500105175407324931"


def term(code: str = "N30", *, active: bool = True) -> Record:
    return {
        "externalCode": f"t-{code}",
        "paymentTermCode": code,
        "paymentTermNames": [{"language": "en-US", "translation": code}],
        "validFrom": "2020-01-01",
        "validTo": "2099-12-31",
        "companies": [{"companyCode": "1000", "inherit": False, "active": active}],
    }


def vendor(number: int = 1, **fields: Any) -> Record:
    return {
        "externalCode": f"v-{number}",
        "vendorCode": f"V{number}",
        "name": f"Vendor {number}",
        "companies": [{"companyCode": "1000"}],
    } | fields


def paid_to(*numbers: str) -> Record:
    account = {"financialAccountIdentifiers": [{"schemeId": "IBAN", "id": n} for n in numbers]}
    return {"paymentMeans": [{"paymentMeansCode": "E", "financialAccounts": [account]}]}


def order(number: int = 1, supplier: str = "V1", **fields: Any) -> Record:
    return {
        "externalCode": f"o-{number}",
        "orderNumber": f"PO{number}",
        "sourceSystem": "ERP",
        "companyCode": "1000",
        "organizationElementCode": "1000",
        "currencyCode": "EUR",
        "supplierCode": supplier,
    } | fields


def line(order_number: int = 1, **fields: Any) -> Record:
    return {
        "externalCode": f"o-{order_number}-1",
        "orderExternalCode": f"o-{order_number}",
        "lineNumber": "1",
        "matchingMode": "Standard",
        "quantity": 2,
        "isDeleted": False,
    } | fields


def list_entry(**fields: Any) -> Record:
    companies = [{"companyCode": "1000", "active": True}]
    return {"externalCode": "l-1", "text_1": "001", "companies": companies} | fields


@pytest.fixture
def call(sandbox: Sandbox) -> Callable[..., requests.Response]:
    company = {"companyCode": "1000", "name": "Contoso", "active": True}
    sandbox.basware.load({"companies": [company]})

    def send(method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(
            method,
            f"{sandbox.basware_url}/v1/{path}",
            data=None if body is None else json.dumps(body, ensure_ascii=False).encode(),
            headers={"Content-Type": "application/json"},
            auth=("basware-user", "basware-password"),
            verify=str(sandbox.ca_file),
            timeout=10,
        )

    return send


@pytest.fixture
def post(call: Callable[..., requests.Response]) -> Callable[..., list[tuple[str, str]]]:
    """Post records; status and first message of each, as requestStatus has them."""

    def send(path: str, *records: Record) -> list[tuple[str, str]]:
        return outcomes(call, call("POST", path, list(records)))

    return send


def outcomes(
    call: Callable[..., requests.Response], write: requests.Response
) -> list[tuple[str, str]]:
    assert write.status_code == 200, write.text
    answer = call("GET", f"requestStatus/{write.headers['x-amzn-RequestId']}").json()
    [entry] = answer["requestStatus"]
    return [
        (item["status"], item.get("errors", [{"message": ""}])[0]["message"])
        for item in entry["systems"][0]["items"]
    ]


def codes(sandbox: Sandbox, name: str) -> list[str]:
    return [record["externalCode"] for record in sandbox.basware.p2p(name)]


def test_what_p2p_refuses_is_in_the_api_and_not_in_p2p(sandbox: Sandbox, post: Any) -> None:
    elsewhere = vendor(2, companies=[{"companyCode": "7777"}])
    [good, bad] = post("vendors", vendor(1), elsewhere)
    assert good == ("Success", "")
    assert bad == ("Error", "Record skipped, wrong or missing CompanyCode: 7777")
    assert len(sandbox.basware.records("vendors")) == 2
    assert codes(sandbox, "vendors") == ["v-1"]


def test_a_refused_change_leaves_p2p_with_what_it_had(sandbox: Sandbox, post: Any) -> None:
    post("vendors", vendor(1))
    post("vendors", vendor(1, name="Other", companies=[{"companyCode": "7777"}]))
    assert sandbox.basware.records("vendors")[0]["name"] == "Other"
    assert sandbox.basware.p2p("vendors")[0]["name"] == "Vendor 1"


def test_seeds_are_in_both(sandbox: Sandbox) -> None:
    sandbox.basware.load({"vendors": [vendor(1)]})
    assert codes(sandbox, "vendors") == ["v-1"]
    assert sandbox.basware.p2p_resources() == ["vendors"]
    sandbox.reset()
    assert sandbox.basware.p2p_resources() == []


def test_companies_may_be_set_up_by_hand(sandbox: Sandbox, post: Any) -> None:
    sandbox.switches.basware.p2p_company_codes = ("2000",)
    assert post("vendors", vendor(1))[0][0] == "Error"
    assert post("vendors", vendor(2, companies=[{"companyCode": "2000"}]))[0][0] == "Success"


def test_a_vendor_needs_its_term_active_in_its_company(sandbox: Sandbox, post: Any) -> None:
    def with_term(number: int) -> Record:
        return vendor(number, paymentTerms={"paymentTermCode": "N30"})

    status, message = post("vendors", with_term(1))[0]
    assert (status, message) == (
        "Error",
        "Supplier skipped, payment term N30 does not exist in company 1000",
    )
    post("paymentTerms", term(active=False))
    assert "is not active in company 1000" in post("vendors", with_term(2))[0][1]
    post("paymentTerms", term())
    assert post("vendors", with_term(3)) == [("Success", "")]
    sandbox.switches.basware.unknown_payment_term = "warning"
    late = vendor(4, paymentTerms={"paymentTermCode": "N99"})
    assert post("vendors", late)[0][0] == "Warning"
    assert codes(sandbox, "vendors") == ["v-3", "v-4"]


@pytest.mark.parametrize("spelt", [IBAN, "de44 5001 0517 5407 3249 31"])
def test_a_bank_account_may_occur_once_in_a_vendor(sandbox: Sandbox, post: Any, spelt: str) -> None:
    assert (
        post("vendors", vendor(1, **paid_to(IBAN)), vendor(2, **paid_to(IBAN)))
        == [("Success", "")] * 2
    )
    status, message = post("vendors", vendor(3, **paid_to(IBAN, spelt)))[0]
    assert status == "Error"
    assert IBAN not in message
    sandbox.switches.basware.bank_account_in_message = True
    assert IBAN in post("vendors", vendor(4, **paid_to(IBAN, spelt)))[0][1]
    sandbox.switches.basware.repeated_bank_account = "off"
    assert post("vendors", vendor(5, **paid_to(IBAN, spelt))) == [("Success", "")]


def test_an_order_needs_its_supplier_in_its_company(sandbox: Sandbox, post: Any) -> None:
    [outcome] = post("matchingOrders", order())
    assert outcome == ("Error", "Order skipped, supplier V1 does not exist in company 1000")
    sandbox.basware.load({"companies": [{"companyCode": "2000", "name": "B", "active": True}]})
    post("vendors", vendor(1, companies=[{"companyCode": "2000"}]))
    assert post("matchingOrders", order(2))[0][0] == "Error"
    post("vendors", vendor(2))
    assert post("matchingOrders", order(3, "V2")) == [("Success", "")]


def test_a_vendor_that_moved_is_no_longer_where_it_was(sandbox: Sandbox, post: Any) -> None:
    sandbox.basware.load({"companies": [{"companyCode": "2000", "name": "B", "active": True}]})
    post("vendors", vendor(1))
    post("vendors", vendor(1, companies=[{"companyCode": "2000"}]))
    assert post("matchingOrders", order(1))[0][0] == "Error"
    assert post("matchingOrders", order(2, companyCode="2000")) == [("Success", "")]


def test_an_order_line_needs_its_order_in_p2p(sandbox: Sandbox, post: Any) -> None:
    post("matchingOrders", order())  # refused: no vendor
    [outcome] = post("matchingOrderLines", line())
    assert outcome == ("Error", "Order line skipped, there is no order with external code o-1")
    post("vendors", vendor())
    post("matchingOrders", order(description="again"))
    assert post("matchingOrderLines", line(comment="again")) == [("Success", "")]


def test_an_order_line_may_be_refused_at_once(sandbox: Sandbox, call: Any) -> None:
    sandbox.switches.basware.unknown_order = "refuse"
    answer = call("POST", "matchingOrderLines", [line(1), line(2)])
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert [error["externalCode"] for error in errors] == ["o-1-1", "o-2-1"]
    assert {error["code"] for error in errors} == {"DATA_VALIDATION_FAILED"}
    assert sandbox.basware.records("matchingOrderLines") == []


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"quantity": 0}, "Error"),
        ({"quantity": -1}, "Error"),
        ({"matchingMode": "Service"}, "Error"),
        ({"matchingMode": "Service", "quantity": 1}, "Success"),
        ({"isDeleted": None}, "Warning"),
    ],
)
def test_quantity_and_is_deleted_of_a_line(
    sandbox: Sandbox, post: Any, fields: Record, status: str
) -> None:
    sandbox.basware.load({"vendors": [vendor()], "matchingOrders": [order()]})
    assert post("matchingOrderLines", line(**fields))[0][0] == status
    assert bool(codes(sandbox, "matchingOrderLines")) == (status != "Error")


def test_a_list_has_the_columns_of_its_table(call: Any, post: Any) -> None:
    assert post("lists/ACC_LIST_1", list_entry()) == [("Success", "")]
    assert "no column text_6" in post("lists/ACC_LIST_1", list_entry(text_6="x"))[0][1]
    assert (
        "no column dateValue_1"
        in post("lists/ACC_LIST_1", list_entry(dateValue_1="2026-01-01"))[0][1]
    )
    assert "longer than the 50" in post("lists/ACC_LIST_11", list_entry(text_2="x" * 51))[0][1]
    assert post("lists/ACC_LIST_31", list_entry(text_25="x")) == [("Success", "")]


@pytest.mark.parametrize("key", ["ACC_LIST_36", "ACC_LIST_0", "ACC_LIST_01", "acc_list_1", "X"])
def test_other_lists_do_not_exist(sandbox: Sandbox, call: Any, key: str) -> None:
    assert call("POST", f"lists/{key}", [list_entry()]).status_code == 400
    assert call("GET", f"lists/{key}").status_code == 404
    sandbox.switches.basware.unknown_list_key_status = 404
    assert call("POST", f"lists/{key}", [list_entry()]).status_code == 404


def test_currencies_are_activated_by_hand(sandbox: Sandbox, post: Any) -> None:
    sandbox.switches.basware.p2p_currencies = ("EUR", "USD")
    sandbox.basware.load({"vendors": [vendor()]})
    assert post("matchingOrders", order()) == [("Success", "")]
    assert "currency PLN" in post("matchingOrders", order(2, currencyCode="PLN"))[0][1]


class TestTime:
    def test_a_record_is_judged_when_its_time_has_come(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.switches.basware.settle_seconds = 60
        early = call("POST", "matchingOrders", [order(1)])
        call("POST", "vendors", [vendor()])
        late = call("POST", "matchingOrders", [order(2)])
        assert outcomes(call, early) == [("InProgress", "")]
        assert sandbox.basware.p2p_resources() == ["companies"]
        sandbox.clock.advance(61)
        assert outcomes(call, early)[0][0] == "Error"  # the vendor came after it
        assert outcomes(call, late) == [("Success", "")]
        assert codes(sandbox, "matchingOrders") == ["o-2"]

    def test_what_settles_earlier_is_judged_earlier(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.switches.basware.settle_seconds = 60
        order_write = call("POST", "matchingOrders", [order(1)])
        sandbox.switches.basware.settle_seconds = 10
        call("POST", "vendors", [vendor()])
        sandbox.clock.advance(61)
        assert outcomes(call, order_write) == [("Success", "")]

    def test_only_the_latest_version_is_taken_up(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.switches.basware.settle_seconds = 60
        first = call("POST", "vendors", [vendor()])
        second = call("PATCH", "vendors/v-1", {"name": "Renamed"})
        sandbox.clock.advance(61)
        assert outcomes(call, first)[0][0] == "RecordExpired"
        assert outcomes(call, second) == [("Success", "")]
        assert sandbox.basware.p2p("vendors")[0]["name"] == "Renamed"

    def test_it_may_never_end_until_it_does(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.switches.basware.never_settles = True
        write = call("POST", "vendors", [vendor()])
        sandbox.clock.advance(100_000)
        assert outcomes(call, write) == [("InProgress", "")]
        sandbox.switches.basware.never_settles = False
        assert outcomes(call, write) == [("Success", "")]


class TestIdentical:
    def test_it_is_skipped_even_if_it_was_refused(self, sandbox: Sandbox, post: Any) -> None:
        assert post("matchingOrders", order())[0][0] == "Error"
        sandbox.basware.load({"vendors": [vendor()]})
        assert post("matchingOrders", order()) == [("NotProcessed", "")]
        assert codes(sandbox, "matchingOrders") == []
        assert post("matchingOrders", order(description="x")) == [("Success", "")]

    def test_or_it_is_tried_again_then(self, sandbox: Sandbox, post: Any) -> None:
        sandbox.switches.basware.skip_unchanged_after_error = False
        assert post("matchingOrders", order())[0][0] == "Error"
        sandbox.basware.load({"vendors": [vendor()]})
        assert post("matchingOrders", order()) == [("Success", "")]
        assert post("matchingOrders", order()) == [("NotProcessed", "")]
        assert codes(sandbox, "matchingOrders") == ["o-1"]


class TestRequests:
    def test_two_changes_of_one_line_at_once(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.basware.load({"matchingOrderLines": [line(1), line(2)]})
        sandbox.switches.basware.patch_busy_seconds = 5
        change = {"isClosed": True}
        assert call("PATCH", "matchingOrderLines/o-1-1", change).status_code == 200
        busy = call("PATCH", "matchingOrderLines/o-1-1", change)
        assert busy.status_code == 503
        assert busy.json()["errors"][0]["externalCode"] == "o-1-1"
        assert call("PATCH", "matchingOrderLines/o-2-1", change).status_code == 200
        sandbox.clock.advance(6)
        assert call("PATCH", "matchingOrderLines/o-1-1", change).status_code == 200

    def test_size_is_counted_in_bytes(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.switches.basware.largest_body = 400
        short, long = vendor(name="x" * 200), vendor(name="é" * 200)
        assert call("POST", "vendors", [short]).status_code == 200
        assert call("POST", "vendors", [long]).status_code == 413
        sandbox.switches.basware.too_large_status = 400
        answer = call("POST", "vendors", [long])
        assert answer.json()["errors"][0]["code"] == "PARAMETER_VALIDATION_ERROR"

    def test_too_many_records_may_be_a_413(self, sandbox: Sandbox, call: Any) -> None:
        sandbox.switches.basware.too_many_records_status = 413
        many = [vendor(number) for number in range(201)]
        assert call("POST", "vendors", many).status_code == 413

    def test_a_tenant_without_request_status(self, sandbox: Sandbox, call: Any) -> None:
        write = call("POST", "vendors", [vendor()])
        request_id = write.headers["x-amzn-RequestId"]
        sandbox.switches.basware.request_status_enabled = False
        assert call("GET", f"requestStatus/{request_id}").status_code == 404
        assert call("GET", "requestStatus").status_code == 404
        body = {"requestIds": [request_id]}
        assert call("POST", "requestStatus/acknowledge", body).status_code == 404
