"""What accounts payable does in Dynamics, and what the stream of vendor payments says of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sandbox.faults import Fault
from sandbox.server import Sandbox
from singer_delivery.document import Document, Outcome, Status
from singer_delivery.errors import LedgerError, SetupError
from singer_delivery.ledger import Ledger
from tap_d365fo.natural_key import natural_key, natural_key_text

from tests.tap_d365fo.payment_desk import START, Desk, Offer, Record, last_by_invoice, offer


@pytest.fixture(scope="module")
def offered(sandbox_server: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Offer:
    return offer(sandbox_server, tmp_path_factory.mktemp("metadata"))


@pytest.fixture
def desk(sandbox: Sandbox, offered: Offer) -> Desk:
    return Desk.open(sandbox, offered)


def totals(record: Record) -> tuple[Any, ...]:
    """What Basware is told: paid, discount, fully paid."""
    return record["paid_total"], record["cash_discount"], record["fully_paid"]


def test_a_payment_is_told_with_all_that_is_known_of_it(desk: Desk) -> None:
    invoice = desk.post("120.50", InvoiceNumber="4711")
    paid = desk.dynamics.pay_invoice(
        "usmf", invoice, date="2026-11-20", reference="REF 7", payment_id="RF18"
    )
    (record,) = desk.read()
    transaction = desk.transaction(paid)
    settlement = desk.dynamics.first("VendSettlementBiEntities", OffsetTransVoucher=paid)
    assert settlement is not None
    assert record == {
        "data_area_id": "usmf",
        "settlement_id": settlement.rec_id,
        "document_id": None,
        "vendor_account": "V1",
        "invoice_number": "4711",
        "invoice_date": "2026-10-30",
        "invoice_voucher": invoice,
        "invoice_amount": Decimal("120.5"),
        "currency": "USD",
        "amount": Decimal("120.5"),
        "paid_total": Decimal("120.5"),
        "cash_discount": 0,
        "payment_date": "2026-11-20",
        "payment_voucher": paid,
        "payment_company": "usmf",
        "payment_method": "ELECTRONIC",
        "payment_reference": "REF 7",
        "payment_id": "RF18",
        "cheque_number": "",
        "journal": transaction["JournalNum"],
        "prepayment": False,
        "settled_with": "payment",
        "fully_paid": True,
        "is_reversal": False,
        "reversal_voucher": None,
        "position": 1,
        "settled_at": settlement.values["CreatedOn"],
    }


def test_many_partial_payments_of_one_invoice_add_up(desk: Desk) -> None:
    invoice = desk.post("100.00")
    for amount in ("33.33", "33.33", "33.34"):
        desk.dynamics.pay_invoice("usmf", invoice, amount)
    records = desk.read()
    assert [record["position"] for record in records] == [1, 2, 3]
    assert [totals(record) for record in records] == [
        (Decimal("33.33"), 0, False),
        (Decimal("66.66"), 0, False),
        (Decimal(100), 0, True),
    ]


def test_one_payment_of_many_invoices_is_told_of_each(desk: Desk) -> None:
    invoices = [desk.post(amount) for amount in ("10.01", "20.02", "30.03")]
    paid = desk.dynamics.pay_invoices("usmf", dict.fromkeys(invoices) | {invoices[2]: "30.00"})
    records = last_by_invoice(desk.read())
    assert [totals(records[voucher]) for voucher in invoices] == [
        (Decimal("10.01"), 0, True),
        (Decimal("20.02"), 0, True),
        (Decimal("30.00"), 0, False),
    ]
    assert {record["payment_voucher"] for record in records.values()} == {paid}
    assert desk.transaction(paid)["AmountCur"] == Decimal("60.03")


@pytest.mark.parametrize("includes", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_cash_discount_is_not_paid_but_settles(desk: Desk, *, includes: bool, signed: bool) -> None:
    desk.sandbox.switches.d365fo.settlement_includes_cash_discount = includes
    desk.sandbox.switches.d365fo.cash_discount_signed_as_settlement = signed
    invoice = desk.post("100.00")
    desk.dynamics.pay_invoice("usmf", invoice, "49.00", cash_discount="1.00")
    desk.dynamics.pay_invoice("usmf", invoice, cash_discount="0.50")
    records = desk.read_all(settlement_includes_cash_discount=includes)
    assert [record["amount"] for record in records] == [49, Decimal("49.5")]
    assert [totals(record) for record in records] == [
        (49, 1, False),
        (Decimal("98.5"), Decimal("1.5"), True),
    ]
    desk.dynamics.unsettle("usmf", invoice)
    *_, last = desk.read_all(settlement_includes_cash_discount=includes)
    assert totals(last) == (0, 0, False)


def test_a_wrong_setting_for_cash_discount_is_noticed(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.sandbox.switches.d365fo.settlement_includes_cash_discount = False
    for _ in range(2):
        desk.dynamics.pay_invoice("usmf", desk.post("100.00"), cash_discount="2.00")
    with caplog.at_level(logging.WARNING):
        desk.read_all()
    (warning,) = [r for r in caplog.messages if "cash_discount" in r]
    assert "settlement_includes_cash_discount set to false" in warning
    caplog.clear()
    desk.read_all(settlement_includes_cash_discount=False)
    assert not [r for r in caplog.messages if "cash_discount" in r]


def test_a_payment_in_another_currency_counts_in_that_of_the_invoice(desk: Desk) -> None:
    invoice = desk.post("100.00", Currency="EUR")
    paid = desk.dynamics.pay_invoice("usmf", invoice, "40.00", currency="USD")
    (record,) = desk.read()
    assert desk.transaction(paid)["AmountCur"] == 44
    assert (record["currency"], record["paid_total"], record["amount"]) == ("EUR", 40, 40)


def test_a_payment_by_another_legal_entity(desk: Desk) -> None:
    invoice = desk.post("80.00", company="demf")
    paid = desk.dynamics.pay_invoice(
        "demf", invoice, company="usmf", currency="USD", reference="CENTRAL"
    )
    # The paying company's own settlements are none of an invoice; its transaction is read.
    (record,) = desk.read(companies=["demf"])
    assert (record["data_area_id"], record["payment_company"]) == ("demf", "usmf")
    assert (record["payment_voucher"], record["payment_reference"]) == (paid, "CENTRAL")
    assert totals(record) == (80, 0, True)


def test_only_the_companies_asked_for_are_read(desk: Desk) -> None:
    here, there = desk.post("1.00"), desk.post("2.00", company="demf")
    desk.dynamics.pay_invoice("usmf", here)
    desk.dynamics.pay_invoice("demf", there)
    assert last_by_invoice(desk.read_all(companies=["demf"])).keys() == {there}
    assert last_by_invoice(desk.read_all()).keys() == {here, there}


def test_a_prepayment_is_told_when_it_is_applied(desk: Desk) -> None:
    advance = desk.dynamics.prepay("usmf", "V1", "150.00", reference="ADVANCE", date="2026-11-01")
    assert desk.read() == []
    invoices = [desk.post("100.00"), desk.post("100.00")]
    desk.dynamics.apply_prepayment("usmf", advance, dict.fromkeys(invoices), "2026-12-01")
    first, second = desk.read()
    assert (totals(first), totals(second)) == ((100, 0, True), (50, 0, False))
    assert first["prepayment"]
    assert (first["payment_voucher"], first["payment_reference"]) == (advance, "ADVANCE")
    assert first["payment_date"] == "2026-12-01"


def test_a_credit_note_settles_without_paying(desk: Desk) -> None:
    invoice, credit = desk.post("100.00"), desk.post("-30.00")
    desk.dynamics.settle_credit_note("usmf", credit, {invoice: None})
    desk.dynamics.pay_invoice("usmf", invoice)
    first, of_credit, second = desk.read()
    assert (totals(first), first["amount"], first["settled_with"]) == ((0, 0, False), 30, "invoice")
    assert first["payment_voucher"] == credit
    assert (totals(second), second["amount"]) == ((70, 0, True), 70)
    assert of_credit["invoice_voucher"] == credit
    assert (of_credit["invoice_amount"], of_credit["amount"]) == (-30, -30)
    assert totals(of_credit) == (0, 0, True)


def test_a_credit_note_may_leave_nothing_to_pay(desk: Desk) -> None:
    invoice, credit = desk.post("30.00"), desk.post("-30.00")
    desk.dynamics.settle_credit_note("usmf", credit, {invoice: None})
    assert totals(last_by_invoice(desk.read())[invoice]) == (0, 0, True)


def test_a_refunded_credit_note_is_paid_with_a_negative_amount(desk: Desk) -> None:
    credit = desk.post("-30.00")
    desk.dynamics.pay_invoice("usmf", credit)
    (record,) = desk.read()
    assert (record["amount"], totals(record)) == (-30, (-30, 0, True))
    assert not record["is_reversal"]


def test_an_undone_settlement_lowers_the_paid_total(desk: Desk) -> None:
    invoice = desk.post("100.00")
    first = desk.dynamics.pay_invoice("usmf", invoice, "60.00")
    desk.dynamics.pay_invoice("usmf", invoice)
    *_, before = desk.read()
    assert totals(before) == (100, 0, True)
    desk.later()
    undone = desk.dynamics.unsettle("usmf", first, "2026-12-03")
    *_, record = desk.read()
    assert desk.transaction(invoice)["Closed"].startswith("1900")
    assert (record["amount"], totals(record)) == (-60, (40, 0, False))
    assert (record["is_reversal"], record["reversal_voucher"]) == (True, undone)
    assert (record["payment_voucher"], record["payment_date"]) == (first, "2026-12-03")
    assert record["position"] == 3


def test_a_reversed_payment_is_taken_back_from_all_its_invoices(desk: Desk) -> None:
    invoices = [desk.post("10.00"), desk.post("20.00")]
    paid = desk.dynamics.pay_invoices(
        "usmf", dict.fromkeys(invoices), {invoices[1]: "0.40"}, reference="R"
    )
    reversal = desk.dynamics.reverse_payment("usmf", paid)
    records = desk.read()
    assert len(records) == 4
    for record in last_by_invoice(records).values():
        assert totals(record) == (0, 0, False)
        assert (record["payment_voucher"], record["reversal_voucher"]) == (paid, reversal)
    desk.dynamics.pay_invoices("usmf", dict.fromkeys(invoices))
    paid_again = last_by_invoice(desk.read())
    assert [totals(paid_again[voucher]) for voucher in invoices] == [(10, 0, True), (20, 0, True)]


def test_a_voided_cheque_is_told_with_its_number(desk: Desk) -> None:
    invoice = desk.post("10.00")
    desk.dynamics.pay_invoice("usmf", invoice, method="CHEQUE", cheque="000123", reference="R")
    (record,) = desk.read()
    assert (record["cheque_number"], record["payment_method"]) == ("000123", "CHEQUE")
    reversal = desk.dynamics.void_cheque("usmf", "000123")
    *_, record = desk.read()
    assert (record["cheque_number"], record["reversal_voucher"]) == ("000123", reversal)
    assert totals(record) == (0, 0, False)


def test_a_cheque_of_a_method_that_is_not_known_has_its_number(desk: Desk) -> None:
    desk.dynamics.pay_invoice("usmf", desk.post("10.00"), method="OLD", cheque="000124")
    assert [record["cheque_number"] for record in desk.read()] == ["000124"]


def test_without_payment_journals_the_reference_of_a_cheque_is_its_number(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    for method in ("CHEQUE", "ELECTRONIC", "UNKNOWN"):
        desk.dynamics.pay_invoice("usmf", desk.post("1.00"), method=method, reference="77")
    desk.sandbox.faults.add(
        Fault("d365fo", "status", status=403, path="VendorPaymentJournalLines", times=-1)
    )
    records = desk.read()
    assert [record["cheque_number"] for record in records] == ["77", "", ""]
    assert any("Cheque numbers are left out" in message for message in caplog.messages)


def test_the_number_may_come_from_the_posted_invoice(desk: Desk) -> None:
    invoice = desk.post("10.00", InvoiceNumber="4711")
    held = desk.dynamics.first("VendTransBiEntities", Voucher=invoice)
    assert held is not None
    desk.dynamics.update("VendTransBiEntities", held, {"Invoice": ""})
    desk.dynamics.pay_invoice("usmf", invoice)
    (record,) = desk.read()
    assert record["invoice_number"] == "4711"


def test_the_document_comes_from_the_ledger(desk: Desk, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger.open(url, desk.sandbox.d365fo_url)
    key = natural_key_text(natural_key("USMF", "v1", "Inv-1 "))
    document = Document("bw-138e7d94", payload=None, fingerprint="f", natural_key=key)
    ledger.settle("vendor_invoices", document, Outcome(Status.DELIVERED), "run-1")
    ledger.close()
    for amount in ("10.00", "20.00"):
        desk.dynamics.pay_invoice("usmf", desk.post(amount))
    assert [r["document_id"] for r in desk.read_all(ledger_url=url)] == ["bw-138e7d94", None]
    absent = f"sqlite:///{tmp_path / 'absent.db'}"
    assert [r["document_id"] for r in desk.read_all(ledger_url=absent)] == [None, None]
    assert not (tmp_path / "absent.db").exists()


def test_the_ledger_may_be_where_a_reference_says(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("LEDGER_OF_TEST", url)
    ledger = Ledger.open(url, desk.sandbox.d365fo_url)
    key = natural_key_text(natural_key("usmf", "V1", "INV-1"))
    document = Document("bw-138e7d94", None, "f", natural_key=key)
    ledger.settle("vendor_invoices", document, Outcome(Status.DELIVERED), "run-1")
    ledger.close()
    desk.dynamics.pay_invoice("usmf", desk.post("10.00"), date="2026-11-20")

    assert [r["document_id"] for r in desk.read(ledger_url="env:LEDGER_OF_TEST")] == ["bw-138e7d94"]


def test_where_nothing_was_settled_the_ledger_is_not_opened(desk: Desk, tmp_path: Path) -> None:
    damaged = tmp_path / "ledger.db"
    damaged.write_text("no database")

    assert desk.read(ledger_url=f"sqlite:///{damaged}") == []
    desk.dynamics.pay_invoice("usmf", desk.post("10.00"), date="2026-11-20")
    with pytest.raises(LedgerError, match="not a database"):
        desk.read(ledger_url=f"sqlite:///{damaged}")


def test_a_run_goes_on_where_the_last_one_ended(desk: Desk) -> None:
    old, both, new = desk.post("10.00"), desk.post("20.00"), desk.post("30.00")
    desk.dynamics.pay_invoice("usmf", old)
    desk.dynamics.pay_invoice("usmf", both, "5.00")
    first = desk.read()
    assert last_by_invoice(first).keys() == {old, both}
    # What lies within the overlap is repeated, word for word.
    assert desk.read() == first
    desk.later()
    desk.dynamics.pay_invoice("usmf", both, "6.00")
    desk.dynamics.pay_invoice("usmf", new)
    desk.read()
    third = desk.read()
    assert last_by_invoice(third).keys() == {both, new}
    assert [(r["position"], *totals(r)) for r in third] == [(2, 11, 0, False), (1, 30, 0, True)]


def test_a_settlement_that_was_committed_late_is_not_missed(desk: Desk) -> None:
    late, early = desk.post("10.00"), desk.post("20.00")
    desk.dynamics.pay_invoice("usmf", late)
    commit = uncommitted(desk)
    desk.later(9)
    desk.dynamics.pay_invoice("usmf", early)
    assert last_by_invoice(desk.read()).keys() == {early}
    commit()
    assert last_by_invoice(desk.read()).keys() == {late, early}


def test_the_newest_settlements_have_even_longer_to_be_committed(desk: Desk) -> None:
    late, early = desk.post("10.00"), desk.post("20.00")
    desk.sandbox.clock.reset()
    desk.later(-14)
    desk.dynamics.pay_invoice("usmf", late)
    commit = uncommitted(desk)
    desk.sandbox.clock.reset()
    desk.dynamics.pay_invoice("usmf", early)
    assert last_by_invoice(desk.read(overlap_minutes=10)).keys() == {early}
    commit()
    found = desk.read(overlap_minutes=10, commit_delay_seconds=300)
    assert last_by_invoice(found).keys() == {late, early}


def uncommitted(desk: Desk) -> Callable[[], None]:
    """Hide the settlements until what is returned is called."""
    rows = desk.dynamics.records("VendSettlementBiEntities")
    for row in rows:
        desk.dynamics.delete("VendSettlementBiEntities", row)

    def commit() -> None:
        for row in rows:
            desk.dynamics.insert("VendSettlementBiEntities", dict(row.values))

    return commit


def test_another_choice_of_companies_is_read_from_the_beginning(desk: Desk) -> None:
    here, there = desk.post("1.00"), desk.post("2.00", company="demf")
    desk.dynamics.pay_invoice("demf", there)
    desk.later()
    desk.dynamics.pay_invoice("usmf", here)
    assert last_by_invoice(desk.read(companies=["usmf"])).keys() == {here}
    assert last_by_invoice(desk.read(companies=["usmf", "demf"])).keys() == {here, there}


def test_everything_can_be_read_again(desk: Desk) -> None:
    for _ in range(2):
        desk.dynamics.pay_invoice("usmf", desk.post("1.00"))
        desk.later()
    first = desk.read()
    assert desk.read() == first[1:]
    assert desk.read(full_refresh_hours=0) == first


def test_the_start_date_bounds_the_records_and_not_the_totals(desk: Desk) -> None:
    invoice = desk.post("10.00")
    desk.dynamics.pay_invoice("usmf", invoice, "4.00")
    desk.later(24 * 60)
    desk.dynamics.pay_invoice("usmf", invoice, "5.00")
    (record,) = desk.read(start_date=f"{START + timedelta(hours=12):%Y-%m-%dT%H:%M:%SZ}")
    assert (record["position"], totals(record)) == (2, (9, 0, False))


def test_many_settlements_over_several_pages_and_batches(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.sandbox.switches.d365fo.page_size = 7
    monkeypatch.setattr("tap_d365fo.payment_stream.BATCH", 5)
    invoices = [desk.post("10.00") for _ in range(12)]
    for amount in ("1.00", "2.00", "3.00"):
        desk.dynamics.pay_invoices("usmf", dict.fromkeys(invoices, amount))
    records = desk.read()
    assert len(records) == 36
    for voucher in invoices:
        mine = [record for record in records if record["invoice_voucher"] == voucher]
        assert [(r["position"], r["paid_total"]) for r in mine] == [(1, 1), (2, 3), (3, 6)]


def test_a_set_that_is_gone_is_named_with_the_remedy(desk: Desk) -> None:
    desk.dynamics.pay_invoice("usmf", desk.post("1.00"))
    desk.sandbox.faults.add(
        Fault(
            "d365fo",
            "status",
            status=404,
            path="VendTransBiEntities",
            body='{"error": {"message": "Resource not found for the segment \'X\'."}}',
            times=-1,
        )
    )
    with pytest.raises(SetupError, match=r"VendTransBiEntities.*deselect vendor_payments"):
        desk.read()


def test_no_settlement_is_no_record(desk: Desk) -> None:
    desk.post("1.00")
    assert desk.read() == []
