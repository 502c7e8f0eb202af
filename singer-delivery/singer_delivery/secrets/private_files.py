"""Files that only their owner may read."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from singer_delivery.errors import SetupError

#: No secret is longer; a certificate with its chain has a few thousand bytes.
MAX_BYTES = 65_536
PRIVATE = 0o600
#: Users besides ours whose files are taken: root's, as container platforms mount them.
ROOT = 0


def read_private(path: Path, what: str, limit: int = MAX_BYTES) -> bytes:
    """Return the content of a file. Raises SetupError where others may read or write it.

    `what` says in errors what it is. On Windows, where modes tell nothing, they are not looked at.
    One of more than `limit` bytes is refused, too.
    """
    try:
        with path.open("rb") as file:
            # Of the open file: nobody can put another one in its place in between.
            problem = _problem(os.fstat(file.fileno()))
            content = b"" if problem else file.read(limit + 1)
    except OSError as error:
        msg = f"{what} {path} cannot be read: {error.strerror or error}"
        raise SetupError(msg) from None
    if not problem and len(content) > limit:
        problem = f"is longer than {limit} bytes"
    if problem:
        msg = f"{what} {path} {problem}"
        raise SetupError(msg)
    return content


def _problem(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "is no file"
    if os.name != "posix":
        return ""
    if status.st_uid not in {os.geteuid(), ROOT}:
        return "belongs to another user: make it your own"
    if status.st_mode & ~_allowed(status) & (stat.S_IRWXG | stat.S_IRWXO):
        mode = stat.S_IMODE(status.st_mode)
        return f"can be read by others (mode {mode:04o}): set its mode to 0400 or 0600"
    return ""


def _allowed(status: os.stat_result) -> int:
    """What others may do: read as the group of a file that root has lent to us.

    So Kubernetes mounts a secret for a pod with `fsGroup`, and systemd a credential for `User=`.
    """
    lent = status.st_uid == ROOT != os.geteuid()
    return stat.S_IRGRP if lent else 0


def create_private(path: Path, content: bytes, what: str) -> None:
    """Write a new file that only we may read. Raises SetupError, also where it exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            _write_through(file.fileno(), content)
    except FileExistsError:
        msg = f"{what} {path} is there already; it is never overwritten"
        raise SetupError(msg) from None
    except OSError as error:
        msg = f"{what} {path} cannot be written: {error.strerror or error}"
        raise SetupError(msg) from None


def replace_private(path: Path, content: bytes, what: str) -> None:
    """Write a file that only we may read, whole or not at all. Raises SetupError."""
    temporary = ""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:  # mkstemp makes it 0600
            _write_through(file.fileno(), content)
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True) if temporary else None
        msg = f"{what} {path} cannot be written: {error.strerror or error}"
        raise SetupError(msg) from None


def _write_through(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
