"""The reconciliation finds every way in which the two systems can disagree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from sandbox.reconciliation import reconcile, render

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


def test_one_invoice_held_once_and_confirmed_reconciles() -> None:
    result = reconcile([document()], [header()], [line()], COMPANIES)
    assert result.problems == []
    totals = result.totals["usmf", "USD"]
    assert (totals.approved, totals.delivered, totals.confirmed) == (1, 1, 1)
    assert totals.delivered_sum == Decimal("107.25")
    assert render(result).endswith("\nreconciled: yes")


def test_rejected_with_a_reason_reconciles() -> None:
    failed = document(
        processingStatus="TransferFailed", transferResponses=[{"responseMessage": "no vendor"}]
    )
    result = reconcile([failed], [], [], COMPANIES)
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
    result = reconcile(documents, headers, lines, COMPANIES)
    assert any(problem in text for text in result.problems), result.problems
    assert render(result).endswith("\nreconciled: no")
