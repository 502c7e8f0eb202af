"""The other direction: F&O codes as Basware calls them, and what masters are written with."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ap_mapping import Codes, MappingError, Masters, PaymentTerm, parse_mapping
from hypothesis import given
from hypothesis import strategies as st

TEXT = """
version: 1
companies: {"10": {legal_entity: usmf}, "20": {legal_entity: demf}}
dimensions:
  CostCenter: {coding_field: costCenterCode, import: costCenters}
  Region: {coding_field: dimCode3, import: lists/ACC_LIST_3, code_column: text_4,
           name_column: null, list_content: Dimension3}
tax_codes:
  T1: {sales_tax_group: US, item_sales_tax_group: FULL, percentage: 7.25}
  T2: {sales_tax_group: US, item_sales_tax_group: FULL}
  RC: {sales_tax_group: EU, item_sales_tax_group: null}
payment_terms: {30N: Net30, 30D: {term: Net30, cash_discount: 2%D7}, OWN: {term: null}, O2: null}
payment_methods: {Wire: ELECTRONIC, Wire2: ELECTRONIC}
masters:
  source_system: F&O
  inherit: true
  order_statuses: [Confirmed]
  vendor_identifiers: {DUNSNumber: null, SiretNumber: SIRET}
legal_entities:
  demf:
    masters: {one_time_vendors: false, vendor_identifiers: {TaxExemptNumber: UST}}
"""
CODE = st.text("ab1 ", min_size=1, max_size=3)


@given(values=st.dictionaries(CODE, CODE, max_size=6), code=CODE.map(str.strip).filter(bool))
def test_every_code_that_is_offered_comes_back_as_what_it_stands_for(
    values: dict[str, str], code: str
) -> None:
    codes = Codes("accountCode", values)
    offered = codes.basware(code)
    assert all(codes.get(basware) == code for basware in offered)
    if code not in values.values() and code not in values:
        assert offered == (code,)


def test_an_exception_hides_the_code_itself_on_both_sides() -> None:
    codes = Codes("accountCode", {"4711": "618160", "4712": "618160"})
    assert codes.basware("618160") == ("4711", "4712")
    assert codes.basware("4711") == ()
    assert codes.basware("605100") == ("605100",)


def test_a_pair_of_groups_has_the_tax_codes_that_stand_for_it() -> None:
    entity = parse_mapping(TEXT).for_legal_entity("usmf")
    assert entity.tax_codes_of("US", "FULL") == ("T1", "T2")
    assert entity.tax_codes_of("EU", "") == ("RC",)
    assert entity.tax_codes_of("US", "") == ()
    assert entity.tax_codes["T1"].percentage == Decimal("7.25")
    assert entity.tax_codes["T2"].percentage is None


def test_a_term_with_a_cash_discount_is_a_term_for_invoices() -> None:
    entity = parse_mapping(TEXT).for_legal_entity("usmf")
    assert entity.payment_term("30D") == "Net30"
    assert entity.payment_term("OWN") is None
    assert entity.payment_terms["30D"] == PaymentTerm("Net30", "2%D7")


@pytest.mark.parametrize(
    ("term", "discount", "code"),
    [("Net30", "", "30N"), ("Net30", "2%D7", "30D"), ("Net30", "3%", "30N"), ("Net60", "", None)],
)
def test_a_vendors_term_is_the_one_with_its_discount_else_the_plain_one(
    term: str, discount: str, code: str | None
) -> None:
    entity = parse_mapping(TEXT).for_legal_entity("usmf")
    assert entity.payment_term_code(term, discount) == code


def test_no_discount_is_granted_that_nobody_agreed_on() -> None:
    text = TEXT.replace("30N: Net30, ", "")
    assert parse_mapping(text).for_legal_entity("usmf").payment_term_code("Net30") is None


def test_payment_means_without_a_method_of_their_own_come_back_as_the_vendors() -> None:
    entity = parse_mapping(TEXT).for_legal_entity("usmf")
    assert entity.payment_means_code("ELECTRONIC") == "Wire"
    for method in ("CHECK", ""):
        code = entity.payment_means_code(method)
        assert code == "DEFAULT"
        assert entity.payment_method(code) is None


def test_without_payment_methods_the_names_of_dynamics_are_used() -> None:
    text = TEXT.replace("payment_methods: {Wire: ELECTRONIC, Wire2: ELECTRONIC}", "")
    entity = parse_mapping(text).for_legal_entity("usmf")
    assert entity.payment_means_code("CHECK") == "CHECK"
    assert entity.payment_means_code("") == "DEFAULT"


def test_dimensions_are_found_without_regard_to_case_and_know_their_columns() -> None:
    entity = parse_mapping(TEXT).for_legal_entity("usmf")
    center, region = entity.dimension("costcenter"), entity.dimension("Region")
    assert center
    assert (center.code_column, center.name_column) == ("text_1", "text_2")
    assert region
    assert (region.code_column, region.name_column) == ("text_4", None)
    assert region.list_content == "Dimension3"
    assert entity.dimension("Color") is None


def test_masters_have_defaults_and_exceptions() -> None:
    mapping = parse_mapping(TEXT)
    usmf, demf = (mapping.for_legal_entity(name).masters for name in ("usmf", "demf"))
    assert (usmf.source_system, usmf.inherit, usmf.order_statuses) == ("F&O", True, ("Confirmed",))
    assert usmf.vendor_identifiers == {
        "TaxExemptNumber": "VAT",
        "OrganizationNumber": "ORGNR",
        "SiretNumber": "SIRET",
    }
    assert (usmf.one_time_vendors, demf.one_time_vendors) == (True, False)
    assert demf.source_system == "F&O"
    plain = parse_mapping("version: 1\ncompanies: {a: {legal_entity: usmf}}")
    assert plain.for_legal_entity("usmf").masters == Masters()


def test_what_a_tenant_does_without_may_differ_by_legal_entity() -> None:
    mapping = parse_mapping(
        "version: 1\ncompanies: {a: {legal_entity: usmf}, b: {legal_entity: demf}}\n"
        "masters: {without: [BankAccounts, ProductReceipts]}\n"
        "legal_entities: {demf: {masters: {without: []}}}"
    )
    found = [mapping.for_legal_entity(name).masters.without for name in ("usmf", "demf")]
    assert found == [("BankAccounts", "ProductReceipts"), ()]
    assert Masters().without == ()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("order_statuses: [Konfirmed]", "Confirmed"),
        ("inactive_on_hold: Invoice", "must be a list"),
        ("dimension_delimiter: '+'", "separates the segments"),
        ("without: [Order]", "BankAccounts or ProductReceipts"),
        ("without: BankAccounts", "must be a list"),
        ("inherit: maybe", "must be true or false"),
        ("sourcesystem: X", "Did you mean source_system"),
    ],
)
def test_what_is_wrong_with_masters_is_said(line: str, words: str) -> None:
    with pytest.raises(MappingError, match=words) as caught:
        parse_mapping("version: 1\ncompanies: {a: {legal_entity: usmf}}\nmasters:\n  " + line)
    assert caught.value.line == 4


def test_a_percentage_is_a_number() -> None:
    with pytest.raises(MappingError, match=r"tax_codes\.T1\.percentage: .*7\.25"):
        parse_mapping(TEXT.replace("7.25", "seven"))
