"""VendorsV3 with their bank accounts -> vendors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from ap_mapping import EntityMapping
from ap_mapping import Mapping as ApMapping
from singer_delivery.errors import Rejected
from singer_delivery.words import cut

from target_basware.masters.entity import Content, Entity, Record, filled
from target_basware.masters.external_code import external_code
from target_basware.masters.payment_means import payment_means
from target_basware.masters.postal import postal_address
from target_basware.masters.reach import mapped
from target_basware.masters.row import Row
from target_basware.masters.validity import today

FIELDS = (
    "dataAreaId",
    "VendorAccountNumber",
    "VendorOrganizationName",
    "PersonFirstName",
    "PersonMiddleName",
    "PersonLastName",
    "CurrencyCode",
    "DefaultPaymentTermsName",
    "CashDiscountCode",
    "DefaultVendorPaymentMethodName",
    "OnHoldStatus",
    "IsOneTimeVendor",
    "OurAccountNumber",
    "TaxExemptNumber",
    "OrganizationNumber",
    "DUNSNumber",
    "BankAccountId",
    "PrimaryEmailAddress",
    "PrimaryPhoneNumber",
    "PrimaryFaxNumber",
    "PrimaryURL",
    "AddressDescription",
    "AddressStreet",
    "AddressCity",
    "AddressZipCode",
    "AddressPostBox",
    "AddressStateId",
    "AddressCountryRegionId",
    "AddressCountryRegionISOCode",
    "BankAccounts",
)
LONGEST_NAME = 250
LONGEST_ADDRESS_NAME = 200
#: Contact field -> F&O field and the longest text; half an address is worse than none.
CONTACT = {
    "email": ("PrimaryEmailAddress", 200),
    "telephone": ("PrimaryPhoneNumber", 50),
    "telefax": ("PrimaryFaxNumber", 50),
    "website": ("PrimaryURL", 200),
}


def vendor_entities(
    mapping: ApMapping, record: Record, *, day: date | None = None
) -> Iterator[Entity]:
    """Return one vendor for each Basware code of it. Raises Rejected.

    `day` (today by UTC) decides which bank accounts are in force.
    """
    row = Row(record)
    legal_entity = row.required("dataAreaId").lower()
    account = row.required("VendorAccountNumber")
    for entity in mapped(mapping, [legal_entity]):
        if row.yes("IsOneTimeVendor") and not entity.masters.one_time_vendors:
            return
        codes = entity.vendors.basware(account)
        if not codes:
            msg = "it stands for another vendor under vendors in mapping.yml; list a code for it"
            raise Rejected(msg)
        for code in codes:
            parts = (legal_entity, account) if code == account else (legal_entity, account, code)
            content = {
                "externalCode": external_code("vendors", *parts),
                "vendorCode": code,
                **_vendor(entity, row, parts, day or today()),
                "companies": [
                    {"companyCode": company, "inheritToChildUnits": entity.masters.inherit}
                    for company in mapping.company_codes(legal_entity)
                ],
            }
            yield Entity("vendors", content, scope=legal_entity)


def _vendor(entity: EntityMapping, row: Row, parts: tuple[str, ...], day: date) -> Content:
    masters = entity.masters
    hold = row.text("OnHoldStatus")
    term = entity.payment_term_code(
        row.text("DefaultPaymentTermsName"), row.text("CashDiscountCode")
    )
    return filled(
        name=_name(row),
        sourceSystem=masters.source_system,
        supplierAssignedAccountId=row.text("OurAccountNumber"),
        identifiers=[
            {"id": row.text(field), "schemeId": scheme}
            for field, scheme in masters.vendor_identifiers.items()
            if row.text(field)
        ],
        addresses=_addresses(entity, row, parts),
        contacts=_contacts(row),
        paymentMeans=[payment_means(entity, row, day)],
        paymentTerms={"paymentTermCode": term} if term else {},
        processingStatus={
            "active": hold not in masters.inactive_on_hold,
            "paymentDenied": hold in masters.payment_denied_on_hold,
        },
    )


def _name(row: Row) -> str:
    person = ("PersonFirstName", "PersonMiddleName", "PersonLastName")
    name = row.text("VendorOrganizationName") or " ".join(
        filter(None, (row.text(field) for field in person))
    )
    if not name:
        msg = "it has no name (VendorOrganizationName); enter one in Dynamics"
        raise Rejected(msg)
    return cut(name, LONGEST_NAME)


def _addresses(entity: EntityMapping, row: Row, parts: tuple[str, ...]) -> list[Content]:
    address = postal_address(row, entity.masters.countries, state="AddressStateId")
    if not address:
        return []
    name = row.text("AddressDescription") or "Primary address"
    address |= {
        "externalCode": external_code("vendors/addresses", *parts, "address"),
        "name": cut(name, LONGEST_ADDRESS_NAME),
    }
    return [address]


def _contacts(row: Row) -> list[Content]:
    found = {name: row.text(field) for name, (field, _) in CONTACT.items()}
    fitting = {name: text for name, text in found.items() if len(text) <= CONTACT[name][1]}
    contact = filled(**fitting)
    return [{"name": "Primary contact", "role": "PrimaryContact", **contact}] if contact else []
