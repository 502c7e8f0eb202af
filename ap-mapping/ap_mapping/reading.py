"""YAML text -> tree of dicts, lists and text, with the place of every entry.

YAML would turn `0123` into 83, `NO` into false and `1000` into a number. Codes are text, so every
scalar stays as written; only the plain words `true`, `false` and `null` (also `~` and nothing)
mean what they say as values. Keys are always text. A key given twice is an error, not "last wins".
`!gap` in the place of a value says that it is yet to be decided.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import yaml

from ap_mapping.errors import MappingError

Tree: TypeAlias = "dict[str, Tree] | list[Tree] | str | bool | None"
Path: TypeAlias = "tuple[str | int, ...]"
#: Line and column, from 1.
Place: TypeAlias = "tuple[int, int]"

GAP = "!gap"
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}
_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("map", "seq", "str", "int", "float", "bool", "null")
}


@dataclass
class Source:
    """A YAML text being read: its name for messages, the place of each entry, what is wrong.

    `unread` are the entries that could not be read, which the tree has as None; `gaps` those that
    say of themselves that they are to be filled in.
    """

    file: str
    places: dict[Path, Place] = field(default_factory=dict)
    problems: list[MappingError] = field(default_factory=list)
    unread: set[Path] = field(default_factory=set)
    gaps: list[Path] = field(default_factory=list)

    def place(self, path: Path) -> Place | None:
        """Place of the entry at `path`, or of the nearest one around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)

    def error(
        self, problem: str, path: Path, remedy: str, place: Place | None = None
    ) -> MappingError:
        """A MappingError at `path`."""
        line, column = place or self.place(path) or (None, None)
        return MappingError(
            problem, file=self.file, line=line, column=column, path=dotted(path), remedy=remedy
        )

    def note(self, problem: str, path: Path, remedy: str, place: Place | None = None) -> None:
        """Keep a problem at `path`, and read on."""
        self.problems.append(self.error(problem, path, remedy, place))

    def first(self) -> MappingError:
        """The first problem, which says how many more there are."""
        error = self.problems[0]
        more = len(self.problems) - 1
        if more:
            error.args = (f"{error} ({more} more: `ap-mapping check {self.file}` lists them)",)
        return error

    def sort(self) -> None:
        """Put the problems into the order of the file."""
        self.problems.sort(key=lambda each: (each.line or 0, each.column or 0))


def dotted(path: Path) -> str:
    """('tax_codes', 'T1') -> 'tax_codes.T1'."""
    return ".".join(str(part) for part in path)


def read_tree(text: str, source: Source) -> Tree:
    """The tree of a YAML document; fills `source`. Raises MappingError where there is none."""
    node = read_node(text, source)
    try:
        return _convert(node, (), source, frozenset())
    except RecursionError:
        raise source.error("blocks are nested too deep", (), "Take them apart", (1, 1)) from None


def read_node(text: str, source: Source) -> yaml.Node:
    """The YAML nodes of a document, with their marks. Raises MappingError."""
    try:
        loader = yaml.BaseLoader(text)
    except yaml.YAMLError as error:
        raise _syntax_error(error, text, source) from error
    try:
        node = loader.get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        raise _syntax_error(error, text, source) from error
    finally:
        loader.dispose()
    if node is None:
        remedy = "Start from the mapping.yml of the project"
        raise source.error("the file is empty", (), remedy, (1, 1))
    return node


def _syntax_error(error: Exception, text: str, source: Source) -> MappingError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    position = getattr(error, "position", None)
    place = (mark.line + 1, mark.column + 1) if mark else None
    if place is None and isinstance(position, int):
        before = text[:position]
        place = (before.count("\n") + 1, position - before.rfind("\n"))
    return source.error(
        f"not valid YAML: {problem}", (), "Check indentation, colons and quotes there", place
    )


def _place(node: yaml.Node) -> Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _convert(node: yaml.Node, path: Path, source: Source, open_nodes: frozenset[int]) -> Tree:
    source.places.setdefault(path, _place(node))
    if node.tag == GAP:
        source.gaps.append(path)
        return None
    if node.tag not in _TAGS:
        _unread(f"tag {node.tag!r} is not known", path, "Remove the tag", source)
        return None
    if id(node) in open_nodes:
        _unread("an alias contains itself", path, "Write the entries out", source)
        return None
    inside = open_nodes | {id(node)}
    if isinstance(node, yaml.MappingNode):
        return _convert_mapping(node, path, source, inside)
    if isinstance(node, yaml.SequenceNode):
        return [_convert(n, (*path, i), source, inside) for i, n in enumerate(node.value)]
    text = str(node.value)
    plain = isinstance(node, yaml.ScalarNode) and node.style is None
    return _WORDS[text] if plain and text in _WORDS else text


def _unread(problem: str, path: Path, remedy: str, source: Source) -> None:
    source.note(problem, path, remedy)
    source.unread.add(path)


def _convert_mapping(
    node: yaml.MappingNode, path: Path, source: Source, open_nodes: frozenset[int]
) -> dict[str, Tree]:
    tree: dict[str, Tree] = {}
    for key_node, value_node in node.value:
        key = _key(key_node, path, source)
        if key is None:
            continue
        if key in tree:
            first, _ = source.places[(*path, key)]
            problem = f"key {key!r} is there twice, first on line {first}"
            source.note(problem, (*path, key), "Keep one of the two", _place(key_node))
            continue
        source.places[(*path, key)] = _place(key_node)
        tree[key] = _convert(value_node, (*path, key), source, open_nodes)
    return tree


def _key(node: yaml.Node, path: Path, source: Source) -> str | None:
    """The text of a key; None, with a note of why, where it has none."""
    if not isinstance(node, yaml.ScalarNode):
        source.note("a key must be text", path, "Put quotes around the key", _place(node))
        return None
    if node.value == "<<" and node.style is None:
        remedy = "Use legal_entities for what differs, and write the rest once"
        source.note("merge keys (<<) are not read", path, remedy, _place(node))
        return None
    return str(node.value)
