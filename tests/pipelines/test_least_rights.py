"""The rights that the documentation asks for are enough, and are all used where they write."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest
from sandbox.seed import small_world
from sandbox.seed.builders import accounting_document
from sandbox.server import Sandbox
from tap_basware.client import BaswareClient

from tests.pipelines.conftest import ROOT, Meltano

Rights = dict[str, set[str]]
RIGHTS = {"GET": "read", "POST": "create", "PATCH": "update", "DELETE": "delete"}
INNER = re.compile(rb"^(GET|POST|PATCH|DELETE) (\S+) HTTP", re.MULTILINE)


def used(sandbox: Sandbox) -> Rights:
    """What has been asked of each entity set of Dynamics since the journal was cleared."""
    found: Rights = defaultdict(set)
    assert sandbox.journal.dropped == 0
    for exchange in sandbox.journal.requests("d365fo"):
        calls = [(exchange.method, exchange.path)]
        if exchange.path.endswith("$batch"):
            calls = [
                (method.decode(), path.decode()) for method, path in INNER.findall(exchange.body)
            ]
        for method, path in calls:
            name = re.split(r"[(?/$]", path.partition("/data/")[2] or path, maxsplit=1)[0]
            if name:
                found[name].add(RIGHTS[method])
    return found


def documented() -> Rights:
    """The table in docs/security.md."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.partition("| entity set |")[2].partition("\n\n")[0]
    found: Rights = {}
    for line in table.splitlines()[2:]:
        names, _, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rights = {right for right, cell in zip(RIGHTS.values(), cells, strict=True) if cell}
        for name in re.findall(r"`(\w+)`", names):
            found.setdefault(name, set()).update(rights)
    return found


def scopes(*flows: str) -> str:
    """The scopes that docs/security.md names, for these flows, as a list."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    table = text.partition("| flow | scopes |")[2].partition("\n\n")[0]
    rows = [line for line in table.splitlines() if line.strip(" |").startswith(flows)]
    return ",".join(dict.fromkeys(re.findall(r"`(\w+\.\w+)`", " ".join(rows))))


@pytest.fixture
def all_used(sandbox: Sandbox, meltano: Meltano) -> Rights:
    """What the flows use, each with the scopes named for it in docs/security.md alone."""
    world = small_world()
    documents = [accounting_document(number=f"RIGHTS-{number}") for number in range(3)]
    world.add(basware={"accountingDocuments": documents})
    world.basware = {
        name: rows for name, rows in world.basware.items() if name == "accountingDocuments"
    }
    sandbox.load(world)
    sandbox.switches.set("basware.granted_scopes", scopes("masters", "all"))
    meltano.run("run", "masters")
    sandbox.switches.set("basware.granted_scopes", scopes("invoices", "all"))
    meltano.run("run", "invoices")
    numbered = {"TARGET_D365FO_HEADER_REFERENCE": "number_sequence"}
    more = [accounting_document(number=f"NUMBERED-{number}") for number in range(2)]
    sandbox.basware.load({"accountingDocuments": more})
    # A changed one takes the place of its draft.
    sandbox.basware.retransfer(documents[0]["invoiceId"], text1="changed")
    meltano.run("run", "invoices", **numbered)
    for header in sandbox.d365fo.rows("VendorInvoiceHeaders"):
        voucher = sandbox.d365fo.post_invoice(header["dataAreaId"], header["HeaderReference"])
        sandbox.d365fo.pay_invoice(header["dataAreaId"], voucher, date="2026-03-02")
    sandbox.switches.set("basware.granted_scopes", scopes("payments", "all"))
    meltano.run("run", "payments")
    return used(sandbox)


def test_the_documented_rights_are_enough_and_all_that_write_are_used(all_used: Rights) -> None:
    table = documented()
    missing = {
        name: rights - table.get(name, set())
        for name, rights in all_used.items()
        if rights - table.get(name, set())
    }
    assert missing == {}
    unused = {name: rights - {"read"} - all_used.get(name, set()) for name, rights in table.items()}
    assert {name for name, rights in unused.items() if rights} == set()


def test_each_flow_s_scopes_are_found() -> None:
    assert scopes("payments", "all").startswith("requestStatus") or scopes("invoices")
    assert "vendors.write" in scopes("masters")


def test_a_token_stays_in_its_region(tmp_path: Path) -> None:
    with Sandbox() as one, Sandbox() as other:
        clients = []
        for sandbox in (one, other):
            config = {
                "base_url": sandbox.basware_url,
                "client_id": "basware-client",
                "client_secret": "plain:basware-secret",
                "ca_file": str(sandbox.ca_file),
            }
            clients.append(BaswareClient.connect(config, ["vendors.read"]))
        for client in clients:
            assert client.page("v1/vendors", {}, "vendorEntities").records == []
            client.session.close()
        for sandbox in (one, other):
            statuses = {each.status for each in sandbox.journal.requests("basware")}
            assert statuses == {200, 404}  # the token, the empty list; no 401 for a foreign one
