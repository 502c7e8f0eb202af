"""A target as the SDK's documentation writes it: a BatchSink that posts arrays of 200 vendors."""

from __future__ import annotations

from typing import Any, ClassVar

import requests
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink


class Vendors(BatchSink):
    """Basware's vendors; records are validated, as the SDK does by default."""

    max_size = 200

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.session = requests.Session()
        self.session.trust_env = False

    def process_batch(self, context: dict[str, Any]) -> None:
        entities = [_entity(record) for record in context["records"]]
        answer = self.session.post(f"{self.config['url']}/v1/vendors", json=entities)
        answer.raise_for_status()


def _entity(record: dict[str, Any]) -> dict[str, Any]:
    return {
        "externalCode": f"{record['dataAreaId']}-{record['VendorAccountNumber']}",
        "supplierCode": record["VendorAccountNumber"],
        "name": record["VendorOrganizationName"],
        "companies": [{"companyCode": record["dataAreaId"], "active": True}],
        "taxNumber": record.get("TaxExemptNumber"),
        "paymentTerms": record.get("DefaultPaymentTermsName"),
        "currency": record.get("CurrencyCode"),
        "address": {
            "street": record.get("AddressStreet"),
            "city": record.get("AddressCity"),
            "zip": record.get("AddressZipCode"),
            "country": record.get("AddressCountryRegionISOCode"),
        },
    }


class StockTarget(Target):
    """One kind of sink."""

    name = "target-stock"
    default_sink_class = Vendors
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("url", th.StringType, required=True)
    ).to_dict()


if __name__ == "__main__":
    StockTarget.cli()
