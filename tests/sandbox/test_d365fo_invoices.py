"""Writing vendor invoices: what F&O fills in, and every way in which it says no."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.d365fo.dimensions import join_segments, split_segments
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import Dynamics, connect, reason, trusting_session, world

HEADER = "VendorInvoiceHeaders(dataAreaId='usmf',HeaderReference='BW-1')"


@pytest.fixture
def dynamics(sandbox: Sandbox) -> Iterator[Dynamics]:
    sandbox.d365fo.load(world(), default_company="usmf")
    with trusting_session(sandbox) as session:
        yield connect(sandbox, session)


@pytest.fixture
def pending(dynamics: Dynamics) -> Dynamics:
    """With a header BW-1 that waits for its lines."""
    assert dynamics.post("VendorInvoiceHeaders", dynamics.invoice()).status_code == 201
    return dynamics


def stored(dynamics: Dynamics, name: str = "VendorInvoiceHeaders") -> list[dict[str, Any]]:
    return dynamics.sandbox.d365fo.rows(name)


def add_header(dynamics: Dynamics, **fields: Any) -> str:
    """The refusal of a header, "" when it was accepted."""
    answer = dynamics.post("VendorInvoiceHeaders", dynamics.invoice(**fields))
    assert answer.status_code in (201, 400), answer.text
    return "" if answer.status_code == 201 else reason(answer)


def add_line(dynamics: Dynamics, **fields: Any) -> str:
    answer = dynamics.post("VendorInvoiceLines", dynamics.line(**fields))
    assert answer.status_code in (201, 400), answer.text
    return "" if answer.status_code == 201 else reason(answer)


def test_a_header_comes_back_whole(dynamics: Dynamics) -> None:
    body = dynamics.invoice(ImportedAmount=1250.5, InvoiceDate="2026-10-30", IsApproved="Yes")
    body["@odata.type"] = "#Microsoft.Dynamics.DataEntities.VendorInvoiceHeader"
    answer = dynamics.post("VendorInvoiceHeaders", body)
    assert answer.status_code == 201
    assert answer.headers["Location"] == dynamics.url(HEADER)
    row = answer.json()
    assert answer.headers["ETag"] == row["@odata.etag"]
    assert row["InvoiceDate"] == "2026-10-30T12:00:00Z"
    assert (row["VendorAccount"], row["VendorName"]) == ("V1", "Vendor V1")
    assert (row["TermsOfPayment"], row["VendorInvoiceReviewStatus"]) == ("Net30", "Draft")
    assert stored(dynamics)[0]["ImportedAmount"] == Decimal("1250.5")


def test_without_a_reference_the_number_sequence_gives_one_and_leaves_gaps(
    dynamics: Dynamics,
) -> None:
    def reference(**fields: Any) -> int:
        body = dynamics.invoice(**fields)
        del body["HeaderReference"]
        answer = dynamics.post("VendorInvoiceHeaders", body)
        return int(answer.json()["HeaderReference"]) if answer.status_code == 201 else 0

    first = reference()
    assert reference(InvoiceNumber="INV-2", InvoiceAccount="nobody") == 0
    assert reference(InvoiceNumber="INV-2") == first + 2


def test_without_a_company_the_row_goes_to_the_default_one(dynamics: Dynamics) -> None:
    body = dynamics.invoice(HeaderReference="BW-2", InvoiceNumber="INV-2", dataAreaId="USMF")
    assert dynamics.post("VendorInvoiceHeaders", body).json()["dataAreaId"] == "usmf"
    body = dynamics.invoice()
    del body["dataAreaId"]
    assert dynamics.post("VendorInvoiceHeaders?cross-company=true", body).status_code == 201
    assert {row["dataAreaId"] for row in stored(dynamics)} == {"usmf"}


def test_manual_numbers_can_be_forbidden(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.manual_header_reference = False
    text = add_header(dynamics)
    assert "'Invoice identification' does not allow the number BW-1" in text
    assert text.endswith(
        "Warning: validateField failed on field 'VendorInvoiceHeaderEntity.HeaderReference'."
    )
    assert add_header(dynamics, HeaderReference="") == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"InvoiceNumber": ""}, "Field 'Invoice number' must be filled in"),
        ({"InvoiceAccount": ""}, "Field 'Invoice account' must be filled in"),
        (
            {"InvoiceAccount": "nobody"},
            "The value 'nobody' in field 'Invoice account' is not found",
        ),
        ({"InvoiceAccount": "HELD"}, "Vendor account HELD is on hold for 'Invoice'"),
        ({"Currency": "XXX"}, "not found in the related table 'Currencies'"),
        ({"TermsOfPayment": "Never"}, "not found in the related table 'Terms of payment'"),
        ({"MethodOfPayment": "GOLD"}, "not found in the related table 'Methods of payment'"),
        ({"SalesTaxGroup": "NONE"}, "not found in the related table 'Sales tax groups'"),
        ({"PurchaseOrderNumber": "PO-9"}, "not found in the related table 'Purchase orders'"),
        ({"InvoiceNumber": "1" * 21}, "'Invoice number' is longer than 20 characters"),
        ({"DimensionDisplayValue": "CC7-"}, "The value 'CC7' for dimension 'CostCenter'"),
        ({"dataAreaId": "gone"}, "The company 'gone' does not exist"),
        ({"Nonsense": 1}, "The property 'Nonsense' does not exist on type"),
        ({"ImportedAmount": "12"}, "Cannot convert the literal '12'"),
        ({"IsApproved": "Perhaps"}, "Cannot convert the literal 'Perhaps'"),
        ({"InvoiceDate": "30.10.2026"}, "Cannot convert the literal '30.10.2026'"),
        ({"VendorInvoiceLine": []}, "The property 'VendorInvoiceLine' does not exist"),
    ],
)
def test_a_bad_header_is_refused_and_not_stored(
    dynamics: Dynamics, fields: dict[str, Any], expected: str
) -> None:
    assert expected in add_header(dynamics, **fields)
    assert stored(dynamics) == []


def test_empty_references_are_not_checked(dynamics: Dynamics) -> None:
    assert add_header(dynamics, TermsOfPayment="", SalesTaxGroup="", MethodOfPayment="") == ""
    assert add_header(dynamics, InvoiceAccount="PAY", HeaderReference="BW-2") == ""


def test_infolog_texts_have_their_grammar(dynamics: Dynamics) -> None:
    assert add_header(dynamics, Currency="XXX") == (
        "Write failed for table row of type 'VendorInvoiceHeaderEntity'. Infolog: "
        "Warning: The value 'XXX' in field 'Currency' is not found in the related table "
        "'Currencies'.; Warning: validateField failed on field "
        "'VendorInvoiceHeaderEntity.Currency'."
    )
    assert add_header(dynamics, InvoiceNumber="") == (
        "Write failed for table row of type 'VendorInvoiceHeaderEntity'. Infolog: "
        "Warning: Field 'Invoice number' must be filled in.; Warning: validateWrite failed on "
        "data source 'VendInvoiceInfoTable (VendInvoiceInfoTable)'."
    )


def test_the_key_refuses_a_second_copy(pending: Dynamics) -> None:
    assert add_header(pending, HeaderReference="bw-1", InvoiceNumber="INV-2") == (
        "Write failed for table row of type 'VendorInvoiceHeaderEntity'. Infolog: Info: Cannot "
        "create a record in Pending vendor invoice (VendInvoiceInfoTable). Invoice "
        "identification: bw-1.\nThe record already exists.."
    )
    assert add_header(pending, dataAreaId="demf") == ""  # a key of another company


def test_business_errors_can_be_500(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.business_error_status = 500
    answer = dynamics.post("VendorInvoiceHeaders", dynamics.invoice(Currency="XXX"))
    assert answer.status_code == 500
    answer = dynamics.post("VendorInvoiceHeaders", dynamics.invoice(Nonsense=1))
    assert answer.status_code == 400  # not the business's doing


def test_long_text_can_be_cut(dynamics: Dynamics) -> None:
    dynamics.sandbox.switches.d365fo.long_strings = "truncate"
    dynamics.sandbox.switches.d365fo.max_lengths = {"VendorInvoiceHeaders.Comment": 5}
    assert add_header(dynamics, InvoiceDescription="x" * 70, Comment="1234567") == ""
    assert stored(dynamics)[0]["InvoiceDescription"] == "x" * 60
    assert stored(dynamics)[0]["Comment"] == "12345"


def set_policy(dynamics: Dynamics, **parameters: str) -> None:
    state = dynamics.sandbox.d365fo
    record = state.first("VendorParameters", dataAreaId="usmf")
    assert record is not None
    state.update("VendorParameters", record, dict(parameters))


@pytest.mark.parametrize(
    ("policy", "date", "accepted"),
    [
        ("NoDuplicate", "2027-01-02", False),
        ("NoDuplicateInYear", "2026-12-31", False),
        ("NoDuplicateInYear", "2027-01-02", True),
        ("AcceptDuplicate", "2026-11-02", True),
        ("WarnDuplicate", "2026-11-02", True),
    ],
)
@pytest.mark.parametrize("posted", [False, True])
def test_duplicate_invoice_numbers_by_policy(
    pending: Dynamics, policy: str, date: str, accepted: bool, posted: bool
) -> None:
    set_policy(pending, IsCheckInvoiceNumberUsed=policy)
    if posted:
        assert add_line(pending) == ""
        pending.sandbox.d365fo.post_invoice("usmf", "BW-1")
    refused = add_header(pending, HeaderReference="BW-2", InvoiceNumber="inv-1", Date=date)
    assert (refused == "") is accepted
    if not accepted:
        assert "Invoice number inv-1 already exists for vendor account V1" in refused


def test_what_is_no_duplicate(pending: Dynamics) -> None:
    assert add_header(pending, HeaderReference="BW-2", InvoiceNumber="INV 1") == ""
    assert add_header(pending, HeaderReference="BW-3", InvoiceAccount="V2") == ""
    assert add_header(pending, HeaderReference="BW-4", dataAreaId="demf") == ""
    set_policy(pending, VendInvoiceInUseRecoverEnable="Yes")
    assert add_header(pending, HeaderReference="BW-5") == ""


def test_the_fiscal_year_is_that_of_the_ledger(pending: Dynamics) -> None:
    year = {"Calendar": "Fiscal", "FiscalYear": "2026", "StartDate": "2026-07-01"}
    pending.sandbox.d365fo.load({"FiscalCalendarYears": [year | {"EndDate": "2027-06-30"}]})
    set_policy(pending, IsCheckInvoiceNumberUsed="NoDuplicateInYear")
    assert "already exists" in add_header(pending, HeaderReference="B", Date="2027-06-30")
    assert add_header(pending, HeaderReference="B", Date="2027-07-01") == ""


def test_duplicates_can_be_left_to_posting(pending: Dynamics) -> None:
    pending.sandbox.switches.d365fo.duplicate_check = "posting"
    assert add_header(pending, HeaderReference="BW-2") == ""


def test_a_required_document_date(dynamics: Dynamics) -> None:
    assert add_header(dynamics, InvoiceDate=None) == ""
    assert stored(dynamics)[0]["InvoiceDate"] == "1900-01-01T12:00:00Z"
    set_policy(dynamics, RequireDocumentDateOnVendorInvoice="Error")
    assert "Field 'Invoice date'" in add_header(
        dynamics, InvoiceDate=None, HeaderReference="BW-2", InvoiceNumber="INV-2"
    )


def test_a_line_takes_from_its_header_and_its_purchase_order(pending: Dynamics) -> None:
    fields = {"MainAccountDisplayValue": "", "PurchaseOrder": "PO-1", "PurchLineNumber": 1}
    assert add_line(pending, **fields, ReceiveNow=4, NetAmount=0) == ""
    assert add_line(pending) == ""
    first, second = stored(pending, "VendorInvoiceLines")
    assert (first["InvoiceLineNumber"], second["InvoiceLineNumber"]) == (1, 2)
    assert (first["ItemNumber"], first["LineDescription"]) == ("STOCKED", "Bolts")
    assert (first["NetAmount"], first["UnitPrice"]) == (50, Decimal("12.5"))
    assert (second["Currency"], second["InvoiceAccount"]) == ("USD", "V1")
    assert second["MainAccountDisplayValue"] == r"601000-CC1-P\-1"
    assert second["DataAreaCompany"] == "usmf"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"HeaderReference": "gone"}, "not found in the related table 'Pending vendor invoice'"),
        ({"HeaderReference": ""}, "Field 'Invoice identification' must be filled in"),
        ({"MainAccountDisplayValue": ""}, "Either an item number or a procurement category"),
        ({"MainAccountDisplayValue": "609999--"}, "'609999' in field 'Main account' is not found"),
        ({"MainAccountDisplayValue": "602000--"}, "Main account 602000 is suspended"),
        ({"MainAccountDisplayValue": "699999--"}, "Main account 699999 cannot be used"),
        (
            {"MainAccountDisplayValue": "601000-CC9-"},
            "'CC9' for dimension 'CostCenter' is suspended",
        ),
        (
            {"MainAccountDisplayValue": "601000-CC7-"},
            "'CC7' for dimension 'CostCenter' is not valid",
        ),
        ({"MainAccountDisplayValue": "601000--DE"}, "'DE' for dimension 'Project' is not valid"),
        ({"MainAccountDisplayValue": "601000--P-1"}, "'P' for dimension 'Project' is not valid"),
        ({"MainAccountDisplayValue": "601000"}, "has 1 of the 3 segments of the format"),
        ({"DimensionDisplayValue": "-P\\-2"}, "'P-2' for dimension 'Project' is not valid"),
        ({"SalesTaxGroup": "NONE"}, "'NONE' in field 'Sales tax group' is not found"),
        ({"ItemSalesTax": "NONE"}, "'NONE' in field 'Item sales tax group' is not found"),
        ({"Currency": "XXX"}, "not found in the related table 'Currencies'"),
        ({"Unit": "dozen"}, "not found in the related table 'Units'"),
        ({"PurchaseOrder": "PO-1"}, "Field 'Line number' must be filled in"),
        ({"PurchLineNumber": 1}, "Field 'Purchase order' must be filled in"),
        ({"PurchaseOrder": "PO-9", "PurchLineNumber": 1}, "'PO-9' in field 'Purchase order'"),
        ({"PurchaseOrder": "PO-1", "PurchLineNumber": 7}, "Line 7 of purchase order PO-1"),
        ({"ItemNumber": "STOCKED"}, "The item's inventory model policy must be not stocked"),
        ({"ItemNumber": "UNKNOWN"}, "not found in the related table 'Released products'"),
        ({"ProcurementCategoryName": "Rockets"}, "related table 'Procurement categories'"),
    ],
)
def test_a_bad_line_is_refused_and_not_stored(
    pending: Dynamics, fields: dict[str, Any], expected: str
) -> None:
    assert expected in add_line(pending, **fields)
    assert stored(pending, "VendorInvoiceLines") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"MainAccountDisplayValue": "601000-CC1-P\\-1-more-than-the-format"},
        {"MainAccountDisplayValue": "601000--"},
        {"MainAccountDisplayValue": "", "ItemNumber": "SERVICE"},
        {"MainAccountDisplayValue": "", "ProcurementCategoryName": "Office"},
        {"DimensionDisplayValue": "cc1-"},
    ],
)
def test_ways_to_code_a_line(pending: Dynamics, fields: dict[str, Any]) -> None:
    assert add_line(pending, **fields) == ""


def test_a_purchase_order_belongs_to_its_vendor(dynamics: Dynamics) -> None:
    assert add_header(dynamics, InvoiceAccount="V2") == ""
    refused = add_line(dynamics, PurchaseOrder="PO-1", PurchLineNumber=1)
    assert "Purchase order PO-1 does not belong to vendor account V2" in refused


def test_a_category_can_be_required(pending: Dynamics) -> None:
    pending.sandbox.switches.d365fo.require_item_or_category = True
    assert "Either an item number" in add_line(pending)
    assert add_line(pending, ProcurementCategoryName="Office") == ""


def test_without_an_active_format_dimensions_cannot_be_written(pending: Dynamics) -> None:
    state = pending.sandbox.d365fo
    for record in state.records("DimensionIntegrationFormats"):
        state.update("DimensionIntegrationFormats", record, {"IsActive": "No"})
    assert "no ledger dimension format" in add_line(pending)
    refused = add_line(pending, MainAccountDisplayValue="", DimensionDisplayValue="CC1-")
    assert "no default dimension format" in refused


def test_a_dimension_value_can_be_suspended_for_one_company(pending: Dynamics) -> None:
    override = {"FinancialDimension": "CostCenter", "DimensionValue": "CC1", "IsSuspended": "Yes"}
    pending.sandbox.d365fo.load(
        {"FinancialDimensionValueLegalEntityOverridesV2": [override | {"LegalEntityId": "usmf"}]}
    )
    assert "'CC1' for dimension 'CostCenter' is suspended" in add_line(pending)


def test_value_of_one_company(dynamics: Dynamics) -> None:
    assert add_header(dynamics, dataAreaId="demf") == ""
    assert add_line(dynamics, dataAreaId="demf", MainAccountDisplayValue="601000--DE") == ""


@pytest.mark.parametrize(
    ("fields", "policy", "net"),
    [
        ({"ReceiveNow": 3, "UnitPrice": 33.333, "NetAmount": 100}, "recompute", "100"),
        ({"ReceiveNow": 3, "UnitPrice": 30, "NetAmount": 100}, "recompute", "90"),
        ({"ReceiveNow": 3, "UnitPrice": 30, "NetAmount": 100}, "keep", "100"),
        ({"ReceiveNow": 10, "UnitPrice": 5, "PriceUnit": 100, "NetAmount": 0}, "keep", "0"),
        ({"ReceiveNow": 10, "UnitPrice": 5, "PriceUnit": 100}, "recompute", "0.5"),
        (
            {"ReceiveNow": 1, "UnitPrice": 100.4, "Currency": "JPY", "NetAmount": 0},
            "recompute",
            "100",
        ),
        ({"ReceiveNow": -2, "UnitPrice": 50, "DiscountPercent": 10}, "recompute", "-90"),
        ({"NetAmount": 12.34}, "recompute", "12.34"),
    ],
)
def test_net_amount(pending: Dynamics, fields: dict[str, Any], policy: str, net: str) -> None:
    pending.sandbox.switches.d365fo.net_amount = policy
    assert add_line(pending, **fields) == ""
    assert stored(pending, "VendorInvoiceLines")[0]["NetAmount"] == Decimal(net)


def test_changes_and_deletes(pending: Dynamics) -> None:
    assert add_line(pending) == ""
    charge = {"dataAreaId": "usmf", "HeaderReference": "BW-1", "FixedChargeAmount": 5}
    assert pending.post("VendorInvoiceHeaderCharges", charge).status_code == 201
    attachment = {"dataAreaId": "usmf", "HeaderReference": "BW-1", "FileContents": "JVBERg=="}
    for _ in range(2):  # they share the key of their invoice
        assert pending.post("VendorInvoiceDocumentAttachments", attachment).status_code == 201
    answer = pending.patch(HEADER, {"InvoiceDescription": "corrected"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert stored(pending)[0]["InvoiceDescription"] == "corrected"
    assert pending.delete(HEADER).status_code == 204
    assert pending.get(HEADER).status_code == 404
    for name in ("VendorInvoiceLines", "VendorInvoiceHeaderCharges"):
        assert stored(pending, name) == []
    assert stored(pending, "VendorInvoiceDocumentAttachments") == []


def test_there_is_no_upsert(dynamics: Dynamics) -> None:
    for answer in (dynamics.patch(HEADER, {"Comment": "x"}), dynamics.delete(HEADER)):
        assert answer.status_code == 400
        assert reason(answer) == "No resources were found when selecting for update."


def test_other_companies_are_changed_with_cross_company(dynamics: Dynamics) -> None:
    assert add_header(dynamics, dataAreaId="demf") == ""
    path = HEADER.replace("usmf", "demf")
    assert dynamics.patch(path, {"Comment": "x"}).status_code == 400
    assert dynamics.patch(f"{path}?cross-company=true", {"Comment": "x"}).status_code == 204
    assert dynamics.delete(path).status_code == 400
    assert dynamics.delete(f"{path}?cross-company=true").status_code == 204


def test_a_change_is_validated_like_a_new_row(pending: Dynamics) -> None:
    assert "Currencies" in reason(pending.patch(HEADER, {"Currency": "XXX"}))
    assert "Field 'Invoice number'" in reason(pending.patch(HEADER, {"InvoiceNumber": ""}))
    assert pending.patch(HEADER, {"InvoiceNumber": "INV-1"}).status_code == 204
    assert "cannot be changed" in reason(pending.patch(HEADER, {"HeaderReference": "BW-9"}))


def test_stale_etags(pending: Dynamics) -> None:
    etag = pending.get(HEADER).headers["ETag"]
    assert pending.patch(HEADER, {"Comment": "1"}, **{"If-Match": etag}).status_code == 204
    assert pending.patch(HEADER, {"Comment": "2"}, **{"If-Match": etag}).status_code == 412
    pending.sandbox.switches.d365fo.stale_etag_status = 400
    answer = pending.patch(HEADER, {"Comment": "2"}, **{"If-Match": etag})
    assert "An update conflict occurred" in reason(answer)
    assert pending.patch(HEADER, {"Comment": "2"}, **{"If-Match": "*"}).status_code == 204


def test_read_only_fields_are_ignored_or_refused(dynamics: Dynamics) -> None:
    assert add_header(dynamics, VendorInvoiceReviewStatus="Approved") == ""
    assert stored(dynamics)[0]["VendorInvoiceReviewStatus"] == "Draft"
    dynamics.sandbox.switches.d365fo.read_only_fields = "error"
    refused = add_header(dynamics, HeaderReference="B", VendorInvoiceReviewStatus="Approved")
    assert "cannot be edited" in refused


def test_lines_of_one_invoice_are_not_written_in_parallel(pending: Dynamics) -> None:
    pending.sandbox.switches.d365fo.write_seconds = 0.2
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: add_line(pending), range(4)))
    assert "" in answers
    assert any(
        "An update conflict occurred due to another user process" in text for text in answers
    )
    assert len(stored(pending, "VendorInvoiceLines")) == answers.count("")


def test_broken_bodies(dynamics: Dynamics) -> None:
    url = dynamics.url("VendorInvoiceHeaders")
    json_type = {"Content-Type": "application/json"}
    assert dynamics.session.post(url, data=b"{", headers=json_type).status_code == 400
    assert dynamics.session.post(url, data=b"[]", headers=json_type).status_code == 400
    assert (
        dynamics.session.post(url, data=b"<a/>", headers={"Content-Type": "text/xml"}).status_code
        == 415
    )
    assert dynamics.post(HEADER, {}).status_code == 405
    assert dynamics.patch("VendorInvoiceHeaders", {}).status_code == 405


def test_any_other_set_is_written_with_types_and_mandatory_fields_checked(
    dynamics: Dynamics,
) -> None:
    account = {"ChartOfAccounts": "Shared", "MainAccountId": "700000", "Name": "New"}
    assert dynamics.post("MainAccounts", account).status_code == 201
    assert "must be filled in" in reason(dynamics.post("MainAccounts", account | {"Name": ""}))
    assert "already exists" in reason(dynamics.post("MainAccounts", account))
    path = "MainAccounts(ChartOfAccounts='Shared',MainAccountId='700000')"
    assert dynamics.patch(path, {"IsSuspended": "Yes"}).status_code == 204
    assert dynamics.get(path).json()["IsSuspended"] == "Yes"


@given(
    st.lists(st.text(st.sampled_from("aB1-_|~.\\ "), max_size=5), min_size=1, max_size=4),
    st.sampled_from(["-", ".", "_", "|", "~"]),
)
def test_dimension_strings_survive_the_round_trip(values: list[str], delimiter: str) -> None:
    assert split_segments(join_segments(values, delimiter), delimiter) == values


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("001--", ["001", "", ""]),
        (r"US\-108-002", ["US-108", "002"]),
        ("123456789012----", ["123456789012", "", "", "", ""]),
        ("", [""]),
    ],
)
def test_dimension_strings_seen_in_the_field(text: str, segments: list[str]) -> None:
    assert split_segments(text, "-") == segments


def test_loading_names_what_is_wrong(sandbox: Sandbox) -> None:
    load = sandbox.d365fo.load
    with pytest.raises(ValueError, match="no entity set 'Vendors'"):
        load({"Vendors": []})
    with pytest.raises(ValueError, match="no field 'Nam' in LegalEntities"):
        load({"LegalEntities": [{"Nam": "x"}]})
    with pytest.raises(ValueError, match=r"Currencies.GeneralRoundingRule: Cannot convert"):
        load({"Currencies": [{"CurrencyCode": "USD", "GeneralRoundingRule": "a cent"}]})
    with pytest.raises(ValueError, match="loaded twice"):
        load({"Currencies": [{"CurrencyCode": "USD"}, {"CurrencyCode": "usd"}]})
    assert sandbox.d365fo.counts() == {}
