"""What a tenant's `$metadata` says of its entity sets: keys, properties, enums. Cached on disk.

It has 5 to 50 MB and takes the server minutes, so the compact extract is kept between runs.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse
from singer_delivery.errors import Refused, SetupError

from tap_d365fo.client import D365Client

#: Of the extract; raise it when its form changes.
FORMAT = 2
MAX_BYTES = 256 * 1024 * 1024
MAX_AGE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class EntitySet:
    """An entity set: the key fields in their order, and the Edm or enum type of each property."""

    name: str
    keys: tuple[str, ...]
    properties: Mapping[str, str]


class Declarations(Mapping[str, Mapping[str, Any]]):
    """Entity types by name, each kept as JSON text until it is asked for: there are thousands."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        """Return the declaration of a type."""
        return dict(json.loads(self.texts[name]))

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.texts)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.texts)


@dataclass(frozen=True)
class Metadata:
    """Entity sets by name, and the members of each enum by the enum's full name."""

    types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sets: Mapping[str, str] = field(default_factory=dict)
    enums: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def entity_set(self, name: str) -> EntitySet:
        """Return an entity set; SetupError names close ones where there is none."""
        if name not in self.sets:
            near = [known for known in self.sets if known.casefold() == name.casefold()]
            hint = f"; did you mean {near[0]}" if near else ""
            msg = (
                f"the environment has no entity set {name!r}{hint} (names are case-sensitive; "
                "a set also stays hidden without the right to it)"
            )
            raise SetupError(msg)
        keys: list[str] = []
        properties: dict[str, str] = {}
        for declared in self._lineage(self.sets[name]):
            keys = declared["keys"] or keys
            properties |= declared["properties"]
        return EntitySet(name, tuple(keys), properties)

    def _lineage(self, type_name: str) -> list[Mapping[str, Any]]:
        """Return the type with the types it is derived from, the base first."""
        found: list[Mapping[str, Any]] = []
        current = type_name
        while current in self.types and self.types[current] not in found:
            found.insert(0, self.types[current])
            current = self.types[current]["base"]
        return found


def parse_metadata(source: BinaryIO) -> Metadata:
    """Read a `$metadata` document as a stream. Entities and DTDs are refused.

    Raises Refused when it is no such document.
    """
    return _from_extract(_extract(source))


def _extract(source: BinaryIO) -> dict[str, Any]:
    types: dict[str, str] = {}
    sets: dict[str, str] = {}
    enums: dict[str, dict[str, int]] = {}
    try:
        for namespace, name, element in _declarations(source):
            if name == "EntityType":
                declared = json.dumps(_entity_type(element), separators=(",", ":"))
                types[f"{namespace}.{element.get('Name')}"] = declared
            elif name == "EnumType":
                enums[f"{namespace}.{element.get('Name')}"] = _members(element)
            else:
                sets[element.get("Name", "")] = element.get("EntityType", "")
    except (ParseError, DefusedXmlException) as error:
        msg = f"$metadata cannot be read: {error}"
        raise Refused(msg) from None
    if not sets:
        msg = "$metadata names no entity set: does the application's user have any role?"
        raise Refused(msg)
    return {"types": types, "sets": sets, "enums": enums}


def _declarations(source: BinaryIO) -> Iterator[tuple[str, str, Element]]:
    """Yield namespace, kind and element of each declaration, and forget it afterwards."""
    namespace = ""
    for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
        name = _local(element.tag)
        if event == "start":
            namespace = element.get("Namespace", "") if name == "Schema" else namespace
        elif name in {"EntityType", "EnumType", "EntitySet"}:
            yield namespace, name, element
            element.clear()


def _entity_type(element: Element) -> dict[str, Any]:
    properties = {
        child.get("Name", ""): child.get("Type", "")
        for child in element
        if _local(child.tag) == "Property"
    }
    keys = [ref.get("Name", "") for ref in element.iter() if _local(ref.tag) == "PropertyRef"]
    return {"keys": keys, "properties": properties, "base": element.get("BaseType", "")}


def _members(element: Element) -> dict[str, int]:
    members = [child for child in element if _local(child.tag) == "Member"]
    return {
        member.get("Name", ""): int(member.get("Value", number))
        for number, member in enumerate(members)
    }


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


@dataclass(frozen=True)
class MetadataCache:
    """The extract of each environment in a folder of its own; one file an environment."""

    folder: Path
    max_age: float = MAX_AGE_SECONDS
    max_bytes: int = MAX_BYTES
    now: Callable[[], float] = time.time

    def load(self, client: D365Client) -> Metadata:
        """Return the environment's metadata, fetched when there is none younger than `max_age`.

        Where the server gives an ETag, an old one is confirmed instead of fetched again.
        """
        kept = self._read(client)
        if kept and 0 <= self.now() - kept["fetched"] < self.max_age:
            return _from_extract(kept)
        etag = kept["etag"] if kept else ""
        headers = {"Accept": "application/xml"} | ({"If-None-Match": etag} if etag else {})
        response = client.get("$metadata", headers=headers)
        if response.status_code == 304 and kept:
            self._write(client, kept | {"fetched": self.now()})
            return _from_extract(kept)
        if len(response.content) > self.max_bytes:
            msg = f"$metadata of {client.environment} is larger than {self.max_bytes} bytes"
            raise Refused(msg)
        extract = {
            "format": FORMAT,
            "environment": client.environment,
            "etag": response.headers.get("ETag", ""),
            "fetched": self.now(),
            **_extract(io.BytesIO(response.content)),
        }
        self._write(client, extract)
        return _from_extract(extract)

    def _path(self, client: D365Client) -> Path:
        digest = hashlib.sha256(client.environment.encode()).hexdigest()[:16]
        return self.folder / f"metadata-{digest}.json"

    def _read(self, client: D365Client) -> dict[str, Any] | None:
        """Return what is kept; None when there is nothing, or nothing that can be used."""
        try:
            kept = json.loads(self._path(client).read_bytes())
        except (OSError, ValueError):
            return None
        usable = isinstance(kept, dict) and kept.get("format") == FORMAT
        return kept if usable and kept.get("environment") == client.environment else None

    def _write(self, client: D365Client, extract: Mapping[str, Any]) -> None:
        """Replace the file in one step, so that no other process reads half of it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", dir=self.folder, encoding="utf-8", delete=False
            ) as file:
                json.dump(extract, file, separators=(",", ":"))
            Path(file.name).replace(self._path(client))
        except OSError as error:
            msg = f"metadata_cache {self.folder} cannot be written: {error.strerror}"
            raise SetupError(msg) from None


def _from_extract(extract: Mapping[str, Any]) -> Metadata:
    return Metadata(Declarations(extract["types"]), extract["sets"], extract["enums"])


def default_cache_folder() -> Path:
    """Return the user's cache folder for this tap (XDG Base Directory Specification)."""
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "tap-d365fo"
