"""Settings of the payment responses."""

from __future__ import annotations

from singer_sdk import typing as th
from tap_basware.settings import Settings

PAYMENT_SETTINGS: Settings = (
    th.Property(
        "find_invoices",
        th.BooleanType,
        default=True,
        title="Find invoices",
        description="Look for the invoice of a payment by company, number and date where the "
        "record does not name its invoiceId; needs mapping_file, and accountingDocuments/status "
        "enabled by Basware for the tenant. Without it such payments are skipped.",
    ),
)
