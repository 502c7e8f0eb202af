from __future__ import annotations

import io
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.policy import Action
from tap_d365fo.errors import (
    BusinessRefusal,
    FinOpsErrorTable,
    InfoLog,
    explain,
    is_duplicate_key,
    is_missing_for_update,
    is_update_conflict,
    parse_infolog,
    read_problem,
    refusal,
)

from .answers import CONFLICT, NOT_THERE, TAKEN, UNKNOWN_GROUP, answer, inner


def test_the_reason_is_the_infolog_without_its_technical_lines() -> None:
    problem = read_problem(answer(400, inner(UNKNOWN_GROUP)))

    assert problem.text == (
        "The value 'Local' in field 'Customer group' is not found in the related table "
        "'Customer groups'."
    )
    assert problem.entity == "CustCustomerV3Entity"
    assert problem.business
    assert [line.level for line in problem.infolog] == ["Warning", "Warning"]


def test_the_full_stop_that_f_and_o_adds_and_line_breaks_go() -> None:
    assert read_problem(answer(500, inner(TAKEN))).text == (
        "Cannot create a record in Customer groups (CustGroup). Customer group: Batch2, T1. "
        "The record already exists."
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", ""),
        ("<html><head><title>502 - Bad Gateway</title></head><body>x</body>", "502 - Bad Gateway"),
        ("<html><style>p{}</style><p>Sorry &amp; goodbye</p></html>", "Sorry & goodbye"),
        ("This request could not be processed", "This request could not be processed"),
        ('"just text"', '"just text"'),
        (
            {"error": {"code": "", "message": "Resource not found for the segment 'x'."}},
            "Resource not found for the segment 'x'.",
        ),
        ({"Message": "An error has occurred."}, "An error has occurred."),
        ({"error": "nonsense"}, ""),
    ],
)
def test_any_body_gives_words_or_nothing(body: Any, text: str) -> None:
    assert read_problem(answer(502, body)).text == text


def test_a_nested_exception_tells_more_than_the_generic_ones_around_it() -> None:
    nested = inner(
        "An error has occurred.",
        internalexception={"message": "Chart of accounts passed was invalid: 0", "type": "X"},
    )

    assert read_problem(answer(400, nested)).text == "Chart of accounts passed was invalid: 0"


def test_an_infolog_inside_a_nested_exception_is_found() -> None:
    nested = inner("An exception", kind="X", internalexception={"message": UNKNOWN_GROUP})

    assert read_problem(answer(400, nested)).entity == "CustCustomerV3Entity"


@given(st.binary(max_size=300))
def test_no_body_breaks_the_reading(body: bytes) -> None:
    response = answer(400)
    response.raw = io.BytesIO(body)

    assert isinstance(read_problem(response).text, str)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Info", "Warning", "Error"]),
            st.text(st.characters(codec="ascii", exclude_characters=";:.\\"), min_size=1).filter(
                lambda text: text.strip() and not text.startswith(("Info", "Warning", "Error"))
            ),
        ),
        min_size=1,
    )
)
def test_an_infolog_is_read_as_it_was_written(lines: list[tuple[str, str]]) -> None:
    text = "; ".join(f"{level}: {words}." for level, words in lines)

    assert parse_infolog(text) == [
        InfoLog(level, f"{' '.join(f'{words}.'.split())}") for level, words in lines
    ]


def test_texts_that_decide_are_recognised() -> None:
    assert is_duplicate_key(read_problem(answer(400, inner(TAKEN))))
    assert is_missing_for_update(read_problem(answer(400, inner(NOT_THERE))))
    assert is_update_conflict(read_problem(answer(400, inner(CONFLICT))))
    assert not is_duplicate_key(read_problem(answer(400, inner(UNKNOWN_GROUP))))


@pytest.mark.parametrize(
    ("method", "response", "action"),
    [
        ("POST", answer(400, inner(UNKNOWN_GROUP)), Action.REFUSE),
        ("POST", answer(500, inner(UNKNOWN_GROUP)), Action.REFUSE),  # platforms of 2020
        ("PATCH", answer(500, inner(NOT_THERE, kind="")), Action.REFUSE),
        ("POST", answer(400, inner(CONFLICT)), Action.RETRY),
        ("POST", answer(500, "<html>crashed</html>"), Action.IN_DOUBT),
        ("POST", answer(500, inner("Timeout expired", kind="SqlException")), Action.IN_DOUBT),
        ("POST", answer(502, "<html>"), Action.IN_DOUBT),
        ("POST", answer(503), Action.IN_DOUBT),
        ("POST", answer(503, **{"Retry-After": "3"}), Action.RETRY),
        ("POST", answer(429), Action.RETRY),
        ("POST", answer(401), Action.REFRESH_TOKEN),
        ("POST", answer(403), Action.DENY),
        ("POST", answer(404), Action.REFUSE),
        ("GET", answer(500, "<html>crashed</html>"), Action.RETRY),
        ("GET", answer(200), Action.ACCEPT),
    ],
)
def test_the_error_table(method: str, response: requests.Response, action: Action) -> None:
    assert FinOpsErrorTable().for_response(method, response) is action


def test_a_403_says_where_the_application_is_registered() -> None:
    assert "not registered in Microsoft Entra ID applications or lacks a role" in explain(
        answer(403)
    )


def test_a_business_refusal_keeps_the_reason_apart_from_the_request() -> None:
    error = refusal("POST https://…: 400 …", answer(400, inner(UNKNOWN_GROUP)), "aid")

    assert isinstance(error, BusinessRefusal)
    assert error.problem.text.startswith("The value 'Local'")
    assert error.request_id == "aid"


def test_a_request_that_odata_cannot_read_is_no_business_refusal() -> None:
    body = inner("The property 'Foo' does not exist on type 'X'.", kind="Microsoft.OData")

    assert not isinstance(refusal("…", answer(400, body), None), BusinessRefusal)
