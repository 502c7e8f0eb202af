from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tap_basware.notification import BadNotification, parse

from tests.webhook.receiving import encoded, payload

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_all_fields() -> None:
    found = parse(
        encoded(payload(taskId="t", documentId="d", expirationTime="2026-11-23T12:00:00Z"))
    )
    assert (found.task_id, found.task_status, found.document_id) == ("t", "New", "d")
    assert (found.task_type, found.task_sub_type) == ("AccountingDocuments", "WaitingForTransfer")
    assert found.expires == NOW
    assert not found.is_connection_test


def test_the_misspelled_example_is_understood() -> None:
    assert parse(encoded(payload(taskType="AccoutingDocuments"))).task_type == "AccountingDocuments"


def test_a_connection_test_needs_no_document() -> None:
    assert parse(b'{"taskType":"ConnectionTest"}').is_connection_test


@pytest.mark.parametrize(
    ("expires", "expired"),
    [
        ("2026-11-23T11:54:59Z", True),
        ("2026-11-23T11:55:01Z", False),  # within the leeway
        ("2026-11-23T13:54:59+02:00", True),
        ("2026-11-23T11:54:59", True),  # without a zone: UTC
        ("0001-01-01T00:00:00Z", True),
        (None, False),
        ("", False),
        ("soon", False),
    ],
)
def test_expiry(expires: str | None, expired: bool) -> None:
    found = parse(encoded(payload(expirationTime=expires)))
    assert found.expired(NOW, timedelta(minutes=5)) == expired


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (encoded(payload(taskId=None)), "taskId is missing"),
        (encoded(payload(taskType="")), "taskType is missing"),
        (encoded(payload(documentId=7)), "documentId is missing or no text"),
        (encoded(payload(taskStatus=["New"])), "taskStatus is missing or no text"),
        (encoded(payload(taskSubType={"a": 1})), "taskSubType is missing or no text"),
        (encoded(payload(documentId="x" * 301)), "documentId is too long"),
        (encoded(payload(documentId="a\nINFO forged line")), "cannot be printed"),
    ],
)
def test_what_is_no_notification(body: bytes, words: str) -> None:
    with pytest.raises(BadNotification, match=words):
        parse(body)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=5))
def test_any_value_of_a_field_is_read_or_refused(value: object) -> None:
    try:
        found = parse(json.dumps(payload(documentId="d") | {"documentId": value}).encode())
    except BadNotification:
        return
    assert found.document_id == value
