"""Settings of what is read from the environment, and how."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singer_sdk import typing as th

from tap_d365fo.client import D365Client
from tap_d365fo.metadata import MetadataCache, default_cache_folder
from tap_d365fo.reader import KEYSET, OFFSET, PAGE_SIZE, Reader

READING_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        "companies",
        th.ArrayType(th.StringType),
        default=[],
        title="Legal entities",
        description='Legal entities to read, e.g. ["usmf", "demf"]; empty means all that the '
        "application's user may see. Rows that belong to no legal entity are always read.",
    ),
    th.Property(
        "entity_sets",
        th.ArrayType(th.StringType),
        default=[],
        title="More entity sets",
        description="Entity sets to offer as streams besides the curated ones: names or patterns, "
        'e.g. ["CustomersV3", "Proj*"].',
    ),
    th.Property(
        "filters",
        th.ObjectType(additional_properties=th.StringType),
        title="Filters",
        description='OData filter by stream, e.g. {"vendors": "VendorGroupId eq \'10\'"}; it is '
        "checked against what Dynamics understands before it is sent.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start",
        description="Earliest change to read in streams that are incremental by a timestamp.",
    ),
    th.Property(
        "overlap_minutes",
        th.IntegerType(minimum=0),
        default=10,
        title="Overlap",
        description="Minutes before its bookmark from which an incremental stream reads again.",
    ),
    th.Property(
        "commit_delay_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Commit delay",
        description="Seconds before the time of the server that no bookmark goes beyond: rows get "
        "their timestamp when they are written, and appear when they are committed.",
    ),
    th.Property(
        "full_refresh_hours",
        th.IntegerType(minimum=0),
        default=24,
        title="Whole crawl",
        description="Hours after which vendors and purchase orders are read whole again, which "
        "finds what was deleted; 0 reads every incremental stream whole in every run.",
    ),
    th.Property(
        "activate_versions",
        th.BooleanType,
        default=True,
        title="Versions",
        description="Tell the target after a complete crawl that rows it did not get are gone "
        "(ACTIVATE_VERSION).",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=10_000),
        default=PAGE_SIZE,
        title="Page size",
        description="Rows asked for at a time, at most; fewer where a row has many fields.",
    ),
    th.Property(
        "paging",
        th.StringType,
        allowed_values=[KEYSET, OFFSET],
        default=KEYSET,
        title="Paging",
        description="keyset goes on after the last key, so that rows may move meanwhile; offset "
        "is for an environment that does not compare keys: when rows move, it is noticed and "
        "nothing is told to be gone.",
    ),
    th.Property(
        "metadata_cache",
        th.StringType,
        title="Metadata cache",
        description="Folder for what $metadata says; by default tap-d365fo in the user's cache "
        "folder.",
    ),
    th.Property(
        "metadata_max_age_hours",
        th.IntegerType(minimum=0),
        default=24,
        title="Age of metadata",
        description="Hours after which it is asked whether $metadata has changed.",
    ),
    th.Property(
        "dimension_value_sets",
        th.ObjectType(additional_properties=th.StringType),
        title="Sets of dimension values",
        description="Entity set that holds the values of a financial dimension, by dimension, "
        'where its name does not tell: {"Project": "DimAttributeProjTables"}.',
    ),
    th.Property(
        "tax_rate_field",
        th.StringType,
        title="Tax rate",
        description="Field of TaxCodeValuesV2 with the rate in percent, where it is not found by "
        "its usual names.",
    ),
    th.Property(
        "settlement_includes_cash_discount",
        th.BooleanType,
        default=True,
        title="Cash discount",
        description="Whether the amount of a vendor settlement contains the cash discount.",
    ),
)


def build_reader(config: Mapping[str, Any], client: D365Client) -> Reader:
    """Return the reader that READING_SETTINGS describe; $metadata is read where it must be."""
    folder = config.get("metadata_cache")
    cache = MetadataCache(
        Path(folder).expanduser() if folder else default_cache_folder(),
        max_age=3600.0 * config["metadata_max_age_hours"],
    )
    companies = dict.fromkeys(name.strip() for name in config.get("companies") or ())
    return Reader(
        client,
        cache.load(client),
        companies=tuple(filter(None, companies)),
        page_size=config["page_size"],
        paging=config["paging"],
    )
