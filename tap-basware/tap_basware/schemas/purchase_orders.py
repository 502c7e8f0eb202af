"""Purchase orders exported by Basware Purchase (reference 3.6)."""

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

CREATOR = entity(
    text("personCode userName loginAccount emailAddress externalCode"),
)

OWNER = entity(
    text("personCode userName loginAccount emailAddress externalCode"),
)

DELIVERY_ADDRESS = entity(
    text(
        """
        name pObox streetName additionalStreetName blockName buildingName buildingNumber
        department floor room postalZone city region district countryCode countryName
        description globalLocationNumber countrySubEntity countrySubEntityDescription
        addressId addressSchemeId
        """,
    ),
)

EXPORTED_PURCHASE_ORDER_LINE_CODING_ROW = entity(
    text(
        """
        externalCode accountCode accountName costCenterCode costCenterName projectCode
        projectName fixedAssetCode fixedAssetName fixedAssetSubCode fixedAssetSubName
        internalOrderCode internalOrderName profitCenterCode profitCenterName
        businessUnitCode businessUnitName projectSubCode projectSubName employeeCode
        employeeName vehicleNumber vehicleName salesOrderCode salesOrderName
        salesOrderSubCode salesOrderSubName customerCode customerName
        accAssignmentCategoryCode accAssignmentCategoryName budgetCode budgetName
        serviceCode serviceName businessAreaCode businessAreaName workOrderCode
        workOrderName workOrderSubCode workOrderSubName distributionCode distributionMode
        """,
        *numbered("dimCode", 10),
        *numbered("dimName", 10),
        *numbered("text", 5),
    ),
    integer("rowIndex"),
    number("splitPercent", *numbered("num", 5)),
    moment(*numbered("date", 5)),
)

RECEIVER = entity(
    text("personCode userName loginAccount emailAddress externalCode"),
)

EXPORTED_PURCHASE_ORDER_GOODS_RECEIPT = entity(
    text(
        """
        externalCode grHeaderExternalCode goodsReceiptNumber documentLink
        extGoodsReceiptNumber deliveryNoteNumber goodsReceiptLocationAddress
        productSerialNumber unitOfMeasure receivalMethod information referenceGRNumber
        referenceGRExternalCode
        """,
    ),
    number("receivedQuantity receivedNetSum receivedGrossSum"),
    flag("notifyFault"),
    moment("goodsReceiptDocumentCreationTime receivingDate"),
    {
        "receiver": one(RECEIVER),
    },
)

EXPORTED_PURCHASE_ORDER_LINE = entity(
    text(
        """
        externalCode extOrderLineNumber parentOrderLineExternalCode lineStatus
        cancellationNote categoryCode categoryName buyerProductCode supplierProductCode
        supplierProductName manufacturerProductCode description leadTime deliveryTerm
        noteFromSupplier noteToSupplier additionalInfo quoteReference deliveryInstruction
        plant storageLocation unspsc grNote lineType quantityUnit quantityUnitName
        receivalMethod priceType subUom discountPercentReason taxCategory taxCode
        taxJurisdictionCode materialGroup
        """,
        *numbered("lineDataNum", 5),
        *numbered("lineDataText", 5),
        *numbered("linePricingText", 5),
    ),
    integer("orderLineNumber"),
    number(
        """
        quantity receivedNetSum receivedGrossSum receivedQuantity discountPercent grossSum
        grossSumComp grossSumOrg netSum netSumComp netSumOrg tax1Sum tax1SumComp tax1SumOrg
        tax2Sum tax2SumComp tax2SumOrg taxTotal taxTotalComp taxTotalOrg taxPercent
        taxPercent2 grossUnitPrice grossUnitPriceComp grossUnitPriceOrg netPrice
        netPriceComp netPriceOrg grossPrice grossPriceComp grossPriceOrg netUnitPrice
        netUnitPriceComp netUnitPriceOrg conversionNumerator conversionDenumerator
        """,
        *numbered("linePricingNum", 5),
    ),
    flag("allowPartialDeliveries receivingRequired receiveAutomatically refundLine"),
    moment(
        """
        desiredDeliveryDate desiredDeliveryEndDate promisedDeliveryDate
        promisedDeliveryEndDate
        """,
        *numbered("lineDataDate", 5),
        *numbered("linePricingDate", 5),
    ),
    {
        "deliveryAddress": one(DELIVERY_ADDRESS),
        "codingRows": many(EXPORTED_PURCHASE_ORDER_LINE_CODING_ROW),
        "goodsReceipts": many(EXPORTED_PURCHASE_ORDER_GOODS_RECEIPT),
    },
)

EXPORTED_PURCHASE_ORDER = entity(
    text(
        """
        externalCode orderNumber extOrderNumber parentOrderNumber parentOrderExternalCode
        parentOrderExtOrderNumber processingStatus orderStatus reasonForPendingAction
        requisitionNumber extRequisitionNumber organizationUnitCode organizationUnitName
        purchasingGroupCode purchasingGroupName purpose classification cancellationNote
        documentSource sendingMethod salesOrderNumber documentLink contractNumber orderType
        noteToSupplier noteFromSupplier companyCode companyName supplierCode supplierName
        supplierContactName supplierOrderingEmail ownerOrderingEmail otherOrderingEmail
        paymentTermCode paymentTermName orderRecipientType deliveryLocation deliveryTerm
        deliveryReceiverName purchaseCurrency companyCurrency groupCurrency
        """,
        *numbered("headerDataText", 5),
    ),
    number(
        """
        exchangeRateComp exchangeRateOrg grossSum grossSumComp grossSumOrg netSum netSumComp
        netSumOrg taxSum taxSumComp taxSumOrg
        """,
        *numbered("headerDataNum", 5),
    ),
    flag("releaseOrdersRequired hidePricesFromSupplier attachPdfToNetworkOrder"),
    moment(
        """
        validityPeriodStartDate validityPeriodEndDate desiredDeliveryDate
        desiredDeliveryEndDate promisedDeliveryDate promisedDeliveryEndDate
        requisitionCreationTime orderCreationTime orderExportTimestamp lastUpdated
        """,
        *numbered("headerDataDate", 5),
    ),
    {
        "creator": one(CREATOR),
        "owner": one(OWNER),
        "deliveryAddress": one(DELIVERY_ADDRESS),
        "orderLines": many(EXPORTED_PURCHASE_ORDER_LINE),
    },
    keys=("externalCode",),
)
