"""Entity sets that only show rows of others: the reporting views of invoices, vendors, orders."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.d365fo.values import Value, default

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sandbox.d365fo.model import Model
    from sandbox.d365fo.tables import Record


@dataclass(frozen=True)
class View:
    """`fields`: field of the view -> field of the source; without it, the names they share."""

    source: str
    fields: Mapping[str, str] | None = None


VIEWS: Mapping[str, View] = {
    "VendInvoiceInfoTableBiEntities": View(
        "VendorInvoiceHeaders",
        {
            "dataAreaId": "dataAreaId",
            "SysDataAreaId": "dataAreaId",
            "TableRefId": "HeaderReference",
            "Num": "InvoiceNumber",
            "InvoiceAccount": "InvoiceAccount",
            "OrderAccount": "VendorAccount",
            "PurchId": "PurchaseOrderNumber",
            "PurchName": "VendorName",
            "TransDate": "Date",
            "DocumentDate": "InvoiceDate",
            "DocumentNum": "DocumentNumber",
            "ReceivedDate": "InvoiceReceivedDate",
            "FixedDueDate": "DueDate",
            "CurrencyCode": "Currency",
            "Description": "InvoiceDescription",
            "Payment": "TermsOfPayment",
            "PaymMode": "MethodOfPayment",
            "TaxGroup": "SalesTaxGroup",
            "ImportedAmount": "ImportedAmount",
            "ImportedSalesTax": "ImportedSalesTax",
            "RequestStatus": "VendorInvoiceReviewStatus",
            "Approved": "IsApproved",
            "Hold": "IsOnHold",
        },
    ),
    "VendInvoiceInfoLineBiEntities": View(
        "VendorInvoiceLines",
        {
            "dataAreaId": "dataAreaId",
            "SysDataAreaId": "dataAreaId",
            "TableRefId": "HeaderReference",
            "InvoiceLineNum": "InvoiceLineNumber",
            "LineNum": "InvoiceLineNumber",
            "InvoiceAccount": "InvoiceAccount",
            "OrderAccount": "VendorAccount",
            "OrigPurchId": "PurchaseOrder",
            "PurchaseLineLineNumber": "PurchLineNumber",
            "ItemId": "ItemNumber",
            "Description": "LineDescription",
            "ReceiveNow": "ReceiveNow",
            "PurchUnit": "Unit",
            "PurchPrice": "UnitPrice",
            "PriceUnit": "PriceUnit",
            "LineAmount": "NetAmount",
            "currencyCode": "Currency",
            "TaxGroup": "SalesTaxGroup",
            "TaxItemGroup": "ItemSalesTax",
        },
    ),
    # The older and the newer entity read the same vendors.
    "VendorsV2": View("VendorsV3"),
    "VendTableBiEntities": View(
        "VendorsV3",
        {
            "dataAreaId": "dataAreaId",
            "AccountNum": "VendorAccountNumber",
            "VendGroup": "VendorGroupId",
            "Currency": "CurrencyCode",
            "Blocked": "OnHoldStatus",
            "InvoiceAccount": "InvoiceVendorAccountNumber",
            "PaymTermId": "DefaultPaymentTermsName",
            "PaymMode": "DefaultVendorPaymentMethodName",
        },
    ),
    "PurchTableBiEntities": View(
        "PurchaseOrderHeadersV2",
        {
            "dataAreaId": "dataAreaId",
            "SysDataAreaId": "dataAreaId",
            "PurchId": "PurchaseOrderNumber",
            "PurchName": "PurchaseOrderName",
            "OrderAccount": "OrderVendorAccountNumber",
            "InvoiceAccount": "InvoiceVendorAccountNumber",
            "CurrencyCode": "CurrencyCode",
            "Payment": "PaymentTermsName",
            "PaymMode": "VendorPaymentMethodName",
            "TaxGroup": "SalesTaxGroupCode",
            "AccountingDate": "AccountingDate",
            "DeliveryDate": "RequestedDeliveryDate",
            "LanguageId": "LanguageId",
            "PurchStatus": "PurchaseOrderStatus",
            "DocumentState": "DocumentApprovalStatus",
        },
    ),
    "PurchLineBiEntities": View(
        "PurchaseOrderLinesV2",
        {
            "dataAreaId": "dataAreaId",
            "SysDataAreaId": "dataAreaId",
            "InventTransId": "InventoryLotId",
            "PurchId": "PurchaseOrderNumber",
            "LineNumber": "LineNumber",
            "ItemId": "ItemNumber",
            "Name": "LineDescription",
            "PurchQty": "OrderedPurchaseQuantity",
            "PurchUnit": "PurchaseUnitSymbol",
            "PurchPrice": "PurchasePrice",
            "PriceUnit": "PurchasePriceQuantity",
            "LineAmount": "LineAmount",
            "TaxGroup": "SalesTaxGroupCode",
            "TaxItemGroup": "SalesTaxItemGroupCode",
            "DeliveryDate": "RequestedDeliveryDate",
            "PurchStatus": "PurchaseOrderLineStatus",
            "MatchingPolicy": "VendorInvoiceMatchingPolicy",
            "IsDeleted": "IsDeleted",
        },
    ),
}


def show(model: Model, name: str, record: Record) -> Record:
    """`record` of the source set as the view `name` shows it."""
    entity, view = model.sets[name], VIEWS[name]
    source = view.fields or {field: field for field in entity.fields if field in record.values}
    system: dict[str, Value] = {
        "SourceKey": record.rec_id,
        "SysRecVersion": record.rec_version,
        "CreatedOn": record.created_on,
        "SysModifiedDateTime": record.modified_on,
    }
    values: dict[str, Value] = {}
    for field in entity.fields.values():
        if field.name in source:
            values[field.name] = record.values[source[field.name]]
        else:
            values[field.name] = system.get(field.name, default(field, model))
        if field.key and values[field.name] == "":
            # Not every row is loaded with its lot id; the key must tell rows apart all the same.
            values[field.name] = str(record.rec_id)
    return replace(record, values=values)
