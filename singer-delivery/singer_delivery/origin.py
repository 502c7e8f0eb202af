"""Scheme, host and port: what a credential is pinned to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from singer_delivery.errors import SetupError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORTS = {"https": 443, "http": 80}

#: Scheme and authority of an absolute URL. Parsers disagree about backslashes, blanks and user
#: names in front of a host; an address that needs them is none.
_AUTHORITY = re.compile(r"(https?)://([^/?#\\@\s\x00-\x20\x7f]+)(?=[/?#]|\Z)", re.IGNORECASE)
#: What some parser would take for an address of its own instead of a path.
ABSOLUTE = re.compile(r"[\s\x00-\x20]*(?:[a-z][a-z0-9+.-]*:)?[/\\]{2}", re.IGNORECASE)


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port: what a credential is pinned to (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> Origin:
        """Return the origin of an absolute URL; SetupError when it is none or not https."""
        found = _AUTHORITY.match(url)
        try:
            parts = urlsplit(found.group() if found else "")
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            host, port = "", None
        if not found or not host:
            msg = f"{shown(url)} is not an address like https://host (no user name in it)"
            raise SetupError(msg)
        scheme = parts.scheme.lower()
        if scheme == "http" and host not in LOOPBACK:
            msg = (
                f"{shown(url)} is not encrypted: only https is accepted "
                "(http only for this machine)"
            )
            raise SetupError(msg)
        return cls(scheme, host, DEFAULT_PORTS[scheme] if port is None else port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{host}" + ("" if default else f":{self.port}")


def shown(url: str) -> str:
    """Return a URL for a message: without user name, password, query and fragment."""
    address = re.split(r"[?#]", url, maxsplit=1)[0]
    return repr(re.sub(r"^(.*?//|)[^/]*@", r"\1", address))
