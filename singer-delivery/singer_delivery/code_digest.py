"""Which code is at work, where a version alone would not tell: in a working copy."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

#: What decides, beside the code itself: tables that are part of a package.
KINDS = frozenset({".py", ".json"})


@cache
def code_digest(*packages: str) -> str:
    """Return the SHA-256 of the packages' sources as hex digits, "" where they cannot be read."""
    digest = hashlib.sha256()
    for package in packages:
        files = _files(package)
        if not files:
            return ""
        for name, file in files:
            digest.update(f"{package}/{name}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def _files(package: str) -> Sequence[tuple[str, Path]]:
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or ()
    return sorted(
        (file.relative_to(folder).as_posix(), file)
        for folder in folders
        for file in Path(folder).rglob("*")
        if file.suffix in KINDS
    )
