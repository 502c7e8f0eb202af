"""When the certificate of the application ends, for `singer-delivery watch`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from singer_delivery.errors import SetupError
from singer_delivery.live import configured
from singer_delivery.secrets.references import reveal
from singer_delivery.watching.alert import Concern
from singer_delivery.watching.expiries import expiring
from tap_d365fo.credentials import Authentication, authentication

from target_d365fo.target import TargetD365FO

SUBJECT = "target-d365fo: client_certificate"


def concerns(config: Mapping[str, Any], now: datetime, days: int) -> Iterator[Concern]:
    """Yield what ends within so many days, of what the settings can tell. Raises SetupError."""
    given = configured(TargetD365FO, config).config
    if authentication(given) is not Authentication.CERTIFICATE:
        return
    pem = reveal(given["client_certificate"], "client_certificate")
    try:
        ends = min(
            each.not_valid_after_utc for each in x509.load_pem_x509_certificates(pem.encode())
        )
    except ValueError:
        msg = "client_certificate holds no certificate in PEM"
        raise SetupError(msg) from None
    yield from expiring(SUBJECT, ends.astimezone(UTC), now, days)
