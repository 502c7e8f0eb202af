"""Settings of the Basware plugins; the connection is the same for tap and target."""

from __future__ import annotations

from typing import Any

from singer_delivery.plugin import HTTP_SETTINGS
from singer_sdk import typing as th

from tap_basware.resources import BY_STATUS, BY_UPDATE

Settings = tuple[th.Property[Any], ...]

INBOX_SETTING = "inbox_url"

CONNECTION_SETTINGS: Settings = (
    th.Property(
        "region",
        th.StringType,
        title="Region",
        description="Region of the Basware system: EU, US, AU or CA.",
        examples=["EU", "US", "AU", "CA"],
    ),
    th.Property(
        "environment",
        th.StringType,
        default="production",
        title="Environment",
        description="The region's production or test environment.",
        examples=["production", "test"],
    ),
    th.Property(
        "base_url",
        th.StringType,
        title="Base URL",
        description="Address of the API where it is not one of the presets; overrides region and "
        "environment.",
        examples=["https://api.basware.com"],
    ),
    th.Property(
        "client_id",
        th.StringType,
        title="Client id",
        description="OAuth2 client id that Basware issued.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="Client secret",
        description="OAuth2 client secret, or where it is kept: vault:NAME and other references "
        "(see docs/security.md).",
    ),
    th.Property(
        "username",
        th.StringType,
        title="User name",
        description="User of the legacy Basic authentication, where there is no OAuth2 client.",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of the legacy Basic authentication, or where it is kept, as for "
        "client_secret.",
    ),
    th.Property(
        "storage_hosts",
        th.ArrayType(th.StringType),
        title="Storage hosts",
        description="Hosts, or their parent domains, that Basware may redirect large answers to; "
        "any https host when empty, and never with the credentials.",
        examples=[["amazonaws.com", "cloudfront.net"]],
    ),
)

STREAM_SETTINGS: Settings = (
    th.Property(
        "accounting_documents_mode",
        th.StringType,
        default=BY_STATUS,
        allowed_values=[BY_STATUS, BY_UPDATE],
        title="Invoice mode",
        description="Read the invoices of certain processing statuses in each run (status), or "
        "all that changed since the last run, in any status (last_updated).",
    ),
    th.Property(
        "processing_statuses",
        th.ArrayType(th.StringType),
        default=["WaitingForTransfer"],
        title="Processing statuses",
        description="Invoices to read in status mode; all statuses when empty.",
    ),
    th.Property(
        "company_codes",
        th.ArrayType(th.StringType),
        title="Company codes",
        description="Companies whose invoices and exported purchase orders are read, one after "
        "the other; all when empty.",
    ),
    th.Property(
        "p2p_processing_mode",
        th.StringType,
        allowed_values=["Standard", "InvoiceEnrichment"],
        title="P2P processing mode",
        description="Kind of invoices to read; Basware takes Standard when it is not set.",
    ),
    th.Property(
        "page_size",
        th.IntegerType,
        title="Page size",
        description="Records asked for at a time; the most that Basware allows for each list "
        "(invoices and purchase orders 100, others 500) is default and limit.",
    ),
    th.Property(
        "start_date",
        th.DateTimeType,
        title="Start date",
        description="Earliest change to read in incremental streams.",
    ),
    th.Property(
        "overlap_minutes",
        th.IntegerType,
        default=10,
        title="Overlap",
        description="Minutes before the bookmark from which incremental streams read again, since "
        "Basware does not say how exact its filter is.",
    ),
    th.Property(
        "list_keys",
        th.ArrayType(th.StringType),
        title="List keys",
        description="Generic lists that the stream lists reads; Basware cannot enumerate them.",
        examples=[["ACC_LIST_1", "ACC_LIST_2"]],
    ),
    th.Property(
        "request_statuses",
        th.ArrayType(th.StringType),
        default=["Error"],
        title="Request statuses",
        description="Statuses of import requests that the stream request_status reads.",
        examples=[["InProgress", "Success", "Error", "AcknowledgedSuccess", "AcknowledgedError"]],
    ),
)

TAP_SETTINGS: Settings = (
    *CONNECTION_SETTINGS,
    *STREAM_SETTINGS,
    th.Property(
        INBOX_SETTING,
        th.StringType,
        secret=True,
        title="Inbox",
        description="Database URL of the inbox that basware-webhook writes, or where that is kept. "
        "With it the tap reads only the invoices noted there; the scheduled run, which reads all "
        "that wait, is without it.",
    ),
    *HTTP_SETTINGS,
)
