"""Where the operator's commands look for the address of the ledger."""

from __future__ import annotations

DEFAULT_URL = "sqlite:///delivery-ledger.db"
#: The first is what Meltano sets for a utility with the setting ledger_url.
URL_VARIABLES = ("SINGER_DELIVERY_LEDGER_URL", "LEDGER_URL")
