"""Singer sinks that deliver: batches through a courier, or records in bulk."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.sinks import BatchSink, RecordSink, Sink

from singer_delivery.bulk.recalling import Became
from singer_delivery.courier import Courier
from singer_delivery.delivery import Delivery, DeliveryOptions
from singer_delivery.document import Document, revised
from singer_delivery.errors import BadInput, Rejected
from singer_delivery.payloads import SingerStream
from singer_delivery.recollections import ALWAYS, Days, Made
from singer_delivery.stopping import PROCESS

if TYPE_CHECKING:
    from singer_delivery.target import DeliveryTarget


class PlainRecords(Sink):
    """Leaves records as they came, asks for their keys, and logs none of them."""

    #: Whether one of several key properties may be empty, as it is where a value is shared.
    partly_blank_keys = False

    def get_validator(self) -> None:
        """Have none: to check a large SCHEMA takes longer than the rest of a run of few records."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave the record as it is: the courier checks what matters and says so in words."""
        return record

    def _after_process_record(self, context: dict[str, Any]) -> None:
        """Say nothing: the SDK would log the whole batch at debug level, bank accounts included."""

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        blank = [name for name in self.key_properties if record.get(name) in (None, "")]
        if self.partly_blank_keys and len(blank) < len(self.key_properties):
            missing = [name for name in blank if record.get(name) is None]
        else:
            missing = blank
        if missing:
            msg = (
                f"has a record of stream {self.stream_name} without its key "
                f"{', '.join(missing)}: it cannot be told apart from others, and is left out"
            )
            raise BadInput(msg)


class DeliverySink(PlainRecords, BatchSink):
    """Collects records of one stream and has every one of them get a durable outcome."""

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
        return self.way(
            self.courier,
            self.target.ledger,
            self.target.run_id,
            DeliveryOptions(
                connections=self.config["max_connections"],
                max_sends=self.config["max_sends"],
                read_back_wait=self.config["read_back_wait_seconds"],
                max_lost_answers=self.config["max_lost_answers"],
                claim_wait=self.config["claim_wait_seconds"],
                keep_records=self.config["payload_retention_days"] > 0,
                together=self.together,
            ),
            SingerStream(self.stream_name, self.original_schema, tuple(self.key_properties)),
            stopping=lambda: PROCESS.requested,
            sleep=PROCESS.sleep,
        )

    @property
    def way(self) -> type[Delivery]:
        """The kind of delivery."""
        return Delivery

    @property
    def together(self) -> tuple[int, int]:
        """The least and the most documents that go to the target system in one request."""
        return 1, 1

    def setup(self) -> None:
        """Settle what an earlier run left in doubt, before anything new is sent."""
        self.target.begin(self.delivery)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Have the batch delivered; what stays without outcome holds back the STATE."""
        records = context.get("records", [])
        self.target.deliver(self.delivery, records)
        self.tally_record_written(len(records))


class BulkSink(PlainRecords, RecordSink):
    """Turns records of one stream into documents of resources that are delivered in bulk."""

    partly_blank_keys = True

    def __init__(self, target: DeliveryTarget, *args: Any, **kwargs: Any) -> None:
        super().__init__(target, *args, **kwargs)
        self.target = target

    @abstractmethod
    def documents(self, record: Mapping[str, Any]) -> Iterable[tuple[str, Document]]:
        """Return resource and document of all that a record becomes; may be nothing.

        Raises Rejected with the reason when the record cannot be used.
        """

    @abstractmethod
    def rejected(self, record: Mapping[str, Any], reason: str) -> tuple[str, Document]:
        """Return resource and document, without payload, of a record that was rejected.

        Raises BadInput when it cannot even be named; its words follow "line 7 of the input".
        """

    @property
    def mark(self) -> str:
        """Return a digest of all that decides what a record becomes, but the record and the day.

        "" where that cannot be told: then each record is mapped, however often it comes.
        """
        return ""

    @property
    def day(self) -> str:
        """The day on which records are mapped, by UTC and in ISO 8601."""
        return datetime.now(UTC).date().isoformat()

    @property
    def days(self) -> Days:
        """The days on which the record that was mapped last becomes the same."""
        return ALWAYS

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Hand over what the record becomes: all of it, or its rejection. Raises BadInput."""
        self.target.take_up(self, record)
        self.tally_record_written()

    def receive(self, record: dict[str, Any]) -> None:
        """Do with a record that came as text what the SDK does with one before it is processed."""
        self._remove_sdc_metadata_from_record(record)
        self._singer_validate_message(record)

    def count(self, records: int) -> None:
        """Note that so many records that came as text are done with."""
        self.tally_record_read(records)
        self.tally_record_written(records)
        self.record_counter_metric.increment(records)
        self.target.mind_the_age()

    def take(self, record: Mapping[str, Any]) -> Became | None:
        """Hand over what the record becomes, and return it; None for a rejection.

        Raises BadInput.
        """
        try:
            made = [(name, self._traced(record, one)) for name, one in self.documents(record)]
        except Rejected as error:
            self._reject(record, str(error))
            return None
        bulk = self.target.bulk
        bulk.met(self.stream_name)
        for resource, document in made:
            bulk.take(resource, document)
        outlines = [
            Made(resource, one.key, one.fingerprint, one.source, one.scope)
            for resource, one in made
        ]
        return Became(outlines, self.days)

    def take_again(self, made: Sequence[Made], read: Callable[[], Mapping[str, Any]]) -> None:
        """Hand over outlines of what the record became before, and becomes again."""
        bulk = self.target.bulk
        bulk.met(self.stream_name)
        for one in made:
            bulk.take_outline(one, partial(self._whole, read, one))

    def _whole(self, read: Callable[[], Mapping[str, Any]], wanted: Made) -> Document:
        """Return a document of a record that had it before."""
        record = read()
        for resource, document in self.documents(record):
            if (resource, document.key) == (wanted.stream, wanted.key):
                return self._traced(record, document)
        msg = f"{wanted.stream} {wanted.key} does not come of its record any more"
        raise BadInput(msg)

    def _reject(self, record: Mapping[str, Any], reason: str) -> None:
        try:
            resource, document = self.rejected(record, reason)
        except BadInput as problem:
            msg = f"{problem} ({reason})"
            raise BadInput(msg) from None
        self.target.bulk.reject(resource, self._traced(record, document), reason)

    def _traced(self, record: Mapping[str, Any], document: Document) -> Document:
        """Name the stream and the record that a document came from."""
        name = self.name_of(record)
        named = {"_record": name} if name else {}
        source = document.source or self.stream_name
        return revised(document, source=source, detail={**document.detail, **named})

    def name_of(self, record: Mapping[str, Any]) -> str:
        """Return the values of the record's key as a JSON list; "" where the stream has no key."""
        return _name([str(record.get(name)) for name in self.key_properties])

    def name_in(self, text: msgspec.Raw) -> str:
        """Return the same of a record's JSON; "" where its keys are not just texts."""
        if self._decode_keys is None:
            return ""
        try:
            keys = self._decode_keys(text)
        except (msgspec.MsgspecError, UnicodeError):
            return ""
        return _name(msgspec.structs.astuple(keys))

    @cached_property
    def _decode_keys(self) -> Callable[[msgspec.Raw], msgspec.Struct] | None:
        """Decodes the key of a record, and nothing else of it; None where there is none."""
        names = dict.fromkeys(self.key_properties)
        if not names or self.include_sdc_metadata_properties:
            return None
        attributes = {f"key_{number}": name for number, name in enumerate(names)}
        kind = msgspec.defstruct(
            "Keys", [(attribute, str) for attribute in attributes], rename=attributes, gc=False
        )
        return msgspec.json.Decoder(kind).decode

    def activate_version(self, new_version: int) -> None:  # noqa: ARG002
        """Note that a crawl of the stream is complete: what it did not show has vanished."""
        self.target.bulk.complete(self.stream_name)


def _name(keys: Sequence[str]) -> str:
    return f"[{', '.join(map(encode_basestring, keys))}]" if keys else ""
