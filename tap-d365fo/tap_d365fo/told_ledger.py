"""The ledger of target-d365fo, for streams that tell what is in it.

It brings SQLAlchemy, which takes as long to load as half of the rest of the tap: streams import it
when they have something to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from singer_delivery.ledger import Ledger
from singer_delivery.plugin import ledger_url

from tap_d365fo.settings import configured_environment


def open_told(config: Mapping[str, Any]) -> Ledger | None:
    """Return the ledger of the environment, None where target-d365fo has not made one yet.

    Raises LedgerError, and SetupError for an address that leads nowhere.
    """
    url = ledger_url(config) if config.get("ledger_url") else ""
    if not _exists(url):
        return None
    return Ledger.open(url, configured_environment(config))


def _exists(url: str) -> bool:
    """Tell whether there is a ledger to read; a database server is asked by opening it."""
    if not url:
        return False
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError:
        return True  # opening it says what is wrong
    if parsed.get_backend_name() != "sqlite":
        return True
    return bool(parsed.database) and Path(parsed.database or "").exists()
