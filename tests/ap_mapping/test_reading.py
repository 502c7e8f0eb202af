"""What is written in mapping.yml is what is meant; what is wrong is said with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
from ap_mapping import MappingError, load_mapping, parse_mapping, schema
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[2]
SMALLEST = "version: 1\ncompanies: {a: {legal_entity: usmf}}\n"


def test_the_mapping_of_the_project_is_valid() -> None:
    mapping = load_mapping(ROOT / "mapping.yml")
    assert mapping.legal_entities == ("usmf", "demf", "gbsi", "jpmf")


def test_the_published_schema_is_a_valid_schema_that_explains_itself() -> None:
    Draft202012Validator.check_schema(schema())
    for name, section in (schema()["properties"] | schema()["$defs"]).items():
        assert "$ref" in section or {"title", "description"} <= set(section), name


def test_the_editor_finds_the_schema() -> None:
    first = (ROOT / "mapping.yml").read_text(encoding="utf-8").splitlines()[0]
    path = first.removeprefix("# yaml-language-server: $schema=")
    assert (ROOT / path).is_file()


@pytest.mark.parametrize(
    "code", ["1000", "0123", "1e3", "NO", "on", "1_000", "0x1F", "12:30", "1.50"]
)
def test_codes_stay_as_written_quoted_or_not(code: str) -> None:
    tax = f"{{sales_tax_group: {code}, item_sales_tax_group: null}}"
    text = (
        f"version: 1\ncompanies: {{{code}: {{legal_entity: usmf}}}}\ntax_codes: {{{code}: {tax}}}"
    )
    mapping = parse_mapping(text)
    assert mapping.legal_entity(code) == "usmf"
    assert mapping.for_legal_entity("usmf").tax_groups(code).sales_tax_group == code


@given(code=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip))
def test_any_quoted_code_is_found_again(code: str) -> None:
    quoted = "'" + code.replace("'", "''") + "'"
    mapping = parse_mapping(f"version: 1\ncompanies: {{{quoted}: {{legal_entity: usmf}}}}")
    assert mapping.company_codes("usmf") == (code,)


def test_words_with_a_meaning_must_be_quoted_to_be_codes() -> None:
    with pytest.raises(MappingError, match=r"must be text, not true.*quotes"):
        parse_mapping(SMALLEST + "units: {values: {x: true}}")
    quoted = parse_mapping(SMALLEST + "units: {values: {x: 'true'}}")
    assert quoted.for_legal_entity("usmf").unit("x") == "true"


def test_aliases_work() -> None:
    text = SMALLEST + "units: {values: &same {x: y}}\ncurrencies: {values: *same}"
    assert parse_mapping(text).for_legal_entity("usmf").currency("x") == "y"


BROKEN = {
    "nothing": ("# only a comment", 1, "", "empty"),
    "syntax": (SMALLEST + "a: [", 3, "", "not valid YAML"),
    "tab": (SMALLEST + "\tx: 1", 3, "", "not valid YAML"),
    "list": ("- a", 1, "", "must be a block of keys, not a list"),
    "no companies": ("version: 1\ncompanies: {}", 2, "companies", "no entries"),
    "companies missing": ("version: 1", 1, "", "'companies' is missing"),
    "version": (SMALLEST.replace("1", "2", 1), 1, "version", '"2" is not possible here'),
    "unknown section": (SMALLEST + "tax_code: {}", 3, "tax_code", "Did you mean tax_codes"),
    "unknown key": (
        SMALLEST + "tax_codes:\n  T1:\n    sales_tax_grp: X\n    item_sales_tax_group: Y",
        5,
        "tax_codes.T1.sales_tax_grp",
        "Did you mean sales_tax_group",
    ),
    "missing key": (
        SMALLEST + "tax_codes:\n  T1: {sales_tax_group: X}",
        4,
        "tax_codes.T1",
        "'item_sales_tax_group' is missing",
    ),
    "twice": (
        SMALLEST + "units:\n  values:\n    x: a\n    x: b",
        6,
        "units.values.x",
        "there twice, first on line 5",
    ),
    "too long": (
        SMALLEST + "tax_codes:\n  T1: {sales_tax_group: 12345678901, item_sales_tax_group: X}",
        4,
        "tax_codes.T1.sales_tax_group",
        "at most 10 characters",
    ),
    "legal entity": (
        SMALLEST + "legal_entities: {usnf: {}}",
        3,
        "legal_entities.usnf",
        "Known under companies: usmf",
    ),
    "legal entity twice": (
        SMALLEST + "legal_entities:\n  usmf: {}\n  USMF: {}",
        5,
        "legal_entities.USMF",
        "there twice",
    ),
    "template": (
        SMALLEST + "header:\n  description: 'x {a.b}'",
        4,
        "header.description",
        "'{a.b}' is no placeholder",
    ),
    "template in an exception": (
        SMALLEST + "legal_entities:\n  usmf:\n    line:\n      fields: {X: '{'}",
        6,
        "legal_entities.usmf.line.fields.X",
        "no placeholder",
    ),
    "field name": (
        SMALLEST + "header:\n  fields:\n    'X Y': a",
        5,
        "header.fields.X Y",
        "is not possible here",
    ),
    "import": (
        SMALLEST + "dimensions:\n  D:\n    coding_field: c\n    import: costcenters",
        6,
        "dimensions.D.import",
        "lists/LIST_KEY",
    ),
    "merge key": (SMALLEST + "units:\n  <<: {}", 4, "units", "merge keys"),
    "alias of itself": (SMALLEST + "units: &a {values: *a}", 3, "units.values", "contains itself"),
    "tag": (SMALLEST + "units: !!python/none x", 3, "units", "tag"),
    "key is a list": (SMALLEST + "? [a]\n: b", 3, "", "a key must be text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_is_said_with_file_line_place_and_remedy(name: str) -> None:
    text, line, path, words = BROKEN[name]
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, file="mine.yml")
    error = caught.value
    assert (error.file, error.line, error.path) == ("mine.yml", line, path)
    assert words in str(error)
    assert str(error).startswith(f"mine.yml, line {line}")
    assert error.remedy


def test_of_several_problems_the_first_in_the_file_is_told() -> None:
    with pytest.raises(MappingError) as caught:
        parse_mapping("version: 1\nzzz: 1\ncompanies: {}\naaa: 1")
    assert caught.value.line == 2


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(MappingError, match="cannot be read: No such file"):
        load_mapping(tmp_path / "mapping.yml")
    (tmp_path / "latin.yml").write_bytes("ä".encode("latin-1"))
    with pytest.raises(MappingError, match=r"latin\.yml: is not UTF-8"):
        load_mapping(tmp_path / "latin.yml")


def readme_examples() -> list[str]:
    text = (ROOT / "ap-mapping/README.md").read_text(encoding="utf-8")
    return [block.split("```")[0] for block in text.split("```yaml\n")[1:]]


@pytest.mark.parametrize("example", readme_examples())
def test_the_examples_in_the_readme_are_valid(example: str) -> None:
    if example.startswith("fields:"):
        example = "header:\n" + "".join(f"  {line}\n" for line in example.splitlines())
    if "companies:" not in example:
        example += "companies: {a: {legal_entity: usmf}, b: {legal_entity: gbsi}}\n"
    parse_mapping("version: 1\n" + example)


def test_the_readme_names_every_section() -> None:
    text = (ROOT / "ap-mapping/README.md").read_text(encoding="utf-8")
    for section in [*schema()["properties"], *schema()["$defs"]["header"]["properties"]]:
        assert f"`{section}`" in text, section
    for setting in schema()["$defs"]["line"]["properties"]:
        assert f"`{setting}`" in text, setting
