"""A tap as the SDK's template and documentation write it: RESTStream, nextLink, typed schema."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from singer_sdk import Stream, Tap
from singer_sdk import typing as th
from singer_sdk.pagination import BaseHATEOASPaginator
from singer_sdk.streams import RESTStream


class NextLink(BaseHATEOASPaginator):
    """OData's paging."""

    def get_next_url(self, response: Any) -> str | None:
        link: str | None = response.json().get("@odata.nextLink")
        return link


class Vendors(RESTStream[Any]):
    """VendorsV3."""

    name = "vendors"
    path = "/data/VendorsV3"
    primary_keys = ("dataAreaId", "VendorAccountNumber")
    records_jsonpath = "$.value[*]"

    @property
    def url_base(self) -> str:
        return str(self.config["url"])

    def get_new_paginator(self) -> NextLink:
        return NextLink()

    def get_url_params(self, context: Any, next_page_token: Any) -> dict[str, Any]:  # noqa: ARG002
        if next_page_token:
            return dict(parse_qsl(urlsplit(next_page_token.geturl()).query))
        return {"cross-company": "true", "$select": self.config["fields"]}


class StockTap(Tap):
    """One stream."""

    name = "tap-stock"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("url", th.StringType, required=True),
        th.Property("fields", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        fields = self.config["fields"].split(",")
        schema = th.PropertiesList(*(th.Property(name, th.StringType) for name in fields))
        return [Vendors(self, schema=schema.to_dict())]


if __name__ == "__main__":
    StockTap.cli()
