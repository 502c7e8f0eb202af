"""The reconciliation finds every way in which the two systems can disagree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sandbox.reconciliation import Books, Reconciliation, reconcile, render
from sandbox.reconciliation_coding import coding_problems

COMPANIES = {"1000": "usmf"}
ID = "138e7d94997847aebe7432e521b3dac9"


def document(**changes: Any) -> dict[str, Any]:
    return {
        "invoiceId": ID,
        "invoiceNumber": "INV-1",
        "companyCode": "1000",
        "currencyCode": "USD",
        "grossSum": Decimal("107.25"),
        "processingStatus": "Transferred",
        "codingRows": [{}],
        **changes,
    }


def header(**changes: Any) -> dict[str, Any]:
    return {
        "dataAreaId": "usmf",
        "HeaderReference": "BW1",
        "InvoiceDescription": f"Basware {ID}",
        "Currency": "USD",
        "ImportedAmount": Decimal("107.25"),
        "ImportedSalesTax": Decimal("7.25"),
        **changes,
    }


def line(**changes: Any) -> dict[str, Any]:
    return {
        "dataAreaId": "usmf",
        "HeaderReference": "BW1",
        "NetAmount": Decimal(100),
        **changes,
    }


def posted(**changes: Any) -> dict[str, Any]:
    """The invoice of `header`, posted."""
    return {
        "dataAreaId": "usmf",
        "InternalInvoiceId": "BW1",
        "Description": f"Basware {ID}",
        "CurrencyCode": "USD",
        "InvoiceAmount": Decimal("107.25"),
        "SumTax": Decimal("7.25"),
        "LedgerVoucher": "APIN-1",
        **changes,
    }


def transaction(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "dataAreaId": "usmf",
        "SourceKey": number,
        "TransType": "Payment",
        "Voucher": f"APPM-{number}",
        "CurrencyCode": "USD",
        **fields,
    }


def settlement(number: int, side: int, other: int, amount: str, day: str) -> dict[str, Any]:
    return {
        "SourceKey": number,
        "TransCompany": "usmf",
        "OffsetCompany": "usmf",
        "TransRecId": side,
        "OffsetRecid": other,
        "SettleAmountCur": Decimal(amount),
        "TransDate": f"{day}T12:00:00Z",
    }


def paying(*amounts: str, **fields: Any) -> Books:
    """The posted invoice, each amount paid by a payment of its own, on 1, 2, 3, … April."""
    invoice = transaction(1, TransType="Purch", Voucher="APIN-1")
    days = [f"2026-04-{number:02d}" for number in range(1, len(amounts) + 1)]
    settlements = []
    for number, (amount, day) in enumerate(zip(amounts, days, strict=True), 2):
        settlements += [
            settlement(10 * number, 1, number, f"-{amount}", day),
            settlement(10 * number + 1, number, 1, amount, day),
        ]
    return Books(
        posted=[posted()],
        posted_lines=[{"dataAreaId": "usmf", "InternalInvoiceId": "BW1", "LineAmount": 100}],
        transactions=[invoice, *(transaction(n, **fields) for n in range(2, len(amounts) + 2))],
        settlements=settlements,
    )


def told(*payments: tuple[str, str], status: str = "Paid") -> dict[str, Any]:
    """The invoice with a payment response for each cumulative total and day."""
    responses = [
        {"success": True, "paidTotal": Decimal(total), "paymentDate": f"{day}T00:00:00Z"}
        for total, day in payments
    ]
    return document(processingStatus=status, paymentResponses=responses)


def compared(document: dict[str, Any], books: Books) -> Reconciliation:
    return reconcile([document], books, COMPANIES)


def test_one_invoice_held_once_and_confirmed_reconciles() -> None:
    result = reconcile([document()], Books([header()], [line()]), COMPANIES)
    assert result.problems == []
    totals = result.totals["usmf", "USD"]
    assert (totals.approved, totals.delivered, totals.confirmed) == (1, 1, 1)
    assert totals.delivered_sum == Decimal("107.25")
    assert render(result).endswith("\nreconciled: yes")


def test_rejected_with_a_reason_reconciles() -> None:
    failed = document(
        processingStatus="TransferFailed", transferResponses=[{"responseMessage": "no vendor"}]
    )
    result = reconcile([failed], Books(), COMPANIES)
    assert result.problems == []
    assert result.rejections == [("usmf", "INV-1", "no vendor")]


@pytest.mark.parametrize(
    ("documents", "headers", "lines", "problem"),
    [
        ([document()], [], [], "holds it 0 times"),
        (
            [document()],
            [header(), header(HeaderReference="BW2")],
            [line(), line(HeaderReference="BW2")],
            "holds it 2 times",
        ),
        ([document()], [header(ImportedAmount=Decimal(107))], [line()], "gross amount is 107"),
        ([document()], [header()], [], "number of lines is 0"),
        ([document()], [header()], [line(NetAmount=Decimal(99))], "lines plus tax"),
        ([document()], [header(Currency="EUR")], [line()], "currency is EUR"),
        ([document()], [header(dataAreaId="demf")], [line(dataAreaId="demf")], "legal entity"),
        ([document(processingStatus="WaitingForTransfer")], [], [], "still WaitingForTransfer"),
        ([document(processingStatus="TransferFailed")], [header()], [line()], "rejected, but"),
        ([document(processingStatus="TransferFailed")], [], [], "without a reason"),
        ([], [header()], [line()], "which Basware did not offer"),
        ([], [header(InvoiceDescription="by hand")], [line()], "names no Basware invoice"),
    ],
)
def test_every_disagreement_is_named(
    documents: list[Any], headers: list[Any], lines: list[Any], problem: str
) -> None:
    result = reconcile(documents, Books(headers, lines), COMPANIES)
    assert any(problem in text for text in result.problems), result.problems
    assert render(result).endswith("\nreconciled: no")


class TestPayments:
    def test_a_posted_invoice_is_held_as_a_pending_one(self) -> None:
        result = compared(document(), paying())
        assert result.problems == []
        assert result.totals["usmf", "USD"].delivered_sum == Decimal("107.25")

    def test_what_was_paid_in_two_parts_is_shown_as_one_total(self) -> None:
        shown = told(("60.00", "2026-04-01"), ("107.25", "2026-04-02"))
        result = compared(shown, paying("60.00", "47.25"))
        assert result.problems == []
        totals = result.totals["usmf", "USD"]
        assert (totals.paid_in_dynamics, totals.paid_in_basware) == (1, 1)
        assert totals.paid_in_dynamics_sum == totals.paid_in_basware_sum == Decimal("107.25")

    def test_what_was_taken_back_counts_as_not_paid(self) -> None:
        shown = told(("60.00", "2026-04-01"), ("0.00", "2026-04-02"))
        books = paying("60.00")
        back = settlement(99, 2, 1, "-60.00", "2026-04-02")
        result = compared(
            shown, Books(**{**vars(books), "settlements": [*books.settlements, back]})
        )
        assert result.problems == []
        assert result.totals["usmf", "USD"].paid_in_dynamics == 0

    @pytest.mark.parametrize(
        ("shown", "amounts", "problem"),
        [
            (document(), ("107.25",), "Basware shows no payment"),
            (told(("107.24", "2026-04-01")), ("107.25",), "paid 107.25, Basware shows 107.24"),
            (told(("107.25", "2026-04-03")), ("107.25",), "payment on 2026-04-01"),
            (told(("60", "2026-04-01")), ("60", "47.25"), "paid 107.25, Basware shows 60"),
            (told(("60", "2026-04-01"), status="Transferred"), ("60",), "but Transferred"),
            (told(("107.25", "2026-04-01")), (), "Dynamics none"),
            (document(processingStatus="Paid"), (), "Dynamics none"),
        ],
    )
    def test_every_difference_is_named(
        self, shown: dict[str, Any], amounts: tuple[str, ...], problem: str
    ) -> None:
        result = compared(shown, paying(*amounts))
        assert any(problem in text for text in result.problems), result.problems

    def test_a_payment_in_another_currency_cannot_be_counted(self) -> None:
        with pytest.raises(ValueError, match="not in the currency"):
            compared(document(), paying("100", CurrencyCode="EUR"))


class TestCoding:
    @staticmethod
    def masters() -> dict[str, list[dict[str, Any]]]:
        places = [{"companyCode": "1000", "active": True}, {"companyCode": "2000", "active": False}]
        return {
            "vendors": [{"vendorCode": "V1", "companies": [{"companyCode": "1000"}]}],
            "paymentTerms": [{"paymentTermCode": "30N", "companies": places}],
            "accounts": [{"accountCode": "6000", "companies": places}],
            "costCenters": [{"costCenterCode": "CC", "companies": places}],
            "projects": [{"projectCode": "P", "companies": places}],
            "taxCodes": [{"taxCode": "T", "companies": places}],
            "lists/ACC_LIST_1": [{"text_1": "001", "companies": places}],
            "lists/ACC_LIST_2": [{"text_1": "22", "companies": places}],
            "matchingOrders": [{"externalCode": "o", "orderNumber": "PO", "companyCode": "1000"}],
            "matchingOrderLines": [{"orderExternalCode": "o", "lineNumber": "1"}],
        }

    @staticmethod
    def coded(**changes: Any) -> dict[str, Any]:
        row = {
            "accountCode": "6000",
            "costCenterCode": "CC",
            "projectCode": "P",
            "taxCode": "T",
            "businessUnitCode": "001",
            "dimCode1": "22",
            "orderNumber": "PO",
            "orderLineNumber": "1",
        }
        row |= {name: changes.pop(name) for name in list(changes) if name in row}
        fields = {"supplierCode": "V1", "paymentTermCode": "30N", "codingRows": [row]}
        return document(**(fields | changes))

    def test_values_that_are_held_and_active_are_no_problem(self) -> None:
        assert coding_problems([self.coded()], self.masters()) == []

    @pytest.mark.parametrize(
        "field",
        [
            "supplierCode",
            "paymentTermCode",
            "accountCode",
            "costCenterCode",
            "projectCode",
            "taxCode",
            "businessUnitCode",
            "dimCode1",
            "orderNumber",
        ],
    )
    def test_an_unknown_value_is_named(self, field: str) -> None:
        problems = coding_problems([self.coded(**{field: "??"})], self.masters())
        assert any(f"company 1000: {field} ?? is not active" in text for text in problems)

    def test_an_unknown_order_line_is_named(self) -> None:
        [problem] = coding_problems([self.coded(orderLineNumber="2")], self.masters())
        assert "order line PO/2" in problem

    def test_what_is_active_elsewhere_is_not_active_here(self) -> None:
        problems = coding_problems([self.coded(companyCode="2000")], self.masters())
        assert len(problems) == 10

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("vendors", {"processingStatus": {"active": False}}),
            ("matchingOrders", {"isClosed": True}),
            ("matchingOrderLines", {"isDeleted": True}),
        ],
    )
    def test_what_is_off_is_not_active(self, name: str, change: dict[str, Any]) -> None:
        masters = self.masters()
        masters[name][0].update(change)
        assert len(coding_problems([self.coded()], masters)) == 1

    def test_many_invoices_with_one_wrong_value_are_one_line(self) -> None:
        documents = [self.coded(invoiceId=str(n), accountCode="1") for n in range(7)]
        [problem] = coding_problems(documents, self.masters())
        assert "7 invoices" in problem
