"""The package API: what its answers mean, and what is sent where."""

from __future__ import annotations

import io
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, Refused, Unavailable
from tap_d365fo.client import D365Client
from tap_d365fo.data_management import DataManagement, Import, RowError, State, _row_error, _value
from tap_d365fo.errors import telling

WANTED = Import("E-1", "Basware vendor invoices", "usmf")


@pytest.fixture
def data(client: D365Client) -> DataManagement:
    return DataManagement(client)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("Succeeded", State.SUCCEEDED),
        (" partiallysucceeded ", State.PARTIALLY_SUCCEEDED),
        ("Canceled", State.CANCELED),
        ("NotRun", State.NOT_RUN),
        ("Unknown", State.UNKNOWN),
        ("InQueueOfSomeRelease", State.EXECUTING),
    ],
)
def test_words_of_dynamics(word: str, state: State) -> None:
    assert State.of(word) is state


def test_what_is_over() -> None:
    over = {state for state in State if state.is_over}
    assert over == {State.SUCCEEDED, State.PARTIALLY_SUCCEEDED, State.FAILED, State.CANCELED}


def test_a_value_may_be_one_deeper() -> None:
    assert _value({"@odata.context": "x", "value": {"value": "Succeeded"}}) == "Succeeded"
    assert _value({"value": "Failed"}) == "Failed"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"RecordId": "A", "ErrorMessage": " m "}, RowError("m", "A  m ")),
        ({"recordid": "A", "MESSAGE": "m", "Field": None}, RowError("m", "A m")),
        ({"Other": "words"}, RowError("words", "words")),
        ("words", RowError("words", "words")),
    ],
)
def test_errors_in_any_form(row: Any, expected: RowError) -> None:
    assert _row_error(row) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plain words", "plain words"),
        (
            "Write failed for table row of type 'X'. Infolog: Warning: No vendor.; Warning: "
            "validateField failed on field 'X.Y'.",
            "No vendor.",
        ),
        ("Error: one; Warning: two", "one two"),
    ],
)
def test_messages_are_told_without_their_technical_parts(text: str, words: str) -> None:
    assert telling(text) == words


@pytest.mark.parametrize("unknown", ["error", "Unknown"])
def test_an_execution_that_is_not_there(
    environment: Sandbox, data: DataManagement, unknown: str
) -> None:
    environment.switches.set("d365fo.package_unknown", unknown)
    assert data.state("E-1") is State.UNKNOWN
    data.check()


def test_another_refusal_says_nothing_about_an_execution(
    environment: Sandbox, data: DataManagement
) -> None:
    environment.faults.add(Fault("d365fo", "status", path="Status", status=400, body="no"))
    environment.faults.add(Fault("d365fo", "status", path="Status", status=404, body="E-1"))
    for _ in range(2):
        with pytest.raises(Refused):
            data.state("E-1")


def test_a_missing_right(environment: Sandbox, data: DataManagement) -> None:
    environment.switches.set("d365fo.package_forbidden", ("GetExecutionSummaryStatus",))
    with pytest.raises(AccessDenied, match="GetExecutionSummaryStatus"):
        data.check()


def test_questions_are_asked_again_and_not_for_ever(
    environment: Sandbox, data: DataManagement
) -> None:
    data.client.sleep = lambda _: None
    environment.faults.add(Fault("d365fo", "status", path="Status", status=502, times=2))
    assert data.state("E-1") is State.UNKNOWN
    environment.faults.add(Fault("d365fo", "status", path="Status", status=502, times=-1))
    with pytest.raises(Unavailable):
        data.state("E-1")


def test_a_package_goes_to_its_address_without_the_token(
    environment: Sandbox, data: DataManagement
) -> None:
    url = data.write_url("a.zip")
    data.put(url, io.BytesIO(b"content"))
    [sent] = environment.journal.requests("blobs")
    assert (sent.method, sent.body, sent.status) == ("PUT", b"content", 201)
    assert "authorization" not in sent.headers
    assert sent.headers["content-length"] == "7"


def test_an_import_that_is_refused(environment: Sandbox, data: DataManagement) -> None:
    url = data.write_url("a.zip")
    with pytest.raises(Refused, match="cannot be read") as refused:
        data.begin(WANTED, url)
    assert refused.value.status == 400
    assert data.state("E-1") is State.UNKNOWN
    assert data.errors("E-1") == []


def test_no_address_is_no_address(environment: Sandbox, data: DataManagement) -> None:
    for body in ('{"value":""}', '{"value":"no json"}', '{"value":"{}"}', '{"value":"[1]"}'):
        fault = Fault("d365fo", "status", path="WriteUrl", status=200, body=body)
        environment.faults.add(fault)
        with pytest.raises(Refused, match="gave no address"):
            data.write_url("a.zip")
