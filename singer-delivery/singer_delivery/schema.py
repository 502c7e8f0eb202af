"""Tables of the ledger. Changing them takes a migration in `migrations/versions`."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

KEY_LENGTH = 255

#: One row a document of one stream towards one remote system: where it stands now.
#: `held` is 1 once the target held a version of it, or may have; a rejected change leaves it so.
#: Times are ISO 8601 text in UTC, equal in SQLite and PostgreSQL.
documents = Table(
    "documents",
    metadata,
    Column("system", String(255), primary_key=True),
    Column("stream", String(255), primary_key=True),
    Column("key", String(KEY_LENGTH), primary_key=True),
    Column("natural_key", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("remote_key", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("intended_at", String(32)),
    Column("settled_at", String(32)),
    Column("source", String(255), nullable=False, server_default=""),
    Column("scope", Text, nullable=False, server_default=""),
    Column("held", Integer, nullable=False, server_default="0"),
    Index("documents_natural_key", "system", "stream", "natural_key"),
    Index("documents_sequence", "system", "stream", "sequence"),
    Index("documents_status", "system", "stream", "status"),
)

#: The last sequence given out, per remote system. Drawn in the transaction that uses it, so that
#: sequences become visible in order.
sequences = Table(
    "sequences",
    metadata,
    Column("system", String(255), primary_key=True),
    Column("last", BigInteger, nullable=False),
)


def storable(text: str, length: int = 600) -> bool:
    """Tell whether both databases take it, and PostgreSQL in an index (2,704 bytes).

    PostgreSQL takes no NUL, and neither of them half a surrogate pair.
    """
    return len(text) <= length and not any(
        character == "\0" or "\ud800" <= character <= "\udfff" for character in text
    )
