"""One step of Dagster: a flow is run, and ends as figures, as a retry, or as a failure in words."""

from __future__ import annotations

from dagster import AssetExecutionContext, Failure, MetadataValue, RetryRequested
from singer_delivery.errors import DeliveryError, LedgerError

from orchestrate import healing
from orchestrate.configuration import Tenant
from orchestrate.figures import Figures, figures, in_words, ledger_at, open_documents
from orchestrate.flows import Flow
from orchestrate.meltano_run import Ended, run, setting
from orchestrate.presenting import Metadata, metadata

NOTHING = Figures(counts={})


def carry_out(context: AssetExecutionContext, tenant: Tenant, flow: Flow) -> Ended:
    """Run a flow; raises Failure, or RetryRequested where the failure heals by itself."""

    def say(level: str, line: str) -> None:
        known = {"warning": context.log.warning, "error": context.log.error}
        known.get(level, context.log.info)(line)

    try:
        ended = run(tenant, flow, say)
        if ended.code == 0:
            return ended
        found, undone = _look(tenant, ended)
    except DeliveryError as error:
        raise Failure(str(error), allow_retries=False) from None
    partition = context.partition_key if context.has_partition_key else ""
    failure = _failure(tenant, partition, ended, found)
    tried = context.retry_number
    if healing.heals(ended.failures, undone) and tried < tenant.retries.most:
        wait = healing.pause(tenant.retries.pause_seconds, tried)
        context.log.warning(f"{failure.description}\nthis may heal: again in {wait:g} s")
        raise RetryRequested(max_retries=tenant.retries.most, seconds_to_wait=wait) from failure
    raise failure


def told(tenant: Tenant, partition: str, ended: Ended, source: str = "") -> Metadata:
    """Return the metadata of what a run delivered, of all or of one stream of its source."""
    found = NOTHING
    if ended.run_ids:
        try:
            with ledger_at(_ledger_url(tenant)) as connection:
                found = figures(connection, ended.run_ids, source)
        except DeliveryError as error:  # all is delivered nevertheless
            return {"figures": MetadataValue.text(f"cannot be told: {error}")}
    return metadata(tenant, partition, found, ended.run_ids)


def _look(tenant: Tenant, ended: Ended) -> tuple[Figures, int]:
    """Return what a failed run came to, and how many documents it left open."""
    if not ended.run_ids:
        return NOTHING, 0
    try:
        with ledger_at(_ledger_url(tenant)) as connection:
            undone = open_documents(connection, ended.run_ids)
            return figures(connection, ended.run_ids), undone
    except LedgerError:
        return NOTHING, 0  # that is what the plugins failed on


def _failure(tenant: Tenant, partition: str, ended: Ended, found: Figures) -> Failure:
    description = healing.words(ended.failures, ended.last_lines)
    if found.undone:
        description += f"\nwithout outcome:\n{in_words(found.undone)}"
    shown: Metadata = metadata(tenant, partition, found, ended.run_ids)
    shown["exit_code"] = MetadataValue.int(ended.code)
    return Failure(description, metadata=shown, allow_retries=False)


def _ledger_url(tenant: Tenant) -> str:
    return setting(tenant, "target-d365fo", "ledger_url")
