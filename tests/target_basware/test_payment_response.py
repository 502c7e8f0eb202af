"""From settled payments to what Basware takes, in words and in fields."""

from __future__ import annotations

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from ap_mapping import parse_mapping
from hypothesis import given
from hypothesis import strategies as st
from singer_delivery.errors import Rejected
from singer_delivery.exact_json import encode_json
from target_basware.payment_message import money, payment_message
from target_basware.payment_record import payment
from target_basware.payment_response import FIELDS, TEXTS, given_response, payment_response

from tests.reference import OPENAPI, needs_reference, reference_text
from tests.target_basware.payments import part, settled

INVOICE = {
    "invoiceId": "i1",
    "grossSum": Decimal("1160.00"),
    "paymentTermCode": "7D2-NT30",
    "paymentBlock": True,
    "paymentMessage": "Ref 4711",
    "paymentMethod": "BankTransfer",
    "paymentRevelsalDocument": "APPM000001",
}
MAPPING = parse_mapping(
    """
version: 1
companies: {1000: {legal_entity: usmf}, 2000: {legal_entity: demf}}
main_accounts: {field: accountCode, values: {}}
vendors: {field: supplierCode, values: {}}
currencies: {values: {}}
units: {values: {}}
tax_codes: {}
payment_terms: {}
payment_methods: {BankTransfer: ELECTRONIC, Wire: WIRE, Telegraph: WIRE, None: null}
legal_entities: {demf: {payment_methods: {BankTransfer: SEPA}}}
"""
)
USMF = MAPPING.for_legal_entity("usmf")


def response(invoice: Any = INVOICE, entity: Any = USMF, **changes: Any) -> dict[str, Any]:
    return payment_response(payment(settled(**changes)), invoice, entity, source_system="D365FO")


def words(**changes: Any) -> str:
    return payment_message(payment(settled(**changes)))


# -- fields


def test_a_payment_says_everything_and_clears_nothing() -> None:
    found = response()
    assert uuid.UUID(found.pop("externalCode"))
    assert found == {
        "success": True,
        "responseMessage": "Paid 1,136.80 EUR of 1,160.00 EUR on 2026-02-01, payment APPM000123 "
        "by ELECTRONIC, cash discount 23.20, fully paid",
        "sourceSystem": "D365FO",
        "paymentDate": "2026-02-01",
        "paymentTermCode": "7D2-NT30",
        "paymentBlock": True,
        "paymentMethod": "BankTransfer",
        "paidTotal": Decimal("1136.8"),
        "cashDiscount": Decimal("23.2"),
        "paymentMessage": "Ref 4711",
        "paymentNumber": "REF-77",
        "paymentDocument": "APPM000123",
    }


def test_amounts_are_exact_numbers_on_the_wire() -> None:
    found = response(paid_total=Decimal("1136.800000"), cash_discount=Decimal("0.10"))
    text = encode_json(found).decode()
    assert '"paidTotal":1136.8,' in text
    assert '"cashDiscount":0.1,' in text
    assert '"paidTotal":1200,' in encode_json(response(paid_total=Decimal("1.2E+3"))).decode()
    assert '"paidTotal":0,' in encode_json(response(paid_total=Decimal("-0.00"))).decode()


@pytest.mark.parametrize(
    ("method", "invoice", "sent"),
    [
        ("ELECTRONIC", {}, "BankTransfer"),
        ("electronic", {}, "BankTransfer"),
        ("WIRE", {}, "WIRE"),  # two codes stand for it
        ("WIRE", {"paymentMethod": "Telegraph"}, "Telegraph"),
        ("CHECK", {"paymentMethod": "BankTransfer"}, "CHECK"),
        ("", {"paymentMethod": "BankTransfer"}, "BankTransfer"),
    ],
)
def test_the_method_is_basware_s_code_where_one_stands_for_it(
    method: str, invoice: dict[str, Any], sent: str
) -> None:
    assert response(invoice, payment_method=method)["paymentMethod"] == sent


def test_without_a_mapping_the_method_keeps_its_name() -> None:
    assert response(entity=None)["paymentMethod"] == "ELECTRONIC"
    demf = MAPPING.for_legal_entity("demf")
    assert response(entity=demf, payment_method="SEPA")["paymentMethod"] == "BankTransfer"


def test_a_reversal_names_its_document_and_the_next_payment_clears_it() -> None:
    back = {"is_reversal": True, "amount": -1136.8, "paid_total": 0, "fully_paid": False}
    found = response(**back, reversal_voucher="APPM000140")
    assert found["paidTotal"] == 0
    assert found["paymentReversalDocument"] == "APPM000140"
    assert "paymentReversalDocument" not in response()


def test_amounts_have_the_sign_that_the_invoice_has_in_basware() -> None:
    credit = {"invoice_amount": -118, "amount": -118, "paid_total": -118, "cash_discount": -2}
    negative = response({"grossSum": Decimal(-118)}, **credit)
    assert (negative["paidTotal"], negative["cashDiscount"]) == (-118, -2)
    positive = response({"grossSum": Decimal(118)}, **credit)
    assert (positive["paidTotal"], positive["cashDiscount"]) == (118, 2)
    assert response({}, **credit)["paidTotal"] == -118


def test_a_number_too_long_for_its_field_is_not_halved_but_said() -> None:
    found = response(cheque_number="C" * 26, payment_method="M" * 30)
    assert "checkNumber" not in found
    assert "paymentMethod" not in found
    assert f"cheque {'C' * 26}" in found["responseMessage"]
    assert f"method {'M' * 30}" in found["responseMessage"]


# -- the key of a statement


def test_the_external_code_is_what_is_said() -> None:
    code = payment(settled()).external_code
    assert payment(settled(invoice_amount=Decimal("1160.00"))).external_code == code
    assert payment(settled(amount=Decimal("1136.800"))).external_code == code
    # Neither who found the invoice, nor what is only worded, makes another statement.
    assert payment(settled(document_id=None, fully_paid=False)).external_code == code
    for change in (
        {"data_area_id": "demf"},
        {"settlement_id": 2},
        {"invoice_number": "INV-2"},
        {"position": 2},
        {"paid_total": 1136.81},
        {"cash_discount": 0},
        {"payment_date": "2026-02-02"},
        {"cheque_number": "1"},
        {"is_reversal": True},
        {"reversal_voucher": "V"},
    ):
        assert payment(settled(**change)).external_code != code


def test_the_external_code_is_the_same_in_every_release() -> None:
    # Another code for the same statement would be a second response in Basware.
    assert payment(settled()).external_code == "2e1696f3-302c-54e9-9f3f-60d544ab9651"


# -- words

#: The other side is no payment; the method is what the credit note has, and says nothing.
NOTE = {"settled_with": "invoice", "payment_voucher": "APCN000007", "cash_discount": 0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            part(1, 500, 500),
            "Paid 500.00 EUR of 1,160.00 EUR on 2026-02-01, payment APPM000201 by ELECTRONIC, "
            "partly paid",
        ),
        (
            part(2, 300.5, 800.5),
            "Paid 300.50 EUR on 2026-02-02, 800.50 EUR of 1,160.00 EUR in all, payment "
            "APPM000202 by ELECTRONIC, partly paid",
        ),
        (
            part(3, 359.5, 1160),
            "Paid 359.50 EUR on 2026-02-03, 1,160.00 EUR of 1,160.00 EUR in all, payment "
            "APPM000203 by ELECTRONIC, fully paid",
        ),
        (
            part(4, -359.5, 800.5, is_reversal=True, reversal_voucher="APPM000300"),
            "Payment reversed: 359.50 EUR on 2026-02-04, 800.50 EUR of 1,160.00 EUR remain paid, "
            "payment APPM000204 by ELECTRONIC, reversed by APPM000300",
        ),
        (
            {"prepayment": True, "payment_method": ""},
            "Prepayment applied: 1,136.80 EUR of 1,160.00 EUR on 2026-02-01, payment APPM000123, "
            "cash discount 23.20, fully paid",
        ),
        (
            {"invoice_amount": -118, "amount": -118, "paid_total": -118, "cash_discount": 0},
            "Credit settled: 118.00 EUR of 118.00 EUR on 2026-02-01, payment APPM000123 by "
            "ELECTRONIC, fully paid",
        ),
        (
            {**NOTE, "amount": 160, "paid_total": 0, "fully_paid": False},
            "Settled with credit note APCN000007: 160.00 EUR of 1,160.00 EUR on 2026-02-01, "
            "partly settled",
        ),
        (
            {**NOTE, "amount": 160, "paid_total": 1000},
            "Settled with credit note APCN000007: 160.00 EUR on 2026-02-01, 1,000.00 EUR of "
            "1,160.00 EUR paid, fully settled",
        ),
        (
            {**NOTE, "amount": 580, "paid_total": 580, "payment_company": "demf"},
            "Settled with credit note APCN000007: 580.00 EUR on 2026-02-01, 580.00 EUR of "
            "1,160.00 EUR paid, of company demf, fully settled",
        ),
        (
            {**NOTE, "amount": -160, "paid_total": 0, "fully_paid": False}
            | {"is_reversal": True, "reversal_voucher": "APPM000300"},
            "Settlement reversed: 160.00 EUR on 2026-02-01, 0.00 EUR of 1,160.00 EUR remain paid, "
            "settled with credit note APCN000007, reversed by APPM000300",
        ),
        (
            {**NOTE, "invoice_amount": -160, "amount": -160, "paid_total": 0}
            | {"payment_voucher": "APIN000042"},
            "Credit settled with invoice APIN000042: 160.00 EUR of 160.00 EUR on 2026-02-01, "
            "fully settled",
        ),
        (
            {**NOTE, "settled_with": "other", "paid_total": 0, "amount": 1160}
            | {"payment_voucher": "WO-1"},
            "Settled without payment, by WO-1: 1,160.00 EUR of 1,160.00 EUR on 2026-02-01, "
            "fully settled",
        ),
        (
            {"settled_with": "unknown", "payment_method": ""},
            "Paid 1,136.80 EUR of 1,160.00 EUR on 2026-02-01, payment APPM000123, "
            "cash discount 23.20, fully paid",
        ),
        (
            part(2, 1000, 1000, fully_paid=True),
            "Paid 1,000.00 EUR of 1,160.00 EUR on 2026-02-02, payment APPM000202 by ELECTRONIC, "
            "fully settled",
        ),
        (
            {"payment_company": "DEMF", "payment_method": "CHECK", "cheque_number": "000451"},
            "Paid 1,136.80 EUR of 1,160.00 EUR on 2026-02-01, payment APPM000123 by CHECK, "
            "cheque 000451, cash discount 23.20, from company demf, fully paid",
        ),
        (
            {
                "currency": "JPY",
                "invoice_amount": 118000,
                "amount": 118000,
                "paid_total": 118000,
                "cash_discount": 0,
            },
            "Paid 118,000 JPY of 118,000 JPY on 2026-02-01, payment APPM000123 by ELECTRONIC, "
            "fully paid",
        ),
    ],
)
def test_what_happened_is_said_in_words(change: dict[str, Any], expected: str) -> None:
    assert words(**change) == expected


def test_every_digit_of_an_amount_is_shown() -> None:
    assert money(Decimal("1234567.891"), "KWD") == "1,234,567.891 KWD"
    assert money(Decimal("0.5"), "JPY") == "0.5 JPY"
    assert money(Decimal(-7), "EUR") == "-7.00 EUR"


NAMES = st.text(max_size=300)
AMOUNTS = st.decimals(-(10**9), 10**9, places=2)


@given(
    record=st.fixed_dictionaries(
        {
            **dict.fromkeys(
                (
                    "currency",
                    "payment_voucher",
                    "payment_company",
                    "payment_method",
                    "payment_reference",
                    "payment_id",
                    "cheque_number",
                    "reversal_voucher",
                    "invoice_number",
                ),
                NAMES,
            ),
            **dict.fromkeys(("invoice_amount", "amount", "paid_total", "cash_discount"), AMOUNTS),
            **dict.fromkeys(("is_reversal", "fully_paid", "prepayment"), st.booleans()),
            "settled_with": st.sampled_from(["payment", "invoice", "other", "unknown", None]),
        }
    )
)
def test_nothing_is_longer_than_its_field_and_no_name_is_halved(record: dict[str, Any]) -> None:
    paid = payment(settled(**record))
    found = payment_response(paid, INVOICE, USMF)
    assert all(len(found.get(name, "")) <= longest for name, longest in TEXTS.items())
    assert found.keys() <= FIELDS
    assert encode_json(found)
    assert found["paidTotal"] == abs(paid.paid_total) * (1 if found["paidTotal"] > 0 else -1)
    whole = {
        "checkNumber": paid.cheque_number,
        "paymentNumber": paid.payment_reference or paid.payment_id,
        "paymentDocument": paid.payment_voucher,
        "paymentReversalDocument": paid.reversal_voucher,
    }
    for name, value in whole.items():
        assert found.get(name, value) == value


# -- records that cannot be told


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"document_id": "x" * 37}, "document_id 'x+' is no Basware invoiceId"),
        ({"paid_total": None}, "paid_total is 'None'; it has to be an amount like 1136.80"),
        ({"paid_total": "12,50"}, "paid_total is '12,50'; it has to be an amount"),
        ({"amount": True}, "amount is 'True'"),
        ({"invoice_amount": "NaN"}, "invoice_amount is 'NaN'"),
        ({"paid_total": Decimal("1E+999999")}, "more than the 15 digits that Basware keeps"),
        ({"paid_total": Decimal("1234567890123.456")}, "more than the 15 digits"),
        ({"payment_date": ""}, "payment_date is missing"),
        ({"payment_date": "1900-01-01T12:00:00Z"}, "payment_date is missing"),
        ({"payment_date": "yesterday"}, "payment_date 'yesterday' is not a date like 2026-01-31"),
        ({"position": 0}, "position is '0'; it has to count"),
        ({"position": None}, "position is 'None'"),
        ({"is_reversal": "no"}, "is_reversal is 'no'; it has to be true or false"),
        ({"invoice_number": "", "invoice_voucher": None}, "belongs to no invoice"),
    ],
)
def test_what_cannot_be_said_is_rejected_in_words(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        payment(settled(**change))


def test_the_day_is_the_one_that_is_written() -> None:
    assert payment(settled(payment_date="2026-02-01T23:30:00-08:00")).payment_date == "2026-02-01"
    assert payment(settled(invoice_date=None)).invoice_date == ""


# -- records in the shape of Basware

GIVEN = {
    "invoiceId": "i1",
    "externalCode": "p-1",
    "success": True,
    "paymentBlock": False,
    "paidTotal": Decimal("10.50"),
    "paymentDate": "2026-02-01T00:00:00Z",
    "checkNumber": "451",
    "_sdc_sequence": 7,
    "paymentMessage": None,
}


def test_a_basware_shaped_response_passes_as_it_is() -> None:
    invoice_id, found = given_response(GIVEN, source_system="ERP")
    assert invoice_id == "i1"
    assert found == {
        "externalCode": "p-1",
        "success": True,
        "paymentBlock": False,
        "paidTotal": Decimal("10.5"),
        "paymentDate": "2026-02-01T00:00:00Z",
        "checkNumber": "451",
        "sourceSystem": "ERP",
    }


def test_a_basware_shaped_response_without_code_gets_one_of_its_content() -> None:
    record = {**GIVEN, "externalCode": ""}
    code = given_response(record)[1]["externalCode"]
    assert uuid.UUID(code)
    assert given_response({**record, "paidTotal": Decimal("10.5")})[1]["externalCode"] == code
    assert given_response({**record, "paidTotal": 11})[1]["externalCode"] != code


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"amountPaid": 1}, "amountPaid: no field of a payment response"),
        ({"success": None}, "success is 'None'; it has to be true or false"),
        ({"paymentBlock": "false"}, "paymentBlock is 'false'"),
        ({"paidTotal": "much"}, "paidTotal is 'much'; it has to be an amount"),
        ({"paymentDate": "soon"}, "paymentDate 'soon' is not a date"),
        ({"checkNumber": "9" * 26}, "checkNumber has 26 characters, Basware takes 25"),
        ({"externalCode": "9" * 37}, "externalCode has 37 characters, Basware takes 36"),
        ({"invoiceId": "x" * 40}, "invoiceId 'x+' is no Basware invoiceId"),
    ],
)
def test_a_basware_shaped_response_is_checked(change: dict[str, Any], message: str) -> None:
    with pytest.raises(Rejected, match=message):
        given_response({**GIVEN, **change})


@needs_reference
def test_the_fields_are_those_of_the_openapi_document() -> None:
    schemas = json.loads(reference_text(OPENAPI))["components"]["schemas"]
    entity = schemas["PaymentResponseEntity"]["properties"]
    assert set(entity) == FIELDS
    lengths = {name: rule["maxLength"] for name, rule in entity.items() if "maxLength" in rule}
    assert lengths == dict(TEXTS)
