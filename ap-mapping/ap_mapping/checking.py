"""A tree against the published JSON schema; schema errors in plain words."""

from __future__ import annotations

import difflib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    from collections.abc import Callable

    from jsonschema import ValidationError

    from ap_mapping.errors import MappingError
    from ap_mapping.reading import Path, Source, Tree

_TYPE_WORDS = {
    "object": "a block of keys",
    "array": "a list",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}


def schema() -> dict[str, Any]:
    """The published JSON schema of mapping.yml (draft 2020-12)."""
    text = files("ap_mapping").joinpath("mapping.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def check_tree(tree: Tree, source: Source) -> None:
    """Raise MappingError for the first problem of the file, top to bottom."""
    found = list(Draft202012Validator(schema()).iter_errors(tree))
    if not found:
        return
    misspelt = {tuple(e.absolute_path) for e in found if e.validator == "additionalProperties"}
    errors = [
        _error_at(error, source)
        for error in found
        # beside a misspelt key, the right one is missing too: one word about it is enough
        if not (error.validator == "required" and tuple(error.absolute_path) in misspelt)
    ]
    raise min(errors, key=lambda error: error.line or 0)


def _error_at(error: ValidationError, source: Source) -> MappingError:
    path: Path = tuple(error.absolute_path)
    path = _deeper(error, path)
    describe = _DESCRIBE.get(str(error.validator), _anything_else)
    problem, remedy = describe(error)
    return source.error(problem, path, remedy)


def _deeper(error: ValidationError, path: Path) -> Path:
    """Point at the key itself where the schema only points at the block around it."""
    if error.validator == "additionalProperties":
        return (*path, _unknown_keys(error)[0])
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


def _unknown_key(error: ValidationError) -> tuple[str, str]:
    key = _unknown_keys(error)[0]
    known = _known_keys(error)
    close = difflib.get_close_matches(key, known, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return f"unknown key {key!r}", f"{hint}Known here: {', '.join(known)}"


def _wrong_type(error: ValidationError) -> tuple[str, str]:
    wanted = (
        error.validator_value
        if isinstance(error.validator_value, list)
        else [error.validator_value]
    )
    words = [_TYPE_WORDS[name] for name in wanted if name in _TYPE_WORDS]
    return f"must be {' or '.join(words)}, not {_shown(error.instance)}", _advice(error)


def _missing(error: ValidationError) -> tuple[str, str]:
    there = cast("dict[str, Any]", error.instance)
    missing = [key for key in cast("list[str]", error.validator_value) if key not in there]
    return f"key {missing[0]!r} is missing", _advice(error)


def _too_few(error: ValidationError) -> tuple[str, str]:
    return "has no entries", _advice(error)


def _anything_else(error: ValidationError) -> tuple[str, str]:
    return f"{_shown(error.instance)} is not possible here", _advice(error)


_DESCRIBE: dict[str, Callable[[ValidationError], tuple[str, str]]] = {
    "additionalProperties": _unknown_key,
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
