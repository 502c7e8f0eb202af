"""What would go over the wire for one document, exactly as it would."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from singer_delivery.exact_json import encode_json

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Part:
    """One request. `path` is below the system's origin, with its query; `body` the JSON bytes.

    `headers` are those that decide on its effect, such as If-Match; never a credential.
    """

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: NO_HEADERS)

    @classmethod
    def of(cls, method: str, url: str, body: Any, headers: Mapping[str, str]) -> Part:
        """Return the part of an absolute URL and JSON-like content; None for no body."""
        split = urlsplit(url)
        path = f"{split.path}?{split.query}" if split.query else split.path
        return cls(method, path, b"" if body is None else encode_json(body), headers)

    @property
    def subject(self) -> str:
        """What it is about: the last segment of the path, without a key."""
        return self.path.partition("?")[0].rpartition("/")[2].partition("(")[0]


@dataclass(frozen=True)
class Dispatch:
    """All requests of a document, in order. `whole`: in one transaction, all of them or none."""

    parts: tuple[Part, ...]
    whole: bool = False
