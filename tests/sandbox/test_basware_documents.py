"""Invoices of the Basware side: lists and their pages, redirects, acknowledge, responses."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from itertools import chain
from typing import Any

import pytest
import requests
from sandbox.basware.exact_json import loads
from sandbox.server import Sandbox

USER = ("basware-user", "basware-password")
TOKEN = "x-amz-meta-continuationtoken"
PATH = "/v1/accountingDocuments"
Call = Callable[..., requests.Response]


def invoice(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "invoiceId": f"inv-{number:05}",
        "invoiceNumber": str(number),
        "invoiceDate": "2026-10-01",
        "companyCode": "1000",
        "supplierCode": "V1",
        "currencyCode": "EUR",
        "grossSum": Decimal("10.10") + number,
        "codingRows": [{"externalCode": f"row-{number}", "netTotal": "10.10"}],
    } | fields


@pytest.fixture
def call(sandbox: Sandbox) -> Call:
    session = requests.Session()
    ca_file = str(sandbox.ca_file)  # per call: REQUESTS_CA_BUNDLE overrules a session's
    session.auth = USER

    def send(method: str, path: str, **options: Any) -> requests.Response:
        return session.request(
            method, sandbox.basware_url + path, verify=ca_file, timeout=10, **options
        )

    return send


def crawl(call: Call, **query: Any) -> list[list[str]]:
    """The ids on every page of a list."""
    pages: list[list[str]] = []
    token: str | None = ""
    while token is not None:
        answer = call("GET", PATH, params=query, headers={TOKEN: token} if token else {})
        if answer.status_code == 404:
            return pages
        pages.append([entity["invoiceId"] for entity in answer.json()["accountingDocuments"]])
        token = answer.headers.get(TOKEN)
    return pages


def codes(answer: requests.Response) -> tuple[int, list[str]]:
    return answer.status_code, [error["code"] for error in answer.json()["errors"]]


class TestLists:
    def test_pages_hold_every_invoice_once_and_the_last_has_no_token(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(n) for n in range(25)]})
        pages = crawl(call, pageSize=10)
        assert [len(page) for page in pages] == [10, 10, 5]
        assert sorted(chain(*pages)) == [f"inv-{n:05}" for n in range(25)]

    def test_filters_narrow_the_list_down(self, call: Call, sandbox: Sandbox) -> None:
        sandbox.basware.load(
            {
                "accountingDocuments": [
                    invoice(1, lastUpdated="2026-01-01T00:00:00Z"),
                    invoice(2, companyCode="2000"),
                    invoice(3, processingStatus="Transferred"),
                    invoice(
                        4,
                        p2pProcessingMode="InvoiceEnrichment",
                        processingStatus="WaitingForEnrichmentTransfer",
                    ),
                ]
            }
        )
        assert sorted(chain(*crawl(call))) == ["inv-00001", "inv-00002", "inv-00003"]
        assert crawl(call, companyCode="2000") == [["inv-00002"]]
        assert crawl(call, ProcessingStatus="Transferred") == [["inv-00003"]]
        assert crawl(call, p2pProcessingMode="InvoiceEnrichment") == [["inv-00004"]]
        assert crawl(call, lastUpdated="2026-01-01", companyCode="1000") == [["inv-00003"]]
        sandbox.switches.basware.last_updated_inclusive = True
        assert len(crawl(call, lastUpdated="2026-01-01", companyCode="1000")[0]) == 2

    def test_no_match_is_404_without_a_body(self, call: Call) -> None:
        answer = call("GET", PATH)
        assert (answer.status_code, answer.content) == (404, b"")

    @pytest.mark.parametrize(
        "query",
        [
            {"pageSize": "0"},
            {"pageSize": "101"},
            {"pageSize": "ten"},
            {"lastUpdated": "yesterday"},
            {"ProcessingStatus": "Lost"},
            {"p2pProcessingMode": "Fast"},
        ],
    )
    def test_a_bad_parameter_is_refused(self, call: Call, query: dict[str, str]) -> None:
        assert codes(call("GET", PATH, params=query)) == (400, ["PARAMETER_VALIDATION_ERROR"])

    def test_invoices_with_many_coding_rows_make_short_pages(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.switches.basware.page_coding_rows = 5
        sandbox.switches.basware.shuffled = False
        rows = [{"externalCode": f"r{n}"} for n in range(9)]
        long = invoice(2, codingRows=rows)
        sandbox.basware.load({"accountingDocuments": [invoice(0), invoice(1), long, invoice(3)]})
        assert crawl(call) == [["inv-00000", "inv-00001"], ["inv-00002"], ["inv-00003"]]

    def test_a_token_is_good_for_its_own_query_and_time_only(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(n) for n in range(3)]})
        query = {"pageSize": "1", "companyCode": "1000"}
        token = call("GET", PATH, params=query).headers[TOKEN]
        again = [call("GET", PATH, params=query, headers={TOKEN: token}) for _ in range(2)]
        assert again[0].content == again[1].content
        refused = (400, ["PARAMETER_VALIDATION_ERROR"])
        other = query | {"pageSize": "2"}
        assert codes(call("GET", PATH, params=other, headers={TOKEN: token})) == refused
        assert codes(call("GET", PATH, params=query, headers={TOKEN: "unknown"})) == refused
        sandbox.clock.advance(901)
        assert codes(call("GET", PATH, params=query, headers={TOKEN: token})) == refused

    def test_an_invoice_acknowledged_in_mid_crawl_leaves_the_list(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(n) for n in range(2)]})
        query = {"pageSize": "1", "ProcessingStatus": "WaitingForTransfer"}
        first = call("GET", PATH, params=query)
        seen = first.json()["accountingDocuments"][0]["invoiceId"]
        [other] = {"inv-00000", "inv-00001"} - {seen}
        call("POST", f"{PATH}/{other}/acknowledge")
        after = call("GET", PATH, params=query, headers={TOKEN: first.headers[TOKEN]})
        assert after.status_code == 404

    def test_ten_thousand_invoices_are_listed_in_linear_time(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(n) for n in range(10_000)]})
        started = time.perf_counter()
        assert sum(map(len, crawl(call, pageSize=100))) == 10_000
        assert time.perf_counter() - started < 4


class TestEntities:
    def test_amounts_are_exact_and_nulls_left_out(self, call: Call, sandbox: Sandbox) -> None:
        sandbox.basware.load(
            {"accountingDocuments": [invoice(1, grossSum="1234567890123456.78", taxCode=None)]}
        )
        answer = call("GET", f"{PATH}/inv-00001")
        assert b'"grossSum":1234567890123456.78' in answer.content
        [entity] = loads(answer.content)["accountingDocuments"]
        assert entity["codingRows"][0]["netTotal"] == Decimal("10.10")
        assert "taxCode" not in entity
        assert entity["processingStatus"] == "WaitingForTransfer"
        assert call("GET", f"{PATH}/inv-00002").status_code == 404

    def test_invoice_lines_come_only_to_tenants_that_switched_them_on(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        lines = [{"externalCode": "l1", "quantity": 2}]
        sandbox.basware.load({"accountingDocuments": [invoice(1, invoiceLines=lines)]})
        [entity] = call("GET", PATH).json()["accountingDocuments"]
        assert "invoiceLines" not in entity
        sandbox.switches.basware.invoice_lines = True
        [entity] = call("GET", PATH).json()["accountingDocuments"]
        assert entity["invoiceLines"] == lines

    def test_a_seed_that_the_api_could_not_hold_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(ValueError, match="unknown property"):
            sandbox.basware.load({"accountingDocuments": [invoice(1, colour="red")]})
        with pytest.raises(ValueError, match=r"companyCode.*required"):
            sandbox.basware.load({"accountingDocuments": [invoice(1, companyCode=None)]})


class TestRedirect:
    def test_the_list_is_fetched_from_storage_without_credentials(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(n) for n in range(2)]})
        answer = call("GET", PATH, params={"pageSize": 1}, allow_redirects=False)
        assert answer.status_code == 302
        assert TOKEN not in answer.headers
        address = answer.headers["Location"]
        assert address.startswith(sandbox.storage_url + "/")

        verify = str(sandbox.ca_file)
        assert requests.get(address, verify=verify, auth=USER, timeout=5).status_code == 400
        fetched = requests.get(address, verify=verify, timeout=5)
        assert len(fetched.json()["accountingDocuments"]) == 1
        assert TOKEN in fetched.headers
        sandbox.clock.advance(901)
        assert requests.get(address, verify=verify, timeout=5).status_code == 403

    def test_it_can_be_switched_off(self, call: Call, sandbox: Sandbox) -> None:
        sandbox.switches.basware.redirect = False
        sandbox.basware.load({"accountingDocuments": [invoice(n) for n in range(2)]})
        answer = call("GET", PATH, params={"pageSize": 1}, allow_redirects=False)
        assert answer.status_code == 200
        assert TOKEN in answer.headers


class TestStatus:
    QUERY = {"companyCode": "1000", "invoiceNumber": "1", "invoiceDate": "2026-10-01"}  # noqa: RUF012

    def test_the_high_level_status_is_found_by_number_and_date(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(1, processingStatus="Transferred")]})
        [entry] = call("GET", f"{PATH}/status", params=self.QUERY).json()
        assert (entry["invoiceId"], entry["status"]) == ("inv-00001", "ReadyForPayment")
        for gross, status in (("11.10", 200), ("11.1", 200), ("11.11", 404), ("x", 400)):
            query = self.QUERY | {"grossSum": gross}
            assert call("GET", f"{PATH}/status", params=query).status_code == status
        del (query := dict(self.QUERY))["invoiceDate"]
        assert call("GET", f"{PATH}/status", params=query).status_code == 400
        sandbox.switches.basware.status_enabled = False
        assert call("GET", f"{PATH}/status", params=self.QUERY).status_code == 404


def response(code: str = "r-1", **fields: Any) -> dict[str, Any]:
    return {
        "externalCode": code,
        "success": True,
        "responseMessage": "Transferred",
        "paymentBlock": False,
    } | fields


class TestResponses:
    @pytest.fixture(autouse=True)
    def _one_invoice(self, sandbox: Sandbox) -> None:
        sandbox.basware.load({"accountingDocuments": [invoice(1)]})

    def post(self, call: Call, body: dict[str, Any], kind: str = "transfer") -> requests.Response:
        return call("POST", f"{PATH}/inv-00001/{kind}Responses", json=body)

    def test_acknowledge_works_once(self, call: Call, sandbox: Sandbox) -> None:
        before = sandbox.basware.document("inv-00001")
        answer = call("POST", f"{PATH}/inv-00001/acknowledge")
        assert answer.status_code == 200
        assert isinstance(answer.json(), str)
        after = sandbox.basware.document("inv-00001")
        assert after["processingStatus"] == "TransferInProgress"
        assert after["lastUpdated"] > before["lastUpdated"]
        again = call("POST", f"{PATH}/inv-00001/acknowledge")
        assert (again.status_code, again.content) == (405, b"")
        assert call("POST", f"{PATH}/inv-2/acknowledge").status_code == 404

    @pytest.mark.parametrize("acknowledged", [True, False])
    def test_success_saves_vouchers_and_the_payment_block(
        self, call: Call, sandbox: Sandbox, acknowledged: bool
    ) -> None:
        if acknowledged:
            call("POST", f"{PATH}/inv-00001/acknowledge")
        body = response(voucherNumber1="AP-1", paymentBlock=True, transferDate="2026-10-02")
        answer = self.post(call, body)
        assert (answer.status_code, answer.json()) == (200, body)
        stored = sandbox.basware.document("inv-00001")
        assert stored["processingStatus"] == "Transferred"
        assert (stored["voucherNumber1"], stored["paymentBlock"]) == ("AP-1", True)
        assert stored["transferResponses"] == [body]

    def test_failure_saves_message_and_status_only(self, call: Call, sandbox: Sandbox) -> None:
        self.post(call, response(success=False, voucherNumber1="AP-1", paymentBlock=True))
        stored = sandbox.basware.document("inv-00001")
        assert stored["processingStatus"] == "TransferFailed"
        assert stored["paymentBlock"] is False
        assert "voucherNumber1" not in stored
        assert "voucherNumber1" not in stored["transferResponses"][0]

    def test_a_second_response_is_refused_until_the_invoice_is_sent_again(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        self.post(call, response("r-1"))
        assert codes(self.post(call, response("r-1"))) == (409, ["CONFLICT_IN_POST"])
        assert codes(self.post(call, response("r-2"))) == (400, ["DATA_VALIDATION_FAILED"])
        sandbox.switches.basware.already_transferred_status = 409
        assert self.post(call, response("r-2")).status_code == 409

        before = sandbox.basware.document("inv-00001")["lastUpdated"]
        again = sandbox.basware.retransfer("inv-00001", grossSum="99.00")
        assert again["processingStatus"] == "WaitingForTransfer"
        assert again["grossSum"] == Decimal("99.00")
        assert again["lastUpdated"] > before
        assert self.post(call, response("r-2")).status_code == 200
        codes_kept = [
            r["externalCode"] for r in sandbox.basware.document("inv-00001")["transferResponses"]
        ]
        assert codes_kept == ["r-1", "r-2"]

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"responseMessage": "x" * 251}, "responseMessage: 251 characters"),
            ({"responseMessage": None}, "responseMessage: required"),
            ({"success": "yes"}, "success: boolean is expected"),
            ({"voucherNumber1": 12345}, "voucherNumber1: string is expected"),
            ({"transferDate": "02.10.2026"}, "transferDate: date-time is expected"),
        ],
    )
    def test_an_invalid_response_changes_nothing(
        self, call: Call, sandbox: Sandbox, change: dict[str, Any], complaint: str
    ) -> None:
        before = sandbox.basware.document("inv-00001")
        answer = self.post(call, response(**change))
        assert codes(answer) == (400, ["SCHEMA_VALIDATION_ERROR"])
        assert complaint in answer.json()["errors"][0]["message"]
        assert sandbox.basware.document("inv-00001") == before

    def test_unknown_properties_are_ignored_or_refused(self, call: Call, sandbox: Sandbox) -> None:
        sandbox.switches.basware.unknown_property = "refuse"
        assert self.post(call, response(colour="red")).status_code == 400
        sandbox.switches.basware.unknown_property = "accept"
        assert "colour" not in self.post(call, response(colour="red")).json()

    def test_payments_repeat_clear_what_they_leave_out_and_keep_the_latest_hundred(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        payment = {"success": True, "paymentBlock": False}
        early = self.post(call, payment | {"externalCode": "p-0"}, "payment")
        assert codes(early) == (409, ["DATA_VALIDATION_FAILED"])
        self.post(call, response())
        self.post(call, payment | {"externalCode": "p-1", "paymentMethod": "Bank"}, "payment")
        assert sandbox.basware.document("inv-00001")["paymentMethod"] == "Bank"
        for number in range(2, 103):
            body = payment | {"externalCode": f"p-{number}", "paidTotal": number}
            assert self.post(call, body, "payment").status_code == 200
        stored = sandbox.basware.document("inv-00001")
        assert stored["processingStatus"] == "Paid"
        assert "paymentMethod" not in stored
        history = [payment["externalCode"] for payment in stored["paymentResponses"]]
        assert history == [f"p-{number}" for number in range(3, 103)]
        assert stored["paymentResponses"][-1]["paymentDate"]  # defaults to today
        forgotten = self.post(call, payment | {"externalCode": "p-1"}, "payment")
        assert forgotten.status_code == 409

    def test_prebooking_and_enrichment_have_their_own_ways(
        self, call: Call, sandbox: Sandbox
    ) -> None:
        sandbox.basware.retransfer("inv-00001", processingStatus="WaitingForPrebook")
        call("POST", f"{PATH}/inv-00001/acknowledge")
        assert self.post(call, response("b-1"), "prebook").status_code == 200
        assert sandbox.basware.document("inv-00001")["processingStatus"] == "Prebooked"
        assert self.post(call, response("b-2"), "prebook").status_code == 409

        sandbox.basware.retransfer(
            "inv-00001",
            p2pProcessingMode="InvoiceEnrichment",
            processingStatus="WaitingForEnrichmentTransfer",
        )
        body = {"externalCode": "e-1", "success": True, "responseMessage": "done"}
        assert self.post(call, body, "enrichment").status_code == 200
        assert sandbox.basware.document("inv-00001")["processingStatus"] == "EnrichmentTransferred"

    def test_a_response_can_be_followed_in_request_status(self, call: Call) -> None:
        answer = self.post(call, response())
        request_id = answer.headers["x-amzn-RequestId"]
        [entry] = call("GET", f"/v1/requestStatus/{request_id}").json()["requestStatus"]
        assert (entry["entityType"], entry["requestStatus"]) == ("TransferResponse", "Success")
        [item] = entry["systems"][0]["items"]
        assert item == {
            "externalCode": "r-1",
            "parentExternalCode": "inv-00001",
            "status": "Success",
        }

    def test_a_body_that_is_no_json_is_refused(self, call: Call) -> None:
        headers = {"Content-Type": "application/json"}
        path = f"{PATH}/inv-00001/transferResponses"
        assert codes(call("POST", path, data="{", headers=headers)) == (
            400,
            ["SCHEMA_VALIDATION_ERROR"],
        )
        text = {"Content-Type": "text/csv"}
        assert call("POST", path, data=json.dumps(response()), headers=text).status_code == 415
