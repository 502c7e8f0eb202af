"""Which resource a URL means: a set, its count, one entity; and how an entity's own URL looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from sandbox.d365fo.errors import ODataError, query_error, segment_error
from sandbox.d365fo.filter_syntax import Literal, Token, literal_of, tokenize
from sandbox.d365fo.model import NAMESPACE
from sandbox.d365fo.values import ValueProblem, convert
from sandbox.d365fo.wire import number_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.d365fo.model import EntitySet, Field, Model
    from sandbox.d365fo.values import Value

ROOT = "/data"
Options = list[tuple[str, str]]
_ENTITY = re.compile(r"(?P<name>[^()]*)\((?P<key>.*)\)", re.DOTALL)


@dataclass(frozen=True)
class Resource:
    """A set; with `count` the number of its rows; with `key` one of them."""

    entity: EntitySet
    key: dict[str, Value] | None = None
    count: bool = False


def split_url(target: str) -> tuple[str, Options]:
    """The raw path below the service root (no leading slash) and the decoded query options.

    `target` is a path with query, as in a request line. Raises ODataError 404 outside the root.
    """
    path, _, query = target.partition("?")
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        raise segment_error(path.strip("/").partition("/")[0])
    return path[len(ROOT) :].strip("/"), parse_qsl(query, keep_blank_values=True)


def parse_resource(path: str, model: Model) -> Resource:
    """The resource at a raw path below the root. Raises ODataError 404, or 400 for a bad key."""
    first, *rest = (unquote(segment) for segment in path.split("/"))
    match = _ENTITY.fullmatch(first)
    name = match["name"] if match else first
    entity = model.sets.get(name)
    if entity is None:
        raise segment_error(name)
    if match:
        if rest:
            raise segment_error(rest[0])
        return Resource(entity, key=parse_key(match["key"], entity, model))
    if rest not in ([], ["$count"]):
        raise segment_error(rest[0])
    return Resource(entity, count=bool(rest))


def parse_key(text: str, entity: EntitySet, model: Model) -> dict[str, Value]:
    """`a='x',b=1` (or one bare value for a key of one field) to values. Raises ODataError 400."""
    tokens = tokenize(text)[:-1]
    if len(tokens) == 1 and len(entity.keys) == 1:
        return {entity.keys[0]: _key_value(entity.fields[entity.keys[0]], tokens[0], model)}
    key: dict[str, Value] = {}
    for start in range(0, len(tokens), 4):
        match tokens[start : start + 4]:
            case [Token("name", name, _), Token("sign", "=", _), value, *comma]:
                if (
                    name not in entity.keys
                    or name in key
                    or [t.text for t in comma]
                    not in (
                        [","],
                        [],
                    )
                ):
                    raise _bad_key(entity)
                key[name] = _key_value(entity.fields[name], value, model)
            case _:
                raise _bad_key(entity)
    if set(key) != set(entity.keys):
        msg = (
            "The number of keys specified in the URI does not match number of key properties "
            f"for the resource '{entity.full_type_name}'."
        )
        raise query_error(msg)
    return key


def entity_path(entity: EntitySet, values: Mapping[str, Value]) -> str:
    """`Set(key='value',…)`, percent-encoded."""
    pairs = (f"{name}={_key_text(entity.fields[name], values[name])}" for name in entity.keys)
    return quote(f"{entity.name}({','.join(pairs)})", safe="()=',:$")


def _key_value(field: Field, token: Token, model: Model) -> Value:
    if token.kind in ("name", "sign", "end"):
        raise query_error(f"Bad key literal '{token.text}'.")
    literal = literal_of(token)
    try:
        return convert(field, _plain(field, literal), model)
    except ValueProblem as error:
        raise query_error(str(error)) from error


def _plain(field: Field, literal: Literal) -> object:
    wanted = {"String": "string", "Guid": "guid", "Date": "moment", "UtcDateTime": "moment"}
    expected = "enum" if field.is_enum else wanted.get(field.type, "number")
    if literal.kind != expected:
        msg = f"Cannot convert the literal to the expected type '{field.edm_type}'."
        raise ValueProblem(msg)
    if isinstance(literal.value, tuple):
        type_name, member = literal.value
        return member if type_name == field.edm_type else None
    return literal.value


def _key_text(field: Field, value: Value) -> str:
    if field.is_enum:
        return f"{NAMESPACE}.{field.type}'{value}'"
    if field.type == "String":
        return "'" + str(value).replace("'", "''") + "'"
    return number_text(value) if isinstance(value, Decimal) else str(value)


def _bad_key(entity: EntitySet) -> ODataError:
    return query_error(f"The key of '{entity.full_type_name}' in the URI is malformed.")
