"""PurchaseOrderHeadersV2 -> matchingOrders."""

from __future__ import annotations

from collections.abc import Iterator

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected
from singer_delivery.words import cut

from target_basware.masters.entity import Content, Entity, Record, filled
from target_basware.masters.external_code import external_code
from target_basware.masters.payment_means import currency
from target_basware.masters.reach import mapped
from target_basware.masters.row import Row

FIELDS = (
    "dataAreaId",
    "PurchaseOrderNumber",
    "PurchaseOrderName",
    "OrderVendorAccountNumber",
    "InvoiceVendorAccountNumber",
    "CurrencyCode",
    "PaymentTermsName",
    "CashDiscountCode",
    "PurchaseOrderStatus",
    "DocumentApprovalStatus",
    "AccountingDate",
    "RequestedDeliveryDate",
)
#: Orders and lines that take no more invoices.
CLOSED = frozenset({"Invoiced", "Canceled"})
DELIVERED = frozenset({"Received", "Invoiced"})
LONGEST_DESCRIPTION = 1000


def order_entities(mapping: ApMapping, record: Record) -> Iterator[Entity]:
    """Return the order once for each Basware company of its legal entity. Raises Rejected.

    None for an order whose approval status is not among those of mapping.yml.
    """
    row = Row(record)
    legal_entity = row.required("dataAreaId").lower()
    number = row.required("PurchaseOrderNumber")
    for entity in mapped(mapping, [legal_entity]):
        if not approved(entity, row):
            return
        for company in mapping.company_codes(legal_entity):
            content = {
                "externalCode": code_in(company, mapping, "matchingOrders", legal_entity, number),
                "orderNumber": number,
                "companyCode": company,
                "organizationElementCode": company,
                **_order(entity, row),
            }
            yield Entity("matchingOrders", content, scope=legal_entity)


def code_in(company: str, mapping: ApMapping, resource: str, legal_entity: str, *parts: str) -> str:
    """Return the external code of an order, or of a part of it, in one company.

    The first company of a legal entity has the plain code, so that another one that joins it
    later changes nothing.
    """
    own = () if company == mapping.company_codes(legal_entity)[0] else (company,)
    return external_code(resource, legal_entity, *own, *parts)


def approved(entity: EntityMapping, row: Row) -> bool:
    """Tell whether the approval status lets an order into Basware; one without it is let in."""
    status = row.text("DocumentApprovalStatus")
    return not status or status in entity.masters.order_statuses


def vendor_code(entity: EntityMapping, account: str) -> str:
    """Return Basware's code of a vendor account. Raises Rejected when it has none."""
    codes = entity.vendors.basware(account)
    if not codes:
        msg = (
            f"vendor {account} stands for another vendor under vendors in mapping.yml; list a "
            "code for it"
        )
        raise Rejected(msg)
    return codes[0]


def date_of(row: Row, name: str) -> str:
    """Return a date in Basware's form, "" for none."""
    day = row.day(name)
    return f"{day}T00:00:00Z" if day else ""


def _order(entity: EntityMapping, row: Row) -> Content:
    status = row.text("PurchaseOrderStatus")
    invoicing = row.text("InvoiceVendorAccountNumber")
    flags = {
        "isClosed": status in CLOSED,
        "isInvoiced": status == "Invoiced",
        "isDelivered": status in DELIVERED,
    }
    return flags | filled(
        sourceSystem=entity.masters.source_system,
        currencyCode=currency(entity, row.text("CurrencyCode")),
        supplierCode=vendor_code(entity, row.required("OrderVendorAccountNumber")),
        invoicingSupplierCode=vendor_code(entity, invoicing) if invoicing else "",
        description=cut(row.text("PurchaseOrderName"), LONGEST_DESCRIPTION),
        paymentTermCode=entity.payment_term_code(
            row.text("PaymentTermsName"), row.text("CashDiscountCode")
        ),
        created=date_of(row, "AccountingDate"),
        requestedDeliveryDate=date_of(row, "RequestedDeliveryDate"),
    )
