from __future__ import annotations

import pytest
from tap_d365fo.filter_dialect import FilterProblem, check_filter
from tap_d365fo.metadata import EntitySet

NAMESPACE = "Microsoft.Dynamics.DataEntities"
VENDORS = EntitySet(
    "VendorsV3",
    ("dataAreaId",),
    {
        "dataAreaId": "Edm.String",
        "VendorGroupId": "Edm.String",
        "IsOneTimeVendor": f"{NAMESPACE}.NoYes",
        "CreditLimit": "Edm.Decimal",
        "LineNumber": "Edm.Int64",
        "CreatedOn": "Edm.DateTimeOffset",
        "Recalculation": "Edm.Boolean",
        "Picture": "Edm.Binary",
    },
)
ENUMS = {f"{NAMESPACE}.NoYes": {"No": 0, "Yes": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "VendorGroupId eq '10'",
        "VendorGroupId eq '*O''Brien*' and not (CreditLimit gt 10.5 or LineNumber le -1)",
        f"IsOneTimeVendor eq {NAMESPACE}.NoYes'Yes'",
        f"{NAMESPACE}.NoYes'No' ne IsOneTimeVendor",
        "CreatedOn ge 2024-01-31T00:00:00Z and CreatedOn lt 2024-02-01T00:00:00+01:00",
        "CreditLimit mul 2 sub 1 ge LineNumber div 3",
        "Recalculation",
        "Recalculation eq true and VendorGroupId ne null",
        "((VendorGroupId gt 'a'))",
    ],
)
def test_what_dynamics_understands(text: str) -> None:
    check_filter(text, VENDORS, ENUMS)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("VendorGroup eq '10'", 1, "has no field VendorGroup (case counts); did you mean Vendor"),
        ("vendorgroupid eq '10'", 1, "did you mean VendorGroupId"),
        ("contains(VendorGroupId,'1')", 1, "no function contains(); write a wildcard"),
        ("VendorGroupId eq '1' and year(CreatedOn) eq 2024", 26, "no function year()"),
        ("VendorGroupId in ('1','2')", 15, "no operator in; write (Field eq 'a' or"),
        ("IsOneTimeVendor has 'Yes'", 17, "no operator has"),
        ("IsOneTimeVendor eq 'Yes'", 20, f"is an enum: write e.g. {NAMESPACE}.NoYes'No'"),
        (f"IsOneTimeVendor ge {NAMESPACE}.NoYes'Yes'", 17, "only eq and ne"),
        (f"IsOneTimeVendor eq {NAMESPACE}.NoYes'Maybe'", 20, "no member 'Maybe', only No, Yes"),
        ("IsOneTimeVendor eq NoYes'Yes'", 20, f"write {NAMESPACE}.NoYes'Yes'"),
        ("IsOneTimeVendor eq 1", 20, "is an enum"),
        ("(VendorGroupId eq '1'", 1, "this parenthesis is never closed"),
        ("VendorGroupId eq '1')", 21, "this parenthesis closes none"),
        ("VendorGroupId eq 'O'Brien'", 26, "a quote is never closed"),
        ("VendorGroupId eq 10", 18, "compares with a text in single quotes"),
        ("CreditLimit eq '10'", 16, "compares with a number without quotes"),
        ("CreatedOn ge '2024-01-31'", 14, "a moment without quotes"),
        ("CreatedOn ge 2024-01-31", 14, "a moment without quotes"),
        ("VendorGroupId = '1'", 15, "'=' is no operator; write eq"),
        ("VendorGroupId EQ '1'", 15, "operators are lower-case: eq"),
        ("VendorGroupId eq '1' AND LineNumber eq 1", 22, "operators are lower-case: and"),
        ("VendorGroupId eq", 17, "ends where a field or a value is expected"),
        ("VendorGroupId", 1, "is not compared with anything"),
        ("VendorGroupId eq '1' 'x'", 22, "is not expected here"),
        ("CreditLimit gt null", 13, "null compares with eq and ne only"),
        ("VendorGroupId add 1 eq 2", 1, "calculates with numbers only"),
        ("$filter=VendorGroupId eq '1'", 1, "without $filter="),
        ("Orders/any(o: o eq 1)", 1, "has no field Orders"),
        ("", 1, "ends where"),
        ("(" * 3000 + "1", 1, "nested too deeply"),
    ],
)
def test_what_it_does_not(text: str, position: int, words: str) -> None:
    with pytest.raises(FilterProblem) as caught:
        check_filter(text, VENDORS, ENUMS)

    assert words in str(caught.value)
    assert caught.value.position == position
