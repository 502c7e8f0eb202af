"""$filter: what it finds, and what F&O refuses."""

from __future__ import annotations

import contextlib
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.d365fo.errors import ODataError
from sandbox.d365fo.filter_compile import compile_filter
from sandbox.d365fo.filter_syntax import parse
from sandbox.d365fo.model import load_model

MODEL = load_model()
HEADERS = MODEL.sets["VendorInvoiceHeaders"]
NO_YES = "Microsoft.Dynamics.DataEntities.NoYes"
ROW: dict[str, Any] = {
    "dataAreaId": "usmf",
    "InvoiceNumber": "O'Hara 12*",
    "InvoiceAccount": "US-101",
    "Currency": "USD",
    "IsApproved": "Yes",
    "ImportedAmount": Decimal("1250.50"),
    "ImportedSalesTax": Decimal(250),
    "InvoiceDate": "2026-10-30T12:00:00Z",
    "StartDateTime": "2026-10-30T17:27:02Z",
    "Recalculation": True,
    "ElectronicInvoiceFrameworkType_FR": 7,
    "GSTInvoiceType": None,
}


def holds(text: str) -> bool:
    return compile_filter(text, HEADERS, MODEL)(ROW)


@pytest.mark.parametrize(
    "text",
    [
        "InvoiceAccount eq 'US-101'",
        "InvoiceAccount eq 'us-101  '",  # no case, no trailing blanks
        "InvoiceAccount ne 'US-102' and InvoiceAccount gt 'US-100'",
        "InvoiceNumber eq '*hara*'",
        "InvoiceNumber ne '*smith*'",
        "InvoiceNumber eq 'O''Hara 12*'",
        f"IsApproved eq {NO_YES}'Yes'",
        f"not (IsApproved eq {NO_YES}'No')",
        f"IsApproved ne {NO_YES}'No'",
        "GSTInvoiceType eq null",
        "ImportedAmount ge 1250.5 and 1250.50 eq ImportedAmount",
        "ImportedAmount add ImportedSalesTax eq 1500.5",
        "ImportedAmount sub 0.5 mul 2 eq 1249.5",
        "(ImportedAmount sub 0.5) mul 2 eq 2500",
        "ElectronicInvoiceFrameworkType_FR div 2 eq 3",
        "ElectronicInvoiceFrameworkType_FR divby 2 eq 3.5",
        "ElectronicInvoiceFrameworkType_FR mod 4 eq 3",
        "-ImportedSalesTax lt -249",
        "InvoiceDate eq 2026-10-30T12:00:00Z",
        "InvoiceDate le 2026-10-30T00:00:00Z",  # a date knows no time of day
        "StartDateTime lt 2026-10-30T17:27:02.500Z and StartDateTime gt 2026-10-30T19:27:01+02:00",
        "Recalculation eq true",
        "Recalculation",
        "Currency eq 'X' or Currency eq 'USD'",
        "dataAreaId eq 'USMF' and (Currency eq 'EUR' or Currency eq 'usd')",
        "Currency eq 'EUR' or ImportedAmount gt 1 and Currency eq 'USD'",  # and binds tighter
    ],
)
def test_it_finds_what_it_says(text: str) -> None:
    assert holds(text)
    assert not holds(f"not ({text})")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("contains(InvoiceNumber,'a')", "unknown function with name 'contains'"),
        ("startswith(InvoiceNumber,'a')", "unknown function with name 'startswith'"),
        ("endswith(InvoiceNumber,'a') eq true", "unknown function"),
        ("Currency in ('USD','EUR')", "Syntax error at position 9"),
        (f"IsApproved has {NO_YES}'Yes'", "Syntax error at position 11"),
        ("Invoicenumber eq 'a'", "Could not find a property named 'Invoicenumber'"),
        ("IsApproved eq 'Yes'", "incompatible types"),
        ("'Yes' eq IsApproved", "incompatible types"),
        ("IsApproved eq 1", "incompatible types"),
        (f"IsApproved gt {NO_YES}'No'", "not supported for the enum type"),
        (f"IsApproved eq {NO_YES}'Maybe'", "'Maybe' is not a valid enumeration"),
        ("IsApproved eq NoYes'Yes'", "The type 'NoYes'"),
        ("Currency eq 5", "incompatible types"),
        ("ImportedAmount eq '5'", "incompatible types"),
        ("InvoiceDate eq '2026-10-30'", "incompatible types"),
        ("InvoiceDate eq 2026-10-30", "incompatible types"),
        ("InvoiceDate ge 2026-13-30T00:00:00Z", "Unrecognized"),
        ("Currency eq 'USD", "Syntax error"),
        ("(Currency eq 'USD'", "Syntax error"),
        ("Currency eq", "Syntax error"),
        ("Currency eq 'USD' Currency eq 'EUR'", "Syntax error"),
        ("", "Syntax error"),
        ("Currency", "single boolean"),
        ("VendorInvoiceLine/any(l:l/Amount gt 1)", "Syntax error"),
        ("ImportedAmount div 0 eq 1", "divide by zero"),
        ("(" * 200 + "Currency eq 'USD'" + ")" * 200, "recursion limit"),
    ],
)
def test_what_f_and_o_refuses_is_a_400(text: str, reason: str) -> None:
    with pytest.raises(ODataError) as refused:
        holds(text)
    assert refused.value.status == 400
    assert reason in refused.value.message


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_quoted_string_finds_exactly_itself(text: str, other: str) -> None:
    stored = text.rstrip(" ")
    literal = other.replace("'", "''")
    found = compile_filter(f"InvoiceNumber eq '{literal}'", HEADERS, MODEL)(
        {"InvoiceNumber": stored}
    )
    if "*" not in other:
        assert found == (stored.lower() == other.rstrip(" ").lower())
    elif other == text:
        assert found


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ODataError):
        parse(text)


@given(
    st.lists(st.tuples(st.sampled_from("abAB"), st.sampled_from("xyXY")), min_size=1, max_size=6),
    st.sampled_from("abAB"),
    st.sampled_from("xyXY"),
)
def test_a_list_of_pairs_means_what_its_parts_mean(
    pairs: list[tuple[str, str]], account: str, number: str
) -> None:
    text = " or ".join(f"InvoiceAccount eq '{a}' and InvoiceNumber eq '{n}'" for a, n in pairs)
    row = {"InvoiceAccount": account, "InvoiceNumber": number}
    wanted = any(a.lower() == account.lower() and n.lower() == number.lower() for a, n in pairs)
    assert compile_filter(text, HEADERS, MODEL)(row) is wanted


def test_fifty_pairs_over_ten_thousand_rows_are_fast() -> None:
    rows = [{"InvoiceAccount": f"V{n % 97}", "InvoiceNumber": f"N{n}"} for n in range(10_000)]
    text = " or ".join(
        f"(InvoiceAccount eq 'V{n % 97}' and InvoiceNumber eq 'N{n}')" for n in range(50)
    )
    started = time.perf_counter()
    predicate = compile_filter(text, HEADERS, MODEL)
    found = [row for row in rows if predicate(row)]
    assert len(found) == 50
    assert time.perf_counter() - started < 0.5  # in fact about 10 ms
