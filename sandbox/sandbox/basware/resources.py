"""The master-data APIs as one table: envelope, entity, key, limits (reference 2, 2.4, 4.2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """One API. `entity_type` is its name in requestStatus; None = the API does not report there."""

    path: str  # below the host; also the name that seeds use, without the version
    envelope: str  # the array in the body of a list
    entity: str  # its schema
    entity_type: str | None = None
    key: str = "externalCode"
    code: str | None = None  # the record code that is unique within a company
    version: str = "V1"
    page_default: int = 500
    page_limit: int = 500
    post_limit: int = 500
    readable_by_company: bool = True  # has the companyCode filter
    parent: str | None = None  # a list must name its parent in this field
    status_filter: str | None = None  # name of the status filter, and of the field
    writable: bool = True
    patchable: bool = True
    exported: bool = False  # redirects, and wraps single records

    @property
    def name(self) -> str:
        """What scopes and seeds call it."""
        return self.path.split("/")[1]


RESOURCES = (
    Resource(
        "v1/companies",
        "companies",
        "CompanyEntity",
        key="companyCode",
        readable_by_company=False,
        patchable=False,
    ),
    Resource(
        "v1/vendors",
        "vendorEntities",
        "VendorEntity",
        "Vendor",
        code="vendorCode",
        page_default=100,
        post_limit=200,
    ),
    Resource("v1/accounts", "accounts", "AccountEntity", "Account", code="accountCode"),
    Resource(
        "v1/costCenters", "costCenters", "CostCenterEntity", "CostCenter", code="costCenterCode"
    ),
    Resource(
        "v2/projects", "projects", "ProjectEntityV2", "Project", code="projectCode", version="V2"
    ),
    Resource("v1/taxCodes", "taxCodes", "TaxCodeEntity", "TaxCode", code="taxCode"),
    Resource(
        "v1/paymentTerms",
        "paymentTerms",
        "PaymentTermEntity",
        "PaymentTerm",
        code="paymentTermCode",
    ),
    Resource("v1/exchangeRates", "exchangeRates", "ExchangeRateEntity", "ExchangeRate"),
    Resource(
        "v1/advancedValidations",
        "advancedValidations",
        "AdvancedValidationEntity",
        "AdvancedValidation",
    ),
    Resource(
        "v1/matchingOrders",
        "matchingOrders",
        "OrderEntity",
        "MatchingOrder",
        code="orderNumber",
    ),
    Resource(
        "v1/matchingOrderLines",
        "matchingOrderLines",
        "OrderLineEntity",
        "MatchingOrderLine",
        page_default=100,
        page_limit=100,
        post_limit=100,
        readable_by_company=False,
        parent="orderExternalCode",
    ),
    Resource(
        "v1/exportedPurchaseOrders",
        "exportedPurchaseOrders",
        "ExportedPurchaseOrderEntity",
        page_default=100,
        page_limit=100,
        status_filter="orderStatus",
        writable=False,
        patchable=False,
        exported=True,
    ),
)

LISTS = "lists/"
#: A kind of list: how many keys it has, then text, number and date columns and the longest text,
#: each up to the number of the key (reference 3.3).
_LIST_KINDS = {
    "ACC_LIST": (
        (10, (5, 3, 0, 250)),
        (20, (5, 3, 0, 50)),
        (30, (10, 5, 5, 250)),
        (35, (25, 10, 10, 250)),
    ),
    "INV_LIST": ((10, (5, 0, 0, 250)), (20, (10, 5, 5, 250))),
    "CUST_RESOLVER": ((5, (15, 15, 15, 250)),),
}


@dataclass(frozen=True)
class ListTable:
    """What the P2P table behind a generic list can hold."""

    texts: int
    numbers: int
    dates: int
    longest_text: int


def list_table(list_key: str) -> ListTable:
    """The table of `list_key`. Raises KeyError when there is no such list."""
    kind, _, number = list_key.rpartition("_")
    if kind in _LIST_KINDS and number.isdecimal() and number == str(int(number)) != "0":
        for last, columns in _LIST_KINDS[kind]:
            if int(number) <= last:
                return ListTable(*columns)
    raise KeyError(list_key)


def list_resource(list_key: str) -> Resource:
    """The generic list `list_key`, an API of its own for every key. Raises KeyError."""
    list_table(list_key)
    return Resource(f"v1/{LISTS}{list_key}", "listItems", "GenericListEntity", "GenericList")


def store_name(resource: Resource) -> str:
    """What seeds and stores call an API: its name, `lists/KEY` for a generic list."""
    key = list_key_of(resource)
    return resource.name if key is None else LISTS + key


def list_key_of(resource: Resource) -> str | None:
    """The key of a generic list, None for any other API."""
    _, marker, key = resource.path.partition(f"/{LISTS}")
    return key if marker else None
