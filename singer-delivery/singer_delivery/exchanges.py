"""Taking note of requests and their answers, as hashes: for the audit trail."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from urllib.parse import urlsplit

#: Bytes of a file that are read at a time.
CHUNK = 1 << 16


@dataclass(frozen=True)
class Exchange:
    """One attempt at a request, and its answer; times are aware, UTC.

    `path` is without query, which may hold tokens. `status` is None where no answer came, or only
    a part of one. The hashes are SHA-256 in hex of the bodies' bytes (an answer's after
    decompression), "" for none. `request_id` is the remote system's correlation id, or "".
    """

    method: str
    path: str
    status: int | None
    request_sha256: str
    response_sha256: str
    request_id: str
    sent_at: datetime
    answered_at: datetime


_notes: ContextVar[list[Exchange] | None] = ContextVar("exchanges", default=None)


@contextmanager
def recorded() -> Iterator[list[Exchange]]:
    """Give the list in which this thread's exchanges are noted, in their order, from here on.

    Other threads are not listened to, nor is the asking for tokens. Inside another `recorded`,
    the inner one alone takes note.
    """
    noted: list[Exchange] = []
    token = _notes.set(noted)
    try:
        yield noted
    finally:
        _notes.reset(token)


@contextmanager
def listened_to() -> Iterator[list[Exchange]]:
    """Give the list of the exchanges in here; whoever records outside takes note of them, too."""
    outside = notes()
    with recorded() as noted:
        try:
            yield noted
        finally:
            if outside is not None:
                outside.extend(noted)


@contextmanager
def unrecorded() -> Iterator[None]:
    """Take no note of what happens inside: the exchanges with a token endpoint."""
    token = _notes.set(None)
    try:
        yield
    finally:
        _notes.reset(token)


def notes() -> list[Exchange] | None:
    """Return the list to note an exchange in, or None where nobody wants to know."""
    return _notes.get()


def path_of(url: str) -> str:
    """Return the path of a URL."""
    return urlsplit(url).path


def digest(body: bytes | BinaryIO | None) -> str:
    """Return the SHA-256 of a body in hex, "" for none; of a file, all of it."""
    if isinstance(body, bytes | None):
        return hashlib.sha256(body).hexdigest() if body else ""
    found = hashlib.sha256()
    body.seek(0)
    while some := body.read(CHUNK):
        found.update(some)
    return found.hexdigest()
