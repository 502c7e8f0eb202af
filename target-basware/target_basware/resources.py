"""Basware's import APIs as one table (reference 2, 3.2 to 3.7, 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LISTS = "lists/"
#: A request body may have so many bytes (reference 4.2).
LARGEST_BODY = 6_000_000

_CLOSED_LINE = {"isDeleted": True, "isClosed": True}


@dataclass(frozen=True)
class Resource:
    """One import API. `name` is also the ledger's; a generic list is an API of its own.

    `rank`: lower ones are sent first, since higher ones refer to them. `entity_type` is its name
    among the request statuses; None = it is not reported there. `off` is what inactivates a
    record; where it is None, each company of the record has a flag `active`.
    """

    name: str
    path: str
    rank: int
    entity_type: str | None = None
    key: str = "externalCode"
    max_records: int = 500
    off: Mapping[str, Any] | None = None
    patchable: bool = True

    @property
    def api(self) -> str:
        """What scopes call it."""
        return self.path.split("/")[1]

    @property
    def write_scope(self) -> str:
        """The OAuth2 scope that writing needs (reference 1.4)."""
        return f"{self.api}.write"

    @property
    def by_company(self) -> bool:
        """Whether a record is active or not in each of its companies."""
        return self.off is None


RESOURCES: Mapping[str, Resource] = {
    resource.name: resource
    for resource in (
        Resource(
            "companies",
            "v1/companies",
            0,
            key="companyCode",
            off={"active": False},
            patchable=False,
        ),
        Resource("paymentTerms", "v1/paymentTerms", 1, "PaymentTerm"),
        Resource("taxCodes", "v1/taxCodes", 1, "TaxCode"),
        Resource("exchangeRates", "v1/exchangeRates", 1, "ExchangeRate"),
        Resource("accounts", "v1/accounts", 1, "Account"),
        Resource("costCenters", "v1/costCenters", 1, "CostCenter"),
        Resource("projects", "v2/projects", 1, "Project"),
        Resource("advancedValidations", "v1/advancedValidations", 2, "AdvancedValidation"),
        Resource(
            "vendors",
            "v1/vendors",
            3,
            "Vendor",
            max_records=200,
            off={"processingStatus": {"active": False}},
        ),
        Resource("matchingOrders", "v1/matchingOrders", 4, "MatchingOrder", off={"isClosed": True}),
        Resource(
            "matchingOrderLines",
            "v1/matchingOrderLines",
            5,
            "MatchingOrderLine",
            max_records=100,
            off=_CLOSED_LINE,
        ),
    )
}


def resource(name: str) -> Resource | None:
    """Return an API by its name, `lists/KEY` for a generic list, or None where there is none."""
    if name.startswith(LISTS) and "/" not in (key := name.removeprefix(LISTS)) and key:
        return Resource(name, f"v1/{LISTS}{key}", 1, "GenericList")
    return RESOURCES.get(name)


def named(spelling: str) -> str | None:
    """Return the name of an API that is spelt with or without underscores or capitals.

    `lists` alone stands for any generic list; its records name theirs. None where there is none.
    """
    if spelling.startswith(LISTS):
        return spelling if resource(spelling) else None
    folded = spelling.replace("_", "").lower()
    return next((name for name in (*RESOURCES, "lists") if name.lower() == folded), None)
