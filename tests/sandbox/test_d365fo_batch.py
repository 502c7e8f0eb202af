"""$batch: atomic changesets, independent parts, and bodies that are none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from sandbox.d365fo.multipart import Changeset, MalformedBatchError, boundary_of, parse_batch
from sandbox.d365fo.operations import Operation
from sandbox.faults import Fault
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import (
    Dynamics,
    batch,
    changeset,
    connect,
    operation,
    statuses,
    trusting_session,
    world,
)


@pytest.fixture
def dynamics(sandbox: Sandbox) -> Iterator[Dynamics]:
    sandbox.d365fo.load(world(), default_company="usmf")
    with trusting_session(sandbox) as session:
        yield connect(sandbox, session)


def invoice(dynamics: Dynamics, number: int, account: str = "601000", **fields: object) -> str:
    """A changeset with a header and a line."""
    key = {"HeaderReference": f"BW-{number}"}
    header = dynamics.invoice(InvoiceNumber=f"INV-{number}", **fields) | key
    line = dynamics.line(MainAccountDisplayValue=f"{account}--", **fields) | key
    return changeset(
        operation("POST", "VendorInvoiceHeaders?cross-company=true", header, 1),
        operation("POST", "/data/VendorInvoiceLines", line, 2),
    )


def stored(dynamics: Dynamics) -> list[str]:
    rows = dynamics.sandbox.d365fo.rows("VendorInvoiceLines")
    return [row["HeaderReference"] for row in rows]


def test_a_changeset_writes_header_and_line(dynamics: Dynamics) -> None:
    answer = dynamics.batch(batch(invoice(dynamics, 1)))
    assert statuses(answer) == [201, 201]
    assert answer.headers["Content-Type"].startswith("multipart/mixed; boundary=batchresponse_")
    assert "--changesetresponse_" in answer.text
    assert "Content-ID: 1\r\n" in answer.text
    assert "Content-ID: 2\r\n" in answer.text
    assert f"Location: {dynamics.url('VendorInvoiceHeaders(dataAreaId=')}" in answer.text
    assert stored(dynamics) == ["BW-1"]


def test_a_failing_changeset_saves_nothing_and_has_one_error_part(dynamics: Dynamics) -> None:
    answer = dynamics.batch(batch(invoice(dynamics, 1, account="nothing")))
    assert statuses(answer) == [400]
    assert "'nothing' in field 'Main account' is not found" in answer.text
    assert "Content-ID: 1\r\n" in answer.text  # as captured, though the second operation failed
    assert dynamics.sandbox.d365fo.rows("VendorInvoiceHeaders") == []


def test_the_error_part_has_variants(dynamics: Dynamics) -> None:
    switches = dynamics.sandbox.switches.d365fo
    switches.changeset_error_content_id = "failing"
    switches.changeset_error_nested = False
    switches.batch_error_status = 500
    answer = dynamics.batch(batch(invoice(dynamics, 1, account="nothing")))
    assert statuses(answer) == [500]
    assert "Content-ID: 2\r\n" in answer.text
    assert "changesetresponse" not in answer.text


def test_parts_are_independent(dynamics: Dynamics) -> None:
    parts = [
        invoice(dynamics, 1),
        invoice(dynamics, 2, account="nothing"),
        operation("GET", "VendorInvoiceHeaders?$select=HeaderReference"),
        invoice(dynamics, 3, dataAreaId="demf"),
        operation("GET", dynamics.url("VendorsV3(dataAreaId='usmf',VendorAccountNumber='no')")),
        operation(
            "POST",
            "VendorInvoiceHeaders",
            dynamics.invoice(HeaderReference="BARE", InvoiceNumber="BARE"),
            9,
        ),
    ]
    answer = dynamics.batch(batch(*parts))
    assert statuses(answer) == [201, 201, 400, 200, 201, 201, 404, 201]
    assert stored(dynamics) == ["BW-1", "BW-3"]


def test_stopping_at_the_first_error_unless_asked_to_go_on(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.batch_continue_on_error = False
    parts = batch(invoice(dynamics, 1, account="nothing"), invoice(dynamics, 2))
    assert statuses(dynamics.batch(parts)) == [400]
    assert stored(dynamics) == []
    answer = dynamics.batch(parts, Prefer="odata.continue-on-error")
    assert statuses(answer) == [400, 201, 201]


def test_deletes_and_changes_in_a_changeset_are_undone_too(dynamics: Dynamics) -> None:
    assert statuses(dynamics.batch(batch(invoice(dynamics, 1)))) == [201, 201]
    before = dynamics.sandbox.d365fo.records("VendorInvoiceHeaders")
    key = "VendorInvoiceHeaders(dataAreaId='usmf',HeaderReference='BW-1')"
    replacing = changeset(
        operation("PATCH", key, {"Comment": "x"}),
        operation("DELETE", key),
        operation("POST", "VendorInvoiceHeaders", dynamics.invoice(Currency="XXX")),
    )
    assert statuses(dynamics.batch(batch(replacing))) == [400]
    assert dynamics.sandbox.d365fo.records("VendorInvoiceHeaders") == before
    assert stored(dynamics) == ["BW-1"]
    found = dynamics.rows("VendorInvoiceHeaders?$expand=VendorInvoiceLine")
    assert len(found[0]["VendorInvoiceLine"]) == 1


def test_numbers_drawn_in_vain_stay_drawn(dynamics: Dynamics) -> None:
    body = dynamics.invoice(HeaderReference="")
    first = int(dynamics.post("VendorInvoiceHeaders", body).json()["HeaderReference"])
    fails = changeset(
        operation("POST", "VendorInvoiceHeaders", body | {"InvoiceNumber": "INV-2"}),
        operation("POST", "VendorInvoiceLines", dynamics.line(HeaderReference="gone")),
    )
    assert statuses(dynamics.batch(batch(fails))) == [400]
    answer = dynamics.post("VendorInvoiceHeaders", body | {"InvoiceNumber": "INV-2"})
    assert int(answer.json()["HeaderReference"]) == first + 2


def test_a_part_can_be_throttled(dynamics: Dynamics) -> None:
    fault = Fault("d365fo", "batch_part", status=429, headers={"Retry-After": "7"}, skip=2)
    dynamics.sandbox.faults.add(fault)
    answer = dynamics.batch(batch(invoice(dynamics, 1), invoice(dynamics, 2)))
    assert statuses(answer) == [201, 201, 429]
    assert "Retry-After: 7" in answer.text
    assert stored(dynamics) == ["BW-1"]


def test_a_lost_answer_has_still_committed(dynamics: Dynamics) -> None:
    dynamics.sandbox.faults.add(Fault("d365fo", "reset_after", path=r"\$batch"))
    with pytest.raises(requests.ConnectionError):
        dynamics.batch(batch(invoice(dynamics, 1)))
    assert stored(dynamics) == ["BW-1"]
    dynamics.sandbox.faults.add(Fault("d365fo", "reset_before", path=r"\$batch"))
    with pytest.raises(requests.ConnectionError):
        dynamics.batch(batch(invoice(dynamics, 2)))
    assert stored(dynamics) == ["BW-1"]


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ("{}", "application/json", "The expected media type is 'multipart/mixed'"),
        ("--b--\n", "multipart/mixed", "The expected media type"),
        ("nothing", "multipart/mixed; boundary=b", "malformed"),
        (
            "--b\nContent-Type: application/http\n\nGET X HTTP/1.1\n\n",
            "multipart/mixed; boundary=b",
            "malformed",
        ),
        (batch("Content-Type: text/plain\n\nhello\n"), "multipart/mixed; boundary=b", "malformed"),
        (
            batch("Content-Type: application/http\n\nhello\n"),
            "multipart/mixed; boundary=b",
            "not a request line",
        ),
        (
            batch(changeset(operation("GET", "VendorsV3"))),
            "multipart/mixed; boundary=b",
            "changeset",
        ),
        (
            batch(operation("GET", "https://elsewhere/data/VendorsV3")),
            "multipart/mixed; boundary=b",
            "not one of this service",
        ),
    ],
)
def test_what_is_no_batch_is_a_400(
    dynamics: Dynamics, body: str, content_type: str, expected: str
) -> None:
    answer = dynamics.batch(body, **{"Content-Type": content_type})
    assert answer.status_code == 400
    assert expected in answer.text


def test_nothing_may_follow_the_closing_delimiter() -> None:
    part = operation("GET", "VendorsV3").replace("\n", "\r\n")
    body = f"--b\r\n{part}--b--\r\n--b\r\n{part}--b--\r\n".encode()
    with pytest.raises(MalformedBatchError, match="do not open and close"):
        parse_batch(body, "b")


def test_a_batch_has_at_most_so_many_operations(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.batch_max_operations = 3
    answer = dynamics.batch(batch(invoice(dynamics, 1), invoice(dynamics, 2)))
    assert answer.status_code == 400
    assert stored(dynamics) == []


def test_content_ids_are_no_references(dynamics: Dynamics) -> None:
    line = operation("POST", "$1/VendorInvoiceLine", dynamics.line(), 2)
    header = operation("POST", "VendorInvoiceHeaders", dynamics.invoice(), 1)
    assert statuses(dynamics.batch(batch(changeset(header, line)))) == [404]


@given(
    st.lists(st.binary(max_size=30).filter(lambda body: b"--b" not in body), max_size=4),
    st.booleans(),
)
def test_bodies_come_through_byte_for_byte(bodies: list[bytes], nested: bool) -> None:
    operations = [
        b"Content-Type: application/http\r\nContent-ID: %d\r\n\r\nPOST /data/X HTTP/1.1\r\n"
        b"Content-Type: application/json\r\n\r\n%b\r\n" % (number, body)
        for number, body in enumerate(bodies)
    ]
    text = b"".join(b"--b\r\n" + item for item in operations) + b"--b--"
    if nested:
        text = b"--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + text + b"\r\n--a--\r\n"
        (part,) = parse_batch(text, "a")
        assert isinstance(part, Changeset)
        parts = list(part.operations)
    else:
        parts = [item for item in parse_batch(text, "b") if isinstance(item, Operation)]
    assert [(part.body, part.content_id) for part in parts] == [
        (body, str(number)) for number, body in enumerate(bodies)
    ]


@given(st.binary(max_size=60))
def test_garbage_is_recognised(garbage: bytes) -> None:
    with pytest.raises((MalformedBatchError, UnicodeDecodeError)):
        parse_batch(b"--b\r\n" + garbage.replace(b"--b", b""), "b")


@pytest.mark.parametrize(
    ("text", "boundary"),
    [
        ("multipart/mixed; boundary=a_b", "a_b"),
        ('multipart/mixed;boundary="a b"', "a b"),
        ("multipart/mixed", None),
        ("application/json", None),
        ("", None),
    ],
)
def test_boundaries(text: str, boundary: str | None) -> None:
    assert boundary_of(text) == boundary
