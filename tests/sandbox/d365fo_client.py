"""A small world in Dynamics, and a plain HTTP client of it, for the tests of the sandbox."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msal
import requests
from sandbox.d365fo.tokens import CLIENT_ID, CLIENT_SECRET, TENANT_ID
from sandbox.server import Sandbox

Row = dict[str, Any]


def company_rows() -> dict[str, list[Row]]:
    companies = ("usmf", "demf")
    return {
        "LegalEntities": [{"LegalEntityId": name, "Name": name} for name in companies],
        "Ledgers": [
            {
                "LegalEntityId": name,
                "ChartOfAccounts": "Shared",
                "AccountingCurrency": currency,
                "ExchangeRateType": "Default",
                "FiscalCalendar": "Fiscal",
            }
            for name, currency in zip(companies, ("USD", "EUR"), strict=True)
        ],
        "Currencies": [
            {"CurrencyCode": code, "GeneralRoundingRule": rule}
            for code, rule in (("USD", "0.01"), ("EUR", "0.01"), ("JPY", "1"))
        ],
        "PaymentTerms": [{"dataAreaId": name, "Name": "Net30"} for name in companies],
        "VendorPaymentMethods": [{"dataAreaId": name, "Name": "CHECK"} for name in companies],
        "TaxGroups": [{"dataAreaId": name, "TaxGroupCode": "STD"} for name in companies],
        "TaxItemGroupHeadings": [
            {"dataAreaId": name, "TaxItemGroup": "FULL"} for name in companies
        ],
        "VendorParameters": [{"dataAreaId": name} for name in companies],
        "VendorsV3": [
            {
                "dataAreaId": company,
                "VendorAccountNumber": account,
                "VendorOrganizationName": f"Vendor {account}",
                "CurrencyCode": "USD",
                "DefaultPaymentTermsName": "Net30",
                "OnHoldStatus": hold,
            }
            for company in companies
            for account, hold in (
                ("V1", "No"),
                ("V2", "No"),
                ("HELD", "Invoice"),
                ("PAY", "Payment"),
            )
        ],
    }


def coding_rows() -> dict[str, list[Row]]:
    def value(dimension: str, text: str, company: str = "", **flags: str) -> Row:
        return {
            "FinancialDimension": dimension,
            "LegalEntityId": company,
            "DimensionValue": text,
            **flags,
        }

    return {
        "MainAccounts": [
            {"ChartOfAccounts": "Shared", "MainAccountId": account, "Name": account, **flags}
            for account, flags in (
                ("601000", {"MainAccountType": "Expense"}),
                ("602000", {"MainAccountType": "Expense", "IsSuspended": "Yes"}),
                ("699999", {"MainAccountType": "Total"}),
            )
        ],
        "DimensionParameters": [{"Key": 0, "DimensionSegmentDelimiter": "Hyphen"}],
        "DimensionIntegrationFormats": [
            {
                "DimensionFormatName": kind,
                "DimensionFormatType": f"DataEntity{kind}DimensionFormat",
                "FinancialDimensionFormat": segments,
                "IsActive": "Yes",
            }
            for kind, segments in (
                ("Default", "CostCenter-Project"),
                ("Ledger", "MainAccount-CostCenter-Project"),
            )
        ],
        "FinancialDimensionValues": [
            value("CostCenter", "CC1"),
            value("CostCenter", "CC9", IsSuspended="Yes"),
            value("Project", "P-1"),
            value("Project", "DE", "demf"),
        ],
        "ProcurementProductCategories": [
            {"CategoryName": "Office", "CategoryHierarchyName": "Procurement"}
        ],
        "ReleasedProductsV2": [
            {"dataAreaId": "usmf", "ItemNumber": "SERVICE", "ProductType": "Service"},
            {"dataAreaId": "usmf", "ItemNumber": "STOCKED", "ProductType": "Item"},
        ],
        "PurchaseOrderHeadersV2": [
            {"PurchaseOrderNumber": "PO-1", "OrderVendorAccountNumber": "V1"},
        ],
        "PurchaseOrderLinesV2": [
            {
                "PurchaseOrderNumber": "PO-1",
                "LineNumber": 1,
                "ItemNumber": "STOCKED",
                "PurchasePrice": Decimal("12.5"),
                "LineDescription": "Bolts",
            }
        ],
    }


def world() -> dict[str, list[Row]]:
    return company_rows() | coding_rows()


@dataclass
class Dynamics:
    """HTTP against the sandbox's Dynamics with a valid token."""

    sandbox: Sandbox
    session: requests.Session

    def url(self, path: str) -> str:
        return f"{self.sandbox.d365fo_url}/data/{path}"

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.url(path), headers=headers)

    def post(self, path: str, body: object) -> requests.Response:
        return self.session.post(self.url(path), json=body)

    def patch(self, path: str, body: object, **headers: str) -> requests.Response:
        return self.session.patch(self.url(path), json=body, headers=headers)

    def delete(self, path: str) -> requests.Response:
        return self.session.delete(self.url(path))

    def rows(self, path: str) -> list[Row]:
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        rows: list[Row] = json.loads(answer.text, parse_float=Decimal)["value"]
        return rows

    def batch(self, body: str, **headers: str) -> requests.Response:
        kind = {"Content-Type": "multipart/mixed; boundary=b"}
        data = body.replace("\n", "\r\n").encode()
        return self.session.post(self.url("$batch"), data=data, headers=kind | headers)

    def invoice(self, **fields: Any) -> Row:
        return {
            "dataAreaId": "usmf",
            "HeaderReference": "BW-1",
            "InvoiceAccount": "V1",
            "InvoiceNumber": "INV-1",
            "InvoiceDate": "2026-10-30T12:00:00Z",
            "Date": "2026-11-02T12:00:00Z",
            "Currency": "USD",
        } | fields

    def line(self, **fields: Any) -> Row:
        return {
            "dataAreaId": "usmf",
            "HeaderReference": "BW-1",
            "MainAccountDisplayValue": r"601000-CC1-P\-1",
            "NetAmount": 100,
        } | fields


def connect(sandbox: Sandbox, session: requests.Session) -> Dynamics:
    token = application(sandbox, session).acquire_token_for_client(
        [f"{sandbox.d365fo_url}/.default"]
    )
    session.headers["Authorization"] = f"Bearer {token['access_token']}"
    return Dynamics(sandbox, session)


def trusting_session(sandbox: Sandbox) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win over `verify`
    session.verify = str(sandbox.ca_file)
    return session


def application(
    sandbox: Sandbox,
    session: requests.Session,
    *,
    tenant: str = TENANT_ID,
    client_id: str = CLIENT_ID,
    secret: str = CLIENT_SECRET,
) -> msal.ConfidentialClientApplication:
    return msal.ConfidentialClientApplication(
        client_id,
        authority=f"{sandbox.entra_url}/{tenant}",
        client_credential=secret,
        instance_discovery=False,
        http_client=session,
    )


def reason(answer: requests.Response) -> str:
    """The text of an error that F&O gave."""
    message: str = answer.json()["error"]["innererror"]["message"]
    return message


def operation(method: str, url: str, body: object = None, content_id: int | None = None) -> str:
    """One part of a batch, without its delimiter line."""
    text = "" if body is None else json.dumps(body)
    identity = "" if content_id is None else f"Content-ID: {content_id}\n"
    return (
        f"Content-Type: application/http\nContent-Transfer-Encoding: binary\n{identity}\n"
        f"{method} {url} HTTP/1.1\nContent-Type: application/json\n\n{text}\n"
    )


def changeset(*operations: str, boundary: str = "c") -> str:
    inner = "".join(f"--{boundary}\n{item}" for item in operations)
    return f"Content-Type: multipart/mixed; boundary={boundary}\n\n{inner}--{boundary}--\n"


def batch(*parts: str) -> str:
    return "".join(f"--b\n{part}" for part in parts) + "--b--\n"


def statuses(answer: requests.Response) -> list[int]:
    """The status of every part of a batch answer."""
    assert answer.status_code == 200, answer.text
    return [int(status) for status in re.findall(r"^HTTP/1\.1 (\d+)", answer.text, re.MULTILINE)]
