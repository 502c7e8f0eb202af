"""How far a stream has read: its part of the Singer state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

#: F&O shows a date without a time of day as noon.
NOON = time(12)


def moment(value: Any) -> datetime | None:
    """Return a date-time in UTC; None for what is none, such as a bookmark from elsewhere."""
    try:
        read = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def text(value: datetime) -> str:
    """Return a date-time as F&O writes it."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def read_from(watermark: datetime, overlap: timedelta) -> datetime:
    """Return from when on to read again: the overlap before; of a date, its whole day."""
    start = watermark - overlap
    return start.replace(hour=0, minute=0, second=0) if watermark.time() == NOON else start


@dataclass
class Bookmark:
    """Watermarks by entity set, and when the last whole crawl was; changes `state` in place.

    What was read with another `scope` (companies, filter, fields) tells nothing about this one.
    """

    state: dict[str, Any]
    scope: str

    @property
    def valid(self) -> bool:
        """Whether the state was written with this scope."""
        return self.state.get("scope") == self.scope

    @property
    def watermarks(self) -> dict[str, datetime]:
        """The time that each set was read up to."""
        marks = self.state.get("watermarks") if self.valid else None
        given = marks.items() if isinstance(marks, Mapping) else ()
        return {name: mark for name, value in given if (mark := moment(value))}

    @property
    def last_full(self) -> datetime | None:
        """When the last complete crawl began, by the server's clock."""
        return moment(self.state.get("last_full")) if self.valid else None

    @property
    def version(self) -> int | None:
        """The version of the last complete crawl: what changes later belongs to it too."""
        version = self.state.get("version")
        return version if self.valid and isinstance(version, int) else None

    @property
    def position(self) -> Position | None:
        """Where a crawl broke off."""
        return Position.read(self.state.get("position")) if self.valid else None

    def crawled(
        self, watermarks: Mapping[str, datetime], at: datetime, version: int | None
    ) -> None:
        """Note a complete crawl."""
        self._write(watermarks)
        self.state["last_full"] = text(at.replace(microsecond=0))
        if version is not None:
            self.state["version"] = version

    def advanced(self, watermarks: Mapping[str, datetime]) -> None:
        """Note that changes were read; a watermark never goes back."""
        known = self.watermarks
        self._write({name: max(mark, known.get(name, mark)) for name, mark in watermarks.items()})

    def paused(self, position: Position) -> None:
        """Note how far a crawl has come."""
        if not self.valid:
            self.state.clear()
        self.state |= {"scope": self.scope, "position": position.write()}

    def _write(self, watermarks: Mapping[str, datetime]) -> None:
        marks = {**self.watermarks, **watermarks}
        keep = ("last_full", "version") if self.valid else ()
        kept: dict[str, Any] = {name: self.state[name] for name in keep if name in self.state}
        self.state.clear()
        self.state |= kept
        self.state["scope"] = self.scope
        if marks:
            self.state["watermarks"] = {name: text(mark) for name, mark in marks.items()}


@dataclass(frozen=True)
class Position:
    """Where a crawl by a replication key is: after which key, and what it began with.

    `since`: the lower end of what it reads; `until`: the latest bookmark it may end with;
    `newest`: the latest value so far.
    """

    after: Mapping[str, Any]
    since: datetime | None
    until: datetime
    newest: datetime | None
    version: int | None

    def write(self) -> dict[str, Any]:
        """Return the position as JSON."""
        after = {k: str(v) if isinstance(v, Decimal) else v for k, v in self.after.items()}
        return {
            "after": after,
            "since": text(self.since) if self.since else None,
            "until": text(self.until),
            "newest": text(self.newest) if self.newest else None,
            "version": self.version,
        }

    @classmethod
    def read(cls, given: Any) -> Position | None:
        """Return the position that `write` wrote; None for anything else."""
        if not isinstance(given, Mapping) or not isinstance(given.get("after"), Mapping):
            return None
        until = moment(given.get("until"))
        since, newest = moment(given.get("since")), moment(given.get("newest"))
        if until is None or (given.get("since") and since is None):
            return None
        return cls(dict(given["after"]), since, until, newest, given.get("version"))
