"""Rows of F&O as tap-d365fo composes them, and a mapping to read them by."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from ap_mapping import parse_mapping
from target_basware.masters import MAPPERS, Entity

Row = dict[str, Any]

TODAY = date(2026, 3, 2)
NONE, EVER = "1900-01-01T12:00:00Z", "2154-12-31T12:00:00Z"
YESTERDAY, TOMORROW = "2026-03-01T12:00:00Z", "2026-03-03T12:00:00Z"

TEXT = """
version: 1
companies:
  1000: {legal_entity: usmf}
  1010: {legal_entity: usmf}
  2000: {legal_entity: demf}
dimensions:
  CostCenter: {coding_field: costCenterCode, import: costCenters, values: {"9": CC-9}}
  Project: {coding_field: projectCode, import: projects}
  Region: {coding_field: dimCode3, import: lists/ACC_LIST_11}
  Purpose: {coding_field: dimCode4}
main_accounts: {values: {"4711": "618160"}}
vendors: {values: {OLD-7: US-107}}
currencies: {values: {STG: GBP}}
units: {values: {H87: ea}}
tax_codes:
  US07: {sales_tax_group: US-CA, item_sales_tax_group: FULL}
  EX: {sales_tax_group: US-EX, item_sales_tax_group: EXEMPT}
  EX2: {sales_tax_group: US-EX, item_sales_tax_group: EXEMPT}
payment_terms: {30N: Net30, 30D: {term: Net30, cash_discount: 2%D7}, EOM: EOM}
payment_methods: {BankTransfer: ELECTRONIC}
masters: {order_line_dimensions: [CostCenter, Purpose]}
legal_entities:
  demf:
    dimensions:
      Project: null
      CostCenter: {coding_field: dimCode1, import: lists/ACC_LIST_2, code_column: text_3,
                   list_content: Dimension1}
    masters: {one_time_vendors: false, inherit: true}
"""
MAPPING = parse_mapping(TEXT)


def mapped(stream: str, row: Row, text: str = "") -> list[Entity]:
    """Return what the mapper of a stream makes of a row, by `MAPPING` or another text."""
    return list(MAPPERS[stream](parse_mapping(text) if text else MAPPING, row))


def one(stream: str, row: Row, text: str = "") -> Row:
    """Return the content of the only entity."""
    (entity,) = mapped(stream, row, text)
    return entity.content


def companies(content: Row) -> dict[str, bool]:
    """Return company -> active."""
    return {item["companyCode"]: item["active"] for item in content["companies"]}


def account(**fields: Any) -> Row:
    return {
        "ChartOfAccounts": "Shared",
        "MainAccountId": "605100",
        "Name": "Office supplies",
        "MainAccountType": "Expense",
        "IsSuspended": "No",
        "DoNotAllowManualEntry": "No",
        "ActiveFrom": NONE,
        "ActiveTo": EVER,
        "LegalEntities": ["usmf", "demf", "frrt"],
        "Translations": [],
        "LegalEntityOverrides": [],
        **fields,
    }


def value(**fields: Any) -> Row:
    return {
        "FinancialDimension": "CostCenter",
        "LegalEntityId": "",
        "DimensionValue": "CC-01",
        "Description": "Sales",
        "IsSuspended": "No",
        "IsBlockedForManualEntry": "No",
        "IsTotal": "No",
        "ActiveFrom": NONE,
        "ActiveTo": NONE,
        "Source": "FinancialDimensionValues",
        "Translations": [],
        "LegalEntityOverrides": [],
        **fields,
    }


def vendor(**fields: Any) -> Row:
    return {
        "dataAreaId": "usmf",
        "VendorAccountNumber": "US-101",
        "VendorOrganizationName": "Fabrikam Inc.",
        "CurrencyCode": "USD",
        "DefaultPaymentTermsName": "Net30",
        "CashDiscountCode": "",
        "DefaultVendorPaymentMethodName": "ELECTRONIC",
        "OnHoldStatus": "No",
        "IsOneTimeVendor": "No",
        "BankAccountId": "",
        "BankAccounts": [],
        **fields,
    }


def bank(**fields: Any) -> Row:
    return {
        "dataAreaId": "usmf",
        "VendorAccountNumber": "US-101",
        "VendorBankAccountId": "MAIN",
        "BankName": "First Bank",
        "IBAN": "",
        "BankAccountNumber": "1234567890",
        "SWIFTCode": "CHASUS33",
        "CurrentCurrencyCode": "",
        "IsDefaultBankAccount": "No",
        "ActiveDate": NONE,
        "ExpirationDate": NONE,
        **fields,
    }


def term(**fields: Any) -> Row:
    return {
        "dataAreaId": "usmf",
        "Name": "Net30",
        "Description": "Net 30 days",
        "PaymentMethodType": "Net",
        "NumberOfDays": 30,
        "NumberOfMonths": 0,
        "PaymentDayName": "",
        "PaymentScheduleName": "",
        "VendorDueDateUpdatePolicy": "NoUpdate",
        "CashDiscounts": [discount()],
        **fields,
    }


def discount(**fields: Any) -> Row:
    return {
        "dataAreaId": "usmf",
        "CashDiscountCode": "2%D7",
        "Description": "2 % within 7 days",
        "Percent": Decimal(2),
        "NumberOfDays": 7,
        "NumberOfMonths": 0,
        "DiscountMethod": "Net",
        "NextCashDiscountCode": "",
        **fields,
    }


def order(**fields: Any) -> Row:
    return {
        "dataAreaId": "demf",
        "PurchaseOrderNumber": "PO-1",
        "PurchaseOrderName": "Weiß AG",
        "OrderVendorAccountNumber": "DE-1",
        "InvoiceVendorAccountNumber": "DE-2",
        "CurrencyCode": "EUR",
        "PaymentTermsName": "Net30",
        "CashDiscountCode": "",
        "PurchaseOrderStatus": "Backorder",
        "DocumentApprovalStatus": "Confirmed",
        "AccountingDate": "2026-01-31T12:00:00Z",
        "RequestedDeliveryDate": NONE,
        **fields,
    }


def line(**fields: Any) -> Row:
    return {
        "dataAreaId": "demf",
        "PurchaseOrderNumber": "PO-1",
        "LineNumber": 1,
        "ItemNumber": "M1",
        "LineDescription": "Paper",
        "OrderedPurchaseQuantity": Decimal(10),
        "PurchaseUnitSymbol": "ea",
        "PurchasePrice": Decimal("12.5"),
        "PurchasePriceQuantity": Decimal(1),
        "LineAmount": Decimal(125),
        "SalesTaxGroupCode": "US-CA",
        "SalesTaxItemGroupCode": "FULL",
        "MainAccountIdDisplayValue": "618160",
        "DefaultLedgerDimensionDisplayValue": r"CC\-01-",
        "PurchaseOrderLineStatus": "Backorder",
        "IsDeleted": "No",
        "VendorInvoiceMatchingPolicy": "ThreeWayMatch",
        "AllowedOverdeliveryPercentage": Decimal(0),
        "RequestedDeliveryDate": NONE,
        "ProductReceipts": [],
        **fields,
    }


def receipt(**fields: Any) -> Row:
    return {
        "dataAreaId": "demf",
        "RecordId": 5637144577,
        "ProductReceiptNumber": "GR-1",
        "LineNumber": Decimal("1.0000"),
        "ReceivedPurchaseQuantity": Decimal(4),
        "PurchaseUnitSymbol": "ea",
        "ProductReceiptDate": "2026-02-12T12:00:00Z",
        **fields,
    }


EXEMPT: Row = {
    "dataAreaId": "usmf",
    "TaxGroup": "US-EX",
    "TaxItemGroup": "EXEMPT",
    "Percentage": None,
}
TAXED: Row = {
    "dataAreaId": "usmf",
    "TaxGroup": "US-CA",
    "TaxItemGroup": "FULL",
    "TaxGroupDescription": "California",
    "TaxItemGroupName": "Full rate",
    "TaxCodes": ["CAST725"],
    "Percentage": Decimal("7.25"),
    "ExemptTax": False,
}
LEGAL_ENTITY: Row = {
    "LegalEntityId": "DEMF",
    "Name": "Contoso Deutschland",
    "LanguageId": "de",
    "VATNum": "DE 811569869",
    "AddressStreet": "Leopoldstraße 1\nHinterhaus\n2. Stock\nlinks",
    "AddressCity": "München",
    "AddressCountryRegionId": "DEU",
    "AddressCountryRegionISOCode": "DE",
    "Ledger": {"AccountingCurrency": "EUR", "ChartOfAccounts": "SKR04"},
}
RATE: Row = {
    "RateTypeName": "Default",
    "FromCurrency": "EUR",
    "ToCurrency": "USD",
    "StartDate": "2026-01-01T12:00:00Z",
    "Rate": Decimal("108.25"),
    "ConversionFactor": "Hundred",
    "LegalEntities": ["usmf", "frrt"],
}
