"""Applications that prove themselves with a signed assertion: their certificate, or an issuer."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import hashes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from sandbox.d365fo.tokens import Directory

NO_RECORD = "No matching federated identity record found for presented assertion"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefusedError(Exception):
    """No token: `error` is the OAuth code, `number` that of the AADSTS text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number


def check_assertion(
    directory: Directory, form: Mapping[str, str], client_id: str, authority: str
) -> None:
    """Check who signed the assertion of a token request. Raises TokenRefusedError."""
    if form.get("client_assertion_type") != JWT_BEARER:
        raise _refused(50027, "JWT token is invalid or malformed.")
    assertion = form["client_assertion"]
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise _refused(50027, "JWT token is invalid or malformed.") from None
    if claims.get("iss") == client_id:
        _check_certificate(directory, assertion, header, client_id, authority)
    else:
        _check_issuer(directory, assertion, claims, client_id)


def _check_certificate(
    directory: Directory, assertion: str, header: Mapping[str, Any], client_id: str, authority: str
) -> None:
    known = {thumbprint(each): each for each in directory.certificates.get(client_id, ())}
    certificate = known.get(str(header.get("x5t#S256")).rstrip("="))
    if certificate is None:
        text = "The certificate used to sign the client assertion is not registered."
        raise _refused(700027, text)
    endpoint = f"{authority}/{directory.tenant_id}/oauth2/v2.0/token"
    claims = _verified(assertion, certificate.public_key(), endpoint)
    if claims.get("sub") != client_id:
        raise _refused(700021, "Client assertion application identifier doesn't match.")


def _check_issuer(
    directory: Directory, assertion: str, claims: Mapping[str, Any], client_id: str
) -> None:
    trusted = [
        each for each in directory.federated.get(client_id, ()) if each.issuer == claims.get("iss")
    ]
    if not trusted:
        text = f"{NO_RECORD} issuer '{claims.get('iss')}'."
        raise _refused(700211, text)
    for each in trusted:
        if each.subject == claims.get("sub"):
            if claims.get("aud") not in (each.audience, [each.audience]):
                text = (
                    "No matching federated identity record found for presented assertion audience."
                )
                raise _refused(700212, text)
            _verified(assertion, each.key, each.audience)
            return
    text = f"{NO_RECORD} subject '{claims.get('sub')}'."
    raise _refused(700213, text)


def _verified(assertion: str, key: Any, audience: str) -> dict[str, Any]:
    public: RSAPublicKey = key
    try:
        return jwt.decode(assertion, public, algorithms=["PS256", "RS256"], audience=audience)
    except jwt.ExpiredSignatureError:
        text = "Client assertion is not within its valid time range."
        raise _refused(700024, text) from None
    except jwt.InvalidTokenError:
        text = "Client assertion failed signature validation."
        raise _refused(700027, text) from None


def thumbprint(certificate: x509.Certificate) -> str:
    """The SHA-256 thumbprint of a certificate as the header of a JWT has it."""
    return base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")


def _refused(number: int, text: str) -> TokenRefusedError:
    return TokenRefusedError(401, "invalid_client", number, text)
