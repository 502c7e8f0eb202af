"""What no JSON schema can say of a mapping: templates, and legal entities that belong together.

The tree may have any shape: what the schema has to say of it is said elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ap_mapping.templates import parse_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ap_mapping.reading import Path, Source, Tree


def check_beyond_schema(tree: Tree, source: Source) -> None:
    """Note what is wrong with templates and with the exceptions of legal entities."""
    for path, text in _templates(_block(tree)):
        try:
            parse_template(text)
        except ValueError as error:
            source.note(str(error), path, "Correct the template")
    _check_legal_entities(_block(tree), source)


def _templates(tree: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """Yield path and text of every template."""
    blocks: list[tuple[Path, dict[str, Any]]] = [((), tree)]
    for name, own in _block(tree.get("legal_entities")).items():
        blocks.append((("legal_entities", name), _block(own)))
    for path, sections in blocks:
        for section in ("header", "line"):
            block = _block(sections.get(section))
            found: dict[Path, Any] = {("description",): block.get("description")}
            for field, value in _block(block.get("fields")).items():
                found["fields", field] = value
            for rest, text in found.items():
                if isinstance(text, str):
                    yield (*path, section, *rest), text


def _check_legal_entities(tree: dict[str, Any], source: Source) -> None:
    """Note exceptions of legal entities that no company goes to, or that are there twice."""
    known = [
        entity.lower()
        for company in _block(tree.get("companies")).values()
        if isinstance(entity := _block(company).get("legal_entity"), str)
    ]
    seen: set[str] = set()
    for name in _block(tree.get("legal_entities")):
        path, entity = ("legal_entities", name), name.lower()
        if entity in seen:
            source.note(f"legal entity {entity!r} is there twice", path, "Keep one of them")
        elif known and entity not in known:
            source.note(
                f"no company goes to legal entity {name!r}",
                path,
                f"Known under companies: {', '.join(dict.fromkeys(known))}",
            )
        seen.add(entity)


def _block(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
