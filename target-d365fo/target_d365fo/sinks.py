"""The sinks: invoices by either stream, and any other stream into an entity set."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_delivery.consigning import ConsigningDelivery
from singer_delivery.courier import Courier
from singer_delivery.delivery import Delivery
from singer_delivery.errors import SetupError
from singer_delivery.sink import DeliverySink
from tap_d365fo.dimensions import DimensionFormats

from target_d365fo.courier import InvoiceCourier, InvoiceRules, InvoiceSource
from target_d365fo.entity_courier import EntityCourier
from target_d365fo.entity_rules import EntityRules
from target_d365fo.sources import basware_source, canonical_source

if TYPE_CHECKING:
    from target_d365fo.target import TargetD365FO


class InvoiceSink(DeliverySink):
    """Invoices of a stream that `source` can read."""

    target: TargetD365FO

    @property
    def source(self) -> InvoiceSource:
        """How a record becomes an invoice."""
        raise NotImplementedError

    def formats(self) -> DimensionFormats:
        """Ask Dynamics for what invoices have to fit: only when there is one."""
        return self.target.dimension_formats

    @property
    def together(self) -> tuple[int, int]:
        """The least and the most invoices of a request; one where Dynamics numbers the headers."""
        if self.config["header_reference"] != "derived":
            return 1, 1
        return self.config["min_invoices_per_request"], self.config["max_invoices_per_request"]

    @property
    def way(self) -> type[Delivery]:
        """In consignments where there are data packages."""
        return ConsigningDelivery if self.target.loads_packages else Delivery

    @cached_property
    def courier(self) -> Courier:
        """The way of invoices into Dynamics."""
        config = self.config
        return InvoiceCourier(
            self.target.client,
            self.source,
            self.formats,
            self.target.invoice_lookup,
            InvoiceRules(
                derived_reference=config["header_reference"] == "derived",
                reference_prefix=self.target.reference_prefix,
                replace_pending=config["replace_pending"],
                posted_description_lookup=config["posted_description_lookup"],
                credit_correction=config["credit_correction"],
            ),
            packager=self.target.new_packager(),
            executions=self.target.executions,
        )


class VendorInvoiceSink(InvoiceSink):
    """The canonical stream `vendor_invoices`."""

    @property
    def source(self) -> InvoiceSource:
        """How a record becomes an invoice."""
        return canonical_source()


class AccountingDocumentSink(InvoiceSink):
    """Basware's `accounting_documents`."""

    @property
    def source(self) -> InvoiceSource:
        """How a record becomes an invoice; the mapping is read now, before anything is sent."""
        return basware_source(self.target.mapping, tuple(self.config["processing_statuses"]))

    def formats(self) -> DimensionFormats:
        """Ask Dynamics for that, and for the fields that only the mapping knows."""
        self.target.check_mapped_fields()
        return super().formats()


class EntitySink(DeliverySink):
    """Any other stream, into the entity set that `entity_sets` names."""

    target: TargetD365FO

    @cached_property
    def courier(self) -> Courier:
        """The way of these records into their entity set; raises SetupError."""
        if self.config["load_method"] == "package":
            msg = (
                f"load_method: package is for invoices, and {self.stream_name} goes to an entity "
                "set: deliver it by a target-d365fo of its own, with load_method: batch"
            )
            raise SetupError(msg)
        rules = EntityRules.of(
            self.target.role(self.stream_name),
            self.config.get("entity_sets") or {},
            self.target.metadata,
        )
        rules.check_names(self.schema.get("properties", {}))
        return EntityCourier(
            self.target.client, rules, self.stream_name, tuple(self.key_properties)
        )
