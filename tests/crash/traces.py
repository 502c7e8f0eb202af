"""Ledger before wire: whatever a system holds, the ledger knows that it was to be sent there."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sandbox.server import Sandbox

#: Status of a document of which the ledger says that it certainly was not sent.
UNSENT = "not_sent"


def untraced(sandbox: Sandbox, ledger: Path) -> list[str]:
    """Return, in words, the invoices and answers that the ledger does not know of.

    It holds at any moment at which the ledger was not lost before. The ledger is read from a copy,
    so that nothing of what the crash left is touched.
    """
    known = _known(ledger)
    headers = [row["InvoiceDescription"] for row in sandbox.d365fo.rows("VendorInvoiceHeaders")]
    missing = []
    for document in sandbox.basware.documents():
        key = document["invoiceId"]
        if any(key in text for text in headers) and ("vendor_invoices", key) not in known:
            missing.append(f"Dynamics holds {key}, the ledger does not know that it was sent")
        if document.get("transferResponses") and ("transfer_responses", key) not in known:
            missing.append(f"Basware has an answer to {key}, the ledger does not know of it")
    return missing


def _known(ledger: Path) -> set[tuple[str, str]]:
    """Stream and key of all documents that were, or may have been, sent."""
    if not ledger.exists():
        return set()
    with tempfile.TemporaryDirectory() as folder:
        for file in ledger.parent.glob(f"{ledger.name}*"):
            shutil.copy(file, folder)
        with closing(sqlite3.connect(Path(folder) / ledger.name)) as database:
            try:
                rows = database.execute(
                    "SELECT stream, key FROM documents WHERE status <> ?", (UNSENT,)
                ).fetchall()
            except sqlite3.OperationalError:  # it died before it had made the tables
                return set()
    return {(stream, key) for stream, key in rows}
