"""Credentials that end soon: by the days noted in the vault, and by the certificates in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from singer_delivery.secrets.vault import Vault
from singer_delivery.watching.alert import Alert, Concern, Kind, Severity

#: Days before its end from which on a credential is critical.
URGENT = timedelta(days=7)
REMEDY = (
    "Make a new one at its issuer while this one works, give it with `singer-secrets rotate`, run "
    "`meltano invoke … --test`, then `singer-secrets rotate … --done`"
)


def expiring(subject: str, ends: datetime, now: datetime, days: int) -> Iterator[Concern]:
    """Yield the concern that a credential is if it ends within so many days; both aware."""
    left = ends - now
    if left > timedelta(days=days):
        return
    severity = Severity.CRITICAL if left <= URGENT else Severity.WARNING
    words = "has expired on" if left <= timedelta() else "expires on"
    day = ends.astimezone(UTC) - timedelta(microseconds=1)  # the last day on which it is taken
    yield Concern(Kind.EXPIRY, subject, severity, f"{subject} {words} {day:%Y-%m-%d}", REMEDY)


def look(path: Path, now: datetime, days: int) -> list[Alert]:
    """Return what in a vault ends within so many days. Raises SetupError."""
    vault = Vault.open(path)
    return [concern.alert() for concern in _concerns(vault, now, days)]


def _concerns(vault: Vault, now: datetime, days: int) -> Iterable[Concern]:
    for name in vault.names:
        ends = [end for end in (_noted(vault, name), _of_certificate(vault.get(name))) if end]
        if ends:
            yield from expiring(f"secret {name}", min(ends), now, days)


def _noted(vault: Vault, name: str) -> datetime | None:
    """Return the end of the last day that was noted, in UTC."""
    last_day = vault.expires(name)
    return datetime.combine(last_day + timedelta(days=1), time(), UTC) if last_day else None


def _of_certificate(value: str) -> datetime | None:
    """Return when the first certificate of a PEM text, which is its owner's, ends."""
    if "-----BEGIN CERTIFICATE-----" not in value:
        return None
    # Loaded where it is used: it takes its time.
    from cryptography import x509  # noqa: PLC0415

    try:
        return x509.load_pem_x509_certificates(value.encode())[0].not_valid_after_utc
    except ValueError:
        return None  # what it is, is told by whoever uses it
