"""Master data of the Basware side: upserts, merges, read-back, and what became of each write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from sandbox.seed import demo_world
from sandbox.server import Sandbox

TOKEN = "x-amz-meta-continuationtoken"
Call = Callable[..., requests.Response]


def account(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "externalCode": f"a-{number}",
        "accountCode": str(number),
        "accountNames": [{"language": "en-US", "translation": f"Account {number}"}],
        "companies": [{"companyCode": "1000", "inherit": False, "active": True}],
    } | fields


def vendor(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "externalCode": f"v-{number}",
        "vendorCode": str(number),
        "name": f"Vendor {number}",
        "companies": [{"companyCode": "1000"}],
    } | fields


def order_line(number: int, order: str) -> dict[str, Any]:
    return {
        "externalCode": f"{order}-{number}",
        "orderExternalCode": order,
        "lineNumber": str(number),
        "matchingMode": "Standard",
        "quantity": 1,
    }


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    session = requests.Session()
    ca_file = str(sandbox.ca_file)  # per call: REQUESTS_CA_BUNDLE overrules a session's
    session.auth = ("basware-user", "basware-password")
    company = {"companyCode": "1000", "name": "Contoso", "active": True}
    sandbox.basware.load({"companies": [company]})

    def send(method: str, path: str, **options: Any) -> requests.Response:
        return session.request(
            method, f"{sandbox.basware_url}/{path}", verify=ca_file, timeout=10, **options
        )

    return send


def codes(answer: requests.Response) -> tuple[int, list[str]]:
    return answer.status_code, [error["code"] for error in answer.json()["errors"]]


def items(call: Call, write: requests.Response) -> dict[str, str]:
    """externalCode -> status of one write."""
    request_id = write.headers["x-amzn-RequestId"]
    [entry] = call("GET", f"v1/requestStatus/{request_id}").json()["requestStatus"]
    return {item["externalCode"]: item["status"] for item in entry["systems"][0]["items"]}


class TestReadBack:
    @pytest.mark.parametrize(
        ("path", "envelope", "entity"),
        [
            ("v1/vendors", "vendorEntities", vendor(1)),
            ("v1/accounts", "accounts", account(1)),
            ("v1/lists/ACC_LIST_1", "listItems", {"externalCode": "l-1", "text_1": "BU"}),
            (
                "v2/projects",
                "projects",
                {
                    "externalCode": "p-1",
                    "projectCode": "P1",
                    "projectName": "Bridge",
                    "validFrom": "2026-01-01",
                    "validUntil": "2026-12-31",
                    "companies": [{"companyCode": "1000", "active": True}],
                },
            ),
        ],
    )
    def test_what_was_posted_comes_back_in_its_envelope(
        self, call: Call, path: str, envelope: str, entity: dict[str, Any]
    ) -> None:
        assert call("GET", path).status_code == 404
        [echo] = call("POST", path, json=[entity]).json()
        assert {name: echo[name] for name in entity} == entity
        body = call("GET", path).json()
        assert body == {envelope: [echo]}
        assert call("GET", f"{path}/{entity['externalCode']}").json() == echo
        assert call("GET", f"{path}/other").status_code == 404

    def test_vendors_and_order_lines_may_come_as_a_bare_array(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"vendors": [vendor(1)], "matchingOrderLines": [order_line(1, "PO1")]})
        sandbox.switches.basware.bare_vendor_array = True
        sandbox.switches.basware.bare_order_line_array = True
        assert isinstance(call("GET", "v1/vendors").json(), list)
        lines = call("GET", "v1/matchingOrderLines", params={"orderExternalCode": "PO1"})
        assert isinstance(lines.json(), list)

    def test_order_lines_are_read_order_by_order(self, call: Call, sandbox: Sandbox) -> None:
        lines = [order_line(1, "PO1"), order_line(2, "PO1"), order_line(1, "PO2")]
        assert call("POST", "v1/matchingOrderLines", json=lines).status_code == 200
        found = call("GET", "v1/matchingOrderLines", params={"orderExternalCode": "PO1"}).json()
        assert {line["externalCode"] for line in found["matchingOrderLines"]} == {"PO1-1", "PO1-2"}
        missing = call("GET", "v1/matchingOrderLines")
        assert codes(missing) == (400, ["PARAMETER_VALIDATION_ERROR"])
        call("POST", "v1/matchingOrderLines", json=[lines[0] | {"orderExternalCode": "PO2"}])
        found = call("GET", "v1/matchingOrderLines", params={"orderExternalCode": "PO1"}).json()
        assert len(found["matchingOrderLines"]) == 1

    def test_lists_page_and_filter_by_company_and_date(self, call: Call, sandbox: Sandbox) -> None:
        elsewhere = [{"companyCode": "2000", "inherit": False, "active": True}]
        old = account(9, lastUpdated="2020-01-01T00:00:00Z")
        sandbox.basware.load(
            {"accounts": [old, account(1), account(2), account(3, companies=elsewhere)]}
        )
        query = {"companyCode": "1000", "pageSize": "2"}
        first = call("GET", "v1/accounts", params=query)
        rest = call("GET", "v1/accounts", params=query, headers={TOKEN: first.headers[TOKEN]})
        assert TOKEN not in rest.headers
        found = first.json()["accounts"] + rest.json()["accounts"]
        assert {entity["externalCode"] for entity in found} == {"a-9", "a-1", "a-2"}
        recent = call("GET", "v1/accounts", params={"lastUpdated": "2020-01-01"}).json()
        assert len(recent["accounts"]) == 3
        assert call("GET", "v1/accounts", params={"pageSize": "501"}).status_code == 400

    def test_exported_orders_redirect_and_single_ones_are_wrapped(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.load(demo_world(invoices=20, vendors=24))
        answer = call("GET", "v1/exportedPurchaseOrders")
        assert answer.history[0].status_code == 302
        some = answer.json()["exportedPurchaseOrders"]
        single = call("GET", f"v1/exportedPurchaseOrders/{some[0]['externalCode']}").json()
        assert single == {"exportedPurchaseOrders": [some[0]]}
        assert call("POST", "v1/exportedPurchaseOrders", json=[some[0]]).status_code == 405


class TestWrites:
    def test_post_overwrites_whole_and_patch_merges(self, call: Call) -> None:
        call("POST", "v1/accounts", json=[account(1, text1="one", text2="two")])
        call("POST", "v1/accounts", json=[account(1, text1="new")])
        stored = call("GET", "v1/accounts/a-1").json()
        assert stored["text1"] == "new"
        assert "text2" not in stored

        french = [{"language": "fr-FR", "translation": "Compte"}]
        change = {"text2": "added", "text1": None, "accountNames": french}
        answer = call("PATCH", "v1/accounts/a-1", json=change)
        assert answer.status_code == 200
        stored = call("GET", "v1/accounts/a-1").json()
        assert (stored["text1"], stored["text2"]) == ("new", "added")  # null = not sent
        assert [name["language"] for name in stored["accountNames"]] == ["en-US", "fr-FR"]

    def test_patch_knows_its_record(self, call: Call, sandbox: Sandbox) -> None:
        sandbox.basware.load({"accounts": [account(1)]})
        assert call("PATCH", "v1/accounts/a-2", json={"text1": "x"}).status_code == 404
        mismatch = call("PATCH", "v1/accounts/a-1", json={"externalCode": "a-2"})
        assert codes(mismatch) == (400, ["EXTERNAL_CODE_MISMATCH"])
        assert call("PATCH", "v1/companies/1000", json={"name": "x"}).status_code == 405

    def test_one_bad_entity_refuses_the_whole_array(self, call: Call, sandbox: Sandbox) -> None:
        bad = account(2, accountCode="x" * 26, companies=[{"companyCode": "1000"}])
        answer = call("POST", "v1/accounts", json=[account(1), bad])
        assert codes(answer) == (400, ["SCHEMA_VALIDATION_ERROR"] * 3)
        body = answer.json()
        assert body["hasErrors"] is True
        assert body["requestId"] == answer.headers["x-amzn-RequestId"]
        assert body["errors"][0]["externalCode"] == "a-2"
        messages = [error["message"] for error in body["errors"]]
        assert "[1] accountCode: 26 characters, 1 to 25 are allowed" in messages
        assert "[1] companies[0].active: required" in messages
        assert sandbox.basware.records("accounts") == []

    def test_limits_of_count_and_size(self, call: Call) -> None:
        many = [vendor(number) for number in range(201)]
        assert codes(call("POST", "v1/vendors", json=many)) == (400, ["PARAMETER_VALIDATION_ERROR"])
        assert call("POST", "v1/vendors", json=many[:200]).status_code == 200
        large = call("POST", "v1/vendors", data=b" " * (6 * 1024 * 1024 + 1))
        assert large.status_code == 413

    def test_the_same_code_twice_is_a_conflict(self, call: Call, sandbox: Sandbox) -> None:
        conflict = (409, ["CONFLICT_IN_POST"])
        assert codes(call("POST", "v1/accounts", json=[account(1), account(1)])) == conflict
        sandbox.switches.basware.prevent_duplicate_codes = True
        assert call("POST", "v1/accounts", json=[account(1)]).status_code == 200
        other = account(2, accountCode="1")
        assert codes(call("POST", "v1/accounts", json=[other])) == conflict
        assert call("POST", "v1/accounts", json=[account(1, text1="again")]).status_code == 200


class TestRequestStatus:
    def test_each_record_settles_on_its_own(self, call: Call, sandbox: Sandbox) -> None:
        call("POST", "v1/accounts", json=[account(1)])
        sandbox.basware.add_outcome_rule(
            status="Warning", external_code="a-3", message="Tax code not saved"
        )
        lost = [{"companyCode": "7777", "inherit": False, "active": True}]
        batch = [account(1), account(2), account(3), account(4, companies=lost)]
        write = call("POST", "v1/accounts", json=batch)
        assert items(call, write) == {
            "a-1": "NotProcessed",
            "a-2": "Success",
            "a-3": "Warning",
            "a-4": "Error",
        }
        [entry] = call("GET", "v1/requestStatus").json()["requestStatus"]  # defaults to Error
        assert entry["requestId"] == write.headers["x-amzn-RequestId"]
        query = {"entityType": "Account", "ignoreSuccessfullItems": "true"}
        both = call("GET", "v1/requestStatus", params=query).json()["requestStatus"]
        assert sorted(len(entry["systems"][0]["items"]) for entry in both) == [0, 2]

    def test_processing_takes_its_time_and_the_later_version_wins(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.switches.basware.settle_seconds = 60
        first = call("POST", "v1/accounts", json=[account(1)])
        second = call("POST", "v1/accounts", json=[account(1, text1="x")])
        assert items(call, first) == {"a-1": "InProgress"}
        sandbox.clock.advance(61)
        assert items(call, first) == {"a-1": "RecordExpired"}
        assert items(call, second) == {"a-1": "Success"}

    def test_acknowledge_works_once(self, call: Call) -> None:
        write = call("POST", "v1/accounts", json=[account(1)])
        ids = {"requestIds": [write.headers["x-amzn-RequestId"]]}
        assert call("POST", "v1/requestStatus/acknowledge", json=ids).status_code == 200
        query = {"status": "AcknowledgedSuccess"}
        assert call("GET", "v1/requestStatus", params=query).status_code == 200
        again = call("POST", "v1/requestStatus/acknowledge", json=ids)
        assert codes(again) == (405, ["METHOD_NOT_ALLOWED"])
        unknown = {"requestIds": ["nothing"]}
        assert call("POST", "v1/requestStatus/acknowledge", json=unknown).status_code == 404

    def test_error_feedback_mirrors_what_went_wrong(self, call: Call, sandbox: Sandbox) -> None:
        assert call("GET", "v1/errorFeedbacks").status_code == 404
        sandbox.basware.add_outcome_rule(status="Error", message="No such tax code")
        write = call("POST", "v1/accounts", json=[account(1), account(2)])
        entries = call("GET", "v1/errorFeedbacks").json()["errorList"]
        assert len({entry["id"] for entry in entries}) == 2
        assert entries[0]["errors"] == ["No such tax code"]
        assert '"AccountCode":' in entries[0]["errorEntity"]
        request_id = write.headers["x-amzn-RequestId"]
        assert len(call("GET", f"v1/errorFeedbacks/{request_id}").json()["errorList"]) == 2
        assert len(call("GET", "v1/errorFeedbacks/Account/a-2").json()["errorList"]) == 1
        assert call("GET", "v1/errorFeedbacks/Vendor/a-2").status_code == 404
