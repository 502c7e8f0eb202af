"""The plugins without Meltano: in a shell pipe, with each other and with foreign plugins."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sandbox.seed import World, small_world
from sandbox.seed.builders import accounting_document
from sandbox.server import Sandbox

from tests.pipelines.holdings import Holdings
from tests.pipelines.shell import TAP_JSONL, TARGET_JSONL, shell

PLUGINS = ("TAP_BASWARE", "TARGET_D365FO", "TAP_D365FO", "TARGET_BASWARE")


@pytest.fixture
def world(sandbox: Sandbox) -> World:
    """Two approved invoices, one of a vendor that Dynamics does not know."""
    world = small_world()
    good = accounting_document(number="PIPE-1")
    bad = accounting_document(number="PIPE-2", supplier="US-9999")
    world.add(basware={"accountingDocuments": [good, bad]})
    sandbox.load(world)
    return world


def foreign_tap(folder: Path, stream: str, key: str, record: dict[str, Any]) -> str:
    """Return the command of a tap that knows nothing of ours and reads one record from a file."""
    (folder / "in.jsonl").write_text(json.dumps(record) + "\n")
    config = {"path": str(folder / "in.jsonl"), "stream_name": stream, "primary_keys": [key]}
    (folder / "tap.json").write_text(json.dumps(config))
    return f"{TAP_JSONL} --config tap.json"


def test_both_directions_in_a_bare_pipe(sandbox: Sandbox, world: World, tmp_path: Path) -> None:
    posted = shell("tap-basware --config=ENV | target-d365fo --config=ENV", sandbox, tmp_path)
    assert posted.returncode == 0, posted.stderr
    told = shell("tap-d365fo --config=ENV | target-basware --config=ENV", sandbox, tmp_path)
    assert told.returncode == 0, told.stderr
    good, bad = world.basware["accountingDocuments"]
    after = Holdings.of(sandbox)
    after.invoice(good)
    after.confirmed(good)
    assert "US-9999" in after.refusal(bad)


def test_taps_feed_a_foreign_target(sandbox: Sandbox, world: World, tmp_path: Path) -> None:
    (tmp_path / "jsonl.json").write_text(json.dumps({"destination_path": str(tmp_path)}))
    done = shell(
        f"tap-basware --config=ENV | {TARGET_JSONL} --config jsonl.json && "
        "tap-basware --config=ENV | target-d365fo --config=ENV >/dev/null && "
        f"tap-d365fo --config=ENV | {TARGET_JSONL} --config jsonl.json",
        sandbox,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    [documents] = tmp_path.glob("accounting_documents-*.jsonl")
    rows = [json.loads(line) for line in documents.read_text().splitlines()]
    assert {row["invoiceNumber"] for row in rows} == {"PIPE-1", "PIPE-2"}
    [outcomes] = tmp_path.glob("transfer_outcomes-*.jsonl")
    told = [json.loads(line) for line in outcomes.read_text().splitlines()]
    assert sorted(row["success"] for row in told) == [False, True]


def test_a_foreign_tap_feeds_canonical_invoices(
    sandbox: Sandbox, world: World, tmp_path: Path
) -> None:
    invoice = {
        "document_id": "erp-42",
        "legal_entity": "usmf",
        "vendor_account": "US-0001",
        "invoice_number": "FILE-42",
        "invoice_date": "2026-02-14",
        "currency": "USD",
        "gross_amount": "100.50",
        "tax_amount": "0.00",
        "on_hold": False,
        "lines": [
            {
                "line_number": 1,
                "main_account": world.basware["accountingDocuments"][0]["codingRows"][0][
                    "accountCode"
                ],
                "quantity": "1",
                "unit_price": "100.50",
                "net_amount": "100.50",
                "tax_amount": "0.00",
            }
        ],
    }
    source = foreign_tap(tmp_path, "vendor_invoices", "document_id", invoice)
    for _ in range(2):
        done = shell(f"{source} | target-d365fo --config=ENV", sandbox, tmp_path)
        assert done.returncode == 0, done.stderr
    [header] = sandbox.d365fo.rows("VendorInvoiceHeaders")
    assert (header["InvoiceNumber"], header["ImportedAmount"]) == ("FILE-42", Decimal("100.5"))
    [line] = sandbox.d365fo.rows("VendorInvoiceLines")
    assert line["NetAmount"] == Decimal("100.5")


def test_a_foreign_tap_feeds_any_entity_set(sandbox: Sandbox, world: World, tmp_path: Path) -> None:
    source = foreign_tap(tmp_path, "groups", "group", {"group": "90", "name": "Freight"})
    entity_sets = {
        "groups": {
            "entity_set": "VendorGroups",
            "fields": {"group": "VendorGroupId", "name": "Description"},
            "constants": {"dataAreaId": "demf"},
        }
    }
    for _ in range(2):
        done = shell(
            f"{source} | target-d365fo --config=ENV",
            sandbox,
            tmp_path,
            TARGET_D365FO_ENTITY_SETS=json.dumps(entity_sets),
        )
        assert done.returncode == 0, done.stderr
    [group] = [row for row in sandbox.d365fo.rows("VendorGroups") if row["VendorGroupId"] == "90"]
    assert (group["dataAreaId"], group["Description"]) == ("demf", "Freight")


def test_a_foreign_tap_feeds_transfer_responses(
    sandbox: Sandbox, world: World, tmp_path: Path
) -> None:
    document = world.basware["accountingDocuments"][0]
    response = {
        "document_id": document["invoiceId"],
        "success": True,
        "message": "Posted by hand",
        "voucher_number": "V-1",
        "transfer_date": "2026-03-01T10:00:00Z",
        "payment_block": False,
    }
    source = foreign_tap(tmp_path, "transfer_responses", "document_id", response)
    done = shell(f"{source} | target-basware --config=ENV", sandbox, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Holdings.of(sandbox).confirmed(document)["voucherNumber1"] == "V-1"


def test_no_secret_or_bank_account_gets_into_a_log_or_the_ledger(
    sandbox: Sandbox, world: World, tmp_path: Path
) -> None:
    iban = "DE89370400440532013000"
    for held in sandbox.basware.documents():
        sandbox.basware.retransfer(held["invoiceId"], supplierBankIBAN=iban)
    done = shell(
        "tap-basware --config=ENV | target-d365fo --config=ENV && "
        "tap-d365fo --config=ENV | target-basware --config=ENV",
        sandbox,
        tmp_path,
        LOGLEVEL="DEBUG",
        **{f"{plugin}_LOGLEVEL": "DEBUG" for plugin in PLUGINS},
    )
    assert done.returncode == 0, done.stderr
    assert "DEBUG" in done.stderr
    # Every file too: the ledger is one of them.
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    secrets = [
        value.removeprefix("plain:")
        for name, value in sandbox.environment().items()
        if name.endswith("_SECRET")
    ]
    assert len(secrets) == 4
    for canary in (iban, "Bearer ", "eyJ", *secrets):
        assert canary not in done.stderr + done.stdout
        assert canary.encode() not in written
