"""Settings of the target, beside the connection and those of every delivery."""

from __future__ import annotations

from singer_delivery.target import BULK_SETTINGS, DELIVERY_SETTINGS
from singer_sdk import typing as th
from tap_basware.settings import CONNECTION_SETTINGS, Settings

from target_basware.payment_settings import PAYMENT_SETTINGS

RESPONSE_SETTINGS: Settings = (
    th.Property(
        "source_system",
        th.StringType,
        title="Source system",
        description="Name of the ERP on a response whose record does not name one, at most 32 "
        "characters.",
    ),
    th.Property(
        "acknowledge_first",
        th.BooleanType,
        default=False,
        title="Acknowledge first",
        description="Acknowledge an invoice, and wait for it, before its response is sent.",
    ),
)

CONFIRM_SETTINGS: Settings = (
    th.Property(
        "confirm_request_status",
        th.BooleanType,
        default=True,
        title="Confirm by request status",
        description="Ask Basware what became of each write after it was accepted; needs the "
        "scope requestStatus.read.",
    ),
    th.Property(
        "confirm_wait_seconds",
        th.IntegerType(minimum=0),
        default=60,
        title="Wait for the request status",
        description="Seconds to wait until Basware has processed what it accepted: for master "
        "data after each kind of record and at the end of the run, for a response until one took "
        "longer. What is not finished then is asked about by the next run.",
    ),
    th.Property(
        "acknowledge_errors",
        th.BooleanType,
        default=True,
        title="Acknowledge errors",
        description="Take requests in error off Basware's list once their errors are in the "
        "ledger; needs the scope requestStatus.write.",
    ),
)

MASTER_SETTINGS: Settings = (
    th.Property(
        "mapping_file",
        th.StringType,
        title="Mapping file",
        description="Path of mapping.yml; needed for master data in the shape of F&O, not for "
        "records in the shape of Basware.",
        examples=["mapping.yml"],
    ),
    th.Property(
        "stream_resources",
        th.ObjectType(additional_properties=th.StringType),
        title="APIs of streams",
        description="The Basware API of streams whose name does not say it; their records have "
        "the shape of that API.",
        examples=[{"erp_gl": "accounts", "plants": "lists/ACC_LIST_3"}],
    ),
)

TARGET_SETTINGS: Settings = (
    *CONNECTION_SETTINGS,
    *RESPONSE_SETTINGS,
    *PAYMENT_SETTINGS,
    *MASTER_SETTINGS,
    *CONFIRM_SETTINGS,
    *DELIVERY_SETTINGS,
    *BULK_SETTINGS,
)
