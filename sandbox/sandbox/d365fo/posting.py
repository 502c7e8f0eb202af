"""Posting a pending vendor invoice, as Dynamics does it later on by itself."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from sandbox.d365fo.duplicates import duplicate_of
from sandbox.d365fo.vendor_invoices import LINES, header_of, parts_of, remove_parts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record
    from sandbox.d365fo.values import Value

_CENT = Decimal("0.01")
_FACTORS = {"One": 1, "Ten": 10, "Hundred": 100, "Thousand": 1_000, "TenThousand": 10_000}


class PostingError(Exception):
    """Dynamics refuses to post, or to pay; the text says why."""


def post_invoice(state: D365State, company: str, reference: str) -> str:
    """Turn a pending invoice into a posted one; returns the voucher.

    The pending rows go; journal header, journal lines and a vendor transaction come. The amount is
    that of the lines plus `ImportedSalesTax`. Raises PostingError.
    """
    with state.store.transaction():
        header = header_of(state, company.lower(), reference)
        if header is None:
            msg = f"no pending invoice {reference} in {company}"
            raise PostingError(msg)
        _refuse_unpostable(state, header)
        lines = parts_of(state, LINES, header)
        voucher = state.sequences.voucher("APIN", company.lower())
        _journal_header(state, header, lines, voucher)
        for line in lines:
            _journal_line(state, header, line)
        _invoice_transaction(state, header, lines, voucher)
        state.delete("VendorInvoiceHeaders", header)
        remove_parts(state, header)
    return voucher


def _refuse_unpostable(state: D365State, header: Record) -> None:
    values = header.values
    company, reference = str(values["dataAreaId"]), str(values["HeaderReference"])
    if not parts_of(state, LINES, header):
        msg = f"invoice {reference} has no lines"
        raise PostingError(msg)
    if values["IsOnHold"] == "Yes":
        msg = f"invoice {reference} is on hold"
        raise PostingError(msg)
    if duplicate_of(state, company, dict(values), except_reference=reference):
        msg = f"invoice number {values['InvoiceNumber']} is used for {values['InvoiceAccount']}"
        raise PostingError(msg)
    _refuse_closed_period(state, company, str(values["Date"]))


def _refuse_closed_period(state: D365State, company: str, day: str) -> None:
    """Periods are checked here and not on entry; a day without a period is open."""
    for period in state.find("LedgerFiscalPeriods", LegalEntityId=company):
        bounds = state.first(
            "FiscalPeriods",
            Calendar=period.values["Calendar"],
            FiscalYear=period.values["YearName"],
            PeriodName=period.values["PeriodName"],
        )
        if bounds is None or period.values["PeriodStatus"] == "Open":
            continue
        first, last = str(bounds.values["StartDate"]), str(bounds.values["EndDate"])
        if first[:10] <= day[:10] <= last[:10]:
            msg = f"period {period.values['PeriodName']} of {company} is not open"
            raise PostingError(msg)


def _total(header: Record, lines: list[Record]) -> Decimal:
    tax = amount_of(header, "ImportedSalesTax")
    return sum((amount_of(line, "NetAmount") for line in lines), tax)


def _journal_header(state: D365State, header: Record, lines: list[Record], voucher: str) -> None:
    values = header.values
    total = _total(header, lines)
    kept = values["InvoiceDescription"] if state.switches.keep_description else ""
    state.insert(
        "VendInvoiceJourBiEntities",
        _copied(
            values,
            {
                "dataAreaId": "dataAreaId",
                "InvoiceId": "InvoiceNumber",
                "InvoiceAccount": "InvoiceAccount",
                "OrderAccount": "VendorAccount",
                "PurchId": "PurchaseOrderNumber",
                "InvoiceDate": "Date",
                "DocumentDate": "InvoiceDate",
                "ReceivedDate": "InvoiceReceivedDate",
                "DueDate": "DueDate",
                "DocumentNum": "DocumentNumber",
                "CurrencyCode": "Currency",
                "Payment": "TermsOfPayment",
                "TaxGroup": "SalesTaxGroup",
                "ImportedAmount": "ImportedAmount",
                "ImportedSalesTax": "ImportedSalesTax",
                "SumTax": "ImportedSalesTax",
                "InternalInvoiceId": "HeaderReference",
            },
        )
        | {
            "InvoiceAmount": total,
            "InvoiceAmountMST": _accounting_amount(state, values, total),
            "SalesBalance": total - amount_of(header, "ImportedSalesTax"),
            "LedgerVoucher": voucher,
            "Description": kept,
        },
    )


def _journal_line(state: D365State, header: Record, line: Record) -> None:
    state.insert(
        "VendInvoiceTransBiEntities",
        _copied(
            line.values,
            {
                "dataAreaId": "dataAreaId",
                "LineNum": "InvoiceLineNumber",
                "PurchID": "PurchaseOrder",
                "OrigPurchId": "PurchaseOrder",
                "PurchaseLineLineNumber": "PurchLineNumber",
                "ItemId": "ItemNumber",
                "Name": "LineDescription",
                "Description": "LineDescription",
                "Qty": "ReceiveNow",
                "PurchUnit": "Unit",
                "PurchPrice": "UnitPrice",
                "PriceUnit": "PriceUnit",
                "LineAmount": "NetAmount",
                "CurrencyCode": "Currency",
                "TaxGroup": "SalesTaxGroup",
                "TaxItemGroup": "ItemSalesTax",
            },
        )
        | {
            "InvoiceId": header.values["InvoiceNumber"],
            "InvoiceDate": header.values["Date"],
            "InternalInvoiceId": header.values["HeaderReference"],
            "LineAmountMST": _accounting_amount(state, header.values, amount_of(line, "NetAmount")),
        },
    )


def _invoice_transaction(
    state: D365State, header: Record, lines: list[Record], voucher: str
) -> None:
    amount = -_total(header, lines)  # what is owed is a credit
    state.insert(
        "VendTransBiEntities",
        _copied(
            header.values,
            {
                "dataAreaId": "dataAreaId",
                "AccountNum": "InvoiceAccount",
                "Invoice": "InvoiceNumber",
                "TransDate": "Date",
                "DocumentDate": "InvoiceDate",
                "DueDate": "DueDate",
                "DocumentNum": "DocumentNumber",
                "CurrencyCode": "Currency",
                "PaymTermId": "TermsOfPayment",
                "PaymMode": "MethodOfPayment",
                "PaymId": "PaymentId",
                "Approved": "IsApproved",
                "Txt": "InvoiceDescription",
            },
        )
        | {
            "TransType": "Purch",
            "Voucher": voucher,
            "AmountCur": amount,
            "AmountMST": _accounting_amount(state, header.values, amount),
        },
    )


def _accounting_amount(state: D365State, header: Mapping[str, Value], amount: Decimal) -> Decimal:
    """`amount` in the accounting currency of the company, at the rate of the posting date."""
    company, currency, day = (str(header[name]) for name in ("dataAreaId", "Currency", "Date"))
    exact = amount * accounting_rate(state, company, currency, day)
    return exact.quantize(_CENT, ROUND_HALF_UP)


def accounting_rate(state: D365State, company: str, currency: str, day: str) -> Decimal:
    """How much of the company's accounting currency one unit of `currency` is on a day.

    Raises PostingError where no rate is known.
    """
    ledger = state.first("Ledgers", LegalEntityId=company)
    if ledger is None or ledger.values["AccountingCurrency"] == currency:
        return Decimal(1)
    rates = state.find(
        "ExchangeRates",
        RateTypeName=ledger.values["ExchangeRateType"],
        FromCurrency=currency,
        ToCurrency=ledger.values["AccountingCurrency"],
    )
    known = [rate for rate in rates if str(rate.values["StartDate"]) <= day]
    if not known:
        msg = f"no exchange rate from {currency} in {company}"
        raise PostingError(msg)
    rate = max(known, key=lambda record: str(record.values["StartDate"])).values
    return Decimal(str(rate["Rate"])) / _FACTORS[str(rate["ConversionFactor"])]


def _copied(source: Mapping[str, Value], names: Mapping[str, str]) -> dict[str, Value]:
    return {name: source[source_name] for name, source_name in names.items()}


def amount_of(record: Record, name: str) -> Decimal:
    """An amount field."""
    value = record.values[name]
    return value if isinstance(value, Decimal) else Decimal(0)
