"""Purchase orders, their lines and receipts, as invoices are matched with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from singer_delivery.errors import Rejected
from tap_d365fo.dimensions import DimensionFormat
from target_basware.masters.order_line_coding import split

from tests.target_basware.masters.rows import TEXT, Row, line, mapped, one, order, receipt


def test_an_order() -> None:
    (entity,) = mapped("purchase_order_headers", order())
    assert (entity.resource, entity.scope) == ("matchingOrders", "demf")
    assert entity.content == {
        "externalCode": "demf_PO-1",
        "orderNumber": "PO-1",
        "sourceSystem": "D365FO",
        "companyCode": "2000",
        "organizationElementCode": "2000",
        "supplierCode": "DE-1",
        "invoicingSupplierCode": "DE-2",
        "currencyCode": "EUR",
        "description": "Weiß AG",
        "paymentTermCode": "30N",
        "created": "2026-01-31T00:00:00Z",
        "isClosed": False,
        "isInvoiced": False,
        "isDelivered": False,
    }


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        ("Backorder", (False, False, False)),
        ("Received", (False, False, True)),
        ("Invoiced", (True, True, True)),
        ("Canceled", (True, False, False)),
    ],
)
def test_the_status_closes_an_order_and_its_lines(status: str, flags: tuple[bool, ...]) -> None:
    content = one("purchase_order_headers", order(PurchaseOrderStatus=status))
    assert (content["isClosed"], content["isInvoiced"], content["isDelivered"]) == flags
    assert one("purchase_order_lines", line(PurchaseOrderLineStatus=status))["isClosed"] is flags[0]


@pytest.mark.parametrize(
    ("status", "sent"),
    [("Draft", 0), ("InReview", 0), ("Rejected", 0), ("InExternalReview", 0), ("Approved", 1),
     ("Confirmed", 1), ("Finalized", 1), ("", 1)],
)  # fmt: skip
def test_only_approved_orders_are_sent(status: str, sent: int) -> None:
    assert len(mapped("purchase_order_headers", order(DocumentApprovalStatus=status))) == sent
    lines = mapped("purchase_order_lines", line(Order={"DocumentApprovalStatus": status}))
    assert len(lines) == sent


def test_a_line_whose_order_could_not_be_read_may_not_be_approved() -> None:
    with pytest.raises(Rejected, match=r"of demf: its order could not be read.* PurchaseOrderHead"):
        mapped("purchase_order_lines", line(Order=None))
    assert mapped("purchase_order_lines", line(dataAreaId="frrt", Order=None)) == []


def test_which_statuses_are_sent_is_the_mappings() -> None:
    text = TEXT.replace("masters: {order", "masters: {order_statuses: [Draft], order")
    assert mapped("purchase_order_headers", order(DocumentApprovalStatus="Draft"), text)
    assert not mapped("purchase_order_headers", order(), text)


def test_every_company_of_the_legal_entity_can_match_the_order_and_codes_stay_apart() -> None:
    orders = mapped("purchase_order_headers", order(dataAreaId="usmf"))
    lines = mapped("purchase_order_lines", line(dataAreaId="usmf", ProductReceipts=[receipt()]))
    assert [entity.content["companyCode"] for entity in orders] == ["1000", "1010"]
    codes = [entity.content["externalCode"] for entity in orders]
    assert codes == ["usmf_PO-1", "usmf_1010_PO-1"]
    assert [entity.content["orderExternalCode"] for entity in lines] == codes
    receipts = {entity.content["goodsReceipts"][0]["externalCode"] for entity in lines}
    assert receipts == {"usmf_5637144577", "usmf_1010_5637144577"}


def test_an_order_without_a_vendor_is_rejected_with_words() -> None:
    with pytest.raises(Rejected) as caught:
        mapped("purchase_order_headers", order(OrderVendorAccountNumber=""))
    expected = "purchase order PO-1 of demf: OrderVendorAccountNumber is missing"
    assert str(caught.value) == expected


def test_an_order_line() -> None:
    row = line(
        ProcurementProductCategoryName="Office",
        ProductReceipts=[receipt(RecordId=2, ReceivedPurchaseQuantity=Decimal(6)), receipt()],
    )
    content = one("purchase_order_lines", row)
    coding = content.pop("orderLineCoding")
    receipts = content.pop("goodsReceipts")
    assert content == {
        "externalCode": "demf_PO-1_1",
        "orderExternalCode": "demf_PO-1",
        "lineNumber": "1",
        "sortNumber": 1,
        "quantity": Decimal(10),
        "netSum": Decimal(125),
        "netPrice": Decimal("12.5"),
        "matchingMode": "Standard",
        "isReceiptRequired": True,
        "isReceiptBasedMatching": False,
        "isOverreceivalAllowed": False,
        "isClosed": False,
        "isDeleted": False,
        "uom": "H87",
        "priceUnit": "H87",
        "taxCode": "US07",
        "productCode": "M1",
        "productName": "Paper",
        "description": "Paper",
        "materialGroup": "Office",
    }
    assert coding == [
        {
            "externalCode": "demf_PO-1_1_coding",
            "rowIndex": 1,
            "allocatedQuantity": Decimal(10),
            "accountCode": "4711",
            "dimCode1": "CC-01",
        }
    ]
    assert receipts == [
        {
            "externalCode": code,
            "goodsReceiptNumber": "GR-1",
            "goodsReceiptLineNumber": "1",
            "deliveryNoteNumber": "GR-1",
            "quantity": Decimal(quantity),
            "netSum": Decimal(total),
            "netPrice": Decimal("12.5"),
            "isDeleted": False,
            "unitOfMeasure": "H87",
            "deliveryDate": "2026-02-12T00:00:00Z",
        }
        for code, quantity, total in (("demf_2", 6, 75), ("demf_5637144577", 4, 50))
    ]


@pytest.mark.parametrize(
    ("fields", "quantity", "price", "total"),
    [
        ({"PurchasePrice": 1250, "PurchasePriceQuantity": 100}, "10", "12.5", "125"),
        ({"LineAmount": Decimal("112.5")}, "10", "11.25", "112.5"),  # a discount of ten percent
        ({"OrderedPurchaseQuantity": 3, "LineAmount": 10}, "3", "3.333333", "10"),
        ({"LineAmount": None}, "10", "12.5", "125"),
        ({"PurchasePriceQuantity": 0}, "10", "12.5", "125"),
        ({"OrderedPurchaseQuantity": -10, "LineAmount": -125}, "10", "-12.5", "-125"),
    ],
)
def test_the_price_is_that_of_one_and_the_sum_is_the_lines(
    fields: dict[str, Any], quantity: str, price: str, total: str
) -> None:
    content = one("purchase_order_lines", line(**fields))
    found = (content["quantity"], content["netPrice"], content["netSum"])
    assert found == tuple(map(Decimal, (quantity, price, total)))


def test_what_goes_back_is_a_return_with_negative_price() -> None:
    back = receipt(ReceivedPurchaseQuantity=Decimal(-4))
    row = line(OrderedPurchaseQuantity=-10, LineAmount=-125, ProductReceipts=[back])
    content = one("purchase_order_lines", row)
    assert content["matchingMode"] == "Return"
    (returned,) = content["goodsReceipts"]
    assert (returned["quantity"], returned["netSum"]) == (4, -50)


def test_a_cancelled_receipt_takes_its_quantity_back_and_an_empty_one_is_none() -> None:
    receipts = [
        receipt(RecordId=1),
        receipt(RecordId=2, ReceivedPurchaseQuantity=Decimal(-4)),
        receipt(RecordId=3, ReceivedPurchaseQuantity=Decimal(0)),
    ]
    content = one("purchase_order_lines", line(ProductReceipts=receipts))
    assert [item["netSum"] for item in content["goodsReceipts"]] == [50, -50]


@pytest.mark.parametrize("missing", [{"ProductReceipts": None}, {}])
def test_receipts_that_could_not_be_read_are_not_cleared(missing: Row) -> None:
    row = line()
    del row["ProductReceipts"]
    words = (
        r"^line 1 of purchase order PO-1 of demf: ProductReceipts could not be read.* "
        r"ProductReceiptLinesV2 .*masters\.without"
    )
    with pytest.raises(Rejected, match=words):
        mapped("purchase_order_lines", row | missing)


@pytest.mark.parametrize("receipts", [None, [], [receipt()]])
def test_a_tenant_may_do_without_receipts(receipts: Any) -> None:
    text = TEXT.replace("masters: {order", "masters: {without: [ProductReceipts], order")
    content = one("purchase_order_lines", line(ProductReceipts=receipts), text)
    assert "goodsReceipts" not in content
    assert content["isReceiptRequired"]


def test_amounts_with_tax_are_gross() -> None:
    row = line(Order={"ArePricesIncludingSalesTax": "Yes", "CurrencyCode": "GBP"})
    content = one("purchase_order_lines", row)
    assert (content["grossSum"], content["grossPrice"]) == (125, Decimal("12.5"))
    assert "netSum" not in content
    assert content["currencyCode"] == "STG"


def test_a_line_of_which_nothing_is_left_is_not_sent() -> None:
    assert mapped("purchase_order_lines", line(OrderedPurchaseQuantity=Decimal(0))) == []


def test_a_deleted_line_is_closed_as_well() -> None:
    content = one("purchase_order_lines", line(IsDeleted="Yes"))
    assert (content["isDeleted"], content["isClosed"]) == (True, True)


@pytest.mark.parametrize(
    ("policy", "setting", "required", "by_receipt"),
    [
        ("ThreeWayMatch", "true", True, True),
        ("ThreeWayMatch", "false", True, False),
        ("TwoWayMatch", "true", False, False),
        ("NoMatch", "true", False, False),
    ],
)
def test_the_matching_policy_asks_for_receipts(
    policy: str, setting: str, required: bool, by_receipt: bool
) -> None:
    text = TEXT.replace("masters: {order", f"masters: {{receipt_based_matching: {setting}, order")
    content = one("purchase_order_lines", line(VendorInvoiceMatchingPolicy=policy), text)
    found = (content["isReceiptRequired"], content["isReceiptBasedMatching"])
    assert found == (required, by_receipt)


def test_a_tax_code_is_given_where_only_one_fits() -> None:
    assert "taxCode" not in one(
        "purchase_order_lines",
        line(SalesTaxGroupCode="US-EX", SalesTaxItemGroupCode="EXEMPT"),
    )
    assert "taxCode" not in one("purchase_order_lines", line(SalesTaxGroupCode="X"))


def coded(**fields: Any) -> Row:
    (coding,) = one("purchase_order_lines", line(**fields)).get("orderLineCoding", [{}])
    return {name: text for name, text in coding.items() if name.endswith(("Code", "Code1"))}


def test_coding_needs_to_know_the_segments() -> None:
    text = TEXT.replace("masters: {order_line_dimensions: [CostCenter, Purpose]}", "")
    assert "orderLineCoding" not in one("purchase_order_lines", line(), text)
    everything = coded(DefaultLedgerDimensionDisplayValue=r"CC\-01-P1")
    assert everything["dimCode1"] == "CC-01"
    fields = coded(DefaultLedgerDimensionDisplayValue="", MainAccountIdDisplayValue="618160-1")
    assert fields == {}


def test_an_undivided_value_with_the_delimiter_in_it_is_told() -> None:
    with pytest.raises(Rejected, match=r"3 segments, masters\.order_line_dimensions .* names 2"):
        mapped("purchase_order_lines", line(DefaultLedgerDimensionDisplayValue="CC-01-"))


@pytest.mark.parametrize("delimiter", ["-", ".", "_", "|", "~", "--", "||"])
@pytest.mark.parametrize("values", [["a", ""], ["a-b", "c|d"], ["back\\slash", "x_y.z~"]])
def test_dimension_strings_are_split_as_they_are_written(delimiter: str, values: list[str]) -> None:
    written = DimensionFormat("format", ("A", "B"), delimiter).render(
        dict(zip("AB", values, strict=True))
    )
    assert split(written, delimiter) == values


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"OrderedPurchaseQuantity": None}, "line 1 of purchase order PO-1 of demf: Ordered"),
        ({"LineAmount": 1.5}, "LineAmount is no exact number"),
        ({"LineAmount": Decimal("1E+400")}, "LineAmount is no number that F&O can hold"),
        ({"LineAmount": Decimal("NaN")}, "LineAmount is no number that F&O can hold"),
        ({"LineNumber": Decimal("1.5")}, "LineNumber is no whole number"),
        ({"ProductReceipts": [{"RecordId": 1}]}, r"ProductReceipts\[0\]: ReceivedPurchaseQuantity"),
    ],
)
def test_a_line_that_cannot_be_read_is_rejected_with_the_field(
    fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(Rejected, match=words):
        mapped("purchase_order_lines", line(**fields))
