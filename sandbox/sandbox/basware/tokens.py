"""OAuth2 client credentials of Basware (reference 1.2): signed tokens and who may do what."""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from sandbox.basware.errors import ErrorEntry

if TYPE_CHECKING:
    from sandbox.basware.switches import BaswareSwitches
    from sandbox.clock import Clock

CLIENT_ID = "basware-client"
CLIENT_SECRET = "basware-secret"  # noqa: S105 - the sandbox's only secret is no secret
BASIC_USER = "basware-user"
BASIC_PASSWORD = "basware-password"  # noqa: S105
CUSTOMER = "000001-TEST1"
_KEY_ID = "sandbox-key"

_THREE = (
    "accountingDocuments accounts advancedPermissions advancedValidations contracts costCenters "
    "errorFeedbacks exchangeRates exportedContracts exportedContractSpends exportedPurchaseOrders "
    "exportedPurchaseRequisitions lists matchingOrders matchingOrderLines paymentTerms projects "
    "purchaseOrders purchaseRequisitions purchaseGoodsReceipts subscriptions taxCodes users vendors"
)
SCOPES = frozenset(
    {f"{api}.{right}" for api in _THREE.split() for right in ("read", "write", "delete")}
    | {
        f"{api}.{right}"
        for api in ("applicationGroups", "companies")
        for right in ("read", "write")
    }
    | {"requestStatus.read", "requestStatus.write", "tasks.read", "taskStatus.read"}
)


class TokenRefusedError(Exception):
    """The token endpoint says no; `body` is its answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


class AccessDeniedError(Exception):
    """A call without valid credentials (401) or without the scope (401 or 403)."""

    def __init__(self, status: int, entry: ErrorEntry) -> None:
        super().__init__(f"{status} {entry}")
        self.status = status
        self.entry = entry


@dataclass(frozen=True)
class _Grant:
    scopes: frozenset[str]
    expires: datetime


class TokenAuthority:
    """Issues access tokens and checks them. Thread-safe."""

    def __init__(self, clock: Clock, switches: BaswareSwitches) -> None:
        self._clock = clock
        self._switches = switches
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._lock = threading.Lock()
        self._grants: dict[str, _Grant] = {}

    def revoke_all(self) -> None:
        """Make every token issued so far worthless, as if it had expired."""
        with self._lock:
            self._grants.clear()

    def issue(self, authorization: str | None, form: dict[str, str], issuer: str) -> dict[str, Any]:
        """The answer to `POST /v1/tokens`. Raises TokenRefusedError."""
        if _basic(authorization) != (CLIENT_ID, CLIENT_SECRET):
            raise TokenRefusedError(401, {"error": "invalid_client"})
        for name in ("grant_type", "scope"):
            if not form.get(name):
                raise TokenRefusedError(400, _problem("invalid_request", f"{name} field required"))
        if form["grant_type"] != "client_credentials":
            raise TokenRefusedError(
                400, _problem("unsupported_grant_type", "grant_type must be client_credentials")
            )
        scopes = form["scope"].split()
        grantable = frozenset(self._switches.granted_scopes) or SCOPES
        strange = [scope for scope in scopes if scope not in grantable]
        if strange:
            raise TokenRefusedError(400, _problem("invalid_scope", " ".join(strange)))
        lifetime = self._switches.token_lifetime
        return {
            "access_token": self._sign(scopes, lifetime, issuer),
            "scope": " ".join(scopes),
            "expires_in": lifetime,
            "token_type": "Bearer",
        }

    def _sign(self, scopes: list[str], lifetime: int, issuer: str) -> str:
        now = self._clock.now()
        expires = now + timedelta(seconds=lifetime)
        claims = {
            "sub": CLIENT_ID,
            "scope": " ".join(scopes),
            "auth_time": int(now.timestamp()),
            "iss": issuer,
            "aud": "OpenAPI",
            "exp": int(expires.timestamp()),
            "iat": int(now.timestamp()),
            "jti": str(uuid4()),
            "bwcid": CUSTOMER,
        }
        token = jwt.encode(
            claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID, "typ": "at+jwt"}
        )
        with self._lock:
            self._grants[token] = _Grant(frozenset(scopes), expires)
        return token

    def key_set(self) -> dict[str, Any]:
        """The public keys, as `/.well-known/jwks.json` gives them."""
        key = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        kept = {name: key[name] for name in ("kty", "e", "n")}
        return {"keys": [kept | {"kid": _KEY_ID, "use": "sig", "alg": "RS256"}]}

    def check(self, authorization: str | None, scope: str) -> None:
        """Let a call pass that has `scope`. Raises AccessDeniedError.

        Legacy Basic authentication (reference 1.3) has every right.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() == "basic" and self._switches.accept_basic_auth:
            if _basic(authorization) != (BASIC_USER, BASIC_PASSWORD):
                raise AccessDeniedError(
                    401, ErrorEntry("CREDENTIAL_VALIDATION_ERROR", "Invalid user or password")
                )
            return
        with self._lock:
            grant = self._grants.get(token) if scheme.lower() == "bearer" else None
        if grant is None or grant.expires <= self._clock.peek():
            raise AccessDeniedError(
                401, ErrorEntry("ACCESS_TOKEN_VALIDATION_ERROR", "Invalid or expired access token")
            )
        if scope not in grant.scopes:
            raise AccessDeniedError(
                self._switches.missing_scope_status,
                ErrorEntry("ACCESS_TOKEN_VALIDATION_ERROR", f"Access token lacks scope {scope}"),
            )


def _basic(authorization: str | None) -> tuple[str, str] | None:
    """User and password of a Basic header, or None."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password


def _problem(error: str, description: str) -> dict[str, Any]:
    return {"error": error, "error_description": description}
