"""Where the vendors' own documents are: not carried by the project, read when present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REFERENCE = Path(
    os.environ.get("REFERENCE_DIR", Path(__file__).parents[2].parent / "shared" / "reference")
)


def document(name: str) -> Path:
    """Return a reference document, or skip the test that needs it."""
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"the reference document {name} is not here; set REFERENCE_DIR to its folder")
    return path
