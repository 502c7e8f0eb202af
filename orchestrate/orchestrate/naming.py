"""The names of a tenant's assets, jobs and pools: tenant / system / what it holds."""

from __future__ import annotations

from dagster import AssetKey

from orchestrate.configuration import Tenant
from orchestrate.flows import ENTITY_STREAMS, SHARED_STREAMS

BASWARE, DYNAMICS = "basware", "dynamics"
MASTER_DATA = (DYNAMICS, "master_data")
SETTLEMENTS = (DYNAMICS, "settlements")
APPROVED = (BASWARE, "approved_invoices")
INVOICES = (DYNAMICS, "vendor_invoices")
CONFIRMATIONS = (BASWARE, "transfer_confirmations")
PAYMENTS = (BASWARE, "payments")
NOTED = (BASWARE, "notified_invoices")
#: Streams of tap-d365fo whose asset has a plainer name.
PLAIN = {"tax_combinations": "tax_codes", "purchase_order_headers": "purchase_orders"}


def key(tenant: Tenant, place: tuple[str, str]) -> AssetKey:
    """Return the key of an asset."""
    return AssetKey([tenant.name, *place])


def master_key(tenant: Tenant, stream: str) -> AssetKey:
    """Return the key of what becomes of a stream of masters in Basware."""
    return key(tenant, (BASWARE, PLAIN.get(stream, stream)))


def streams_of(tenant: Tenant) -> dict[AssetKey, str]:
    """Return the streams of masters by the keys of their assets."""
    return {master_key(tenant, stream): stream for stream in (*SHARED_STREAMS, *ENTITY_STREAMS)}


def job_name(tenant: Tenant, job: str) -> str:
    """Return the name of a job of a tenant."""
    return f"{tenant.name}_{job}"


def pool(tenant: Tenant, system: str) -> str:
    """Return the pool of a system that is written to: its limit is set in the instance."""
    return f"{tenant.name}_{system}"
