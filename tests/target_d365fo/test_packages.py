"""Invoices in data packages: imported later, settled by what Dynamics holds, never twice."""

from __future__ import annotations

import io
import logging
import os
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery import consigning
from singer_delivery.consigning import Consignment
from singer_delivery.errors import (
    AccessDenied,
    DeliveryError,
    ForeignOrigin,
    LedgerError,
    SetupError,
)
from singer_delivery.ledger import Ledger
from singer_delivery.redaction import install
from singer_delivery.stopping import PROCESS
from target_d365fo.doctor import examine
from target_d365fo.lookup import InvoiceLookup
from target_d365fo.packaging import Packager
from target_d365fo.rehearsal import open_rehearsal

from tests.target_d365fo.conftest import Dynamics, messages

PACKAGE: dict[str, Any] = {
    "load_method": "package",
    "package_poll_seconds": 0.02,
    "package_start_limit_seconds": 0,
}
IMPORT = "ImportFromPackage"


def documents(count: int, **more: Any) -> list[dict[str, Any]]:
    rows = [coding_row(net="60.00"), coding_row(net="40.00")]
    return [accounting_document(number=f"INV-{n}", rows=rows, **more) for n in range(count)]


def refused(number: int = 1) -> dict[str, Any]:
    """An invoice whose header Dynamics refuses: nobody knows its vendor."""
    return accounting_document(number=f"BAD-{number}", supplier="US-9999")


def torn(number: int = 1) -> dict[str, Any]:
    """An invoice of which Dynamics refuses a line, and takes the header and the other line."""
    rows = [coding_row(net="60.00"), coding_row(net="40.00", account="999999")]
    return accounting_document(number=f"TORN-{number}", rows=rows)


def imports(dynamics: Dynamics) -> int:
    return len(dynamics.requests(IMPORT))


def batches(dynamics: Dynamics) -> int:
    """How often rows were created by OData."""
    found = dynamics.sandbox.journal.requests(system="d365fo", path="batch")
    return sum(b"\r\nPOST " in request.body for request in found)


def switch(dynamics: Dynamics, **values: Any) -> None:
    for name, value in values.items():
        dynamics.sandbox.switches.set(f"d365fo.package_{name}", value)


def in_package(dynamics: Dynamics, number: int) -> int:
    """How many headers a package had."""
    content = dynamics.sandbox.data_management.packages[number]
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        return package.read("Vendor invoice header.xml").count(b"<VENDORINVOICEHEADERENTITY>")


def statuses(dynamics: Dynamics, offered: list[dict[str, Any]]) -> set[str]:
    return {dynamics.status(document) for document in offered}


def whole(dynamics: Dynamics, offered: list[dict[str, Any]]) -> None:
    """Each of these is in Dynamics once, with its lines, and nothing else is."""
    headers, lines = dynamics.headers(), dynamics.lines()
    assert sorted(row["InvoiceNumber"] for row in headers) == sorted(
        document["invoiceNumber"] for document in offered
    )
    assert {(row["IsOnHold"], "(incomplete)" in row["InvoiceDescription"]) for row in headers} <= {
        ("No", False)
    }
    assert len(lines) == sum(len(document["codingRows"]) for document in offered)


def test_many_arrive_in_one_import_and_are_whole(dynamics: Dynamics) -> None:
    offered = documents(120)

    state = dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert (imports(dynamics), batches(dynamics)) == (1, 0)
    assert statuses(dynamics, offered) == {"delivered"}
    assert "done" in state


def test_they_are_what_a_batch_would_have_made_of_them(dynamics: Dynamics) -> None:
    [one] = documents(1)
    dynamics.deliver(one)
    by_batch = [*dynamics.headers(), *dynamics.lines()]
    dynamics.sandbox.d365fo.store.lock.acquire()
    for header in dynamics.sandbox.d365fo.records("VendorInvoiceHeaders"):
        dynamics.sandbox.d365fo.delete("VendorInvoiceHeaders", header)
    for line in dynamics.sandbox.d365fo.records("VendorInvoiceLines"):
        dynamics.sandbox.d365fo.delete("VendorInvoiceLines", line)
    dynamics.sandbox.d365fo.store.lock.release()
    dynamics.forget()

    dynamics.deliver(one, **PACKAGE)

    made = {"RecordId", "SourceKey", "SysRecVersion", "SysModifiedDateTime", "CreatedOn"}
    assert [{k: v for k, v in row.items() if k not in made} for row in by_batch] == [
        {k: v for k, v in row.items() if k not in made}
        for row in [*dynamics.headers(), *dynamics.lines()]
    ]


def test_each_legal_entity_has_imports_of_its_own(dynamics: Dynamics) -> None:
    offered = [*documents(3), accounting_document(company="2000", supplier="DE-0001", number="D-1")]

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert imports(dynamics) == 2
    assert {row["dataAreaId"] for row in dynamics.headers()} == {"usmf", "demf"}


def test_a_full_package_leaves(dynamics: Dynamics) -> None:
    offered = documents(7)

    dynamics.deliver(*offered, max_invoices_per_package=3, **PACKAGE)

    whole(dynamics, offered)
    assert imports(dynamics) == 3


def test_one_that_dynamics_refuses_is_rejected_with_its_words(dynamics: Dynamics) -> None:
    good, bad = documents(4), refused()

    dynamics.deliver(*good, bad, **PACKAGE)

    whole(dynamics, good)
    assert dynamics.status(bad) == "rejected"
    assert "US-9999" in dynamics.reason(bad)
    assert "transfer the invoice again" in dynamics.reason(bad)
    assert statuses(dynamics, good) == {"delivered"}
    assert batches(dynamics) == 0


@pytest.mark.parametrize("on_hold", [True, False])
def test_one_that_arrives_half_is_removed_and_rejected(dynamics: Dynamics, on_hold: bool) -> None:
    good, half = documents(4), torn()

    dynamics.deliver(*good, half, package_on_hold=on_hold, **PACKAGE)

    whole(dynamics, good)
    assert dynamics.status(half) == "rejected"
    assert "999999" in dynamics.reason(half)


def test_a_half_says_so_and_is_on_hold_while_the_import_runs(dynamics: Dynamics) -> None:
    switch(dynamics, outcome="Canceled")
    offered = documents(2)
    seen: list[Any] = []
    real = dynamics.sandbox.d365fo.find_key

    def look(name: str, key: Any) -> Any:
        seen.extend((row["IsOnHold"], row["InvoiceDescription"]) for row in dynamics.headers())
        return real(name, key)

    dynamics.sandbox.d365fo.find_key = look  # type: ignore[method-assign]
    try:
        dynamics.deliver(*offered, expect=DeliveryError, **PACKAGE)
    finally:
        del dynamics.sandbox.d365fo.find_key  # type: ignore[method-assign]

    assert {(hold, text.endswith(" (incomplete)")) for hold, text in seen} == {("Yes", True)}


def test_what_is_refused_without_words_is_asked_for_by_itself(dynamics: Dynamics) -> None:
    switch(dynamics, error_rows="nameless")
    good, bad, half = documents(3), refused(), torn()

    dynamics.deliver(*good, bad, half, **PACKAGE)

    whole(dynamics, good)
    assert statuses(dynamics, [bad, half]) == {"rejected"}
    assert "US-9999" in dynamics.reason(bad)
    assert "999999" in dynamics.reason(half)


@pytest.mark.parametrize("ending", ["Failed", "Canceled"])
def test_an_import_that_fails_as_a_whole_rejects_nobody(dynamics: Dynamics, ending: str) -> None:
    switch(dynamics, outcome=ending)
    offered = documents(5)

    error = dynamics.deliver(*offered, max_invoices_per_package=3, expect=DeliveryError, **PACKAGE)

    assert dynamics.headers() == []
    assert ending in error
    assert imports(dynamics) == 1  # of the next one no more would come
    switch(dynamics, outcome="")
    dynamics.deliver(*offered, **PACKAGE)
    whole(dynamics, offered)


def test_success_is_not_believed(dynamics: Dynamics) -> None:
    switch(dynamics, outcome="Succeeded")
    good, half = documents(2), torn()

    dynamics.deliver(*good, half, **PACKAGE)

    whole(dynamics, good)
    assert dynamics.status(half) == "rejected"


@pytest.mark.parametrize("unknown", ["error", "Unknown"])
def test_an_import_that_never_begins_is_sent_again(dynamics: Dynamics, unknown: str) -> None:
    switch(dynamics, forgets=1, unknown=unknown)
    offered = documents(3)

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert imports(dynamics) == 2


@pytest.mark.parametrize("kind", ["reset_before", "reset_after"])
def test_a_lost_answer_to_the_import_is_asked_for(dynamics: Dynamics, kind: str) -> None:
    dynamics.fault(kind, path=IMPORT)
    offered = documents(3)

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert len(dynamics.sandbox.data_management.executions) == 1
    assert imports(dynamics) == (1 if kind == "reset_after" else 2)


@pytest.mark.parametrize("path", ["GetAzureWriteUrl", "GetExecutionSummaryStatus", "GetExecutionE"])
def test_lost_answers_to_questions_cost_another_question(dynamics: Dynamics, path: str) -> None:
    dynamics.fault("reset_after", path=path, times=2)
    good, bad = documents(2), refused()

    dynamics.deliver(*good, bad, **PACKAGE)

    whole(dynamics, good)
    assert dynamics.status(bad) == "rejected"
    assert imports(dynamics) == 1


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "status"])
def test_an_upload_is_repeated(dynamics: Dynamics, kind: str) -> None:
    dynamics.sandbox.faults.add(Fault("blobs", kind, status=503))
    offered = documents(3)

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)


def test_an_address_that_has_expired_is_asked_for_anew(dynamics: Dynamics) -> None:
    switch(dynamics, expired_addresses=2)
    offered = documents(3)

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert len(dynamics.requests("GetAzureWriteUrl")) == 3


def test_addresses_that_all_have_expired_end_the_run_before_anything(dynamics: Dynamics) -> None:
    switch(dynamics, expired_addresses=9)
    offered = documents(3)

    dynamics.deliver(*offered, expect=AccessDenied, **PACKAGE)

    assert imports(dynamics) == 0
    assert statuses(dynamics, offered) == {"not_sent"}


def test_an_address_that_expires_before_the_import_is_replaced(dynamics: Dynamics) -> None:
    dynamics.fault("status", path=IMPORT, status=400, body='{"error":{"message":"expired"}}')
    offered = documents(3)

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert len(dynamics.requests("GetAzureWriteUrl")) == 2


def test_a_project_that_is_not_there_is_named(dynamics: Dynamics) -> None:
    offered = documents(3)

    error = dynamics.deliver(*offered, data_project="Nobody's", expect=SetupError, **PACKAGE)

    assert "Nobody's" in error
    assert "data_project" in error
    assert "sig=" not in error
    assert dynamics.headers() == []
    assert statuses(dynamics, offered) == {"not_sent"}


def test_an_address_that_is_not_encrypted_is_refused(dynamics: Dynamics) -> None:
    switch(dynamics, address_scheme="http")

    error = dynamics.deliver(*documents(1), expect=ForeignOrigin, **PACKAGE)

    assert "not encrypted" in error
    assert "sig=" not in error


@pytest.mark.parametrize("action", [IMPORT, "GetAzureWriteUrl", "GetExecutionSummaryStatus"])
def test_a_missing_right_ends_the_run(dynamics: Dynamics, action: str) -> None:
    switch(dynamics, forbidden=(action,))

    error = dynamics.deliver(*documents(2), expect=DeliveryError, **PACKAGE)

    if action != "GetExecutionSummaryStatus":
        assert action in error


def test_headers_that_dynamics_numbers_cannot_go_in_packages(dynamics: Dynamics) -> None:
    settings = {**PACKAGE, "header_reference": "number_sequence"}

    error = dynamics.deliver(*documents(1), expect=SetupError, **settings)

    assert "header_reference: derived" in error


def test_other_streams_do_not_go_in_packages(dynamics: Dynamics) -> None:
    row = {"dataAreaId": "usmf", "VendorGroupId": "77", "Description": "x"}

    error = dynamics.deliver(
        row, stream="VendorGroups", keys=["VendorGroupId"], expect=SetupError, **PACKAGE
    )

    assert "VendorGroups goes to an entity set" in error


def test_the_token_goes_to_dynamics_alone_and_the_signature_nowhere_else(
    dynamics: Dynamics, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    factory = logging.getLogRecordFactory()
    install()
    try:
        dynamics.deliver(*documents(2), refused(), **PACKAGE)
    finally:
        logging.setLogRecordFactory(factory)

    [upload] = dynamics.sandbox.journal.requests(system="blobs")
    assert "authorization" not in upload.headers
    signature = upload.query["sig"]
    assert signature not in caplog.text
    for file in dynamics.directory.glob("ledger.db*"):
        assert signature.encode() not in file.read_bytes()


def test_the_trail_has_the_requests_of_a_package_once(dynamics: Dynamics) -> None:
    dynamics.deliver(*documents(5), **PACKAGE)

    ledger = Ledger.open(f"sqlite:///{dynamics.ledger_file}", dynamics.sandbox.d365fo_url)
    paths = [link.detail["path"].rpartition(".")[2] for link in ledger.trail.of("")
             if link.kind == "sent"]  # fmt: skip
    ledger.close()
    assert [path for path in paths if path != "zip"] == ["GetAzureWriteUrl", IMPORT]


def test_a_changed_invoice_replaces_its_draft_in_one_transaction(dynamics: Dynamics) -> None:
    old, *others = documents(3)
    dynamics.deliver(old, **PACKAGE)
    new = accounting_document(
        number="INV-0", invoice_id=old["invoiceId"], rows=[coding_row(net="7.00")]
    )

    dynamics.deliver(new, *others, **PACKAGE)

    whole(dynamics, [new, *others])
    assert (imports(dynamics), batches(dynamics)) == (2, 1)
    assert in_package(dynamics, -1) == len(others)
    assert statuses(dynamics, [new, *others]) == {"delivered"}


def test_a_second_run_sends_nothing(dynamics: Dynamics) -> None:
    offered = documents(3)
    dynamics.deliver(*offered, **PACKAGE)

    dynamics.deliver(*offered, **PACKAGE)

    assert imports(dynamics) == 1
    assert statuses(dynamics, offered) == {"unchanged"}


def test_twins_are_told_apart_within_a_package(dynamics: Dynamics) -> None:
    [one] = documents(1)
    twin = {**one, "invoiceId": "22222222-aaaa-bbbb-cccc-dddddddddddd"}

    dynamics.deliver(one, twin, **PACKAGE)

    whole(dynamics, [one])
    assert dynamics.status(one) == "delivered"
    assert dynamics.status(twin) == "rejected"
    assert "duplicate" in dynamics.reason(twin)


def test_an_invoice_that_is_posted_is_not_sent(dynamics: Dynamics) -> None:
    [one, other] = documents(2)
    dynamics.deliver(one)
    [header] = dynamics.headers()
    dynamics.sandbox.d365fo.post_invoice("usmf", header["HeaderReference"])
    dynamics.forget()

    dynamics.deliver(one, other, **PACKAGE)

    whole(dynamics, [other])
    assert dynamics.status(one) == "unchanged"


def test_what_xml_cannot_hold_goes_by_itself(dynamics: Dynamics) -> None:
    odd = accounting_document(number="ODD-1", rows=[coding_row(net="5.00", text="bell \x07 rings")])
    offered = [odd, *documents(2)]

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert (imports(dynamics), batches(dynamics)) == (1, 1)


class Interrupted(BaseException):
    """Stands for the death of the process."""


@pytest.mark.parametrize("load_method", ["package", "batch"])
def test_an_import_that_still_runs_is_waited_for_by_the_next_run(
    dynamics: Dynamics, load_method: str
) -> None:
    switch(dynamics, seconds=1.0)
    offered = documents(3)
    settings = {**PACKAGE, "package_start_limit_seconds": 900}
    target = dynamics.target(**settings)
    target.executions.sleep = _die
    with pytest.raises(Interrupted):
        _listen(target, offered)

    dynamics.deliver(*offered, **{**settings, "load_method": load_method})

    whole(dynamics, offered)
    assert (imports(dynamics), batches(dynamics)) == (1, 0)
    assert statuses(dynamics, offered) <= {"delivered", "unchanged"}


def _die(_seconds: float) -> None:
    raise Interrupted


def _listen(target: Any, offered: list[dict[str, Any]]) -> None:
    try:
        target.listen(io.StringIO(messages("accounting_documents", offered, ["invoiceId"])))
    finally:
        target.ledger._lease.stop()  # type: ignore[union-attr]


def test_beyond_the_limit_they_stay_in_doubt_and_nothing_else_is_sent(dynamics: Dynamics) -> None:
    switch(dynamics, outcome="NotRun")
    offered = documents(3)
    settings = {**PACKAGE, "package_limit_seconds": 1}

    first = dynamics.deliver(*offered, expect=DeliveryError, **settings)
    changed = accounting_document(number="INV-0", invoice_id=offered[0]["invoiceId"])
    second = dynamics.deliver(changed, *offered[1:], expect=DeliveryError, **settings)

    assert "STATE was held back" in first
    assert "STATE was held back" in second
    assert (imports(dynamics), batches(dynamics)) == (1, 0)
    assert statuses(dynamics, offered) == {"in_doubt"}
    assert "which is NotRun" in dynamics.reason(offered[1])


def test_the_limit_is_for_an_import_and_not_for_each_look(
    dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consigning, "SETTLED", 2)
    switch(dynamics, outcome="NotRun")
    waited: list[float] = []
    target = dynamics.target(**PACKAGE, package_limit_seconds=3)
    target.executions.sleep = waited.append
    target.executions.clock = lambda: float(len(waited))

    with pytest.raises(DeliveryError):
        _listen(target, documents(7))

    assert len(waited) == 3


def test_a_stop_ends_the_waiting(dynamics: Dynamics) -> None:
    switch(dynamics, outcome="NotRun")
    offered = documents(2)
    target = dynamics.target(**PACKAGE)
    target.executions.sleep = lambda _: PROCESS.request() and None

    with pytest.raises(SystemExit):
        _listen(target, offered)

    assert "the run is stopping" in dynamics.reason(offered[0])


def test_two_runs_on_one_ledger_import_one_after_the_other(dynamics: Dynamics) -> None:
    first = dynamics.target(**PACKAGE)
    assert first.ledger.claim("data packages of vendor invoices", first.run_id) is None
    offered = documents(2)

    dynamics.deliver(*offered, expect=DeliveryError, claim_wait_seconds=0, **PACKAGE)

    assert imports(dynamics) == 0
    assert statuses(dynamics, offered) == {"not_sent"}
    first.ledger.end_run(first.run_id, {})
    dynamics.deliver(*offered, **PACKAGE)
    whole(dynamics, offered)


def test_what_another_run_takes_up_meanwhile_is_left_to_it(
    dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is packed and uploaded with the others, then packed anew without."""
    other, offered = dynamics.target(**PACKAGE), documents(4)
    assert other.ledger.in_charge
    real = Packager.packed

    @contextmanager
    def packed(packager: Packager, consignment: Consignment) -> Iterator[Any]:
        with real(packager, consignment) as package:
            taken = [one for one in consignment.documents if one.key == offered[1]["invoiceId"]]
            other.ledger.intend("vendor_invoices", taken, other.run_id)
            yield package

    monkeypatch.setattr(Packager, "packed", packed)
    dynamics.deliver(*offered, claim_wait_seconds=0, expect=DeliveryError, **PACKAGE)
    monkeypatch.undo()

    whole(dynamics, [offered[0], *offered[2:]])
    assert imports(dynamics) == 1
    assert dynamics.status(offered[1]) == "intended"
    other.ledger.end_run(other.run_id, {})
    dynamics.deliver(*offered, **PACKAGE)
    whole(dynamics, offered)


def test_a_run_that_is_no_longer_in_charge_begins_no_import(
    dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "in_charge", False)

    dynamics.deliver(*documents(2), expect=LedgerError, **PACKAGE)

    assert imports(dynamics) == 0


def test_a_package_fills_while_the_input_pauses(dynamics: Dynamics) -> None:
    """A tap that is slower than the target must not make a package of each of its pages."""
    target, offered = dynamics.target(**PACKAGE), documents(6)
    lines = messages("accounting_documents", offered, ["invoiceId"]).splitlines(keepends=True)
    reader, writer = os.pipe()

    def write() -> None:
        with os.fdopen(writer, "w") as out:
            for line in lines:
                out.write(line)
                out.flush()
                time.sleep(0.05)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader) as given:
        target.listen(given)
    thread.join()

    whole(dynamics, offered)
    assert imports(dynamics) == 1


def test_nobody_waits_for_ever_for_others(
    dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consigning, "FILLING", 0.0)
    offered = documents(250)

    dynamics.deliver(*offered, **PACKAGE)

    whole(dynamics, offered)
    assert imports(dynamics) == 3  # one for each batch


def test_an_error_leaves_nobody_without_an_outcome(
    dynamics: Dynamics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for others when the look-up of the next ones fails is not sent, and says so."""
    real, asked = InvoiceLookup.find, []

    def find(lookup: InvoiceLookup, keys: Any, **options: Any) -> Any:
        asked.append(len(keys))
        if len(asked) > 1:
            msg = "no right any more"
            raise AccessDenied(msg)
        return real(lookup, keys, **options)

    monkeypatch.setattr(InvoiceLookup, "find", find)
    offered = documents(150)

    dynamics.deliver(*offered, expect=AccessDenied, **PACKAGE)

    assert asked[0] == 100
    assert imports(dynamics) == 0
    assert statuses(dynamics, offered[:100]) == {"not_sent"}


def test_lines_with_money_and_text_arrive_as_they_were(dynamics: Dynamics) -> None:
    text = '<Ünïcode> & "quotes" ]]> \'n line\tend'
    rows = [coding_row(net="0.01", text=text), coding_row(net="12345678.90", text="x")]
    one = accounting_document(number="A&B<1>", rows=rows)

    dynamics.deliver(one, **PACKAGE)

    whole(dynamics, [one])
    assert [str(line["NetAmount"]) for line in dynamics.lines()] == ["0.01", "12345678.90"]
    assert dynamics.lines()[0]["LineDescription"] == text


def test_a_dry_run_knows_of_packages(dynamics: Dynamics) -> None:
    rehearsed = []
    target = open_rehearsal(dynamics.config(**PACKAGE))
    target.rehearsed = rehearsed.append
    dynamics.targets.append(target)  # type: ignore[arg-type]

    target.listen(io.StringIO(messages("accounting_documents", documents(2), ["invoiceId"])))

    assert [one.outcome.status.value for one in rehearsed] == ["delivered", "delivered"]
    parts = rehearsed[0].dispatch.parts  # type: ignore[union-attr]
    assert [part.path for part in parts] == [
        "/Vendor invoice header.xml", "/Vendor invoice line.xml", "/Vendor invoice line.xml",
    ]  # fmt: skip
    assert b'"INVOICENUMBER":"INV-0"' in parts[0].body
    assert imports(dynamics) == 0


def test_the_doctor_names_a_right_that_is_missing(dynamics: Dynamics) -> None:
    def found() -> dict[str, tuple[str, str]]:
        looks = list(examine(dynamics.config(**PACKAGE)))
        return {one.about: (one.verdict.value, one.remedy) for one in looks}

    assert found()["right to import data packages"][0] == "fine"
    assert found()["data project"][0] == "unknown"
    switch(dynamics, forbidden=("GetExecutionSummaryStatus",))
    verdict, remedy = found()["right to import data packages"]
    assert verdict == "wrong"
    assert "Data management operations user" in remedy
    assert dynamics.headers() == []


def test_the_connection_check_looks_at_packages(dynamics: Dynamics) -> None:
    dynamics.target(**PACKAGE).check_connection()
    switch(dynamics, forbidden=("GetExecutionSummaryStatus",))
    with pytest.raises(AccessDenied):
        dynamics.target(**PACKAGE).check_connection()
    dynamics.target().check_connection()
