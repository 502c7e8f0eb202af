"""Many keys read with one request, and one by one where the environment will not have that."""

from __future__ import annotations

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.errors import AccessDenied, Refused
from tap_d365fo.client import D365Client, LookUp

from .conftest import VENDORS, Connect

KEY = ("dataAreaId", "VendorAccountNumber")


def looks() -> list[LookUp]:
    """All vendors of two legal entities, ten keys a read, and one company."""
    return [
        *(
            LookUp(
                "VendorsV3",
                [
                    {"dataAreaId": company, "VendorAccountNumber": f"V-{number:03}"}
                    for number in range(VENDORS)
                ],
                select=KEY,
                orderby=KEY,
            )
            for company in ("usmf", "demf")
        ),
        LookUp("Companies", [{"DataArea": "USMF"}]),
    ]


@pytest.fixture
def client(connect: Connect) -> D365Client:
    return connect(max_lookup_rows=10)


def found(client: D365Client) -> list[int]:
    """How many rows each look-up finds; every one of its own company."""
    first, second, third = client.look_up_all(looks())
    assert {row["dataAreaId"] for row in first} == {"usmf"}
    assert {row["dataAreaId"] for row in second} == {"demf"}
    return [len(first), len(second), len(third)]


def sent(environment: Sandbox) -> list[str]:
    return [request.method for request in environment.journal.requests("d365fo")]


def test_many_reads_are_one_request(client: D365Client, environment: Sandbox) -> None:
    assert found(client) == [VENDORS, VENDORS, 1]
    assert sent(environment) == ["POST"]


def test_few_reads_go_as_they_are(client: D365Client, environment: Sandbox) -> None:
    (company,) = client.look_up_all(looks()[2:])
    assert [row["DataArea"] for row in company] == ["usmf"]
    assert sent(environment) == ["GET"]


def test_nothing_to_look_up_asks_nobody(client: D365Client, environment: Sandbox) -> None:
    assert client.look_up_all([LookUp("VendorsV3", [])]) == [[]]
    assert sent(environment) == []


def test_what_comes_after_a_part_that_fails_is_read_after_it(
    client: D365Client, environment: Sandbox
) -> None:
    fault = Fault("d365fo", "batch_part", path="VendorsV3", skip=2, status=500, body="busy")
    environment.faults.add(fault)

    assert found(client) == [VENDORS, VENDORS, 1]
    # Two of seven reads counted; the third and all later ones were made again.
    assert sent(environment) == ["POST", *["GET"] * 5]
    assert found(client) == [VENDORS, VENDORS, 1]
    assert sent(environment)[6:] == ["POST"]


def test_a_part_that_is_to_wait_closes_the_gate(client: D365Client, environment: Sandbox) -> None:
    waits: list[float] = []
    client.gate.close_for = waits.append  # type: ignore[method-assign]
    headers = {"Retry-After": "7"}
    environment.faults.add(Fault("d365fo", "batch_part", status=429, headers=headers))

    assert found(client) == [VENDORS, VENDORS, 1]
    assert waits == [7.0]


def test_an_answer_with_more_pages_is_read_to_its_end(
    client: D365Client, environment: Sandbox
) -> None:
    environment.switches.set("d365fo.page_size", 7)

    assert found(client) == [VENDORS, VENDORS, 1]
    assert sent(environment)[0] == "POST"
    assert "GET" in sent(environment)


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_an_environment_that_takes_no_reads_together_is_asked_once(
    client: D365Client, environment: Sandbox, status: int
) -> None:
    environment.faults.add(Fault("d365fo", "status", path="batch", status=status, times=-1))

    assert found(client) == found(client) == [VENDORS, VENDORS, 1]
    posts = [method for method in sent(environment) if method == "POST"]
    assert len(posts) == 1 or status == 501


def test_one_that_says_so_of_each_part_is_asked_once(
    client: D365Client, environment: Sandbox
) -> None:
    environment.faults.add(Fault("d365fo", "batch_part", status=400, times=-1))

    assert found(client) == found(client) == [VENDORS, VENDORS, 1]
    assert sent(environment).count("POST") == 1


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_is_read_one_by_one(
    client: D365Client, environment: Sandbox, kind: str
) -> None:
    environment.faults.add(Fault("d365fo", kind, path="batch"))

    assert found(client) == [VENDORS, VENDORS, 1]


def test_a_missing_right_is_said(client: D365Client, environment: Sandbox) -> None:
    environment.faults.add(Fault("d365fo", "status", status=403, times=-1))

    with pytest.raises(AccessDenied):
        client.look_up_all(looks())


def test_a_set_that_is_not_there_is_named(client: D365Client) -> None:
    wanted = LookUp("NoSuchSet", [{"Key": str(number)} for number in range(40)])

    with pytest.raises(Refused, match="NoSuchSet"):
        client.look_up_all([*looks(), wanted])
