"""Streams that read the environment: the base of all, and the stream of one entity set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from singer_delivery.ahead import one_ahead
from singer_delivery.writer import WholeLines
from singer_sdk.helpers.conform import TypeConformanceLevel
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.streams import Stream

from tap_d365fo.bookmark import Bookmark, Position, moment, read_from
from tap_d365fo.changes import ChangeFeed, Changes, newest_of, read_changes
from tap_d365fo.client import Key, Row
from tap_d365fo.odata import compare
from tap_d365fo.reader import OFFSET, Reader

if TYPE_CHECKING:
    from singer_sdk import Tap

__all__ = ["ChangeFeed", "Composer", "Curated", "D365Stream", "EntityStream"]

#: Changed rows that are looked up and composed together.
CHUNK = 400


class Composer(Protocol):
    """Adds properties of other entity sets to the rows of a page."""

    @property
    def properties(self) -> Mapping[str, Any]:
        """JSON schema of each property that it adds."""
        ...

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields that it needs in the rows, whether they are selected or not."""
        ...

    def compose(self, reader: Reader, rows: list[Row]) -> Iterable[Row]:
        """Yield the rows of one page with what is added."""
        ...


@dataclass(frozen=True)
class Curated:
    """A stream of one entity set with good defaults."""

    name: str
    entity_set: str
    composer: Composer | None = None
    feeds: tuple[ChangeFeed, ...] = ()
    replication_key: str | None = None
    description: str = ""


class D365Stream(Stream):
    """A stream that reads the environment.

    A composed stream gives `name`, `primary_keys`, `schema`, `requires` and `records`: one whole
    crawl. When that ends without error, ACTIVATE_VERSION follows. A stream with a state of its own
    overrides `get_records` instead.
    """

    #: Entity sets without which the stream is not offered.
    requires: ClassVar[tuple[str, ...]] = ()
    #: A run without a catalog asks nothing of the environment.
    selected_by_default = False
    #: Rows come with the types of $metadata, from which the schema is made.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    @property
    def reader(self) -> Reader:
        """The reader that all streams of the run share."""
        return self._tap.reader  # type: ignore[attr-defined, no-any-return]

    def probe(self) -> list[str]:
        """Read one row of each set that the stream stands on; return their names."""
        for entity_set in self.requires:
            keys = self.reader.entity(entity_set).keys
            self.reader.client.page(entity_set, select=keys, orderby=keys, top=1)
        return list(self.requires)

    def records(self) -> Iterable[Row]:
        """Yield every record of a whole crawl."""
        raise NotImplementedError

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield the records of a whole crawl."""
        self.reader.begin()
        self._begin_version()
        yield from self.records()
        self._activate_version()

    @cached_property
    def _spare(self) -> tuple[str, ...] | None:
        """Properties to take off each record; None where a choice inside of one is made."""
        chosen = self.mask.items()
        if any(len(place) > 2 and not selected for place, selected in chosen):
            return None
        return tuple(name for name in self._told if not self._is_selected(name))

    @property
    def _told(self) -> Iterable[str]:
        """Properties that records come with."""
        return self.schema["properties"]  # type: ignore[no-any-return]

    def _is_selected(self, name: str) -> bool:
        return name in self.effective_schema["properties"] and self.mask["properties", name]

    def _sync_records(
        self, context: Mapping[str, Any] | None = None, *, write_messages: bool = True
    ) -> Generator[Row, Any, Any]:
        """Write the records as the SDK does, without its look at every field of the schema.

        That look takes most of the time of a run. Our streams have neither partitions nor children.
        """
        writer = self._tap.message_writer
        if not self._is_plain or not write_messages or not isinstance(writer, WholeLines):
            yield from super()._sync_records(context, write_messages=write_messages)
            return
        spare = self._spare or ()
        with self.get_record_counter() as counter, self.get_sync_timer():
            for number, record in enumerate(self.get_records(context)):
                self._check_max_record_limit(current_record_index=number)
                for name in spare:
                    record.pop(name, None)
                writer.write_record(self._message(record))
                self.state_manager.is_flushed = False
                if (number + 1) % self.STATE_MSG_FREQUENCY == 0:
                    self._write_state_message()
                counter.increment()
                yield record
        self._finalize_state(self.stream_state)
        self._write_state_message()

    @property
    def _is_plain(self) -> bool:
        """Whether records go out as they are, but for properties that are not selected."""
        maps = self.stream_maps
        return (
            self.selected
            and self._spare is not None
            and len(maps) == 1
            and type(maps[0]) is SameRecordTransform
            and not maps[0].flattening_enabled
        )

    def _message(self, record: Row) -> dict[str, Any]:
        message = {
            "type": "RECORD",
            "stream": self.name,
            "record": record,
            "time_extracted": datetime.now(UTC),
        }
        if self._stream_version is not None:
            message["version"] = self._stream_version
        return message

    def _begin_version(self) -> None:
        """Give the records that follow a new version."""
        if self.config.get("activate_versions", True):
            self._stream_version = self._initialized_at // 1000

    def _activate_version(self) -> bool:
        """Say that what has no record of this version is gone, if the crawl was complete."""
        if not self.reader.is_complete:
            moved = ", ".join(sorted(self.reader.read & self.reader.moved))
            self.logger.warning(
                "%s: rows of %s moved while it was read by offset; what is gone is not told "
                "this time. Paging by key does not have this",
                self.name,
                moved,
            )
            return False
        if self._stream_version is not None:
            self._write_activate_version_message(self._stream_version)
        return True

    @property
    def _overlap(self) -> timedelta:
        return timedelta(minutes=self.config["overlap_minutes"])

    @property
    def _commit_delay(self) -> timedelta:
        return timedelta(seconds=self.config["commit_delay_seconds"])

    # The SDK's own bookmark would know neither companies nor filters nor the commit delay.

    def get_replication_key_signpost(self, context: Any = None) -> None:
        """Return none: bookmarks are written where a crawl is complete."""

    def _write_starting_replication_value(self, context: Any) -> None:
        """Do nothing."""

    def _increment_stream_state(self, latest_record: Any, *, context: Any = None) -> None:
        """Do nothing."""


class EntityStream(D365Stream):
    """The rows of one entity set: whole, or what changed since the bookmark."""

    def __init__(self, tap: Tap, curated: Curated, schema: dict[str, Any], where: str = "") -> None:
        """Make the stream; `where` is the configured filter, checked before."""
        self.curated, self.where = curated, where
        super().__init__(tap, schema=schema, name=curated.name)
        self._primary_keys = tap.reader.entity(curated.entity_set).keys  # type: ignore[attr-defined]
        self._replication_key = curated.replication_key

    @property
    def requires(self) -> tuple[str, ...]:  # type: ignore[override]
        """The entity set, and those that tell its changes."""
        feeds = () if self._missing_feed else (feed.entity_set for feed in self.curated.feeds)
        return (self.curated.entity_set, *feeds)

    def get_records(self, context: Mapping[str, Any] | None) -> Iterable[dict[str, Any]]:  # noqa: ARG002
        """Yield rows, those that changed only where the environment can tell."""
        self.reader.begin()
        bookmark = Bookmark(self.stream_state, self._scope)
        if self.replication_key and self.replication_method == "INCREMENTAL":
            yield from self._since_bookmark(bookmark)
        elif (changes := self._changes(bookmark)) is not None:
            yield from self._changed(bookmark, changes)
        else:
            yield from self._whole(bookmark)

    def records(self) -> Iterator[Row]:
        """Yield every row."""
        for page in self._pages(self.where):
            yield from self._composed(page)

    # The whole set

    def _whole(self, bookmark: Bookmark) -> Iterator[Row]:
        feeds = () if self._missing_feed else self.curated.feeds
        if self._missing_feed:
            self.logger.info(
                "%s is read whole in every run: the environment has no %s to tell its changes",
                self.name,
                self._missing_feed,
            )
        latest = {f.entity_set: self.reader.latest(f.entity_set, f.watermark) for f in feeds}
        began = self.reader.now(self.curated.entity_set)
        self._begin_version()
        yield from self.records()
        if self._activate_version() and feeds:
            self.reader.begin()
            marks = {name: mark for name, mark in latest.items() if mark}
            bookmark.crawled(self._held_back(marks, began), began, self._stream_version)

    # What other sets say has changed

    @cached_property
    def _missing_feed(self) -> str:
        missing = (feed.missing(self.reader) for feed in self.curated.feeds)
        return next(filter(None, missing), "")

    def _changes(self, bookmark: Bookmark) -> Changes | None:
        """Return what changed, with the bookmarks to write; None when all is to be read."""
        feeds, marks = self.curated.feeds, bookmark.watermarks
        if not feeds or self._missing_feed or not all(f.entity_set in marks for f in feeds):
            return None
        now = self.reader.now(self.curated.entity_set)
        age = timedelta(hours=self.config["full_refresh_hours"])
        if bookmark.last_full is None or now - bookmark.last_full >= age:
            return None
        since = {name: read_from(mark, self._overlap) for name, mark in marks.items()}
        changes = read_changes(self.reader, feeds, since)
        if changes is None:
            self.logger.info("%s: so much has changed that it is read whole", self.name)
            return None
        return Changes(changes.keys, self._held_back(changes.newest, now))

    def _changed(self, bookmark: Bookmark, changes: Changes) -> Iterator[Row]:
        self._stream_version = bookmark.version
        keys = iter(changes.keys)
        while chunk := list(islice(keys, CHUNK)):
            rows = list(self._lookup(chunk))
            with self.reader.scattered():
                composed = list(self._composed(rows)) if rows else []
            yield from composed
        bookmark.advanced(changes.newest)

    def _lookup(self, keys: Sequence[Key]) -> Iterator[Row]:
        return self.reader.lookup(self.curated.entity_set, keys, self._select, filter=self.where)

    # What its own timestamp says has changed

    def _since_bookmark(self, bookmark: Bookmark) -> Iterator[Row]:
        """Read from the bookmark on; where a run broke off, go on there."""
        entity_set, field = self.curated.entity_set, str(self.replication_key)
        resumed = bookmark.position if self.reader.paging != OFFSET else None
        position = resumed or self._start(bookmark)
        self._stream_version = position.version
        where = compare(field, "ge", position.since) if position.since else ""
        after = dict(position.after) or None
        condition = f"({self.where}) and {where}" if self.where and where else self.where or where
        for page in self._pages(condition, after=after):
            newest = [mark for mark in (position.newest, newest_of(page, field)) if mark]
            last = {name: page[-1][name] for name in self.primary_keys}
            yield from self._composed(page)
            position = Position(
                last, position.since, position.until, max(newest, default=None), position.version
            )
            if self.reader.paging != OFFSET:
                bookmark.paused(position)
                self._write_state_message()
        whole = position.since is None and not resumed
        complete = self._activate_version() if whole else self.reader.is_complete
        if complete:
            marks = {}
            if position.newest:
                marks[entity_set] = min(position.newest, position.until)
            if whole:
                bookmark.crawled(marks, position.until, position.version)
            else:
                bookmark.advanced(marks)

    def _start(self, bookmark: Bookmark) -> Position:
        now = self.reader.now(self.curated.entity_set)
        mark = bookmark.watermarks.get(self.curated.entity_set)
        always_whole = not self.config["full_refresh_hours"]
        since = read_from(mark, self._overlap) if mark and not always_whole else None
        earliest = moment(self.config.get("start_date"))
        since = max(filter(None, (since, earliest)), default=None)
        if since is None:
            self._begin_version()
        version = self._stream_version if since is None else bookmark.version
        return Position({}, since, now - self._commit_delay, None, version)

    # Pages

    def _pages(self, where: str, after: Row | None = None) -> Iterator[list[Row]]:
        pages = self.reader.crawl(
            self.curated.entity_set, select=self._select, filter=where, after=after
        )
        return one_ahead(pages)

    def _composed(self, page: list[Row]) -> Iterable[Row]:
        composer = self._composer
        return composer.compose(self.reader, page) if composer else page

    @cached_property
    def _composer(self) -> Composer | None:
        """The composer, when anything that it adds is selected."""
        composer = self.curated.composer
        wanted = composer and any(self._is_selected(name) for name in composer.properties)
        return composer if wanted else None

    @cached_property
    def _select(self) -> tuple[str, ...]:
        """The fields to ask for."""
        known = self.reader.entity(self.curated.entity_set).properties
        needed = {*self.primary_keys, *filter(None, [self.replication_key])}
        needed |= set(self._composer.needs if self._composer else ())
        return tuple(name for name in known if name in needed or self._is_selected(name))

    @property
    def _told(self) -> Iterable[str]:
        added = self._composer.properties if self._composer else ()
        return (*self._select, *added)

    # Bookmarks

    @cached_property
    def _scope(self) -> str:
        """What decides which rows and fields a bookmark is about."""
        content = [sorted(self.reader.companies), self.where, sorted(self._select)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    def _held_back(self, marks: Mapping[str, datetime], now: datetime) -> dict[str, datetime]:
        """Return watermarks that leave time for what is written but not committed yet."""
        return {name: min(mark, now - self._commit_delay) for name, mark in marks.items()}
