"""The inbox: which documents Basware has notified us of, in the order in which they were noted.

`basware-webhook serve` writes it, the tap reads it. A position is never given twice and never
becomes visible after a later one, so that a reader can go on behind the last one that it saw.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from singer_delivery.engines import Purpose, engine_at, transaction, unusable
from singer_delivery.errors import DeliveryError
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Delete,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.dml import ReturningInsert

from tap_basware.crawl import stamp
from tap_basware.notification import Notification

#: The form of the tables; a newer one is refused.
VERSION = 1
#: Which lock writers of one PostgreSQL inbox take turns with; any number of our own.
WRITERS_LOCK = 4203188


class InboxError(DeliveryError):
    """The inbox cannot be opened, read or written; the scheduled poll does without it."""


INBOX = Purpose("inbox", "inbox_url", "no notification is noted or read", InboxError)

_METADATA = MetaData()
_INBOX = Table(
    "basware_inbox",
    _METADATA,
    Column("id", String(36), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("created_at", String(27), nullable=False),
)
_NOTED = Table(
    "basware_notifications",
    _METADATA,
    Column(
        "position",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("task_id", String, nullable=False, unique=True),
    Column("task_status", String, nullable=False),
    Column("task_type", String, nullable=False),
    Column("task_sub_type", String, nullable=False),
    Column("document_id", String, nullable=False),
    Column("received_at", String(27), nullable=False),
    Index("basware_notifications_received", "received_at"),
    sqlite_autoincrement=True,
)
_SUBSCRIBED = Table(
    "basware_subscriptions",
    _METADATA,
    Column("task_type", String, primary_key=True),
    Column("task_sub_type", String, primary_key=True),
    Column("subscribed_at", String(27), nullable=False),
)


@dataclass(frozen=True)
class Noted:
    """A notification in the inbox."""

    position: int
    task_type: str
    document_id: str


class Inbox:
    """The inbox in a SQLite file or a PostgreSQL database; safe to share between threads."""

    def __init__(self, engine: Engine, identity: str) -> None:
        self._engine = engine
        #: Which inbox this is: positions of another one mean nothing here.
        self.identity = identity
        self._insert = _insert_new(engine.dialect.name)

    @classmethod
    def open(cls, url: str) -> Inbox:
        """Open an inbox, making it where it is missing. Raises InboxError."""
        engine = engine_at(url, INBOX)
        try:
            with engine.begin() as connection:
                _take_turn(connection)
                return cls(engine, _identity(connection))
        except InboxError:
            engine.dispose()
            raise
        except (SQLAlchemyError, OSError) as error:
            engine.dispose()
            raise unusable(url, error, INBOX) from None

    def close(self) -> None:
        """Release the database."""
        self._engine.dispose()

    def note(self, notifications: Sequence[Notification]) -> list[Notification]:
        """Keep notifications durably, in one transaction; return those not there before.

        One whose task id is known is left out. Raises InboxError.
        """
        received = stamp(datetime.now(UTC))
        rows = [
            {
                "task_id": each.task_id,
                "task_status": each.task_status,
                "task_type": each.task_type,
                "task_sub_type": each.task_sub_type,
                "document_id": each.document_id,
                "received_at": received,
            }
            for each in notifications
        ]
        with self._writing() as connection:
            new = set(connection.execute(self._insert, rows).scalars())
        once = {each.task_id: each for each in reversed(notifications)}
        return [each for task_id, each in once.items() if task_id in new]

    def after(self, position: int, *, limit: int) -> list[Noted]:
        """Return the next notifications behind a position, in order. Raises InboxError."""
        columns = (_NOTED.c.position, _NOTED.c.task_type, _NOTED.c.document_id)
        found = select(*columns).where(_NOTED.c.position > position)
        with transaction(self._engine, INBOX, reads=True) as connection:
            rows = connection.execute(found.order_by(_NOTED.c.position).limit(limit)).all()
        return [Noted(*row) for row in rows]

    def latest(self) -> str | None:
        """Return when the latest notification came, ISO 8601 in UTC. Raises InboxError."""
        with transaction(self._engine, INBOX, reads=True) as connection:
            found: str | None = connection.execute(select(func.max(_NOTED.c.received_at))).scalar()
        return found

    def forget(self, before: datetime) -> int:
        """Remove what came before a moment (aware); return how many. Raises InboxError."""
        with self._writing() as connection:
            gone = delete(_NOTED).where(_NOTED.c.received_at < stamp(before))
            return connection.execute(gone).rowcount

    def probe(self) -> None:
        """Write something that changes nothing. Raises InboxError where that cannot be done."""
        with self._writing() as connection:
            connection.execute(update(_INBOX).values(version=_INBOX.c.version))

    def subscribed(self) -> dict[tuple[str, str], str]:
        """Return since when we are subscribed: (task type, sub type) -> ISO 8601, UTC."""
        with transaction(self._engine, INBOX, reads=True) as connection:
            rows = connection.execute(select(_SUBSCRIBED)).all()
        return {(row.task_type, row.task_sub_type): row.subscribed_at for row in rows}

    def remember_subscription(self, task_type: str, task_sub_type: str) -> None:
        """Note that Basware accepted a subscription now. Raises InboxError."""
        row = {
            "task_type": task_type,
            "task_sub_type": task_sub_type,
            "subscribed_at": stamp(datetime.now(UTC)),
        }
        with self._writing() as connection:
            connection.execute(_unsubscribed(task_type, task_sub_type))
            connection.execute(insert(_SUBSCRIBED).values(row))

    def forget_subscription(self, task_type: str, task_sub_type: str) -> None:
        """Note that we do not want a subscription any more. Raises InboxError."""
        with self._writing() as connection:
            connection.execute(_unsubscribed(task_type, task_sub_type))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with transaction(self._engine, INBOX, reads=False) as connection:
            _take_turn(connection)
            yield connection


def _take_turn(connection: Connection) -> None:
    """Let writers commit in the order in which they get positions; SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})"))


def _insert_new(dialect: str) -> ReturningInsert[tuple[str]]:
    build = postgresql.insert if dialect == "postgresql" else sqlite.insert
    new = build(_NOTED).on_conflict_do_nothing(index_elements=[_NOTED.c.task_id])
    return new.returning(_NOTED.c.task_id)


def _unsubscribed(task_type: str, task_sub_type: str) -> Delete:
    of_type = delete(_SUBSCRIBED).where(_SUBSCRIBED.c.task_type == task_type)
    return of_type.where(_SUBSCRIBED.c.task_sub_type == task_sub_type)


def _identity(connection: Connection) -> str:
    """Return which inbox this is, making its tables where they are missing."""
    _METADATA.create_all(connection)
    row = connection.execute(select(_INBOX.c.id, _INBOX.c.version)).first()
    if row is None:
        identity = str(uuid.uuid4())
        created = stamp(datetime.now(UTC))
        connection.execute(insert(_INBOX).values(id=identity, version=VERSION, created_at=created))
        return identity
    if row.version > VERSION:
        msg = (
            f"the inbox was written by a newer version ({row.version}, this one knows {VERSION}); "
            "upgrade tap-basware before running it on it"
        )
        raise InboxError(msg)
    return str(row.id)
