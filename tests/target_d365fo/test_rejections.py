"""A bad invoice gets a reason for an AP clerk; the others arrive."""

from __future__ import annotations

from typing import Any

import pytest
from sandbox.seed import demo_world
from sandbox.seed.builders import accounting_document, coding_row
from singer_delivery.errors import DeliveryError

from tests.target_d365fo.conftest import Dynamics

GOOD = accounting_document(number="GOOD", invoice_id="good")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"supplier": "US-9999"}, "The value 'US-9999' in field 'Invoice account' is not found"),
        ({"supplier": "US-0003"}, "US-0003 is on hold for 'Invoice'"),
        ({"currency": "PLN"}, "The value 'PLN' in field 'Currency' is not found"),
        ({"rows": [coding_row("10", account="000000")]}, "The value '000000' in field"),
        ({"rows": [coding_row("10", cost_center="CC77")]}, "The value 'CC77' for dimension"),
        (
            {"rows": [coding_row("10", orderNumber="PO99", orderLineNumber="1")]},
            "The value 'PO99' in field 'Purchase order' is not found",
        ),
        ({"number": None}, "the invoice has no invoice number"),
        ({"companyCode": "9999"}, "company code '9999' has no entry"),
    ],
)
def test_the_reason_names_what_is_wrong(
    dynamics: Dynamics, options: dict[str, Any], text: str
) -> None:
    bad = accounting_document(invoice_id="bad", **options)

    state = dynamics.deliver(bad, GOOD)

    assert "done" in state
    assert [header["InvoiceNumber"] for header in dynamics.headers()] == ["GOOD"]
    assert dynamics.status(bad) == "rejected"
    assert text in dynamics.reason(bad)
    assert "Infolog" not in dynamics.reason(bad)
    assert "https://" not in dynamics.reason(bad)
    assert dynamics.status(GOOD) == "delivered"


def test_an_invoice_that_was_put_right_is_delivered(dynamics: Dynamics) -> None:
    dynamics.deliver(accounting_document(invoice_id="b1", supplier="US-9999"))

    dynamics.deliver(accounting_document(invoice_id="b1", supplier="US-0001"))

    assert len(dynamics.headers()) == 1


def test_a_dimension_that_the_format_lacks_is_named(dynamics: Dynamics) -> None:
    document = accounting_document(rows=[coding_row("10", cost_center="CC-01")])

    dynamics.deliver(document, ledger_dimension_format="MainAccount-BusinessUnit")

    assert "dimension CostCenter is not in the active ledger" in dynamics.reason(document)


def test_a_record_without_id_is_reported_and_holds_the_state_back(dynamics: Dynamics) -> None:
    error = dynamics.deliver({"invoiceNumber": "?"}, GOOD, expect=DeliveryError)

    assert "STATE was held back" in error
    assert len(dynamics.headers()) == 1


def test_a_rejected_invoice_may_abort_the_run(dynamics: Dynamics) -> None:
    bad = accounting_document(invoice_id="bad", supplier="US-9999")

    error = dynamics.deliver(bad, expect=DeliveryError, on_reject="abort")

    assert "on_reject is abort" in error


def test_the_demo_s_documents_end_as_expected(dynamics: Dynamics) -> None:
    world = demo_world(invoices=60, vendors=40)
    dynamics.sandbox.load(world)
    documents = [d for d in world.documents() if d["processingStatus"] == "WaitingForTransfer"]

    dynamics.deliver(*documents)

    for document in documents:
        expected = world.expected[document["invoiceId"]]
        entry = dynamics.entry(document)
        assert entry.status == expected.outcome, (expected.kind, entry.reason)
        assert expected.reason.casefold() in entry.reason.casefold(), expected.kind
        assert len(entry.reason) <= 230, entry.reason
    delivered = world.documents(outcome="delivered")
    assert len(dynamics.headers()) == len(delivered)
    assert sum(header["ImportedAmount"] for header in dynamics.headers()) == sum(
        document["grossSum"] for document in delivered
    )
