"""The ledger is lost: `singer-delivery rebuild` makes one that nothing is sent twice with."""

from __future__ import annotations

from typing import Any

import pytest
from singer_delivery.document import Status
from singer_delivery.ledger_books import INVOICES, PAYMENTS, TRANSFERS
from singer_delivery.verification import verify

from tests.live.office import Office

FACTS = ("legal_entity", "vendor", "invoice_number", "currency", "gross", "description")


def _rows(office: Office, stream: str) -> dict[str, Any]:
    """What the ledger has of a stream, by key."""
    system = office.sandbox.d365fo_url if stream == INVOICES else office.sandbox.basware_url
    ledger = office.ledger(system)
    try:
        return {entry.key: entry for entry in ledger.outcomes(stream)}
    finally:
        ledger.close()


def test_after_the_loss_of_everything_the_ledger_agrees_again(settled: Office) -> None:
    settled.lose_ledger()

    result = settled.rebuild()

    assert result.exit_code == 0, result.output
    answer = settled.reconcile()
    assert answer.differences == []
    assert answer.sum("ledger_delivered")[0] == 3
    assert answer.sum("ledger_rejected")[0] == 1


def test_rows_are_those_that_deliveries_left(settled: Office) -> None:
    before = {stream: _rows(settled, stream) for stream in (INVOICES, TRANSFERS, PAYMENTS)}
    settled.lose_ledger()

    settled.rebuild()

    for stream, rows in before.items():
        after = _rows(settled, stream)
        assert after.keys() == rows.keys(), stream
        for key, entry in rows.items():
            assert after[key].remote_key == entry.remote_key
            assert (after[key].status in {Status.REJECTED}) == (entry.status in {Status.REJECTED})
            if stream != INVOICES or entry.status is not Status.REJECTED:
                assert after[key].natural_key == entry.natural_key
    for key, entry in before[INVOICES].items():
        if entry.status is not Status.REJECTED:
            rebuilt = _rows(settled, INVOICES)[key]
            assert {n: rebuilt.detail[n] for n in FACTS} == {n: entry.detail[n] for n in FACTS}
            assert rebuilt.detail["header_reference"] == entry.detail["header_reference"]


def test_nothing_is_sent_and_nothing_told_again(settled: Office) -> None:
    settled.lose_ledger()
    settled.rebuild()
    held = settled.held_documents()
    mark = settled.mark()

    settled.deliver()
    settled.tell_payments()

    assert settled.writes(mark) == []
    assert settled.held_documents() == held
    assert settled.reconcile().differences == []


def test_outcomes_that_basware_does_not_have_are_told_once(office: Office) -> None:
    office.post_invoices()
    office.lose_ledger()
    assert office.rebuild().exit_code == 0
    mark = office.mark()

    office.tell_outcomes()
    office.tell_outcomes()

    told = [request for request in office.writes(mark) if "transferResponses" in request]
    assert len(told) == 3  # what was rejected is only known when it is offered again
    office.deliver()
    assert office.held("bad")["processingStatus"] == "TransferFailed"
    assert office.reconcile().differences == []


def test_invoices_that_wait_again_are_recognised(settled: Office) -> None:
    """Somebody in Basware transfers everything again, after the ledger was lost."""
    headers = settled.sandbox.d365fo.rows("VendInvoiceJourBiEntities")
    settled.lose_ledger()
    settled.rebuild()
    for name in ("plain", "two lines", "credit"):
        settled.sandbox.basware.retransfer(settled.documents[name]["invoiceId"])

    settled.deliver()

    assert settled.sandbox.d365fo.rows("VendorInvoiceHeaders") == []
    assert settled.sandbox.d365fo.rows("VendInvoiceJourBiEntities") == headers
    assert settled.entry("plain").status is Status.UNCHANGED
    assert settled.reconcile().differences == []


def test_a_change_that_waits_is_not_taken_for_delivered(office: Office) -> None:
    """It was changed and transferred again before the loss: the change still arrives."""
    office.deliver()
    office.sandbox.basware.retransfer(office.documents["plain"]["invoiceId"], description="new")
    office.sandbox.basware.retransfer(
        office.documents["plain"]["invoiceId"], invoiceNumber="INV-1A"
    )
    office.lose_ledger()
    office.rebuild()

    office.deliver()

    numbers = {row["InvoiceNumber"] for row in office.sandbox.d365fo.rows("VendorInvoiceHeaders")}
    assert numbers == {"INV-1A", "INV-2", "CR-1"}
    assert office.reconcile().differences == []


def test_payments_made_later_find_their_invoices(office: Office) -> None:
    office.deliver()
    vouchers = office.post_all()
    office.lose_ledger()
    office.rebuild()
    office.sandbox.d365fo.pay_invoice("usmf", vouchers["INV-2"])

    office.tell_payments()

    assert office.held("two lines")["processingStatus"] == "Paid"
    assert office.reconcile().differences == []


def test_a_second_rebuild_writes_nothing(settled: Office) -> None:
    settled.lose_ledger()
    settled.rebuild()
    ledger = settled.ledger()
    head = ledger.trail.head().number
    entry = settled.entry("plain")

    result = settled.rebuild()

    assert "nothing was missing" in result.output
    assert settled.entry("plain") == entry
    kinds = {link.kind for link in ledger.trail.links(after=head)}
    ledger.close()
    assert kinds == {"started", "ended"}


def test_only_what_is_missing_is_written_unless_asked_for(settled: Office) -> None:
    kept = settled.entry("two lines")
    settled.delete_row("plain")

    settled.rebuild()
    assert settled.entry("two lines") == kept
    assert settled.entry("plain").remote_key

    settled.rebuild("--overwrite")
    assert settled.entry("two lines").sequence > kept.sequence


def test_a_dry_run_only_says_what_it_would_write(settled: Office) -> None:
    settled.lose_ledger()

    result = settled.rebuild("--dry-run")

    assert result.exit_code == 0, result.output
    assert "vendor_invoices: 4 would be written" in result.output
    assert "payment_responses: 1 would be written" in result.output
    assert "INV-1" in result.output
    assert not settled.ledger_file.exists()


def test_each_row_is_in_the_trail_and_the_chain_holds(settled: Office) -> None:
    settled.lose_ledger()
    settled.rebuild()

    ledger = settled.ledger()
    links = [x for x in ledger.trail.links() if x.kind == "rebuilt"]
    verdict = verify(ledger._engine)
    ledger.close()

    assert sorted({link.stream for link in links}) == sorted([INVOICES, TRANSFERS, PAYMENTS])
    assert len(links) == 9
    assert all(link.actor and link.run_id for link in links)
    assert verdict.faults == []


@pytest.mark.parametrize("keep", [True, False])
def test_descriptions_lost_in_posting_are_made_up_for(office: Office, keep: bool) -> None:
    office.sandbox.switches.d365fo.keep_description = keep
    office.deliver()
    office.post_all()
    office.lose_ledger()

    office.rebuild()

    assert office.entry("plain").status in {Status.DELIVERED, Status.UNCHANGED}
    assert office.reconcile().differences == []


def test_invoices_without_derived_references_are_found_by_description(office: Office) -> None:
    office.settings = {"header_reference": "number_sequence"}
    office.deliver()
    before = office.entry("plain")
    office.lose_ledger()

    office.rebuild()

    assert office.entry("plain").remote_key == before.remote_key
    mark = office.mark()
    office.deliver()
    assert office.writes(mark) == []
    assert office.reconcile().differences == []


def test_half_an_invoice_is_left_out_in_words(office: Office) -> None:
    office.deliver()
    dynamics = office.sandbox.d365fo
    header = dynamics.first("VendorInvoiceHeaders", InvoiceNumber="INV-2")
    assert header is not None
    reference = header.values["HeaderReference"]
    dynamics.delete(
        "VendorInvoiceLines", dynamics.find("VendorInvoiceLines", HeaderReference=reference)[0]
    )
    office.lose_ledger()

    result = office.rebuild()

    assert result.exit_code == 1
    assert "INV-2" in result.output
    assert "half an invoice" in result.output
