"""Where the API of each Basware region is (reference 1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from singer_delivery.errors import SetupError

# EU and US were seen in use; AU and CA follow their pattern. base_url overrides any of them.
PRODUCTION = {
    "EU": "https://api.basware.com",
    "US": "https://api.us.basware.com",
    "AU": "https://api.au.basware.com",
    "CA": "https://api.ca.basware.com",
}
TEST = {
    "EU": "https://test-api.basware.com",
    "US": "https://test-api.us.basware.com",
    "AU": "https://test-api.au.basware.com",
    "CA": "https://test-api.ca.basware.com",
}
ENVIRONMENTS = {"production": PRODUCTION, "test": TEST}


def base_url(config: Mapping[str, Any]) -> str:
    """Return the API's address from the settings `base_url`, or `region` and `environment`.

    Raises SetupError that lists the choices.
    """
    given = str(config.get("base_url") or "").strip().rstrip("/")
    if given:
        return given
    region = str(config.get("region") or "").strip().upper()
    environment = str(config.get("environment") or "production").strip().lower()
    if environment not in ENVIRONMENTS:
        msg = f"environment is {environment!r}: choose {' or '.join(ENVIRONMENTS)}, or set base_url"
        raise SetupError(msg)
    if region not in PRODUCTION:
        said = f"region is {region!r}" if region else "no region is set"
        msg = f"{said}: choose one of {', '.join(PRODUCTION)}, or set base_url"
        raise SetupError(msg)
    return ENVIRONMENTS[environment][region]
