"""What each stream reads, as data: path, envelope, key, filters (reference 2, 2.2, 2.4)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from tap_basware.client import scope
from tap_basware.crawl import Query, stamp
from tap_basware.schemas import invoices, masters, purchase_orders, requests
from tap_basware.schemas.fields import Schema

BY_STATUS = "status"
BY_UPDATE = "last_updated"


@dataclass(frozen=True)
class Resource:
    """One list of the API.

    `filters` pairs a parameter of the API with the setting that holds its value or values; each
    combination is a query of its own. A parameter named in the path is also added to the records.
    """

    name: str
    path: str
    envelope: str
    keys: tuple[str, ...]
    schema: Schema
    largest_page: int = 500
    replication_key: str | None = "lastUpdated"
    filters: tuple[tuple[str, str], ...] = ()
    least_overlap: timedelta = timedelta(0)
    by_default: bool = False

    @property
    def scope(self) -> str:
        """The OAuth2 scope that reading it needs."""
        return scope(self.path, "read")

    def queries(self, config: Mapping[str, Any], since: datetime | None) -> list[Query]:
        """Return the lists to read, under the settings; `since` limits them to later changes."""
        page_size = min(config.get("page_size") or self.largest_page, self.largest_page)
        paging = {"pageSize": str(page_size)}
        if since is not None:
            overlap = timedelta(minutes=config.get("overlap_minutes", 10))
            paging["lastUpdated"] = stamp(_earlier(since, max(overlap, self.least_overlap)))
        choices = [
            [(parameter, value) for value in values]
            for parameter, setting in self.filters
            # Without a value there is nothing to filter by, but nothing to put in a path either.
            if (values := _values(config.get(setting))) or self._in_path(parameter)
        ]
        return [self._query(dict(given), paging) for given in itertools.product(*choices)]

    def _in_path(self, parameter: str) -> bool:
        return f"{{{parameter}}}" in self.path

    def _query(self, given: Mapping[str, str], paging: Mapping[str, str]) -> Query:
        constants = {name: value for name, value in given.items() if self._in_path(name)}
        quoted = {name: quote(value, safe="") for name, value in constants.items()}
        filters = {name: value for name, value in given.items() if name not in constants}
        return Query(self.path.format_map(quoted), {**filters, **paging}, constants)


def _values(setting: Any) -> list[str]:
    """Return a setting's values; none at all means that the API is not asked to filter."""
    if setting is None or setting == "":
        return []
    return [str(value) for value in (setting if isinstance(setting, list) else [setting])]


def _earlier(when: datetime, by: timedelta) -> datetime:
    try:
        return when - by
    except OverflowError:  # the bookmark is at the beginning of time
        return when


def accounting_documents(mode: str) -> Resource:
    """Return the invoice stream: all of a status in each run, or what changed since the last."""
    by_status = mode == BY_STATUS
    statuses = (("ProcessingStatus", "processing_statuses"),) if by_status else ()
    return Resource(
        name="accounting_documents",
        path="v1/accountingDocuments",
        envelope="accountingDocuments",
        keys=("invoiceId",),
        schema=invoices.ACCOUNTING_DOCUMENT,
        largest_page=100,
        replication_key=None if by_status else "lastUpdated",
        filters=(
            *statuses,
            ("companyCode", "company_codes"),
            ("p2pProcessingMode", "p2p_processing_mode"),
        ),
        by_default=True,
    )


OTHERS = (
    Resource("companies", "v1/companies", "companies", ("companyCode",), masters.COMPANY),
    Resource("vendors", "v1/vendors", "vendorEntities", ("externalCode",), masters.VENDOR),
    Resource("accounts", "v1/accounts", "accounts", ("externalCode",), masters.ACCOUNT),
    Resource(
        "cost_centers", "v1/costCenters", "costCenters", ("externalCode",), masters.COST_CENTER
    ),
    Resource(
        "lists",
        "v1/lists/{listKey}",
        "listItems",
        ("listKey", "externalCode"),
        masters.GENERIC_LIST,
        filters=(("listKey", "list_keys"),),
    ),
    Resource("tax_codes", "v1/taxCodes", "taxCodes", ("externalCode",), masters.TAX_CODE),
    Resource(
        "payment_terms", "v1/paymentTerms", "paymentTerms", ("externalCode",), masters.PAYMENT_TERM
    ),
    Resource(
        "request_status",
        "v1/requestStatus",
        "requestStatus",
        ("requestId",),
        requests.REQUEST_STATUS,
        filters=(("status", "request_statuses"),),
    ),
    Resource(
        "error_feedbacks",
        "v1/errorFeedbacks",
        "errorList",
        ("id",),
        requests.ERROR_FEEDBACK,
        replication_key="errorStamp",
        # Basware's own advice is to search from one day before, for time zones (reference 4.5).
        least_overlap=timedelta(days=1),
    ),
    Resource(
        "exported_purchase_orders",
        "v1/exportedPurchaseOrders",
        "exportedPurchaseOrders",
        ("externalCode",),
        purchase_orders.EXPORTED_PURCHASE_ORDER,
        largest_page=100,
        filters=(("companyCode", "company_codes"),),
    ),
)
