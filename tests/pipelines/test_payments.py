"""`meltano run payments`: what was paid in Dynamics shows in Basware, to the cent and once."""

from __future__ import annotations

from decimal import Decimal

from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.seed.world import Row
from sandbox.server import Sandbox

from tests.pipelines.conftest import Meltano
from tests.pipelines.masters import writes

NAMES = ("whole", "partly", "discount", "together", "also together", "reversed", "unpaid")


def _documents() -> dict[str, Row]:
    return {
        name: accounting_document(
            number=f"PAY-{number}", rows=[coding_row(net=f"{number}00.10", tax_code="EX")]
        )
        for number, name in enumerate(NAMES, 1)
    }


def _post_all(sandbox: Sandbox) -> dict[str, str]:
    """Post every pending invoice and return its voucher by invoice number."""
    return {
        header["InvoiceNumber"]: sandbox.d365fo.post_invoice(
            header["dataAreaId"], header["HeaderReference"]
        )
        for header in sandbox.d365fo.rows("VendorInvoiceHeaders")
    }


def _responses(sandbox: Sandbox, document: Row) -> list[Row]:
    [held] = [d for d in sandbox.basware.documents() if d["invoiceId"] == document["invoiceId"]]
    return list(held.get("paymentResponses") or [])


def test_paid_invoices_show_paid_with_date_and_cumulative_amount(
    sandbox: Sandbox, meltano: Meltano
) -> None:
    documents = _documents()
    world = small_world(("usmf",))
    world.add(basware={"accountingDocuments": list(documents.values())})
    sandbox.load(world)
    meltano.run("run", "invoices")
    vouchers = _post_all(sandbox)
    voucher = {name: vouchers[document["invoiceNumber"]] for name, document in documents.items()}
    pay = sandbox.d365fo
    pay.pay_invoice("usmf", voucher["whole"], date="2026-03-02")
    pay.pay_invoice("usmf", voucher["partly"], "50.05", date="2026-03-02")
    pay.pay_invoice("usmf", voucher["partly"], "100.00", date="2026-03-05")
    pay.pay_invoice("usmf", voucher["discount"], cash_discount="6.00", date="2026-03-03")
    pay.pay_invoices(
        "usmf", {voucher["together"]: None, voucher["also together"]: None}, date="2026-03-04"
    )
    wrong = pay.pay_invoice("usmf", voucher["reversed"], date="2026-03-04")

    meltano.run("run", "payments")

    last = {name: _responses(sandbox, d)[-1:] for name, d in documents.items()}
    assert last.pop("unpaid") == []
    told = {name: (r["paidTotal"], r["paymentDate"][:10]) for name, [r] in last.items()}
    assert told == {
        "whole": (Decimal("100.10"), "2026-03-02"),
        "partly": (Decimal("150.05"), "2026-03-05"),
        "discount": (Decimal("294.10"), "2026-03-03"),
        "together": (Decimal("400.10"), "2026-03-04"),
        "also together": (Decimal("500.10"), "2026-03-04"),
        "reversed": (Decimal("600.10"), "2026-03-04"),
    }
    assert last["discount"][0]["cashDiscount"] == Decimal("6.00")
    assert [r["paidTotal"] for r in _responses(sandbox, documents["partly"])] == [
        Decimal("50.05"),
        Decimal("150.05"),
    ]

    mark = sandbox.journal.requests()[-1].number
    meltano.forget_state()
    meltano.run("run", "payments")
    assert writes(sandbox, since=mark) == {}

    pay.reverse_payment("usmf", wrong)
    meltano.run("run", "payments")
    assert writes(sandbox, since=mark) == {"accountingDocuments": 1}
    correction = _responses(sandbox, documents["reversed"])[-1]
    assert correction["paidTotal"] == 0
    assert correction["paymentReversalDocument"]


def test_payments_find_their_invoices_without_the_ledger(
    sandbox: Sandbox, meltano: Meltano
) -> None:
    """The ledger is lost between posting and paying; an invoice that Basware never had is paid."""
    ours = accounting_document(number="PAY-1", rows=[coding_row(net="10.10", tax_code="EX")])
    world = small_world(("usmf",))
    world.add(basware={"accountingDocuments": [ours]})
    sandbox.load(world)
    meltano.run("run", "invoices")
    [voucher] = _post_all(sandbox).values()
    sandbox.d365fo.pay_invoice("usmf", voucher)
    foreign = dict(sandbox.d365fo.rows("VendTransBiEntities")[0])
    foreign |= {"Voucher": "OLD-1", "Invoice": "OLD-1", "SourceKey": 0, "AmountCur": Decimal(-5)}
    sandbox.d365fo.insert(
        "VendTransBiEntities",
        foreign | {"AmountMST": Decimal(-5), "SettleAmountCur": Decimal(0), "Closed": None},
    )
    sandbox.d365fo.pay_invoice("usmf", "OLD-1")
    meltano.forget_ledger()

    output = meltano.run("run", "payments")

    assert [r["paidTotal"] for r in _responses(sandbox, ours)] == [Decimal("10.10")]
    assert "1 skipped" in output
