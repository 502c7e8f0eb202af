"""The target's own settings; those of the connection are shared with tap-d365fo."""

from __future__ import annotations

from typing import Any

from singer_sdk import typing as th

from target_d365fo.accounting_document import OFFERED
from target_d365fo.executions import Patience
from target_d365fo.package import Form
from target_d365fo.packaging import MOST_ROWS, PackageRules

INVOICE_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        "mapping_file",
        th.StringType,
        default="mapping.yml",
        title="Mapping file",
        description="Path of mapping.yml: what Basware and Dynamics call the same thing. Read when "
        "accounting_documents arrive.",
    ),
    th.Property(
        "load_method",
        th.StringType,
        default="batch",
        allowed_values=["batch", "package"],
        title="Load method",
        description="How invoices are written. batch: each by OData, in a transaction. package: "
        "many together as a data package, which Dynamics imports by itself later; for hundreds of "
        "thousands. Needs an import project in Data management, and header_reference: derived.",
    ),
    th.Property(
        "header_reference",
        th.StringType,
        default="derived",
        allowed_values=["derived", "number_sequence"],
        title="Header reference",
        description="derived: the target numbers pending invoices itself and writes each in one "
        "transaction; needs a number sequence that allows manual numbers. number_sequence: "
        "Dynamics numbers them; header and lines are written one by one, and a failed invoice "
        "is removed again.",
    ),
    th.Property(
        "header_reference_prefix",
        th.StringType,
        default="BW",
        title="Header reference prefix",
        description="How a derived header reference starts: up to 8 capital letters or digits.",
    ),
    th.Property(
        "max_invoices_per_request",
        th.IntegerType(minimum=1, maximum=100),
        default=10,
        title="Invoices per request, at most",
        description="How many invoices may travel in one $batch request, each in a transaction of "
        "its own. How many do is found out by measuring: more where the round trip takes most of "
        "the time, one where Dynamics itself does. 1: each in a request of its own. Without effect "
        "on header_reference: number_sequence.",
    ),
    th.Property(
        "min_invoices_per_request",
        th.IntegerType(minimum=1, maximum=100),
        default=1,
        title="Invoices per request, at least",
        description="Where that begins, and how far it may come down; the same number as "
        "max_invoices_per_request leaves nothing to measure.",
    ),
    th.Property(
        "data_project",
        th.StringType,
        default=Form.project,
        title="Data project",
        description="Import project in Data management that packages are imported with.",
    ),
    th.Property(
        "max_invoices_per_package",
        th.IntegerType(minimum=1, maximum=20_000),
        default=PackageRules.most_invoices,
        title="Invoices per package, at most",
        description="How many invoices go into one data package; fewer where they have more than "
        f"{MOST_ROWS:,} rows. The run keeps so many in memory.",
    ),
    th.Property(
        "package_on_hold",
        th.BooleanType,
        default=True,
        title="Packages on hold",
        description="Whether headers in a package say that they are incomplete, and are on hold, "
        "until all lines are found in Dynamics, and that is taken back. Without it an invoice can "
        "be seen, and taken up by a workflow, while lines of it are still missing.",
    ),
    th.Property(
        "package_poll_seconds",
        th.NumberType(exclusive_minimum=0),
        default=Patience.poll,
        title="Asking about packages",
        description="Seconds between two looks at whether Dynamics has imported a package.",
    ),
    th.Property(
        "package_limit_seconds",
        th.IntegerType(minimum=1),
        default=int(Patience.limit),
        title="Longest import",
        description="Seconds that a run waits for imports of packages. What is not over by then "
        "stays in doubt, and the next run goes on waiting.",
    ),
    th.Property(
        "package_start_limit_seconds",
        th.IntegerType(minimum=0),
        default=int(Patience.start_limit),
        title="Longest start of an import",
        description="Seconds after which an import that Dynamics does not know was never begun, "
        "so that its invoices are sent again.",
    ),
    th.Property(
        "package_source_format",
        th.StringType,
        default=Form.source_format,
        title="Source data format",
        description="Name of a source data format in Data management that is XML with elements.",
    ),
    th.Property(
        "package_date_format",
        th.StringType,
        default=Form.date_format,
        title="Dates in packages",
        description="How dates are written in packages, in the codes of strftime.",
    ),
    th.Property(
        "package_header_entity",
        th.StringType,
        default=PackageRules.header_entity,
        title="Entity of headers",
        description="What Data management calls the entity of pending vendor invoices' headers.",
    ),
    th.Property(
        "package_line_entity",
        th.StringType,
        default=PackageRules.line_entity,
        title="Entity of lines",
        description="What Data management calls the entity of their lines.",
    ),
    th.Property(
        "replace_pending",
        th.BooleanType,
        default=True,
        title="Replace pending",
        description="Whether a changed invoice replaces its earlier version while that is a draft "
        "pending invoice; otherwise it is rejected.",
    ),
    th.Property(
        "posted_lookup",
        th.BooleanType,
        default=True,
        title="Look among posted invoices",
        description="Whether invoices are looked for among posted ones too "
        "(VendInvoiceJourBiEntities). Without it only the ledger knows what was posted.",
    ),
    th.Property(
        "posted_description_lookup",
        th.BooleanType,
        default=True,
        title="Look by description",
        description="Whether an invoice that is found under no number is looked for among posted "
        "ones by its description as well, because its number was corrected in Dynamics: one more "
        "read for 40 new invoices, of a field without an index. Without it, only invoices of "
        "which the ledger knows that they were delivered are.",
    ),
    th.Property(
        "credit_correction",
        th.BooleanType,
        default=False,
        title="Credit correction",
        description="Whether credit notes are marked as correction (CreditCorrection), which "
        "posts them with reversed signs on the same side.",
    ),
    th.Property(
        "processing_statuses",
        th.ArrayType(th.StringType),
        default=list(OFFERED),
        title="Processing statuses",
        description="Basware processing statuses that may be posted; an invoice with another one "
        "stops the run, because the stream then holds more than approved invoices.",
    ),
    th.Property(
        "ledger_dimension_format",
        th.StringType,
        title="Ledger dimension format",
        description="Segments of MainAccountDisplayValue, e.g. "
        "MainAccount-BusinessUnit-CostCenter, instead of reading the active format.",
    ),
    th.Property(
        "default_dimension_format",
        th.StringType,
        title="Default dimension format",
        description="Segments of DimensionDisplayValue, e.g. BusinessUnit-CostCenter, instead of "
        "reading the active format.",
    ),
    th.Property(
        "dimension_delimiter",
        th.StringType,
        title="Dimension delimiter",
        description="What separates the segments, instead of reading it from the environment.",
    ),
    th.Property(
        "stream_roles",
        th.ObjectType(additional_properties=th.StringType),
        title="Stream roles",
        description="Streams with other names: stream name to accounting_documents, "
        "vendor_invoices or an entry of entity_sets.",
    ),
)

ENTITY_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        "entity_sets",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("entity_set", th.StringType, required=True),
                th.Property("keys", th.ArrayType(th.StringType)),
                th.Property("fields", th.ObjectType(additional_properties=th.StringType)),
                th.Property("constants", th.ObjectType(additional_properties=True)),
                th.Property("mode", th.StringType, allowed_values=["upsert", "create", "update"]),
            )
        ),
        title="Entity sets",
        description="Stream name to the entity set that it is written to: entity_set, keys "
        "(default those of the entity), fields (record field to entity field; default: same name), "
        "constants (entity field to value), mode (upsert, create or update).",
    ),
)
