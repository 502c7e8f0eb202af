"""Asset checks: the reconciliation of ledger, Basware and Dynamics, and what waits for a person."""

# Annotations stay objects: Dagster reads that of `context`.

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
from singer_delivery.differences import Kind
from singer_delivery.errors import DeliveryError

from orchestrate import naming
from orchestrate.configuration import Tenant
from orchestrate.figures import Named, attention, ledger_at
from orchestrate.meltano_run import ask, setting
from orchestrate.presenting import Metadata, table

#: Differences that the next run settles by itself, mostly.
PASSING = frozenset({Kind.WAITING, Kind.UNCONFIRMED, Kind.IN_DOUBT, Kind.OPEN})
#: What belongs to no legal entity of mapping.yml.
ELSEWHERE = "elsewhere"
DIFFERENCES_SHOWN = 100

Row = Mapping[str, Any]


def checks_of(tenant: Tenant) -> list[dg.AssetChecksDefinition]:
    """Return the checks of a tenant, each with one result a legal entity."""
    return [
        _checks(tenant, "reconciled", "Ledger, Basware and Dynamics agree.", _reconciled),
        _checks(tenant, "nothing_open", "No document is stuck or in doubt.", _nothing_open),
    ]


def _checks(
    tenant: Tenant,
    name: str,
    words: str,
    look: Callable[[Tenant], Callable[[str], dg.AssetCheckResult]],
) -> dg.AssetChecksDefinition:
    key = naming.key(tenant, naming.INVOICES)
    places = {f"{name}_{place}": place for place in (*tenant.legal_entities, ELSEWHERE)}
    specs = [
        dg.AssetCheckSpec(check, asset=key, description=f"{place}: {words}")
        for check, place in places.items()
    ]

    @dg.multi_asset_check(name=naming.job_name(tenant, name), specs=specs, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        try:
            judge = look(tenant)
        except DeliveryError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        for chosen in sorted(context.selected_asset_check_keys):
            result = judge(places[chosen.name])
            yield result._replace(asset_key=key, check_name=chosen.name)

    return checks


def _reconciled(tenant: Tenant) -> Callable[[str], dg.AssetCheckResult]:
    command = ("invoke", "singer-delivery", "reconcile", "--format", "jsonl")
    done = ask(tenant, *command)
    rows = _rows(done.stdout)
    verdict = next((row for row in rows if row.get("type") == "verdict"), None)
    if verdict is None:
        lines = [*done.stdout.strip().splitlines(), *done.stderr.strip().splitlines()]
        said = lines[-1] if lines else f"exit code {done.returncode}"
        msg = f"it cannot be told whether both sides agree: {said}"
        raise dg.Failure(msg, allow_retries=False)
    sums = _by_place(tenant, (row for row in rows if row.get("type") == "sums"))
    differences = _by_place(tenant, (row for row in rows if row.get("type") == "difference"))
    notes = [str(note) for note in verdict.get("notes") or ()]
    return lambda place: reconciliation(sums[place], differences[place], notes)


def reconciliation(
    sums: Sequence[Row], differences: Sequence[Row], notes: Sequence[str]
) -> dg.AssetCheckResult:
    """Judge the rows of one legal entity; what passes by itself mostly is only a warning."""
    lasting = [row for row in differences if row["kind"] not in PASSING]
    shown: dict[str, Any] = {
        "differences": dg.MetadataValue.int(len(differences)),
        "sums": dg.MetadataValue.json([dict(row) for row in sums]),
        "found": dg.MetadataValue.json([dict(row) for row in differences[:DIFFERENCES_SHOWN]]),
    }
    if len(differences) > DIFFERENCES_SHOWN:
        shown["shown"] = dg.MetadataValue.text(f"the first {DIFFERENCES_SHOWN}")
    if notes:
        shown["notes"] = dg.MetadataValue.json(list(notes))
    return dg.AssetCheckResult(
        passed=not differences,
        severity=dg.AssetCheckSeverity.ERROR if lasting else dg.AssetCheckSeverity.WARN,
        description="; ".join(str(row["words"]) for row in differences[:3]) or "they agree",
        metadata=shown,
    )


def _nothing_open(tenant: Tenant) -> Callable[[str], dg.AssetCheckResult]:
    with ledger_at(setting(tenant, "target-d365fo", "ledger_url")) as connection:
        found = attention(connection)
    by_place: dict[str, list[Named]] = defaultdict(list)
    for one in found:
        by_place[_place(tenant, one.entity)].append(one)
    return lambda place: standing(by_place[place])


def standing(found: Sequence[Named]) -> dg.AssetCheckResult:
    """Judge what is open of one legal entity: what is stuck needs a person."""
    stuck = sum(one.status == "stuck" for one in found)
    shown: Metadata = {
        "open": dg.MetadataValue.int(len(found) - stuck),
        "stuck": dg.MetadataValue.int(stuck),
    }
    if found:
        shown["documents"] = table(found[:DIFFERENCES_SHOWN])
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.ERROR if stuck else dg.AssetCheckSeverity.WARN,
        description=f"{stuck} stuck, {len(found) - stuck} without an outcome yet",
        metadata=shown,
    )


def _by_place(tenant: Tenant, rows: Iterable[Row]) -> Mapping[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[_place(tenant, str(row.get("legal_entity") or ""))].append(row)
    return found


def _place(tenant: Tenant, entity: str) -> str:
    return entity.lower() if entity.lower() in tenant.legal_entities else ELSEWHERE


def _rows(text: str) -> list[Row]:
    rows: list[Row] = []
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            rows.append(found)
    return rows
