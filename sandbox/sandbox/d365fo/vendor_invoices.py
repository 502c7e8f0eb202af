"""Pending vendor invoices: what their headers must look like, and what goes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.d365fo.dimensions import check_default_dimensions
from sandbox.d365fo.duplicates import duplicate_of
from sandbox.d365fo.infolog import field_invalid, row_invalid
from sandbox.d365fo.rules import Change, EntityRules, Reference
from sandbox.d365fo.values import date_text, is_null_date

if TYPE_CHECKING:
    from sandbox.d365fo.state import D365State
    from sandbox.d365fo.tables import Record

HEADERS = "VendorInvoiceHeaders"
LINES = "VendorInvoiceLines"
POSTED = "VendInvoiceJourBiEntities"
HEADER_TABLE = "VendInvoiceInfoTable"
HEADER_TABLE_LABEL = "Pending vendor invoice"
REFERENCE_LABEL = "Invoice identification"
# What belongs to a header and goes with it.
PARTS = (
    LINES,
    "VendorInvoiceHeaderCharges",
    "VendorInvoiceLineCharges",
    "VendorInvoiceDocumentAttachments",
)
VENDOR = Reference("VendorsV3", "VendorAccountNumber", "Vendors")
CURRENCY = Reference("Currencies", "CurrencyCode", "Currencies")
SALES_TAX_GROUP = Reference("TaxGroups", "TaxGroupCode", "Sales tax groups")
ITEM_SALES_TAX_GROUP = Reference(
    "TaxItemGroupHeadings", "TaxItemGroup", "Item sales tax groups", "Item sales tax group"
)
PURCHASE_ORDER = Reference(
    "PurchaseOrderHeadersV2", "PurchaseOrderNumber", "Purchase orders", "Purchase order"
)
HEADER = Reference(HEADERS, "HeaderReference", HEADER_TABLE_LABEL, REFERENCE_LABEL)
_BLOCKING_HOLDS = ("Invoice", "All")


def header_of(state: D365State, company: str, reference: str) -> Record | None:
    """The pending invoice with this HeaderReference."""
    return state.find_key(HEADERS, {"dataAreaId": company, "HeaderReference": reference})


def parts_of(state: D365State, name: str, header: Record) -> list[Record]:
    """The lines, charges or attachments of a header."""
    values = header.values
    return state.find(
        name, dataAreaId=values["dataAreaId"], HeaderReference=values["HeaderReference"]
    )


def remove_parts(state: D365State, header: Record) -> None:
    """Lines, charges and attachments go with their header."""
    for name in PARTS:
        for record in parts_of(state, name, header):
            state.delete(name, record)


def _draw_reference(change: Change) -> None:
    if not change.values["HeaderReference"]:
        change.values["HeaderReference"] = _next_reference(change.state, change.company)
        change.sent.discard("HeaderReference")  # an empty one is as good as none


def _next_reference(state: D365State, company: str) -> str:
    if not state.switches.continuous_numbers:
        return state.sequences.invoice_reference(company)
    posted = {
        record.values["InternalInvoiceId"] for record in state.find(POSTED, dataAreaId=company)
    }
    return state.sequences.free_invoice_reference(
        lambda number: number in posted or header_of(state, company, number) is not None
    )


def _validate_field(change: Change, name: str) -> None:
    if name == "HeaderReference" and change.old is None:
        _check_manual_number(change)
    elif name == "InvoiceAccount":
        _check_hold(change)
    elif name == "DimensionDisplayValue":
        check_default_dimensions(change, name)


def _check_manual_number(change: Change) -> None:
    reference = change.text("HeaderReference")
    if reference and not change.state.switches.manual_header_reference:
        text = f"The number sequence for '{REFERENCE_LABEL}' does not allow the number {reference}"
        raise field_invalid(change.entity, "HeaderReference", f"{text} to be entered manually")


def _check_hold(change: Change) -> None:
    vendor = _vendor(change)
    hold = vendor.values["OnHoldStatus"] if vendor else None
    if hold in _BLOCKING_HOLDS:
        text = f"Vendor account {change.values['InvoiceAccount']} is on hold for '{hold}'"
        raise field_invalid(change.entity, "InvoiceAccount", text, "Error")


def _vendor(change: Change) -> Record | None:
    account = change.values["InvoiceAccount"]
    return change.state.find_key(
        "VendorsV3", {"dataAreaId": change.company, "VendorAccountNumber": account}
    )


def _default_row(change: Change) -> None:
    values = change.values
    if change.old is not None:
        return
    vendor = _vendor(change)
    defaults = {"VendorAccount": values["InvoiceAccount"], "Currency": _currency(change)}
    if vendor is not None:
        defaults["Currency"] = vendor.values["CurrencyCode"] or defaults["Currency"]
        defaults["VendorName"] = vendor.values["VendorOrganizationName"]
        defaults["TermsOfPayment"] = vendor.values["DefaultPaymentTermsName"]
        defaults["MethodOfPayment"] = vendor.values["DefaultVendorPaymentMethodName"]
        if values["OverrideSalesTax"] != "Yes":
            defaults["SalesTaxGroup"] = vendor.values["SalesTaxGroupCode"]
    for name, value in defaults.items():
        values[name] = values[name] or value
    if is_null_date(values["Date"]):
        values["Date"] = date_text(change.state.clock.peek())  # the session date


def _currency(change: Change) -> str:
    ledger = change.state.first("Ledgers", LegalEntityId=change.company)
    return str(ledger.values["AccountingCurrency"]) if ledger else ""


def _validate_write(change: Change) -> None:
    parameters = change.state.first("VendorParameters", dataAreaId=change.company)
    required = parameters and parameters.values["RequireDocumentDateOnVendorInvoice"] == "Error"
    if required and is_null_date(change.values["InvoiceDate"]):
        raise row_invalid(change.entity, HEADER_TABLE, "Field 'Invoice date' must be filled in")
    if change.state.switches.duplicate_check == "entry" and duplicate_of(
        change.state,
        change.company,
        change.values,
        except_reference=change.text("HeaderReference") if change.old else "",
    ):
        number, account = change.values["InvoiceNumber"], change.values["InvoiceAccount"]
        text = f"Invoice number {number} already exists for vendor account {account}"
        raise field_invalid(change.entity, "InvoiceNumber", text)


HEADER_RULES = EntityRules(
    table=HEADER_TABLE,
    table_label=HEADER_TABLE_LABEL,
    key_label=REFERENCE_LABEL,
    labels={"HeaderReference": REFERENCE_LABEL, "Date": "Posting date"},
    references={
        "InvoiceAccount": VENDOR,
        "VendorAccount": VENDOR,
        "Currency": CURRENCY,
        "TermsOfPayment": Reference("PaymentTerms", "Name", "Terms of payment"),
        "MethodOfPayment": Reference("VendorPaymentMethods", "Name", "Methods of payment"),
        "SalesTaxGroup": SALES_TAX_GROUP,
        "CashDiscountCode": Reference("CashDiscounts", "CashDiscountCode", "Cash discounts"),
        "PurchaseOrderNumber": PURCHASE_ORDER,
    },
    init_value=_draw_reference,
    validate_field=_validate_field,
    default_row=_default_row,
    validate_write=_validate_write,
    after_delete=remove_parts,
)
