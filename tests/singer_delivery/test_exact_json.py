"""The quick decoder reads JSON exactly as the thorough one does."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from singer_delivery import exact_json
from singer_delivery.exact_json import encode_json, parse_json

NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
)
TEXTS = st.text(st.characters(codec=None)).map(json.dumps) | st.text().map(
    lambda text: json.dumps(text, ensure_ascii=False)
)
SPACE = st.text(" \n\r\t", max_size=2)
DOCUMENTS = st.recursive(
    NUMBERS | TEXTS | st.sampled_from(["null", "true", "false", "NaN", "Infinity"]),
    lambda inner: (
        st.tuples(SPACE, st.lists(inner, max_size=4)).map(lambda x: f"[{x[0]}{','.join(x[1])}]")
        | st.lists(st.tuples(TEXTS, inner), max_size=4).map(
            lambda pairs: f"{{{','.join(f'{name}: {value}' for name, value in pairs)}}}"
        )
    ),
    max_leaves=8,
)


def outcome(parse: Any, text: str | bytes) -> str:
    """The value with its types and all digits, or that it is none."""
    try:
        return repr(parse(text))
    except ValueError:
        return "no JSON"


def assert_alike(text: str | bytes) -> None:
    assert outcome(parse_json, text) == outcome(exact_json._parse_thoroughly, text)


@given(DOCUMENTS)
@example('{"a": 1, "a": 2}')
@example('"\\ud800"')
@example("1e99999999999999999999")
@example("9" * 5000)
@example("-0")
@example("[1,]")
def test_documents(text: str) -> None:
    assert_alike(text)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert_alike(text.encode(encoding, "surrogatepass"))


@given(DOCUMENTS, st.data())
def test_documents_with_a_fault(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    put = data.draw(st.text('\\"{}[],:0123456789.eE+-\x00\x1f\x7f\ufeff\xa0 u', max_size=2))
    assert_alike(text[:at] + put + text[at + data.draw(st.integers(0, 2)) :])


@given(st.binary(max_size=12))
def test_any_bytes(content: bytes) -> None:
    assert_alike(content)
    assert_alike(b'"' + content + b'"')


@given(NUMBERS)
def test_every_digit_comes_back(text: str) -> None:
    number = parse_json(text)
    assert isinstance(number, int if text.lstrip("-").isdigit() else Decimal)
    assert parse_json(encode_json(number)) == number == Decimal(text)


CONTENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**100), 2**100)
    | st.floats()
    | st.decimals()
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


def written(encode: Any, value: Any) -> str:
    """What comes back of it, or why nothing was written."""
    try:
        text = encode(value)
    except ValueError as error:
        return type(error).__name__
    return repr(parse_json(text)) if text else ""


@given(CONTENTS)
def test_both_encoders_write_the_same(value: Any) -> None:
    def thoroughly(value: Any) -> bytes:
        exact_json._check_finite(value)
        return exact_json._encode_thoroughly(value)

    assert written(encode_json, value) == written(thoroughly, value)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e99999999999999999999", "{", ""])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)


def test_it_is_said_where_the_fault_is() -> None:
    with pytest.raises(json.JSONDecodeError) as caught:
        parse_json('{"a": 1,}')
    assert caught.value.colno > 1
