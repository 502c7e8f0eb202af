"""Credentials on a request: a cached bearer token, or legacy Basic authentication."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Token:
    """An access token; `expires_in` in seconds from the moment it was issued."""

    value: str
    expires_in: float


class Credentials(Protocol):
    """Something that can fill the Authorization header."""

    def header(self) -> str:
        """Return the value of the Authorization header."""
        ...

    def renew(self, used: str) -> bool:
        """Drop the header value that was refused; return whether a new one may help."""
        ...


class BasicCredentials:
    """User name and password on every request (RFC 7617)."""

    def __init__(self, user: str, password: str) -> None:
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._header = f"Basic {encoded}"

    def header(self) -> str:
        """Return the value of the Authorization header."""
        return self._header

    def renew(self, used: str) -> bool:  # noqa: ARG002
        """Return False: a password that was refused stays refused."""
        return False


class BearerCredentials:
    """One bearer token for all threads, renewed ahead of its expiry and once after a 401."""

    def __init__(
        self,
        fetch: Callable[[], Token],
        *,
        leeway: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` asks the token endpoint; it raises AccessDenied or Unavailable."""
        self._fetch = fetch
        self._leeway = leeway
        self._clock = clock
        self._lock = threading.Lock()
        self._header = ""
        self._renew_at = 0.0

    def header(self) -> str:
        """Return the value of the Authorization header, fetching a token where needed."""
        with self._lock:
            if not self._header or self._clock() >= self._renew_at:
                token = self._fetch()
                # A token shorter than the leeway is used for half of its life, not never.
                leeway = min(self._leeway, token.expires_in / 2)
                self._renew_at = self._clock() + token.expires_in - leeway
                self._header = f"Bearer {token.value}"
            return self._header

    def renew(self, used: str) -> bool:
        """Drop a refused token, once: threads that used the same one share its successor."""
        with self._lock:
            if self._header == used:
                self._header = ""
        return True
