"""The same document is never there twice, whatever is lost in between; a changed one replaces."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.errors import InDoubt
from target_d365fo.sinks import AccountingDocumentSink

from tests.target_d365fo.conftest import Dynamics


def invoice(net: str = "100.00", **options: Any) -> dict[str, Any]:
    """The same document in one of its versions."""
    return accounting_document(
        number="INV-1", invoice_id="b77c1f00d", rows=[coding_row(net=net)], **options
    )


@pytest.mark.parametrize("with_ledger", [True, False])
@pytest.mark.parametrize("mode", ["derived", "number_sequence"])
def test_delivered_five_times_it_is_there_once(
    dynamics: Dynamics, mode: str, with_ledger: bool
) -> None:
    dynamics.deliver(invoice(), header_reference=mode)
    before = dynamics.headers(), dynamics.lines()

    for _ in range(4):
        if not with_ledger:
            dynamics.forget()
        dynamics.deliver(invoice(), header_reference=mode)

    assert (dynamics.headers(), dynamics.lines()) == before
    assert dynamics.status(invoice()) == "unchanged"


@pytest.mark.parametrize("with_ledger", [True, False])
@pytest.mark.parametrize("mode", ["derived", "number_sequence"])
def test_a_changed_document_replaces_its_draft(
    dynamics: Dynamics, mode: str, with_ledger: bool
) -> None:
    dynamics.deliver(invoice("100.00"), header_reference=mode)
    if not with_ledger:
        dynamics.forget()

    dynamics.deliver(invoice("250.00"), header_reference=mode)

    [header], [line] = dynamics.headers(), dynamics.lines()
    assert header["ImportedAmount"] == invoice("250.00")["grossSum"]
    assert line["NetAmount"] == 250
    assert dynamics.status(invoice()) == "delivered"


def test_a_change_in_coding_alone_is_seen_without_the_ledger(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice())
    dynamics.forget()
    changed = invoice()
    changed["codingRows"][0]["costCenterCode"] = "CC-02"

    dynamics.deliver(changed)

    assert "02" in dynamics.lines()[0]["MainAccountDisplayValue"]
    assert dynamics.status(invoice()) == "delivered"


def test_what_a_clerk_edited_in_a_draft_stays(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice())
    edit(dynamics, Comment="checked by phone", ImportedAmount=1)

    dynamics.deliver(invoice())

    assert dynamics.headers()[0]["Comment"] == "checked by phone"
    assert dynamics.status(invoice()) == "unchanged"


def test_a_draft_that_the_workflow_has_is_not_replaced(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice("100.00"))
    edit(dynamics, VendorInvoiceReviewStatus="InReview")

    dynamics.deliver(invoice("250.00"))

    assert dynamics.lines()[0]["NetAmount"] == 100
    assert "InReview; recall it in Dynamics" in dynamics.reason(invoice())


def test_replacing_can_be_switched_off(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice("100.00"))

    dynamics.deliver(invoice("250.00"), replace_pending=False)

    assert dynamics.lines()[0]["NetAmount"] == 100
    assert "replacing is switched off" in dynamics.reason(invoice())


def test_a_refused_replacement_leaves_the_earlier_version(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice("100.00"))
    broken = invoice("250.00")
    broken["codingRows"][0]["accountCode"] = "000000"

    dynamics.deliver(broken)

    assert dynamics.lines()[0]["NetAmount"] == 100
    assert "'000000'" in dynamics.reason(invoice())
    assert "the earlier version is still pending as BW" in dynamics.reason(invoice())


def test_a_document_moved_to_another_company_leaves_the_first(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice(company="1000"))

    dynamics.deliver(invoice(company="2000"))

    assert [header["dataAreaId"] for header in dynamics.headers()] == ["demf"]
    assert [line["dataAreaId"] for line in dynamics.lines()] == ["demf"]


@pytest.mark.parametrize("with_ledger", [True, False])
def test_a_posted_document_is_recognised(dynamics: Dynamics, with_ledger: bool) -> None:
    dynamics.deliver(invoice())
    voucher = post(dynamics)
    if not with_ledger:
        dynamics.forget()

    dynamics.deliver(invoice())

    assert dynamics.headers() == []
    entry = dynamics.entry(invoice())
    assert (entry.status, entry.remote_key) == ("unchanged", voucher)


def test_a_document_posted_with_other_amounts_is_ours_as_long_as_its_source_says_the_same(
    dynamics: Dynamics,
) -> None:
    dynamics.deliver(invoice())
    edit(dynamics, ImportedAmount=1, ImportedSalesTax=0)
    post(dynamics)

    dynamics.deliver(invoice())

    assert dynamics.headers() == []
    assert dynamics.status(invoice()) == "unchanged"


@pytest.mark.parametrize("with_ledger", [True, False])
def test_a_posted_document_is_not_changed(dynamics: Dynamics, with_ledger: bool) -> None:
    dynamics.deliver(invoice("100.00"))
    voucher = post(dynamics)
    if not with_ledger:
        dynamics.forget()

    dynamics.deliver(invoice("250.00"))

    assert dynamics.headers() == []
    assert dynamics.status(invoice()) == "rejected"
    assert f"already posted as voucher {voucher}" in dynamics.reason(invoice())


def test_a_posted_document_is_recognised_where_descriptions_get_lost(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.keep_description = False
    dynamics.deliver(invoice())
    post(dynamics)

    dynamics.deliver(invoice())

    assert dynamics.headers() == []
    assert dynamics.status(invoice()) == "unchanged"
    for _ in range(2):
        dynamics.deliver(invoice("250.00"))
        assert "already posted as voucher" in dynamics.reason(invoice())
        assert "correct it in Dynamics" in dynamics.reason(invoice())


def test_a_document_posted_under_a_corrected_number_is_recognised(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice())
    edit(dynamics, InvoiceNumber="INV-0001")
    post(dynamics)

    dynamics.deliver(invoice())

    assert dynamics.headers() == []
    assert dynamics.status(invoice()) == "unchanged"


@pytest.mark.parametrize("keep_description", [True, False])
def test_a_number_changed_in_basware_after_posting_never_makes_a_second_invoice(
    dynamics: Dynamics, keep_description: bool
) -> None:
    dynamics.sandbox.switches.d365fo.keep_description = keep_description
    dynamics.deliver(invoice())
    post(dynamics)
    changed = accounting_document(
        number="INV-2", invoice_id="b77c1f00d", rows=[coding_row(net="250.00")]
    )

    for _ in range(3):
        dynamics.deliver(changed)
        assert dynamics.headers() == []
        assert dynamics.status(changed) == "rejected"
        assert "already posted as voucher" in dynamics.reason(changed)


@pytest.mark.parametrize("mode", ["derived", "number_sequence"])
def test_a_posted_document_moved_to_another_company_is_not_booked_there_as_well(
    dynamics: Dynamics, mode: str
) -> None:
    dynamics.deliver(invoice(), header_reference=mode)
    post(dynamics)
    moved = invoice(company="2000", currency="USD")

    for _ in range(3):
        dynamics.deliver(moved, header_reference=mode)
        assert dynamics.headers() == []
        assert "already posted as voucher APIN-usmf" in dynamics.reason(moved)


def test_what_was_posted_while_a_move_was_refused_is_not_booked_there_as_well(
    dynamics: Dynamics,
) -> None:
    dynamics.deliver(invoice())
    broken = invoice(company="2000")
    broken["codingRows"][0]["accountCode"] = "000000"
    dynamics.deliver(broken)
    assert "the earlier version is still pending" in dynamics.reason(broken)
    post(dynamics)

    dynamics.deliver(invoice(company="2000"))

    assert dynamics.headers() == []
    assert "already posted as voucher APIN-usmf" in dynamics.reason(invoice())


def test_a_draft_deleted_in_dynamics_is_delivered_again(dynamics: Dynamics) -> None:
    dynamics.deliver(invoice())
    [record] = dynamics.sandbox.d365fo.records("VendorInvoiceHeaders")
    dynamics.sandbox.d365fo.delete("VendorInvoiceHeaders", record)
    for line in dynamics.sandbox.d365fo.records("VendorInvoiceLines"):
        dynamics.sandbox.d365fo.delete("VendorInvoiceLines", line)

    dynamics.deliver(invoice())

    assert len(dynamics.headers()) == 1
    assert dynamics.status(invoice()) == "delivered"


@pytest.mark.parametrize("posted", [True, False])
@pytest.mark.parametrize("with_ledger", [True, False])
def test_the_same_number_from_another_document_is_a_duplicate(
    dynamics: Dynamics, posted: bool, with_ledger: bool
) -> None:
    other = accounting_document(number="inv-1 ", invoice_id="another")
    dynamics.deliver(invoice())
    voucher = post(dynamics) if posted else ""
    if not with_ledger:
        dynamics.forget()
    before = dynamics.headers()

    dynamics.deliver(other)

    assert dynamics.headers() == before
    assert "it is a duplicate" in dynamics.reason(other)
    assert "Basware b77c1f00d" in dynamics.reason(other)
    assert voucher in dynamics.reason(other)


def test_the_same_number_twice_in_one_batch_goes_to_the_first(dynamics: Dynamics) -> None:
    other = accounting_document(number="INV-1", invoice_id="another")

    dynamics.deliver(invoice(), other)

    assert len(dynamics.headers()) == 1
    assert dynamics.status(invoice()) == "delivered"
    assert dynamics.status(other) == "rejected"


def test_the_same_number_of_another_vendor_or_company_is_none(dynamics: Dynamics) -> None:
    documents = [
        accounting_document(number="INV-1", supplier="US-0001", invoice_id="a"),
        accounting_document(number="INV-1", supplier="US-0002", invoice_id="b"),
        accounting_document(number="INV-1", company="2000", invoice_id="c"),
    ]

    dynamics.deliver(*documents)

    assert len(dynamics.headers()) == 3


def test_a_number_with_a_wildcard_finds_only_itself(dynamics: Dynamics) -> None:
    dynamics.deliver(accounting_document(number="A-1", invoice_id="a"))

    dynamics.deliver(accounting_document(number="A*", invoice_id="b"))

    assert len(dynamics.headers()) == 2


def test_an_invoice_entered_by_hand_is_a_duplicate(dynamics: Dynamics) -> None:
    document = invoice()
    dynamics.sandbox.d365fo.load(
        {
            "VendorInvoiceHeaders": [
                {
                    "dataAreaId": "usmf",
                    "HeaderReference": "001",
                    "InvoiceAccount": document["supplierCode"],
                    "InvoiceNumber": "INV-1",
                }
            ]
        }
    )

    dynamics.deliver(document)

    assert len(dynamics.headers()) == 1
    assert "already there as pending invoice 001: it is a duplicate" in dynamics.reason(document)


def test_of_two_runs_at_once_the_second_reads_back(dynamics: Dynamics) -> None:
    """Both saw nothing; the key of Dynamics lets only one of them in."""
    target = dynamics.target()
    sink = AccountingDocumentSink(target, "accounting_documents", {"properties": {}}, ["invoiceId"])
    document = sink.courier.prepare(invoice())
    plan = sink.courier.survey([document], {})[document.key]
    dynamics.deliver(invoice())

    with pytest.raises(InDoubt, match="is already there"):
        sink.courier.send(document, plan)

    [outcome] = sink.courier.read_back([dynamics.entry(invoice())]).values()
    assert outcome.status == "delivered"
    assert len(dynamics.headers()) == 1


class TestWithoutPostedLookup:
    """Where posted invoices cannot be read, the ledger's word counts."""

    def test_a_posted_document_is_unchanged(self, dynamics: Dynamics) -> None:
        dynamics.deliver(invoice())
        post(dynamics)
        before = dynamics.requests("VendInvoiceJour")

        dynamics.deliver(invoice(), posted_lookup=False)

        assert dynamics.headers() == []
        assert dynamics.status(invoice()) == "unchanged"
        assert dynamics.requests("VendInvoiceJour") == before

    def test_a_posted_document_is_not_changed(self, dynamics: Dynamics) -> None:
        dynamics.deliver(invoice())
        post(dynamics)

        dynamics.deliver(invoice("250.00"), posted_lookup=False)

        assert dynamics.headers() == []
        assert "probably posted" in dynamics.reason(invoice())

    def test_a_duplicate_is_known(self, dynamics: Dynamics) -> None:
        dynamics.deliver(invoice())
        post(dynamics)
        other = accounting_document(number="INV-1", invoice_id="another")

        dynamics.deliver(other, posted_lookup=False)

        assert dynamics.headers() == []
        assert "as document b77c1f00d: it is a duplicate" in dynamics.reason(other)


def edit(dynamics: Dynamics, **values: Any) -> None:
    """Change the only pending invoice inside Dynamics."""
    state = dynamics.sandbox.d365fo
    [record] = state.records("VendorInvoiceHeaders")
    state.update("VendorInvoiceHeaders", record, {**record.values, **values})


def post(dynamics: Dynamics) -> str:
    """Post the only pending invoice inside Dynamics and return its voucher."""
    [header] = dynamics.headers()
    return dynamics.sandbox.d365fo.post_invoice(header["dataAreaId"], header["HeaderReference"])
