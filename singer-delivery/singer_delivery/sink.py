"""A Singer sink that delivers its batches through a courier."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

from singer_sdk.sinks import BatchSink

from singer_delivery.courier import Courier
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.errors import BadInput

if TYPE_CHECKING:
    from singer_delivery.target import DeliveryTarget

BATCH_SIZE = 100


class DeliverySink(BatchSink):
    """Collects records of one stream and gives every one of them a durable outcome."""

    def __init__(self, target: DeliveryTarget, *args: Any, **kwargs: Any) -> None:
        super().__init__(target, *args, **kwargs)
        self.target = target

    @cached_property
    @abstractmethod
    def courier(self) -> Courier:
        """Return the way to deliver this stream."""

    @cached_property
    def delivery(self) -> Delivery:
        """The delivery of this stream in this run."""
        return Delivery(
            self.courier,
            self.target.ledger,
            self.target.run_id,
            DeliveryOptions(
                connections=self.config["max_connections"],
                max_sends=self.config["max_sends"],
                read_back_wait=self.config["read_back_wait_seconds"],
            ),
            stopping=lambda: self.target.stopping,
        )

    @property
    def max_size(self) -> int:
        """Records per batch."""
        return self.batch_size_rows or BATCH_SIZE

    def setup(self) -> None:
        """Settle what an earlier run left in doubt, before anything new is sent."""
        self.target.begin(self.delivery)

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave the record as it is: the courier checks what matters and says so in words."""
        return record

    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Say nothing: the SDK would log the whole batch at debug level, bank accounts included."""

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        missing = [name for name in self.key_properties if record.get(name) in (None, "")]
        if missing:
            msg = (
                f"has a record of stream {self.stream_name} without its key "
                f"{', '.join(missing)}: it cannot be told apart from others, and is left out"
            )
            raise BadInput(msg)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Deliver the batch; what stays without outcome holds back the STATE."""
        records = context.get("records", [])
        self.target.deliver(self.delivery, records)
        self.tally_record_written(len(records))
