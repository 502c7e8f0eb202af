from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.document import Status
from singer_delivery.errors import Unavailable
from target_basware.request_status import RequestDesk, judge

CODE = "code-1"


def state(*items: tuple[str, str], whole: str = "Success", message: str = "") -> dict[str, Any]:
    errors = {"errors": [{"message": message}]} if message else {}
    return {
        "requestStatus": whole,
        "systems": [
            {"system": f"S{n}", "items": [{"externalCode": code, "status": status, **errors}]}
            for n, (code, status) in enumerate(items)
        ],
    }


@pytest.mark.parametrize(
    ("item", "expected", "reason"),
    [
        ("Success", Status.DELIVERED, ""),
        ("Warning", Status.DELIVERED, "saved with a warning"),
        ("NotProcessed", Status.UNCHANGED, "P2P had the same content already"),
        ("RecordExpired", Status.UNCHANGED, "a more recent version was there already"),
        ("Error", Status.REJECTED, "P2P could not process it and gave no reason"),
    ],
)
def test_an_items_status_is_the_outcome(item: str, expected: Status, reason: str) -> None:
    found = judge(state((CODE, item), ("other", "Error")), "r1", CODE)
    assert found is not None
    assert (found.status, found.reason) == (expected, reason)
    assert found.request_id == "r1"


def test_basware_s_own_message_is_the_reason() -> None:
    found = judge(state((CODE, "Error"), message="Wrong CompanyCode"), "r1", CODE)
    assert found is not None
    assert found.reason == "Wrong CompanyCode"


def test_the_worst_of_several_systems_counts() -> None:
    found = judge(state((CODE, "Success"), (CODE, "Error"), (CODE, "Warning")), "r1", CODE)
    assert found is not None
    assert found.status is Status.REJECTED


@pytest.mark.parametrize(
    "unfinished",
    [
        {},
        state(whole="InProgress"),
        state((CODE, "InProgress"), whole="InProgress"),
        state((CODE, "Success"), (CODE, "InProgress"), whole="InProgress"),
        state((CODE, "SomethingNew")),
    ],
)
def test_what_is_not_finished_has_no_outcome(unfinished: dict[str, Any]) -> None:
    assert judge(unfinished, "r1", CODE) is None


@pytest.mark.parametrize(
    ("whole", "expected"),
    [("AcknowledgedSuccess", Status.DELIVERED), ("AcknowledgedError", Status.REJECTED)],
)
def test_a_request_that_lists_no_items_counts_as_a_whole(whole: str, expected: Status) -> None:
    found = judge(state(whole=whole), "r1", CODE)
    assert found is not None
    assert found.status is expected


class Basware:
    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.now = 0.0

    def request_state(self, request: str) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def desk(self) -> RequestDesk:
        return RequestDesk(self, longest_wait=10, clock=lambda: self.now, sleep=self.sleep)  # type: ignore[arg-type]


def test_it_waits_until_the_request_is_finished() -> None:
    basware = Basware(None, state(whole="InProgress"), state((CODE, "Success")))
    assert basware.desk().outcome("r1", CODE).status is Status.DELIVERED
    assert basware.now == pytest.approx(0.75)


def test_it_does_not_wait_for_ever() -> None:
    basware = Basware(state(whole="InProgress"))
    found = basware.desk().outcome("r1", CODE)
    assert basware.now == pytest.approx(10)
    assert found.status is Status.DELIVERED
    assert found.reason == "accepted; Basware is still processing it"
    assert found.detail == {"request_status": "InProgress"}


def test_after_one_long_wait_the_next_ones_are_only_looked_at() -> None:
    basware = Basware(state(whole="InProgress"))
    desk = basware.desk()
    desk.outcome("r1", CODE)
    for number in range(2, 200):
        desk.outcome(f"r{number}", CODE)
    assert basware.now == pytest.approx(10)
    basware.answers = [state((CODE, "Error"))]
    assert desk.outcome("r200", CODE).status is Status.REJECTED


def test_a_status_that_cannot_be_read_does_not_undo_the_delivery() -> None:
    found = Basware(Unavailable("503")).desk().outcome("r1", CODE)
    assert found.status is Status.DELIVERED
    assert "could not be confirmed: 503" in found.reason
