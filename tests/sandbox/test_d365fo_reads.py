"""Reading over HTTP: companies, pages, options, keys, and the form of the JSON."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sandbox.server import Sandbox

from tests.reference import METADATA, reference_text
from tests.sandbox.d365fo_client import Dynamics, connect, reason, trusting_session, world

EDM = "{http://docs.oasis-open.org/odata/ns/edm}"


@pytest.fixture
def dynamics(sandbox: Sandbox) -> Iterator[Dynamics]:
    sandbox.d365fo.load(world(), default_company="usmf")
    with trusting_session(sandbox) as session:
        yield connect(sandbox, session)


def accounts(rows: list[dict[str, Any]]) -> list[str]:
    return [f"{row['dataAreaId']}/{row['VendorAccountNumber']}" for row in rows]


def test_without_cross_company_only_the_default_company_is_seen(dynamics: Dynamics) -> None:
    assert len(dynamics.rows("VendorsV3")) == 4
    assert len(dynamics.rows("VendorsV3?cross-company=true")) == 8
    assert dynamics.rows("VendorsV3?$filter=dataAreaId eq 'demf'") == []
    rows = dynamics.rows("VendorsV3?$filter=dataAreaId eq 'DEMF'&cross-company=true")
    assert {row["dataAreaId"] for row in rows} == {"demf"}
    assert dynamics.get("VendorsV3/$count").text == "4"
    assert dynamics.get("VendorsV3/$count?cross-company=true").text == "8"


def test_shared_sets_have_no_company(dynamics: Dynamics) -> None:
    assert len(dynamics.rows("MainAccounts")) == 3


def test_set_names_are_case_sensitive(dynamics: Dynamics) -> None:
    answer = dynamics.get("vendorsv3")
    assert answer.status_code == 404
    message = "Resource not found for the segment 'vendorsv3'."
    assert answer.json() == {"error": {"code": "", "message": message}}
    assert dynamics.get("VendorsV3/VendorAccountNumber").status_code == 404


def test_select_orderby_top_skip_and_count(dynamics: Dynamics) -> None:
    answer = dynamics.get(
        "VendorsV3?$select=dataAreaId,VendorAccountNumber&$orderby=VendorAccountNumber desc"
        "&$top=2&$skip=1&$count=true"
    ).json()
    assert answer["@odata.count"] == 4
    assert answer["@odata.context"].endswith(
        "/data/$metadata#VendorsV3(dataAreaId,VendorAccountNumber)"
    )
    assert accounts(answer["value"]) == ["usmf/V1", "usmf/PAY"]
    assert set(answer["value"][0]) == {"@odata.etag", "dataAreaId", "VendorAccountNumber"}
    assert "@odata.nextLink" not in answer


@pytest.mark.parametrize(
    ("query", "sizes"),
    [
        ("", [3, 3, 2]),
        ("&$top=2", [2]),
        ("&$top=5", [3, 2]),
        ("&$top=7", [3, 3, 1]),
        ("&$skip=6", [2]),
        ("&$top=6", [2, 3, 1]),  # never a rest that looks like the server's own $top
        ("&$filter=VendorAccountNumber ne 'HELD'", [3, 3]),
    ],
)
def test_pages_are_followed_by_absolute_links(
    dynamics: Dynamics, query: str, sizes: list[int]
) -> None:
    dynamics.sandbox.switches.d365fo.page_size = 3
    link = dynamics.url(f"VendorsV3?cross-company=true&$orderby=VendorAccountNumber{query}")
    found, pages = [], []
    while link:
        assert link.startswith(f"{dynamics.sandbox.d365fo_url}/data/VendorsV3?cross-company=true")
        answer = dynamics.session.get(link).json()
        pages.append(len(answer["value"]))
        found += accounts(answer["value"])
        link = answer.get("@odata.nextLink", "")
    assert pages == sizes
    assert len(set(found)) == sum(sizes)


def test_maxpagesize_is_obeyed_only_where_the_switch_says_so(dynamics: Dynamics) -> None:
    prefer = {"Prefer": "odata.maxpagesize=2"}
    assert len(dynamics.get("VendorsV3", **prefer).json()["value"]) == 4
    dynamics.sandbox.switches.d365fo.honour_maxpagesize = True
    assert len(dynamics.get("VendorsV3", **prefer).json()["value"]) == 2


def test_one_entity_by_all_its_keys(dynamics: Dynamics) -> None:
    answer = dynamics.get("VendorsV3(dataAreaId='USMF',VendorAccountNumber='v1')")
    assert answer.status_code == 200
    vendor = answer.json()
    assert vendor["@odata.context"].endswith("#VendorsV3/$entity")
    assert vendor["VendorAccountNumber"] == "V1"
    assert answer.headers["ETag"] == vendor["@odata.etag"]
    assert dynamics.get("LegalEntities('usmf')").status_code == 200
    line = "PurchaseOrderLinesV2(dataAreaId='usmf',PurchaseOrderNumber='PO-1',LineNumber=1)"
    assert dynamics.get(line).status_code == 200
    kind = "Microsoft.Dynamics.DataEntities.DimensionHierarchyType"
    name = f"DimensionFormatName='Ledger',DimensionFormatType={kind}"
    found = dynamics.get(f"DimensionIntegrationFormats({name}'DataEntityLedgerDimensionFormat')")
    assert found.status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("VendorsV3(dataAreaId='usmf',VendorAccountNumber='nobody')", 404),
        ("VendorsV3(dataAreaId='demf',VendorAccountNumber='V1')", 404),  # the company trap
        ("VendorsV3(dataAreaId='demf',VendorAccountNumber='V1')?cross-company=true", 200),
        ("VendorsV3(dataAreaId='usmf')", 400),
        ("VendorsV3('V1')", 400),
        ("VendorsV3(dataAreaId='usmf',VendorAccountNumber=1)", 400),
        ("PurchaseOrderLinesV2(dataAreaId='usmf',PurchaseOrderNumber='PO-1',LineNumber='1')", 400),
    ],
)
def test_a_key_that_is_missing_or_wrong(dynamics: Dynamics, path: str, status: int) -> None:
    answer = dynamics.get(path)
    assert answer.status_code == status
    if status == 404:
        assert answer.content == b""


@pytest.mark.parametrize(
    "query",
    [
        "$apply=aggregate($count as n)",
        "$search=x",
        "$compute=1 add 1 as n",
        "$select=Nothing",
        "$orderby=Nothing",
        "$orderby=Name sideways",
        "$top=-1",
        "$top=x",
        "$expand=Nothing",
        "$top=1&$top=2",
        "$filter=contains(VendorAccountNumber,'V')",
    ],
)
def test_what_f_and_o_does_not_know_is_a_400(dynamics: Dynamics, query: str) -> None:
    answer = dynamics.get(f"VendorsV3?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "An error has occurred."
    assert reason(answer)


def test_expand_goes_one_level(dynamics: Dynamics) -> None:
    dynamics.post("VendorInvoiceHeaders", dynamics.invoice())
    dynamics.post("VendorInvoiceLines", dynamics.line())
    (header,) = dynamics.rows("VendorInvoiceHeaders?$expand=VendorInvoiceLine")
    assert [line["NetAmount"] for line in header["VendorInvoiceLine"]] == [100]
    (line,) = dynamics.rows("VendorInvoiceLines?$expand=VendorInvoiceHeader")
    assert line["VendorInvoiceHeader"]["InvoiceNumber"] == "INV-1"
    nested = "VendorInvoiceHeaders?$expand=VendorInvoiceLine($expand=VendorInvoiceHeader)"
    assert dynamics.get(nested).status_code == 400


def test_rows_look_like_those_of_f_and_o(dynamics: Dynamics) -> None:
    dynamics.post("VendorInvoiceHeaders", dynamics.invoice(ImportedAmount=6800))
    text = dynamics.get("VendorInvoiceHeaders").text
    assert '"ImportedAmount":6800,' in text
    (row,) = json.loads(text, parse_float=Decimal)["value"]
    assert list(row)[:3] == ["@odata.etag", "dataAreaId", "HeaderReference"]
    etag = base64.b64decode(row["@odata.etag"].removeprefix('W/"').removesuffix('"')).decode()
    version, rec_id = etag.strip("'").split(",")
    assert version == "1"
    assert int(rec_id) >= 5637144576
    assert row["InvoiceDate"] == "2026-10-30T12:00:00Z"
    assert row["DueDate"] == "1900-01-01T12:00:00Z"
    assert row["EndDateTime"] == "1900-01-01T00:00:00Z"
    assert row["IsApproved"] == "No"
    assert row["Comment"] == ""
    assert row["BusinessDocumentSubmissionId_W"] == "00000000-0000-0000-0000-000000000000"
    assert row["Recalculation"] is False


def test_odata_metadata_none_leaves_annotations_out(dynamics: Dynamics) -> None:
    accept = {"Accept": "application/json;odata.metadata=none"}
    answer = dynamics.get("LegalEntities", **accept).json()
    assert set(answer) == {"value"}
    assert "@odata.etag" not in answer["value"][0]
    full = {"Accept": "application/json;odata.metadata=full"}
    (first, *_) = dynamics.get("LegalEntities", **full).json()["value"]
    assert first["@odata.id"].endswith("/data/LegalEntities(LegalEntityId='usmf')")


def test_long_urls_are_refused_as_by_the_web_server(dynamics: Dynamics) -> None:
    answer = dynamics.get("VendorsV3?$filter=VendorAccountNumber eq '" + "x" * 20_000 + "'")
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (414, "text/html")
    dynamics.sandbox.switches.d365fo.max_query_bytes = 2048
    answer = dynamics.get("VendorsV3?$filter=VendorAccountNumber eq '" + "x" * 2_048 + "'")
    assert answer.status_code == 404
    assert "404.15" in answer.text


def test_views_show_the_rows_of_others(dynamics: Dynamics) -> None:
    dynamics.post("VendorInvoiceHeaders", dynamics.invoice())
    (view,) = dynamics.rows("VendInvoiceInfoTableBiEntities?$filter=Num eq 'INV-1'")
    assert (view["TableRefId"], view["RequestStatus"]) == ("BW-1", "Draft")
    assert view["CreatedOn"] > "2020"
    assert accounts(dynamics.rows("VendorsV2")) == accounts(dynamics.rows("VendorsV3"))
    assert dynamics.post("VendInvoiceInfoTableBiEntities", {}).status_code == 405


def test_the_service_document_lists_the_sets(dynamics: Dynamics) -> None:
    sets = {item["name"]: item for item in dynamics.rows("")}
    assert sets["VendorInvoiceHeaders"]["url"] == "VendorInvoiceHeaders"
    assert len(sets) > 60


def test_metadata_is_cacheable(dynamics: Dynamics) -> None:
    answer = dynamics.get("$metadata")
    root = ET.fromstring(answer.content)
    assert root.find(f".//{EDM}EntityContainer[@Name='Resources']") is not None
    again = dynamics.get("$metadata", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def properties(document: bytes | str) -> dict[str, dict[str, tuple[str | None, str | None]]]:
    """Entity type -> property -> Edm type and nullability."""
    return {
        str(kind.get("Name")): {
            str(item.get("Name")): (item.get("Type"), item.get("Nullable"))
            for item in kind.iter(f"{EDM}Property")
        }
        for kind in ET.fromstring(document).iter(f"{EDM}EntityType")
    }


def test_metadata_agrees_with_that_of_a_real_environment(dynamics: Dynamics) -> None:
    real = properties(reference_text(METADATA))
    ours = properties(dynamics.get("$metadata").content)
    invented = {  # the reference lists their names and keys only
        "AccountTranslation",
        "DimAttributeHcmWorker",
        "DimAttributeProjTable",
        "MainAccountLegalEntity",
        "ReleasedProductV2",
        "TaxCodeValueV2",
    }
    assert set(ours) - set(real) == invented
    for name in set(ours) - invented:
        assert ours[name] == real[name]


def test_ten_thousand_rows_are_read_fast(dynamics: Dynamics) -> None:
    state = dynamics.sandbox.d365fo
    rows = [
        {"LegalEntityId": "", "FinancialDimension": "X", "DimensionValue": str(n)}
        for n in range(10_000)
    ]
    state.load({"FinancialDimensionValues": rows})
    answer = dynamics.get("FinancialDimensionValues?$filter=FinancialDimension eq 'X'")
    assert len(answer.json()["value"]) == 10_000
    assert answer.elapsed.total_seconds() < 2  # in fact about 0.2 s
