"""Invoices: `accountingDocuments` with coding rows, lines and responses (reference 3.1)."""

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
    texts,
)

DISPUTE_INFO = entity(
    text("disputeReason"),
    flag("isDisputed"),
    moment("disputeDate"),
)

CODING_ROW = entity(
    text(
        """
        externalCode accountCode accountName costCenterCode costCenterName
        deliveryNoteNumber lastComment organizationElementName organizationElementCode
        freightSlip internalOrderCode internalOrderName orderItemNumber orderNumber
        orderLineNumber contractNumber closeOrder plant profitCenterCode profitCenterName
        businessUnitCode businessUnitName projectCode projectName projectSubCode
        projectSubName employeeCode employeeName vehicleNumber vehicleName salesOrderCode
        salesOrderName salesOrderSubCode salesOrderSubName customerCode customerName
        conditionType accAssignmentCategoryCode accAssignmentCategoryName budgetCode
        budgetName serviceCode serviceName businessAreaCode businessAreaName productCode
        productName buyerName orderLineDescription orderLinePriceUnit
        orderLinePriceUnitDescription partnerProfitCenter fixedAssetCode fixedAssetName
        goodsReceiptItemNumber goodsReceiptNumber materialGroup fiscalYear fixedAssetSubCode
        fixedAssetSubName orderLineUOM subUOM workOrderCode workOrderName workOrderSubCode
        workOrderSubName commitmentItem controllingArea functionalArea network
        networkActivity orderCodingRowNumber ownerName taxCode taxJurisdictionCode rowOrigin
        text84 text85
        """,
        *numbered("dimCode", 10),
        *numbered("dimName", 10),
        *numbered("text", 5),
    ),
    integer("rowIndex matchingType plannedAdditionalCostType"),
    number(
        """
        grossTotal grossTotalCompany grossTotalOrganization netTotal netTotalCompany
        netTotalOrganization orderLineNetTotal orderLineGrossTotal receivedQuantity
        receivedNetPrice receivedGrossPrice receivedNetTotal receivedGrossTotal
        conversionNumerator conversionDeNumerator conversionDenominator orderedQuantity
        orderNetTotal orderGrossTotal orderedNetPrice orderedGrossPrice allocatedQuantity
        matchedQuantity matchedNetSum matchedGrossSum taxPercent taxPercent2 taxSum
        taxSumCompany taxSumOrganization taxSum2 taxSum2Company taxSum2Organization
        """,
        *numbered("num", 5),
    ),
    moment(*numbered("date", 5)),
)

INVOICE_LINE = entity(
    text(
        """
        externalCode productCode productName orderNumber quantityUnit
        additionalCostRecognition deliveryNoteNumber orderRowNumber taxCode
        """,
        *numbered("text", 10),
    ),
    integer("rowIndex infoItem lineType"),
    number(
        """
        quantity netPrice taxPercent taxSum grossPrice discountAmount discountPercent
        grossSum itemTotalSum netSum taxPercent2 taxSum2
        """,
        *numbered("numeric", 10),
    ),
    flag("additionalCost"),
    moment(*numbered("date", 5)),
)

ATTACHMENT = entity(
    text("externalCode category filename"),
    flag("isConfidential"),
    moment("creationTime"),
)

TRANSFER_PARAMETER = entity(
    text("key value"),
)

ENRICHMENT_RESPONSE = entity(
    text("externalCode responseMessage sourceSystem"),
    flag("success"),
    moment("transferDate"),
)

PREBOOK_RESPONSE = entity(
    text("externalCode responseMessage sourceSystem voucherNumber1 voucherNumber2"),
    flag("success paymentBlock"),
    moment("prebookDate"),
)

TRANSFER_RESPONSE = entity(
    text("externalCode responseMessage sourceSystem voucherNumber1 voucherNumber2"),
    flag("success paymentBlock"),
    moment("transferDate"),
)

PAYMENT_RESPONSE = entity(
    text(
        """
        externalCode responseMessage sourceSystem paymentTermCode paymentMethod checkNumber
        paymentMessage paymentNumber paymentDocument paymentReversalDocument
        """,
    ),
    number("paidTotal cashDiscount"),
    flag("success paymentBlock"),
    moment("paymentDate"),
)

REMOVE_RESPONSE = entity(
    text("externalCode responseMessage sourceSystem"),
    flag("success"),
)

ACCOUNTING_DOCUMENT = entity(
    text(
        """
        invoiceId bumid p2pProcessingMode invoiceNumber voucherNumber1 voucherNumber2
        processingStatus companyCode companyName organizationCode organizationName
        supplierCode supplierName currencyCode taxCode referencePerson contractNumber
        description invoiceTypeCode invoiceTypeName paymentMethod paymentTermCode
        paymentTermName paymentTermExternalCode paymentPlanReference paymentRevelsalDocument
        referenceNumber supplierBankIBAN supplierBankBBAN supplierBankBIC supplierBankName
        accountingPeriod accountingGroup removalReason removalReasonComment
        clearingReferenceId clearingCountry paymentMessage invoiceImageURL invoiceImageToken
        currencyCodeCompany currencyCodeOrganization organizationElementCode
        organizationElementName parentInvoiceBumId supplierSourceSystemId
        """,
        *numbered("text", 60),
    ),
    texts("orderNumbers"),
    integer("originService"),
    number(
        """
        netSum grossSum taxPercent1 taxPercent2 taxSum1 taxSum2 cashPercent cashSum
        cashSumCompany cashSumOrganization exchangeRateCompany exchangeRateOrganization
        taxSum1Company taxSum1Organization taxSum2Company taxSum2Organization
        grossSumCompany grossSumOrganization netSumCompany netSumOrganization
        """,
        *numbered("numeric", 30),
    ),
    flag("paymentBlock prebooked removedBeforeTransfer"),
    moment(
        """
        voucherDate invoiceDate baseLineDate dueDate cashDate codingDate clearingDate
        lastUpdated exchangeRateBaseDate
        """,
        *numbered("date", 10),
    ),
    {
        "disputeInfo": one(DISPUTE_INFO),
        "codingRows": many(CODING_ROW),
        "invoiceLines": many(INVOICE_LINE),
        "attachments": many(ATTACHMENT),
        "transferParameters": many(TRANSFER_PARAMETER),
        "enrichmentResponses": many(ENRICHMENT_RESPONSE),
        "prebookResponses": many(PREBOOK_RESPONSE),
        "transferResponses": many(TRANSFER_RESPONSE),
        "paymentResponses": many(PAYMENT_RESPONSE),
        "removeResponses": many(REMOVE_RESPONSE),
    },
    keys=("invoiceId",),
)
