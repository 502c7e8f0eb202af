"""What a user gets wrong: one line with the remedy, exit 1, no secret, no traceback."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from sandbox.d365fo import tokens
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document, coding_row
from sandbox.server import Sandbox

from tests.pipelines.holdings import Holdings
from tests.pipelines.shell import shell

CASES: dict[str, tuple[str, Mapping[str, str], str]] = {
    "wrong Basware secret": (
        "tap-basware --config=ENV",
        {"TAP_BASWARE_CLIENT_SECRET": "hunter2"},
        "refused the client id or (client )?secret",
    ),
    "unknown region": (
        "tap-basware --config=ENV",
        {"TAP_BASWARE_BASE_URL": "", "TAP_BASWARE_REGION": "MARS"},
        "EU.*US.*AU.*CA",
    ),
    "Basware unreachable": (
        "tap-basware --config=ENV",
        {"TAP_BASWARE_BASE_URL": "https://localhost:1", "TAP_BASWARE_MAX_ATTEMPTS": "1"},
        "localhost:1.*check the address",
    ),
    "Basware certificate not trusted": (
        "tap-basware --config=ENV",
        {"TAP_BASWARE_CA_FILE": ""},
        "certificate.*ca_file",
    ),
    "wrong Entra secret": (
        "target-d365fo --config=ENV --test",
        {"TARGET_D365FO_CLIENT_SECRET": "hunter2"},
        "secret.*(wrong|expired)|AADSTS7000215",
    ),
    "unknown Entra tenant": (
        "target-d365fo --config=ENV --test",
        {"TARGET_D365FO_TENANT_ID": "00000000-0000-0000-0000-00000000dead"},
        "tenant",
    ),
    "app not registered in F&O": (
        "target-d365fo --config=ENV --test",
        {"TARGET_D365FO_CLIENT_ID": tokens.UNREGISTERED_CLIENT_ID},
        "Microsoft Entra ID applications",
    ),
    "Dynamics unreachable": (
        "target-d365fo --config=ENV --test",
        {"TARGET_D365FO_BASE_URL": "https://localhost:1", "TARGET_D365FO_MAX_ATTEMPTS": "1"},
        "localhost",
    ),
    "Dynamics address of something else": (
        "target-d365fo --config=ENV --test",
        {"TARGET_D365FO_BASE_URL": "https://www.example.com"},
        "www.example.com|dynamics.com",
    ),
    "no mapping file": (
        "tap-basware --config=ENV | target-d365fo --config=ENV",
        {"TARGET_D365FO_MAPPING_FILE": "nowhere.yml"},
        "nowhere.yml",
    ),
    "ledger in a folder that cannot be": (
        "tap-basware --config=ENV | target-d365fo --config=ENV",
        {"TARGET_D365FO_LEDGER_URL": "sqlite:////dev/null/ledger.db"},
        "ledger",
    ),
}


@pytest.fixture(autouse=True)
def _one_approved_invoice(sandbox: Sandbox) -> None:
    world = small_world()
    world.add(basware={"accountingDocuments": [accounting_document()]})
    sandbox.load(world)


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_setting_is_explained(case: str, sandbox: Sandbox, tmp_path: Path) -> None:
    command, settings, explanation = CASES[case]
    done = shell(command, sandbox, tmp_path, **settings)
    assert done.returncode == 1, done.stderr
    assert re.search(explanation, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr + done.stdout
    assert sandbox.d365fo.rows("VendorInvoiceHeaders") == []


def test_a_malformed_mapping_names_the_line(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "mapping.yml").write_text("version: 1\ncompanies:\n  1000: {legal_entty: usmf}\n")
    done = shell(
        "tap-basware --config=ENV | target-d365fo --config=ENV",
        sandbox,
        tmp_path,
        TARGET_D365FO_MAPPING_FILE="mapping.yml",
    )
    assert done.returncode == 1
    assert "mapping.yml" in done.stderr
    assert "line 3" in done.stderr
    assert "legal_entty" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_garbled_line_costs_itself_only(sandbox: Sandbox, tmp_path: Path) -> None:
    good = accounting_document(number="AFTER-THE-BAD-LINE")
    lines = [
        json.dumps(
            {
                "type": "SCHEMA",
                "stream": "accounting_documents",
                "key_properties": ["invoiceId"],
                "schema": {"properties": {"invoiceId": {"type": "string"}}},
            }
        ),
        json.dumps({"type": "STATE", "value": {"at": 1}}),
        '{"type": "RECORD", "stream": "accounting_documents", "record": {"supplierBankIBAN": "DE8',
        json.dumps(
            {"type": "RECORD", "stream": "accounting_documents", "record": good}, default=str
        ),
        json.dumps({"type": "STATE", "value": {"at": 2}}),
    ]
    (tmp_path / "in.singer").write_text("\n".join(lines) + "\n")
    done = shell("target-d365fo --config=ENV --input in.singer", sandbox, tmp_path)
    assert done.returncode == 1
    assert "line 3" in done.stderr
    assert "DE8" not in done.stderr
    assert "Traceback" not in done.stderr
    # The others arrive, and the state does not move past the bad line.
    assert json.loads(done.stdout.splitlines()[-1]) == {"at": 1}
    Holdings.of(sandbox).invoice(good)


def test_an_invoice_of_2000_rows_arrives_whole(sandbox: Sandbox, tmp_path: Path) -> None:
    world = small_world()
    rows = [coding_row(net="1.01", tax_code="EX") for _ in range(2000)]
    document = accounting_document(number="LONG-1", rows=rows)
    world.add(basware={"accountingDocuments": [document]})
    sandbox.load(world)
    done = shell("tap-basware --config=ENV | target-d365fo --config=ENV", sandbox, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    header, lines = Holdings.of(sandbox).invoice(document)
    assert len(lines) == 2000
    assert header["ImportedAmount"] == document["grossSum"]


def test_new_fields_in_basware_stop_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.switches.basware.new_fields = True
    done = shell("tap-basware --config=ENV | target-d365fo --config=ENV", sandbox, tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(sandbox.d365fo.rows("VendorInvoiceHeaders")) == 1
    assert "fieldOfTomorrow" in done.stderr


@pytest.mark.parametrize("plugin", ["tap-basware", "tap-d365fo", "target-basware", "target-d365fo"])
def test_the_connection_check_passes_and_writes_nothing(
    plugin: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.journal.clear()
    done = shell(f"{plugin} --config=ENV --test", sandbox, tmp_path)
    assert done.returncode == 0, done.stderr
    writes = [
        exchange
        for exchange in sandbox.journal.requests()
        if exchange.method != "GET" and "token" not in exchange.path
    ]
    assert writes == []
    assert sandbox.journal.requests()


def test_forbidden_manual_numbers_name_the_setting_and_the_other_mode_works(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.switches.d365fo.manual_header_reference = False
    command = "tap-basware --config=ENV | target-d365fo --config=ENV"
    refused = shell(command, sandbox, tmp_path)
    assert refused.returncode == 1
    assert "header_reference" in refused.stderr
    assert "number_sequence" in refused.stderr
    assert sandbox.d365fo.rows("VendorInvoiceHeaders") == []

    numbered = {"TARGET_D365FO_HEADER_REFERENCE": "number_sequence"}
    done = shell(
        f"{command} && tap-d365fo --config=ENV | target-basware --config=ENV",
        sandbox,
        tmp_path,
        **numbered,
    )
    assert done.returncode == 0, done.stderr
    [document] = sandbox.basware.documents()
    after = Holdings.of(sandbox)
    header, lines = after.invoice(document)
    assert len(lines) == len(document["codingRows"])
    assert after.confirmed(document)["voucherNumber1"] == header["HeaderReference"]
    assert not header["HeaderReference"].startswith("BW")
