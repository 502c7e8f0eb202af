"""The sink of settled payments."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from singer_delivery.sink import DeliverySink

from target_basware.payment_courier import PaymentResponseCourier

if TYPE_CHECKING:
    from target_basware.target import TargetBasware


class PaymentResponseSink(DeliverySink):
    """Tells Basware what was paid on its invoices."""

    target: TargetBasware

    @cached_property
    def courier(self) -> PaymentResponseCourier:
        """The way to Basware, as the settings want it. Raises SetupError for a bad mapping."""
        target = self.target
        return PaymentResponseCourier(
            target.client,
            desk=target.desk,
            # Payments that name their invoice need no mapping.
            mapping=target.mapping if self.config.get("mapping_file") else None,
            source_system=self.config.get("source_system") or "",
            find_invoices=self.config.get("find_invoices", True),
            history=partial(target.ledger.lookup_natural, PaymentResponseCourier.stream),
        )
