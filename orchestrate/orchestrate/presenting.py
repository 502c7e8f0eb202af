"""Figures of the ledger as Dagster shows them: metadata of a materialization or a failure."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import JsonMetadataValue, MetadataValue, TableColumn, TableRecord, TableSchema

from orchestrate.configuration import Tenant
from orchestrate.figures import NAMED, Figures, Named

Metadata = dict[str, MetadataValue]

NAMED_COLUMNS = ("entity", "vendor", "number", "stream", "status", "reason")


def metadata(tenant: Tenant, partition: str, found: Figures, run_ids: Sequence[str]) -> Metadata:
    """Return what a run came to, and the commands that show more of it."""
    shown: Metadata = {status: MetadataValue.int(n) for status, n in found.counts.items()}
    shown["documents"] = MetadataValue.int(sum(found.counts.values()))
    if found.sums:
        shown["sums"] = _sums(found)
    if found.rejected:
        more = found.counts.get("rejected", 0) - len(found.rejected)
        shown["rejected_documents"] = table(found.rejected)
        if more > 0:
            shown["rejected_not_shown"] = MetadataValue.text(f"{more} more than {NAMED}")
    if found.undone:
        shown["without_outcome"] = table(found.undone)
    shown["ledger_runs"] = JsonMetadataValue(list(run_ids))
    shown["how_to_see_them"] = MetadataValue.md(_commands(tenant, partition))
    return shown


def table(rows: Sequence[Named]) -> MetadataValue:
    """Return documents as a table."""
    schema = TableSchema(columns=[TableColumn(name) for name in NAMED_COLUMNS])
    records = [TableRecord({name: getattr(row, name) for name in NAMED_COLUMNS}) for row in rows]
    return MetadataValue.table(records, schema=schema)


def _sums(found: Figures) -> MetadataValue:
    names = ("entity", "currency", "status", "count", "gross")
    schema = TableSchema(
        columns=[TableColumn(name, "int" if name == "count" else "string") for name in names]
    )
    records = [
        TableRecord(
            {
                "entity": each.entity or "(no legal entity)",
                "currency": each.currency,
                "status": each.status,
                "count": each.count,
                "gross": "unknown" if each.total is None else f"{each.total:f}",
            }
        )
        for each in found.sums
    ]
    return MetadataValue.table(records, schema=schema)


def _commands(tenant: Tenant, partition: str) -> str:
    meltano = f"meltano --environment={tenant.environment} invoke singer-delivery"
    narrowed = f" --entity {partition}" if partition in tenant.legal_entities else ""
    lines = (
        f"{meltano} list --status rejected{narrowed}",
        f"{meltano} list --status in_doubt --status stuck{narrowed}",
        f"{meltano} runs",
        f"{meltano} show NUMBER",
    )
    return "\n".join(["```", *lines, "```"])
