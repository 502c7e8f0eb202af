"""What happens inside Dynamics after delivery: posting, payment, settlement."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sandbox.d365fo.posting import PostingError
from sandbox.d365fo.state import D365State
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import Dynamics, connect, trusting_session, world


@pytest.fixture
def dynamics(sandbox: Sandbox) -> Iterator[Dynamics]:
    """With the pending invoice BW-1 of 100.00 and 20.00 tax."""
    sandbox.d365fo.load(world(), default_company="usmf")
    with trusting_session(sandbox) as session:
        client = connect(sandbox, session)
        header = client.invoice(ImportedSalesTax=20, InvoiceDescription="Basware 1")
        assert client.post("VendorInvoiceHeaders", header).status_code == 201
        assert client.post("VendorInvoiceLines", client.line()).status_code == 201
        yield client


@pytest.fixture
def state(dynamics: Dynamics) -> D365State:
    return dynamics.sandbox.d365fo


def one(state: D365State, name: str, **values: Any) -> dict[str, Any]:
    (record,) = state.find(name, **values)
    return dict(record.values)


def test_posting_moves_the_invoice(dynamics: Dynamics, state: D365State) -> None:
    voucher = state.post_invoice("USMF", "BW-1")
    assert dynamics.rows("VendorInvoiceHeaders") == dynamics.rows("VendorInvoiceLines") == []
    (journal,) = dynamics.rows(f"VendInvoiceJourBiEntities?$filter=LedgerVoucher eq '{voucher}'")
    assert (journal["InvoiceId"], journal["InvoiceAmount"]) == ("INV-1", 120)
    assert (journal["DocumentDate"][:10], journal["InvoiceDate"][:10]) == (
        "2026-10-30",
        "2026-11-02",
    )
    assert (journal["Description"], journal["InternalInvoiceId"]) == ("Basware 1", "BW-1")
    assert one(state, "VendInvoiceTransBiEntities")["LineAmount"] == 100
    transaction = one(state, "VendTransBiEntities", Voucher=voucher)
    assert (transaction["AmountCur"], transaction["TransType"]) == (-120, "Purch")
    assert transaction["Closed"] == "1900-01-01T12:00:00Z"
    assert transaction["SysModifiedDateTime"] > "2020"


def test_the_description_may_be_lost(dynamics: Dynamics, state: D365State) -> None:
    dynamics.sandbox.switches.d365fo.keep_description = False
    state.post_invoice("usmf", "BW-1")
    assert one(state, "VendInvoiceJourBiEntities")["Description"] == ""


def test_foreign_currency_needs_a_rate(state: D365State) -> None:
    header = state.first("VendorInvoiceHeaders", HeaderReference="BW-1")
    assert header is not None
    state.update("VendorInvoiceHeaders", header, {"Currency": "EUR"})
    with pytest.raises(PostingError, match="no exchange rate from EUR in usmf"):
        state.post_invoice("usmf", "BW-1")
    rate = {"RateTypeName": "Default", "FromCurrency": "EUR", "ToCurrency": "USD", "Rate": "110"}
    state.load(
        {"ExchangeRates": [rate | {"StartDate": "2026-01-01", "ConversionFactor": "Hundred"}]}
    )
    state.post_invoice("usmf", "BW-1")
    assert one(state, "VendInvoiceJourBiEntities")["InvoiceAmountMST"] == 132


def test_what_cannot_be_posted_stays(dynamics: Dynamics, state: D365State) -> None:
    with pytest.raises(PostingError, match="no pending invoice"):
        state.post_invoice("usmf", "gone")
    dynamics.sandbox.switches.d365fo.duplicate_check = "posting"
    dynamics.post("VendorInvoiceHeaders", dynamics.invoice(HeaderReference="BW-2"))
    with pytest.raises(PostingError, match="BW-2 has no lines"):
        state.post_invoice("usmf", "BW-2")
    with pytest.raises(PostingError, match="INV-1 is used"):
        state.post_invoice("usmf", "BW-1")
    assert len(state.rows("VendorInvoiceHeaders")) == 2


def test_a_closed_period_is_refused_at_posting(state: D365State) -> None:
    period = {"Calendar": "Fiscal", "PeriodName": "P11"}
    dates = {"FiscalYear": "2026", "StartDate": "2026-11-01", "EndDate": "2026-11-30"}
    ledger = {"LedgerName": "usmf", "LegalEntityId": "usmf", "YearName": "2026"}
    state.load(
        {
            "FiscalPeriods": [period | dates],
            "LedgerFiscalPeriods": [period | ledger | {"PeriodStatus": "Closed"}],
        }
    )
    with pytest.raises(PostingError, match="period P11 of usmf is not open"):
        state.post_invoice("usmf", "BW-1")


def test_a_payment_settles_the_invoice(state: D365State) -> None:
    invoice_voucher = state.post_invoice("usmf", "BW-1")
    voucher = state.pay_invoice(
        "usmf", invoice_voucher, date="2026-11-20", cash_discount="2", reference="CHK 7"
    )
    payment = one(state, "VendTransBiEntities", Voucher=voucher)
    invoice = one(state, "VendTransBiEntities", Voucher=invoice_voucher)
    assert (payment["AmountCur"], payment["PaymReference"]) == (118, "CHK 7")
    assert (invoice["SettleAmountCur"], invoice["Closed"]) == (-120, "2026-11-20T12:00:00Z")
    assert invoice["LastSettleVoucher"] == voucher
    side = one(state, "VendSettlementBiEntities", TransRecId=invoice["SourceKey"])
    assert side["OffsetRecid"] == payment["SourceKey"]
    assert (side["SettleAmountCur"], side["UtilizedCashDisc"]) == (-120, 2)
    other = one(state, "VendSettlementBiEntities", TransRecId=payment["SourceKey"])
    assert (other["SettleAmountCur"], other["OffsetTransVoucher"]) == (118, invoice_voucher)


def test_a_partial_payment_leaves_the_invoice_open(state: D365State) -> None:
    voucher = state.post_invoice("usmf", "BW-1")
    state.pay_invoice("usmf", voucher, "50")
    assert one(state, "VendTransBiEntities", Voucher=voucher)["SettleAmountCur"] == -50
    with pytest.raises(PostingError, match="more than the open amount 70"):
        state.pay_invoice("usmf", voucher, Decimal("70.01"))
    state.pay_invoice("usmf", voucher)
    with pytest.raises(PostingError, match="no open vendor transaction"):
        state.pay_invoice("usmf", voucher)
