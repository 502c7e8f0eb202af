"""Runs that know nothing of each other, late versions, and halves that somebody else sees."""

from __future__ import annotations

import io
import json
import logging
import threading
from typing import Any

import pytest
from sandbox.d365fo.posting import PostingError
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.document import Entry
from singer_delivery.errors import InDoubt
from singer_delivery.ledger import Ledger
from target_d365fo.halves import half_header
from target_d365fo.sinks import AccountingDocumentSink
from target_d365fo.target import TargetD365FO
from target_d365fo.versions import is_earlier

from tests.target_d365fo.conftest import Dynamics, messages

MODES = pytest.mark.parametrize("mode", ["derived", "number_sequence"])
EARLY, LATE, LATEST = (f"2026-03-0{day}T10:00:00Z" for day in (1, 2, 3))


def invoice(net: str = "100.00", *, version: str = EARLY, **options: Any) -> dict[str, Any]:
    rows = [coding_row(net=net), coding_row(net="40.00")]
    return {
        **accounting_document(number="INV-1", invoice_id="b77c1f00d", rows=rows, **options),
        "lastUpdated": version,
    }


def nets(dynamics: Dynamics) -> list[Any]:
    return [line["NetAmount"] for line in dynamics.lines()]


def in_ledger(dynamics: Dynamics, file: str) -> dict[str, Entry]:
    ledger = Ledger.open(f"sqlite:///{dynamics.directory}/{file}", dynamics.sandbox.d365fo_url)
    keys = [str(n) for n in range(100)]
    found = ledger.lookup("vendor_invoices", keys)
    ledger.close()
    return found


# -- two runs at once


@MODES
@pytest.mark.parametrize("check", ["posting", "entry"])
def test_two_runs_with_ledgers_of_their_own_deliver_each_invoice_once(
    dynamics: Dynamics, mode: str, check: str
) -> None:
    """`check`: when Dynamics looks for a second invoice with the same number."""
    dynamics.sandbox.switches.d365fo.duplicate_check = check
    offered = [
        accounting_document(
            number=f"INV-{n}", invoice_id=str(n), rows=[coding_row("60"), coding_row("40")]
        )
        for n in range(12)
    ]
    text = messages("accounting_documents", offered, ["invoiceId"])
    errors: list[BaseException] = []

    targets = [
        dynamics.target(
            ledger_url=f"sqlite:///{dynamics.directory}/{file}",
            header_reference=mode,
            max_sends=10,
        )
        for file in ("a.db", "b.db")
    ]

    def run(target: TargetD365FO) -> None:
        try:
            target.listen(io.StringIO(text))
        except BaseException as error:  # noqa: BLE001 - looked at below
            errors.append(error)

    runs = [threading.Thread(target=run, args=(target,)) for target in targets]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()

    assert errors == []
    numbers = sorted(header["InvoiceNumber"] for header in dynamics.headers())
    assert numbers == sorted(document["invoiceNumber"] for document in offered)
    assert len(dynamics.lines()) == 24
    assert all(header["InvoiceDescription"].startswith("Basware ") for header in dynamics.headers())
    for file in ("a.db", "b.db"):
        entries = in_ledger(dynamics, file)
        assert len(entries) == 12
        assert {entry.status for entry in entries.values()} <= {"delivered", "unchanged"}
        references = {entry.remote_key for entry in entries.values()}
        assert references == {header["HeaderReference"] for header in dynamics.headers()}


def test_of_two_that_replace_with_the_same_version_the_second_changes_nothing(
    dynamics: Dynamics,
) -> None:
    dynamics.deliver(invoice("10.00"))
    with sink_of(dynamics) as sink:
        document = sink.courier.prepare(invoice())
        plan = sink.courier.survey([document], {})[document.key]
        dynamics.deliver(invoice())

        sink.courier.send(document, plan)

    assert nets(dynamics) == [100, 40]
    assert len(dynamics.headers()) == 1


def test_a_version_that_was_replaced_meanwhile_is_looked_at_again(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice("10.00"), header_reference="number_sequence")
    with sink_of(dynamics) as sink:
        document = sink.courier.prepare(invoice())
        plan = sink.courier.survey([document], {})[document.key]
        dynamics.deliver(invoice())

        with pytest.raises(InDoubt, match="replaced or deleted in Dynamics"):
            sink.courier.send(document, plan)

    assert nets(dynamics) == [100, 40]


# -- halves


class SinkOf:
    """A sink of a target, without a run around it."""

    def __init__(self, dynamics: Dynamics, **settings: Any) -> None:
        self.target = dynamics.target(**settings)

    def __enter__(self) -> AccountingDocumentSink:
        schema: dict[str, Any] = {"properties": {}}
        return AccountingDocumentSink(self.target, "accounting_documents", schema, ["invoiceId"])

    def __exit__(self, *_: object) -> None:
        self.target.client.close()


def sink_of(dynamics: Dynamics, **settings: Any) -> SinkOf:
    return SinkOf(dynamics, **settings)


@pytest.fixture
def half(dynamics: Dynamics) -> Dynamics:
    """Dynamics with an invoice whose writer died before its last step, its ledger lost, too."""
    dynamics.deliver(invoice(), header_reference="number_sequence")
    state = dynamics.sandbox.d365fo
    [record] = state.records("VendorInvoiceHeaders")
    values = {**record.values, **half_header("b77c1f00d")}
    state.update("VendorInvoiceHeaders", record, values)
    dynamics.forget()
    return dynamics


def drop_last_line(dynamics: Dynamics) -> None:
    state = dynamics.sandbox.d365fo
    state.delete("VendorInvoiceLines", state.records("VendorInvoiceLines")[-1])


@MODES
@pytest.mark.parametrize("lines", [2, 1])
def test_a_half_is_finished_or_replaced_also_with_the_ledger_lost(
    half: Dynamics, mode: str, lines: int
) -> None:
    if lines == 1:
        drop_last_line(half)
    [before] = half.headers()

    half.deliver(invoice(), header_reference=mode)

    [header] = half.headers()
    assert header["InvoiceDescription"] == "Basware b77c1f00d"
    assert nets(half) == [100, 40]
    assert (header["HeaderReference"] == before["HeaderReference"]) is (lines == 2)
    assert half.status(invoice()) == "delivered"
    assert half.entry(invoice()).remote_key == header["HeaderReference"]


def test_nobody_can_post_a_half(half: Dynamics) -> None:
    [before] = half.headers()
    with pytest.raises(PostingError, match="on hold"):
        half.sandbox.d365fo.post_invoice(before["dataAreaId"], before["HeaderReference"])

    half.deliver(invoice(), header_reference="number_sequence")

    [header] = half.headers()
    assert header["IsOnHold"] == "No"
    half.sandbox.d365fo.post_invoice(header["dataAreaId"], header["HeaderReference"])


def test_a_finished_half_stays_on_hold_where_basware_blocks_its_payment(half: Dynamics) -> None:
    half.deliver({**invoice(), "paymentBlock": True}, header_reference="number_sequence")
    [header] = half.headers()
    assert (header["InvoiceDescription"], header["IsOnHold"]) == ("Basware b77c1f00d", "Yes")


@pytest.mark.parametrize("posted", [False, True])
@pytest.mark.parametrize("version", [EARLY, LATE])
def test_a_half_beside_the_whole_invoice_goes(
    dynamics: Dynamics, posted: bool, version: str
) -> None:
    """Dynamics created its header so late that everybody had given it up."""
    dynamics.deliver(invoice(), header_reference="number_sequence")
    state = dynamics.sandbox.d365fo
    [record] = state.records("VendorInvoiceHeaders")
    if posted:
        state.post_invoice(record.values["dataAreaId"], record.values["HeaderReference"])
    late = {**record.values, **half_header("b77c1f00d"), "HeaderReference": "late"}
    state.insert("VendorInvoiceHeaders", late)

    dynamics.deliver(invoice(version=version), header_reference="number_sequence")

    held = [header["InvoiceDescription"] for header in dynamics.headers()]
    assert held == ([] if posted else ["Basware b77c1f00d"])
    assert dynamics.status(invoice()) in ("delivered", "unchanged")
    assert len(dynamics.sandbox.d365fo.rows("VendorInvoiceLines")) == (0 if posted else 2)


def test_a_half_under_another_number_is_removed(half: Dynamics) -> None:
    drop_last_line(half)
    changed = {**invoice(), "invoiceNumber": "INV-2"}

    half.deliver(changed, header_reference="number_sequence")

    assert [header["InvoiceNumber"] for header in half.headers()] == ["INV-2"]
    assert nets(half) == [100, 40]


def test_an_invoice_whose_header_is_removed_while_it_is_written_is_sent_again(
    dynamics: Dynamics,
) -> None:
    """Another run takes the half for that of a dead one."""
    state = dynamics.sandbox.d365fo
    target = dynamics.target(header_reference="number_sequence")
    create = target.client.create
    removed: list[Any] = []

    def interrupted(entity_set: str, row: Any) -> Any:
        if entity_set == "VendorInvoiceLines" and not removed:
            [record] = state.records("VendorInvoiceHeaders")
            state.delete("VendorInvoiceHeaders", record)
            removed.append(record)
        return create(entity_set, row)

    target.client.create = interrupted  # type: ignore[method-assign]
    target.listen(io.StringIO(messages("accounting_documents", [invoice()], ["invoiceId"])))

    assert removed
    assert len(dynamics.headers()) == 1
    assert nets(dynamics) == [100, 40]
    assert dynamics.status(invoice()) == "delivered"


def test_an_invoice_that_is_incomplete_says_so(dynamics: Dynamics) -> None:
    seen: list[str] = []
    target = dynamics.target(header_reference="number_sequence")
    create = target.client.create

    def watched(entity_set: str, row: Any) -> Any:
        made = create(entity_set, row)
        seen.extend(header["InvoiceDescription"] for header in dynamics.headers())
        return made

    target.client.create = watched  # type: ignore[method-assign]
    target.listen(io.StringIO(messages("accounting_documents", [invoice()], ["invoiceId"])))

    assert seen == ["b77c1f00d (incomplete)"] * 3
    assert dynamics.headers()[0]["InvoiceDescription"] == "Basware b77c1f00d"


def test_reading_back_changes_nothing_before_all_is_read(half: Dynamics) -> None:
    """What cannot be read for one document must leave the others as they are."""
    drop_last_line(half)
    with sink_of(half, header_reference="number_sequence", max_attempts=1) as sink:
        document = sink.courier.prepare(invoice())
        half.target().ledger.intend("vendor_invoices", [document], "dead")
        half.fault("status", method="GET", path="VendorInvoiceLines", status=400)

        with pytest.raises(Exception, match="400"):
            sink.courier.read_back([half.entry(invoice())])
        assert len(half.headers()) == 1

        assert sink.courier.read_back([half.entry(invoice())]) == {}
    assert half.headers() == half.lines() == []


def test_a_replacement_that_was_interrupted_is_made_when_it_is_offered_again(
    dynamics: Dynamics,
) -> None:
    """The earlier version is deleted first; the run dies before the new one is there."""
    dynamics.deliver(invoice("10.00"), header_reference="number_sequence")
    dynamics.fault("reset_before", method="POST", path="VendorInvoiceHeaders", times=-1)
    error = dynamics.deliver(
        invoice("250.00", version=LATE),
        header_reference="number_sequence",
        expect=Exception,  # type: ignore[arg-type]
        max_attempts=1,
        max_sends=1,
    )
    assert "held back" in error
    assert dynamics.headers() == []
    assert dynamics.status(invoice()) == "not_sent"
    dynamics.sandbox.faults.clear()

    dynamics.deliver(invoice("250.00", version=LATE), header_reference="number_sequence")

    assert nets(dynamics) == [250, 40]


def test_what_was_not_replaced_yet_stays_when_the_run_dies(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice("10.00"), header_reference="number_sequence")
    with sink_of(dynamics, header_reference="number_sequence") as sink:
        document = sink.courier.prepare(invoice("250.00", version=LATE))
        sink.target.ledger.intend("vendor_invoices", [document], "dead")

    dynamics.deliver(header_reference="number_sequence")

    assert nets(dynamics) == [10, 40]


@pytest.mark.parametrize("refusals", [1, 2, 3])
def test_a_refusal_because_of_a_half_that_is_gone_is_not_believed(
    dynamics: Dynamics, refusals: int
) -> None:
    """Another run's half had the number when Dynamics looked, and was withdrawn before we did."""
    text = "Invoice number INV-1 already exists for vendor account US-0001"
    infolog = f"Write failed for table row of type 'VendorInvoiceHeaderEntity'. Infolog: {text}."
    error = {"code": "", "message": "An error has occurred.", "innererror": {"message": infolog}}
    dynamics.fault(
        "status",
        method="POST",
        path="VendorInvoiceHeaders",
        status=400,
        body=json.dumps({"error": error}),
        headers={"Content-Type": "application/json"},
        times=refusals,
    )

    dynamics.deliver(invoice(), header_reference="number_sequence")

    assert dynamics.status(invoice()) == ("delivered" if refusals < 3 else "rejected")
    assert len(dynamics.headers()) == (refusals < 3)


# -- versions out of order


@MODES
def test_an_older_version_never_replaces_a_newer_one(
    dynamics: Dynamics, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "singer_delivery")
    dynamics.deliver(invoice("10.00"), header_reference=mode)
    dynamics.deliver(invoice("250.00", version=LATE), header_reference=mode)

    for _ in range(2):
        dynamics.deliver(invoice("10.00"), header_reference=mode)

        assert nets(dynamics) == [250, 40]
        # What the ledger has of the newer one is still to be told.
        assert dynamics.status(invoice()) == "delivered"
        assert dynamics.entry(invoice()).version == LATE
    assert f"that of {LATE} came in already" in caplog.text
    dynamics.deliver(invoice("260.00", version=LATEST), header_reference=mode)
    assert nets(dynamics) == [260, 40]


@MODES
@pytest.mark.parametrize("posted_lookup", [True, False])
def test_an_older_version_of_a_posted_invoice_is_no_contradiction(
    dynamics: Dynamics, mode: str, posted_lookup: bool
) -> None:
    dynamics.deliver(invoice("250.00", version=LATE), header_reference=mode)
    [header] = dynamics.headers()
    dynamics.sandbox.d365fo.post_invoice(header["dataAreaId"], header["HeaderReference"])

    dynamics.deliver(invoice("10.00"), header_reference=mode, posted_lookup=posted_lookup)

    assert dynamics.entry(invoice()).version == LATE
    assert dynamics.headers() == []


@MODES
@pytest.mark.parametrize("unusable", [{}, {"currencyCode": ""}])
def test_an_older_version_does_not_hide_why_the_newer_one_was_rejected(
    dynamics: Dynamics, mode: str, unusable: dict[str, Any]
) -> None:
    """`unusable`: what is wrong with the older one as well, so that it is no invoice at all."""
    rejected = invoice(version=LATE, supplier="US-9999")
    dynamics.deliver(rejected, header_reference=mode)
    before = dynamics.entry(invoice())
    assert "US-9999" in before.reason

    dynamics.deliver({**invoice(), **unusable}, header_reference=mode)

    assert dynamics.entry(invoice()) == before
    assert dynamics.headers() == []


@pytest.mark.parametrize("found", [True, False])
def test_a_posted_invoice_with_a_corrected_number_is_found_without_a_ledger(
    dynamics: Dynamics, found: bool
) -> None:
    dynamics.deliver(invoice())
    state = dynamics.sandbox.d365fo
    [record] = state.records("VendorInvoiceHeaders")
    state.update("VendorInvoiceHeaders", record, {**record.values, "InvoiceNumber": "INV-01"})
    state.post_invoice(record.values["dataAreaId"], record.values["HeaderReference"])
    dynamics.forget()

    dynamics.deliver(invoice(), posted_description_lookup=found)

    assert len(dynamics.headers()) == (0 if found else 1)
    assert dynamics.status(invoice()) == ("unchanged" if found else "delivered")
    # Its payments come under the number that it has in Dynamics.
    number = "inv-01" if found else "inv-1"
    assert number in dynamics.entry(invoice()).natural_key.casefold()


def test_an_older_version_of_an_invoice_that_was_deleted_is_not_delivered(
    dynamics: Dynamics,
) -> None:
    dynamics.deliver(invoice("250.00", version=LATE))
    state = dynamics.sandbox.d365fo
    for name in ("VendorInvoiceHeaders", "VendorInvoiceLines"):
        for record in state.records(name):
            state.delete(name, record)

    for _ in range(2):
        dynamics.deliver(invoice("10.00"))

        assert dynamics.headers() == []
        assert dynamics.entry(invoice()).version == LATE
    dynamics.deliver(invoice("250.00", version=LATE))
    assert nets(dynamics) == [250, 40]


@pytest.mark.parametrize(
    ("version", "other", "earlier"),
    [
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z", True),
        ("2026-03-01T10:00:00", "2026-03-01T10:00:00.001Z", True),
        ("2026-03-01T12:00:00+02:00", "2026-03-01T11:00:00Z", True),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", False),
        ("2026-03-02T10:00:00Z", "2026-03-01T10:00:00Z", False),
        ("7", "8", False),
        ("20260301", "20260302", False),
        ("", "2026-03-01T10:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", "2026-03-01T10:00:00Z", False),
    ],
)
def test_versions_are_compared_where_both_are_moments(
    version: str, other: str, earlier: bool
) -> None:
    assert is_earlier(version, other) is earlier
