"""Settings of the target, beside the connection and those of every delivery."""

from __future__ import annotations

from singer_delivery.target import DELIVERY_SETTINGS
from singer_sdk import typing as th
from tap_basware.settings import CONNECTION_SETTINGS, Settings

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
    th.Property(
        "confirm_request_status",
        th.BooleanType,
        default=True,
        title="Confirm by request status",
        description="Ask Basware what became of each response after it was accepted; needs the "
        "scope requestStatus.read.",
    ),
    th.Property(
        "confirm_wait_seconds",
        th.IntegerType,
        default=10,
        title="Wait for the request status",
        description="Seconds to wait until Basware has processed a response; after that it counts "
        "as delivered, with its request id in the ledger, and those after it are not waited for.",
    ),
)

TARGET_SETTINGS: Settings = (*CONNECTION_SETTINGS, *RESPONSE_SETTINGS, *DELIVERY_SETTINGS)
