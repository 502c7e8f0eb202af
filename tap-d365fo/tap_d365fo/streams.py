"""The streams of the tap, one class a stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from singer_sdk import typing as th
from singer_sdk.streams import Stream

from tap_d365fo.outcomes import STREAM, transfer_outcome

PAGE = 1000


class TransferOutcomes(Stream):
    """What became of each invoice that target-d365fo took up: its latest outcome, once."""

    name = "transfer_outcomes"
    primary_keys = ("document_id",)
    replication_key = "sequence"
    is_sorted = True
    schema = th.PropertiesList(
        th.Property(
            "document_id",
            th.StringType,
            required=True,
            description="Key of the document in the system it came from (Basware: invoiceId).",
        ),
        th.Property(
            "sequence",
            th.IntegerType,
            required=True,
            description="Position in the order of outcomes; grows with each.",
        ),
        th.Property("version", th.StringType, description="Version of the document, opaque."),
        th.Property("success", th.BooleanType, required=True, description="It is in Dynamics."),
        th.Property(
            "message",
            th.StringType,
            description="At most 250 characters for the accounts payable clerk.",
        ),
        th.Property(
            "voucher_number",
            th.StringType,
            description="Reference of the pending vendor invoice, at most 25 characters.",
        ),
        th.Property("transfer_date", th.DateTimeType, description="When it was settled, UTC."),
        th.Property("payment_block", th.BooleanType, description="The invoice is on hold."),
        th.Property("source_system", th.StringType, description="Setting source_system."),
        th.Property("legal_entity", th.StringType),
        th.Property("status", th.StringType, description="delivered, unchanged or rejected."),
        th.Property("run_id", th.StringType, description="Run of target-d365fo."),
    ).to_dict()

    def get_records(
        self,
        context: Mapping[str, Any] | None,
    ) -> Iterable[dict[str, Any]]:
        """Yield outcomes in the order of `sequence`, those after the bookmark only."""
        from tap_d365fo.told_ledger import open_told  # noqa: PLC0415 - it takes its time

        ledger = open_told(self.config)
        if ledger is None:
            self.logger.info("No ledger yet at ledger_url: target-d365fo has not run here")
            return
        try:
            after = self.get_starting_replication_key_value(context) or 0
            while entries := ledger.outcomes(STREAM, after=after, limit=PAGE):
                for entry in entries:
                    yield transfer_outcome(entry, source_system=self.config["source_system"])
                after = entries[-1].sequence
        finally:
            ledger.close()
