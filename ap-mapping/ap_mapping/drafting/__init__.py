"""A first mapping.yml from what both systems have: proposals with their reasons, and gaps.

Nothing is guessed: what cannot be told from both systems is a gap, and a mapping with a gap is
refused. Pure: what the systems have comes in as `stock`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ap_mapping.building import merge_sections
from ap_mapping.drafting.codes import (
    country_entries,
    method_entries,
    remarks,
    type_entries,
    unit_entries,
)
from ap_mapping.drafting.companies import company_entries
from ap_mapping.drafting.dimensions import dimension_entries, order_line_entries
from ap_mapping.drafting.entry import Entry
from ap_mapping.drafting.inserting import insert
from ap_mapping.drafting.payment_terms import term_entries
from ap_mapping.drafting.scene import Scene
from ap_mapping.drafting.tax_codes import tax_entries
from ap_mapping.drafting.writing import new_file
from ap_mapping.errors import MappingError
from ap_mapping.reading import Source, Tree, dotted, read_tree
from ap_mapping.stock import BaswareStock, DynamicsStock

#: Sections without which every code passes: adding one would reject what passes now.
CLOSING = ("payment_methods", "invoice_types")
HEAD = (
    "A draft: what Basware and Dynamics 365 F&O call the same thing, as far as both tell. Left is "
    "Basware, right is Dynamics.",
    "",
    "Each entry says on what it rests: look at it, and change it where it is wrong. !gap is left "
    "to you; a mapping with a gap is refused. `ap-mapping check` lists what is to be done.",
)


@dataclass(frozen=True)
class Draft:
    """The text of a mapping.yml; `notes` are what could not be seen, or not be added."""

    text: str
    proposals: int
    gaps: int
    notes: tuple[str, ...] = ()


def draft(
    basware: BaswareStock,
    dynamics: DynamicsStock,
    *,
    onto: str | None = None,
    file: str = "mapping.yml",
    schema: str = "mapping.schema.json",
) -> Draft:
    """Draft a mapping; `onto` is the text of one that is kept as it is and added to.

    `schema` is where the file refers editors to. Raises MappingError for a text that is no YAML.
    """
    notes = [*basware.notes, *dynamics.notes]
    if onto is None:
        entries, scene = _entries(basware, dynamics, {})
        head = (*HEAD, *([""] if notes else []), *notes)
        modeline = f"# yaml-language-server: $schema={schema}\n#\n"
        text = modeline + new_file(entries, remarks(scene), head)
        return _draft(text, entries, notes)
    tree = read_tree(onto, Source(file))
    existing = tree if isinstance(tree, dict) else {}
    found, _ = _entries(basware, dynamics, _companies(existing))
    missing = [entry for entry in found if not _is_there(existing, entry.path)]
    wanted = [entry for entry in missing if not _closes(existing, entry.path)]
    text, left = insert(onto, wanted, file)
    notes += _told(existing, missing)
    notes += [f"{dotted(each.path)}: {each.value} could not be added" for each in left]
    return _draft(text, [entry for entry in wanted if entry not in left], notes)


def _draft(text: str, entries: Sequence[Entry], notes: Iterable[str]) -> Draft:
    gaps = sum(entry.is_gap for entry in entries)
    return Draft(text, len(entries) - gaps, gaps, tuple(notes))


def _entries(
    basware: BaswareStock, dynamics: DynamicsStock, taken: Mapping[str, str]
) -> tuple[list[Entry], Scene]:
    """All proposals and gaps; what belongs to a legal entity rests on the companies matched."""
    companies = list(company_entries(basware, dynamics, taken))
    matched = {
        entry.path[1]: str(read_tree(entry.value, Source(""))["legal_entity"])  # type: ignore[index, call-overload]
        for entry in companies
        if not entry.is_gap
    }
    scene = Scene(basware, dynamics, {**taken, **matched})
    return [*companies, *_sections(scene)], scene


def _sections(scene: Scene) -> Iterator[Entry]:
    for entries in (
        dimension_entries,
        unit_entries,
        tax_entries,
        term_entries,
        method_entries,
        type_entries,
        order_line_entries,
        country_entries,
    ):
        yield from entries(scene)


def _companies(tree: Mapping[str, Any]) -> dict[str, str]:
    """The companies that an existing mapping knows, those with a gap as "" """
    companies = tree.get("companies")
    found = companies if isinstance(companies, dict) else {}
    return {
        code: str((entry if isinstance(entry, dict) else {}).get("legal_entity") or "").lower()
        for code, entry in found.items()
    }


def _is_there(tree: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether a mapping decides something already: there, or around it, or for all entities."""
    if path[0] == "legal_entities":
        own = _own(tree, path[1])
        try:
            return _has(merge_sections(dict(tree), own), path[2:])
        except (AttributeError, TypeError):
            return True
    return _has(tree, path)


def _own(tree: Mapping[str, Any], legal_entity: str) -> dict[str, Any]:
    entities = tree.get("legal_entities")
    found = entities if isinstance(entities, dict) else {}
    own = next((value for name, value in found.items() if name.lower() == legal_entity), None)
    return own if isinstance(own, dict) else {}


def _has(tree: Any, path: Sequence[str]) -> bool:
    here: Tree = tree
    for key in path:
        if not isinstance(here, dict):
            return True
        if key not in here:
            return False
        here = here[key]
    return True


def _closes(tree: Mapping[str, Any], path: Sequence[str]) -> bool:
    """Whether an entry belongs to a section that is not there, and without which all pass."""
    section = path[2] if path[0] == "legal_entities" else path[0]
    return section in CLOSING and not tree.get(section)


def _told(tree: Mapping[str, Any], missing: Iterable[Entry]) -> list[str]:
    closed = {entry.path[0] for entry in missing if _closes(tree, entry.path)}
    return [
        f"{section} is left out, as your mapping has it: all codes pass"
        for section in CLOSING
        if section in closed
    ]


__all__ = ["Draft", "MappingError", "draft"]
