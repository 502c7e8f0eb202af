from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.document import Status
from singer_delivery.errors import AccessDenied, Unavailable
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

        self.asked: list[tuple[str, bool]] = []
        self.acknowledged: list[list[str]] = []

    def request_state(self, request: str, *, only_problems: bool = False) -> Any:
        self.asked.append((request, only_problems))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def acknowledge_requests(self, requests: list[str]) -> None:
        self.acknowledged.append(requests)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def desk(self, *, acknowledger: Any = None) -> RequestDesk:
        return RequestDesk(
            self,  # type: ignore[arg-type]
            longest_wait=10,
            acknowledger=acknowledger,
            clock=lambda: self.now,
            sleep=self.sleep,
        )


def test_it_waits_until_the_request_is_finished() -> None:
    basware = Basware(None, state(whole="InProgress"), state((CODE, "Success")))
    assert basware.desk().outcome("r1", CODE).status is Status.DELIVERED
    assert basware.now == pytest.approx(0.75)


def test_it_does_not_wait_for_ever() -> None:
    basware = Basware(state(whole="InProgress"))
    found = basware.desk().outcome("r1", CODE)
    assert basware.now == pytest.approx(10)
    assert found.status is Status.ACCEPTED
    assert found.reason == "accepted; Basware is still processing it"
    assert found.request_id == "r1"
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


def test_a_status_that_cannot_be_read_now_is_left_to_the_next_run() -> None:
    found = Basware(Unavailable("503")).desk().outcome("r1", CODE)
    assert found.status is Status.ACCEPTED
    assert "could not be confirmed: 503" in found.reason


# -- many records of one request


def test_one_look_tells_of_all_records_of_a_request() -> None:
    basware = Basware(state(("a", "Success"), ("b", "Error"), ("c", "Warning"), message="No"))
    found = basware.desk().look("r1", ["a", "b", "c", "d"])
    assert {key: outcome.status for key, outcome in found.items()} == {
        "a": Status.DELIVERED,
        "b": Status.REJECTED,
        "c": Status.DELIVERED,
        "d": Status.DELIVERED,  # a finished request that lists others and says nothing of it
    }
    assert found["c"].reason == "No"
    assert basware.asked == [("r1", False)]


def test_what_is_in_progress_is_asked_about_without_all_its_records() -> None:
    busy = state(("a", "InProgress"), whole="InProgress")
    basware = Basware(busy, busy, state(), state(("a", "Success")))
    desk = basware.desk()
    assert [desk.look("r1", ["a"]) for _ in range(2)] == [{}, {}]
    assert desk.look("r1", ["a"])["a"].status is Status.DELIVERED
    assert basware.asked == [("r1", False), ("r1", True), ("r1", True), ("r1", False)]


def test_a_finished_record_of_a_request_in_progress_is_told_at_once() -> None:
    basware = Basware(state(("a", "Success"), ("b", "InProgress"), whole="InProgress"))
    assert set(basware.desk().look("r1", ["a", "b"])) == {"a"}


# -- no access to the request status


@pytest.mark.parametrize("error", [AccessDenied("401 scope"), AccessDenied("403", status=403)])
def test_without_access_everything_is_delivered_and_that_is_said_once(
    error: AccessDenied, caplog: pytest.LogCaptureFixture
) -> None:
    basware = Basware(error)
    desk = basware.desk()
    for number in range(3):
        found = desk.look(f"r{number}", [CODE])[CODE]
        assert (found.status, found.request_id) == (Status.DELIVERED, f"r{number}")
        assert found.reason.startswith("not confirmed: ")
    assert len(caplog.records) == 1
    assert len(basware.asked) == 1


def test_a_request_that_never_appears_is_not_waited_for_in_later_ones(
    caplog: pytest.LogCaptureFixture,
) -> None:
    basware = Basware(None)
    desk = basware.desk()
    desk.posted("r1")
    assert desk.look("r1", [CODE]) == {}
    basware.sleep(15)
    assert desk.look("r1", [CODE])[CODE].status is Status.DELIVERED
    desk.posted("r2")
    assert desk.look("r2", [CODE])[CODE].reason.startswith("not confirmed")
    assert len(caplog.records) == 1


def test_a_request_of_an_earlier_run_that_is_not_listed_any_more_is_not_confirmed() -> None:
    found = Basware(None).desk().look("old", [CODE])[CODE]
    assert found.status is Status.DELIVERED
    assert "Basware does not list its request" in found.reason


# -- acknowledging


def test_requests_in_error_are_acknowledged_together_and_once() -> None:
    basware = Basware(state((CODE, "Error"), whole="Error"))
    desk = basware.desk(acknowledger=basware)
    for request in ("r2", "r1", "r1"):
        desk.look(request, [CODE])
    desk.acknowledge()
    desk.acknowledge()
    assert basware.acknowledged == [["r1", "r2"]]


@pytest.mark.parametrize("whole", ["Success", "AcknowledgedError", "InProgress"])
def test_other_requests_are_not_acknowledged(whole: str) -> None:
    basware = Basware(state((CODE, "Success"), whole=whole))
    desk = basware.desk(acknowledger=basware)
    desk.look("r1", [CODE])
    desk.acknowledge()
    assert basware.acknowledged == []
