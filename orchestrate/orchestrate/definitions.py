"""The code location: `dagster dev -m orchestrate.definitions`."""

from __future__ import annotations

import dagster as dg

from orchestrate.assets import Assets
from orchestrate.checks import checks_of
from orchestrate.configuration import Configuration, Tenant, load_configuration
from orchestrate.executors import executor
from orchestrate.inbox_sensor import inbox_sensor
from orchestrate.jobs import jobs_of, schedules_of


def build(configuration: Configuration) -> dg.Definitions:
    """Return the definitions of all tenants."""
    return dg.Definitions.merge(
        dg.Definitions(executor=executor(configuration)),
        *(_of_tenant(tenant) for tenant in configuration.tenants),
    )


def _of_tenant(tenant: Tenant) -> dg.Definitions:
    jobs = jobs_of(tenant)
    return dg.Definitions(
        assets=Assets(tenant).all(),
        asset_checks=checks_of(tenant),
        jobs=list(jobs.values()),
        schedules=schedules_of(tenant, jobs),
        sensors=[inbox_sensor(tenant, jobs["invoices_noted"])],
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return what orchestrate.yml describes."""
    return build(load_configuration())
