"""Whether an invoice number is used already, by the policy of the legal entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.values import Value


def fiscal_year(state: D365State, company: str, day: str) -> tuple[str, str]:
    """First and last day (ISO) of the fiscal year of `day`; the calendar year if none is kept."""
    ledger = state.first("Ledgers", LegalEntityId=company)
    calendar = ledger.values["FiscalCalendar"] if ledger else ""
    for record in state.find("FiscalCalendarYears", Calendar=calendar):
        first, last = str(record.values["StartDate"]), str(record.values["EndDate"])
        if first[:10] <= day[:10] <= last[:10]:
            return first[:10], last[:10]
    return f"{day[:4]}-01-01", f"{day[:4]}-12-31"


def duplicate_of(
    state: D365State, company: str, invoice: dict[str, Value], *, except_reference: str
) -> bool:
    """Whether the policy refuses the number of `invoice` (a header row) in `company`.

    Pending and posted invoices of the same invoice account count, `except_reference` does not.
    """
    parameters = state.first("VendorParameters", dataAreaId=company)
    policy = parameters.values["IsCheckInvoiceNumberUsed"] if parameters else "NoDuplicate"
    if policy in ("AcceptDuplicate", "WarnDuplicate"):
        return False
    recover = parameters is not None and parameters.values["VendInvoiceInUseRecoverEnable"] == "Yes"
    dates = [] if recover else _pending_dates(state, company, invoice, except_reference)
    dates += _posted_dates(state, company, invoice)
    if policy == "NoDuplicateInYear":
        first, last = fiscal_year(state, company, str(invoice["Date"]))
        return any(first <= day[:10] <= last for day in dates)
    return bool(dates)


def _pending_dates(
    state: D365State, company: str, invoice: dict[str, Value], except_reference: str
) -> list[str]:
    pending = state.find(
        "VendorInvoiceHeaders",
        dataAreaId=company,
        InvoiceAccount=invoice["InvoiceAccount"],
        InvoiceNumber=invoice["InvoiceNumber"],
    )
    return [
        str(record.values["Date"])
        for record in pending
        if str(record.values["HeaderReference"]).lower() != except_reference.lower()
    ]


def _posted_dates(state: D365State, company: str, invoice: dict[str, Value]) -> list[str]:
    posted = state.find(
        "VendInvoiceJourBiEntities",
        dataAreaId=company,
        InvoiceAccount=invoice["InvoiceAccount"],
        InvoiceId=invoice["InvoiceNumber"],
    )
    return [str(record.values["InvoiceDate"]) for record in posted]
