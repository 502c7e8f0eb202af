"""The streams that carry good defaults, as data."""

from __future__ import annotations

from tap_d365fo.composers import (
    AccountCompanies,
    BankAccounts,
    CashDiscounts,
    CompanyLedger,
    InTurn,
    LineOrders,
    ProductReceipts,
    RateCompanies,
)
from tap_d365fo.entity_stream import ChangeFeed, Curated

_ORDER = {"dataAreaId": "dataAreaId", "PurchaseOrderNumber": "PurchId"}

#: Names and addresses live in other tables: a change of those alone does not show here.
VENDOR_FEEDS = (
    ChangeFeed(
        "VendTableBiEntities",
        "SysModifiedDateTime",
        {"dataAreaId": "dataAreaId", "VendorAccountNumber": "AccountNum"},
    ),
)
#: Orders have no timestamp of their changes; those of their lines are the best sign of one. An
#: approval that touches no line waits for the next whole crawl, of lines as of orders.
ORDER_FEEDS = (
    ChangeFeed("PurchTableBiEntities", "CreatedOn", _ORDER),
    ChangeFeed("PurchLineBiEntities", "SysModifiedDateTime", _ORDER),
)
ORDER_LINE_FEEDS = (
    ChangeFeed(
        "PurchLineBiEntities", "SysModifiedDateTime", {**_ORDER, "LineNumber": "LineNumber"}
    ),
    # Receipts carry no timestamp: one that is dated back waits for the next whole crawl.
    ChangeFeed(
        "ProductReceiptLinesV2",
        "ProductReceiptDate",
        {
            "dataAreaId": "dataAreaId",
            "PurchaseOrderNumber": "PurchaseOrderNumber",
            "LineNumber": "PurchaseOrderLineNumber",
        },
    ),
)

CURATED: tuple[Curated, ...] = (
    Curated(
        "legal_entities",
        "LegalEntities",
        composer=CompanyLedger(),
        description="Legal entities with the currencies and the chart of accounts of their ledger.",
    ),
    Curated("currencies", "Currencies", description="Currencies and their rounding."),
    Curated(
        "exchange_rates",
        "ExchangeRates",
        composer=RateCompanies(),
        description="Exchange rates, with the legal entities that convert by them.",
    ),
    Curated(
        "payment_terms",
        "PaymentTerms",
        composer=CashDiscounts(),
        description="Terms of payment with the cash discounts of their legal entity.",
    ),
    Curated(
        "main_accounts",
        "MainAccounts",
        composer=AccountCompanies(),
        description="Main accounts with their legal entities, translations and overrides.",
    ),
    Curated(
        "vendors",
        "VendorsV3",
        composer=BankAccounts(),
        feeds=VENDOR_FEEDS,
        description="Vendors with their bank accounts.",
    ),
    Curated(
        "purchase_order_headers",
        "PurchaseOrderHeadersV2",
        feeds=ORDER_FEEDS,
        description="Purchase orders without their lines.",
    ),
    Curated(
        "purchase_order_lines",
        "PurchaseOrderLinesV2",
        composer=InTurn(ProductReceipts(), LineOrders()),
        feeds=ORDER_LINE_FEEDS,
        description="Purchase order lines with their order and what has been received of them.",
    ),
    Curated("ledgers", "Ledgers", description="The ledger of each legal entity."),
    Curated("charts_of_accounts", "ChartOfAccounts", description="Charts of accounts."),
    Curated(
        "dimension_attributes",
        "DimensionAttributes",
        description="Financial dimensions and where their values come from.",
    ),
    Curated(
        "dimension_formats",
        "DimensionIntegrationFormats",
        description="Order of the segments in dimension strings of data entities.",
    ),
    Curated(
        "dimension_parameters",
        "DimensionParameters",
        description="What separates the segments of dimension strings.",
    ),
    Curated("vendor_groups", "VendorGroups", description="Vendor groups."),
    Curated(
        "vendor_bank_accounts",
        "VendorBankAccounts",
        description="Bank accounts of vendors, with every field.",
    ),
    Curated("cash_discounts", "CashDiscounts", description="Cash discounts."),
    Curated("payment_methods", "VendorPaymentMethods", description="Vendors' methods of payment."),
    Curated("tax_codes", "TaxCodes", description="Sales tax codes."),
    Curated("tax_groups", "TaxGroups", description="Sales tax groups."),
    Curated("item_tax_groups", "TaxItemGroupHeadings", description="Item sales tax groups."),
    Curated("tax_group_codes", "TaxGroupDatas", description="The tax codes of sales tax groups."),
    Curated(
        "item_tax_group_codes",
        "TaxItemGroups",
        description="The tax codes of item sales tax groups.",
    ),
    Curated("exchange_rate_types", "ExchangeRateTypes", description="Types of exchange rates."),
    Curated(
        "procurement_categories",
        "ProcurementProductCategories",
        description="Procurement categories.",
    ),
    Curated(
        "product_receipt_headers",
        "ProductReceiptHeaders",
        description="Product receipts without their lines.",
    ),
    Curated(
        "product_receipt_lines",
        "ProductReceiptLinesV2",
        description="Lines of product receipts, with every field.",
    ),
    Curated(
        "vendor_transactions",
        "VendTransBiEntities",
        replication_key="SysModifiedDateTime",
        description="Posted vendor transactions: invoices, payments, corrections.",
    ),
    Curated(
        "vendor_settlements",
        "VendSettlementBiEntities",
        replication_key="CreatedOn",
        description="Which vendor transaction settled which.",
    ),
    Curated(
        "posted_invoices",
        "VendInvoiceJourBiEntities",
        replication_key="SysModifiedDateTime",
        description="Posted vendor invoices.",
    ),
)
