"""A throw-away PostgreSQL server from the installed binaries, on a unix socket of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

PLACES = "usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin"


def binaries() -> Path | None:
    """Return the folder of initdb and postgres, or None where PostgreSQL is not installed."""
    found = [
        path.parent for place in PLACES for path in sorted(Path("/").glob(f"{place[1:]}/initdb"))
    ]
    on_path = shutil.which("initdb")
    return max(found) if found else Path(on_path).resolve().parent if on_path else None


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Run a server and yield its URL; nothing in it is worth a disk's flush."""
    user = _unprivileged()
    home = Path(tempfile.mkdtemp(prefix="pg"))  # short: a socket's path ends at 107 bytes
    if user:
        os.chown(home, pwd.getpwnam(user).pw_uid, -1)
    as_user: dict[str, Any] = {"user": user, "cwd": home} if user else {"cwd": home}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    options = f"-c listen_addresses= -c fsync=off -c unix_socket_directories={home}"
    control = [str(folder / "pg_ctl"), "-D", "data", "-w"]
    try:
        initdb = [str(folder / "initdb"), "-D", "data", "-U", "ledger", "-A", "trust", "-N"]
        subprocess.run([*initdb, "-E", "UTF8"], check=True, **as_user, **quiet)
        subprocess.run([*control, "-o", options, "start"], check=True, **as_user, **quiet)
        try:
            yield f"postgresql://ledger@/postgres?host={quote(str(home))}"
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, **as_user, **quiet)
    finally:
        shutil.rmtree(home)


def _unprivileged() -> str | None:
    """Return a user to run as: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"
