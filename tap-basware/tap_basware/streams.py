"""Streams: one class, told apart by their `Resource`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from singer_delivery.errors import Refused, SetupError
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.singerlib.catalog import REPLICATION_FULL_TABLE, REPLICATION_INCREMENTAL
from singer_sdk.streams import Stream

from tap_basware.client import Page, Record
from tap_basware.crawl import Crawl, Query, moment, stamp
from tap_basware.resources import Resource

if TYPE_CHECKING:
    from tap_basware.tap import TapBasware

CONTINUATION = "continuation"


class BaswareStream(Stream):
    """Reads one list of the API, keeping its place in the bookmark after each page."""

    # Records are JSON already, with Decimal; what the schema does not know is taken out here,
    # because the SDK warns of it once per record shape instead of once per field.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    _tap: TapBasware

    def __init__(self, tap: TapBasware, resource: Resource) -> None:
        self.resource = resource
        self.selected_by_default = resource.by_default
        super().__init__(tap, schema=resource.schema, name=resource.name)
        self.primary_keys = resource.keys
        self.replication_key = resource.replication_key
        self._unknown_fields: set[str] = set()
        start_date = self.config.get("start_date")
        if start_date and moment(start_date) is None:
            msg = f"start_date {start_date!r} is not a date: write it like 2026-01-31"
            raise SetupError(msg)

    @property
    def replication_method(self) -> str:
        """Full table where Basware cannot filter by change, whatever the catalog says."""
        if self.resource.replication_key is None:
            return REPLICATION_FULL_TABLE
        return super().replication_method

    @property
    def incremental(self) -> bool:
        """Whether only what changed since the bookmark is read."""
        return self.replication_method == REPLICATION_INCREMENTAL

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[Record]:
        """Yield the records of this run; STATE is written after each page.

        Raises ApiError when Basware refuses or cannot be reached.
        """
        since = self.get_starting_timestamp(context) if self.incremental else None
        queries = self.resource.queries(self.config, since)
        if not queries:
            self.logger.warning("nothing is read: set list_keys to the lists to read")
        crawl = Crawl(
            self._pages,
            queries,
            kept=self.stream_state.get(CONTINUATION),
            replication_key=self.resource.replication_key if self.incremental else None,
        )
        for records, position in crawl.run():
            yield from map(self._with_keys, records)
            # The SDK has written the page's last record when it comes back here.
            self._keep(position)
        self._keep(None)
        if self.incremental:
            self._advance(crawl.watermark)

    def post_process(self, row: Record, context: Mapping[str, Any] | None = None) -> Record:  # noqa: ARG002
        """Take out what the schema does not know, and say so once per field."""
        unknown: set[str] = set()
        known: Record = prune(row, self.effective_schema, unknown)
        for name in sorted(unknown - self._unknown_fields):
            self.logger.warning("left out the field %s, which the schema does not have", name)
        self._unknown_fields |= unknown
        return known

    def probe(self) -> int:
        """Read one record at most; return how many there were. Raises ApiError."""
        queries = self.resource.queries({**self.config, "page_size": 1}, None)
        return sum(len(next(self._pages(query, None)).records) for query in queries[:1])

    def get_replication_key_signpost(self, context: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Return none: the crawl limits its own watermark, by the server's clock."""
        return

    def _pages(self, query: Query, token: str | None) -> Iterator[Page]:
        return self._tap.client.pages(query.path, query.params, self.resource.envelope, token)

    def _with_keys(self, record: Record) -> Record:
        missing = [key for key in self.resource.keys if record.get(key) in (None, "")]
        if missing:
            msg = f"Basware sent a record of {self.name} without {', '.join(missing)}"
            raise Refused(msg)
        return record

    def _keep(self, position: dict[str, Any] | None) -> None:
        """Put the crawl's position into the bookmark and tell the target."""
        if position is None:
            self.stream_state.pop(CONTINUATION, None)
        else:
            self.stream_state[CONTINUATION] = position
        self.state_manager.is_flushed = False
        if position is not None:
            self._write_state_message()

    def _advance(self, watermark: datetime | None) -> None:
        """Move the bookmark of a complete crawl; never backwards."""
        before = moment(self.stream_state.get("replication_key_value"))
        known = [when for when in (before, watermark) if when]
        if known:
            self.stream_state["replication_key"] = self.resource.replication_key
            self.stream_state["replication_key_value"] = stamp(max(known))

    def _increment_stream_state(
        self, latest_record: Record, *, context: Mapping[str, Any] | None = None
    ) -> None:
        """Do nothing: lists come in no documented order, so only a complete crawl counts."""


def prune(value: Any, schema: Mapping[str, Any], unknown: set[str], path: str = "") -> Any:
    """Return `value` with the properties of `schema` only; add the names of others to `unknown`."""
    properties = schema.get("properties")
    if isinstance(value, dict) and properties is not None:
        unknown.update(f"{path}{name}" for name in value.keys() - properties.keys())
        return {
            name: prune(item, properties[name], unknown, f"{path}{name}.")
            for name, item in value.items()
            if name in properties
        }
    if isinstance(value, list) and "items" in schema:
        return [prune(item, schema["items"], unknown, path) for item in value]
    return value
