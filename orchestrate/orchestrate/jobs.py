"""Jobs and schedules of a tenant: one run a legal entity, and never two of one at the same time."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
from dagster import AssetSelection

from orchestrate import naming
from orchestrate.configuration import Tenant
from orchestrate.flows import ENTITY_STREAMS, SHARED_STREAMS, UNMAPPED

UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
PARTITION_TAG = "dagster/partition"
Job = dg.JobDefinition
#: Job -> the schedule in meltano.yml that it follows.
SCHEDULES = {
    "shared_masters": "masters",
    "masters": "masters",
    "invoices": "invoices",
    "payments": "payments",
    "reconcile": "reconcile",
}


def jobs_of(tenant: Tenant) -> dict[str, dg.UnresolvedAssetJobDefinition]:
    """Return the jobs of a tenant by their short names."""

    def masters(streams: tuple[str, ...]) -> AssetSelection:
        return AssetSelection.assets(*(naming.master_key(tenant, name) for name in streams))

    def places(*chosen: tuple[str, str]) -> AssetSelection:
        return AssetSelection.assets(*(naming.key(tenant, place) for place in chosen))

    selections = {
        "shared_masters": masters(SHARED_STREAMS),
        "masters": masters(ENTITY_STREAMS),
        "invoices": places(naming.INVOICES, naming.CONFIRMATIONS).without_checks(),
        "invoices_noted": places(naming.NOTED),
        "payments": places(naming.PAYMENTS),
        "reconcile": AssetSelection.checks_for_assets(naming.key(tenant, naming.INVOICES)),
    }
    return {
        name: dg.define_asset_job(naming.job_name(tenant, name), selection)
        for name, selection in selections.items()
    }


def schedules_of(
    tenant: Tenant, jobs: dict[str, dg.UnresolvedAssetJobDefinition]
) -> list[dg.ScheduleDefinition]:
    """Return the schedules of those jobs that have an interval."""
    return [
        _schedule(tenant, name, job, tenant.schedules[SCHEDULES[name]])
        for name, job in jobs.items()
        if SCHEDULES.get(name) in tenant.schedules
    ]


def partitions_of(tenant: Tenant, name: str) -> tuple[str, ...]:
    """Return the partitions of a job; none for one without."""
    entities = tenant.legal_entities
    of_jobs = {"masters": entities, "payments": entities, "invoices": (*entities, UNMAPPED)}
    return of_jobs.get(name, ())


def _schedule(
    tenant: Tenant, name: str, job: dg.UnresolvedAssetJobDefinition, cron: str
) -> dg.ScheduleDefinition:
    partitions = partitions_of(tenant, name)

    @dg.schedule(
        name=f"{job.name}_schedule",
        cron_schedule=cron,
        job=job,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING
        if tenant.started
        else dg.DefaultScheduleStatus.STOPPED,
    )
    def schedule(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        busy = at_work(context.instance, job.name)
        moment = context.scheduled_execution_time.isoformat()
        if not partitions:
            if busy:
                yield dg.SkipReason("the run before is not over yet")
            else:
                yield dg.RunRequest(run_key=moment)
            return
        free = [partition for partition in partitions if partition not in busy]
        if not free:
            yield dg.SkipReason("the runs before are not over yet")
        for partition in free:
            yield dg.RunRequest(run_key=f"{moment} {partition}", partition_key=partition)

    return schedule


def at_work(instance: dg.DagsterInstance, job: str) -> set[str]:
    """Return the partitions of a job's runs that are not over; "" for one without partition."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNFINISHED))
    return {run.tags.get(PARTITION_TAG, "") for run in runs}
