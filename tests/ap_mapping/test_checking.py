"""`ap-mapping check`: all that is wrong at once, where it is; schema and code say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ap_mapping import MappingError, parse_mapping, problems_of, schema
from ap_mapping.checking import checked_tree
from ap_mapping.cli import main
from ap_mapping.reading import Source
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
WRONG = """\
version: 1
companies:
  1000: {legal_entity: usmf}
  1000: {legal_entity: demf}
  2000: {legal_entty: usmf}
units: {values: {a: b, a: c}}
header: {description: "{a.b}", fieldz: 1, on_holt: null}
legal_entities: {xx: {}}
tax_codes:
  DE: !gap
  X: {}
payment_terms: [a]
"""


def problems_in(text: str) -> list[MappingError]:
    source = Source("mapping.yml")
    checked_tree(text, source)
    return source.problems


def check(*arguments: str) -> tuple[int, list[str]]:
    result = CliRunner().invoke(main, ["check", *arguments])
    return result.exit_code, result.stdout.splitlines()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_everything_that_is_wrong_is_said_in_the_order_of_the_file(here: Path) -> None:
    (here / "mapping.yml").write_text(WRONG)
    code, lines = check()
    assert code == 1
    assert [line.partition(": ")[0] for line in lines] == [
        "mapping.yml:4:3",
        "mapping.yml:5:10",
        "mapping.yml:6:24",
        "mapping.yml:7:10",
        "mapping.yml:7:32",
        "mapping.yml:7:43",
        "mapping.yml:8:18",
        "mapping.yml:10:3",
        "mapping.yml:11:3",
        "mapping.yml:11:3",
        "mapping.yml:12:1",
    ]
    text = "\n".join(lines)
    assert "companies.1000: key '1000' is there twice, first on line 3; Keep one" in text
    assert (
        "companies.2000.legal_entty: unknown key 'legal_entty'; Did you mean legal_entity?" in text
    )
    assert "unknown key 'on_holt'; Did you mean on_hold?" in text
    assert "key 'legal_entity' is missing" not in text
    assert "tax_codes.DE: is a gap, to be filled in; Write {sales_tax_group: US-CA" in text
    assert "legal_entities.xx: no company goes to legal entity 'xx'; Known under" in text
    assert "key 'sales_tax_group' is missing" in text
    assert "key 'item_sales_tax_group' is missing" in text


def test_json_is_for_programs(here: Path) -> None:
    (here / "mine.yml").write_text(WRONG)
    result = CliRunner().invoke(main, ["check", "mine.yml", "--format", "json"])
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert len(found) == 11
    assert found[0] == {
        "file": "mine.yml",
        "line": 4,
        "column": 3,
        "path": "companies.1000",
        "problem": "key '1000' is there twice, first on line 3",
        "remedy": "Keep one of the two",
    }


def test_what_is_right_is_said_too(here: Path) -> None:
    code, [line] = check(str(ROOT / "mapping.yml"))
    assert code == 0
    assert line.endswith("nothing is wrong; 4 companies go to usmf, demf, gbsi, jpmf")
    assert (
        CliRunner().invoke(main, ["check", str(ROOT / "mapping.yml"), "--format", "json"]).stdout
        == "[]\n"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "mapping.yml: cannot be read: No such file"),
        (b"\xff", "mapping.yml: is not UTF-8 text"),
        (b"", "mapping.yml:1:1: the file is empty"),
        (b"a: [", "mapping.yml:1:5: not valid YAML"),
        (b"a: b\nc: \x01", "mapping.yml:2:4: not valid YAML"),
        (b"[" * 1000, "mapping.yml"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_problem_too(
    here: Path, content: bytes | None, words: str
) -> None:
    if content is not None:
        (here / "mapping.yml").write_bytes(content)
    code, [line] = check()
    assert code == 1
    assert line.startswith(words)


def test_several_files(here: Path) -> None:
    (here / "a.yml").write_text("version: 1\n")
    code, lines = check("a.yml", str(ROOT / "mapping.yml"))
    assert code == 1
    assert lines[0].startswith("a.yml:1:1: key 'companies' is missing")
    assert "nothing is wrong" in lines[1]


def test_plugins_say_the_first_of_it(here: Path) -> None:
    (here / "mapping.yml").write_text(WRONG)
    with pytest.raises(MappingError) as caught:
        parse_mapping(WRONG)
    first = f"{problems_of('mapping.yml')[0]} (10 more: `ap-mapping check mapping.yml` lists them)"
    assert str(caught.value) == first


def test_the_schema_is_printed() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert json.loads(result.stdout) == schema()


NOISE = st.sampled_from(["", "# a comment", "#", "   # indented"])


@given(before=st.lists(NOISE, max_size=6), between=st.lists(NOISE, max_size=6), wide=st.booleans())
def test_the_line_is_right_wherever_a_problem_is(
    before: list[str], between: list[str], wide: bool
) -> None:
    pad = " " * (6 if wide else 2)
    lines = [
        *before,
        "version: 1",
        "companies:",
        *between,
        f"{pad}a: {{legal_entity: usmf}}",
        f"{pad}b: {{legal_entity: toolong}}",
        *between,
        f"{pad}a: {{legal_entity: usmf}}",
    ]
    with pytest.raises(MappingError) as caught:
        parse_mapping("\n".join(lines))
    error = caught.value
    assert (error.line, error.column) == (
        lines.index(f"{pad}b: {{legal_entity: toolong}}") + 1,
        len(pad) + 5,
    )
    assert error.path == "companies.b.legal_entity"


def entries(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every place of the schema at which something can be written, references resolved."""
    if "$ref" in node:
        node = {**schema()["$defs"][node["$ref"].rpartition("/")[2]], **node}
    yield path, node
    for name, below in node.get("properties", {}).items():
        yield from entries(below, f"{path}.{name}")
    for kind in ("additionalProperties", "items", "propertyNames"):
        if isinstance(node.get(kind), dict):
            yield from entries(node[kind], f"{path}.{kind}")


def test_an_editor_has_something_to_say_of_every_entry() -> None:
    for path, node in entries(schema()):
        assert node.get("title"), path
        assert len(node.get("description", "")) > 4, path
        for example in node.get("examples", ()):
            assert not list(
                Draft202012Validator({**node, "$defs": schema()["$defs"]}).iter_errors(example)
            ), path


def test_tables_show_an_example() -> None:
    for section in (
        "companies",
        "dimensions",
        "tax_codes",
        "payment_terms",
        "units",
        "masters",
        "header",
    ):
        node = dict(entries(schema()))[f".{section}"]
        assert node.get("examples"), section


TEXT = st.sampled_from(["usmf", "x", "12345678901", "costCenters", "a b", "text_1", "7.5", "{a}"])
KEYS = st.sampled_from(
    [
        *(path.rpartition(".")[2] for path, _ in entries(schema()) if path),
        *("a", "usmf", "legal_entity", "x y"),
    ]
)
TREES = st.recursive(
    TEXT | st.sampled_from([None, True, False]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(section=st.sampled_from(sorted(schema()["properties"])), value=TREES)
def test_code_and_schema_refuse_the_same(section: str, value: Any) -> None:
    tree = {"version": "1", "companies": {"a": {"legal_entity": "usmf"}}} | {section: value}
    refused = bool(list(Draft202012Validator(schema()).iter_errors(tree)))
    wrong = problems_in(json.dumps(tree))
    beyond = ("no company goes to", "is no placeholder", "is there twice")
    told = [each for each in wrong if not any(words in each.problem for words in beyond)]
    assert bool(told) == refused
