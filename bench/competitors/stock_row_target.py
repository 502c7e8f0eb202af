"""A target as the SDK's documentation writes it: a RecordSink, one request a row.

The header first, then its lines, one after the other on one connection.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any, ClassVar

import requests
import simplejson
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import RecordSink


class Invoices(RecordSink):
    """Approved invoices of Basware to pending vendor invoices; validated, as the SDK does."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.session = requests.Session()
        self.session.trust_env = False

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        reference = hashlib.sha256(record["invoiceId"].encode()).hexdigest()[:20].upper()
        self._create("VendorInvoiceHeaders", header(record, reference))
        for row in record["codingRows"]:
            self._create("VendorInvoiceLines", line(record, row, reference))

    def _create(self, entity_set: str, row: dict[str, Any]) -> None:
        answer = self.session.post(
            f"{self.config['url']}/data/{entity_set}?cross-company=true",
            data=simplejson.dumps(row, use_decimal=True),
            headers={"Content-Type": "application/json"},
        )
        answer.raise_for_status()


def header(record: dict[str, Any], reference: str) -> dict[str, Any]:
    return {
        "dataAreaId": "usmf",
        "HeaderReference": reference,
        "InvoiceAccount": record["supplierCode"],
        "InvoiceNumber": record["invoiceNumber"],
        "InvoiceDate": f"{record['invoiceDate']:%Y-%m-%d}T12:00:00Z",
        "Date": f"{record['voucherDate']:%Y-%m-%d}T12:00:00Z",
        "DueDate": f"{record['dueDate']:%Y-%m-%d}T12:00:00Z",
        "Currency": record["currencyCode"],
        "TermsOfPayment": record["paymentTermCode"],
        "MethodOfPayment": record["paymentMethod"],
        "InvoiceDescription": f"Basware {record['invoiceId']}",
        "ImportedAmount": record["grossSum"],
        "ImportedSalesTax": record["taxSum1"],
    }


def line(record: dict[str, Any], row: dict[str, Any], reference: str) -> dict[str, Any]:
    return {
        "dataAreaId": "usmf",
        "HeaderReference": reference,
        "InvoiceLineNumber": row["rowIndex"],
        "MainAccountDisplayValue": f"{row['accountCode']}----",
        "ReceiveNow": 1,
        "UnitPrice": row["netTotal"],
        "NetAmount": Decimal(str(row["netTotal"])),
        "Currency": record["currencyCode"],
        "ItemSalesTax": row["taxCode"],
    }


class StockTarget(Target):
    """One kind of sink."""

    name = "target-stock"
    default_sink_class = Invoices
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("url", th.StringType, required=True)
    ).to_dict()


if __name__ == "__main__":
    StockTarget.cli()
