"""Master data as it was posted to the API (reference 3.2 to 3.4, 3.7)."""

from __future__ import annotations

from tap_basware.schemas.fields import (
    entity,
    flag,
    integer,
    many,
    moment,
    number,
    numbered,
    one,
    text,
)

COMPANY_IDENTIFIER = entity(
    text("id schemeId"),
)

COMPANY_ADDRESS = entity(
    text(
        """
        externalCode name description addressType addressLine1 addressLine2 addressLine3
        cityName postalZone poBox streetName locality countrySubEntity
        countrySubEntityDescription countryId
        """,
    ),
    flag("default"),
)

COMPANY_CONTACT = entity(
    text("name description telephone telefax email website role"),
)

COMPANY = entity(
    text("companyCode sourceSystem name description bucompid userDefaultLanguage homeCurrency"),
    flag("active publishToBusinessDirectory"),
    moment("lastUpdated"),
    {
        "identifiers": many(COMPANY_IDENTIFIER),
        "addresses": many(COMPANY_ADDRESS),
        "contacts": many(COMPANY_CONTACT),
    },
    keys=("companyCode",),
)

VENDOR_IDENTIFIER = entity(
    text("id schemeId"),
    flag("defaultPartyId"),
)

VENDOR_ADDRESS_PART = entity(
    text("key value"),
)

VENDOR_ADDRESS = entity(
    text(
        """
        externalCode name description addressType addressLine1 addressLine2 addressLine3
        cityName postalZone poBox streetName locality countrySubEntity
        countrySubEntityDescription countryId
        """,
    ),
    flag("default"),
    {
        "additionalAddressFields": many(VENDOR_ADDRESS_PART),
    },
)

VENDOR_CONTACT = entity(
    text("name description telephone telefax email website role"),
)

VENDOR_DELIVERY_TERM = entity(
    text("deliveryTermCode deliveryLocation description"),
)

FINANCIAL_INSTITUTION = entity(
    text("name id schemeId branchId branchIdSchemeId countryId"),
)

FINANCIAL_ACCOUNT_IDENTIFIER = entity(
    text(
        """
        schemeId description id accountHolderName currencyCode accountAdditionalData1
        accountAdditionalData2 linkedBbanOrIban
        """,
    ),
    flag("default"),
)

VENDOR_FINANCIAL_ACCOUNT = entity(
    {
        "financialInstitution": one(FINANCIAL_INSTITUTION),
        "financialAccountIdentifiers": many(FINANCIAL_ACCOUNT_IDENTIFIER),
    },
)

VENDOR_PAYMENT_MEAN = entity(
    text("paymentMeansCode description currencyCode"),
    flag("default"),
    {
        "financialAccounts": many(VENDOR_FINANCIAL_ACCOUNT),
    },
)

VENDOR_PAYMENT_TERM = entity(
    text("paymentTermCode description"),
)

VENDOR_ORDERING_DETAILS = entity(
    text("orderingFormat orderingMessageLanguage orderingLanguage orderEmail orderProcessType"),
    number("minimumOrderAllowed"),
    flag(
        """
        isTaxable automaticallyReceiveOnInvoice automaticallyReceiveOnOrder hasActiveCatalog
        createOrderAutomatically deliverOrderAutomatically noFreeformItems sendToNetwork
        """,
    ),
)

VENDOR_PROCESSING_STATUS = entity(
    flag("active paymentDenied"),
)

VENDOR_TAG = entity(
    text("name value tagGroup"),
)

VENDOR_ADDITIONAL_FIELD = entity(
    text("name value groupName"),
)

VENDOR_COMPANY = entity(
    text("companyCode"),
    flag("inheritToChildUnits"),
)

VENDOR = entity(
    text(
        """
        externalCode vendorCode vendorParent buvid name sourceSystem description
        supplierAssignedAccountId vendorClass
        """,
    ),
    flag("eligibleForSourcing"),
    moment("lastUpdated"),
    {
        "identifiers": many(VENDOR_IDENTIFIER),
        "addresses": many(VENDOR_ADDRESS),
        "contacts": many(VENDOR_CONTACT),
        "deliveryTerm": one(VENDOR_DELIVERY_TERM),
        "paymentMeans": many(VENDOR_PAYMENT_MEAN),
        "paymentTerms": one(VENDOR_PAYMENT_TERM),
        "orderingDetails": one(VENDOR_ORDERING_DETAILS),
        "processingStatus": one(VENDOR_PROCESSING_STATUS),
        "tags": many(VENDOR_TAG),
        "customFields": many(VENDOR_ADDITIONAL_FIELD),
        "companies": many(VENDOR_COMPANY),
    },
    keys=("externalCode",),
)

LANGUAGE_TRANSLATION = entity(
    text("translation language"),
)

ACCOUNT_COMPANY = entity(
    text("companyCode"),
    flag("inherit active"),
)

ACCOUNT = entity(
    text("accountCode taxCode externalCode", *numbered("text", 5)),
    moment("lastUpdated"),
    {
        "accountNames": many(LANGUAGE_TRANSLATION),
        "companies": many(ACCOUNT_COMPANY),
    },
    keys=("externalCode",),
)

COST_CENTER_COMPANY = entity(
    text("companyCode"),
    flag("active"),
)

COST_CENTER = entity(
    text("costCenterCode externalCode", *numbered("text", 10)),
    integer(*numbered("int", 5)),
    moment("lastUpdated", *numbered("date", 5)),
    {
        "costCenterNames": many(LANGUAGE_TRANSLATION),
        "companies": many(COST_CENTER_COMPANY),
    },
    keys=("externalCode",),
)

GENERIC_LIST_COMPANY = entity(
    text("companyCode"),
    flag("active"),
)

GENERIC_LIST = entity(
    text("externalCode listContent", *numbered("text_", 25)),
    number(*numbered("number_", 15)),
    moment("lastUpdated", *numbered("dateValue_", 15)),
    {
        "companies": many(GENERIC_LIST_COMPANY),
    },
    keys=("listKey", "externalCode"),
)

TAX_CODE_ADDITIONAL_DATA = entity(
    text("externalCode account statistical transactionType country condition"),
    number("taxPercent"),
    flag("active"),
)

TAX_CODE_COMPANY = entity(
    text("companyCode"),
    flag("inherit active"),
)

TAX_CODE = entity(
    text("taxCode taxGroup externalCode"),
    number("taxPercentage taxPercentage2"),
    moment("lastUpdated"),
    {
        "taxCodeNames": many(LANGUAGE_TRANSLATION),
        "additionalData": many(TAX_CODE_ADDITIONAL_DATA),
        "companies": many(TAX_CODE_COMPANY),
    },
    keys=("externalCode",),
)

PAYMENT_TERM_COMPANY = entity(
    text("companyCode"),
    flag("inherit active"),
)

PAYMENT_TERM_DISCOUNT_RULE = entity(
    text("externalCode"),
    integer("discountDays"),
    number("discountPercent"),
    flag("active"),
)

PAYMENT_TERM = entity(
    text("paymentTermCode moveDueDatesTo externalCode"),
    integer(
        """
        sortOrder dueDateCalc dueDateDays dueDateDays2 dueDateEom cashDueDateCalc
        cashDueDateDays cashDueDateDays2 cashDueDateEom
        """,
    ),
    number("cashDiscount"),
    moment("validFrom validTo lastUpdated"),
    {
        "paymentTermNames": many(LANGUAGE_TRANSLATION),
        "companies": many(PAYMENT_TERM_COMPANY),
        "paymentTermDiscountRules": many(PAYMENT_TERM_DISCOUNT_RULE),
    },
    keys=("externalCode",),
)
