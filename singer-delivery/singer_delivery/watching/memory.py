"""What each hook was told, kept in the ledger: a watcher that starts anew tells nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Engine, Row, select

from singer_delivery.database import reading, writing
from singer_delivery.schema import storable_text
from singer_delivery.schema import told as table
from singer_delivery.watching.alert import Severity
from singer_delivery.watching.telling import Name, Told

Known = Mapping[Name, Told]


class Memory(Protocol):
    """Where what a hook was told is kept."""

    def recall(self, hook: str) -> Known:
        """Return what a hook was told of alerts that have not ended."""
        ...

    def keep(self, hook: str, known: Known) -> None:
        """Replace what a hook was told."""
        ...


@dataclass
class ProcessMemory:
    """For as long as this process lives: where the ledger itself cannot be reached."""

    _known: dict[str, Known] = field(default_factory=dict)

    def recall(self, hook: str) -> Known:
        """Return what a hook was told of alerts that have not ended."""
        return self._known.get(hook, {})

    def keep(self, hook: str, known: Known) -> None:
        """Replace what a hook was told."""
        self._known[hook] = known

    def hand_over(self, to: Memory) -> None:
        """Move all that is known to another memory. Raises LedgerError."""
        while self._known:
            hook, known = next(iter(self._known.items()))
            to.keep(hook, {**to.recall(hook), **known})
            del self._known[hook]


@dataclass(frozen=True)
class LedgerMemory:
    """In the ledger's table `told`. Raises LedgerError."""

    engine: Engine

    def recall(self, hook: str) -> Known:
        """Return what a hook was told of alerts that have not ended."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(table).where(table.c.hook == hook))
            return {(row.kind, row.subject): _told(row) for row in rows}

    def keep(self, hook: str, known: Known) -> None:
        """Replace what a hook was told."""
        rows = [_row(hook, each) for each in known.values()]
        with writing(self.engine) as connection:
            connection.execute(table.delete().where(table.c.hook == hook))
            if rows:
                connection.execute(table.insert(), rows)


def _told(row: Row[Any]) -> Told:
    return Told(
        name=(row.kind, row.subject),
        severity=Severity(row.severity),
        title=row.title,
        members=frozenset(json.loads(row.members)),
        since=datetime.fromisoformat(row.since) if row.since else None,
        told_at=datetime.fromisoformat(row.told_at),
    )


def _row(hook: str, told: Told) -> dict[str, Any]:
    kind, subject = told.name
    return {
        "hook": hook,
        "kind": kind,
        "subject": subject,
        "severity": int(told.severity),
        "title": storable_text(told.title),
        "members": json.dumps(sorted(told.members)),
        "since": told.since.isoformat() if told.since else None,
        "told_at": told.told_at.isoformat(),
    }
