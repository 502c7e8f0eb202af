"""mapping.yml as one immutable value, and the way from the file to it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from ap_mapping.building import entity_mapping, merge_sections
from ap_mapping.checking import check_tree
from ap_mapping.errors import MappingError, MappingHole
from ap_mapping.reading import Source, read_tree
from ap_mapping.templates import parse_template

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
        wanted = legal_entity.lower()
        return tuple(code for code, entity in self.companies.items() if entity == wanted)

    @property
    def legal_entities(self) -> tuple[str, ...]:
        """All legal entities named under companies, in file order, each once."""
        return tuple(dict.fromkeys(self.companies.values()))

    def for_legal_entity(self, legal_entity: str) -> EntityMapping:
        """The mapping as this legal entity sees it; one without exceptions sees the common."""
        name = legal_entity.lower()
        return self._entities.get(name) or entity_mapping(name, self._common)


def load_mapping(path: str | Path) -> Mapping:
    """Read and check a mapping file; raises MappingError with file, line, path and remedy."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise MappingError(
            f"cannot be read: {error.strerror}",
            file=str(file),
            remedy="Give the path of mapping.yml in the setting mapping_file",
        ) from error
    except UnicodeDecodeError as error:
        raise MappingError(
            "is not UTF-8 text", file=str(file), remedy="Save the file as UTF-8"
        ) from error
    return parse_mapping(text, file=str(file))


def parse_mapping(text: str, file: str = "mapping.yml") -> Mapping:
    """The same for text at hand; `file` is its name in messages."""
    source = Source(file)
    tree = read_tree(text, source)
    check_tree(tree, source)
    checked = cast("dict[str, Any]", tree)
    _check_templates(checked, source)
    companies = {
        code: company["legal_entity"].lower() for code, company in checked["companies"].items()
    }
    own = _own_sections(checked.get("legal_entities", {}), companies, source)
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


def _check_templates(tree: dict[str, Any], source: Source) -> None:
    """Parse every template once, where its place in the file is known."""
    blocks: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), tree)]
    blocks += [(("legal_entities", le), t) for le, t in tree.get("legal_entities", {}).items()]
    for path, sections in blocks:
        for section in ("header", "line"):
            block = sections.get(section, {})
            _check_template(block.get("description"), (*path, section, "description"), source)
            for field, value in block.get("fields", {}).items():
                _check_template(value, (*path, section, "fields", field), source)


def _check_template(value: Any, path: tuple[str, ...], source: Source) -> None:
    if not isinstance(value, str):
        return
    try:
        parse_template(value)
    except ValueError as error:
        raise source.error(str(error), path, "Correct the template") from error


def _own_sections(
    tree: dict[str, Any], companies: dict[str, str], source: Source
) -> dict[str, dict[str, Any]]:
    own: dict[str, dict[str, Any]] = {}
    for name, sections in tree.items():
        entity = name.lower()
        path = ("legal_entities", name)
        if entity not in companies.values():
            known = ", ".join(dict.fromkeys(companies.values()))
            raise source.error(
                f"no company goes to legal entity {name!r}", path, f"Known under companies: {known}"
            )
        if entity in own:
            raise source.error(f"legal entity {entity!r} is there twice", path, "Keep one of them")
        own[entity] = sections
    return own


def _fingerprint(tree: dict[str, Any]) -> str:
    canonical = json.dumps(tree, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8")).hexdigest()
