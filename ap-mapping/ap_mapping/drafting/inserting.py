"""Entries put into a mapping.yml that is there: every character of it stays as it is.

The text is added to where the YAML nodes say that a block ends. What can be added nowhere, for
instance to a section that is null, is told instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml

from ap_mapping.drafting.entry import Entry, Path, scalar
from ap_mapping.drafting.writing import Block, comment, nested, rendered
from ap_mapping.errors import MappingError
from ap_mapping.reading import GAP, Source, Tree, read_node, read_tree


@dataclass(frozen=True)
class Home:
    """A block that is there; `flow` is the key of the outermost braces around it, if any."""

    path: Path
    node: yaml.MappingNode
    flow: yaml.Node | None


@dataclass(frozen=True)
class Insertion:
    """Text to be put in before a position; of several at one, that of the inner block first."""

    at: int
    depth: int
    text: str


def insert(text: str, entries: Sequence[Entry], file: str) -> tuple[str, list[Entry]]:
    """A text with entries added, and those that could be added nowhere. Raises MappingError."""
    root = read_node(text, Source(file))
    if not isinstance(root, yaml.MappingNode):
        raise Source(file).error("must be a block of keys", (), "Start with version: 1", (1, 1))
    groups: dict[Path, tuple[Home, list[Entry]]] = {}
    left: list[Entry] = []
    for entry in entries:
        home = _home(root, entry.path)
        if home is None:
            left.append(entry)
        else:
            groups.setdefault(home.path, (home, []))[1].append(entry)
    insertions: list[Insertion] = []
    for home, group in groups.values():
        made = _insertions(text, home, group)
        insertions += made
        if not made:
            left += group
    result, done = "", 0
    line_end = "\r\n" if "\r\n" in text else "\n"
    for each in sorted(insertions, key=lambda one: (one.at, -one.depth)):
        result += text[done : each.at] + each.text.replace("\n", line_end)
        done = each.at
    result += text[done:]
    _verify(text, result, [entry for entry in entries if entry not in left], file)
    return result, left


def _home(root: yaml.MappingNode, path: Path) -> Home | None:
    """The innermost block around a path; None where something else is in the way."""
    here, flow = root, None
    for depth, name in enumerate(path):
        found = next((pair for pair in here.value if pair[0].value == name), None)
        if found is None:
            return Home(path[:depth], here, flow)
        key, value = found
        if not isinstance(value, yaml.MappingNode) or _is_alias(key, value) or value.tag == GAP:
            return None
        if value.flow_style and flow is None:
            flow = key
        here = value
    return None


def _is_alias(key: yaml.Node, value: yaml.Node) -> bool:
    """Whether a value is written elsewhere, before its key."""
    return bool(value.start_mark.index < key.start_mark.index)


def _insertions(text: str, home: Home, group: Sequence[Entry]) -> list[Insertion]:
    """What to put in where; nothing where that is not safe."""
    block = nested(group, len(home.path))
    if home.flow is None:
        return [_into_block(text, home, block)]
    return _into_flow(text, home, home.flow, block, group)


def _into_block(text: str, home: Home, block: Block) -> Insertion:
    """The insertion of lines after the last line of a block."""
    node = home.node
    indent = node.value[0][0].start_mark.column if node.value else 0
    end = text.find("\n", _end(node))
    at, before = (len(text), "\n") if end < 0 else (end + 1, "")
    lines = "".join(f"{line}\n" for line in rendered(block, indent))
    return Insertion(at, len(home.path), before + lines)


def _into_flow(
    text: str, home: Home, flow: yaml.Node, block: Block, group: Sequence[Entry]
) -> list[Insertion]:
    """The insertion of keys before a closing brace, and of their comments above it all."""
    node, depth = home.node, len(home.path)
    brace = node.end_mark.index - 1
    last = _end(node.value[-1][1]) if node.value else node.start_mark.index + 1
    between = text[last:brace]
    if "#" in between:
        return []
    at = last + len(between.rstrip())
    keys = ", ".join(_flow(block))
    before = text[at - 1]
    separator = "" if not node.value else " " if before == "," else " , " if before == ":" else ", "
    line = text.rfind("\n", 0, flow.start_mark.index) + 1
    indent = flow.start_mark.column
    notes = "".join(
        f"{note}\n"
        for entry in group
        for note in comment(f"{entry.path[-1]}: {entry.comment}", indent)
    )
    return [
        Insertion(line, depth, notes),
        Insertion(at, depth, separator + keys),
    ]


def _flow(block: Block) -> Iterator[str]:
    for key, value in block.items():
        if isinstance(value, Entry):
            yield f"{scalar(key)}: {value.value}{' ' if value.is_gap else ''}"
        else:
            yield f"{scalar(key)}: {{{', '.join(_flow(value))}}}"


def _end(node: yaml.Node) -> int:
    """Position after the last character of a node, without what blank lines and comments follow."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        if not isinstance(last, tuple):
            return _end(last)
        key, value = last
        return int(key.end_mark.index) if _is_alias(key, value) else _end(value)
    end = int(node.end_mark.index)
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") and node.end_mark.column == 0:
        return end - 1
    return end


def _verify(before: str, after: str, added: Sequence[Entry], file: str) -> None:
    """Raise MappingError where the text does not say what it said, and what was added."""
    source = Source(file)
    try:
        tree, wanted = read_tree(after, source), read_tree(before, Source(file))
    except MappingError:
        tree = wanted = None
    for entry in added:
        _put(wanted, entry)
    if tree is None or tree != wanted:
        problem = "the proposals cannot be added to it without changing what it says"
        raise MappingError(problem, file=file, remedy="Draft a new file, and take over what fits")


def _put(tree: Tree, entry: Entry) -> None:
    """Add an entry to a tree, as far as there are blocks."""
    here = tree
    for key in entry.path[:-1]:
        here = here.setdefault(key, {}) if isinstance(here, dict) else None
    if isinstance(here, dict):
        here[entry.path[-1]] = read_tree(entry.value, Source(""))
