"""Which rows of a set changed, as sets with timestamps tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tap_d365fo.bookmark import moment
from tap_d365fo.client import Key
from tap_d365fo.odata import compare
from tap_d365fo.reader import Reader, group_key

#: More changed keys than these are read faster in a whole crawl.
MAX_CHANGED = 10_000


@dataclass(frozen=True)
class ChangeFeed:
    """A set with a timestamp that tells which rows of another set changed.

    `keys`: key field of the stream's set -> field of the feed; may be a leading part of the key.
    """

    entity_set: str
    watermark: str
    keys: Mapping[str, str]

    def missing(self, reader: Reader) -> str:
        """Return what the environment lacks to use it, "" when it is all there."""
        if not reader.has(self.entity_set):
            return self.entity_set
        fields = (self.watermark, *self.keys.values())
        lacking = [name for name in fields if not reader.has(self.entity_set, name)]
        return f"{self.entity_set}.{lacking[0]}" if lacking else ""


@dataclass(frozen=True)
class Changes:
    """Keys (or leading parts of keys) that changed, and the latest timestamp of each feed."""

    keys: Sequence[Key]
    newest: Mapping[str, datetime]


def read_changes(
    reader: Reader, feeds: Sequence[ChangeFeed], since: Mapping[str, datetime]
) -> Changes | None:
    """Return what changed since these times; None for more than is worth looking up."""
    found: dict[object, Key] = {}
    newest: dict[str, datetime] = {}
    for feed in feeds:
        select = (*feed.keys.values(), feed.watermark)
        where = compare(feed.watermark, "ge", since[feed.entity_set])
        for page in reader.crawl(feed.entity_set, select=select, filter=where):
            for row in page:
                key = {ours: row[theirs] for ours, theirs in feed.keys.items()}
                found[tuple(key), group_key(key, key)] = key
            latest = newest_of(page, feed.watermark)
            if latest:
                newest[feed.entity_set] = max(latest, newest.get(feed.entity_set, latest))
            if len(found) > MAX_CHANGED:
                return None
    return Changes(list(found.values()), newest)


def newest_of(rows: Sequence[Mapping[str, object]], field: str) -> datetime | None:
    """Return the latest value of a date-time field."""
    values = (moment(value) for value in {row.get(field) for row in rows})
    return max((value for value in values if value), default=None)
