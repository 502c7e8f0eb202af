"""The tenant's applications and the access tokens they get."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import jwt

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from sandbox.clock import Clock

TENANT_ID = "11111111-2222-3333-4444-555555555555"
CLIENT_ID = "99999999-8888-7777-6666-555555555555"
UNREGISTERED_CLIENT_ID = "99999999-8888-7777-6666-000000000000"  # in the tenant, not in F&O
CLIENT_SECRET = "entra-secret"  # noqa: S105 - of the sandbox, on loopback
_ALGORITHM = "HS256"


@dataclass(frozen=True)
class FederatedCredential:
    """An issuer whose tokens about a subject stand for an application."""

    issuer: str
    subject: str
    key: RSAPublicKey
    audience: str = "api://AzureADTokenExchange"


@dataclass
class Directory:
    """The Entra tenant, and which of its applications F&O lets in."""

    clock: Clock
    tenant_id: str = TENANT_ID
    secrets_by_client: dict[str, str] = field(
        default_factory=lambda: dict.fromkeys((CLIENT_ID, UNREGISTERED_CLIENT_ID), CLIENT_SECRET)
    )
    registered_in_fo: set[str] = field(default_factory=lambda: {CLIENT_ID})
    #: Certificates of applications, and issuers that vouch for them, by client id.
    certificates: dict[str, list[x509.Certificate]] = field(default_factory=dict)
    federated: dict[str, list[FederatedCredential]] = field(default_factory=dict)
    #: Managed identities of the machine, what proves a request as its own, and which one is meant
    #: where none is named.
    identities: set[str] = field(default_factory=lambda: {CLIENT_ID})
    identity_header: str = field(default_factory=lambda: secrets.token_hex(8))
    system_identity: str = CLIENT_ID
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _issued: int = 0
    _revoked: int = 0  # the serial number up to which tokens are revoked

    def issue(self, *, issuer: str, audience: str, client_id: str, seconds: int) -> str:
        """A token as Entra makes them, signed with a key of this sandbox."""
        self._issued += 1
        now = int(self.clock.now().timestamp())
        claims = {
            "aud": audience,
            "iss": issuer,
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "appid": client_id,
            "appidacr": "1",
            "idtyp": "app",
            "oid": f"00000000-0000-4000-8000-{client_id[-12:]}",
            "sub": f"00000000-0000-4000-8000-{client_id[-12:]}",
            "tid": self.tenant_id,
            "uti": str(self._issued),
            "ver": "1.0",
            # Real ones are longer than 1,500 characters; a client must not mind.
            "xms_ftd": secrets.token_urlsafe(800),
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)

    def revoke_all(self) -> None:
        """No token issued so far is valid any longer."""
        self._revoked = self._issued

    def admit(self, token: str, audience: str) -> int:
        """The HTTP status F&O gives a caller with `token`: 200, 401 or 403."""
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[_ALGORITHM],
                # The sandbox's clock decides, not the machine's.
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidTokenError:
            return 401
        expired = self.clock.peek().timestamp() >= claims["exp"]
        revoked = int(claims["uti"]) <= self._revoked
        if expired or revoked or claims["aud"] != audience or claims["tid"] != self.tenant_id:
            return 401
        return 200 if claims["appid"] in self.registered_in_fo else 403
