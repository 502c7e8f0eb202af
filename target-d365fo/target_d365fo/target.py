"""The target's command line, settings and what its sinks share."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from ap_mapping import Mapping, MappingError, load_mapping
from singer_delivery.errors import Refused, SetupError
from singer_delivery.target import DELIVERY_SETTINGS, DeliveryTarget
from singer_sdk import typing as th
from singer_sdk.sinks import Sink
from tap_d365fo.client import D365Client
from tap_d365fo.connection import check_connection
from tap_d365fo.data_management import DataManagement
from tap_d365fo.dimensions import DimensionFormats
from tap_d365fo.metadata import Metadata, MetadataCache, default_cache_folder
from tap_d365fo.settings import CONNECTION_SETTINGS, build_client

from target_d365fo.executions import Executions, Patience
from target_d365fo.lookup import POSTED, InvoiceLookup
from target_d365fo.package import Form
from target_d365fo.packaging import Packager, PackageRules
from target_d365fo.payload import HEADERS, LINES, LONGEST_PREFIX
from target_d365fo.settings import ENTITY_SETTINGS, INVOICE_SETTINGS
from target_d365fo.sinks import AccountingDocumentSink, EntitySink, VendorInvoiceSink

PREFIX = re.compile(rf"[A-Z0-9]{{0,{LONGEST_PREFIX}}}")
INVOICE_SINKS: dict[str, type[Sink]] = {
    "accounting_documents": AccountingDocumentSink,
    "vendor_invoices": VendorInvoiceSink,
}


class TargetD365FO(DeliveryTarget):
    """Writes vendor invoices, and any other stream, to Dynamics 365 Finance & Operations."""

    name = "target-d365fo"
    package_name = "target-d365fo"
    config_jsonschema = th.PropertiesList(
        *CONNECTION_SETTINGS, *INVOICE_SETTINGS, *ENTITY_SETTINGS, *DELIVERY_SETTINGS
    ).to_dict()

    @property
    def system(self) -> str:
        """Return the origin of the environment."""
        return self.client.environment

    @cached_property
    def client(self) -> D365Client:
        """The OData client, shared by all sinks and threads."""
        return build_client(self.config, connections=self.config["max_connections"])

    @cached_property
    def mapping(self) -> Mapping:
        """The mapping; raises SetupError naming file, line and remedy."""
        try:
            return load_mapping(self.config["mapping_file"])
        except MappingError as error:
            raise SetupError(str(error)) from None

    def check_mapped_fields(self) -> None:
        """Ask Dynamics for the fields that only the mapping knows. Raises SetupError."""
        entities = [self.mapping.for_legal_entity(name) for name in self.mapping.legal_entities]
        self._check_fields(HEADERS, {name for e in entities for name in e.header.fields})
        self._check_fields(LINES, {name for e in entities for name in e.line.fields})

    def _check_fields(self, entity_set: str, names: set[str]) -> None:
        """Raise SetupError for a field that only the mapping knows: it would reject every invoice.

        One row is read with these fields, which costs less than all of $metadata.
        """
        if not names:
            return
        try:
            next(iter(self.client.read(entity_set, select=sorted(names), top=1)), None)
        except Refused as error:
            section = "header" if entity_set == HEADERS else "line"
            msg = f"{self.config['mapping_file']}, {section}.fields: {error}"
            raise SetupError(msg) from None

    @cached_property
    def dimension_formats(self) -> DimensionFormats:
        """The environment's dimension formats, as far as the settings do not give them."""
        return DimensionFormats.load(
            self.client,
            default=self.config.get("default_dimension_format") or "",
            ledger=self.config.get("ledger_dimension_format") or "",
            delimiter=self.config.get("dimension_delimiter") or "",
        )

    @cached_property
    def metadata(self) -> Metadata:
        """What the environment says of its entity sets."""
        return MetadataCache(default_cache_folder()).load(self.client)

    @cached_property
    def invoice_lookup(self) -> InvoiceLookup:
        """Where invoices are looked for."""
        return InvoiceLookup(self.client, posted=self.config["posted_lookup"])

    @cached_property
    def data_management(self) -> DataManagement:
        """Where data packages are imported."""
        return DataManagement(self.client)

    @cached_property
    def executions(self) -> Executions:
        """What becomes of imports: of this run's, and of those that earlier ones left."""
        config = self.config
        patience = Patience(
            poll=float(config["package_poll_seconds"]),
            limit=config["package_limit_seconds"],
            start_limit=config["package_start_limit_seconds"],
        )
        return Executions(self.data_management, patience)

    @property
    def loads_packages(self) -> bool:
        """Whether invoices go in data packages; raises SetupError where they cannot."""
        if self.config["load_method"] != "package":
            return False
        if self.config["header_reference"] != "derived":
            msg = (
                "load_method: package needs header_reference: derived, because the lines in a "
                "package name their header; use batch where Dynamics numbers the headers"
            )
            raise SetupError(msg)
        return True

    def new_packager(self) -> Packager | None:
        """Return what makes packages, None where there are none; raises SetupError."""
        config = self.config
        if not self.loads_packages:
            return None
        form = Form(
            project=config["data_project"],
            source_format=config["package_source_format"],
            date_format=config["package_date_format"],
        )
        rules = PackageRules(
            form=form,
            header_entity=config["package_header_entity"],
            line_entity=config["package_line_entity"],
            most_invoices=config["max_invoices_per_package"],
            on_hold=config["package_on_hold"],
        )
        return Packager(self.data_management, rules)

    @property
    def reference_prefix(self) -> str:
        """How derived header references start; raises SetupError for an unusable one."""
        prefix = str(self.config["header_reference_prefix"])
        if not PREFIX.fullmatch(prefix):
            msg = (
                f"header_reference_prefix {prefix!r}: use up to {LONGEST_PREFIX} capital letters "
                "or digits"
            )
            raise SetupError(msg)
        return prefix

    def role(self, stream_name: str) -> str:
        """Return what a stream is to us: its own name, unless stream_roles says otherwise."""
        roles = self.config.get("stream_roles") or {}
        return str(roles.get(stream_name, stream_name))

    def sink_for(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream; any stream but invoices goes to an entity set."""
        return INVOICE_SINKS.get(self.role(stream_name), EntitySink)

    def check_connection(self) -> str:
        """Get a token, read what a delivery reads, check the mapping; write nothing."""
        found = check_connection(self.client)
        formats = self.dimension_formats
        next(iter(self.client.read(HEADERS, select=["HeaderReference"], top=1)), None)
        self.invoice_lookup.check()
        if self.loads_packages:
            self.data_management.check()
        checked = [f"{found}; {formats.ledger_format}"]
        if Path(self.config["mapping_file"]).exists():
            entities = ", ".join(self.mapping.legal_entities)
            self.check_mapped_fields()
            checked.append(f"mapping for {entities}")
        else:
            checked.append(f"no {self.config['mapping_file']}, so no accounting_documents")
        if not self.config["posted_lookup"]:
            checked.append(f"{POSTED} is not read")
        return "; ".join(checked)


if __name__ == "__main__":
    TargetD365FO.cli()
