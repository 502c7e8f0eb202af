"""What Meltano runs for each asset, and how a run is narrowed to one legal entity.

Shared masters (charts of accounts, dimensions, rates) are never narrowed: an account that two legal
entities use would be made inactive for the one that a run does not see. All other streams have rows
of one legal entity each, and a crawl says nothing of those that it does not show.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from orchestrate.configuration import Tenant

#: The partition of invoices whose company stands nowhere in mapping.yml: they are rejected, with
#: words, instead of waiting for ever. No legal entity has a name of more than four characters.
UNMAPPED = "unmapped"
SHARED = "shared"
NOTED = "noted"

SHARED_STREAMS = ("legal_entities", "exchange_rates", "main_accounts", "dimension_values")
ENTITY_STREAMS = (
    "payment_terms",
    "tax_combinations",
    "vendors",
    "purchase_order_headers",
    "purchase_order_lines",
)


@dataclass(frozen=True)
class Flow:
    """One `meltano run`. State is kept apart by `suffix`; `settings` are environment variables."""

    blocks: tuple[str, ...]
    suffix: str
    settings: Mapping[str, str]

    @property
    def folder(self) -> str:
        """A folder's name of its own: Meltano writes catalogs that two runs must not share."""
        return "-".join((self.blocks[0], self.suffix)) if self.suffix else "-".join(self.blocks)


def shared_masters(streams: Collection[str]) -> Flow:
    """Masters that legal entities share, read whole."""
    settings = {"TAP_D365FO_MASTERS__SELECT_FILTER": _chosen(streams, SHARED_STREAMS)}
    return Flow(("tap-d365fo-masters", "target-basware"), SHARED, settings)


def entity_masters(entity: str, streams: Collection[str]) -> Flow:
    """Masters and purchase orders of one legal entity."""
    settings = {
        "TAP_D365FO_MASTERS_COMPANIES": json.dumps([entity]),
        "TAP_D365FO_MASTERS__SELECT_FILTER": _chosen(streams, ENTITY_STREAMS),
    }
    return Flow(("tap-d365fo-masters", "target-basware"), entity, settings)


def invoices(tenant: Tenant, partition: str) -> Flow:
    """Approved invoices of one legal entity, or of companies that the mapping does not have."""
    if partition == UNMAPPED:
        condition = f"companyCode not in {sorted(tenant.mapping.companies)!r}"
        settings = {"TAP_BASWARE_STREAM_MAPS": _only("accounting_documents", condition)}
    else:
        codes = json.dumps(tenant.mapping.company_codes(partition))
        settings = {"TAP_BASWARE_COMPANY_CODES": codes}
    return Flow(("tap-basware", "target-d365fo"), partition, settings)


def confirmations(tenant: Tenant, partition: str) -> Flow:
    """What became of them, as the ledger has it."""
    condition = (
        f"legal_entity not in {sorted(tenant.legal_entities)!r}"
        if partition == UNMAPPED
        else f"legal_entity == {partition!r}"
    )
    settings = {"TAP_D365FO_STREAM_MAPS": _only("transfer_outcomes", condition)}
    return Flow(("tap-d365fo", "target-basware"), partition, settings)


def payments(entity: str) -> Flow:
    """Settlements that one legal entity keeps."""
    settings = {"TAP_D365FO_PAYMENTS_COMPANIES": json.dumps([entity])}
    return Flow(("tap-d365fo-payments", "target-basware"), entity, settings)


def noted() -> Flow:
    """Invoices that Basware has notified of, whichever legal entity's, and their confirmations."""
    blocks = ("tap-basware-noted", "target-d365fo", "tap-d365fo", "target-basware")
    return Flow(blocks, NOTED, {})


def _chosen(streams: Collection[str], order: Collection[str]) -> str:
    return json.dumps([name for name in order if name in streams])


def _only(stream: str, condition: str) -> str:
    return json.dumps({stream: {"__filter__": condition}})
