"""A Singer target with a ledger: STATE follows durable outcomes, and the exit code tells."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import uuid
from abc import abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import IO, Any, ClassVar

import click
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.plugin_base import _ConfigInput
from singer_sdk.sinks import BatchSink, Sink
from singer_sdk.target_base import Target

from singer_delivery.bulk import BulkCourier, BulkDelivery, BulkOptions
from singer_delivery.bulk.recalling import Recalling
from singer_delivery.delivery import BATCH_SIZE, Delivery, DeliveryOptions
from singer_delivery.document import Status, fingerprint
from singer_delivery.errors import BadInput, DeliveryError, LedgerError, SetupError
from singer_delivery.exact_json import encode_json
from singer_delivery.ledger import Ledger
from singer_delivery.notes import note_run
from singer_delivery.plugin import HTTP_SETTINGS, LEDGER_SETTING, PlainErrors, ledger_url
from singer_delivery.progress import PROGRESS_SETTING, READ, Progress, Standing
from singer_delivery.reader import LineReader
from singer_delivery.runs import DEFAULT_LEASE, Run
from singer_delivery.sink import BulkSink, DeliverySink
from singer_delivery.stopping import PROCESS
from singer_delivery.telemetry import REQUESTS
from singer_delivery.telemetry import current as telemetry
from singer_delivery.verification import append_anchor

#: What `meltano config test` sends to a loader.
TEST_STREAM = "meltano_test_stream"

#: Documents named in one message.
NAMED = 10
#: Seconds between two looks whether input has come, while something is under way.
GLANCE = 0.02
#: Seconds without input after which a batch is delivered that is not full.
QUIET = 2.0

DELIVERY_SETTINGS: tuple[th.Property[Any], ...] = (
    LEDGER_SETTING,
    th.Property(
        "max_connections",
        th.IntegerType(minimum=1),
        default=8,
        title="Connections",
        description="How many requests are under way at the same time at most. A run begins with "
        "two, adds one with every answer, and halves them when the system asks to wait (429).",
    ),
    th.Property(
        "on_reject",
        th.StringType,
        default="continue",
        allowed_values=["continue", "abort"],
        title="On reject",
        description="What a rejected document does to the run: continue with the others and "
        "succeed, or abort after the batch with exit code 1.",
    ),
    th.Property(
        "max_sends",
        th.IntegerType(minimum=1),
        default=3,
        title="Sends per document",
        description="How often one document is sent in a run when its answer was lost and "
        "reading back shows that it did not arrive.",
    ),
    th.Property(
        "read_back_wait_seconds",
        th.IntegerType(minimum=0),
        default=2,
        title="Wait before reading back",
        description="Seconds that the target system gets to finish a request whose answer was "
        "lost, before it is read back.",
    ),
    th.Property(
        "max_lost_answers",
        th.IntegerType(minimum=1),
        default=DeliveryOptions.max_lost_answers,
        title="Lost answers in a row",
        description="How often in a row, over all runs, the answer for one document may be lost "
        "before it is given up as stuck: it is not sent again until its content changes or "
        "`singer-delivery replay` offers it.",
    ),
    th.Property(
        "claim_lease_seconds",
        th.IntegerType(minimum=10),
        default=int(DEFAULT_LEASE),
        title="Claim lease",
        description="For several runs on one ledger: seconds after which what a run has in flight "
        "may be taken over when it gives no sign of life. On one machine a run that has died is "
        "noticed at once.",
    ),
    th.Property(
        "claim_wait_seconds",
        th.IntegerType(minimum=0),
        default=int(DeliveryOptions.claim_wait),
        title="Wait for other runs",
        description="Seconds to wait for documents that another run has in flight.",
    ),
    th.Property(
        "grace_seconds",
        th.IntegerType(minimum=0),
        default=25,
        title="Grace",
        description="Seconds that a run which is told to stop (SIGTERM, Ctrl-C) gets to finish "
        "what is in flight; what is then still open is read back by the next run.",
    ),
    th.Property(
        "payload_retention_days",
        th.IntegerType(minimum=0),
        default=400,
        title="Retention of records",
        description="Days that the ledger keeps the records of documents for replay; 0 keeps none. "
        "The audit trail itself is kept.",
    ),
    th.Property(
        "anchor_file",
        th.StringType,
        title="Anchor file",
        description="File to which every run appends the end of the audit trail: best on another "
        "disk, where whoever could change the ledger cannot write. It shows a trail cut short.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        default=BATCH_SIZE,
        title="Batch size",
        description="Records of a batch: they are looked up in the target system together, and "
        "their intents are committed together. While one batch is sent, the next one is looked "
        "up. STATE comes out as soon as all that it covers has an outcome.",
    ),
    PROGRESS_SETTING,
    *HTTP_SETTINGS,
)

#: For targets that also deliver in bulk.
BULK_SETTINGS: tuple[th.Property[Any], ...] = (
    th.Property(
        "on_vanished",
        th.StringType,
        default="inactivate",
        allowed_values=["inactivate", "ignore"],
        title="On vanished",
        description="What becomes of a record that a complete crawl of its source no longer "
        "shows: inactivate it in the target system, or ignore that.",
    ),
    th.Property(
        "max_vanished_percent",
        th.IntegerType(minimum=0, maximum=100),
        default=int(BulkOptions.vanish_limit_percent),
        title="Most that may vanish",
        description="Per cent of what the target system holds of a source and resource that one "
        f"run may inactivate; up to {BulkOptions.vanish_floor} records always. Beyond it nothing "
        "of them is inactivated and the run ends with exit code 1.",
    ),
    th.Property(
        "max_tries",
        th.IntegerType(minimum=1),
        default=BulkOptions.max_tries,
        title="Tries of a rejected record",
        description="How many runs offer a record again that the target system rejected and that "
        "has not changed since.",
    ),
)


@dataclass(frozen=True)
class _Held:
    """A STATE, and how many records of each delivery came before it."""

    state: dict[str, Any]
    taken: Sequence[tuple[Delivery, int]]

    @property
    def covered(self) -> bool:
        """Everything before it has a durable outcome."""
        return all(delivery.through >= number for delivery, number in self.taken)


class DeliveryTarget(PlainErrors, Target):
    """Delivers documents through couriers; see `Delivery` for the guarantees."""

    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]
    message_reader_class = LineReader
    #: STATE at least so often while records keep coming (the SDK's own limit is 5 minutes).
    _MAX_RECORD_AGE_IN_MINUTES = 0.5

    def __init__(self, **kwargs: Any) -> None:
        PROCESS.clear()
        REQUESTS.clear()
        super().__init__(**kwargs)
        # One stream after the other: order is kept, and no failing sink kills a sibling's write.
        self.max_parallelism = 1
        self.run_id = uuid.uuid4().hex
        self._delivering = False
        self._deliveries: list[Delivery] = []
        self._current: Delivery | None = None
        self._bad_lines: list[str] = []
        self._shortcuts: dict[str, BulkSink] = {}
        self._state_frozen = self._summed_up = False
        self._waiting_state: dict[str, Any] | None = None
        self._emitted: dict[str, Any] | None = None
        self._held: deque[_Held] = deque()
        if isinstance(self.message_reader, LineReader):
            self.message_reader.on_bad_line = self._bad_line
            self.message_reader.guard = self._noting_failure
            self.message_reader.pause = self._tend
            self.message_reader.take_unread = self._take_unread

    # What a plugin provides

    @property
    @abstractmethod
    def system(self) -> str:
        """Return the origin of the remote system, which separates ledgers' contents."""

    @abstractmethod
    def check_connection(self) -> str:
        """Get a token, read once, write nothing; return what was found, raise DeliveryError."""

    @abstractmethod
    def sink_for(self, stream_name: str) -> type[Sink]:
        """Return the sink class of a stream; raises SetupError for one it cannot take."""

    def courier_for(self, stream: str) -> BulkCourier:
        """Return the way to deliver a resource in bulk; raises SetupError for one without."""
        msg = f"{self.name} does not deliver {stream} in bulk"
        raise SetupError(msg)

    @property
    def bulk_options(self) -> BulkOptions:
        """How bulk deliveries run: what BULK_SETTINGS and DELIVERY_SETTINGS describe."""
        return BulkOptions(
            connections=self.config["max_connections"],
            max_sends=self.config["max_sends"],
            vanish_limit_percent=self.config["max_vanished_percent"],
            withdraw=self.config["on_vanished"] == "inactivate",
            max_tries=self.config["max_tries"],
            claim_wait=self.config["claim_wait_seconds"],
        )

    # What it gets

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger of the remote system."""
        ledger = Ledger.open(ledger_url(self.config), self.system)
        ledger.begin_run(
            Run(
                run_id=self.run_id,
                system=self.system,
                plugin=self.name,
                versions=self.versions,
                lease_seconds=self.config["claim_lease_seconds"],
            )
        )
        note_run(self.name, self.run_id)
        if days := self.config["payload_retention_days"]:
            ledger.erase(timedelta(days=days), self.run_id)
        return ledger

    @property
    def versions(self) -> dict[str, str]:
        """What decides on the outcomes of a run: the versions of code, settings and mapping."""
        secrets = {
            name
            for name, schema in self.config_jsonschema["properties"].items()
            if schema.get("secret")
        }
        settings = {name: value for name, value in self.config.items() if name not in secrets}
        found = {
            "version": self.plugin_version,
            "singer_delivery": version("singer-delivery"),
            "settings": fingerprint(settings),
        }
        mapping = Path(self.config.get("mapping_file") or "")
        if mapping.is_file():
            found["mapping"] = hashlib.sha256(mapping.read_bytes()).hexdigest()
        return found

    @cached_property
    def bulk(self) -> BulkDelivery:
        """The bulk delivery of this run."""
        return BulkDelivery(
            self.courier_for,
            self.ledger,
            self.run_id,
            self.bulk_options,
            stopping=lambda: PROCESS.requested,
            unreadable=lambda: len(self._bad_lines),
        )

    @cached_property
    def _recalling(self) -> Recalling:
        return Recalling(lambda: self.ledger, self._bad_line)

    def take_up(self, sink: BulkSink, record: Mapping[str, Any]) -> None:
        """Take a record for its sink, now or together with those that follow. Raises BadInput."""
        reader = self.message_reader
        line = reader.line if isinstance(reader, LineReader) else 0
        self._recalling.offer(sink, record, line)

    def _take_unread(self, line: str | bytes) -> bool:
        """Take a line that need not be read now; False for all others."""
        if not self._shortcuts or not isinstance(self.message_reader, LineReader):
            return False
        return self._recalling.offer_text(self._shortcuts, line, self.message_reader.line)

    def mind_the_age(self) -> None:
        """Deliver what waits for too long, so that STATE can follow."""
        self._handle_max_record_age()

    @property
    def _started_bulk(self) -> BulkDelivery | None:
        return self.__dict__.get("bulk")

    @property
    def _opened_ledger(self) -> Ledger | None:
        return self.__dict__.get("ledger")

    def begin(self, delivery: Delivery) -> None:
        """Take up a stream: settle what an earlier run left in doubt before anything is sent."""
        self._deliveries.append(delivery)
        self._delivering = True
        try:
            delivery.settle_leftovers()
        finally:
            self._delivering = False
        if PROCESS.requested:
            self._stop()

    def deliver(self, delivery: Delivery, batch: Sequence[Mapping[str, Any]]) -> None:
        """Have a batch delivered, after all of another stream that is under way."""
        if self._current is not delivery:
            self._complete()
        self._current = delivery
        with self._at_work(delivery), telemetry().span("batch", stream=delivery.courier.stream):
            delivery.offer(batch)
        self._conclude(delivery)
        if self._aborts:
            self._complete()

    def _tend(self, quiet: float) -> bool:
        """Go on with what has come while no input does, for `quiet` seconds now.

        False where all of it has its outcome.
        """
        begun = any(sink.current_size for sink in self._delivery_sinks())
        if begun and quiet >= QUIET:
            self.drain_all()
        if (delivery := self._current) is None:
            under_way = False
        else:
            with self._at_work(delivery):
                under_way = delivery.tend(GLANCE)
            self._conclude(delivery)
        if begun and not under_way:
            PROCESS.sleep(GLANCE)
        return begun or under_way

    def _delivery_sinks(self) -> Iterator[DeliverySink]:
        return (sink for sink in self._sinks_active.values() if isinstance(sink, DeliverySink))

    def _complete(self) -> None:
        """Give all that is under way its outcome."""
        delivery, self._current = self._current, None
        if delivery:
            with self._at_work(delivery):
                delivery.complete()
            self._conclude(delivery)

    def _break_off(self) -> None:
        """Begin nothing more, and give what is in flight its outcome."""
        for delivery in self._deliveries:
            try:
                with self._at_work(delivery):
                    delivery.break_off()
            except DeliveryError as error:
                self.logger.warning("%s", error)

    @contextmanager
    def _at_work(self, delivery: Delivery) -> Iterator[None]:
        """Take a signal as a wish to finish; then emit the STATE that is covered, and no other."""
        self._delivering = True
        try:
            yield
        finally:
            self._delivering = False
            if self._unfinished(delivery):
                # What comes covers documents that have to be offered again.
                self._state_frozen = True
                self._latest_state = self._waiting_state = None
            if not self._is_over(delivery):
                self._release()

    def _conclude(self, delivery: Delivery) -> None:
        """End where the run is to end."""
        if PROCESS.requested:
            self._stop()
        if self._is_over(delivery):
            msg = "a document was rejected and on_reject is abort; the reasons stand above"
            raise DeliveryError(msg)

    def _is_over(self, delivery: Delivery) -> bool:
        return self._aborts and delivery.tally[Status.REJECTED] > 0

    @property
    def _aborts(self) -> bool:
        return bool(self.config["on_reject"] == "abort")

    @staticmethod
    def _unfinished(delivery: Delivery) -> int:
        return (
            delivery.tally[Status.IN_DOUBT]
            + delivery.tally[Status.NOT_SENT]
            + len(delivery.bad_records)
        )

    # Final to the SDK, which offers no other place around the whole of it; nothing of it changes.
    def listen(self, file_input: IO[str] | None = None) -> None:  # type: ignore[misc]
        """Read and deliver all input, and say now and then how far that is."""
        with Progress(self._standing, self.config["progress_seconds"], run_id=self.run_id):
            super().listen(file_input)

    def _standing(self) -> Standing:
        reader = self.message_reader
        records = reader.records if isinstance(reader, LineReader) else 0
        flying = sum(len(delivery.in_flight) for delivery in self._deliveries)
        return Standing({"": records}, READ, self._tallies(), flying)

    # Singer

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._break_off()
            self._end_run(error)
            raise

    def _end_run(self, error: BaseException | None) -> None:
        ledger = self._opened_ledger
        if ledger is None:
            return
        ending = "stopped" if PROCESS.requested else "failed" if error else "complete"
        counts = {
            delivery.courier.stream: {status.value: n for status, n in delivery.tally.items() if n}
            for delivery in self._deliveries
        }
        made = {"requests": REQUESTS.made, "throttled": REQUESTS.throttled}
        for stream, numbers in self._tallies().items():
            telemetry().outcomes(stream, numbers)
        try:
            ledger.end_run(self.run_id, {"ending": ending, "counts": counts, "http": made})
            if file := self.config.get("anchor_file"):
                append_anchor(Path(file), ledger.trail.head())
        except LedgerError as problem:
            # It says nothing about the documents: all of them have been committed.
            self.logger.error("the end of this run could not be noted: %s", problem)
            if error is None:
                raise

    def _tallies(self) -> dict[str, dict[str, int]]:
        """Return how many documents of each stream have which outcome in this run, so far."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for delivery in self._deliveries:
            found[delivery.courier.stream].update(
                {status.value: number for status, number in delivery.tally.copy().items()}
            )
        if self._started_bulk:
            for (stream, status), number in self._started_bulk.tally.copy().items():
                found[stream][status.value] += number
        return {stream: dict(+numbers) for stream, numbers in found.items()}

    def get_sink_class(self, stream_name: str) -> type[Sink]:
        """Return the sink of a stream; the test stream of Meltano only checks the connection."""
        return ConnectionCheckSink if stream_name == TEST_STREAM else self.sink_for(stream_name)

    def _bad_line(self, problem: str) -> None:
        self._bad_lines.append(problem)
        self.logger.error("%s; the others go on, and this run will end with exit code 1", problem)
        # Whatever comes after may stand for what the bad line held: the next run must see it again.
        self._state_frozen = True

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        self._recalling.catch_up()
        if self._state_frozen:
            return
        if self._started_bulk and self._started_bulk.pending:
            # It covers documents that are sent at the end of the input. An earlier STATE, which
            # covers none of them, may still go out.
            self._assert_line_requires(message_dict, requires={"value"})
            self._waiting_state = message_dict["value"]
            return
        self._waiting_state = None
        self._assert_line_requires(message_dict, requires={"value"})
        self._held.append(_Held(message_dict["value"], self._taken()))
        self._release()
        if self._held and self._max_record_age_in_minutes > self._MAX_RECORD_AGE_IN_MINUTES:
            self.drain_all()

    def _taken(self) -> list[tuple[Delivery, int]]:
        """Return how many records each delivery had once those had come that wait in its sink."""
        return [
            (sink.delivery, sink.delivery.offered + sink.current_size)
            for sink in self._delivery_sinks()
        ]

    def _release(self) -> None:
        """Emit the latest STATE of which everything before it has a durable outcome."""
        covered = None
        while self._held and self._held[0].covered:
            covered = self._held.popleft().state
        if covered is not None and covered != self._emitted:
            self._emitted = covered
            self._write_state_message(covered)

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        self._recalling.catch_up()
        super()._process_schema_message(message_dict)
        self._find_shortcut(message_dict["stream"])
        if self._sinks_to_clear:
            # A changed schema opens a new sink; the old one's records go first, or a later version
            # of a document could be overwritten by an earlier one.
            self.drain_all()
            self._complete()

    def _find_shortcut(self, stream: str) -> None:
        """Note where records of a stream go as they are, to a sink that takes them one by one."""
        self._shortcuts.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        plain = len(maps) == 1 and type(maps[0]) is SameRecordTransform
        if plain and not maps[0].flattening_enabled:
            sink = self.get_sink(maps[0].stream_alias)
            if isinstance(sink, BulkSink) and not sink.include_sdc_metadata_properties:
                self._shortcuts[stream] = sink

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Do as the SDK does, without asking it about each record what the SCHEMA has decided."""
        sink = self._shortcuts.get(message_dict.get("stream", ""))
        if sink is None or "record" not in message_dict:
            super()._process_record_message(message_dict)
            return
        record = message_dict["record"]
        sink._remove_sdc_metadata_from_record(record)
        sink._singer_validate_message(record)
        sink.tally_record_read()
        sink.process_record(record, {})
        sink.record_counter_metric.increment()
        if sink.is_full:
            self.drain_one(sink)
        self._handle_max_record_age()

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        self._check_stream(message_dict)
        self._recalling.catch_up()
        for stream_map in self.mapper.stream_maps[message_dict["stream"]]:
            sink = self.get_sink(stream_map.stream_alias)
            if isinstance(sink, BulkSink):
                sink.activate_version(message_dict["version"])
            else:
                self.logger.debug("%s: a version message says nothing here", sink.stream_name)

    def _process_batch_message(self, message_dict: dict[str, Any]) -> None:  # noqa: ARG002
        msg = "is a BATCH message, which is not supported: have the tap send RECORD messages"
        raise BadInput(msg)

    def _check_stream(self, message_dict: dict[str, Any]) -> None:
        self._assert_line_requires(message_dict, requires={"stream", "version"})
        if message_dict["stream"] not in self.mapper.stream_maps:
            msg = "belongs to a stream that had no SCHEMA"
            raise BadInput(msg)

    def _write_state_message(self, state: dict[str, Any]) -> None:
        # The SDK's own json.dumps fails on a number with a fraction, which is a Decimal here.
        sys.stdout.write(encode_json(state).decode() + "\n")
        sys.stdout.flush()

    def process_endofpipe(self) -> None:
        """Deliver what is left, emit the last STATE, sum up, and fail where something is open."""
        with self._noting_failure():
            self._finish()
        self._end_run(None)

    def _finish(self) -> None:
        try:
            self._recalling.catch_up()
            self._drain_all(self._sinks_active.values(), 1)
            self._complete()
            self._flush()
            super().process_endofpipe()
        finally:
            self._sum_up()
            self._close_bulk()
        problems = [
            f"{self._unfinished(delivery)} of {delivery.courier.stream}"
            for delivery in self._deliveries
            if self._unfinished(delivery)
        ]
        for delivery in self._deliveries:
            for problem in delivery.bad_records:
                self.logger.error("%s", problem)
        if self._started_bulk:
            problems += self._started_bulk.problems
        if self._bad_lines:
            problems.append(f"{len(self._bad_lines)} unreadable input line(s)")
        stuck = [label for delivery in self._deliveries for label in delivery.stuck]
        if stuck and not problems:
            msg = (
                f"{len(stuck)} document(s) were given up in this run and need a person: "
                f"{', '.join(stuck[:NAMED])}{', …' if len(stuck) > NAMED else ''}; see "
                "`singer-delivery list --status stuck`"
            )
            raise DeliveryError(msg)
        if problems:
            msg = (
                f"not everything has an outcome: {', '.join(problems)}; STATE was held back, "
                "so that the next run is offered them again"
            )
            raise DeliveryError(msg)

    def _flush(self) -> None:
        """Send what waited for the end of the input; then the STATE that covers it may go out."""
        bulk = self._started_bulk
        if bulk is None:
            return
        self._delivering = True
        try:
            with telemetry().span("batch"):
                bulk.flush()
        finally:
            self._delivering = False
        if PROCESS.requested:
            sys.exit(1)
        if self._aborts and bulk.rejected:
            msg = "a record was rejected and on_reject is abort; the reasons stand above"
            raise DeliveryError(msg)
        if self._waiting_state is not None and not bulk.problems:
            self._latest_state = self._waiting_state

    def _close_bulk(self) -> None:
        if self._started_bulk:
            self._started_bulk.close()

    def _sum_up(self) -> None:
        if self._summed_up:
            return
        self._summed_up = True
        for delivery in self._deliveries:
            counts = ", ".join(
                f"{delivery.tally[status]} {status.value.replace('_', ' ')}"
                for status in Status
                if delivery.tally[status]
            )
            self.logger.info(
                "%s: %s (run %s)",
                delivery.courier.stream,
                counts or "nothing to do",
                self.run_id,
            )
        if self._started_bulk:
            self._started_bulk.sum_up()

    # Signals

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Finish what is in flight, start nothing new, and not beyond the grace.

        The SDK would drain every sink from inside the interrupted batch and then emit a STATE
        that covers it.
        """
        if PROCESS.requested:
            # Mostly an echo of the first: on Ctrl-C the terminal signals all, and Meltano again.
            if PROCESS.request():
                self._give_up("told to stop once more")
            return
        PROCESS.request()
        grace = self.config["grace_seconds"]
        PROCESS.grace(grace, lambda: self._give_up(f"the grace of {grace} s is over"))
        self.logger.warning(
            "%s: finishing what is in flight, within %d s", signal.Signals(signum).name, grace
        )
        if not self._delivering:
            self._stop()

    def _give_up(self, why: str) -> None:
        """End at once: what is in flight stays in doubt, in the ledger, for the next run."""
        try:
            flying = [name for delivery in self._deliveries for name in delivery.in_flight]
            which = f" ({', '.join(flying)})" if flying else ""
            words = f"{self.name}: {why}; the next run reads back what is in flight{which}"
            # Not through the logger, whose lock the interrupted code may hold.
            os.write(2, f"{words}\n".encode())
        finally:
            os._exit(1)

    def _stop(self) -> None:
        self._break_off()
        self._sum_up()
        sys.exit(1)

    # Command line

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Add --test: check the connection and write nothing."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--test", "test"],
                is_flag=True,
                default=False,
                help="Check the connection and the rights, write nothing, and exit.",
            )
        )
        return command

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        test: bool = False,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        file_input: IO[str] | None = None,
    ) -> None:
        """Run the target, or only check its connection."""
        if not test or about:
            super().invoke(
                about=about, about_format=about_format, config=config, file_input=file_input
            )
            return
        given = config or _ConfigInput()
        target = cls(config=given.config, validate_config=True, parse_env_config=given.parse_env)
        cls.logger.info("Connection test passed: %s", target.check_connection())

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings that make sense for an API: stream maps."""
        super(Target, cls).append_builtin_config(config_jsonschema)


class ConnectionCheckSink(BatchSink):
    """Checks the connection when Meltano tests a loader, and writes nothing."""

    def __init__(self, target: DeliveryTarget, *args: Any, **kwargs: Any) -> None:
        super().__init__(target, *args, **kwargs)
        self.target = target

    def setup(self) -> None:
        """Check the connection; raises DeliveryError."""
        self.logger.info("Connection test passed: %s", self.target.check_connection())

    def process_batch(self, context: dict[str, Any]) -> None:
        """Write nothing."""
