"""What a record brings along from another entity set, and must not be without.

A record that is posted overwrites what Basware has of it. Rows that could not be read must not look
like rows that are gone.
"""

from __future__ import annotations

from ap_mapping import EntityMapping
from singer_delivery.errors import Rejected

from target_basware.masters.row import Row

#: What is brought along -> the entity set that it comes from.
SETS = {"BankAccounts": "VendorBankAccounts", "ProductReceipts": "ProductReceiptLinesV2"}


def brought(entity: EntityMapping, row: Row, name: str) -> list[Row]:
    """Return the rows; none where mapping.yml lists `name` under masters.without.

    Raises Rejected where they could not be read. An empty list says that there are none.
    """
    if name in entity.masters.without:
        return []
    if not row.has(name):
        msg = (
            f"{name} could not be read, and Basware would lose those it has: select {name} and "
            f"grant the right to {SETS[name]} in Dynamics, or list {name} under masters.without "
            "in mapping.yml if this tenant does not send them"
        )
        raise Rejected(msg)
    return row.rows(name)
