"""Where the vendors' own documents are: not carried by the project, read when present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REFERENCE = Path(
    os.environ.get("REFERENCE_DIR") or Path(__file__).parents[1].parent / "shared" / "reference"
)
OPENAPI = "basware/basware-p2p-openapi.json"
METADATA = "d365fo/reconstructed-metadata.xml"

needs_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason=f"no reference at {REFERENCE}; set REFERENCE_DIR"
)


def reference_text(name: str) -> str:
    """Return a reference document's text, or skip the test that needs it."""
    path = REFERENCE / name
    if not path.is_file():
        pytest.skip(f"the reference document {name} is not here; set REFERENCE_DIR to its folder")
    return path.read_text(encoding="utf-8")
