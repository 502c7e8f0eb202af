"""mapping.yml as one immutable value, and the way from the file to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from ap_mapping.building import entity_mapping, merge_sections
from ap_mapping.checking import checked_tree
from ap_mapping.errors import MappingError, MappingHole
from ap_mapping.reading import Source

if TYPE_CHECKING:
    from collections.abc import Mapping as ReadOnly

    from ap_mapping.entity import EntityMapping


@dataclass(frozen=True)
class Mapping:
    """The whole mapping.

    `companies` is Basware company code -> legal entity (lower case), `fingerprint` the SHA-256 of
    the content (not of comments, order or layout), for the audit trail.
    """

    companies: ReadOnly[str, str]
    fingerprint: str
    _common: dict[str, Any]
    _entities: ReadOnly[str, EntityMapping]

    def legal_entity(self, company_code: str | None) -> str:
        """Legal entity of a Basware company; raises MappingHole."""
        code = (company_code or "").strip()
        if code not in self.companies:
            raise MappingHole("companies", code)
        return self.companies[code]

    def company_codes(self, legal_entity: str) -> tuple[str, ...]:
        """The Basware companies whose invoices go to this legal entity, in file order."""
        return self._codes.get(legal_entity.lower(), ())

    @cached_property
    def _codes(self) -> ReadOnly[str, tuple[str, ...]]:
        codes: dict[str, tuple[str, ...]] = {}
        for code, entity in self.companies.items():
            codes[entity] = (*codes.get(entity, ()), code)
        return codes

    @cached_property
    def legal_entities(self) -> tuple[str, ...]:
        """All legal entities named under companies, in file order, each once."""
        return tuple(dict.fromkeys(self.companies.values()))

    def for_legal_entity(self, legal_entity: str) -> EntityMapping:
        """The mapping as this legal entity sees it; one without exceptions sees the common."""
        name = legal_entity.lower()
        return self._entities.get(name) or entity_mapping(name, self._common)


def load_mapping(path: str | Path) -> Mapping:
    """Read and check a mapping file; raises MappingError with file, line, path and remedy."""
    return parse_mapping(read_file(path), file=str(path))


def problems_of(path: str | Path) -> list[MappingError]:
    """All that is wrong with a mapping file, top to bottom; nothing is raised."""
    source = Source(str(path))
    try:
        checked_tree(read_file(path), source)
    except MappingError as error:
        source.problems.append(error)
    return source.problems


def read_file(path: str | Path) -> str:
    """The text of a mapping file. Raises MappingError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise MappingError(
            f"cannot be read: {error.strerror}",
            file=str(path),
            remedy="Give the path of mapping.yml in the setting mapping_file",
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(
            "is not UTF-8 text", file=str(path), remedy="Save the file as UTF-8"
        ) from error


def parse_mapping(text: str, file: str = "mapping.yml") -> Mapping:
    """The same for text at hand; `file` is its name in messages. Of several problems, the first."""
    source = Source(file)
    tree = checked_tree(text, source)
    if source.problems:
        raise source.first()
    checked = cast("dict[str, Any]", tree)
    companies = {
        code: company["legal_entity"].lower() for code, company in checked["companies"].items()
    }
    own = _own_sections(checked.get("legal_entities", {}))
    entities = {
        entity: entity_mapping(entity, merge_sections(checked, own.get(entity, {})))
        for entity in companies.values()
    }
    return Mapping(
        companies=MappingProxyType(companies),
        fingerprint=_fingerprint(checked),
        _common=checked,
        _entities=MappingProxyType(entities),
    )


def _own_sections(tree: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The exceptions by legal entity in lower case."""
    return {name.lower(): sections for name, sections in tree.items()}


def _fingerprint(tree: dict[str, Any]) -> str:
    canonical = json.dumps(tree, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()
