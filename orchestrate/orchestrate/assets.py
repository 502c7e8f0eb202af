"""A tenant's assets: what each system holds of the other, by legal entity, and the lineage."""

# Annotations stay objects: Dagster reads that of `context`.

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from orchestrate import flows, naming
from orchestrate.carrying_out import carry_out, told
from orchestrate.configuration import Tenant
from orchestrate.flows import ENTITY_STREAMS, SHARED_STREAMS, UNMAPPED, Flow

#: What a stream of masters refers to, and so comes after.
AFTER = {
    "vendors": ("payment_terms",),
    "purchase_order_headers": ("vendors",),
    "purchase_order_lines": ("purchase_order_headers", "main_accounts", "dimension_values"),
}
#: What invoices are coded and matched with.
CODED_WITH = (
    "main_accounts",
    "dimension_values",
    "tax_combinations",
    "vendors",
    "purchase_order_lines",
)
Results = Iterator[dg.MaterializeResult[Any]]


@dataclass(frozen=True)
class Assets:
    """The assets of one tenant. Invoices have one partition more: companies that are not mapped."""

    tenant: Tenant

    @property
    def entities(self) -> dg.StaticPartitionsDefinition:
        """One partition a legal entity of mapping.yml."""
        return dg.StaticPartitionsDefinition(list(self.tenant.legal_entities))

    @property
    def mailboxes(self) -> dg.StaticPartitionsDefinition:
        """The same, and one for invoices that no legal entity can be found for."""
        return dg.StaticPartitionsDefinition([*self.tenant.legal_entities, UNMAPPED])

    def all(self) -> list[dg.AssetsDefinition | dg.AssetSpec]:
        """Return what runs materialize, and what they read."""
        return [
            *self._sources(),
            self._shared_masters(),
            self._entity_masters(),
            self._invoices(),
            self._confirmations(),
            self._payments(),
            self._noted(),
        ]

    def _sources(self) -> list[dg.AssetSpec]:
        told_of = {
            naming.MASTER_DATA: "Masters and purchase orders as Dynamics has them.",
            naming.SETTLEMENTS: "Vendor invoices that people in Dynamics have posted and paid.",
            naming.APPROVED: "Invoices that wait for transfer.",
        }
        return [
            dg.AssetSpec(self._key(place), description=words, group_name=self.tenant.name)
            for place, words in told_of.items()
        ]

    def _shared_masters(self) -> dg.AssetsDefinition:
        tenant = self.tenant

        @dg.multi_asset(
            name=naming.job_name(tenant, "masters_of_all"),
            specs=[self._master(stream) for stream in SHARED_STREAMS],
            can_subset=True,
            pool=naming.pool(tenant, naming.BASWARE),
        )
        def shared_masters(context: dg.AssetExecutionContext) -> Results:
            yield from self._masters(context, flows.shared_masters)

        return shared_masters

    def _entity_masters(self) -> dg.AssetsDefinition:
        tenant = self.tenant

        @dg.multi_asset(
            name=naming.job_name(tenant, "masters_of_one"),
            specs=[self._master(stream) for stream in ENTITY_STREAMS],
            partitions_def=self.entities,
            can_subset=True,
            pool=naming.pool(tenant, "masters"),
        )
        def entity_masters(context: dg.AssetExecutionContext) -> Results:
            entity = context.partition_key
            yield from self._masters(context, lambda names: flows.entity_masters(entity, names))

        return entity_masters

    def _masters(
        self, context: dg.AssetExecutionContext, flow: Callable[[Sequence[str]], Flow]
    ) -> Results:
        """Run the streams that are asked for, and tell of each by itself."""
        streams = naming.streams_of(self.tenant)
        chosen = sorted(context.selected_asset_keys)
        ended = carry_out(context, self.tenant, flow([streams[key] for key in chosen]))
        for key in chosen:
            shown = told(self.tenant, _partition(context), ended, streams[key])
            yield dg.MaterializeResult(asset_key=key, metadata=shown)

    def _invoices(self) -> dg.AssetsDefinition:
        tenant = self.tenant

        @dg.asset(
            key=self._key(naming.INVOICES),
            group_name=tenant.name,
            deps=[
                self._key(naming.APPROVED),
                *(self._of_entity(naming.master_key(tenant, name)) for name in CODED_WITH),
            ],
            partitions_def=self.mailboxes,
            pool=naming.pool(tenant, naming.DYNAMICS),
            kinds={"meltano"},
            description="Approved invoices as pending vendor invoices, or rejected with a reason.",
        )
        def vendor_invoices(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
            return self._one(context, flows.invoices(tenant, context.partition_key))

        return vendor_invoices

    def _confirmations(self) -> dg.AssetsDefinition:
        tenant = self.tenant

        @dg.asset(
            key=self._key(naming.CONFIRMATIONS),
            group_name=tenant.name,
            deps=[self._key(naming.INVOICES)],
            partitions_def=self.mailboxes,
            pool=naming.pool(tenant, naming.BASWARE),
            kinds={"meltano"},
            description="What became of each invoice: its voucher, or the reason why not.",
        )
        def transfer_confirmations(
            context: dg.AssetExecutionContext,
        ) -> dg.MaterializeResult[Any]:
            return self._one(context, flows.confirmations(tenant, context.partition_key))

        return transfer_confirmations

    def _payments(self) -> dg.AssetsDefinition:
        tenant = self.tenant

        @dg.asset(
            key=self._key(naming.PAYMENTS),
            group_name=tenant.name,
            deps=[
                self._key(naming.SETTLEMENTS),
                self._of_entity(self._key(naming.CONFIRMATIONS)),
            ],
            partitions_def=self.entities,
            pool=naming.pool(tenant, naming.BASWARE),
            kinds={"meltano"},
            description="What was paid of each invoice, and when.",
        )
        def payments(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
            return self._one(context, flows.payments(context.partition_key))

        return payments

    def _noted(self) -> dg.AssetsDefinition:
        tenant = self.tenant

        @dg.asset(
            key=self._key(naming.NOTED),
            group_name=tenant.name,
            deps=[self._key(naming.APPROVED)],
            pool=naming.pool(tenant, naming.DYNAMICS),
            kinds={"meltano"},
            description="Invoices that Basware has notified of, delivered and confirmed at once, "
            "of whatever legal entity: which one it is shows only when they are read.",
        )
        def notified_invoices(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
            return self._one(context, flows.noted())

        return notified_invoices

    def _one(self, context: dg.AssetExecutionContext, flow: Flow) -> dg.MaterializeResult[Any]:
        ended = carry_out(context, self.tenant, flow)
        return dg.MaterializeResult(metadata=told(self.tenant, _partition(context), ended))

    def _master(self, stream: str) -> dg.AssetSpec:
        after = [naming.master_key(self.tenant, name) for name in AFTER.get(stream, ())]
        return dg.AssetSpec(
            naming.master_key(self.tenant, stream),
            deps=[self._key(naming.MASTER_DATA), *after],
            group_name=self.tenant.name,
            kinds={"meltano"},
            description=f"What Basware has of the stream {stream}, in step with Dynamics.",
        )

    def _of_entity(self, key: dg.AssetKey) -> dg.AssetDep:
        """Return a dependency on the same legal entity; what is not partitioned, is for all."""
        shared = {naming.master_key(self.tenant, stream) for stream in SHARED_STREAMS}
        if key in shared:
            return dg.AssetDep(key)
        same = {entity: entity for entity in self.tenant.legal_entities}
        return dg.AssetDep(key, partition_mapping=dg.StaticPartitionMapping(same))

    def _key(self, place: tuple[str, str]) -> dg.AssetKey:
        return naming.key(self.tenant, place)


def _partition(context: dg.AssetExecutionContext) -> str:
    return context.partition_key if context.has_partition_key else ""
