"""YAML text -> tree of dicts, lists and text, with the line of every entry.

YAML would turn `0123` into 83, `NO` into false and `1000` into a number. Codes are text, so every
scalar stays as written; only the plain words `true`, `false` and `null` (also `~` and nothing)
mean what they say as values. Keys are always text. A key given twice is an error, not "last wins".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from ap_mapping.errors import MappingError

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | bool | None"
Path: TypeAlias = "tuple[str | int, ...]"

_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")
}


@dataclass
class Source:
    """A YAML text being read: its name for messages, and the line of each entry seen so far."""

    file: str
    lines: dict[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """Line (from 1) of the entry at `path`, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)

    def error(self, problem: str, path: Path, remedy: str, line: int | None = None) -> MappingError:
        """A MappingError at `path`."""
        return MappingError(
            problem,
            file=self.file,
            line=line if line is not None else self.line(path),
            path=dotted(path),
            remedy=remedy,
        )


def dotted(path: Path) -> str:
    """('tax_codes', 'T1') -> 'tax_codes.T1'."""
    return ".".join(str(part) for part in path)


def read_tree(text: str, source: Source) -> Tree:
    """The tree of a YAML document; fills `source.lines`. Raises MappingError."""
    loader = yaml.BaseLoader(text)
    try:
        node = loader.get_single_node()
    except yaml.YAMLError as error:
        raise _syntax_error(error, source) from error
    finally:
        loader.dispose()
    if node is None:
        raise source.error("the file is empty", (), "Start from the mapping.yml of the project", 1)
    return _convert(node, (), source, frozenset())


def _syntax_error(error: yaml.YAMLError, source: Source) -> MappingError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    return source.error(
        f"not valid YAML: {problem}",
        (),
        "Check indentation, colons and quotes there",
        mark.line + 1 if mark else None,
    )


def _convert(node: yaml.Node, path: Path, source: Source, open_nodes: frozenset[int]) -> Tree:
    source.lines.setdefault(path, node.start_mark.line + 1)
    if node.tag not in _TAGS:
        raise source.error(f"tag {node.tag!r} is not known", path, "Remove the tag")
    if id(node) in open_nodes:
        raise source.error("an alias contains itself", path, "Write the entries out")
    inside = open_nodes | {id(node)}
    if isinstance(node, yaml.MappingNode):
        return _convert_mapping(node, path, source, inside)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(n, (*path, i), source, inside) for i, n in enumerate(node.value)]
    text = str(node.value)
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return _WORDS[text] if plain and text in _WORDS else text


def _convert_mapping(
    node: yaml.MappingNode, path: Path, source: Source, open_nodes: frozenset[int]
) -> dict[str, Tree]:
    tree: dict[str, Tree] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise source.error("a key must be text", path, "Put quotes around the key", line)
        key = str(key_node.value)
        if key == "<<" and key_node.style is None:
            raise source.error(
                "merge keys (<<) are not read",
                path,
                "Use legal_entities for what differs, and write the rest once",
                line,
            )
        if key in tree:
            first = source.lines[(*path, key)]
            raise source.error(
                f"key {key!r} is there twice, first on line {first}",
                (*path, key),
                "Keep one of the two",
                line,
            )
        source.lines[(*path, key)] = line
        tree[key] = _convert(value_node, (*path, key), source, open_nodes)
    return tree
