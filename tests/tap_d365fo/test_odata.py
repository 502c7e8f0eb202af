from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_d365fo import odata
from tap_d365fo.lookup import WantedKeys

KEYS = st.lists(
    st.fixed_dictionaries({"dataAreaId": st.text(max_size=4), "Number": st.text(max_size=20)}),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("O'Brien", "'O''Brien'"),
        ("", "''"),
        (odata.enum("NoYes", "Yes"), "Microsoft.Dynamics.DataEntities.NoYes'Yes'"),
        (date(2024, 1, 31), "2024-01-31T12:00:00Z"),
        (datetime(2024, 1, 31, 8, tzinfo=UTC), "2024-01-31T08:00:00Z"),
        (datetime(2024, 1, 31, 8, tzinfo=timezone(timedelta(hours=2))), "2024-01-31T06:00:00Z"),
        (Decimal("1E+3"), "1000"),
        (Decimal("-0.10"), "-0.10"),
        (5637144576, "5637144576"),
        (True, "true"),
        (None, "null"),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    ],
)
def test_literals(value: Any, text: str) -> None:
    assert odata.literal(value) == text


@pytest.mark.parametrize("value", [datetime(2024, 1, 31), Decimal("NaN")])
def test_a_value_without_an_unambiguous_literal_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="no "):
        odata.literal(value)


def test_a_float_has_no_literal() -> None:
    with pytest.raises(TypeError, match="float"):
        odata.literal(1.5)


@given(st.text())
def test_a_string_literal_reads_back_as_the_string(text: str) -> None:
    literal = odata.literal(text)

    assert literal[1:-1].replace("''", "'") == text
    assert literal[1:-1].count("'") % 2 == 0


def test_a_key_predicate_is_encoded() -> None:
    key = {"dataAreaId": "usmf", "VendorAccountNumber": "US 1/O'B"}

    assert odata.key_predicate(key) == ("(dataAreaId='usmf',VendorAccountNumber='US%201%2FO''B')")


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_a_key_predicate_decodes_to_its_literals(text: str) -> None:
    predicate = odata.key_predicate({"Name": text})

    assert unquote(predicate) == f"(Name={odata.literal(text)})"
    assert not set(predicate) & set(' /?#"<>\\')


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        ("US-101", True),
        ("O'Brien", True),
        ("a/b", False),
        ("A*", False),
        ("a&b", False),
        (".", False),
        ("a\nb", False),
        ("a\u200bb", False),
    ],
)
def test_keys_that_a_gateway_would_refuse_are_told_apart(value: str, safe: bool) -> None:
    assert odata.is_safe_in_path({"dataAreaId": "usmf", "Number": value}) is safe


def test_a_query_string_has_blanks_as_percent_20_and_no_empty_options() -> None:
    options = {"$filter": "Name eq 'A+B & C'", "$select": ["Name", "Id"], "$orderby": ""}

    query = odata.query_string(options)

    assert query == "$filter=Name%20eq%20'A%2BB%20%26%20C'&$select=Name,Id"
    assert dict(parse_qsl(query)) == {"$filter": "Name eq 'A+B & C'", "$select": "Name,Id"}


def test_filters_combine() -> None:
    both = odata.all_equal({"dataAreaId": "usmf", "Number": "1"})

    assert both == "(dataAreaId eq 'usmf' and Number eq '1')"
    assert odata.or_("a", "", "b") == "(a or b)"
    assert odata.or_("a") == "a"
    assert odata.and_("", odata.or_("a", "b"), "c") == "(a or b) and c"


@given(KEYS, st.integers(1, 50), st.integers(200, 4000))
def test_chunks_cover_every_row_once_and_stay_short(
    rows: list[dict[str, str]], max_rows: int, max_chars: int
) -> None:
    filters = list(odata.any_of(rows, where="A eq 1", max_rows=max_rows, max_chars=max_chars))

    distinct = list(dict.fromkeys(odata.all_equal(row) for row in rows))
    joined = " or ".join(text.removeprefix("A eq 1 and ").strip() for text in filters)
    assert sum(joined.count(term) >= 1 for term in distinct) == len(distinct)
    for text in filters:
        alone = sum(term in text for term in distinct) == 1
        assert odata.encoded_length(text) <= max_chars or alone


def test_no_rows_no_filter() -> None:
    assert list(odata.any_of([])) == []


def test_a_row_counts_only_when_it_really_has_the_values() -> None:
    wanted = WantedKeys([{"Number": "A*", "dataAreaId": "usmf"}, {"Number": "b-1 "}])

    assert wanted.include({"Number": "a*", "dataAreaId": "USMF"})
    assert wanted.include({"Number": "B-1", "dataAreaId": "demf"})
    assert not wanted.include({"Number": "AB", "dataAreaId": "usmf"})  # the wildcard's catch
    assert not wanted.include({"dataAreaId": "usmf"})


def test_keys_that_f_and_o_holds_for_equal_are_asked_once() -> None:
    assert len(WantedKeys([{"N": "us-1"}, {"N": "US-1"}, {"N": "US-1 "}]).keys) == 1


def test_dates_enums_and_numbers_are_compared_with_what_f_and_o_returns() -> None:
    wanted = WantedKeys(
        [{"D": date(2024, 1, 31), "E": odata.enum("NoYes", "Yes"), "L": Decimal("1.0")}]
    )

    assert wanted.include({"D": "2024-01-31T12:00:00Z", "E": "Yes", "L": 1})
