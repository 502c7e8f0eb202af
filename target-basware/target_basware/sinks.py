"""What is told of invoices: which stream goes where."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from singer_delivery.sink import DeliverySink

from target_basware.courier import TransferResponseCourier
from target_basware.payment_courier import PaymentResponseCourier

if TYPE_CHECKING:
    from target_basware.target import TargetBasware


class TransferResponseSink(DeliverySink):
    """Tells Basware what became of transferred invoices."""

    target: TargetBasware

    @cached_property
    def courier(self) -> TransferResponseCourier:
        """The way to Basware, as the settings want it."""
        return TransferResponseCourier(
            self.target.client,
            desk=self.target.desk,
            acknowledge_first=self.config["acknowledge_first"],
            source_system=self.config.get("source_system") or "",
        )


class PaymentResponseSink(DeliverySink):
    """Tells Basware what was paid on invoices."""

    target: TargetBasware

    @cached_property
    def courier(self) -> PaymentResponseCourier:
        """The way to Basware, as the settings want it."""
        stream = PaymentResponseCourier.stream
        return PaymentResponseCourier(
            self.target.client,
            desk=self.target.desk,
            mapping=self.target.mapping if self.config.get("mapping_file") else None,
            source_system=self.config.get("source_system") or "",
            find_invoices=self.config["find_invoices"],
            history=partial(self.target.ledger.lookup_natural, stream),
        )


SINKS: dict[str, type[DeliverySink]] = {
    "transfer_outcomes": TransferResponseSink,
    "transfer_responses": TransferResponseSink,
    "vendor_payments": PaymentResponseSink,
    "payment_responses": PaymentResponseSink,
}
