"""Look-ups: what is listed is found, what must be listed and is not is a hole with a name."""

from __future__ import annotations

from decimal import Decimal

import pytest
from ap_mapping import (
    EntityMapping,
    InvoiceType,
    MappingHole,
    TaxGroups,
    line_values,
    parse_mapping,
)

TEXT = """
version: 1
companies: {"10": {legal_entity: USMF}, "11": {legal_entity: usmf}, "20": {legal_entity: demf}}
dimensions:
  CostCenter: {coding_field: costCenterCode, import: costCenters, values: {"9": CC-9}}
  Project: {coding_field: projectCode}
main_accounts: {values: {"4711": "600100"}}
tax_codes: {T1: {sales_tax_group: US, item_sales_tax_group: FULL}}
payment_terms: {30N: Net30, OWN: null}
payment_methods: {Wire: ELECTRONIC}
invoice_types: {RE: {}, CR: {credit_note: true}}
procurement: {hierarchy: Proc, default_category: General, field: productCode, values: {"1": Paper}}
header:
  description: "Basware {invoiceId}"
  fields: {Comment: "{text1}", DiscountPercentage: {field: numeric1}}
line:
  description: "{text1} {invoiceNumber}"
  fields: {ItemName: "{productName|no name}"}
legal_entities:
  demf:
    dimensions: {Project: null}
    main_accounts: {field: dimCode2}
    tax_codes: {T2: {sales_tax_group: DE, item_sales_tax_group: null}}
    payment_terms: {30N: 30T}
    header: {posting_date: null, fields: {Comment: null}}
"""


@pytest.fixture
def usmf() -> EntityMapping:
    return parse_mapping(TEXT).for_legal_entity("USMF")


@pytest.fixture
def demf() -> EntityMapping:
    return parse_mapping(TEXT).for_legal_entity("demf")


def test_companies_go_to_legal_entities_and_back() -> None:
    mapping = parse_mapping(TEXT)
    assert mapping.legal_entity(" 10 ") == "usmf"
    assert mapping.company_codes("USMF") == ("10", "11")
    assert mapping.legal_entities == ("usmf", "demf")


@pytest.mark.parametrize(
    ("look_up", "text"),
    [
        ("tax_groups", "tax code 'T9' has no entry under tax_codes"),
        ("payment_term", "payment term 'T9' has no entry under payment_terms"),
        ("payment_method", "payment method 'T9' has no entry under payment_methods"),
        ("invoice_type", "invoice type 'T9' has no entry under invoice_types"),
    ],
)
def test_a_hole_names_key_section_and_legal_entity(
    usmf: EntityMapping, look_up: str, text: str
) -> None:
    with pytest.raises(MappingHole) as caught:
        getattr(usmf, look_up)("T9")
    assert str(caught.value) == f"{text} in mapping.yml (legal entity usmf)"
    assert (caught.value.key, caught.value.legal_entity) == ("T9", "usmf")


def test_an_unmapped_company_is_a_hole() -> None:
    with pytest.raises(MappingHole) as caught:
        parse_mapping(TEXT).legal_entity("99")
    assert str(caught.value) == "company code '99' has no entry under companies in mapping.yml"


def test_listed_codes_are_found(usmf: EntityMapping) -> None:
    assert usmf.tax_groups("T1") == TaxGroups("US", "FULL")
    assert usmf.payment_term("30N") == "Net30"
    assert usmf.payment_method("Wire") == "ELECTRONIC"
    assert usmf.invoice_type("CR") == InvoiceType(credit_note=True)


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_no_code_is_no_hole(usmf: EntityMapping, nothing: str | None) -> None:
    assert usmf.tax_groups(nothing) == TaxGroups(None, None)
    assert usmf.payment_term(nothing) is None
    assert usmf.payment_method(nothing) is None
    assert usmf.invoice_type(nothing) == InvoiceType()


def test_null_sends_nothing(usmf: EntityMapping) -> None:
    assert usmf.payment_term("OWN") is None


def test_without_the_section_methods_and_types_pass() -> None:
    mapping = parse_mapping("version: 1\ncompanies: {a: {legal_entity: usmf}}")
    entity = mapping.for_legal_entity("usmf")
    assert entity.payment_method("Wire") is None
    assert entity.invoice_type("RE") == InvoiceType()
    assert entity.procurement is None
    assert entity.header_description({"invoiceId": "abc"}) == "Basware abc"
    with pytest.raises(MappingHole):
        entity.payment_term("30N")


def test_codes_pass_except_the_exceptions(usmf: EntityMapping) -> None:
    assert usmf.main_account({"accountCode": "4711"}) == "600100"
    assert usmf.main_account({"accountCode": "605100"}) == "605100"
    assert usmf.main_account({}) == ""
    assert usmf.vendor_account({"supplierCode": " 10045 "}) == "10045"


def test_a_row_carries_the_dimensions_it_has(usmf: EntityMapping) -> None:
    row = {"costCenterCode": "9", "projectCode": " ", "dimCode1": "x"}
    assert usmf.dimension_values(row) == {"CostCenter": "CC-9"}


def test_exceptions_are_added_and_win(usmf: EntityMapping, demf: EntityMapping) -> None:
    assert demf.tax_groups("T1") == usmf.tax_groups("T1")
    assert demf.tax_groups("T2") == TaxGroups("DE", None)
    assert "T2" not in usmf.tax_codes
    assert (usmf.payment_term("30N"), demf.payment_term("30N")) == ("Net30", "30T")
    assert [dimension.name for dimension in demf.dimensions] == ["CostCenter"]
    assert demf.main_account({"dimCode2": "4711"}) == "600100"
    assert (usmf.header.posting_date, demf.header.posting_date) == ("voucherDate", None)
    assert demf.header.due_date == "dueDate"
    assert demf.header_fields({"text1": "x", "numeric1": 1}) == {"DiscountPercentage": 1}


def test_a_legal_entity_without_company_sees_the_common_sections() -> None:
    other = parse_mapping(TEXT).for_legal_entity("FRRT")
    assert other.legal_entity == "frrt"
    assert other.payment_term("30N") == "Net30"


def test_fields_come_from_templates_or_as_they_are(usmf: EntityMapping) -> None:
    document = {"text1": " abcdef ", "numeric1": Decimal("1.50")}
    assert usmf.header_fields(document, {"Comment": 4}) == {
        "Comment": "abcd",
        "DiscountPercentage": Decimal("1.50"),
    }
    assert usmf.header_fields({"text1": " "}) == {}


def test_a_line_sees_its_row_and_little_of_the_document(usmf: EntityMapping) -> None:
    document = {"invoiceNumber": "INV-1", "text1": "of the header"}
    assert usmf.line_description(line_values(document, {"text1": "paper"})) == "paper INV-1"
    assert usmf.line_description(line_values(document, {})) == "INV-1"
    assert usmf.line_fields(line_values(document, {})) == {"ItemName": "no name"}


def test_a_category_comes_from_the_row_or_is_the_default(usmf: EntityMapping) -> None:
    assert usmf.procurement is not None
    assert usmf.procurement.category({"productCode": "1"}) == "Paper"
    assert usmf.procurement.category({}) == "General"


def test_the_fingerprint_is_of_the_content() -> None:
    fingerprint = parse_mapping(TEXT).fingerprint
    assert parse_mapping("# a comment\n" + TEXT.replace('"10"', "10")).fingerprint == fingerprint
    assert parse_mapping(TEXT.replace("Net30", "Net31")).fingerprint != fingerprint
    assert len(fingerprint) == 64
