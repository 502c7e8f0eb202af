"""The sandbox's Data management: packages come to a file store, and are imported later."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests
from sandbox.d365fo.data_management import PREFIX as ACTIONS
from sandbox.server import Sandbox

from tests.sandbox.d365fo_client import Dynamics, connect, trusting_session, world

SPACE = "http://schemas.microsoft.com/dynamics/2015/01/DataManagement"
HEADER = {"HEADERREFERENCE": "REF-1", "INVOICEACCOUNT": "V1", "INVOICENUMBER": "N-1"}
LINE = {
    "HEADERREFERENCE": "REF-1",
    "INVOICELINENUMBER": "1",
    "MAINACCOUNTDISPLAYVALUE": "601000-CC1-",
    "RECEIVENOW": "1",
    "UNITPRICE": "5.50",
    "NETAMOUNT": "5.50",
    "CURRENCY": "USD",
}


PREFIX = ACTIONS.removeprefix("/data/")


@pytest.fixture
def dynamics(sandbox: Sandbox) -> Iterator[Dynamics]:
    sandbox.d365fo.load(world(), default_company="usmf")
    with trusting_session(sandbox) as session:
        yield connect(sandbox, session)


def packed(*rows: tuple[str, dict[str, str]]) -> bytes:
    names = ("Vendor invoice header", "Vendor invoice line")
    entities, files = "", {}
    for level, name in enumerate(names, start=1):
        mine = [row for entity, row in rows if entity == name]
        fields = dict.fromkeys(field for row in mine for field in row)
        maps = "".join(
            f"<EntityMap><EntityField>{f}</EntityField><XMLField>{f}</XMLField></EntityMap>"
            for f in fields
        )
        entities += (
            f"<DataManagementPackageEntityData><EntityMapList>{maps}</EntityMapList>"
            f"<EntityName>{name}</EntityName><InputFilePath>{name}.xml</InputFilePath>"
            f"<LevelInExecutionUnit>{level}</LevelInExecutionUnit>"
            "<SourceFormat>XML-Element</SourceFormat></DataManagementPackageEntityData>"
        )
        cells = ["".join(f"<{n}>{v}</{n}>" for n, v in row.items()) for row in mine]
        files[f"{name}.xml"] = f"<Document>{''.join(f'<ROW>{c}</ROW>' for c in cells)}</Document>"
    files["PackageHeader.xml"] = f'<DataManagementPackageHeader xmlns="{SPACE}"/>'
    files["Manifest.xml"] = f'<Manifest xmlns="{SPACE}">{entities}</Manifest>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)
    return out.getvalue()


WHOLE = packed(("Vendor invoice header", HEADER), ("Vendor invoice line", LINE))


def act(dynamics: Dynamics, action: str, **body: Any) -> requests.Response:
    return dynamics.post(f"{PREFIX}{action}", body)


def address(dynamics: Dynamics, name: str = "a.zip") -> str:
    answer = act(dynamics, "GetAzureWriteUrl", uniqueFileName=name).json()
    return str(json.loads(answer["value"])["BlobUrl"])


def put(sandbox: Sandbox, url: str, content: bytes, **headers: str) -> int:
    sent = {"x-ms-blob-type": "BlockBlob", **headers}
    return requests.put(
        url, data=content, headers=sent, verify=str(sandbox.ca_file), timeout=10
    ).status_code


def begin(dynamics: Dynamics, url: str, execution: str = "E-1", **more: Any) -> requests.Response:
    body = {
        "packageUrl": url,
        "definitionGroupId": "Basware vendor invoices",
        "executionId": execution,
        "execute": True,
        "overwrite": True,
        "legalEntityId": "USMF",
        **more,
    }
    return act(dynamics, "ImportFromPackage", **body)


def state(dynamics: Dynamics, execution: str = "E-1") -> str:
    return str(act(dynamics, "GetExecutionSummaryStatus", executionId=execution).json()["value"])


def ended(dynamics: Dynamics, execution: str = "E-1") -> str:
    for _ in range(200):
        if (found := state(dynamics, execution)) not in {"NotRun", "Executing"}:
            return found
        time.sleep(0.02)
    raise AssertionError(found)


def errors(dynamics: Dynamics, execution: str = "E-1") -> list[dict[str, str]]:
    answer = act(dynamics, "GetExecutionErrors", executionId=execution).json()
    found: list[dict[str, str]] = json.loads(answer["value"])
    return found


def imported(sandbox: Sandbox, dynamics: Dynamics, content: bytes, execution: str = "E-1") -> str:
    url = address(dynamics, f"{execution}.zip")
    assert put(sandbox, url, content) == 201
    assert begin(dynamics, url, execution).json()["value"] == execution
    return ended(dynamics, execution)


def test_headers_and_lines_arrive(sandbox: Sandbox, dynamics: Dynamics) -> None:
    assert imported(sandbox, dynamics, WHOLE) == "Succeeded"
    [header] = sandbox.d365fo.rows("VendorInvoiceHeaders")
    assert (header["dataAreaId"], header["VendorName"] != "") == ("usmf", True)
    [line] = sandbox.d365fo.rows("VendorInvoiceLines")
    assert line["NetAmount"] == Decimal("5.5")
    assert errors(dynamics) == []


def test_the_same_rows_once_more_double_nothing(sandbox: Sandbox, dynamics: Dynamics) -> None:
    imported(sandbox, dynamics, WHOLE)
    assert imported(sandbox, dynamics, WHOLE, "E-2") == "Succeeded"
    assert len(sandbox.d365fo.rows("VendorInvoiceHeaders")) == 1
    assert len(sandbox.d365fo.rows("VendorInvoiceLines")) == 1


def test_one_row_is_refused_and_the_others_are_taken(sandbox: Sandbox, dynamics: Dynamics) -> None:
    bad = LINE | {"INVOICELINENUMBER": "2", "MAINACCOUNTDISPLAYVALUE": "999999-CC1-"}
    content = packed(
        ("Vendor invoice header", HEADER),
        ("Vendor invoice line", LINE),
        ("Vendor invoice line", bad),
    )
    assert imported(sandbox, dynamics, content) == "PartiallySucceeded"
    assert len(sandbox.d365fo.rows("VendorInvoiceLines")) == 1
    [error] = errors(dynamics)
    assert error["RecordId"] == "REF-1+2"
    assert "999999" in error["ErrorMessage"]


def test_nothing_but_refused_rows_is_a_failure(sandbox: Sandbox, dynamics: Dynamics) -> None:
    sandbox.switches.set("d365fo.package_error_rows", "nameless")
    content = packed(("Vendor invoice header", HEADER | {"INVOICEACCOUNT": "NOBODY"}))
    assert imported(sandbox, dynamics, content) == "Failed"
    assert errors(dynamics)[0]["RecordId"] == ""


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"definitionGroupId": "Nobody's"}, "Definition group"),
        ({"legalEntityId": "XXXX"}, "Company"),
        ({"packageUrl": "https://localhost/dmf/none?sig=1"}, "cannot be read"),
    ],
)
def test_an_import_is_refused(
    sandbox: Sandbox, dynamics: Dynamics, more: dict[str, str], says: str
) -> None:
    url = address(dynamics)
    put(sandbox, url, WHOLE)
    answer = begin(dynamics, url, **more)
    assert answer.status_code == 400
    assert says in answer.text
    assert sandbox.d365fo.rows("VendorInvoiceHeaders") == []


def test_one_import_at_a_time_and_one_for_an_id(sandbox: Sandbox, dynamics: Dynamics) -> None:
    sandbox.switches.set("d365fo.package_seconds", 0.5)
    url = address(dynamics)
    put(sandbox, url, WHOLE)
    begin(dynamics, url)
    time.sleep(0.05)
    assert state(dynamics) == "Executing"
    assert "is being executed" in begin(dynamics, url, "E-2").text
    assert ended(dynamics) == "Succeeded"
    assert "exists already" in begin(dynamics, url).text


@pytest.mark.parametrize("outcome", ["Failed", "Canceled", "NotRun"])
def test_an_import_ends_as_it_is_told(sandbox: Sandbox, dynamics: Dynamics, outcome: str) -> None:
    sandbox.switches.set("d365fo.package_outcome", outcome)
    url = address(dynamics)
    put(sandbox, url, WHOLE)
    begin(dynamics, url)
    if outcome == "NotRun":
        assert state(dynamics) == "NotRun"
    else:
        assert ended(dynamics) == outcome
    assert len(sandbox.d365fo.rows("VendorInvoiceHeaders")) == (outcome == "Canceled")
    assert sandbox.d365fo.rows("VendorInvoiceLines") == []


def test_what_nobody_began_is_not_known(sandbox: Sandbox, dynamics: Dynamics) -> None:
    answer = act(dynamics, "GetExecutionSummaryStatus", executionId="E-9")
    assert (answer.status_code, "E-9" in answer.text) == (400, True)
    sandbox.switches.set("d365fo.package_unknown", "Unknown")
    assert state(dynamics, "E-9") == "Unknown"


def test_the_file_store_is_strict(sandbox: Sandbox, dynamics: Dynamics) -> None:
    url = address(dynamics)
    assert put(sandbox, url, WHOLE, Authorization="Bearer x") == 400
    assert put(sandbox, url.replace("sig=", "sig=0"), WHOLE) == 403
    assert put(sandbox, url, WHOLE, **{"x-ms-blob-type": "PageBlob"}) == 400
    sandbox.clock.advance(3600)
    assert put(sandbox, url, WHOLE) == 403


def test_beginning_anew_ends_what_runs(sandbox: Sandbox, dynamics: Dynamics) -> None:
    sandbox.switches.set("d365fo.package_queue_seconds", 0.2)
    url = address(dynamics)
    put(sandbox, url, WHOLE)
    begin(dynamics, url)
    sandbox.reset()
    time.sleep(0.4)
    assert sandbox.d365fo.rows("VendorInvoiceHeaders") == []
