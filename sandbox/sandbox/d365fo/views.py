"""Entity sets that only show rows of others: the reporting views of invoices, vendors, orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sandbox.d365fo.values import Value, default

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sandbox.d365fo.model import Field, Model
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


_SYSTEM: Mapping[str, Callable[[Record], Value]] = {
    "SourceKey": lambda record: record.rec_id,
    "SysRecVersion": lambda record: record.rec_version,
    "CreatedOn": lambda record: record.created_on,
    "SysModifiedDateTime": lambda record: record.modified_on,
}


def viewer(model: Model, name: str) -> Callable[[Record], Record]:
    """How the view `name` shows a record of its source set."""
    entity, view = model.sets[name], VIEWS[name]
    known = model.sets[view.source].fields
    source = view.fields or {field: field for field in entity.fields if field in known}
    getters = {
        field.name: _getter(field, source.get(field.name), default(field, model))
        for field in entity.fields.values()
    }
    return lambda record: replace(record, values=_Shown(getters, record))


class _Shown(Mapping[str, Value]):
    """The fields of a view over one record, each looked up when it is asked for."""

    __slots__ = ("_getters", "_record")

    def __init__(self, getters: Mapping[str, Callable[[Record], Value]], record: Record) -> None:
        self._getters = getters
        self._record = record

    def __getitem__(self, name: str) -> Value:
        return self._getters[name](self._record)

    def __iter__(self) -> Iterator[str]:
        return iter(self._getters)

    def __len__(self) -> int:
        return len(self._getters)


def _getter(field: Field, source: str | None, unset: Value) -> Callable[[Record], Value]:
    def get(record: Record) -> Value:
        if source:
            return record.values[source]
        return system(record) if system else unset

    system = _SYSTEM.get(field.name)
    if not field.key:
        return get
    # Not every row is loaded with its lot id; the key must tell rows apart all the same.
    return lambda record: str(record.rec_id) if get(record) == "" else get(record)
