"""A text against all that a mapping has to be; errors of the JSON schema in plain words."""

from __future__ import annotations

import difflib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator

from ap_mapping.beyond_schema import check_beyond_schema
from ap_mapping.reading import read_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonschema import ValidationError

    from ap_mapping.reading import Path, Source, Tree

_TYPE_WORDS = {
    "object": "a block of keys",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}


@cache
def _published() -> str:
    return files("ap_mapping").joinpath("mapping.schema.json").read_text(encoding="utf-8")


def schema() -> dict[str, Any]:
    """The published JSON schema of mapping.yml (draft 2020-12)."""
    loaded: dict[str, Any] = json.loads(_published())
    return loaded


def checked_tree(text: str, source: Source) -> Tree:
    """Read and check a text; fills `source`, its problems top to bottom.

    Raises MappingError where the text is no YAML, so that there is nothing to check.
    """
    tree = read_tree(text, source)
    check_schema(tree, source)
    check_beyond_schema(tree, source)
    source.sort()
    return tree


def check_schema(tree: Tree, source: Source) -> None:
    """Note what the schema says against a tree, and the gaps that are left in it."""
    published = schema()
    for path in source.gaps:
        source.note("is a gap, to be filled in", path, _description_at(published, path))
    untold = source.unread | set(source.gaps)
    found = [
        error
        for error in Draft202012Validator(published).iter_errors(tree)
        if tuple(error.absolute_path) not in untold
    ]
    misspelt = _misspelt(found)
    for error in found:
        path = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            for key in _unknown_keys(error):
                source.note(*_unknown_key(error, key, path))
        # beside a misspelt key, the right one is missing too: one word about it is enough
        elif error.validator != "required" or (*path, _missing_key(error)) not in misspelt:
            problem, remedy = _DESCRIBE.get(str(error.validator), _anything_else)(error)
            source.note(problem, _place_of(error, path), remedy)


def _description_at(published: dict[str, Any], path: Path) -> str:
    """What the schema says of the entry at `path`."""
    here = published
    for key in path:
        properties = here.get("properties", {})
        here = properties.get(key) or here.get("additionalProperties") or here.get("items") or {}
        if "$ref" in here:
            here = {**published["$defs"][here["$ref"].rpartition("/")[2]], **here}
    return str(here.get("description", ""))


def _misspelt(errors: list[ValidationError]) -> set[Path]:
    """The paths that unknown keys were probably meant for."""
    return {
        (*error.absolute_path, meant)
        for error in errors
        if error.validator == "additionalProperties"
        for key in _unknown_keys(error)
        for meant in _close(key, _known_keys(error))
    }


def _place_of(error: ValidationError, path: Path) -> Path:
    """Point at the key itself where the schema only points at the block around it."""
    if (
        error.validator == "pattern"
        and error.parent is None
        and "propertyNames" in error.schema_path
    ):
        return (*path, str(error.instance))
    return path


def _known_keys(error: ValidationError) -> list[str]:
    schema = cast("dict[str, Any]", error.schema)
    return sorted(schema.get("properties", {}))


def _unknown_keys(error: ValidationError) -> list[str]:
    known = _known_keys(error)
    return [key for key in cast("dict[str, Any]", error.instance) if key not in known]


def _close(key: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(key, known, n=1)


def _unknown_key(error: ValidationError, key: str, path: Path) -> tuple[str, Path, str]:
    known = _known_keys(error)
    close = _close(key, known)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"unknown key {key!r}", (*path, key), f"{hint}Known here: {', '.join(known)}"


def _wrong_type(error: ValidationError) -> tuple[str, str]:
    wanted = (
        error.validator_value
        if isinstance(error.validator_value, list)
        else [error.validator_value]
    )
    words = [_TYPE_WORDS[name] for name in wanted if name in _TYPE_WORDS]
    return f"must be {' or '.join(words)}, not {_shown(error.instance)}", _advice(error)


def _missing(error: ValidationError) -> tuple[str, str]:
    return f"key {_missing_key(error)!r} is missing", _advice(error)


def _missing_key(error: ValidationError) -> str:
    """The key that one of the errors of a block is about."""
    wanted = cast("list[str]", error.validator_value)
    return next(key for key in wanted if error.message.startswith(repr(key)))


def _too_few(error: ValidationError) -> tuple[str, str]:
    return "has no entries", _advice(error)


def _anything_else(error: ValidationError) -> tuple[str, str]:
    return f"{_shown(error.instance)} is not possible here", _advice(error)


_DESCRIBE: dict[str, Callable[[ValidationError], tuple[str, str]]] = {
    "type": _wrong_type,
    "required": _missing,
    "minProperties": _too_few,
}


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a block of keys"
    if isinstance(value, list):
        return "a list"
    return json.dumps(value, ensure_ascii=False)


def _advice(error: ValidationError) -> str:
    schema = error.schema
    return str(schema.get("description", "")) if isinstance(schema, dict) else ""
