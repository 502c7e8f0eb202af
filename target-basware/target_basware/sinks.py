"""Which stream goes where."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from singer_delivery.sink import DeliverySink

from target_basware.courier import TransferResponseCourier
from target_basware.request_status import RequestDesk

if TYPE_CHECKING:
    from target_basware.target import TargetBasware


class TransferResponseSink(DeliverySink):
    """Tells Basware what became of transferred invoices."""

    target: TargetBasware

    @cached_property
    def courier(self) -> TransferResponseCourier:
        """The way to Basware, as the settings want it."""
        client = self.target.client
        desk = RequestDesk(client, longest_wait=self.config["confirm_wait_seconds"])
        return TransferResponseCourier(
            client,
            desk=desk if self.config["confirm_request_status"] else None,
            acknowledge_first=self.config["acknowledge_first"],
            source_system=self.config.get("source_system") or "",
        )


SINKS: dict[str, type[DeliverySink]] = {
    "transfer_outcomes": TransferResponseSink,
    "transfer_responses": TransferResponseSink,
}
