"""What is added to a mapping that is there: every character of it stays, and it says the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from ap_mapping import MappingError
from ap_mapping.drafting.entry import Entry, gap, scalar
from ap_mapping.drafting.inserting import insert
from ap_mapping.reading import Source, read_tree
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
WHY = "because of this"


def added(text: str, *entries: Entry) -> str:
    result, left = insert(text, entries, "mapping.yml")
    assert left == []
    return result


@pytest.mark.parametrize(
    ("text", "path", "value", "wanted"),
    [
        ("a:\n  x: 1\n", ("a", "k"), "2", "a:\n  x: 1\n  # because of this\n  k: 2\n"),
        ("a:\n  x: 1", ("a", "k"), "2", "a:\n  x: 1\n  # because of this\n  k: 2\n"),
        (
            "a:\n    x: 1 # one\n    # more\n\nb: c\n",
            ("a", "k"),
            "2",
            "a:\n    x: 1 # one\n    # because of this\n    k: 2\n    # more\n\nb: c\n",
        ),
        ("a: {x: 1}\n", ("a", "k"), "2", "# k: because of this\na: {x: 1, k: 2}\n"),
        ("a: { x: 1, }\n", ("a", "k"), "2", "# k: because of this\na: { x: 1, k: 2 }\n"),
        ("a: {}\n", ("a", "k"), "2", "# k: because of this\na: {k: 2}\n"),
        ("a: {x: }\n", ("a", "k"), "2", "# k: because of this\na: {x: , k: 2 }\n"),
        (
            "a:\n  {x: {z: 1},\n   w: 2}\nb: 1\n",
            ("a", "x", "k"),
            "2",
            "# k: because of this\na:\n  {x: {z: 1, k: 2},\n   w: 2}\nb: 1\n",
        ),
        ("a: 1\n", ("b", "c", "d"), "2", "a: 1\nb:\n  c:\n    # because of this\n    d: 2\n"),
        ("a:\n  x:\nb: 1\n", ("a", "k"), "2", "a:\n  x:\n  # because of this\n  k: 2\nb: 1\n"),
        (
            "a:\n  x: |\n    text\n\nb: 1\n",
            ("a", "k"),
            "2",
            "a:\n  x: |\n    text\n\n  # because of this\n  k: 2\nb: 1\n",
        ),
        ("a: 1\r\n", ("b",), "2", "a: 1\r\n# because of this\r\nb: 2\r\n"),
    ],
)
def test_an_entry_goes_where_it_belongs(
    text: str, path: tuple[str, ...], value: str, wanted: str
) -> None:
    assert added(text, Entry(path, value, WHY)) == wanted


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a: null\n", ("a", "k")),
        ("a: text\n", ("a", "k")),
        ("a: !gap\n", ("a", "k")),
        ("a: &x {b: 1}\nc: *x\n", ("c", "k")),
        ("a: {b: 1 # last\n  }\n", ("a", "k")),
    ],
)
def test_what_can_be_added_nowhere_is_told(text: str, path: tuple[str, ...]) -> None:
    entry = Entry(path, "2", WHY)
    assert insert(text, [entry], "mapping.yml") == (text, [entry])


def test_a_gap_between_braces_is_a_gap() -> None:
    result = added("units: {values: {a: b}}\n", gap(("units", "values", "c"), WHY))
    assert result == "# c: GAP: because of this\nunits: {values: {a: b, c: !gap }}\n"
    source = Source("")
    read_tree(result, source)
    assert source.gaps == [("units", "values", "c")]


def test_inner_blocks_that_end_at_the_same_place() -> None:
    text = "a:\n  b:\n    x: 1\nz: 1\n"
    entries = [Entry(("a", "c"), "3", WHY), Entry(("a", "b", "k"), "2", WHY)]
    tree = read_tree(added(text, *entries), Source(""))
    assert tree == {"a": {"b": {"x": "1", "k": "2"}, "c": "3"}, "z": "1"}


def test_a_file_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(MappingError, match="must be a block of keys"):
        insert("- a\n", [], "mapping.yml")


def test_a_way_of_writing_that_is_not_understood_is_left_alone() -> None:
    with pytest.raises(MappingError, match="cannot be added to it without changing"):
        insert("? a\n: 1\n", [Entry(("b",), "2", WHY)], "mapping.yml")


PATHS = st.sampled_from(
    [
        ("companies",),
        ("units", "values"),
        ("tax_codes",),
        ("payment_terms",),
        ("vendors", "values"),
        ("legal_entities", "demf", "payment_terms"),
        ("legal_entities", "usmf", "masters", "countries"),
        ("legal_entities", "frrt", "units", "values"),
        ("dimensions", "CostCenter", "values"),
        ("header", "fields"),
        ("new section", "new block"),
    ]
)
CODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


TEXT = (ROOT / "mapping.yml").read_text(encoding="utf-8")
#: A part of it with each way of writing a block.
TEXT = TEXT[: TEXT.index("# Every tax code")] + TEXT[TEXT.index("header:") :]
BEFORE = read_tree(TEXT, Source(""))


@settings(max_examples=40)
@given(places=st.lists(st.tuples(PATHS, CODE), max_size=6, unique=True), value=CODE)
def test_the_mapping_of_the_project_is_kept_to_the_letter(
    places: list[tuple[tuple[str, ...], str]], value: str
) -> None:
    entries = [Entry((*path, f"n{code}"), scalar(value), "why") for path, code in places]
    result = added(TEXT, *entries)
    characters = iter(result)
    assert all(each in characters for each in TEXT)  # what was there, in its order
    after = read_tree(result, Source(""))
    for entry in entries:
        here = after
        for key in entry.path[:-1]:
            assert isinstance(here, dict)
            here = here[key]
        assert isinstance(here, dict)
        assert here.pop(entry.path[-1]) == value
    assert _without_empty(after) == _without_empty(BEFORE)


def _without_empty(tree: object) -> object:
    if not isinstance(tree, dict):
        return tree
    return {key: inner for key, value in tree.items() if (inner := _without_empty(value)) != {}}
