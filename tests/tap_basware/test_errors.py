from __future__ import annotations

import json
from typing import Any

import pytest
import requests
from tap_basware.errors import error_text, explain, request_id


def answer(body: Any, *, headers: dict[str, str] | None = None) -> requests.Response:
    response = requests.Response()
    response.status_code, response.reason = 400, "Bad Request"
    response._content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response.headers.update(headers or {})
    return response


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {
                "hasErrors": True,
                "errors": [
                    {"externalCode": "A1", "code": "CONFLICT_IN_POST", "message": "exists"},
                    {"code": "UNEXPECTED_ERROR"},
                ],
            },
            "A1: exists [CONFLICT_IN_POST]; UNEXPECTED_ERROR",
        ),
        ({"hasError": True, "errorMessages": ["one", "two"]}, "one; two"),
        ({"message": "Unauthorized"}, "Unauthorized"),
        ({"error": "invalid_client"}, "invalid_client"),
        (
            {"error": "invalid_request", "error_description": "scope field required"},
            "invalid_request; scope field required",
        ),
        ({"detail": [{"loc": ["body", "scope"], "msg": "required"}]}, "body.scope: required"),
        ({"detail": "Not allowed"}, "Not allowed"),
        ("too late", "too late"),
        ({"errors": None, "message": None}, ""),
        ([1, 2], ""),
        (b"", ""),
        (b"plain text", ""),
    ],
)
def test_every_dialect_becomes_one_line(body: Any, words: str) -> None:
    assert error_text(answer(body)) == words


def test_a_gateway_page_is_named_by_its_title() -> None:
    page = b"<html><head><title>502 Bad\n Gateway</title></head><body>secret</body></html>"
    text = error_text(answer(page, headers={"Content-Type": "text/html"}))
    assert "'502 Bad Gateway'" in text
    assert "secret" not in text


def test_a_long_reason_is_cut() -> None:
    assert len(error_text(answer({"message": "x" * 10_000}))) == 500


def test_the_request_id_is_part_of_the_reason() -> None:
    response = answer({"message": "no"}, headers={"X-Amzn-RequestId": "r-1"})
    assert explain(response) == "no (request r-1)"


def test_the_request_id_is_also_found_in_the_body() -> None:
    assert request_id(answer({"requestId": "r-2"})) == "r-2"
    assert request_id(answer([])) is None
