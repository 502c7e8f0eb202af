"""Tables of the ledger. Changing them takes a migration in `migrations/versions`."""

from __future__ import annotations

import re

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

KEY_LENGTH = 255

#: One row a document of one stream towards one remote system: where it stands now.
#: `held` is 2 once the target held a version of it, 1 once it may have; it never goes down.
#: `revision` grows with every write: whoever wrote a row last knows it, and nobody else (fencing).
#: `doubts` counts how often in a row the answer for this content was lost.
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
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("doubts", Integer, nullable=False, server_default="0"),
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

#: The audit trail: one chain for the whole ledger, numbered from 1 without gaps. Nothing in it is
#: ever changed or deleted. `payload` is the digest of a row in `payloads`, or "".
events = Table(
    "events",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("form", Integer, nullable=False),
    Column("at", String(32), nullable=False),
    Column("system", String(255), nullable=False),
    Column("stream", String(255), nullable=False),
    Column("key", String(KEY_LENGTH), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("run_id", String(64), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("detail", Text, nullable=False),
    Column("payload", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("events_key", "key"),
    Index("events_run", "run_id"),
)

#: The head of the chain, one row. Every writing transaction locks it before anything else, so
#: that runners queue here and nowhere else. `at` is the latest moment that was recorded.
chain = Table(
    "chain",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("at", String(32), nullable=False),
)

#: Records as they came in, for replay; `content` is NULL and `salt` empty once they are erased.
payloads = Table(
    "payloads",
    metadata,
    Column("system", String(255), primary_key=True),
    Column("stream", String(255), primary_key=True),
    Column("key", String(KEY_LENGTH), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("salt", String(32), nullable=False),
    Column("content", LargeBinary),
    Column("source", String(255), nullable=False),
    Column("schema_digest", String(64), nullable=False),
    Column("received_at", String(32), nullable=False),
    Column("erased_at", String(32)),
    Index("payloads_received", "received_at"),
)

#: The Singer SCHEMA of kept records: {"stream", "schema", "key_properties"} by their SHA-256.
schemas = Table(
    "schemas",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("content", Text, nullable=False),
)

#: One row a run of a plugin. What it has in flight is its own until the lease is over.
runs = Table(
    "runs",
    metadata,
    Column("run_id", String(64), primary_key=True),
    Column("system", String(255), nullable=False),
    Column("plugin", String(255), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_started", String(32), nullable=False),
    Column("started_at", String(32), nullable=False),
    Column("lease_until", String(32), nullable=False),
    Column("ended_at", String(32)),
    Column("detail", Text, nullable=False),
    Index("runs_ended", "ended_at"),
)

#: What one run at a time may do: deliver a resource in bulk.
claims = Table(
    "claims",
    metadata,
    Column("system", String(255), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("run_id", String(64), nullable=False),
    Column("claimed_at", String(32), nullable=False),
)

#: What a hook was told last of an alert that has not ended: by `singer-delivery watch`, which tells
#: each once. `members` is a JSON list of short marks of what the alert was about.
told = Table(
    "told",
    metadata,
    Column("hook", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("subject", String(600), primary_key=True),
    Column("severity", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("members", Text, nullable=False),
    Column("since", String(32)),
    Column("told_at", String(32), nullable=False),
)


#: What a record of a source became when it was mapped last, so that the same record need not be
#: mapped again: losing a row costs nothing but time. `digest` is that of the record and of all that
#: decides what becomes of it but the day, `made` a JSON list of [stream, key, fingerprint, source,
#: scope]. It is so from `first_day` to `last_day`, both included and in ISO 8601; "" is open.
recollections = Table(
    "recollections",
    metadata,
    Column("system", String(255), primary_key=True),
    Column("source", String(255), primary_key=True),
    Column("record", String(600), primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("made", Text, nullable=False),
    Column("first_day", String(10), nullable=False),
    Column("last_day", String(10), nullable=False),
)

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(text: str, length: int = 600) -> bool:
    """Tell whether both databases take it, and PostgreSQL in an index (2,704 bytes).

    PostgreSQL takes no NUL, and neither of them half a surrogate pair.
    """
    return len(text) <= length and _UNSTORABLE.search(text) is None


def storable_text(words: str) -> str:
    """Return words from outside as both databases take them: no NUL, no half surrogate pairs."""
    if words.isascii() and "\0" not in words:
        return words
    return words.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
