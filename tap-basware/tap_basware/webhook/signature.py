"""The signature of a notification: HMAC-SHA256 over the raw body (reference 6).

How the header writes it down is not documented. All that is known of its form is a setting; what a
form leaves open (capitals, padding) is accepted, since any of it states the same 32 bytes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Iterable

HEADER = "X-BWAPI-Signature-256"
PREFIX = "sha256="
ANY = "any"
HEX = "hex"
BASE64 = "base64"
FORMATS = (ANY, HEX, f"{PREFIX}{HEX}", BASE64, f"{PREFIX}{BASE64}")
MAC_BYTES = 32
#: Longer headers are not looked at; the longest form has 71 characters.
LONGEST = 200


def mac(secret: str, body: bytes) -> bytes:
    """Return the 32 bytes that sign a body; secrets are UTF-8."""
    return hmac.digest(secret.encode(), body, "sha256")


def header_value(secret: str, body: bytes, form: str = ANY) -> str:
    """Return the header that signs a body, in one of `FORMATS`; `any` is the likeliest one."""
    form = f"{PREFIX}{HEX}" if form == ANY else form
    signed = mac(secret, body)
    encoded = signed.hex() if form.endswith(HEX) else base64.b64encode(signed).decode()
    return f"{PREFIX}{encoded}" if form.startswith(PREFIX) else encoded


def is_signed(body: bytes, header: str | None, secrets: Iterable[str], form: str = ANY) -> bool:
    """Tell whether a header signs this body with one of the secrets, in constant time."""
    claim = claimed(header or "", form)
    if claim is None:
        return False
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(mac(secret, body), claim)
    return found


def claimed(header: str, form: str = ANY) -> bytes | None:
    """Return the 32 bytes that a header states in one of `FORMATS`, None where it does not."""
    value = header.strip()
    if len(value) > LONGEST or not value.isascii():
        return None
    prefixed = value[: len(PREFIX)].lower() == PREFIX
    if form != ANY and prefixed != form.startswith(PREFIX):
        return None
    if prefixed:
        value = value[len(PREFIX) :]
    encoding = form.removeprefix(PREFIX)
    if encoding in (ANY, HEX) and len(value) == 2 * MAC_BYTES:
        return _hex(value)
    return _base64(value) if encoding in (ANY, BASE64) else None


def _hex(value: str) -> bytes | None:
    try:
        found = bytes.fromhex(value)
    except ValueError:
        return None
    return found if len(found) == MAC_BYTES else None


def _base64(value: str) -> bytes | None:
    bare = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        found = base64.b64decode(f"{bare}{'=' * (-len(bare) % 4)}", validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if len(found) == MAC_BYTES else None
