"""What an application proves itself with to Entra: a secret, a certificate, or another's token."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from singer_delivery.errors import SetupError
from singer_delivery.secrets.references import reveal

logger = logging.getLogger(__name__)

#: Days before its end from which on each run warns of a certificate.
WARN_DAYS = 30
#: Where Azure's workload identity webhook says that the token is.
FEDERATED_TOKEN_VARIABLE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - a name
LONGEST_TOKEN = 65_536

#: What MSAL takes as client_credential.
Credential = str | Mapping[str, Any]


class Authentication(StrEnum):
    """How the application proves who it is."""

    CLIENT_SECRET = "client_secret"  # noqa: S105 - a name
    CERTIFICATE = "certificate"
    WORKLOAD_IDENTITY = "workload_identity"
    MANAGED_IDENTITY = "managed_identity"
    USER_ASSIGNED_IDENTITY = "user_assigned_identity"

    @property
    def is_managed(self) -> bool:
        """Whether the platform that this runs on vouches for it, and nothing is kept here."""
        return self in {Authentication.MANAGED_IDENTITY, Authentication.USER_ASSIGNED_IDENTITY}


def authentication(config: Mapping[str, Any]) -> Authentication:
    """Return how the settings want it. Raises SetupError."""
    text = config.get("authentication") or Authentication.CLIENT_SECRET
    try:
        return Authentication(text)
    except ValueError:
        msg = f"authentication {text!r}: use one of {', '.join(Authentication)}"
        raise SetupError(msg) from None


def credential(config: Mapping[str, Any], now: datetime | None = None) -> Credential:
    """Return what MSAL is to prove the application with. Raises SetupError.

    Not for managed identities, which need nothing. What the way needs is set. `now` is aware.
    """
    match authentication(config):
        case Authentication.CLIENT_SECRET:
            return reveal(config["client_secret"], "client_secret")
        case Authentication.CERTIFICATE:
            password = config.get("client_certificate_password") or ""
            return certificate_credential(
                reveal(config["client_certificate"], "client_certificate"),
                reveal(password, "client_certificate_password") if password else "",
                now or datetime.now(UTC),
            )
        case Authentication.WORKLOAD_IDENTITY:
            named = config.get("federated_token_file")
            file = named or os.environ.get(FEDERATED_TOKEN_VARIABLE)
            if not file:
                msg = (
                    f"not set: federated_token_file, nor the variable {FEDERATED_TOKEN_VARIABLE} "
                    "that Azure sets where workload identity is enabled"
                )
                raise SetupError(msg)
            return {"client_assertion": TokenFile(Path(file)).read}
    msg = "a managed identity has no credential of its own"
    raise SetupError(msg)


@dataclass(frozen=True)
class TokenFile:
    """A token of another issuer, which the platform renews in its file about every hour."""

    path: Path

    def read(self) -> str:
        """Return the token as it is now. Raises SetupError."""
        try:
            with self.path.open("rb") as file:
                content = file.read(LONGEST_TOKEN + 1)
            token = content.decode("ascii").strip()
        except OSError as error:
            msg = f"federated_token_file {self.path} cannot be read: {error.strerror or error}"
            raise SetupError(msg) from None
        except UnicodeDecodeError:
            token = ""
        if token.count(".") != 2 or len(content) > LONGEST_TOKEN:
            msg = f"federated_token_file {self.path} holds no token (JWT)"
            raise SetupError(msg)
        return token


def certificate_credential(pem: str, password: str, now: datetime) -> Credential:
    """Return the credential of a private key and its certificate, both in one PEM text.

    The certificate goes along in each request (x5c), so that Entra may know it by its subject and
    issuer, and it can be renewed without registering it anew. Raises SetupError.
    """
    # Loaded where it is used, as MSAL does: it takes its time.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = _private_key(pem, password)
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        msg = "client_certificate holds no certificate: put it into the PEM, beside the private key"
        raise SetupError(msg) from None
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(*form)
    own = [each for each in certificates if each.public_key().public_bytes(*form) == public]
    if not own:
        msg = "client_certificate: the private key belongs to none of the certificates"
        raise SetupError(msg)
    _check_period(own[0].not_valid_before_utc, own[0].not_valid_after_utc, now)
    return {
        "private_key": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode(),
        "public_certificate": own[0].public_bytes(Encoding.PEM).decode(),
    }


def _private_key(pem: str, password: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem.encode(), password.encode() if password else None)
    except TypeError:
        words = "is not encrypted" if password else "is encrypted"
        msg = f"client_certificate: the private key {words}; see client_certificate_password"
        raise SetupError(msg) from None
    except ValueError:
        # Its text may quote the key.
        msg = (
            "client_certificate holds no private key in PEM, or client_certificate_password is "
            "wrong"
        )
        raise SetupError(msg) from None
    if not isinstance(key, RSAPrivateKey):
        msg = "client_certificate: Entra takes RSA keys only"
        raise SetupError(msg)
    return key


def _check_period(begin: datetime, end: datetime, now: datetime) -> None:
    if now < begin:
        msg = f"client_certificate is not valid before {begin:%Y-%m-%d %H:%M} UTC"
        raise SetupError(msg)
    if now >= end:
        msg = f"client_certificate has expired on {end:%Y-%m-%d %H:%M} UTC: register a new one"
        raise SetupError(msg)
    if end - now < timedelta(days=WARN_DAYS):
        logger.warning(
            "client_certificate expires on %s UTC: register a new one in time",
            f"{end:%Y-%m-%d %H:%M}",
        )
